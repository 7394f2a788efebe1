"""What stands beside speech in a text: times in seconds, headings, one label, dashes of dialogue."""

from __future__ import annotations

import math

import pytest

from twomind.core.errors import BadInput
from twomind.datasets.answers import read_answers
from twomind.transcripts import tables
from twomind.transcripts.second_marks import as_clock
from twomind.transcripts.speech import _without_marks
from twomind.transcripts.words import Words, words_of_text
from twomind.types import Timing, Word


def _said(text: str, speaker: str | None = None) -> tuple[list[str], Words]:
    said = words_of_text(text, "text", 9.5, speaker)
    return [word.text for word in said.words], said


@pytest.mark.parametrize(
    ("text", "start_s"),
    [
        ("[3.5] I want it\n[5.0] but no\n", 3.5),
        ("[3.5s] I want it\n[5.0s] but no\n", 3.5),
        ("1.00 2.50 I want it\n2.50 5.00 but no\n", 1.0),
        ("1.0-2.5: I want it\n2.5-5.0: but no\n", 1.0),
        ("[1.00s -> 2.50s] I want it\n[2.50s -> 5.00s]  but no\n", 1.0),
        ("(1.0 - 2.5) I want it\n(2.5 - 5.0) but no\n", 1.0),
        ("0,5 I want\n2,5 it\n4,0 but no\n", 0.5),
    ],
)
def test_seconds_at_the_start_of_all_lines_are_times(text: str, start_s: float) -> None:
    words, said = _said(text)
    assert words == ["I", "want", "it", "but", "no"]
    assert said.words[0].start_s == start_s
    assert said.timing is Timing.SPREAD_CUE


@pytest.mark.parametrize(
    "text",
    [
        "2.5 million people smoke\n3.5 of them stop\n",
        "(0.5) I want it\n(1.2) but no\n",
        "5.0 is what I gave it\n2.0 the day before\n7.5 in between\n",
        "0.1 I want it and I want it and so on and on\n0.2 but no\n0.3 it is\n",
        "1 I want it\n5 but no\n9 it is\n",
        "10.5 I want\n12.5 it\n14.0 but no\n",
    ],
)
def test_other_numbers_are_no_times(text: str) -> None:
    assert as_clock(text, 9.5) == text
    assert _said(text)[1].timing is Timing.SPREAD_ALL


def test_without_a_known_length_seconds_are_believed() -> None:
    assert as_clock("10.5 I want\n12.5 it\n14.0 but no", math.nan).startswith("[0:00:10.5")


@pytest.mark.parametrize("title", ["Interview 3", "Date: 4 March\nTape 2", "SMOKING"])
def test_a_heading_is_left_out_and_said(title: str) -> None:
    words, said = _said(f"{title}\n\nAnna: I like it.\nAnna: But no.\n")
    assert words == ["I", "like", "it.", "But", "no."]
    assert any("taken for a heading" in remark for remark in said.problems)


def test_a_sentence_above_the_first_name_is_no_heading() -> None:
    _, said = _said("So that is what I think.\nAnna: I like it.\nAnna: But no.\n")
    assert said.not_measured.startswith("two speakers (unlabelled 6 words, Anna 5 words)")
    words, _ = _said("Interview 3")
    assert words == ["Interview", "3"], "nothing follows"


def test_one_label_that_is_no_role_is_said() -> None:
    words, said = _said("Smoking: it is a habit.\nSmoking: that is what I do.\n")
    assert "Smoking" not in words
    assert any("'Smoking' at the start of lines" in remark for remark in said.problems)
    assert not any(
        "at the start of lines" in x for x in _said("Patient: I do.\nPatient: No.")[1].problems
    )


@pytest.mark.parametrize(
    "names",
    [
        "Enquêteur Enquêtée", "Interviewerin Befragter", "Therapeut Klientin", "psychologue patiente",
        "entrevistador entrevistada", "intervistatore paziente", "onderzoeker deelnemer",
    ],
)  # fmt: skip
def test_roles_of_other_languages(names: str) -> None:
    asks, answers = names.split()
    words, _ = _said(f"{asks}: so\n{answers}: I do\n", answers)
    assert words == ["I", "do"]


def test_words_beside_marks_are_counted_for_a_speaker() -> None:
    _, said = _said("A: I do «laughs» so\nB: [hard to hear] yes (2.3) <unk>\n")
    assert said.not_measured.startswith("two speakers (A 3 words, B 1 word)")


def test_marks_of_the_recogniser_are_no_words() -> None:
    heard = ["(laughs)", "I", "[hard", "to", "hear]", "want", "♪"]
    words = [Word(x, float(k), k + 0.5, 0.9, Timing.RECOGNISED) for k, x in enumerate(heard)]
    said, marks, problems = _without_marks(words)
    assert [word.text for word in said] == ["I", "want"]
    assert [(word.start_s, word.confidence, word.timing) for word in said] == [
        (1.0, 0.9, Timing.RECOGNISED),
        (5.0, 0.9, Timing.RECOGNISED),
    ]
    assert [mark.text for mark in marks] == ["(laughs)", "[hard to hear]", "♪"]
    assert problems


def test_labelled_cells_hold_the_words_of_the_person(tmp_path) -> None:
    table = tmp_path / "own.csv"
    table.write_text(
        "subject,question,label,transcript\n"
        "a,1,1,[noise] I do (laughs) want it\n"
        "b,1,0,Patient: I do not\n"
        '"c",1,0,"Interviewer: Why?\nPatient: I do not"\n'
        "d,1,0,It is so - and so\n"
        "e,1,0,Je ne sais pas si je veux le faire mais je dois le faire pour ma femme\n"
    )
    read = read_answers(table, [])
    texts = [answer.transcript for answer in read.answers]
    assert texts[:3] == ["I do want it", "I do not", "It is so - and so"]
    assert texts[3].startswith("Je ne sais pas")
    assert len(texts) == 4
    assert "two speakers (Interviewer 1 word, Patient 3 words)" in str(read.problems)


def test_nobody_of_a_name(tmp_path) -> None:
    with pytest.raises(BadInput, match="'Smith, Mary' 1 word"):
        _said("WEBVTT\n\n00:00.000 --> 00:02.000\n<v Smith, Mary>Hi</v>\n", "Bo")


@pytest.mark.parametrize("text", ["\t\t\n \t\n", ",,,\n,,,\n", "\x0c\t\x0b\n"])
def test_a_table_of_empty_cells_is_no_table(text: str) -> None:
    assert tables.table(text, 10.0) is None

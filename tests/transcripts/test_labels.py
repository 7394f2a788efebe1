"""Ways of writing who speaks: each is found, and no label is a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from twomind.transcripts.words import Words, read_words, words_of_text

WHY, ANSWER = "Do you want to stop smoking?", "I would like to, maybe."
AGAIN, LAST = "Why is that?", "Because it is hard."


def dialogue(asks: str, answers: str) -> str:
    return f"{asks}{WHY}\n{answers}{ANSWER}\n{asks}{AGAIN}\n{answers}{LAST}\n"


def above(name: str) -> str:
    """The text with names on lines of their own, and no blank line."""
    first, second = (name.format(who) for who in ("MARY", "JOHN"))
    return f"{first}\n{WHY}\n{second}\n{ANSWER}\n{first}\n{AGAIN}\n{second}\n{LAST}\n"


#: Before what two people say.
PAIRS = (
    ("Interviewer | ", "Participant | "),
    ("Interviewer> ", "Participant> "),
    ("Interviewer >> ", "Participant >> "),
    ("INTERVIEWER— ", "PARTICIPANT— "),
    ("Interviewer. ", "Participant. "),
    ("I; ", "P; "),
    ("I = ", "P = "),
    ("*INV:\t", "*PAR:\t"),
    ("- **Interviewer**: ", "- **Participant**: "),
    ("* Interviewer: ", "* Participant: "),
    ("### Interviewer: ", "### Participant: "),
    ("[MARY] ", "[JOHN] "),
    ("(Mary) ", "(John) "),
    ("<Mary> ", "<John> "),
)
TEXTS = (
    *(dialogue(*pair) for pair in PAIRS),
    above("{}"),
    above("**{}**"),
    above("### {}"),
    f"Interviewer: {WHY} Participant: {ANSWER} Interviewer: {AGAIN} Participant: {LAST}",
)


@pytest.mark.parametrize("text", TEXTS)
def test_each_way_of_naming_two_speakers(text: str) -> None:
    said = words_of_text(text, "talk")
    assert not said.words
    assert said.not_measured.startswith("two speakers")
    person = words_of_text(text, "talk", speaker="longest")
    assert " ".join(word.text for word in person.words) == f"{WHY} {AGAIN}"


#: Lines above a talk that say something about it.
FIELDS = (
    "Participant ID: P01\n",
    "Interview 3\nParticipant ID: P01\nDate: 3 May 2021\n\n",
    "Study ID: 12\nSession: 2\nAge: 34\n\n",
    "Transcribed by: Jane Roe\nDuration: 12:30\n",
    "File name: talk_03.mp4\nLanguage: English\n\n",
)


@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("talk", [dialogue("Interviewer: ", "Participant: "), f"{ANSWER} {LAST}\n"])
def test_fields_above_a_talk_are_no_speakers_and_no_words(fields: str, talk: str) -> None:
    clean = words_of_text(talk, "talk", 20.0, "longest")
    said = words_of_text(fields + talk, "talk", 20.0, "longest")
    assert [word.text for word in said.words] == [word.text for word in clean.words]
    assert any("taken for a heading" in problem for problem in said.problems)
    assert (
        words_of_text(fields + talk, "talk").not_measured == words_of_text(talk, "t").not_measured
    )


def test_fields_that_say_who_somebody_is_are_no_speakers() -> None:
    head = "Interviewer: Dr. Mary Smith\nInterviewee: John Doe\n\n"
    said = words_of_text(head + dialogue("MS: ", "JD: "), "talk")
    assert said.not_measured.startswith("two speakers (MS 9 words, JD 9 words)")


@pytest.mark.parametrize(
    "text",
    [
        "Date: I had one last week. It was nice.\nI think so.",
        "I want it so much\nTime: there is none left",
        "We talked at length\nPlace and time were nice",
        "[Coughing] I would like to.\n[Sighing] But it is hard.",
        "[NAME] told me about it.\n[CITY] is nice.",
        "Doctor. I never wanted to be one.",
        "Patient — that is what I try to be.",
        "- Smoking: I want to stop.\n- Drinking: I do not.",
        "I wanted it so much\nI = me.",
        "London\nI liked it there.\nParis\nI did not.",
    ],
)
def test_what_people_say_is_no_label(text: str) -> None:
    said = words_of_text(text, "talk")
    assert not said.not_measured
    assert not said.others
    assert len(said.words) > 5


def subtitle(*texts: str) -> str:
    cues = []
    for k, text in enumerate(texts):
        cues.append(f"{k + 1}\n00:00:{4 * k:02d},000 --> 00:00:{4 * k + 3:02d},000\n{text}\n")
    return "\n".join(cues)


def read(folder: Path, text: str, name: str = "a.srt") -> Words:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_words(path, 20.0)


@pytest.mark.parametrize("dash", ["- ", "-", "– ", "— "])
def test_a_dash_on_the_second_line_alone_is_another_speaker(dash: str, tmp_path: Path) -> None:
    said = read(tmp_path, subtitle(f"{WHY}\n{dash}I do not know."))
    assert said.not_measured.startswith("two speakers (turn 1 6 words, turn 2 4 words)")


@pytest.mark.parametrize("text", ["I wanted it so much\n- or not.", "It is hard.\n- or easy."])
def test_a_dash_inside_a_sentence_is_none(text: str, tmp_path: Path) -> None:
    assert not read(tmp_path, subtitle(text)).not_measured

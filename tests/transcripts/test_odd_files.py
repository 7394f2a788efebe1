"""Transcripts as people and their programs really leave them: no sign, name or number becomes a word,
no text is lost, and nobody else's words are the person's.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twomind.core.errors import BadInput
from twomind.transcripts.words import Words, read_words, words_of_text

DURATION_S = 20.0


def _read(tmp_path: Path, name: str, content: str, speaker: str | None = None) -> Words:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return read_words(path, DURATION_S, speaker)


def _said(words: Words) -> str:
    return " ".join(word.text for word in words.words)


SEGMENTS = {"segments": [{"start": 1, "end": 2, "text": "How?", "speaker": 0}]}
SEGMENTS["segments"].append({"start": 3, "end": 4, "text": "I would.", "speaker": 1})


@pytest.mark.parametrize(
    ("name", "content", "speaker", "said"),
    [
        # A colon after a time in brackets, too, says that a name stands before it.
        ("a.txt", "P1 [00:01]: How?\nP2 [00:04]: I would.\nP1 [00:09]: Good.\n", "P2", "I would."),
        ("a.txt", "P1 [00:01]: How [00:02]: old?\nP2 [00:04]: I am.\n", "P1", "How old?"),
        # Who begins other lines is named inside a line too.
        ("a.txt", "INT: How?\nRESP: I would. INT: Good. RESP: Yes.\n", "RESP", "I would. Yes."),
        (
            "a.txt",
            "Anna: How?\nBen: I would. Anna: Good.\nBen: So: yes.\n",
            "Ben",
            "I would. So: yes.",
        ),
        ("a.txt", "[Interviewer: How?]\n[Participant: I would.]\n", "Participant", "I would."),
        # What somebody else says inside a turn is not the person's.
        ("a.txt", "I would [Interviewer: mhm] say (I: yes) so.\n", None, "I would say so."),
        # A number alone is a name.
        ("a.json", json.dumps(SEGMENTS), "1", "I would."),
    ],
)
def test_who_speaks(
    tmp_path: Path, name: str, content: str, speaker: str | None, said: str
) -> None:
    assert _said(_read(tmp_path, name, content, speaker)) == said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        # The numbers of subtitles with blank lines between everything; one that is said.
        ("a.srt", "1\n\n00:00:01,000 --> 00:00:02,000\n\nI\n\n\n2\n\n00:00:03,000 --> 00:00:04,000\n\n7\n", "I 7"),
        ("a.srt", "00:00:01,000 --> 00:00:02,000\n42\n\n00:00:03,000 --> 00:00:04,000\nso\n", "42 so"),
        ("a.srt", "00:00:01,000 --> 00:00:02,000\nOld?\n\n12\n\n00:00:03,000 --> 00:00:04,000\nso\n", "Old? 12 so"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\nI would\\Nlike it\n", "I would like it"),
        ("a.txt", "I would\n\nPage 3 of 4\n\n- 2 -\n\nlike it\n", "I would like it"),
        ("a.txt", "I would may\u00adbe like it\n", "I would maybe like it"),
        ("a.json", json.dumps({"text": "I would may\u00adbe"}), "I would maybe"),
        ("a.json", json.dumps({"text": "I would", "segments": []}), "I would"),
        ("a.yaml", "- {start: 1, end: 2, text: yes}\n- {start: 2, end: 3, text: 12:30}\n", "yes 12:30"),
    ],
)  # fmt: skip
def test_every_word_and_no_other(tmp_path: Path, name: str, content: str, said: str) -> None:
    assert _said(_read(tmp_path, name, content)) == said


ELAN_TAB = "Begin Time - hh:mm:ss.ms\tEnd Time - hh:mm:ss.ms\tAnna\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "word,start,end\nI,1,2\nwould,2,3\n"),
        ("a.csv", "start_ms,end_ms,text\n1000,2000,I\n2000,3000,would\n"),
        ("a.csv", "start_ms,end_ms,text\n00:01.000,00:02.000,I\n00:02.000,00:03.000,would\n"),
        ("a.csv", "begin,duration,utterance\n1,1,I\n2,1,would\n"),
        ("a.csv", "1,2,I\n2,3,would\n"),
        ("a.txt", "Begin Time - msec\tEnd Time - msec\tText\n1000\t2000\tI\n2000\t3000\twould\n"),
        ("a.txt", f"{ELAN_TAB}00:00:01.000\t00:00:02.000\tI\n00:00:02.000\t00:00:03.000\twould\n"),
        ("a.json", json.dumps([{"offsets": {"from": 1000, "to": 3000}, "text": "I would"}])),
    ],
)
def test_times_of_tables(tmp_path: Path, name: str, content: str) -> None:
    words = _read(tmp_path, name, content)
    assert [(word.text, word.start_s) for word in words.words] == [("I", 1.0), ("would", 2.0)]
    assert words.words[-1].end_s == 3.0


def test_no_word_behind_a_comma_is_lost(tmp_path: Path) -> None:
    head = "start,end,text"
    unquoted = _read(tmp_path, "a.csv", f'{head}\n0,1,"I would, but"\n1,2,hello, world, 7\n')
    said = [word.text for word in unquoted.words]
    assert [word.strip(",") for word in said] == ["I", "would", "but", "hello", "world", "7"]
    # Empty cells behind the last column are none.
    assert len(_read(tmp_path, "b.csv", f"{head}\n0,1,hello,,\n1,2,yes,,\n").words) == 2
    for name, content in {
        "c.csv": "text,start,end\nhello, world,0,1\nyes,1,2\n",
        "d.csv": f"{head}\n0,5,1,0,hello\n1,0,2,5,yes\n",
    }.items():
        with pytest.raises(BadInput, match=r"the first row names 3.*comma in quotes"):
            _read(tmp_path, name, content)


def test_a_table_of_something_else_is_refused_and_prose_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected a table with a column of text"):
        _read(tmp_path, "a.csv", "timestamp,emotion\n0.0,happy\n1.0,sad\n2.0,calm\n")
    assert len(words_of_text("Yeah, 1,003.", "typed").words) == 2


def test_what_is_a_mark_is_not_said_to_be_a_word() -> None:
    words = words_of_text("I would <|endoftext|>", "typed")
    assert [mark.text for mark in words.marks] == ["<|endoftext|>"]
    assert not any("stays among the words" in problem for problem in words.problems)


def test_a_language_under_the_name_of_other_programs(tmp_path: Path) -> None:
    data = {"detected_language": "de", "segments": [{"start": 1, "end": 2, "text": "Ja"}]}
    assert _read(tmp_path, "a.json", json.dumps(data)).language == "de"
    norwegian = "language: no\nchunks: [{timestamp: [1, 2], text: ja}]\n"
    assert _read(tmp_path, "a.yml", norwegian).language == "no"


TEAMS = "WEBVTT\n\n1b2c3d4e-3364-4c0c-a05b-70f360077a3c/9-0\n00:00:03.138 --> 00:00:03.618\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.vtt", f"{TEAMS}I would like it\n"),
        ("a.txt", "Ana Ruiz started transcription\n\nI would like it\n"),
    ],
)
def test_a_meeting_in_which_nobody_is_named(tmp_path: Path, name: str, content: str) -> None:
    problems = _read(tmp_path, name, content).problems
    assert any("no speaker is named in this transcript of a meeting" in one for one in problems)
    assert not any("of a meeting" in one for one in _read(tmp_path, "b.vtt", "WEBVTT\n").problems)
    named = _read(tmp_path, name, content.replace("I would", "Speaker 1: I would"))
    assert not any("of a meeting" in one for one in named.problems)

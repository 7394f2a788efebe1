"""Transcripts as Zoom, Teams, Otter, Google Meet, noScribe and YouTube export them: who says what,
and nothing else is a word. The forms are those of real exports; the texts are our own.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from transcript_exports import (
    MEET,
    MEET_CAPTIONS,
    MEET_NOTES,
    OLD_TEAMS,
    OTTER,
    OTTER_UNTIMED,
    TEAMS_DOCX,
    TEAMS_VTT,
    WEBEX,
    ZOOM_CLOUD,
    ZOOM_PAGE,
    ZOOM_SAVED,
    zoom,
)
from twomind.transcripts.formats import parse
from twomind.transcripts.spans import Parsed
from twomind.transcripts.speakers import speakers, with_speakers
from twomind.transcripts.words import Words, read_words, words_of_text

ANA = "Are you ready? Good."
BEN = "Yes, I am."


def _said(parsed: Parsed) -> dict[str, str]:
    """Who says what, each person's text in one line."""
    said: dict[str, list[str]] = {}
    for span in parsed.spans:
        said.setdefault(span.speaker, []).extend(span.text.split())
    return {name: " ".join(words) for name, words in said.items()}


@pytest.mark.parametrize(
    ("text", "suffix", "expected"),
    [
        (ZOOM_SAVED, ".txt", {"Ana Ruiz": ANA, "LAB 2 - Ben": f"{BEN} Let us begin.", "ben lee": "So am I."}),
        (ZOOM_PAGE, ".txt", {"Ana Ruiz": "Are you ready? So Good.", "Unknown Speaker": "yes, I am."}),
        (
            ZOOM_CLOUD,
            ".vtt",
            {
                "Ana Ruiz": "Are you ready? Good. I would like that. Good. Good.",
                "iphone": "Yes, I am. I think: yes. Yes.",
                "Maria del Carmen de la Cruz": "Hello.",
            },
        ),
        (TEAMS_DOCX, ".txt", {"Ana Ruiz": ANA, "Ben Lee": f"{BEN} I think."}),
        (TEAMS_VTT, ".vtt", {"Ana Ruiz": "Café & tea? Are you ready?", "Lee, Ben": BEN}),
        (OTTER, ".txt", {"Ana Ruiz": ANA, "Speaker 2": BEN, "Unknown Speaker": "So am I."}),
        (OTTER_UNTIMED, ".txt", {"Ana Ruiz": f"{ANA} Thank you.", "Speaker 2": BEN}),
        (MEET, ".txt", {"Ana Ruiz": ANA, "Ben Lee": BEN}),
        (MEET_NOTES, ".txt", {"Ana Ruiz": ANA, "Ben Lee": BEN}),
    ],
    ids=[
        "zoom-saved",
        "zoom-page",
        "zoom-cloud",
        "teams-docx",
        "teams-vtt",
        "otter",
        "otter-without-times",
        "meet",
        "meet-with-notes",
    ],
)  # fmt: skip
def test_an_export_tells_who_says_what(text: str, suffix: str, expected: dict[str, str]) -> None:
    told = with_speakers(parse(text, suffix))
    assert _said(told) == expected
    assert list(speakers(told)) == list(expected)


@pytest.mark.parametrize("line", ["user avatar", "Meeting ended after 00:07:12 👋"])
def test_what_a_program_writes_is_said_to_be_left_out(line: str) -> None:
    said = words_of_text(f"Ana: Are you ready?\n{line}\nAna: Good.", "export")
    assert " ".join(word.text for word in said.words) == ANA
    assert "1 line that a program wrote about the transcript was left out" in said.problems


def test_notes_about_a_meeting_are_counted_as_left_out() -> None:
    problems = parse(MEET_NOTES, ".txt").problems
    assert "5 lines that a program wrote about the transcript were left out" in problems


def test_times_of_blocks_are_times_and_no_words() -> None:
    told = with_speakers(parse(MEET, ".txt"))
    assert [span.start_s for span in told.spans if not math.isnan(span.start_s)] == [300.0]


def _captions(*clocks: str) -> str:
    """Captions that Zoom saves without names: one sentence a line."""
    return "\n".join(f"{clock} line {k} goes on." for k, clock in enumerate(clocks))


def test_times_that_step_back_once_are_times_and_the_words_stay_in_order() -> None:
    clocks = [f"19:20:{k:02d}" for k in range(10, 40, 3)]
    clocks[5] = "19:20:21"  # the line before has 19:20:22
    said = words_of_text(_captions(*clocks), "export")
    numbers = [int(word.text) for word in said.words if word.text.isdigit()]
    assert numbers == list(range(10))
    assert len(said.words) == 40
    assert any("step back a little" in problem for problem in said.problems)


def test_times_that_step_back_often_are_speech() -> None:
    said = words_of_text(_captions("9:30", "8:15", "9:10", "7:20", "9:50", "8:40"), "diary")
    assert [word.text for word in said.words[:2]] == ["9:30", "line"]


def test_a_bracket_before_a_time_that_is_a_note_is_nobody() -> None:
    text = "[noise] 0:03\nAre you ready?\n[laughs] 0:09\nGood."
    assert not speakers(with_speakers(parse(text, ".txt")))


def test_a_prefix_before_one_line_of_many_without_names_is_speech() -> None:
    lines = zoom("I like it.", "smoking: I do not.", "drinking: I do.", "Well.", "And so on.")
    assert not speakers(with_speakers(parse(lines, ".vtt")))


def _read(folder: Path, text: str, duration_s: float | None = None) -> Words:
    path = folder / "export.vtt"
    path.write_text(text, encoding="utf-8")
    return read_words(path, duration_s)


def test_times_of_teams_without_zeros_count_milliseconds(tmp_path: Path) -> None:
    said = _read(tmp_path, OLD_TEAMS)
    times = [(word.start_s, word.end_s) for word in said.words]
    assert times == [(1.25, 3.04), (10.02, 11.97)]


@pytest.mark.parametrize("fraction", ["25", "250"])
def test_parts_of_seconds_that_are_cut_short_are_decimals(tmp_path: Path, fraction: str) -> None:
    said = _read(
        tmp_path, f"WEBVTT\n\n0:0:1.{fraction} --> 0:0:3.4\nYes.\n\n0:0:10.2 --> 0:0:11.9\nGood.\n"
    )
    assert [word.start_s for word in said.words] == [1.25, 10.2]


def test_a_caption_whose_first_blank_line_lost_its_blank_keeps_its_words_and_times(
    tmp_path: Path,
) -> None:
    said = _read(
        tmp_path,
        "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\n\nso<00:00:02.000><c> yes</c>\n\n"
        "00:00:03.000 --> 00:00:03.010\nso yes\n\n\nNOTE end\n",
    )
    assert [(word.text, word.start_s) for word in said.words] == [("so", 1.0), ("yes", 2.0)]
    assert not any("stand in no cue" in problem for problem in said.problems)


def test_the_name_of_a_cue_below_an_empty_one_is_no_word(tmp_path: Path) -> None:
    said = _read(
        tmp_path,
        "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\n\nb05c-12/7-0\n00:00:03.000 --> 00:00:04.000\nYes.\n",
    )
    assert [word.text for word in said.words] == ["Yes."]


def test_a_word_that_a_program_hid_is_a_mark() -> None:
    said = words_of_text("I go ********. It is what the f*** it is.", "export")
    assert [mark.text for mark in said.marks] == ["********"]
    assert " ".join(word.text for word in said.words) == "I go. It is what the f*** it is."


def test_where_nobody_is_told_apart_a_remark_says_so() -> None:
    export = OTTER.replace("Ana Ruiz", "Unknown Speaker").replace("Speaker 2", "Unknown Speaker")
    said = words_of_text(export, "export")
    assert len(said.words) == 10
    assert any("'Unknown Speaker', which tells nobody apart" in one for one in said.problems)
    named = words_of_text(OTTER, "export", speaker="Unknown Speaker")
    assert not any("tells nobody apart" in one for one in named.problems)


@pytest.mark.parametrize(
    "name", ["+44 ******123", "Lee, Ben (Guest)", "ben.lee", "Room 12 - 3rd Floor", "iPhone (2)"]
)
def test_what_several_blanks_set_off_from_a_time_is_who_speaks(name: str) -> None:
    text = f"{name}  0:03  \nAre you ready?\n\nAna Ruiz  0:05  \nYes.\n\n{name}  1:00:09  \nGood.\n"
    assert _said(with_speakers(parse(text, ".txt"))) == {name: ANA, "Ana Ruiz": "Yes."}


def test_a_speaker_whom_a_program_calls_new_is_no_words() -> None:
    text = (
        "Speaker 1 (00:00):\nAre you ready?\nNew Speaker (00:06):\nYes.\nSpeaker 1 (00:09):\nGood."
    )
    assert _said(with_speakers(parse(text, ".txt"))) == {"Speaker 1": ANA, "New Speaker": "Yes."}


@pytest.mark.parametrize("name", ["Speaker", "iPhone"])
def test_people_whom_a_program_numbers_in_brackets_are_several(name: str) -> None:
    text = f"{name} (1): Are you ready?\n{name} (2): Yes, I am.\n{name} (1): Good."
    assert _said(with_speakers(parse(text, ".txt"))) == {f"{name} 1": ANA, f"{name} 2": BEN}
    said = words_of_text(text, "export", speaker=f"{name} (2)")
    assert " ".join(word.text for word in said.words) == BEN


def test_webex_names_people_above_the_times() -> None:
    told = with_speakers(parse(WEBEX, ".vtt"))
    assert _said(told) == {"Ana & Co <1>": ANA, "Unknown Speaker": "Yes."}


def test_captions_of_meet_name_people_in_brackets_on_lines_of_their_own() -> None:
    said = words_of_text(MEET_CAPTIONS, "export", speaker="Ana Ruiz")
    told = with_speakers(parse(MEET_CAPTIONS, ".vtt"))
    assert list(speakers(told)) == ["Ana Ruiz", "Ben Lee"]
    assert [word.text.strip("-") for word in said.words] == ANA.split()
    assert [mark.text for mark in said.marks] == ["(laughs)"]


def test_a_passage_in_brackets_on_a_line_of_its_own_is_nobody() -> None:
    text = "I went home.\n(Fortunately)\nI had a key.\n\nIt was late.\n(Amazing)\nI slept."
    assert not speakers(with_speakers(parse(text, ".txt")))


def test_a_name_between_colons_after_a_time_is_no_words() -> None:
    text = "0:11 : Ana Ruiz : Are you ready?\n0:15 : Ben Lee (she/her) : Yes, I am.\n1:30 : Ana Ruiz : Good."
    told = with_speakers(parse(text, ".txt"))
    assert _said(told) == {"Ana Ruiz": ANA, "Ben Lee": BEN}
    assert [span.start_s for span in told.spans] == [11, 15, 90]

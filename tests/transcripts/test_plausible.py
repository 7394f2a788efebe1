"""Times outside the recording are never moved into it; those of another recording are refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twomind.transcripts.plausible import fit_words
from twomind.transcripts.words import Words, read_words, words_of_text
from twomind.types import Timing, Word

#: A subtitle or a word: text, start, end.
Row = tuple[str, float, float]


def _srt(tmp_path: Path, rows: list[Row], duration_s: float | None) -> Words:
    def stamp(time_s: float) -> str:
        minutes, seconds = divmod(time_s, 60)
        return f"00:{int(minutes):02d}:{seconds:06.3f}".replace(".", ",")

    blocks = []
    for i, (text, start_s, end_s) in enumerate(rows, start=1):
        blocks.append(f"{i}\n{stamp(start_s)} --> {stamp(end_s)}\n{text}\n")
    path = tmp_path / "a.srt"
    path.write_text("\n".join(blocks), encoding="utf-8")
    return read_words(path, duration_s)


def _json(tmp_path: Path, rows: list[Row], duration_s: float | None) -> Words:
    path = tmp_path / "a.json"
    timed = [{"word": text, "start": a, "end": b} for text, a, b in rows]
    path.write_text(json.dumps(timed), encoding="utf-8")
    return read_words(path, duration_s)


def _steady(n: int, start_s: float, step_s: float) -> list[Row]:
    return [(f"w{i}", start_s + i * step_s, start_s + (i + 0.8) * step_s) for i in range(n)]


CAPTIONS: list[Row] = [
    ("I want to stop smoking", 0, 3),
    ("but I am not sure", 3, 6),
    ("that I can", 6, 9),
]


def test_a_transcript_of_another_recording_is_not_measured(shared: Path) -> None:
    path = shared / "cases" / "transcript-remarks-lost" / "other_recording.srt"
    words = read_words(path, 9.5)
    assert words.words == ()
    assert "69.0 s" in words.not_measured
    assert "9.5 s" in words.not_measured
    assert read_words(path).not_measured == "", "of a recording of unknown length nothing is said"
    assert len(read_words(path, 70.0).words) == 16


@pytest.mark.parametrize("late_s", [0.0, 0.05, 0.4, 3.0, 20.0])
def test_a_last_subtitle_that_stays_keeps_its_words(tmp_path: Path, late_s: float) -> None:
    rows = [*CAPTIONS[:2], ("that I can", 6, 9 + late_s)]
    words = _srt(tmp_path, rows, 9.0)
    assert [w.text for w in words.words][-3:] == ["that", "I", "can"]
    assert words.words[-1].end_s == 9.0
    assert words.words[-3].start_s == 6.0
    assert any("beyond the end" in problem for problem in words.problems) is (late_s > 0.1)
    assert words.not_measured == ""


def test_words_after_the_end_of_a_cut_recording_are_left_out(tmp_path: Path) -> None:
    rows = _steady(20, 0.0, 0.5)
    words = _json(tmp_path, rows, 9.3)
    assert [w.text for w in words.words] == [f"w{i}" for i in range(19)]
    assert words.words[-1].end_s == 9.3, "it begins before the end"
    told = " | ".join(words.problems)
    assert "1 of 20 words lies beyond the end" in told
    assert "w19" in told


def test_much_after_the_end_is_not_this_recording(tmp_path: Path) -> None:
    words = _json(tmp_path, _steady(20, 0.0, 0.5), 8.0)
    assert words.words == ()
    assert "8.0 s" in words.not_measured
    assert "9.9 s" in words.not_measured


def test_a_subtitle_that_was_cut_off_gives_the_words_before_the_end(tmp_path: Path) -> None:
    said = [(f"a{i} b{i} c{i} d{i} e{i}", 2.0 * i, 2.0 * i + 2) for i in range(10)]
    words = _srt(tmp_path, said, 18.2)
    assert words.words[-1].text == "a9"
    assert words.words[-1].start_s == 18.0
    assert any("4 of 50 words" in problem for problem in words.problems)


@given(st.floats(1.0, 60.0), st.integers(1, 60))
def test_no_word_is_moved_into_the_recording(duration_s: float, n: int) -> None:
    given_words = tuple(Word(text, a, b) for text, a, b in _steady(n, 0.0, 0.5))
    words, judged = fit_words(given_words, duration_s)
    for word in words:
        before = given_words[int(word.text[1:])]
        assert abs(word.start_s - before.start_s) <= 0.1
        assert word.end_s <= duration_s
    n_outside = sum(word.start_s > duration_s + 0.1 for word in given_words)
    assert bool(judged.not_measured) is (n_outside > 0.1 * n)
    if not judged.not_measured:
        assert len(words) == n - n_outside


@pytest.mark.parametrize("duration_s", [None, 60.0])
@pytest.mark.parametrize("scale", [0.001, 1 / 60, 0.05])
def test_speech_that_nobody_can_speak_is_not_measured(
    tmp_path: Path, scale: float, duration_s: float | None
) -> None:
    rows = [(text, a * scale, b * scale) for text, a, b in _steady(40, 0.0, 0.4)]
    words = _json(tmp_path, rows, duration_s)
    assert words.words == ()
    assert "times in seconds" in words.not_measured
    captions = [(text, a * scale, b * scale) for text, a, b in CAPTIONS]
    assert _srt(tmp_path, captions, duration_s).not_measured if scale < 0.05 else True


def test_text_that_does_not_fit_into_the_recording(tmp_path: Path) -> None:
    text = "and then I went on " * 100
    assert words_of_text(text, "text", 9.5).not_measured
    assert not words_of_text(text, "text", 120.0).not_measured
    assert not words_of_text(text, "text", None).not_measured


@pytest.mark.parametrize(
    "rows",
    [
        [("yes", 0.0, 0.05), ("no", 0.05, 0.1)],
        _steady(30, 0.0, 0.12),
        [("um", 0.0, 25.0)],
        [("yes", 4.0 * i, 4.0 * i + 3) for i in range(12)],
    ],
)
def test_what_can_be_spoken_is_measured(tmp_path: Path, rows: list[Row]) -> None:
    words = _json(tmp_path, rows, None)
    assert len(words.words) == len(rows)
    assert words.not_measured == ""


def test_times_in_frames_are_no_seconds(tmp_path: Path) -> None:
    rows = [(text, a, b) for text, a, b in _steady(20, 0.5, 10.0)]
    assert "times in seconds" in _json(tmp_path, rows, None).not_measured


@pytest.mark.parametrize("unit", [1000, 100, 25])
def test_another_unit_is_named_or_converted(tmp_path: Path, unit: int) -> None:
    rows = [(t, float(round(a * unit)), float(round(b * unit))) for t, a, b in _steady(20, 0, 0.4)]
    words = _json(tmp_path, rows, 9.5)
    if unit == 1000:
        assert words.words[1].start_s == pytest.approx(0.4)
    else:
        assert "seconds" in words.not_measured


def test_short_words_in_milliseconds_are_converted(tmp_path: Path) -> None:
    words = _json(tmp_path, [("I", 250, 290), ("go", 500, 560)], 9.5)
    assert [w.start_s for w in words.words] == [0.25, 0.5]


def test_words_before_the_start_are_not_of_this_recording(tmp_path: Path) -> None:
    words = _json(tmp_path, _steady(40, -1.0, 0.5), 30.0)
    assert words.words[0].text == "w2"
    assert any("2 of 40 words" in problem for problem in words.problems)
    assert _json(tmp_path, _steady(10, -3.0, 0.5), 30.0).not_measured


def test_marks_outside_do_not_speak_against_a_transcript(tmp_path: Path) -> None:
    rows = [*CAPTIONS, ("[BLANK_AUDIO]", 9, 29), ("[end of recording]", 29, 39)]
    words = _srt(tmp_path, rows, 9.5)
    assert len(words.words) == 13
    assert words.not_measured == ""
    assert [(m.text, m.end_s) for m in words.marks] == [("[BLANK_AUDIO]", 9.5)]


def test_a_length_that_is_known_later_is_judged_alike(tmp_path: Path) -> None:
    for rows, duration_s in (
        (CAPTIONS, 9.5),
        ([*CAPTIONS[:2], ("that I can", 6, 12)], 8.0),
        ([(t, a + 60, b + 60) for t, a, b in CAPTIONS], 9.5),
    ):
        known = _srt(tmp_path, rows, duration_s)
        later = _srt(tmp_path, rows, None)
        words, judged = fit_words(later.words, duration_s)
        assert judged.not_measured == known.not_measured
        if not judged.not_measured:
            assert [w.text for w in words] == [w.text for w in known.words]
            for word, twin in zip(words, known.words, strict=True):
                assert word.start_s == pytest.approx(twin.start_s)
                assert word.end_s == pytest.approx(twin.end_s)
        assert judged.problems == tuple(p for p in known.problems if "beyond" in p)


def test_words_of_one_subtitle_are_found_again() -> None:
    spread = [
        Word(t, 2.0 * i, 2.0 * i + 2, math.nan, Timing.SPREAD_CUE) for i, t in enumerate("abcde")
    ]
    words, judged = fit_words(spread, 7.0)
    assert [w.text for w in words] == list("abcde"), "the subtitle began in time"
    assert words[-1].end_s == pytest.approx(7.0)
    assert judged.not_measured == ""

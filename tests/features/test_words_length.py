"""Words against a length that only decoding tells (a WebM without a duration)."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from twomind.features import describe
from twomind.transcripts.words import read_words, words_of_text
from twomind.types import Recording


def _completed(recording: Recording, duration_s: float) -> Recording:
    made = describe.Pass(media={"duration_s": duration_s})
    return describe._complete(recording, made)


def _recording(duration_s: float = math.nan) -> Recording:
    return Recording("a", "s", Path("a.webm"), duration_s=duration_s)


def test_a_transcript_of_another_recording_is_found_when_the_length_is_measured(
    shared: Path,
) -> None:
    path = shared / "cases" / "transcript-remarks-lost" / "other_recording.srt"
    early = _completed(read_words(path, 9.5).of(_recording(9.5), "a.srt"), 9.5)
    late = _completed(read_words(path).of(_recording(), "a.srt"), 9.5)
    assert early.words is None
    assert late.words is None
    assert late.words_reason == early.words_reason
    assert "69.0 s" in late.words_reason
    assert describe._measurable(late) == (None, late.words_reason)


def test_words_that_fit_stay_as_they_are(shared: Path) -> None:
    path = shared / "cases" / "nonspeech-marks" / "clean.srt"
    said = read_words(path)
    late = _completed(said.of(_recording(), "a.srt"), 9.5)
    assert late.words == said.words
    assert late.words_remarks == ()


@pytest.mark.parametrize(("duration_s", "is_measured"), [(1.0, False), (20.0, True)])
def test_text_without_times_must_fit_too(duration_s: float, is_measured: bool) -> None:
    said = words_of_text("and so I went on with it " * 5, "text")
    late = _completed(said.of(_recording(), "text"), duration_s)
    assert (late.words is not None) is is_measured
    if late.words is not None:
        assert late.words[-1].end_s == duration_s


def test_another_language_has_no_words_that_are_measured(shared: Path) -> None:
    path = shared / "cases" / "german-words" / "de.json"
    recording = read_words(path, 9.5).of(_recording(9.5), "de.json")
    assert recording.words, "they are shown"
    words, reason = describe._measurable(recording)
    assert words is None
    assert "English only" in reason

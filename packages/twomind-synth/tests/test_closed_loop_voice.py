"""The voice's closed loop: draw → encode → decode → measure, against pauses, words and pitch known
by construction.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from twomind.features.cues import CueSettings, find_cues
from twomind.features.voice.track import VoiceResult, VoiceSettings, describe_voice
from twomind.media.stream import AudioSpool, Samples, stream
from twomind.transcripts.words import read_words
from twomind.types import Timing
from twomind_synth.film import FilmSettings, draw_person
from twomind_synth.voice import espeak_program

_SMALL = {"width_px": 160, "height_px": 120, "fps": 10}


@pytest.fixture(scope="module", params=["builtin", "espeak"])
def loop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict, VoiceResult, Path]:
    """Truth, measurement and transcript of one film per voice."""
    if request.param == "espeak" and not espeak_program():
        pytest.skip("needs the program espeak-ng")
    film = draw_person(
        tmp_path_factory.mktemp("film"), 11, 4, settings=FilmSettings(voice=request.param, **_SMALL)
    )
    spool = AudioSpool()
    for item in stream(film.media, video=False):
        assert isinstance(item, Samples)
        spool.push(item)
    # As for every film of synthetic people: silero does not take the built-in voice for one.
    result = describe_voice(spool.waveform(), VoiceSettings(vad="energy"))
    spool.close()
    return json.loads(film.truth.read_text(encoding="utf-8")), result, film.transcript


def _true_pauses(truth: dict, at_least_s: float) -> list[tuple[float, float]]:
    gaps = ((a["end_s"], b["start_s"]) for a, b in pairwise(truth["words"]))
    return [(a, b) for a, b in gaps if b - a >= at_least_s]


def test_pauses_within_50_ms(loop: tuple[dict, VoiceResult, Path]) -> None:
    truth, result, _ = loop
    # A true silence within 50 ms of the shortest pause may fall on either side of it.
    sure = _true_pauses(truth, 0.30)
    assert len(sure) >= 3
    found = list(result.pauses)
    for a, b in sure:
        error_s = min((max(abs(a - c), abs(b - d)) for c, d in found), default=9.0)
        assert error_s <= 0.05, (a, b, found)
    possible = _true_pauses(truth, 0.20)
    for c, d in found:
        assert min(max(abs(a - c), abs(b - d)) for a, b in possible) <= 0.05, (c, d)


def test_speech_begins_and_ends_with_the_words(loop: tuple[dict, VoiceResult, Path]) -> None:
    truth, result, _ = loop
    assert result.summary["first_speech_s"] == pytest.approx(truth["words"][0]["start_s"], abs=0.05)
    assert result.summary["last_speech_s"] == pytest.approx(truth["words"][-1]["end_s"], abs=0.05)


def test_pitch_is_the_one_that_was_drawn(loop: tuple[dict, VoiceResult, Path]) -> None:
    truth, result, _ = loop
    if truth["voice"] != "builtin":
        pytest.skip("espeak-ng does not state the pitch it speaks with")
    drawn = np.array([np.nan if v is None else v for v in truth["f0"]["hz"]], float)
    at = np.arange(len(drawn)) * truth["f0"]["hop_s"]
    rows = result.track.times_s + 0.005
    known = np.isfinite(drawn)
    expected = np.where(
        np.interp(rows, at, known.astype(float)) > 0.99,
        np.interp(rows, at[known], drawn[known]),
        np.nan,
    )
    found = result.track.column("pitch")
    both = np.isfinite(expected) & np.isfinite(found)
    error = np.abs(found[both] / expected[both] - 1)
    assert both.sum() > 0.95 * np.isfinite(expected).sum()
    assert np.median(error) < 0.01
    assert (error > 0.06).mean() < 0.01


def test_long_pause_cues_and_exact_word_times(loop: tuple[dict, VoiceResult, Path]) -> None:
    truth, result, transcript = loop
    cues = find_cues(None, None, result, None, CueSettings(long_pause_s=0.6))
    found = [c for c in cues if c.kind == "long_pause"]
    assert len(_true_pauses(truth, 0.65)) <= len(found) <= len(_true_pauses(truth, 0.55))
    words = read_words(transcript, truth["duration_s"])
    assert words.timing is Timing.GIVEN
    assert words.problems == ()
    assert [(w.text, w.start_s, w.end_s) for w in words.words] == [
        (w["text"], pytest.approx(w["start_s"], abs=1e-6), pytest.approx(w["end_s"], abs=1e-6))
        for w in truth["words"]
    ]

"""Sound that the words do not cover: filled pauses that are heard, speech without words."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from twomind.core.store import Store
from twomind.features.cues import KINDS, find_cues
from twomind.features.describe import Settings, describe
from twomind.features.voice.track import NAMES, UNITS, VoiceResult, VoiceSettings
from twomind.features.voice.unworded import ERASED, FILLED_PAUSE, WITHOUT_WORDS
from twomind.media.recording import open_recording
from twomind.transcripts.words import Words
from twomind.types import Cue, Timing, Track, Word


def voice(
    held: tuple[tuple[float, float], ...] = (),
    speech: tuple[tuple[float, float], ...] = (),
    front: tuple[tuple[float, float], ...] = (),
) -> VoiceResult:
    times_s = np.arange(1000) * 0.01
    values = np.zeros((1000, len(NAMES)), np.float32)
    for start_s, end_s in speech:
        values[(times_s >= start_s) & (times_s < end_s), 0] = 1
    track = Track(values, times_s, np.ones(1000, bool), NAMES, UNITS)
    return VoiceResult(track, (), {}, held, front)


def word(text: str, start_s: float, end_s: float, timing: Timing = Timing.ALIGNED) -> Word:
    return Word(text, start_s, end_s, timing=timing)


def cues(kind: str, heard: VoiceResult, *words: Word, recognised: bool = False) -> list[Cue]:
    found = find_cues(None, None, heard, words, recognised=recognised)
    return [cue for cue in found if cue.kind == kind]


def test_both_are_kinds_of_cues() -> None:
    assert FILLED_PAUSE == "filled pause (heard)"
    assert {FILLED_PAUSE, WITHOUT_WORDS} <= set(KINDS)


def test_a_held_voice_between_words_is_a_filled_pause() -> None:
    ((cue),) = cues(FILLED_PAUSE, voice(((2.0, 2.4),)), word("so", 1, 2), word("go", 2.4, 3))
    assert (cue.start_s, cue.end_s) == (2.0, 2.4)
    assert cue.value == pytest.approx(0.4)
    assert cue.modality == "voice"
    assert "no word was written" in cue.detail


def test_a_held_voice_within_a_word_is_none() -> None:
    assert cues(FILLED_PAUSE, voice(((2.0, 2.4),)), word("so", 1.5, 2.5)) == []
    assert cues(FILLED_PAUSE, voice(((2.0, 2.4),)), word("so", 1, 2.3), word("go", 2.35, 3)) == []


def test_what_a_word_leaves_open_must_be_long_enough() -> None:
    ((cue),) = cues(FILLED_PAUSE, voice(((2.0, 2.6),)), word("so", 1, 2.2))
    assert (cue.start_s, cue.end_s) == (2.2, 2.6)
    two = cues(FILLED_PAUSE, voice(((2.0, 3.0),)), word("go", 2.4, 2.6))
    assert [(c.start_s, c.end_s) for c in two] == [(2.0, 2.4), (2.6, 3.0)]


def test_a_held_voice_far_from_any_word_must_last() -> None:
    """A note of laughter is none."""
    so, um = word("so", 1, 2), word("um", 3.5, 3.7)
    assert cues(FILLED_PAUSE, voice(((3.5, 3.7),)), so, um) == []
    assert len(cues(FILLED_PAUSE, voice(((2.8, 3.0),)), so, word("um", 2.8, 3.0))) == 1
    assert len(cues(FILLED_PAUSE, voice(((3.5, 3.85),)), so)) == 1


def test_where_nothing_was_written_a_held_voice_must_last() -> None:
    so, go = word("so", 1, 2), word("go", 2.4, 3)
    assert cues(FILLED_PAUSE, voice(((2.1, 2.35),)), so, go) == []
    assert len(cues(FILLED_PAUSE, voice(((2.1, 2.35),)), so, word("uh", 2.1, 2.35), go)) == 1


@pytest.mark.parametrize(("softer_db", "n"), [(10.0, 1), (14.0, 0)])
def test_what_is_much_softer_than_the_words_is_somebody_else(softer_db: float, n: int) -> None:
    heard = voice(((2.0, 2.4),))
    energy = heard.track.values[:, NAMES.index("energy")]
    energy[:] = -20.0
    energy[200:240] = -20.0 - softer_db
    assert len(cues(FILLED_PAUSE, heard, word("so", 1, 2), word("go", 2.4, 3))) == n


def test_the_recognisers_spelling_is_told() -> None:
    ((cue),) = cues(FILLED_PAUSE, voice(((2.0, 2.4),)), word("so", 1, 2), word("Um,", 1.9, 2.5))
    assert "'Um,'" in cue.detail


def test_a_word_that_is_drawn_out_is_none() -> None:
    held = voice(((1.8, 2.2),))
    assert cues(FILLED_PAUSE, held, word("so", 1, 2), word("go", 2.5, 3)) == []
    ((cue),) = cues(FILLED_PAUSE, held, word("so", 1, 1.82), word("go", 2.5, 3))
    assert cue.start_s == 1.82


def test_a_front_vowel_that_is_held_is_a_word_unless_a_filler_is_written() -> None:
    """An "aaand" that the recogniser left out."""
    held = voice(((2.0, 2.5),), front=((2.0, 2.5),))
    assert cues(FILLED_PAUSE, held, word("so", 1, 1.9), word("go", 2.6, 3)) == []
    assert len(cues(FILLED_PAUSE, held, word("so", 1, 1.9), word("um", 2.0, 2.5))) == 1


def test_a_filled_pause_that_was_taken_for_a_short_word_is_told() -> None:
    """The aligner puts "them" on an "mm" where the word itself was hardly said."""
    held = voice(((2.0, 2.5),))
    ((cue),) = cues(FILLED_PAUSE, held, word("for", 1, 1.5), word("them", 1.98, 2.5))
    assert (cue.start_s, cue.end_s) == (2.0, 2.5)
    assert "'them'" in cue.detail


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((word("for", 1, 1.5), word("lower", 1.98, 2.5)), "no word of grammar"),
        ((word("for", 1, 1.98), word("them", 1.98, 2.5), word("to", 2.5, 3)), "no pause"),
        ((word("for", 1, 1.5), word("them", 1.5, 2.5)), "only held at its end"),
        ((word("going", 1, 2.2), word("on", 2.2, 2.5)), "held over two words"),
    ],
)
def test_a_short_word_that_may_have_been_said_is_none(words: tuple[Word, ...], why: str) -> None:
    assert cues(FILLED_PAUSE, voice(((2.0, 2.5),)), *words) == [], why


def test_without_times_of_their_own_nothing_lies_between_words() -> None:
    for timing in (Timing.SPREAD_ALL, Timing.SPREAD_CUE):
        assert cues(FILLED_PAUSE, voice(((2.0, 2.4),)), word("so", 1, 2, timing)) == []
    assert cues(FILLED_PAUSE, voice(((2.0, 2.4),))) == []


def test_speech_without_words_is_told_of_recognised_words_alone() -> None:
    heard = voice(speech=((1.0, 4.0), (6.0, 6.4)))
    words = [word("so", 1.0, 1.8)]
    ((cue),) = cues(WITHOUT_WORDS, heard, *words, recognised=True)
    assert cue.start_s == pytest.approx(2.0, abs=0.011)
    assert cue.value == pytest.approx(2.0, abs=0.021)
    assert cues(WITHOUT_WORDS, heard, *words) == []


def test_a_recogniser_that_writes_nothing_erases_all_speech() -> None:
    ((cue),) = cues(WITHOUT_WORDS, voice(speech=((1.0, 4.0),)), recognised=True)
    assert cue.value == pytest.approx(3.0, abs=0.011)


def buzz(*spans: tuple[float, float], length_s: float) -> np.ndarray:
    """A voice of 120 Hz whose loudness goes up and down in these spans, and silence elsewhere."""
    t = np.arange(int(length_s * 16000)) / 16000
    tone = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20))
    on = np.zeros(len(t))
    for start_s, end_s in spans:
        on[(t >= start_s) & (t < end_s)] = 1.0
    return np.asarray(0.1 * on * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t)))


@pytest.mark.parametrize("n_words", [0, 1])
def test_an_answer_has_the_seconds_of_its_speech_without_words_and_their_times(
    n_words: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (Word("so", 1.0, 2.0, timing=Timing.RECOGNISED),)[:n_words]
    monkeypatch.setattr(
        "twomind.transcripts.speech.recognise_words",
        lambda *_args, **_more: Words(said, "a recogniser", Timing.RECOGNISED, language="en"),
    )
    path = tmp_path / "a.wav"
    samples = buzz((1.0, 2.0), (4.0, 5.5), length_s=7.0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((samples * 32767).astype(np.int16).tobytes())
    settings = Settings(voice=VoiceSettings(vad="energy"))
    store = Store(tmp_path / "store")
    unasked = describe(open_recording(path), ("voice", "words"), store=store, settings=settings)
    assert ERASED not in unasked.voice
    settings = Settings(speech_model="any", voice=VoiceSettings(vad="energy"))
    monkeypatch.setattr("twomind.features.entries.words_recipe", lambda model: [str(model)])
    found = describe(open_recording(path), ("voice", "words"), store=store, settings=settings)
    times = [(cue.start_s, cue.end_s) for cue in found.cues if cue.kind == WITHOUT_WORDS]
    expected = [(1.0, 2.0), (4.0, 5.5)][n_words:]
    assert np.allclose(times, expected, atol=0.08)
    assert found.voice[ERASED] == pytest.approx(sum(b - a for a, b in times))


# --- pauses


def _pauses(spans: tuple[tuple[float, float], ...], *words: Word) -> list[tuple[float, float]]:
    heard = replace(voice(), pauses=spans)
    return [(cue.start_s, cue.end_s) for cue in cues("long_pause", heard, *words)]


def test_a_pause_holds_no_word_that_was_found_in_the_sound() -> None:
    said = (word("quite", 2.1, 2.6), word("soft", 2.6, 3.0))
    assert _pauses(((2.0, 3.5),), *said) == []
    assert _pauses(((2.0, 4.0), (5.0, 6.2)), *said) == [(3.0, 4.0), (5.0, 6.2)]


def test_a_pause_stays_whole_beside_its_words_and_under_words_that_are_spread() -> None:
    beside = (word("so", 1.5, 2.04), word("go", 2.98, 3.4))
    assert _pauses(((2.0, 3.0),), *beside) == [(2.0, 3.0)]
    for timing in (Timing.SPREAD_CUE, Timing.SPREAD_ALL, Timing.RECOGNISED, Timing.GIVEN):
        assert _pauses(((2.0, 3.0),), word("so", 2.2, 2.8, timing)) == [(2.0, 3.0)]

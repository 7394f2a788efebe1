"""The voice of synthetic people: word times, pauses and pitch are what the truth says, in the sound
itself.
"""

from __future__ import annotations

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind_synth import voice
from twomind_synth.script import Token, write_answer
from twomind_synth.voice import SAMPLE_RATE_HZ, Speech, speak
from twomind_synth.world import World, person_factors, stream

needs_espeak = pytest.mark.skipif(
    voice.espeak_program() is None, reason="espeak-ng is not installed"
)
ENGINES = ["builtin", pytest.param("espeak", marks=needs_espeak)]


def say(engine: str, index: int = 0, question: int = 4) -> Speech:
    person = person_factors(0, index)
    return speak(
        write_answer(World(), person, question).tokens,
        person,
        stream(0, "voice", index, question),
        engine,
    )


def level_db(values: np.ndarray, start_s: float, end_s: float) -> float:
    piece = values[round(start_s * SAMPLE_RATE_HZ) : round(end_s * SAMPLE_RATE_HZ)]
    return 10 * np.log10(np.mean(piece.astype(float) ** 2) + 1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("index", [0, 1])
def test_words_sound_from_start_to_end_and_gaps_are_silent(engine: str, index: int) -> None:
    speech = say(engine, index)
    values = speech.values
    for word in speech.words:
        assert level_db(values, word.start_s, word.start_s + 0.025) > -54, word
        assert level_db(values, word.end_s - 0.025, word.end_s) > -54, word
    ends = [0.0, *(w.end_s for w in speech.words)]
    starts = [*(w.start_s for w in speech.words), speech.duration_s]
    for end, start in zip(ends, starts, strict=True):
        if not any(end <= a < start for a, _ in speech.breaths):
            assert level_db(values, end, start) < -60, (end, start)


@pytest.mark.parametrize("engine", ENGINES)
def test_times_are_whole_milliseconds_and_pauses_are_the_planned_ones(engine: str) -> None:
    person = person_factors(0, 0)
    tokens = write_answer(World(), person, 7).tokens
    speech = speak(tokens, person, stream(0, "x"), engine)
    for word in speech.words:
        for time_s in (word.start_s, word.end_s):
            assert time_s * 1000 == pytest.approx(round(time_s * 1000), abs=1e-9)
    for token, before, word in zip(tokens[1:], speech.words[:-1], speech.words[1:], strict=True):
        assert word.start_s - before.end_s == pytest.approx(
            max(token.pause_s, voice.FLOW_S), abs=0.0006
        )
    assert [w.text for w in speech.words] == [t.text for t in tokens]
    gaps = [(a.end_s, b.start_s) for a, b in zip(speech.words, speech.words[1:], strict=False)]
    assert list(speech.pauses) == [gap for gap in gaps if gap[1] - gap[0] >= voice.PAUSE_S]
    assert len(speech.pauses) >= 3


def pitch_hz(piece: np.ndarray, rate_hz: int) -> float:
    """Pitch by normalised autocorrelation with a parabola through the peak."""
    piece = piece - piece.mean()
    low, high = int(rate_hz / 350), int(rate_hz / 70)
    r = np.array(
        [np.dot(piece[: len(piece) - k], piece[k:]) / (len(piece) - k) for k in range(high + 2)]
    )
    # The first lag near the top: later multiples of the period are as high.
    high_enough = 0.85 * r[low:high].max()
    best = next(k for k in range(low, high) if r[k] >= max(r[k - 1], r[k + 1], high_enough))
    a, b, c = r[best - 1 : best + 2]
    return float(rate_hz / (best + 0.5 * (a - c) / (a - 2 * b + c)))


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_pitch_of_the_builtin_voice_is_the_stated_one(index: int) -> None:
    speech = say("builtin", index)
    assert speech.f0_hz is not None
    assert len(speech.f0_hz) == pytest.approx(speech.duration_s * 100, abs=1)
    ratios = []
    for i in range(0, len(speech.f0_hz) - 7, 3):
        window = speech.f0_hz[i : i + 7]
        if np.isfinite(window).all() and window.max() / window.min() < 1.03:
            piece = speech.values[
                i * SAMPLE_RATE_HZ // 100 : (i + 6) * SAMPLE_RATE_HZ // 100
            ].astype(float)
            ratios.append(pitch_hz(piece, SAMPLE_RATE_HZ) / window.mean())
    assert len(ratios) > 40
    assert abs(np.median(ratios) - 1) < 0.003
    assert np.mean(np.abs(np.array(ratios) - 1) < 0.02) > 0.97


def test_pitch_is_undefined_where_nothing_is_voiced() -> None:
    speech = say("builtin")
    assert speech.f0_hz is not None
    times = np.arange(len(speech.f0_hz)) / 100
    inside = np.zeros(len(times), bool)
    for word in speech.words:
        inside |= (times >= word.start_s) & (times < word.end_s)
    assert np.isnan(speech.f0_hz[~inside]).all()
    hiss = speak((Token("sh"),), person_factors(0, 0), stream(0, "hiss"), "builtin")
    assert hiss.f0_hz is not None
    assert np.isnan(hiss.f0_hz).all()


def test_same_seed_same_bytes_and_slower_words_are_longer() -> None:
    assert say("builtin").values.tobytes() == say("builtin").values.tobytes()
    assert say("builtin", 1).values.tobytes() != say("builtin", 2).values.tobytes()
    fast, slow = (Token("family", rate=1.0), Token("family", rate=1.4))
    speech = speak((fast, slow), person_factors(0, 0), stream(0, "x"), "builtin")
    lengths = [w.end_s - w.start_s for w in speech.words]
    assert lengths[1] / lengths[0] == pytest.approx(1.4, abs=0.02)


def test_breath_lies_in_its_pause_below_speech_and_above_the_floor() -> None:
    tokens = (Token("well"), Token("maybe", pause_s=1.2, breath=True))
    speech = speak(tokens, person_factors(0, 0), stream(0, "x"), "builtin")
    ((start, end),) = speech.breaths
    assert speech.words[0].end_s < start < end < speech.words[1].start_s
    loud = level_db(speech.values, speech.words[0].start_s, speech.words[0].end_s)
    assert -60 < level_db(speech.values, start, end) < loud - 15


def test_lips_follow_the_sounds() -> None:
    speech = speak(
        (Token("mama"), Token("see"), Token("moon")),
        person_factors(0, 0),
        stream(0, "x"),
        "builtin",
    )
    middles = speech.mouth[:, :2].mean(axis=1)
    mama, see, moon = (
        speech.mouth[(middles > w.start_s) & (middles < w.end_s)] for w in speech.words
    )
    assert mama[:, 2].min() == 0
    assert mama[:, 2].max() > 0.7
    assert see[:, 3].max() > 0.7
    assert moon[:, 4].max() > 0.9
    assert see[:, 4].max() == 0


def test_engines_are_chosen_and_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "espeak_program", lambda: None)
    assert voice.resolve_engine("auto") == "builtin"
    with pytest.raises(BadInput, match="espeak-ng"):
        voice.resolve_engine("espeak")
    with pytest.raises(BadInput, match="expected one of"):
        voice.resolve_engine("festival")


@needs_espeak
def test_espeak_says_every_filler_and_stutter_and_states_no_pitch() -> None:
    words = [
        "um",
        "uh",
        "er",
        "hmm",
        *(f"{letter}-" for letter in "abcdefghijklmnoprstuvwy"),
        "don't",
    ]
    speech = speak(tuple(Token(w) for w in words), person_factors(0, 0), stream(0, "x"), "espeak")
    assert speech.f0_hz is None
    assert "espeak" in speech.f0_reason
    for word in speech.words:
        assert level_db(speech.values, word.start_s, word.end_s) > -40, word
        assert word.end_s - word.start_s < 1.0, word

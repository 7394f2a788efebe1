"""A creaky voice has no pitch: its pulses tell it from breath and hiss, and it can be held."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from twomind.sound.pitch import track_pitch
from twomind.sound.pulses import pulse_strength
from twomind.sound.rows import Piece
from twomind.sound.steady import SteadySettings, steady_rows, steady_stretches, voiced_rows

RATE_HZ = 16000
CENTRAL_HZ = (650.0, 1350.0, 2500.0)
FRONT_HZ = (600.0, 1800.0, 2600.0)


def shaped(source: np.ndarray, formants_hz: tuple[float, ...] = CENTRAL_HZ) -> np.ndarray:
    """A source through the resonances of a mouth, at a common level."""
    sound = source
    for hz in formants_hz:
        pole = np.exp(-np.pi * 90 / RATE_HZ + 2j * np.pi * hz / RATE_HZ)
        sound = lfilter([1.0], [1.0, -2 * pole.real, abs(pole) ** 2], sound)
    level = np.sqrt(np.mean(sound**2))
    return (0.07 * sound / level).astype(np.float32)


def creak(length_s: float, seed: int = 0) -> np.ndarray:
    """Pulses at intervals of 12 to 26 ms, none like the one before it."""
    rng = np.random.default_rng(seed)
    pulses = np.zeros(int(length_s * RATE_HZ))
    at = 0
    while at < len(pulses):
        pulses[at] = rng.uniform(0.6, 1.0)
        at += int(rng.uniform(0.012, 0.026) * RATE_HZ)
    return pulses


def noise(length_s: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=int(length_s * RATE_HZ))


def among(sound: np.ndarray, room: float = 1e-4) -> Piece:
    """A sound with half a second of the room before and after it."""
    silent = np.zeros(RATE_HZ // 2)
    whole = np.concatenate([silent, sound, silent])
    return Piece((whole + room * noise(len(whole) / RATE_HZ, 2)).astype(np.float32))


@pytest.mark.parametrize("room", [1e-4, 0.07 * 10 ** (-12 / 20)])
def test_a_creaky_voice_without_a_pitch_is_held(room: float) -> None:
    sound = among(shaped(creak(0.6)), room)
    pitch_hz, _ = track_pitch(sound)
    assert np.isfinite(pitch_hz[50:110]).mean() < 0.5
    held = sum(one.end_s - one.start_s for one in steady_stretches(sound))
    assert held > 0.3
    assert voiced_rows(sound, pitch_hz)[60:100].mean() > 0.9


def test_breath_and_hiss_are_no_voice() -> None:
    for source in (shaped(noise(0.6)), 0.07 * noise(0.6).astype(np.float32)):
        sound = among(source)
        assert np.median(pulse_strength(sound)[60:100]) < 0.5
        assert steady_stretches(sound) == ()


def test_a_creaky_voice_whose_mouth_moves_is_not_held() -> None:
    pulses = creak(1.2)
    vowels = [(300.0, 2300.0, 3000.0), (750.0, 1100.0, 2500.0)]
    n = int(0.08 * RATE_HZ)
    parts = [shaped(pulses[k * n : (k + 1) * n], vowels[k % 2]) for k in range(15)]
    rows = steady_rows(*_with_pitch(among(np.concatenate(parts))))
    assert rows.mean() < 0.2


def _with_pitch(sound: Piece) -> tuple[Piece, np.ndarray]:
    return sound, track_pitch(sound)[0]


def test_pulses_can_be_left_out() -> None:
    sound = among(shaped(creak(0.6)))
    pitch_alone = SteadySettings(pulses=np.inf)
    assert sum(one.end_s - one.start_s for one in steady_stretches(sound, pitch_alone)) < 0.2


@pytest.mark.parametrize("room", [1e-4, 0.07 * 10 ** (-15 / 20)])
def test_a_front_vowel_is_told_from_a_central_one_and_a_hum(room: float) -> None:
    pulses = np.zeros(RATE_HZ // 2)
    pulses[:: RATE_HZ // 110] = 1.0
    (front,) = steady_stretches(among(shaped(pulses, FRONT_HZ), room))
    (central,) = steady_stretches(among(shaped(pulses, CENTRAL_HZ), room))
    (hum,) = steady_stretches(among(shaped(pulses, (250.0, 1100.0, 2300.0)), room))
    assert front.front_db >= 4
    assert central.front_db < 0
    assert hum.front_db < 4


def test_silence_and_other_rates() -> None:
    assert (pulse_strength(Piece(np.zeros(RATE_HZ, np.float32))) == 0).all()
    assert len(pulse_strength(Piece(np.zeros(0, np.float32)))) == 0
    half = shaped(creak(0.6))[::2]
    assert np.median(pulse_strength(Piece(half, sample_rate_hz=8000))) > 1

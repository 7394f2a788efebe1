"""Held voices: found where pitch and spectrum stand still, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from twomind.sound.rows import Piece
from twomind.sound.steady import SteadySettings, closed, steady_stretches

RATE_HZ = 16000


def vowel(pitch_hz: np.ndarray, formants_hz: np.ndarray) -> np.ndarray:
    """A vowel with a pitch ``(n,)`` and two formants ``(n, 2)`` per sample."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    out = np.zeros(len(pitch_hz))
    for k in range(1, 30):
        near = 1 + ((k * pitch_hz[:, None] - formants_hz) / 90) ** 2
        out += (1 / near).sum(1) * np.sin(k * phase)
    return (0.2 * out / np.abs(out).max()).astype(np.float32)


def held(length_s: float, pitch_hz: float = 120.0) -> np.ndarray:
    n = int(length_s * RATE_HZ)
    return vowel(np.full(n, pitch_hz), np.tile([600.0, 1200.0], (n, 1)))


def gliding(length_s: float, octaves: float = 0.0, formant_hz: float = 0.0) -> np.ndarray:
    """A vowel whose pitch climbs, or whose first formant moves, by so much in every 0.2 s."""
    n = int(length_s * RATE_HZ)
    there = np.abs(((np.arange(n) / RATE_HZ / 0.2) % 2) - 1)
    formants = np.stack([350 + formant_hz * there, 2300 - 1.5 * formant_hz * there], axis=1)
    return vowel(120 * 2 ** (octaves * there), formants)


def silence(length_s: float) -> np.ndarray:
    return np.zeros(int(length_s * RATE_HZ), np.float32)


def found(*parts: np.ndarray, start_s: float = 0.0) -> list[tuple[float, float]]:
    sound = Piece(np.concatenate(parts), start_s)
    return [(one.start_s, one.end_s) for one in steady_stretches(sound)]


def test_a_held_vowel_is_found_at_its_time() -> None:
    ((start_s, end_s),) = found(silence(0.5), held(0.4), silence(0.5), start_s=10.0)
    assert start_s == pytest.approx(10.5, abs=0.06)
    assert end_s == pytest.approx(10.9, abs=0.06)


def test_moving_pitch_or_moving_formants_are_not_held() -> None:
    assert found(silence(0.3), gliding(1.5, octaves=0.8), silence(0.3)) == []
    assert found(silence(0.3), gliding(1.5, formant_hz=450.0), silence(0.3)) == []


def test_a_short_vowel_noise_and_silence_are_not_held() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)
    assert found(silence(0.3), held(0.12), silence(0.3)) == []
    assert found(noise) == []
    assert found(silence(1.0)) == []
    assert found(np.zeros(0, np.float32)) == []


def test_a_sound_far_under_the_voice_is_not_held() -> None:
    faint = held(0.4) * 10 ** (-40 / 20)
    assert len(found(silence(0.3), held(0.4), silence(0.3), faint, silence(0.3))) == 1


def test_settings_reach_the_search() -> None:
    sound = Piece(np.concatenate([silence(0.3), held(0.4), silence(0.3)]))
    assert steady_stretches(sound, SteadySettings(min_s=0.6)) == ()


def test_short_interruptions_are_closed_and_ends_are_not() -> None:
    rows = np.array([0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0], bool)
    assert closed(rows, 2).astype(int).tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0]

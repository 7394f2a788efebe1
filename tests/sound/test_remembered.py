"""Of a sound that is coming in each row is computed once, and is what the whole sound says of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from twomind.media.audio import SoundTail
from twomind.sound import remembered
from twomind.sound.pitch import track_pitch
from twomind.sound.remembered import LastSeconds, local
from twomind.sound.rows import Piece, Sound, n_rows, windows
from twomind.sound.steady import _shape_levels, pulse_strength

RATE_HZ = 16000


def heard(seconds: float) -> np.ndarray:
    """A voice whose pitch moves, in bursts, over noise."""
    n = int(seconds * RATE_HZ)
    times_s = np.arange(n) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(times_s)) / RATE_HZ
    voice = sum(np.sin(k * phase) / k for k in range(1, 10))
    loud = np.where(times_s % 1.7 < 1.1, 0.1, 0.0)
    noise = np.random.default_rng(3).normal(0, 1e-3, n)
    return (loud * voice + noise).astype(np.float32)


def looks(
    values: np.ndarray, block: int, listening: bool, measure: Callable[[Sound], np.ndarray]
) -> list[np.ndarray]:
    """What is said at each second of the last four."""
    tail = SoundTail(RATE_HZ, 8.0)
    found = []
    now_s = 1.0
    for first in range(0, len(values), block):
        tail.push(first / RATE_HZ, values[first : first + block])
        if listening:
            tail.listen()
        while now_s <= tail.end_s:
            found.append(measure(tail.last_seconds(now_s - 4.0, now_s)))
            now_s += 1.0
    return found


def pitch(sound: Sound) -> np.ndarray:
    return track_pitch(sound)[0]


@pytest.mark.parametrize("measure", [pitch, pulse_strength, _shape_levels])
def test_rows_are_those_of_the_whole_sound_however_it_came(
    measure: Callable[[Sound], np.ndarray],
) -> None:
    values = heard(9.0)
    first = looks(values, 640, True, measure)
    for block, listening in ((1117, False), (16000, True), (50000, True)):
        for one, other in zip(first, looks(values, block, listening, measure), strict=True):
            np.testing.assert_array_equal(one, other)
    whole = measure(Piece(values, 0.0, RATE_HZ))
    for number, rows in enumerate(first, 1):
        begin = 100 * max(0, number - 4)
        inner = slice(10, len(rows) - 10)  # the ends hear silence beyond them
        expected = whole[begin : begin + len(rows)]
        if measure is not pitch:  # which weighs each row against all others
            np.testing.assert_allclose(rows[inner], expected[inner], rtol=1e-5, atol=1e-5)


def test_a_second_more_needs_a_second_of_new_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    @local
    def mean_of(sound: Sound, first: int, last: int) -> np.ndarray:
        asked.append(last - first)
        return windows(sound, first, last, 400).mean(1)

    def measure(sound: Sound) -> np.ndarray:
        assert isinstance(sound, LastSeconds)
        return mean_of(sound, 0, n_rows(sound))

    values = heard(12.0)
    looks(values, RATE_HZ, False, measure)
    # Each row once, and again those of which not all around them was there.
    assert sum(asked) <= 1200 + 12 * (remembered._BLOCK_ROWS + remembered.CONTEXT_ROWS)
    again = asked.copy()
    asked.clear()
    looks(values, 640, True, measure)
    assert sum(asked) <= sum(again) + remembered._BLOCK_ROWS * 4

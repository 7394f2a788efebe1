"""Rules of speech activity at their edges: short interruptions are closed, bands begin where
they should.
"""

from __future__ import annotations

import numpy as np
import pytest

from twomind.features.voice.speech_activity import (
    _EDGES_HZ,
    _WINDOW_S,
    HOP_S,
    ActivitySettings,
    _fill,
    band_levels,
)
from twomind.media.stream import Waveform


@pytest.mark.parametrize(("n_rows", "closed"), [(3, True), (4, False), (5, False)])
def test_an_interruption_is_closed_below_its_longest_length(n_rows: int, closed: bool) -> None:
    settings = ActivitySettings(fill_s=4 * HOP_S)
    active = np.ones(20, bool)
    active[8 : 8 + n_rows] = False
    _fill(active, np.zeros(20, bool), settings)
    assert active.all() == closed


def test_a_gap_of_the_recording_and_the_ends_are_no_interruption() -> None:
    settings = ActivitySettings(fill_s=4 * HOP_S)
    active = np.ones(20, bool)
    active[[0, 8, 19]] = False
    missing = np.zeros(20, bool)
    missing[8] = True
    _fill(active, missing, settings)
    assert np.flatnonzero(~active).tolist() == [0, 8, 19]


@pytest.mark.parametrize("edge", range(1, 8))
def test_a_tone_below_the_edge_of_two_bands_is_in_the_lower_one(edge: int) -> None:
    rate = 16_000
    n_fft = 1 << int(np.ceil(np.log2(int(_WINDOW_S * rate))))
    at = _EDGES_HZ[edge] * n_fft / rate
    below_hz = np.ceil(at - 1) * rate / n_fft
    times_s = np.arange(rate) / rate
    tone = np.sin(2 * np.pi * below_hz * times_s).astype(np.float32)
    levels = band_levels(Waveform(tone, rate, 0.0, ())).mean(0)
    assert int(levels.argmax()) == edge - 1

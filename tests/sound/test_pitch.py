"""Peaks of a voice's autocorrelation."""

from __future__ import annotations

import numpy as np
import pytest

from twomind.sound.pitch import PitchSettings, _peaks, _search

RATE_HZ = 16000


def test_a_period_between_two_lags_is_one_peak_in_their_middle() -> None:
    """Two equal neighbours are one top: neither is missed, nor is it counted twice."""
    search = _search(RATE_HZ, PitchSettings())
    correlation = np.zeros((1, search.last_lag - search.first_lag + 1))
    at = 40
    correlation[0, at - 1 : at + 3] = (0.5, 0.9, 0.9, 0.5)
    freqs, strengths = _peaks(correlation, search)
    assert freqs[0][np.isfinite(freqs[0])] == pytest.approx(RATE_HZ / (search.first_lag + at + 0.5))
    assert strengths[0].max() == pytest.approx(
        0.95
    )  # the top of the parabola through three of them

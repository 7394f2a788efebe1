"""Short interruptions of speech are closed, and only these."""

from __future__ import annotations

import numpy as np
import pytest

from twomind.features.voice.speech_activity import HOP_S, ActivitySettings, _fill


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

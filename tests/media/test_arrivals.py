"""Pieces of sound that wait until it is known where they go."""

from __future__ import annotations

import pytest

from twomind.media.arrivals import (
    JITTER_S,
    MOST_PIECES,
    MOST_S,
    WAIT_S,
    Arrival,
    encoder_late_s,
    first_s,
    place,
)


def pieces(
    *late_s: float | None, length_s: float = 0.06, start_s: float = 1.0
) -> list[Arrival[int]]:
    """Unbroken sound whose stamps are so much late."""
    return [
        Arrival(n, None if late is None else start_s + n * length_s + late, length_s)
        for n, late in enumerate(late_s)
    ]


def times(known: list[Arrival[int]]) -> list[float | None]:
    return [None if one.time_s is None else round(one.time_s, 6) for one in known]


def test_a_piece_in_time_is_placed_at_once() -> None:
    for stray_s in (JITTER_S - 1e-6, 0.0, -JITTER_S + 1e-6):
        assert times(place(pieces(stray_s), 1.0)) == [None]
    # Sound that is there already: where its stamp says.
    assert times(place(pieces(-0.5), 1.0)) == [0.5]


def test_a_late_piece_waits_and_follows_when_one_is_in_time() -> None:
    assert place(pieces(0.05), 1.0) == []
    assert place(pieces(0.05, 0.03), 1.0) == []
    assert times(place(pieces(0.05, 0.03, 0.0), 1.0)) == [None, None]


def test_pieces_that_stay_late_are_behind_a_gap_as_long_as_the_least_late_one_tells() -> None:
    assert place(pieces(0.3, 0.3, 0.3, 0.3, 0.3), 1.0) == []
    # The second is the least late: five more of 60 ms tell that none comes earlier.
    late = pieces(0.35, 0.3, 0.3, 0.32, 0.3, 0.3, 0.3)
    assert times(place(late, 1.0)) == [1.3, None]
    # As the stamp says, when none is less late by more than the jitter.
    assert times(place(pieces(0.305, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3), 1.0)) == [1.305, None]


def test_at_the_end_stamps_are_believed() -> None:
    assert times(place(pieces(0.1), 1.0, last=True)) == [1.1]
    assert times(place(pieces(0.1, 0.05), 1.0, last=True)) == [1.05, None]


def test_a_piece_without_a_stamp_is_as_late_as_the_one_before() -> None:
    assert times(place(pieces(None), 1.0)) == [None]
    assert place(pieces(0.1, None, None), 1.0) == []
    assert times(place(pieces(0.1, None, 0.0), 1.0)) == [None, None]


@pytest.mark.parametrize("length_s", [1e-4, 0.02])
def test_nothing_waits_for_ever(length_s: float) -> None:
    # Each is a little less late than the one before, as if it were about to come in time.
    waiting: list[Arrival[int]] = []
    for n in range(10_000):
        waiting.append(Arrival(n, 1.0 + n * length_s + 1000 - n * 1e-5, length_s))
        if place(waiting, 1.0):
            break
    assert len(waiting) <= MOST_PIECES
    assert len(waiting) * length_s <= MOST_S + 2 * length_s


def test_the_first_piece_begins_where_the_least_late_one_tells() -> None:
    assert first_s(pieces(0.08, 0.04, 0.04)) is None
    n_more = round(WAIT_S / 0.06 + 0.5)
    assert first_s(pieces(0.08, 0.04, *[0.04] * n_more)) == pytest.approx(1.04)
    assert first_s(pieces(0.04, 0.035, *[0.04] * n_more)) == pytest.approx(1.04)
    assert first_s(pieces(0.08, 0.04), last=True) == pytest.approx(1.04)
    assert first_s(pieces(None), last=True) == 0.0
    # Nothing begins before the recording.
    assert first_s(pieces(0.08, 0.0, start_s=-0.04), last=True) == 0.0


def test_all_sound_of_long_packets_is_late_by_what_was_measured() -> None:
    late = pieces(0.0, 0.0)
    for begin_s in (0.02, 0.045, 0.1):
        assert encoder_late_s(begin_s, late) == 0.045
    # What nobody measured begins with the recording, or stays where it is.
    assert encoder_late_s(0.019, late) == 0.019
    assert encoder_late_s(0.045, pieces(0.0, length_s=0.02)) == 0.045
    assert encoder_late_s(0.101, late) == 0.0
    assert encoder_late_s(-0.001, late) == 0.0

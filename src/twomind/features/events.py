"""Events in a measure that comes row by row on an uneven clock, with rows missing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from twomind.features.voice.speech_rows import runs

#: Share of a move that counts as still resting, before it and after it.
_REST = 0.02


@dataclass(frozen=True)
class Event:
    """A span in seconds with its strength, and the row where it is strongest."""

    start_s: float
    end_s: float
    value: float
    peak: int


def row_s(times_s: np.ndarray) -> float:
    """Usual time from row to row, in seconds."""
    return float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0


def _pieces(times_s: np.ndarray, values: np.ndarray, max_gap_s: float) -> list[np.ndarray]:
    """Row numbers of the measured rows, cut where more than ``max_gap_s`` of rows is missing."""
    rows = np.flatnonzero(np.isfinite(values))
    if not len(rows):
        return []
    missing_s = np.diff(times_s[rows]) - row_s(times_s)
    return np.split(rows, np.flatnonzero(missing_s > max_gap_s + 1e-9) + 1)


def find_events(
    times_s: np.ndarray,
    values: np.ndarray,
    enter: float,
    leave: float,
    min_s: float,
    merge_s: float = 0.0,
    max_gap_s: float = 0.0,
) -> list[Event]:
    """Spans where ``values (T,)`` stay at ``leave`` or above and somewhere reach ``enter``.

    Rows that are nan end an event unless less than ``max_gap_s`` of them is missing. Events closer
    than ``merge_s`` (of measured rows) become one; then those shorter than ``min_s`` are dropped.
    An event lasts to the start of the row after it. ``value`` is the maximum.
    """
    found: list[Event] = []
    usual_s = row_s(times_s)
    for rows in _pieces(times_s, values, max_gap_s):
        t, v = times_s[rows], values[rows]
        ends_s = np.append(t[1:], t[-1] + usual_s)
        spans: list[tuple[int, int]] = []
        for a, b in runs(v >= leave):
            if v[a:b].max() < enter:
                continue
            if spans and t[a] - ends_s[spans[-1][1] - 1] < merge_s:
                spans[-1] = (spans[-1][0], b)
            else:
                spans.append((a, b))
        for a, b in spans:
            if ends_s[b - 1] - t[a] >= min_s - 1e-9:
                peak = a + int(v[a:b].argmax())
                found.append(
                    Event(float(t[a]), float(ends_s[b - 1]), float(v[peak]), int(rows[peak]))
                )
    return found


def find_swings(
    times_s: np.ndarray,
    values: np.ndarray,
    min_swing: float,
    max_s: float,
    n_swings: int,
    max_gap_s: float = 0.0,
) -> list[Event]:
    """To and fro: at least ``n_swings`` moves in a row, each of ``min_swing`` or more in ``max_s``
    seconds or less.

    ``value`` is the mean size of the swings.
    """
    found: list[Event] = []
    for rows in _pieces(times_s, values, max_gap_s):
        t, v = times_s[rows], values[rows]
        moves = _moves(v, min_swing)
        quick = np.array([t[b] - t[a] <= max_s + 1e-9 for a, b in moves], bool)
        # A head that stays where it turned before it comes back is not shaken.
        held = np.array([t[c] - t[b] > max_s / 3 for (_, b), (c, _) in pairwise(moves)], bool)
        for first, last in runs(quick):
            cuts = [first, *(np.flatnonzero(held[first : last - 1]) + first + 1), last]
            for i, k in pairwise(cuts):
                if k - i >= n_swings:
                    found.append(_swing(moves[i:k], rows, t, v))
    return found


def _swing(moves: list[tuple[int, int]], rows: np.ndarray, t: np.ndarray, v: np.ndarray) -> Event:
    sizes = [abs(float(v[b] - v[a])) for a, b in moves]
    peak = moves[int(np.argmax(sizes))][1]
    return Event(
        float(t[moves[0][0]]), float(t[moves[-1][1]]), float(np.mean(sizes)), int(rows[peak])
    )


def _moves(values: np.ndarray, min_swing: float) -> list[tuple[int, int]]:
    """First and last row of every move of ``min_swing`` or more between two extremes, without the
    rests around it.
    """
    moves = []
    for a, b in pairwise(_turning_points(values, min_swing)):
        progress = (values[a : b + 1] - values[a]) / (values[b] - values[a])
        start = int(np.flatnonzero(progress <= _REST)[-1])
        end = start + int(np.flatnonzero(progress[start:] >= 1 - _REST)[0])
        moves.append((a + start, a + end))
    return moves


def _turning_points(values: np.ndarray, min_swing: float) -> list[int]:
    """Rows of the extremes between moves of at least ``min_swing``, those that bound the outer
    moves among them.
    """
    turns: list[int] = []
    low = high = direction = 0  # rows of the extremes since the last turn
    for i, value in enumerate(values.tolist()):
        low = i if value < values[low] else low
        high = i if value > values[high] else high
        if direction >= 0 and values[high] - value >= min_swing:
            turns.append(high)
            direction, low = -1, i
        elif direction <= 0 and value - values[low] >= min_swing:
            turns.append(low)
            direction, high = 1, i
    if direction:
        turns.append(high if direction > 0 else low)
    return turns

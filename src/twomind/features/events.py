"""Events in a measure that comes row by row on an uneven clock, with rows missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from twomind.sound.runs import runs

#: Begin and end of a move, or of a span: rows.
_Rows = tuple[int, int]

#: Share of a move that counts as still resting, before it and after it.
_RESTING_SHARE = 0.02


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
    is_cut = missing_s > max_gap_s + 1e-9
    cuts = np.flatnonzero(is_cut) + 1
    return np.split(rows, cuts)


def find_events(
    times_s: np.ndarray,
    values: np.ndarray,
    enter: float,
    leave: float,
    min_s: float,
    merge_s: float = 0.0,
    max_gap_s: float = 0.0,
    *,
    edge_s: float = math.inf,
) -> list[Event]:
    """Spans where a measure stays high and somewhere gets higher.

    An event lasts to the start of the row after it. Its ``value`` is the maximum.

    Args:
        times_s: of the rows ``(T,)``.
        values: the measure ``(T,)``; nan where it is missing.
        enter: level that is reached somewhere in the span.
        leave: level that is held throughout.
        min_s: shorter spans are dropped, after merging.
        merge_s: spans closer than this (of measured rows) become one.
        max_gap_s: missing rows end a span unless there are at most this many seconds of them.
        edge_s: rows below ``enter`` belong to a span only as long as this before and after a row
            that reaches it.
    """
    found: list[Event] = []
    usual_s = row_s(times_s)
    for rows in _pieces(times_s, values, max_gap_s):
        t = times_s[rows]
        v = values[rows]
        ends_s = np.append(t[1:], t[-1] + usual_s)
        high = []
        is_near = _near(t, v >= enter, edge_s)
        stays_high = (v >= leave) & is_near
        for a, b in runs(stays_high):
            if v[a:b].max() >= enter:
                high.append((a, b))
        for a, b in _merged(high, t, ends_s, merge_s):
            start_s = float(t[a])
            end_s = float(ends_s[b - 1])
            if end_s - start_s < min_s - 1e-9:
                continue
            peak = a + int(v[a:b].argmax())
            value = float(v[peak])
            found.append(Event(start_s, end_s, value, int(rows[peak])))
    return found


def _near(t: np.ndarray, reached: np.ndarray, edge_s: float) -> np.ndarray:
    """Rows ``(N,)`` within ``edge_s`` of one of those that ``reached (N,)`` a level."""
    if not reached.any():
        return np.zeros(len(t), bool)
    at = t[reached]
    after = np.searchsorted(at, t)
    following = at[np.minimum(after, len(at) - 1)]
    before = at[np.maximum(after - 1, 0)]
    until_s = np.abs(following - t)
    since_s = np.abs(t - before)
    away_s = np.minimum(until_s, since_s)
    near: np.ndarray = away_s <= edge_s + 1e-9
    return near


def _merged(spans: list[_Rows], t: np.ndarray, ends_s: np.ndarray, merge_s: float) -> list[_Rows]:
    """Spans closer than ``merge_s`` made one; rows begin at ``t (N,)`` and end at ``ends_s``."""
    merged: list[_Rows] = []
    for a, b in spans:
        if merged:
            first, last = merged[-1]
            if t[a] - ends_s[last - 1] < merge_s:
                merged[-1] = (first, b)
                continue
        merged.append((a, b))
    return merged


def find_swings(
    times_s: np.ndarray,
    values: np.ndarray,
    min_swing: float,
    max_s: float,
    n_swings: int,
    max_gap_s: float = 0.0,
) -> list[Event]:
    """To and fro: several quick moves in a row. ``value`` is the mean size of the swings.

    Args:
        times_s: of the rows ``(T,)``.
        values: the measure ``(T,)``; nan where it is missing.
        min_swing: smallest move.
        max_s: longest time of a move.
        n_swings: moves in a row, at least.
        max_gap_s: missing rows end it unless there are at most this many seconds of them.
    """
    found: list[Event] = []
    for rows in _pieces(times_s, values, max_gap_s):
        t = times_s[rows]
        v = values[rows]
        moves = _moves(v, min_swing)
        lengths_s = np.array([t[b] - t[a] for a, b in moves])
        quick = lengths_s <= max_s + 1e-9
        held = np.array(_held(moves, t, max_s), bool)
        for first, last in runs(quick):
            inside = held[first : last - 1]
            stays = np.flatnonzero(inside) + first + 1
            cuts = [first, *stays, last]
            for i, k in pairwise(cuts):
                if k - i >= n_swings:
                    found.append(_swing(moves[i:k], rows, t, v))
    return found


def _held(moves: list[_Rows], t: np.ndarray, max_s: float) -> list[bool]:
    """For every two moves: a head that stays where it turned before it comes back is not
    shaken.
    """
    found = []
    for (_, turned), (back, _) in pairwise(moves):
        stays_s = t[back] - t[turned]
        found.append(stays_s > max_s / 3)
    return found


def _swing(moves: list[_Rows], rows: np.ndarray, t: np.ndarray, v: np.ndarray) -> Event:
    """Several moves as one event; ``rows (N,)``, times and values of the measured rows."""
    sizes = []
    for a, b in moves:
        change = float(v[b] - v[a])
        sizes.append(abs(change))
    largest = int(np.argmax(sizes))
    _, peak = moves[largest]
    begin, _ = moves[0]
    _, end = moves[-1]
    size = float(np.mean(sizes))
    start_s = float(t[begin])
    end_s = float(t[end])
    return Event(start_s, end_s, size, int(rows[peak]))


def _moves(values: np.ndarray, min_swing: float) -> list[_Rows]:
    """First and last row of every move of ``min_swing`` or more between two extremes, without the
    rests around it.
    """
    moves = []
    for a, b in pairwise(_turning_points(values, min_swing)):
        size = values[b] - values[a]
        gone = values[a : b + 1] - values[a]
        progress = gone / size
        still_resting = np.flatnonzero(progress <= _RESTING_SHARE)
        start = int(still_resting[-1])
        arrived = np.flatnonzero(progress[start:] >= 1 - _RESTING_SHARE)
        end = start + int(arrived[0])
        moves.append((a + start, a + end))
    return moves


def _turning_points(values: np.ndarray, min_swing: float) -> list[int]:
    """Rows of the extremes between moves of at least ``min_swing``, those that bound the outer
    moves among them.
    """
    turns: list[int] = []
    low = high = direction = 0  # rows of the extremes since the last turn
    for i, value in enumerate(values.tolist()):
        if value < values[low]:
            low = i
        if value > values[high]:
            high = i
        if direction >= 0 and values[high] - value >= min_swing:
            turns.append(high)
            direction = -1
            low = i
        elif direction <= 0 and value - values[low] >= min_swing:
            turns.append(low)
            direction = 1
            high = i
    if direction:
        last = high if direction > 0 else low
        turns.append(last)
    return turns

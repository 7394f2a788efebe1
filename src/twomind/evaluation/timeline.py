"""How good a timeline is: events with a time tolerance, boundaries, and how restless it is. numpy
only.

A timeline of one recording is ``times_s (T,)``, evenly spaced by ``hop_s``, and ``labels (T,)`` 0
or 1; -1 is unknown and ends an event. A frame stands for ``[time, time + hop_s)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from twomind.types.plain import Array

Event: TypeAlias = tuple[float, float]

#: Times are sums of hops: this much is not a difference.
ROUNDING_S = 1e-9

#: Onset and offset may be off by this much and the event still counts as found.
TOLERANCE_S = 1.0
#: A predicted change farther than this from a true one has nothing to do with it.
MAX_LAG_S = 3.0


def events(times_s: Array, labels: Array, hop_s: float) -> list[Event]:
    """Stretches of label 1 as ``(start, end)`` in seconds.

    Args:
        times_s: of the frames, ``(T,)``.
        labels: of the frames, ``(T,)``.
        hop_s: from frame to frame, in seconds.
    """
    is_on = np.r_[False, np.asarray(labels) == 1, False]
    change = np.flatnonzero(np.diff(is_on.astype(int)))
    found = []
    for first, after in zip(change[::2], change[1::2], strict=True):
        start_s = float(times_s[first])
        end_s = float(times_s[after - 1] + hop_s)
        found.append((start_s, end_s))
    return found


class _Pairing:
    """Pairs true with said events one to one, as many as possible (augmenting paths)."""

    def __init__(self, near: Sequence[Sequence[int]]) -> None:
        self._near = near
        #: the true event of each said one that is taken
        self.taken: dict[int, int] = {}

    def place(self, i: int, tried: set[int]) -> bool:
        """Find a said event for the true one ``i``, moving others where that helps."""
        for j in self._near[i]:
            if j in tried:
                continue
            tried.add(j)
            if j not in self.taken or self.place(self.taken[j], tried):
                self.taken[j] = i
                return True
        return False


def match(
    true: Sequence[Event], said: Sequence[Event], tolerance_s: float
) -> list[tuple[int, int]]:
    """The largest set of one-to-one pairs whose onsets and whose offsets both differ by at most
    ``tolerance_s``.

    Args:
        true: events that coders marked.
        said: events that the timeline says.
        tolerance_s: how far onset and offset may be off, in seconds.
    """
    near = [_near(event, said, tolerance_s) for event in true]
    pairing = _Pairing(near)
    for i in range(len(true)):
        pairing.place(i, set())
    return sorted((i, j) for j, i in pairing.taken.items())


def _near(event: Event, others: Sequence[Event], tolerance_s: float) -> list[int]:
    """The events whose onset and offset are both within the tolerance."""
    found = []
    for j, other in enumerate(others):
        onset_s = abs(event[0] - other[0])
        offset_s = abs(event[1] - other[1])
        if max(onset_s, offset_s) <= tolerance_s + ROUNDING_S:
            found.append(j)
    return found


def event_counts(
    true: Sequence[Event], said: Sequence[Event], tolerance_s: float = TOLERANCE_S
) -> tuple[int, int]:
    """``(pairs found, true + said events)``; F1 is ``2 * found / all``, summed over recordings
    first.

    Args:
        true: events that coders marked.
        said: events that the timeline says.
        tolerance_s: how far onset and offset may be off, in seconds.
    """
    found = match(true, said, tolerance_s)
    return len(found), len(true) + len(said)


def boundary_errors(true: Sequence[Event], said: Sequence[Event]) -> list[float]:
    """Absolute onset and offset errors in seconds of every true event with the said event that
    overlaps it most.

    True events that no said event overlaps have none: read it beside the event F1.
    """
    found = []
    for start, end in true:
        most_s = 0.0
        best = None
        for other in said:
            shared_s = min(end, other[1]) - max(start, other[0])
            if shared_s > most_s:
                most_s = shared_s
                best = other
        if best is not None:
            found.append(abs(start - best[0]))
            found.append(abs(end - best[1]))
    return found


def _is_change(labels: Array) -> Array:
    """Whether the label changes between neighbouring known frames ``(T - 1,)``."""
    labels = np.asarray(labels)
    before = labels[:-1]
    after = labels[1:]
    both_known = (after >= 0) & (before >= 0)
    return np.asarray(both_known & (after != before))


def _changes(times_s: Array, labels: Array) -> list[tuple[float, int]]:
    """Times at which the label changes between two known frames, with the new label."""
    at = np.flatnonzero(_is_change(labels)) + 1
    found = []
    for i in at:
        found.append((float(times_s[i]), int(labels[i])))
    return found


def boundary_lags(
    times_s: Array, true: Array, said: Array, max_lag_s: float = MAX_LAG_S
) -> tuple[list[float], int]:
    """Signed delay of the nearest change to the same label after each true change, and how many
    true changes had none.

    Positive: the timeline says it late.

    Args:
        times_s: of the frames, ``(T,)``.
        true: labels of coders, ``(T,)``.
        said: labels of the timeline, ``(T,)``.
        max_lag_s: a change farther away has nothing to do with it.
    """
    told = _changes(times_s, said)
    found = []
    n_missed = 0
    for time_s, label in _changes(times_s, true):
        near = []
        for at_s, to in told:
            lag_s = at_s - time_s
            if to == label and abs(lag_s) <= max_lag_s + ROUNDING_S:
                near.append(lag_s)
        if near:
            found.append(min(near, key=abs))
        else:
            n_missed += 1
    return found, n_missed


def n_flips(said: Array) -> int:
    """How often the decision changes between neighbouring known frames."""
    return int(_is_change(said).sum())


@dataclass
class _Totals:
    """What is counted over recordings."""

    n_found: int = 0
    n_events: int = 0
    n_missed: int = 0
    n_flips: int = 0
    n_true_flips: int = 0
    minutes: float = 0.0
    errors_s: list[float] = field(default_factory=list)
    lags_s: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """All figures; nan where there is nothing to measure."""
        n_boundaries = self.n_missed + len(self.lags_s)
        error_s = lag_s = math.nan
        if self.errors_s:
            error_s = float(np.mean(self.errors_s))
        if self.lags_s:
            lag_s = float(np.median(self.lags_s))
        return {
            "event_f1": _share(2 * self.n_found, self.n_events),
            "boundary_error_s": error_s,
            "boundary_lag_s": lag_s,
            "boundaries_missed": _share(self.n_missed, n_boundaries),
            "flips_per_minute": _share(self.n_flips, self.minutes),
            "true_flips_per_minute": _share(self.n_true_flips, self.minutes),
        }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def score_timelines(
    lines: Mapping[str, tuple[Array, Array, Array]],
    hop_s: float,
    tolerance_s: float = TOLERANCE_S,
) -> dict[str, float]:
    """Figures over recordings; nan where there is nothing to measure.

    ``event_f1``, ``boundary_error_s`` (mean), ``boundary_lag_s`` (median, signed),
    ``boundaries_missed`` (share), ``flips_per_minute`` and ``true_flips_per_minute``.

    Args:
        lines: ``name → (times_s, true, said)``, each ``(T,)``.
        hop_s: from frame to frame, in seconds.
        tolerance_s: how far onset and offset of an event may be off, in seconds.
    """
    totals = _Totals()
    for times_s, true, said in lines.values():
        coded = np.asarray(true) >= 0
        # Where nobody coded, nothing that is said there counts.
        told = np.where(coded, said, -1)
        true_events = events(times_s, true, hop_s)
        said_events = events(times_s, told, hop_s)
        n_found, n_events = event_counts(true_events, said_events, tolerance_s)
        totals.n_found += n_found
        totals.n_events += n_events
        totals.errors_s += boundary_errors(true_events, said_events)
        lags_s, n_missed = boundary_lags(times_s, true, told)
        totals.lags_s += lags_s
        totals.n_missed += n_missed
        totals.n_flips += n_flips(told)
        totals.n_true_flips += n_flips(true)
        totals.minutes += coded.sum() * hop_s / 60
    return totals.figures()

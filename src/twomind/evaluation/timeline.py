"""How good a timeline is: events with a time tolerance, boundaries, and how restless it is. numpy
only.

A timeline of one recording is ``times_s (T,)``, evenly spaced by ``hop_s``, and ``labels (T,)`` 0
or 1; -1 is unknown and ends an event. A frame stands for ``[time, time + hop_s)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Event = tuple[float, float]

#: Onset and offset may be off by this much and the event still counts as found.
TOLERANCE_S = 1.0
#: A predicted change farther than this from a true one has nothing to do with it.
MAX_LAG_S = 3.0


def events(times_s: np.ndarray, labels: np.ndarray, hop_s: float) -> list[Event]:
    """Stretches of label 1 as ``(start, end)`` in seconds."""
    is_on = np.r_[False, np.asarray(labels) == 1, False]
    change = np.flatnonzero(np.diff(is_on.astype(int)))
    return [
        (float(times_s[a]), float(times_s[b - 1] + hop_s))
        for a, b in zip(change[::2], change[1::2], strict=True)
    ]


def match(
    true: Sequence[Event], said: Sequence[Event], tolerance_s: float
) -> list[tuple[int, int]]:
    """The largest set of one-to-one pairs whose onsets and whose offsets both differ by at most
    ``tolerance_s``.
    """
    near = [
        [
            j
            for j, b in enumerate(said)
            if max(abs(a[0] - b[0]), abs(a[1] - b[1])) <= tolerance_s + 1e-9
        ]
        for a in true
    ]
    taken: dict[int, int] = {}

    def place(i: int, tried: set[int]) -> bool:
        for j in near[i]:
            if j not in tried:
                tried.add(j)
                if j not in taken or place(taken[j], tried):
                    taken[j] = i
                    return True
        return False

    for i in range(len(true)):
        place(i, set())
    return sorted((i, j) for j, i in taken.items())


def event_counts(
    true: Sequence[Event], said: Sequence[Event], tolerance_s: float = TOLERANCE_S
) -> tuple[int, int]:
    """``(pairs found, true + said events)``; F1 is ``2 * found / all``, summed over recordings
    first.
    """
    return len(match(true, said, tolerance_s)), len(true) + len(said)


def boundary_errors(true: Sequence[Event], said: Sequence[Event]) -> list[float]:
    """Absolute onset and offset errors in seconds of every true event with the said event that
    overlaps it most.

    True events that no said event overlaps have none: read it beside the event F1.
    """
    found = []
    for start, end in true:
        overlap = [min(end, b) - max(start, a) for a, b in said]
        if overlap and max(overlap) > 0:
            a, b = said[int(np.argmax(overlap))]
            found += [abs(start - a), abs(end - b)]
    return found


def _changes(times_s: np.ndarray, labels: np.ndarray) -> list[tuple[float, int]]:
    """Times at which the label changes between two known frames, with the new label."""
    labels = np.asarray(labels)
    at = np.flatnonzero((labels[1:] != labels[:-1]) & (labels[1:] >= 0) & (labels[:-1] >= 0)) + 1
    return [(float(times_s[i]), int(labels[i])) for i in at]


def boundary_lags(
    times_s: np.ndarray, true: np.ndarray, said: np.ndarray, max_lag_s: float = MAX_LAG_S
) -> tuple[list[float], int]:
    """Signed delay of the nearest change to the same label after each true change, and how many
    true changes had none.

    Positive: the timeline says it late.
    """
    told = _changes(times_s, said)
    lags, missed = [], 0
    for time, label in _changes(times_s, true):
        near = [t - time for t, to in told if to == label and abs(t - time) <= max_lag_s + 1e-9]
        if near:
            lags.append(min(near, key=abs))
        else:
            missed += 1
    return lags, missed


def n_flips(said: np.ndarray) -> int:
    """How often the decision changes between neighbouring known frames."""
    said = np.asarray(said)
    return int(((said[1:] != said[:-1]) & (said[1:] >= 0) & (said[:-1] >= 0)).sum())


def score_timelines(
    lines: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    hop_s: float,
    tolerance_s: float = TOLERANCE_S,
) -> dict[str, float]:
    """Figures over recordings, ``name → (times_s, true, said)``; nan where there is nothing to
    measure.

    ``event_f1``, ``boundary_error_s`` (mean), ``boundary_lag_s`` (median, signed),
    ``boundaries_missed`` (share), ``flips_per_minute`` and ``true_flips_per_minute``.
    """
    found = total = missed = flips = true_flips = 0
    errors: list[float] = []
    lags: list[float] = []
    minutes = 0.0
    for times_s, true, said in lines.values():
        # Where nobody coded, nothing that is said there counts.
        told = np.where(np.asarray(true) >= 0, said, -1)
        a, b = events(times_s, true, hop_s), events(times_s, told, hop_s)
        one, both = event_counts(a, b, tolerance_s)
        found, total = found + one, total + both
        errors += boundary_errors(a, b)
        late, lost = boundary_lags(times_s, true, told)
        lags, missed = lags + late, missed + lost
        flips, true_flips = flips + n_flips(told), true_flips + n_flips(true)
        minutes += (np.asarray(true) >= 0).sum() * hop_s / 60
    nan = float("nan")
    return {
        "event_f1": 2 * found / total if total else nan,
        "boundary_error_s": float(np.mean(errors)) if errors else nan,
        "boundary_lag_s": float(np.median(lags)) if lags else nan,
        "boundaries_missed": missed / (missed + len(lags)) if missed + len(lags) else nan,
        "flips_per_minute": flips / minutes if minutes else nan,
        "true_flips_per_minute": true_flips / minutes if minutes else nan,
    }

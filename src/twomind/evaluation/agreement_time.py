"""Agreement over time: marks on a grid, events paired one to one, stretches on which raters differ.
numpy and scipy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from twomind.evaluation.metrics import interval, person_weights

#: One rater's marked spans ``(start_s, end_s)``.
Spans = Sequence[tuple[float, float]]


def on_grid(spans: Spans, times_s: np.ndarray) -> np.ndarray:
    """1 where a moment lies in a span (start included, end not), else 0: ``(T,)``.

    A span that falls between two moments marks the nearest one, so that it is not lost.
    """
    said = np.zeros(len(times_s))
    for start_s, end_s in spans:
        a, b = np.searchsorted(times_s, [start_s, end_s], side="left")
        said[a:b] = 1
        if a == b and len(times_s):
            said[min(int(np.abs(times_s - (start_s + end_s) / 2).argmin()), len(times_s) - 1)] = 1
    return said


def on_units(spans: Spans, units: Spans) -> np.ndarray:
    """1 for every unit ``(U,)`` of which at least half is marked (utterances, fixed windows), else
    0.
    """
    marked = [
        sum(max(0.0, min(b, end_s) - max(a, start_s)) for a, b in _joined(spans))
        for start_s, end_s in units
    ]
    # Half a microsecond: times that were written with milliseconds are not exact in binary.
    return np.array(
        [m >= (end - start) / 2 - 5e-7 for m, (start, end) in zip(marked, units, strict=True)],
        float,
    )


def _joined(spans: Spans) -> list[tuple[float, float]]:
    """The same stretches without overlaps."""
    out: list[tuple[float, float]] = []
    for start_s, end_s in sorted(spans):
        if out and start_s <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end_s))
        else:
            out.append((start_s, end_s))
    return out


def grid(extent_s: float, hop_s: float) -> np.ndarray:
    """Moments in the middle of every hop of a recording ``(T,)``."""
    if not hop_s > 0:
        raise ValueError(f"expected hop_s > 0, got {hop_s}")
    return (np.arange(max(1, math.ceil(extent_s / hop_s - 1e-9))) + 0.5) * hop_s


def spans_of_score(
    times_s: np.ndarray, score: np.ndarray, threshold: float = 0.5
) -> list[tuple[float, float]]:
    """Where a score track lies above the threshold: a sample holds until the next one, nan is never
    above.
    """
    times_s, score = np.asarray(times_s, float), np.asarray(score, float)
    if not len(times_s):
        return []
    last = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    ends_s = np.append(times_s[1:], times_s[-1] + last)
    above = np.nan_to_num(score, nan=-math.inf) > threshold
    edges = np.flatnonzero(np.diff(np.r_[0, above.astype(int), 0]))
    return [
        (float(times_s[a]), float(ends_s[b - 1]))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]


@dataclass(frozen=True)
class Events:
    """How two raters' spans pair up. ``pairs`` holds indices; errors are b minus a, in seconds."""

    n_a: int
    n_b: int
    pairs: tuple[tuple[int, int], ...]
    onset_error_s: tuple[float, ...]
    offset_error_s: tuple[float, ...]

    @property
    def f1(self) -> float:
        """2 matched / (all of a + all of b); nan when neither marked anything."""
        n = self.n_a + self.n_b
        return 2 * len(self.pairs) / n if n else math.nan

    @property
    def precision(self) -> float:
        """Share of b's spans that a marked too (a is the reference)."""
        return len(self.pairs) / self.n_b if self.n_b else math.nan

    @property
    def recall(self) -> float:
        """Share of a's spans that b marked too."""
        return len(self.pairs) / self.n_a if self.n_a else math.nan


def match_events(a: Spans, b: Spans, onset_s: float = 0.5, offset_s: float | None = None) -> Events:
    """Pair spans one to one whose onsets lie within ``onset_s`` and offsets within ``offset_s``
    (None: the same; ``inf``: any offset of a span that overlaps).

    As many pairs as possible, and among those the ones with the smallest sum of errors.
    """
    from scipy.optimize import linear_sum_assignment

    offset_s = onset_s if offset_s is None else offset_s
    if not (onset_s >= 0 and offset_s >= 0):
        raise ValueError(f"expected tolerances from 0 on, got {onset_s} and {offset_s}")
    first, second = np.array(a, float).reshape(-1, 2), np.array(b, float).reshape(-1, 2)
    error = second[None, :, :] - first[:, None, :]
    # Half a microsecond: times that were written with milliseconds are not exact in binary.
    fits = (np.abs(error[..., 0]) <= onset_s + 5e-7) & (np.abs(error[..., 1]) <= offset_s + 5e-7)
    if not math.isfinite(offset_s):
        fits &= (first[:, None, 0] <= second[None, :, 1]) & (
            second[None, :, 0] <= first[:, None, 1]
        )
    cost = np.abs(error).sum(axis=-1)
    # A pair is worth more than all errors together, so that no pair is given up for a closer one.
    worth = float(cost[fits].sum()) + 1.0 if fits.any() else 1.0
    rows, columns = linear_sum_assignment(np.where(fits, cost - worth, 0.0))
    pairs = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if fits[i, j]]
    return Events(
        len(first),
        len(second),
        tuple(pairs),
        tuple(float(error[i, j, 0]) for i, j in pairs),
        tuple(float(error[i, j, 1]) for i, j in pairs),
    )


@dataclass(frozen=True)
class Compared:
    """One rater's span beside the other's. ``state``: ``matched``; ``limits`` (they overlap, but
    begin or end farther apart than the tolerance); ``only a``, ``only b``. Errors are b minus a, in
    seconds; nan where one has none."""

    state: str
    a: tuple[float, float] | None
    b: tuple[float, float] | None
    onset_error_s: float = math.nan
    offset_error_s: float = math.nan


def by_segment(a: Spans, b: Spans, events: Events) -> list[Compared]:
    """Every span of both raters, in order of time; ``events`` is their :func:`match_events`."""
    partner = dict(events.pairs)
    back = {j: i for i, j in events.pairs}
    found: list[Compared] = []
    told: set[int] = set()
    for i, mine in enumerate(a):
        j = partner[i] if i in partner else _overlapping(mine, b, set(back) | told)
        if j is None:
            found.append(Compared("only a", mine, None))
            continue
        told.add(j)
        errors = (b[j][0] - mine[0], b[j][1] - mine[1])
        found.append(Compared("matched" if i in partner else "limits", mine, b[j], *errors))
    found += [Compared("only b", None, other) for j, other in enumerate(b) if j not in told]
    return sorted(found, key=lambda c: c.a or c.b or (0.0, 0.0))


def _overlapping(span: tuple[float, float], others: Spans, taken: set[int]) -> int | None:
    """The free one of ``others`` that shares most time with ``span``."""
    shared = [
        (min(span[1], b) - max(span[0], a), j) for j, (a, b) in enumerate(others) if j not in taken
    ]
    most, j = max(shared, default=(0.0, -1))
    return j if most > 0 else None


@dataclass(frozen=True)
class Disagreement:
    """A stretch that some raters marked and others did not.

    ``at_border``: it adjoins a stretch that all marked, so they differ about its limits only;
    ``within_tolerance``: and by no more than the tolerance.
    """

    start_s: float
    end_s: float
    marked: tuple[str, ...]
    not_marked: tuple[str, ...]
    at_border: bool = False
    within_tolerance: bool = False


def disagreements(raters: Mapping[str, Spans], tolerance_s: float = 0.0) -> list[Disagreement]:
    """Every stretch on which raters differ, in order of time, exact to their marks (no grid)."""
    edges = sorted({t for spans in raters.values() for span in spans for t in span})
    who: list[tuple[str, ...]] = []
    for start_s, end_s in pairwise(edges):
        middle_s = (start_s + end_s) / 2
        who.append(
            tuple(r for r, spans in raters.items() if any(a <= middle_s < b for a, b in spans))
        )
    pieces: list[tuple[float, float, tuple[str, ...]]] = []
    for start_s, end_s, marked in ((*e, w) for e, w in zip(pairwise(edges), who, strict=True)):
        if pieces and pieces[-1][2] == marked:
            pieces[-1] = (pieces[-1][0], end_s, marked)
        else:
            pieces.append((start_s, end_s, marked))
    found = []
    for i, (start_s, end_s, marked) in enumerate(pieces):
        if not marked or len(marked) == len(raters):
            continue
        beside = [pieces[j][2] for j in (i - 1, i + 1) if 0 <= j < len(pieces)]
        at_border = any(len(other) == len(raters) for other in beside)
        short = end_s - start_s <= tolerance_s + 5e-7
        missing = tuple(r for r in raters if r not in marked)
        found.append(Disagreement(start_s, end_s, marked, missing, at_border, at_border and short))
    return found


def bootstrap(
    value: Callable[[np.ndarray], Any],
    groups: Sequence[str],
    n_bootstrap: int = 2000,
    seed: int = 0,
    least: int = 5,
) -> list[float] | None:
    """95 % percentile interval over resampled people: ``value(weights (B, N))`` → ``(B,)`` for N
    recordings.

    None with fewer than ``least`` people: frames of one recording hang together, so an interval
    over frames would be far too narrow, and one over so few people says nothing.
    """
    if len(set(groups)) < least:
        return None
    found = interval(
        np.asarray(value(person_weights(np.asarray(groups), n_bootstrap, seed)), float)
    )
    return found if all(math.isfinite(v) for v in found) else None

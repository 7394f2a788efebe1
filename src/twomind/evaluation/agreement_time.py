"""Agreement over time: marks on a grid, events paired one to one, stretches on which raters differ.
numpy and scipy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from twomind.evaluation.metrics import interval, person_weights
from twomind.types.plain import Array

#: ``(start_s, end_s)``.
Span: TypeAlias = tuple[float, float]
#: One rater's marked spans.
Spans: TypeAlias = Sequence[Span]

#: Half a microsecond: times that were written with milliseconds are not exact in binary.
ROUNDING_S = 5e-7


def on_grid(spans: Spans, times_s: Array) -> Array:
    """1 where a moment lies in a span (start included, end not), else 0: ``(T,)``.

    A span that falls between two moments marks the nearest one, so that it is not lost.
    """
    said = np.zeros(len(times_s))
    for start_s, end_s in spans:
        a, b = np.searchsorted(times_s, [start_s, end_s], side="left")
        said[a:b] = 1
        if a == b and len(times_s):
            middle_s = (start_s + end_s) / 2
            nearest = np.abs(times_s - middle_s).argmin()
            said[nearest] = 1
    return said


def on_units(spans: Spans, units: Spans) -> Array:
    """1 for every unit ``(U,)`` of which at least half is marked (utterances, fixed windows), else
    0.
    """
    stretches = _joined(spans)
    said = []
    for start_s, end_s in units:
        marked_s = 0.0
        for a, b in stretches:
            marked_s += max(0.0, min(b, end_s) - max(a, start_s))
        half_s = (end_s - start_s) / 2
        said.append(marked_s >= half_s - ROUNDING_S)
    return np.array(said, float)


def _joined(spans: Spans) -> list[Span]:
    """The same stretches without overlaps."""
    found: list[Span] = []
    for start_s, end_s in sorted(spans):
        if found and start_s <= found[-1][1]:
            before_s, until_s = found.pop()
            found.append((before_s, max(until_s, end_s)))
        else:
            found.append((start_s, end_s))
    return found


def grid(extent_s: float, hop_s: float) -> Array:
    """Moments in the middle of every hop of a recording ``(T,)``."""
    if not hop_s > 0:
        raise ValueError(f"expected hop_s > 0, got {hop_s}")
    n_hops = math.ceil(extent_s / hop_s - 1e-9)
    return (np.arange(max(1, n_hops)) + 0.5) * hop_s


def spans_of_score(times_s: Array, score: Array, threshold: float = 0.5) -> list[Span]:
    """Where a score track lies above the threshold: a sample holds until the next one, nan is never
    above.

    Args:
        times_s: of the samples, ``(T,)``.
        score: ``(T,)``.
        threshold: what the score must exceed.

    Returns:
        Stretches ``(start_s, end_s)``.
    """
    times_s = np.asarray(times_s, float)
    if not len(times_s):
        return []
    last_s = 0.0
    if len(times_s) > 1:
        last_s = float(np.median(np.diff(times_s)))
    ends_s = np.append(times_s[1:], times_s[-1] + last_s)
    known = np.nan_to_num(np.asarray(score, float), nan=-math.inf)
    above = (known > threshold).astype(int)
    edges = np.flatnonzero(np.diff(np.r_[0, above, 0]))
    found = []
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        start_s = float(times_s[first])
        end_s = float(ends_s[after - 1])
        found.append((start_s, end_s))
    return found


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


def match_events(a: Spans, b: Spans, onset_s: float = 0.5, offset_s: float | None = None) -> Events:
    """Pair spans one to one whose onsets lie within ``onset_s`` and offsets within ``offset_s``
    (None: the same; ``inf``: any offset of a span that overlaps).

    As many pairs as possible, and among those the ones with the smallest sum of errors.

    Args:
        a: spans of one rater.
        b: spans of the other.
        onset_s: how far onsets may lie apart, in seconds.
        offset_s: the same of offsets.

    Raises:
        ValueError: a tolerance is below zero.
    """
    from scipy.optimize import linear_sum_assignment

    offset_s = onset_s if offset_s is None else offset_s
    if not (onset_s >= 0 and offset_s >= 0):
        raise ValueError(f"expected tolerances from 0 on, got {onset_s} and {offset_s}")
    first = np.array(a, float).reshape(-1, 2)
    second = np.array(b, float).reshape(-1, 2)
    error = second[None, :, :] - first[:, None, :]
    onset = np.abs(error[..., 0])
    offset = np.abs(error[..., 1])
    fits = (onset <= onset_s + ROUNDING_S) & (offset <= offset_s + ROUNDING_S)
    if not math.isfinite(offset_s):
        fits &= _overlap(first, second)
    cost = np.abs(error).sum(axis=-1)
    # A pair is worth more than all errors together, so that no pair is given up for a closer one.
    worth = 1.0
    if fits.any():
        worth += float(cost[fits].sum())
    rows, columns = linear_sum_assignment(np.where(fits, cost - worth, 0.0))
    pairs = []
    onset_errors = []
    offset_errors = []
    for i, j in zip(rows, columns, strict=True):
        if fits[i, j]:
            pairs.append((int(i), int(j)))
            onset_errors.append(float(error[i, j, 0]))
            offset_errors.append(float(error[i, j, 1]))
    return Events(
        n_a=len(first),
        n_b=len(second),
        pairs=tuple(pairs),
        onset_error_s=tuple(onset_errors),
        offset_error_s=tuple(offset_errors),
    )


def _overlap(first: Array, second: Array) -> Array:
    """Whether each span of one rater touches each of the other ``(A, B)``."""
    a_begins_first = first[:, None, 0] <= second[None, :, 1]
    b_begins_first = second[None, :, 0] <= first[:, None, 1]
    return np.asarray(a_begins_first & b_begins_first)


@dataclass(frozen=True)
class Compared:
    """One rater's span beside the other's. ``state``: ``matched``; ``limits`` (they overlap, but
    begin or end farther apart than the tolerance); ``only a``, ``only b``. Errors are b minus a, in
    seconds; nan where one has none."""

    state: str
    a: Span | None
    b: Span | None
    onset_error_s: float = math.nan
    offset_error_s: float = math.nan


def by_segment(a: Spans, b: Spans, events: Events) -> list[Compared]:
    """Every span of both raters, in order of time.

    Args:
        a: spans of one rater.
        b: spans of the other.
        events: their :func:`match_events`.
    """
    partner = dict(events.pairs)
    taken = set(partner.values())
    found: list[Compared] = []
    told: set[int] = set()
    for i, mine in enumerate(a):
        state = "matched"
        j = partner.get(i)
        if j is None:
            state = "limits"
            j = _overlapping(mine, b, taken | told)
        if j is None:
            found.append(Compared("only a", mine, None))
            continue
        told.add(j)
        onset_s = b[j][0] - mine[0]
        offset_s = b[j][1] - mine[1]
        found.append(Compared(state, mine, b[j], onset_s, offset_s))
    for j, other in enumerate(b):
        if j not in told:
            found.append(Compared("only b", None, other))
    return sorted(found, key=lambda one: one.a or one.b or (0.0, 0.0))


def _overlapping(span: Span, others: Spans, taken: set[int]) -> int | None:
    """The free one of ``others`` that shares most time with ``span``; of equal ones the last."""
    most_s = 0.0
    found = None
    for j, (start_s, end_s) in enumerate(others):
        if j in taken:
            continue
        shared_s = min(span[1], end_s) - max(span[0], start_s)
        if shared_s > 0 and shared_s >= most_s:
            most_s = shared_s
            found = j
    return found


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


@dataclass(frozen=True)
class _Piece:
    """A stretch on which the same raters marked."""

    start_s: float
    end_s: float
    marked: tuple[str, ...]


def _pieces(raters: Mapping[str, Spans]) -> list[_Piece]:
    """All time between the first and the last mark, cut where raters begin or end."""
    edges: set[float] = set()
    for spans in raters.values():
        for span in spans:
            edges |= set(span)
    found: list[_Piece] = []
    for start_s, end_s in pairwise(sorted(edges)):
        marked = _who_marked(raters, (start_s + end_s) / 2)
        if found and found[-1].marked == marked:
            start_s = found.pop().start_s
        found.append(_Piece(start_s, end_s, marked))
    return found


def _who_marked(raters: Mapping[str, Spans], at_s: float) -> tuple[str, ...]:
    found = []
    for name, spans in raters.items():
        if any(start_s <= at_s < end_s for start_s, end_s in spans):
            found.append(name)
    return tuple(found)


def disagreements(raters: Mapping[str, Spans], tolerance_s: float = 0.0) -> list[Disagreement]:
    """Every stretch on which raters differ, in order of time, exact to their marks (no grid)."""
    pieces = _pieces(raters)
    agreed = [len(piece.marked) == len(raters) for piece in pieces]
    found = []
    for i, piece in enumerate(pieces):
        if not piece.marked or agreed[i]:
            continue
        beside = agreed[max(i - 1, 0) : i + 2]
        at_border = any(beside)
        is_short = piece.end_s - piece.start_s <= tolerance_s + ROUNDING_S
        stretch = Disagreement(
            start_s=piece.start_s,
            end_s=piece.end_s,
            marked=piece.marked,
            not_marked=tuple(name for name in raters if name not in piece.marked),
            at_border=at_border,
            within_tolerance=at_border and is_short,
        )
        found.append(stretch)
    return found


def bootstrap(
    value: Callable[[Array], float | Array],
    groups: Sequence[str],
    n_bootstrap: int = 2000,
    seed: int = 0,
    least: int = 5,
) -> list[float] | None:
    """95 % percentile interval over resampled people.

    None with fewer than ``least`` people: frames of one recording hang together, so an interval
    over frames would be far too narrow, and one over so few people says nothing.

    Args:
        value: ``value(weights (B, N))`` → ``(B,)`` for N recordings.
        groups: whose each recording is, ``(N,)``.
        n_bootstrap: ``B``, the number of resamples.
        seed: of the random numbers.
        least: people below which there is no interval.
    """
    if len(set(groups)) < least:
        return None
    weights = person_weights(np.asarray(groups), n_bootstrap, seed)
    samples = np.asarray(value(weights), float)
    found = interval(samples)
    return found if all(map(math.isfinite, found)) else None

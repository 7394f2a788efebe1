"""Agreement over time: marks on a grid, events paired one to one, stretches on which raters differ.
numpy and scipy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from twomind.evaluation.metrics import interval, person_weights
from twomind.types.plain import Array

#: ``(start_s, end_s)``.
Span: TypeAlias = tuple[float, float]
#: One rater's marked spans.
Spans: TypeAlias = Sequence[Span]

#: Half a microsecond: times that were written with milliseconds are not exact in binary.
ROUNDING_S = 5e-7
#: Pairs of spans that are looked at all together; of more, sets that lie apart are looked at alone.
_FEW_PAIRS = 1_000_000


def on_grid(spans: Spans, times_s: Array) -> Array:
    """1 where a moment lies in a span (start included, end not), else 0: ``(T,)``.

    A span that falls between two moments marks the nearest one, so that it is not lost.
    """
    said = np.zeros(len(times_s))
    for start_s, end_s in spans:
        a, b = np.searchsorted(times_s, [start_s, end_s], side="left")
        said[a:b] = 1
        if a == b and len(times_s):
            said[_nearest(times_s, (start_s + end_s) / 2, int(a))] = 1
    return said


def _nearest(times_s: Array, at_s: float, after: int) -> int:
    """Which of the two moments around a time is nearer; of equally near ones the earlier.

    Args:
        times_s: of all moments, ``(T,)``.
        at_s: the time.
        after: the first moment that is not before it.
    """
    if after in (0, len(times_s)):
        return min(after, len(times_s) - 1)
    before = after - 1
    to_before_s = abs(times_s[before] - at_s)
    to_after_s = abs(times_s[after] - at_s)
    return before if to_before_s <= to_after_s else after


def on_units(spans: Spans, units: Spans) -> Array:
    """1 for every unit ``(U,)`` of which at least half is marked (utterances, fixed windows), else
    0.
    """
    times_s = _times(units)
    if not len(times_s):
        return np.zeros(0)
    inside = _joined(spans)
    bounds = _times(inside)
    bounds = np.clip(bounds, times_s.min(), times_s.max())
    starts, ends = times_s.T
    marked_s = _marked_before(bounds, ends) - _marked_before(bounds, starts)
    marked_s = np.maximum(marked_s, 0.0)
    half_s = (ends - starts) / 2
    is_marked = marked_s >= half_s - ROUNDING_S
    return np.asarray(is_marked, float)


def _times(spans: Spans) -> Array:
    """Begin and end of each span ``(S, 2)``."""
    return np.array(spans, float).reshape(-1, 2)


def _marked_before(stretches: Array, at_s: Array) -> Array:
    """How much time is marked before each moment ``(T,)``.

    Args:
        stretches: begin and end, in order of time and apart from each other, ``(S, 2)``.
        at_s: the moments, ``(T,)``.
    """
    if not len(stretches):
        return np.zeros(len(at_s))
    starts, ends = stretches.T
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    last = np.searchsorted(starts, at_s, side="right") - 1
    begun = np.maximum(last, 0)
    until = np.minimum(at_s, ends[begun])
    marked_s = before[begun] + until - starts[begun]
    return np.where(last >= 0, marked_s, 0.0)


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
    offset_s = onset_s if offset_s is None else offset_s
    if not (onset_s >= 0 and offset_s >= 0):
        raise ValueError(f"expected tolerances from 0 on, got {onset_s} and {offset_s}")
    first = _times(a)
    second = _times(b)
    may = _Tolerance(onset_s, offset_s)
    pairs = []
    for rows, columns in _apart(first, second, may):
        pairs += _assigned(first, second, may, rows, columns)
    pairs.sort()
    onset_errors = []
    offset_errors = []
    for i, j in pairs:
        onset, offset = second[j] - first[i]
        onset_errors.append(float(onset))
        offset_errors.append(float(offset))
    return Events(
        n_a=len(first),
        n_b=len(second),
        pairs=tuple(pairs),
        onset_error_s=tuple(onset_errors),
        offset_error_s=tuple(offset_errors),
    )


@dataclass(frozen=True)
class _Tolerance:
    """How far onsets and offsets of a pair may lie apart."""

    onset_s: float
    offset_s: float

    def fits(self, first: Array, second: Array) -> Array:
        """Which spans may be a pair; of two arrays ``(..., 2)`` that broadcast."""
        error = np.abs(second - first)
        onset_fits = error[..., 0] <= self.onset_s + ROUNDING_S
        offset_fits = error[..., 1] <= self.offset_s + ROUNDING_S
        fits = onset_fits & offset_fits
        if math.isfinite(self.offset_s):
            return np.asarray(fits)
        a_begins_first = first[..., 0] <= second[..., 1]
        b_begins_first = second[..., 0] <= first[..., 1]
        return np.asarray(fits & a_begins_first & b_begins_first)


def _apart(first: Array, second: Array, may: _Tolerance) -> Iterator[tuple[Array, Array]]:
    """Spans of both raters in sets between which no pair fits, so that each is paired by itself.

    Few spans are one set.
    """
    n_a = len(first)
    n_b = len(second)
    candidates = None
    if n_a * n_b > _FEW_PAIRS:
        candidates = _candidates(first, second, may)
    if candidates is None:
        yield np.arange(n_a), np.arange(n_b)
        return
    rows, columns = candidates
    if not len(rows):
        return
    place = (rows, columns + n_a)
    n = n_a + n_b
    graph = csr_matrix((np.ones(len(rows)), place), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    order = np.argsort(group, kind="stable")
    edges = np.flatnonzero(np.diff(group[order])) + 1
    for own in np.split(order, edges):
        is_first = own < n_a
        if is_first.any() and not is_first.all():
            yield own[is_first], own[~is_first] - n_a


def _candidates(first: Array, second: Array, may: _Tolerance) -> tuple[Array, Array] | None:
    """Every pair that fits, found among spans whose onsets lie near; None where most do."""
    order = np.argsort(second[:, 0], kind="stable")
    onsets = second[order, 0]
    reach = may.onset_s + 2 * ROUNDING_S
    begin = np.searchsorted(onsets, first[:, 0] - reach, side="left")
    end = np.searchsorted(onsets, first[:, 0] + reach, side="right")
    n_near = end - begin
    n_pairs = len(first) * len(second)
    if n_near.sum() > n_pairs / 4:
        return None
    every = np.arange(len(first))
    rows = np.repeat(every, n_near)
    before = np.cumsum(n_near) - n_near
    shift = np.repeat(begin - before, n_near)
    place = np.arange(len(rows)) + shift
    columns = order[place]
    fits = may.fits(first[rows], second[columns])
    return rows[fits], columns[fits]


def _assigned(
    first: Array, second: Array, may: _Tolerance, rows: Array, columns: Array
) -> list[tuple[int, int]]:
    """As many pairs of some spans of both raters as fit, with the smallest sum of errors."""
    mine = first[rows][:, None, :]
    theirs = second[columns][None, :, :]
    fits = may.fits(mine, theirs)
    if fits.size == 1:
        alone = (int(rows[0]), int(columns[0]))
        return [alone] if fits.all() else []
    error = np.abs(theirs - mine)
    cost = error.sum(axis=-1)
    # A pair is worth more than all errors together, so that no pair is given up for a closer one.
    worth = 1.0
    if fits.any():
        worth += float(cost[fits].sum())
    reward = np.where(fits, cost - worth, 0.0)
    found = []
    for i, j in zip(*linear_sum_assignment(reward), strict=True):
        if fits[i, j]:
            pair = (int(rows[i]), int(columns[j]))
            found.append(pair)
    return found


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
    free = np.ones(len(b), bool)
    free[list(partner.values())] = False
    others = _times(b)
    found: list[Compared] = []
    told: set[int] = set()
    for i, mine in enumerate(a):
        state = "matched"
        j = partner.get(i)
        if j is None:
            state = "limits"
            j = _overlapping(mine, others, free)
        if j is None:
            found.append(Compared("only a", mine, None))
            continue
        told.add(j)
        free[j] = False
        onset_s = b[j][0] - mine[0]
        offset_s = b[j][1] - mine[1]
        found.append(Compared(state, mine, b[j], onset_s, offset_s))
    for j, other in enumerate(b):
        if j not in told:
            found.append(Compared("only b", None, other))
    return sorted(found, key=lambda one: one.a or one.b or (0.0, 0.0))


def _overlapping(span: Span, others: Array, free: Array) -> int | None:
    """The free one of ``others (B, 2)`` that shares most time with ``span``; of equal ones the
    last.
    """
    start_s, end_s = span
    starts, ends = others.T
    until = np.minimum(end_s, ends)
    since = np.maximum(start_s, starts)
    shared_s = np.where(free, until - since, 0.0)
    most_s = shared_s.max(initial=0.0)
    if most_s <= 0:
        return None
    equal = np.flatnonzero(shared_s == most_s)
    return int(equal[-1])


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
    cuts = np.array(sorted(edges))
    middles = (cuts[:-1] + cuts[1:]) / 2
    marks = {name: _is_marked(spans, middles) for name, spans in raters.items()}
    found: list[_Piece] = []
    for k, (start_s, end_s) in enumerate(pairwise(cuts.tolist())):
        marked = tuple(name for name, told in marks.items() if told[k])
        if found and found[-1].marked == marked:
            start_s = found.pop().start_s
        found.append(_Piece(start_s, end_s, marked))
    return found


def _is_marked(spans: Spans, at_s: Array) -> Array:
    """Whether each moment ``(T,)`` lies in a span (start included, end not)."""
    starts, ends = _times(spans).T
    is_long = starts < ends
    begins = np.sort(starts[is_long])
    stops = np.sort(ends[is_long])
    n_begun = np.searchsorted(begins, at_s, side="right")
    n_ended = np.searchsorted(stops, at_s, side="right")
    return np.asarray(n_begun > n_ended)


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

"""Metrics over resamples of people, from what each person adds to them: time and memory grow with
the rows and not with rows times resamples.

A resample weighs all rows of a person alike. So tables of classes, calibration errors and the like
are sums over people that are weighed afterwards, ``draws (B, P) @ sums (P, K)``, and an area under
the ROC curve is a quadratic form in how often each person was drawn. The figures are those of the
same metrics with ``weights (B, N)`` (:mod:`twomind.evaluation.classes`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from twomind.core.numbers import ratio
from twomind.evaluation import classes, metrics
from twomind.types.plain import Array

#: People up to whom pairs are counted in a table person by person.
MOST_PEOPLE = 3000
#: A product of two sparse tables costs so many times one of a dense one.
_SPARSE_COST = 30
#: Cells of a table that may be held at once.
_CELLS = 8_000_000


@dataclass(frozen=True)
class People:
    """Rows and whose they are: ``person (N,)`` from 0 to ``n_people - 1``, ``n (N,)`` how often
    each row counts, ``group (N,)`` within which scores may be compared.
    """

    y: Array
    probs: Array
    person: Array
    n_people: int
    n: Array
    group: Array


def resampled(rows: People, metric: str, drawn: Array) -> Array:
    """A metric in every resample of people ``(B,)``.

    Args:
        rows: labels, probabilities, and whose they are.
        metric: its name in :func:`twomind.evaluation.classes.bound`.
        drawn: how often each person is drawn, ``(B, P)``.
    """
    if metric in _OF_SCORE:
        return _each_class(rows, _OF_SCORE[metric], drawn)
    if metric == "ece":
        return _ece(rows, drawn)
    if metric == "brier":
        return _brier(rows, drawn)
    table = _tables(rows, drawn)
    if not metric.startswith("f1_"):
        return classes.OF_TABLE[metric](table)
    number = int(metric.removeprefix("f1_"))
    each = classes.OF_TABLE["f1"](table)
    return each[:, number]


def _brier(rows: People, drawn: Array) -> Array:
    n_classes = rows.probs.shape[1]
    answer = np.eye(n_classes)[rows.y]
    squares = (rows.probs - answer) ** 2
    far = squares.sum(axis=1) / 2
    total = drawn @ _per_person(rows, far)
    return ratio(total, drawn @ _per_person(rows))


def _per_person(rows: People, values: Array | None = None) -> Array:
    """Sum of values over the rows of each person ``(P,)``; without values how many rows."""
    weighed = rows.n if values is None else rows.n * values
    return np.bincount(rows.person, weighed, rows.n_people)


def _tables(rows: People, drawn: Array) -> Array:
    """Weight of every (true, said) pair ``(B, C, C)``."""
    n_classes = rows.probs.shape[1]
    said = classes.decide(rows.probs)
    pair = rows.y * n_classes + said
    sums = _sums(rows, pair, n_classes * n_classes, rows.n, drawn)
    return sums.reshape(len(drawn), n_classes, n_classes)


def _sums(rows: People, cell: Array, n_cells: int, values: Array, drawn: Array) -> Array:
    """Sums of values by cell in every resample ``(B, K)``.

    Args:
        rows: whose the values are.
        cell: of each row, ``(N,)``.
        n_cells: ``K``.
        values: of each row, ``(N,)``.
        drawn: ``(B, P)``.
    """
    shape = (rows.n_people, n_cells)
    place = (rows.person, cell)
    own = sparse.csr_matrix((values, place), shape=shape)
    if rows.n_people * n_cells <= _CELLS:
        table = own.toarray()
        return np.asarray(drawn @ table)
    sums = own.T @ drawn.T
    return np.asarray(sums.T)


def _ece(rows: People, drawn: Array) -> Array:
    y = rows.y
    score = rows.probs[:, 1]
    if rows.probs.shape[1] != 2:
        said = classes.decide(rows.probs)
        y = said == rows.y
        score = rows.probs[np.arange(len(said)), said]
    too_low = rows.n * (y - score)
    bins = metrics.bins(score, metrics.N_BINS)
    sums = _sums(rows, bins, metrics.N_BINS, too_low, drawn)
    error = np.abs(sums).sum(axis=1)
    return ratio(error, drawn @ _per_person(rows))


# --- metrics of a score


@dataclass(frozen=True)
class _Score:
    """One class against the rest: whether each row is it, and its probability."""

    rows: People
    is_it: Array
    p: Array


def _each_class(rows: People, metric: Callable[[_Score, Array], Array], drawn: Array) -> Array:
    """Of two classes the metric of the second; of more, the mean over classes."""
    n_classes = rows.probs.shape[1]
    chosen = [1] if n_classes == 2 else range(n_classes)
    found = []
    for c in chosen:
        one = _Score(rows, rows.y == c, rows.probs[:, c])
        found.append(metric(one, drawn))
    return np.asarray(np.mean(found, axis=0))


def _ap_bah(one: _Score, drawn: Array) -> Array:
    rows = one.rows
    n_reached = metrics.thresholds_reached(one.p)
    levels, index = np.unique(n_reached, return_inverse=True)
    n_levels = len(levels)
    is_it = rows.n * one.is_it
    is_not = rows.n * ~one.is_it
    step = max(_CELLS // n_levels, 1)
    parts = []
    for start in range(0, len(drawn), step):
        some = drawn[start : start + step]
        positive = _sums(rows, index, n_levels, is_it, some)
        negative = _sums(rows, index, n_levels, is_not, some)
        area = metrics.ap_of_levels(positive, negative, levels)
        parts.append(area)
    return np.concatenate(parts)


def _average_precision(one: _Score, drawn: Array) -> Array:
    order = np.argsort(-one.p, kind="stable")
    ranked = _Ranked.of(one, order, _one_group(one))
    return np.array([ranked.precision(times) for times in drawn])


def _one_group(one: _Score) -> Array:
    return np.zeros(len(one.p), int)


def _auc(one: _Score, drawn: Array) -> Array:
    return _right_pairs(one, _one_group(one), drawn)


def _within(one: _Score, drawn: Array) -> Array:
    return _right_pairs(one, one.rows.group, drawn)


_OF_SCORE: dict[str, Callable[[_Score, Array], Array]] = {
    "ap": _average_precision,
    "ap_bah": _ap_bah,
    "auc": _auc,
    "within_question_auc": _within,
}


@dataclass(frozen=True)
class _Ranked:
    """Rows by group and falling score, cut where either changes.

    ``person`` and ``n`` are of the sorted rows ``(N,)``; ``positive`` the places of those that are
    it. Of every tie that holds one of these ``(K,)``: where it begins and ends among the rows
    (``first``, ``after``) and among the positives (``first_positive``, ``after_positive``), and its
    group. ``edges`` and ``positive_edges`` cut rows and positives into groups ``(G + 1,)``.
    """

    person: Array
    n: Array | None
    positive: Array
    first: Array
    after: Array
    first_positive: Array
    after_positive: Array
    group: Array
    edges: Array
    positive_edges: Array

    @classmethod
    def of(cls, one: _Score, order: Array, group: Array) -> _Ranked:
        """Sorted by ``order (N,)``."""
        is_it = one.is_it[order]
        group = group[order]
        n = one.rows.n[order]
        person = one.rows.person[order]
        new_group = _changes(group)
        new_tie = new_group | _changes(one.p[order])
        before = np.r_[0, np.cumsum(is_it)]  # positives before each row
        first = np.flatnonzero(new_tie)
        after = np.r_[first[1:], len(order)]
        holds_one = before[after] > before[first]
        first = first[holds_one]
        after = after[holds_one]
        edges = np.r_[np.flatnonzero(new_group), len(order)]
        number = np.searchsorted(edges, first, side="right")
        counts_once = bool((n == 1).all())
        return cls(
            person=person.astype(np.int32),
            n=None if counts_once else n,
            positive=np.flatnonzero(is_it),
            first=first,
            after=after,
            first_positive=before[first],
            after_positive=before[after],
            group=number - 1,
            edges=edges,
            positive_edges=before[edges],
        )

    def _cumulated(self, times: Array) -> tuple[Array, Array]:
        """Weight before each row ``(N + 1,)``, and of positives before each of them."""
        weight = times[self.person]
        if self.n is not None:
            weight = weight * self.n
        return _from_zero(weight), _from_zero(weight[self.positive])

    def precision(self, times: Array) -> float:
        """Average precision where each person counts so often ``(P,)``."""
        everything, hits = self._cumulated(times)
        reached = hits[self.after_positive]
        own = reached - hits[self.first_positive]
        precision = ratio(reached, everything[self.after], 0.0)
        area = own @ precision
        return float(ratio(area, hits[-1]))

    def right_pairs(self, times: Array) -> float:
        """Share of pairs within a group in the right order; a tie counts half."""
        everything, hits = self._cumulated(times)
        reached = hits[self.after_positive]
        passed = everything[self.after]
        own = reached - hits[self.first_positive]
        tied = passed - everything[self.first] - own
        ends = everything[self.edges]
        last_hits = hits[self.positive_edges]
        below = ends[self.group + 1] - passed
        hits_below = last_hits[self.group + 1] - reached
        right = own @ (below - hits_below + tied / 2)
        positive = np.diff(last_hits)
        negative = np.diff(ends) - positive
        total = positive @ negative
        return float(ratio(np.asarray(right), np.asarray(total)))


def _changes(values: Array) -> Array:
    """Whether each value differs from the one before it ``(N,)``; the first one does."""
    differs = np.diff(values) != 0
    return np.asarray(np.r_[True, differs])


def _from_zero(weights: Array) -> Array:
    found = np.zeros(len(weights) + 1)
    np.cumsum(weights, out=found[1:])
    return found


# --- pairs of rows, person by person


def _right_pairs(one: _Score, group: Array, drawn: Array) -> Array:
    """Share of (present, absent) pairs of a group in the right order ``(B,)``; a tie counts half."""
    if one.rows.n_people > MOST_PEOPLE:
        order = np.lexsort((-one.p, group))
        ranked = _Ranked.of(one, order, group)
        return np.array([ranked.right_pairs(times) for times in drawn])
    right, total = _pairs_of_people(one, group)
    return ratio(_form(right, drawn), _form(total, drawn))


def _form(table: Array, drawn: Array) -> Array:
    """``d' M d`` for every row d of ``drawn``."""
    half = drawn @ table
    return np.asarray((half * drawn).sum(axis=1))


def _pairs_of_people(one: _Score, group: Array) -> tuple[Array, Array]:
    """Pairs in the right order, and all pairs, by whose the present and the absent row is
    ``(P, P)``.

    Rows lie in rising order of the score. An absent row lies before a present one in exactly one
    pair of neighbouring blocks of 1, 2, 4, 8 … rows, so the pairs are counted block by block.
    """
    # Of a tie the present rows lie first: an absent row before a present one is never tied with it.
    order = np.lexsort((~one.is_it, one.p, group))
    n = one.rows.n[order]
    is_it = one.is_it[order]
    person = one.rows.person[order]
    sides = _Sides(person, one.rows.n_people, n * is_it, n * ~is_it)
    new_group = _changes(group[order])
    new_tie = new_group | _changes(one.p[order])
    total = sides.products(new_group)
    tied = sides.products(new_tie)
    right = tied / 2
    index = np.arange(len(n))
    starts = np.where(new_group, index, 0)
    place = index - np.maximum.accumulate(starts)
    size = 1
    while size <= place.max():
        half = place // size
        new_block = new_group | _changes(half // 2)
        neighbours = sides.below(half % 2 == 1)
        right += neighbours.products(new_block)
        size *= 2
    return right, total


@dataclass(frozen=True)
class _Sides:
    """Rows of people: how often each counts as present and as absent ``(N,)``."""

    person: Array
    n_people: int
    present: Array
    absent: Array

    def below(self, upper: Array) -> _Sides:
        """The present rows of the upper half and the absent ones of the lower half."""
        present = self.present * upper
        absent = self.absent * ~upper
        return _Sides(self.person, self.n_people, present, absent)

    def products(self, new_block: Array) -> Array:
        """Present times absent rows of the same block, summed over blocks ``(P, P)``.

        Args:
            new_block: whether a block begins with each row, ``(N,)``.
        """
        block = np.cumsum(new_block) - 1
        present = self._table(block, self.present)
        absent = self._table(block, self.absent)
        n_present = np.diff(present.indptr).astype(float)
        n_absent = np.diff(absent.indptr).astype(float)
        n_products = n_present * n_absent
        both = np.flatnonzero(n_products)
        present = present[both]
        absent = absent[both]
        dense_cost = len(both) * float(self.n_people) ** 2
        if n_products.sum() * _SPARSE_COST <= dense_cost:
            product = present.T @ absent
            return np.asarray(product.toarray())
        found = np.zeros((self.n_people, self.n_people))
        step = max(_CELLS // self.n_people, 1)
        for start in range(0, len(both), step):
            some = slice(start, start + step)
            mine = present[some].toarray()
            found += mine.T @ absent[some].toarray()
        return found

    def _table(self, block: Array, values: Array) -> sparse.csr_matrix:
        """Sums of values by block and person."""
        here = np.flatnonzero(values)
        n_blocks = int(block[-1]) + 1
        place = (block[here], self.person[here])
        shape = (n_blocks, self.n_people)
        return sparse.csr_matrix((values[here], place), shape=shape)


__all__ = ["MOST_PEOPLE", "People", "resampled"]

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
        answer = np.eye(rows.probs.shape[1])[rows.y]
        far = ((rows.probs - answer) ** 2).sum(axis=1) / 2
        return ratio(drawn @ _per_person(rows, far), drawn @ _per_person(rows))
    table = _tables(rows, drawn)
    if metric.startswith("f1_"):
        return classes.OF_TABLE["f1"](table)[:, int(metric[3:])]
    return classes.OF_TABLE[metric](table)


def _per_person(rows: People, values: Array | None = None) -> Array:
    """Sum of values over the rows of each person ``(P,)``; without values how many rows."""
    weighed = rows.n if values is None else rows.n * values
    return np.bincount(rows.person, weighed, rows.n_people)


def _tables(rows: People, drawn: Array) -> Array:
    """Weight of every (true, said) pair ``(B, C, C)``."""
    n_classes = rows.probs.shape[1]
    pair = rows.y * n_classes + classes.decide(rows.probs)
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
    own = sparse.csr_matrix((values, (rows.person, cell)), shape=shape)
    if rows.n_people * n_cells <= _CELLS:
        return np.asarray(drawn @ own.toarray())
    return np.asarray((own.T @ drawn.T).T)


def _ece(rows: People, drawn: Array) -> Array:
    y, score = rows.y, rows.probs[:, 1]
    if rows.probs.shape[1] != 2:
        said = classes.decide(rows.probs)
        y = said == rows.y
        score = rows.probs[np.arange(len(said)), said]
    n_bins = metrics.N_BINS
    too_low = rows.n * (y - score)
    error = np.abs(_sums(rows, metrics.bins(score, n_bins), n_bins, too_low, drawn)).sum(axis=1)
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
    n_reached = metrics.thresholds_reached(one.p)
    levels, index = np.unique(n_reached, return_inverse=True)
    step = max(_CELLS // len(levels), 1)
    parts = []
    for start in range(0, len(drawn), step):
        some = drawn[start : start + step]
        positive = _sums(one.rows, index, len(levels), one.rows.n * one.is_it, some)
        negative = _sums(one.rows, index, len(levels), one.rows.n * ~one.is_it, some)
        parts.append(metrics.ap_of_levels(positive, negative, levels))
    return np.concatenate(parts)


def _average_precision(one: _Score, drawn: Array) -> Array:
    order = np.argsort(-one.p, kind="stable")
    ranked = _Ranked.of(one, order, np.zeros(len(order), int))
    return np.array([ranked.precision(times) for times in drawn])


def _auc(one: _Score, drawn: Array) -> Array:
    return _right_pairs(one, np.zeros(len(one.p), int), drawn)


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
        is_it, p, group = one.is_it[order], one.p[order], group[order]
        new_group = np.r_[True, np.diff(group) != 0]
        new_tie = new_group | np.r_[True, np.diff(p) != 0]
        before = np.r_[0, np.cumsum(is_it)]  # positives before each row
        first = np.flatnonzero(new_tie)
        after = np.r_[first[1:], len(p)]
        holds_one = before[after] > before[first]
        first, after = first[holds_one], after[holds_one]
        edges = np.r_[np.flatnonzero(new_group), len(p)]
        n = one.rows.n[order]
        return cls(
            person=one.rows.person[order].astype(np.int32),
            n=None if (n == 1).all() else n,
            positive=np.flatnonzero(is_it),
            first=first,
            after=after,
            first_positive=before[first],
            after_positive=before[after],
            group=np.searchsorted(edges, first, side="right") - 1,
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
        own = hits[self.after_positive] - hits[self.first_positive]
        precision = ratio(hits[self.after_positive], everything[self.after], 0.0)
        return float(ratio(own @ precision, hits[-1]))

    def right_pairs(self, times: Array) -> float:
        """Share of pairs within a group in the right order; a tie counts half."""
        everything, hits = self._cumulated(times)
        own = hits[self.after_positive] - hits[self.first_positive]
        tied = everything[self.after] - everything[self.first] - own
        ends = everything[self.edges][self.group + 1] - everything[self.after]
        hits_below = hits[self.positive_edges][self.group + 1] - hits[self.after_positive]
        right = own @ (ends - hits_below + tied / 2)
        positive = np.diff(hits[self.positive_edges])
        negative = np.diff(everything[self.edges]) - positive
        return float(ratio(np.asarray(right), np.asarray(positive @ negative)))


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
    return np.asarray(((drawn @ table) * drawn).sum(axis=1))


def _pairs_of_people(one: _Score, group: Array) -> tuple[Array, Array]:
    """Pairs in the right order, and all pairs, by whose the present and the absent row is
    ``(P, P)``.

    Rows lie in rising order of the score. An absent row lies before a present one in exactly one
    pair of neighbouring blocks of 1, 2, 4, 8 … rows, so the pairs are counted block by block.
    """
    # Of a tie the present rows lie first: an absent row before a present one is never tied with it.
    order = np.lexsort((~one.is_it, one.p, group))
    group, score = group[order], one.p[order]
    new_group = np.r_[True, np.diff(group) != 0]
    new_tie = new_group | np.r_[True, np.diff(score) != 0]
    n = one.rows.n[order]
    is_it = one.is_it[order]
    sides = _Sides(one.rows.person[order], one.rows.n_people, n * is_it, n * ~is_it)
    total = sides.products(np.cumsum(new_group) - 1)
    right = sides.products(np.cumsum(new_tie) - 1) / 2
    start = np.maximum.accumulate(np.where(new_group, np.arange(len(n)), 0))
    place = np.arange(len(n)) - start
    size = 1
    while size <= place.max():
        half = place // size
        new_block = new_group | np.r_[True, np.diff(half // 2) != 0]
        is_upper = half % 2 == 1
        upper = _Sides(
            sides.person, sides.n_people, sides.present * is_upper, sides.absent * ~is_upper
        )
        right += upper.products(np.cumsum(new_block) - 1)
        size *= 2
    return right, total


@dataclass(frozen=True)
class _Sides:
    """Rows of people: how often each counts as present and as absent ``(N,)``."""

    person: Array
    n_people: int
    present: Array
    absent: Array

    def products(self, block: Array) -> Array:
        """Present times absent rows of the same block, summed over blocks ``(P, P)``."""
        present = self._table(block, self.present)
        absent = self._table(block, self.absent)
        both = np.flatnonzero((np.diff(present.indptr) > 0) & (np.diff(absent.indptr) > 0))
        present, absent = present[both], absent[both]
        n_products = np.diff(present.indptr) @ np.diff(absent.indptr)
        if n_products * _SPARSE_COST <= len(both) * self.n_people**2:
            return np.asarray((present.T @ absent).toarray())
        found = np.zeros((self.n_people, self.n_people))
        step = max(_CELLS // self.n_people, 1)
        for start in range(0, len(both), step):
            some = slice(start, start + step)
            found += present[some].toarray().T @ absent[some].toarray()
        return found

    def _table(self, block: Array, values: Array) -> sparse.csr_matrix:
        """Sums of values by block and person."""
        here = np.flatnonzero(values)
        shape = (int(block[-1]) + 1, self.n_people)
        return sparse.csr_matrix((values[here], (block[here], self.person[here])), shape=shape)


__all__ = ["MOST_PEOPLE", "People", "resampled"]

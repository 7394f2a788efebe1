"""Metrics of a two-class score, own definitions, numpy only; and the participant bootstrap around
them.

Shapes: labels ``y (N,)`` of 0 and 1, scores ``p (N,)`` in [0, 1], ``weights``: None, or ``(N,)``,
or ``(B, N)`` for B resamples at once. A metric returns a float, or ``(B,)`` for B resamples; nan
where it is not defined (one class only).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import numpy as np

from twomind.core import numbers
from twomind.core.numbers import interval as interval
from twomind.core.numbers import ratio
from twomind.types.plain import Array, Plain

Weights: TypeAlias = "Array | None"
#: One value, or one per resample ``(B,)``.
Value: TypeAlias = "float | Array"


class Bound(Protocol):
    """A metric with labels and scores bound."""

    def __call__(self, weights: Weights = None) -> Value: ...


class Metric(Protocol):
    """A metric of labels ``(N,)`` and scores ``(N,)``."""

    def __call__(self, y: Array, p: Array, /, weights: Weights = None) -> Value: ...


#: Metrics by name, with rows bound.
BoundRows: TypeAlias = Mapping[str, Bound]
Pair: TypeAlias = tuple[Array, Array]

THRESHOLD = 0.5
N_BINS = 10


def rows_of(weights: Weights, n: int) -> Array:
    """Weights of ``n`` rows as ``(B, n)``; without weights every row counts once."""
    if weights is None:
        return np.ones((1, n))
    return np.atleast_2d(np.asarray(weights, float))


def out(values: Array, weights: Weights) -> Value:
    """Values ``(B, …)`` of several resamples, or the only one where there is none."""
    if weights is not None and np.ndim(weights) == 2:
        return values
    only: Value = values[0]
    return float(only) if np.ndim(only) == 0 else only


def weighted_mean(values: Array, weights: Array) -> Array:
    """Mean of ``values (N,)`` in every resample ``weights (B, N)``."""
    mean: Array = weights @ values / weights.sum(axis=1)
    return mean


def _check(y: Array, p: Array) -> Pair:
    y = np.asarray(y)
    p = np.asarray(p, float)
    if y.shape != p.shape or y.ndim != 1 or not len(y):
        raise ValueError(
            f"expected labels and scores (N,) of one length, got {y.shape} and {p.shape}"
        )
    if not np.isin(y, (0, 1)).all() or not np.isfinite(p).all():
        raise ValueError("expected labels 0 or 1 and finite scores")
    return y.astype(float), p


def _said(p: Array) -> Array:
    """The class said ``(N,)``: present only above the threshold."""
    return (p > THRESHOLD).astype(int)


def macro_f1(y: Array, p: Array, weights: Weights = None) -> Value:
    """Unweighted mean of the F1 of both classes (AVGF1 of the ABAW challenge) at the
    threshold 0.5.

    Args:
        y: labels 0 or 1, ``(N,)``.
        p: scores, ``(N,)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    y, p = _check(y, p)
    w = rows_of(weights, len(y))
    table = numbers.counts(y.astype(int), _said(p), 2, w)
    each = numbers.f1_per_class(table)
    return out(each.mean(axis=1), weights)


def average_precision(y: Array, p: Array, weights: Weights = None) -> Value:
    """Step-wise area under precision and recall, as ``sklearn.metrics.average_precision_score``.

    Args:
        y: labels 0 or 1, ``(N,)``.
        p: scores, ``(N,)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    y, p = _check(y, p)
    w = rows_of(weights, len(y))
    return out(numbers.average_precision(y, p, w), weights)


#: Thresholds of the BAH data set's AP: 0, .001 … .999.
_N_THRESHOLDS = 1000


def thresholds_reached(p: Array) -> Array:
    """How many thresholds of :func:`ap_bah` are at or below each score ``(N,)``."""
    thresholds = np.arange(_N_THRESHOLDS) / _N_THRESHOLDS
    return np.searchsorted(thresholds, p, side="right")


def ap_of_levels(positive: Array, negative: Array, levels: Array) -> Array:
    """BAH's AP of what lies at each level of thresholds ``(B,)``.

    Between two scores that occur, nothing changes and no area is added.

    Args:
        positive: weight of positives by level, ``(B, L)``.
        negative: the same of negatives.
        levels: how many thresholds each level reaches, rising, ``(L,)``.
    """
    hits = _reached(positive)
    false_alarms = _reached(negative)
    total = hits[:, :1]
    if levels[-1] < _N_THRESHOLDS:  # there is a threshold that nobody reaches
        one_more = ((0, 0), (0, 1))
        hits = np.pad(hits, one_more)
        false_alarms = np.pad(false_alarms, one_more)
    recall = ratio(hits, np.broadcast_to(total, hits.shape))
    precision = ratio(hits, hits + false_alarms, 0.0)
    heights = precision[:, 1:] + precision[:, :-1]
    trapezoids = -np.diff(recall, axis=1) * heights / 2
    area: Array = trapezoids.sum(axis=1) + 0.0  # never -0
    return area


def _reached(weights: Array) -> Array:
    """Weight at each level or a higher one ``(B, L)``."""
    return np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]


def ap_bah(y: Array, p: Array, weights: Weights = None) -> Value:
    """AP as the BAH data set's code defines it: trapezoids over the thresholds 0, .001 … .999.

    Precision is 0 where nothing is predicted. Coarse scores lose area: a constant score gets half
    the prevalence, where ``average_precision`` gets the prevalence.

    Args:
        y: labels 0 or 1, ``(N,)``.
        p: scores, ``(N,)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    y, p = _check(y, p)
    w = rows_of(weights, len(y))
    levels, index = np.unique(thresholds_reached(p), return_inverse=True)
    positive = numbers.sums_by(w * y, index, len(levels))
    negative = numbers.sums_by(w * (1 - y), index, len(levels))
    return out(ap_of_levels(positive, negative, levels), weights)


def _pairs(y: Array, p: Array, w: Array) -> Pair:
    """Weight of pairs (present above absent; a tie counts half) and of all pairs, ``(B,)`` each."""
    positive, negative = numbers.by_score(y, p, w)
    n_negative = negative.sum(axis=1)
    below = n_negative[:, None] - negative.cumsum(axis=1)
    beaten = below + negative / 2
    right = (positive * beaten).sum(axis=1)
    n_positive = positive.sum(axis=1)
    return right, n_positive * n_negative


def auc(y: Array, p: Array, weights: Weights = None) -> Value:
    """Area under the ROC curve: the share of (present, absent) pairs in the right order; a tie
    counts half.

    Args:
        y: labels 0 or 1, ``(N,)``.
        p: scores, ``(N,)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    y, p = _check(y, p)
    w = rows_of(weights, len(y))
    right, total = _pairs(y, p, w)
    return out(ratio(right, total), weights)


def groups(question: Array, fold: Array | None) -> Array:
    """A number per row ``(N,)``, the same for rows of one question and fold."""
    code = _codes(question)
    if fold is None:
        return code
    of_fold = _codes(fold)
    return np.unique(code * (of_fold.max() + 1) + of_fold, return_inverse=True)[1]


def _codes(values: Array) -> Array:
    """A number per value ``(N,)``; values that read alike have the same."""
    values = np.asarray(values)
    if values.dtype.kind not in "US":
        values = np.array([str(value) for value in values])
    return np.unique(values, return_inverse=True)[1]


def within_question_auc(
    y: Array,
    p: Array,
    question: Array,
    fold: Array | None = None,
    weights: Weights = None,
) -> Value:
    """AUC over pairs of answers to the same question, pooled over the questions.

    With ``fold (N,)`` (cross-validation), a pair counts only inside one fold: scores of two folds
    come from two models, whose question rates differ by who was held out, and comparing them would
    reward or punish knowing the question.

    Args:
        y: labels 0 or 1, ``(N,)``.
        p: scores, ``(N,)``.
        question: which question each row answers, ``(N,)``.
        fold: which model gave each score, ``(N,)``; None: one model gave all.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    y, p = _check(y, p)
    w = rows_of(weights, len(y))
    group = groups(question, fold)
    order = np.argsort(group, kind="stable")
    edges = np.flatnonzero(np.diff(group[order])) + 1
    right = np.zeros(len(w))
    total = np.zeros(len(w))
    for here in np.split(order, edges):
        more_right, more = _pairs(y[here], p[here], w[:, here])
        right += more_right
        total += more
    return out(ratio(right, total), weights)


def bins(p: Array, n_bins: int) -> Array:
    """The bin of equal width in which each score lies ``(N,)``; 1 lies in the last one."""
    exact = (p * n_bins).astype(int)
    return np.asarray(np.minimum(exact, n_bins - 1))


def ece(y: Array, p: Array, n_bins: int = N_BINS, weights: Weights = None) -> Value:
    """Expected calibration error of the probability of "present" over ``n_bins`` bins of equal
    width.

    Args:
        y: labels 0 or 1, ``(N,)``.
        p: scores, ``(N,)``.
        n_bins: number of bins.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    y, p = _check(y, p)
    w = rows_of(weights, len(y))
    too_low = numbers.sums_by(w * (y - p), bins(p, n_bins), n_bins)
    error = np.abs(too_low).sum(axis=1)
    return out(error / w.sum(axis=1), weights)


def brier(y: Array, p: Array, weights: Weights = None) -> Value:
    """Mean squared difference of probability and label.

    Args:
        y: labels 0 or 1, ``(N,)``.
        p: scores, ``(N,)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    y, p = _check(y, p)
    w = rows_of(weights, len(y))
    far = (y - p) ** 2
    return out(weighted_mean(far, w), weights)


def share_right(y: Array, p: Array) -> float:
    """Share of right answers at the threshold 0.5 (accuracy)."""
    is_right = (p > THRESHOLD) == (y == 1)
    return float(is_right.mean())


def reliability_bins(y: Array, p: Array, n_bins: int = N_BINS) -> list[Plain]:
    """Per non-empty bin of equal width: its range, number of answers, mean score and
    observed rate.

    Args:
        y: labels 0 or 1, ``(N,)``.
        p: scores, ``(N,)``.
        n_bins: number of bins.
    """
    y, p = _check(y, p)
    index = bins(p, n_bins)
    found = []
    for b in range(n_bins):
        here = index == b
        if not here.any():
            continue
        row: Plain = {"from": b / n_bins, "to": (b + 1) / n_bins}
        row["n"] = int(here.sum())
        row["mean_score"] = float(p[here].mean())
        row["observed"] = float(y[here].mean())
        found.append(row)
    return found


def with_rows(metric: Metric, y: Array, p: Array) -> Bound:
    """The metric with labels and scores bound."""

    def bound_metric(weights: Weights = None) -> Value:
        return metric(y, p, weights)

    return bound_metric


def bound(y: Array, p: Array, question: Array, fold: Array | None = None) -> dict[str, Bound]:
    """The metrics of this project with labels and scores bound: name → ``metric(weights=None)``.

    Args:
        y: labels 0 or 1, ``(N,)``.
        p: scores, ``(N,)``.
        question: which question each row answers, ``(N,)``.
        fold: which model gave each score, ``(N,)``; None: one model gave all.
    """

    def within(y: Array, p: Array, weights: Weights = None) -> Value:
        return within_question_auc(y, p, question, fold, weights)

    def calibration(y: Array, p: Array, weights: Weights = None) -> Value:
        return ece(y, p, weights=weights)

    each: dict[str, Metric] = {
        "macro_f1": macro_f1,
        "ap": average_precision,
        "ap_bah": ap_bah,
        "auc": auc,
        "within_question_auc": within,
        "ece": calibration,
        "brier": brier,
    }
    return {name: with_rows(metric, y, p) for name, metric in each.items()}


def person_weights(subject: Array, n_bootstrap: int, seed: int) -> Array:
    """Resamples of whole people with replacement: how often each answer's person was drawn.

    Args:
        subject: whose each answer is, ``(N,)``.
        n_bootstrap: ``B``, the number of resamples.
        seed: of the random numbers.

    Returns:
        ``(B, N)``.
    """
    people, index = np.unique(subject, return_inverse=True)
    draws = numbers.resamples(len(people), n_bootstrap, seed)
    return draws[:, index].astype(float)


def intervals(metrics: BoundRows, weights: Array) -> dict[str, list[float]]:
    """95 % percentile interval of every metric over resamples ``weights (B, N)``."""
    found = {}
    for name, metric in metrics.items():
        samples = np.asarray(metric(weights))
        found[name] = interval(samples)
    return found


def gain(a: Bound, b: Bound, weights: Array) -> tuple[float, list[float]]:
    """How much larger metric ``a`` is than ``b``, and the interval of the paired difference.

    Args:
        a: a metric with the rows of one model bound.
        b: the same with the rows of another, or of a shortcut.
        weights: resamples of people, ``(B, N)``, the same for both.
    """
    value = float(a()) - float(b())
    mine = np.asarray(a(weights))
    theirs = np.asarray(b(weights))
    return value, interval(mine - theirs)


def gains(bound: BoundRows, base: BoundRows, weights: Array) -> Plain:
    """Paired difference of every metric with its interval over the same resamples of people.

    Args:
        bound: metrics of the model.
        base: metrics of what it is compared with.
        weights: resamples of people, ``(B, N)``.
    """
    found: Plain = {}
    spread = {}
    for name, metric in bound.items():
        found[name], spread[name] = gain(metric, base[name], weights)
    found["ci"] = spread
    return found


def figures(bound: BoundRows, weights: Array) -> Plain:
    """Every metric, and under ``ci`` its interval over resamples ``weights (B, N)``."""
    found: Plain = {}
    for name, metric in bound.items():
        found[name] = float(metric())
    found["ci"] = intervals(bound, weights)
    return found

"""Metrics of C >= 2 classes, own definitions, numpy only, in the manner of
:mod:`twomind.evaluation.metrics`.

Shapes: labels ``y (N,)`` of 0 … C-1, ``probs (N, C)``, ``weights``: None, or ``(N,)``, or ``(B,
N)`` for B resamples at once. A metric returns a float, or ``(B,)`` for B resamples; nan where it is
not defined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from twomind.core import numbers
from twomind.core.numbers import ratio
from twomind.evaluation import metrics
from twomind.evaluation.metrics import THRESHOLD, Bound, Metric, Pair, Value, Weights, out, rows_of
from twomind.types.plain import Array

#: How near to the constant-predictor curve a row is flagged.
NEAR_CURVE = 0.01


def decide(probs: Array) -> Array:
    """The class said ``(N,)``. Ties go to the earlier class: of two, "present" is said only above
    one half.
    """
    if probs.shape[1] == 2:
        return (probs[:, 1] > THRESHOLD).astype(int)
    return np.asarray(probs.argmax(axis=1))


def _check(y: Array, probs: Array) -> Pair:
    y = np.asarray(y)
    probs = np.asarray(probs, float)
    if probs.ndim != 2 or y.shape != probs.shape[:1] or not len(y):
        raise ValueError(
            f"expected labels (N,) and probabilities (N, C) of one length, got {y.shape}, "
            f"{probs.shape}"
        )
    last = probs.shape[1] - 1
    if y.min() < 0 or y.max() > last or not np.isfinite(probs).all():
        raise ValueError(f"expected labels 0 … {last} and finite probabilities")
    return y.astype(int), probs


def confusion(y: Array, probs: Array, weights: Weights = None) -> Array:
    """Weight of every (true, said) pair, ``(B, C, C)``; ``B`` is 1 without resamples.

    Args:
        y: class per row, ``(N,)``.
        probs: probability per row and class, ``(N, C)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    y, probs = _check(y, probs)
    said = decide(probs)
    w = rows_of(weights, len(y))
    return numbers.counts(y, said, probs.shape[1], w)


def _macro_f1_of(table: Array) -> Array:
    mean: Array = numbers.f1_per_class(table).mean(axis=1)
    return mean


def _weighted_f1_of(table: Array) -> Array:
    true = table.sum(axis=2)
    total = (numbers.f1_per_class(table) * true).sum(axis=1)
    return ratio(total, true.sum(axis=1))


#: What depends on a table of counts ``(B, C, C)`` alone: name → ``(B,)``; ``f1`` is ``(B, C)``.
OF_TABLE: Mapping[str, Callable[[Array], Array]] = {
    "f1": numbers.f1_per_class,
    "macro_f1": _macro_f1_of,
    "weighted_f1": _weighted_f1_of,
    "war": numbers.accuracy,
    "uar": numbers.mean_recall,
}


def f1_per_class(y: Array, probs: Array, weights: Weights = None) -> Array:
    """F1 of every class ``(C,)`` or ``(B, C)``; 0 where a class is neither there nor said.

    Args:
        y: class per row, ``(N,)``.
        probs: probability per row and class, ``(N, C)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    table = confusion(y, probs, weights)
    each = numbers.f1_per_class(table)
    return np.asarray(out(each, weights))


def macro_f1(y: Array, probs: Array, weights: Weights = None) -> Value:
    """Unweighted mean of the F1 of all classes of the task (AVGF1).

    Args:
        y: class per row, ``(N,)``.
        probs: probability per row and class, ``(N, C)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    table = confusion(y, probs, weights)
    return out(OF_TABLE["macro_f1"](table), weights)


def macro_f1_present(y: Array, probs: Array) -> float:
    """Mean F1 of the classes that are there or said, as scikit-learn does it: for people who show
    one class only.
    """
    return numbers.macro_f1_present(confusion(y, probs)[0])


def weighted_f1(y: Array, probs: Array, weights: Weights = None) -> Value:
    """Mean of the F1 of all classes, weighted by how often each is true (WF1).

    Args:
        y: class per row, ``(N,)``.
        probs: probability per row and class, ``(N, C)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    table = confusion(y, probs, weights)
    return out(OF_TABLE["weighted_f1"](table), weights)


def war(y: Array, probs: Array, weights: Weights = None) -> Value:
    """Weighted average recall: the share of right answers (accuracy).

    Args:
        y: class per row, ``(N,)``.
        probs: probability per row and class, ``(N, C)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    table = confusion(y, probs, weights)
    return out(numbers.accuracy(table), weights)


def uar(y: Array, probs: Array, weights: Weights = None) -> Value:
    """Unweighted average recall over the classes that are there (balanced accuracy).

    Args:
        y: class per row, ``(N,)``.
        probs: probability per row and class, ``(N, C)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    table = confusion(y, probs, weights)
    return out(numbers.mean_recall(table), weights)


def brier(y: Array, probs: Array, weights: Weights = None) -> Value:
    """Half the squared distance of probabilities and answer: of two classes, the usual
    Brier score.

    Args:
        y: class per row, ``(N,)``.
        probs: probability per row and class, ``(N, C)``.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    y, probs = _check(y, probs)
    w = rows_of(weights, len(y))
    answer = np.eye(probs.shape[1])[y]
    far = ((probs - answer) ** 2).sum(axis=1) / 2
    return out(ratio(w @ far, w.sum(axis=1)), weights)


def top_ece(y: Array, probs: Array, n_bins: int = metrics.N_BINS, weights: Weights = None) -> Value:
    """Expected calibration error of the probability of the class that is said, bins of
    equal width.

    Args:
        y: class per row, ``(N,)``.
        probs: probability per row and class, ``(N, C)``.
        n_bins: number of bins.
        weights: None, ``(N,)`` or ``(B, N)``.
    """
    y, probs = _check(y, probs)
    said = decide(probs)
    is_right = (said == y).astype(int)
    top = probs[np.arange(len(y)), said]
    return metrics.ece(is_right, top, n_bins, weights)


def _each_class(y: Array, probs: Array, metric: Metric, weights: Weights) -> Value:
    """Of two classes the metric of the second; of more, the mean over classes against the rest."""
    n_classes = probs.shape[1]
    chosen = [1] if n_classes == 2 else range(n_classes)
    found = []
    for c in chosen:
        is_it = (y == c).astype(int)
        value = metric(is_it, probs[:, c], weights)
        found.append(np.atleast_1d(value))
    mean = np.mean(found, axis=0)
    return out(mean, weights)


def risk_coverage(y: Array, probs: Array) -> Array:
    """``(K, 2)``: share of rows answered, and the share of those that is wrong, surest rows first.

    Rows of equal confidence come and go together, so the curve does not depend on their order.
    """
    y, probs = _check(y, probs)
    sure = probs.max(axis=1)
    order = np.argsort(-sure, kind="stable")
    is_wrong = decide(probs) != y
    n_wrong = is_wrong[order].cumsum()
    changes = np.diff(sure[order]) != 0
    last = np.flatnonzero(np.r_[changes, True])
    n = last + 1
    coverage = n / len(y)
    risk = n_wrong[last] / n
    return np.stack([coverage, risk], axis=1)


def aurc(y: Array, probs: Array) -> float:
    """Area under risk and coverage: the mean, over all rows, of the risk when all rows at least as
    sure answer.
    """
    curve = risk_coverage(y, probs)
    widths = np.diff(curve[:, 0], prepend=0.0)
    areas = widths * curve[:, 1]
    return float(areas.sum())


def constant_f1(war: float, n_classes: int = 2) -> float:
    """Macro-F1 of a predictor that always says one class and is right in the share ``war``: WAR /
    (1 + WAR) of two.
    """
    return 2 * war / (1 + war) / n_classes


def on_constant_curve(
    macro: float, war: float, n_classes: int = 2, near: float = NEAR_CURVE
) -> bool:
    """Whether (WAR, macro-F1) is what a constant predictor would get: then the row shows no skill
    in telling apart.

    Args:
        macro: macro-F1 of the row.
        war: its share of right answers.
        n_classes: number of classes.
        near: the largest distance from the curve that counts as on it.
    """
    return abs(macro - constant_f1(war, n_classes)) <= near


def _against_rest(metric: Metric) -> Metric:
    """The metric of a score as a metric of probabilities: the second class, or each against the
    rest.
    """

    def of_probs(y: Array, p: Array, weights: Weights = None) -> Value:
        return _each_class(y, p, metric, weights)

    return of_probs


def _ece(y: Array, p: Array, weights: Weights = None) -> Value:
    if p.shape[1] == 2:
        return metrics.ece(y, p[:, 1], weights=weights)
    return top_ece(y, p, weights=weights)


def _f1_of(c: int) -> Metric:
    def one_class(y: Array, p: Array, weights: Weights = None) -> Value:
        found: Value = f1_per_class(y, p, weights)[..., c]
        return found

    return one_class


def bound(y: Array, probs: Array, question: Array, fold: Array | None = None) -> dict[str, Bound]:
    """All metrics with labels and probabilities bound: name → ``metric(weights=None)``.

    ``f1_<c>`` is the F1 of class c. ``fold (N,)`` as in
    :func:`twomind.evaluation.metrics.within_question_auc`.

    Args:
        y: class per row, ``(N,)``.
        probs: probability per row and class, ``(N, C)``.
        question: which question each row answers, ``(N,)``.
        fold: which model gave each row, ``(N,)``; None: one model gave all.
    """
    y, probs = _check(y, probs)

    def within(y: Array, p: Array, weights: Weights = None) -> Value:
        return metrics.within_question_auc(y, p, question, fold, weights)

    each: dict[str, Metric] = {
        "macro_f1": macro_f1,
        "weighted_f1": weighted_f1,
        "war": war,
        "uar": uar,
        "ece": _ece,
        "brier": brier,
    }
    each["ap"] = _against_rest(metrics.average_precision)
    each["ap_bah"] = _against_rest(metrics.ap_bah)
    each["auc"] = _against_rest(metrics.auc)
    each["within_question_auc"] = _against_rest(within)
    for c in range(probs.shape[1]):
        each[f"f1_{c}"] = _f1_of(c)
    return {name: metrics.with_rows(metric, y, probs) for name, metric in each.items()}

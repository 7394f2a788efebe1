"""Metrics of C >= 2 classes, own definitions, numpy only, in the manner of
:mod:`twomind.evaluation.metrics`.

Shapes: labels ``y (N,)`` of 0 … C-1, ``probs (N, C)``, ``weights``: None, or ``(N,)``, or ``(B,
N)`` for B resamples at once. A metric returns a float, or ``(B,)`` for B resamples; nan where it is
not defined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from twomind.evaluation import metrics
from twomind.evaluation.metrics import THRESHOLD, Weights, _out, _ratio, _rows

#: How near to the constant-predictor curve a row is flagged.
NEAR_CURVE = 0.01


def decide(probs: np.ndarray) -> np.ndarray:
    """The class said ``(N,)``. Ties go to the earlier class: of two, "present" is said only above
    one half.
    """
    if probs.shape[1] == 2:
        return (probs[:, 1] > THRESHOLD).astype(int)
    return probs.argmax(axis=1)


def _check(y: np.ndarray, probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, probs = np.asarray(y), np.asarray(probs, float)
    if probs.ndim != 2 or y.shape != probs.shape[:1] or not len(y):
        raise ValueError(
            f"expected labels (N,) and probabilities (N, C) of one length, got {y.shape}, "
            f"{probs.shape}"
        )
    if y.min() < 0 or y.max() >= probs.shape[1] or not np.isfinite(probs).all():
        raise ValueError(f"expected labels 0 … {probs.shape[1] - 1} and finite probabilities")
    return y.astype(int), probs


def _many(weights: Weights) -> bool:
    return weights is not None and np.ndim(weights) == 2


def confusion(y: np.ndarray, probs: np.ndarray, weights: Weights = None) -> np.ndarray:
    """Weight of every (true, said) pair, ``(B, C, C)``; ``B`` is 1 without resamples."""
    y, probs = _check(y, probs)
    w, _ = _rows(weights, len(y))
    c = probs.shape[1]
    cell = np.eye(c * c)[y * c + decide(probs)]
    return (w @ cell).reshape(len(w), c, c)


def f1_per_class(y: np.ndarray, probs: np.ndarray, weights: Weights = None) -> np.ndarray:
    """F1 of every class ``(C,)`` or ``(B, C)``; 0 where a class is neither there nor said."""
    table = confusion(y, probs, weights)
    right, true, said = np.diagonal(table, axis1=1, axis2=2), table.sum(axis=2), table.sum(axis=1)
    found = _ratio(2 * right, true + said, 0.0)
    return found if _many(weights) else found[0]


def macro_f1(y: np.ndarray, probs: np.ndarray, weights: Weights = None) -> Any:
    """Unweighted mean of the F1 of all classes of the task (AVGF1)."""
    found = f1_per_class(y, probs, weights).mean(axis=-1)
    return found if _many(weights) else float(found)


def macro_f1_present(y: np.ndarray, probs: np.ndarray) -> float:
    """Mean F1 of the classes that are there or said, as scikit-learn does it: for people who show
    one class only.
    """
    table = confusion(y, probs)[0]
    there = table.sum(axis=0) + table.sum(axis=1) > 0
    return float(f1_per_class(y, probs)[there].mean())


def weighted_f1(y: np.ndarray, probs: np.ndarray, weights: Weights = None) -> Any:
    """Mean of the F1 of all classes, weighted by how often each is true (WF1)."""
    _, single = _rows(weights, len(y))
    true = confusion(y, probs, weights).sum(axis=2)
    found = np.atleast_2d(f1_per_class(y, probs, weights))
    return _out(_ratio((found * true).sum(axis=1), true.sum(axis=1)), single)


def war(y: np.ndarray, probs: np.ndarray, weights: Weights = None) -> Any:
    """Weighted average recall: the share of right answers (accuracy)."""
    _, single = _rows(weights, len(y))
    table = confusion(y, probs, weights)
    return _out(_ratio(np.trace(table, axis1=1, axis2=2), table.sum(axis=(1, 2))), single)


def uar(y: np.ndarray, probs: np.ndarray, weights: Weights = None) -> Any:
    """Unweighted average recall over the classes that are there (balanced accuracy)."""
    _, single = _rows(weights, len(y))
    table = confusion(y, probs, weights)
    recall = _ratio(np.diagonal(table, axis1=1, axis2=2), table.sum(axis=2))
    there = np.isfinite(recall)
    return _out(
        _ratio(np.where(there, recall, 0).sum(axis=1), there.sum(axis=1).astype(float)), single
    )


def brier(y: np.ndarray, probs: np.ndarray, weights: Weights = None) -> Any:
    """Half the squared distance of probabilities and answer: of two classes, the usual
    Brier score.
    """
    y, probs = _check(y, probs)
    w, single = _rows(weights, len(y))
    far = ((probs - np.eye(probs.shape[1])[y]) ** 2).sum(axis=1) / 2
    return _out(_ratio(w @ far, w.sum(axis=1)), single)


def top_ece(
    y: np.ndarray, probs: np.ndarray, n_bins: int = metrics.N_BINS, weights: Weights = None
) -> Any:
    """Expected calibration error of the probability of the class that is said, bins of
    equal width.
    """
    y, probs = _check(y, probs)
    said = decide(probs)
    return metrics.ece((said == y).astype(int), probs[np.arange(len(y)), said], n_bins, weights)


def _each_class(
    y: np.ndarray, probs: np.ndarray, metric: Callable[..., Any], weights: Weights
) -> Any:
    """Of two classes the metric of the second; of more, the mean over classes against the rest."""
    if probs.shape[1] == 2:
        return metric((y == 1).astype(int), probs[:, 1], weights)
    found = [metric((y == c).astype(int), probs[:, c], weights) for c in range(probs.shape[1])]
    return np.mean(found, axis=0) if _many(weights) else float(np.mean(found))


def risk_coverage(y: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """``(K, 2)``: share of rows answered, and the share of those that is wrong, surest rows first.

    Rows of equal confidence come and go together, so the curve does not depend on their order.
    """
    y, probs = _check(y, probs)
    sure = probs.max(axis=1)
    order = np.argsort(-sure, kind="stable")
    wrong = (decide(probs) != y)[order].cumsum()
    last = np.flatnonzero(np.r_[np.diff(sure[order]) != 0, True])
    n = last + 1
    return np.stack([n / len(y), wrong[last] / n], axis=1)


def aurc(y: np.ndarray, probs: np.ndarray) -> float:
    """Area under risk and coverage: the mean, over all rows, of the risk when all rows at least as
    sure answer.
    """
    curve = risk_coverage(y, probs)
    return float((np.diff(curve[:, 0], prepend=0.0) * curve[:, 1]).sum())


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
    """
    return abs(macro - constant_f1(war, n_classes)) <= near


def bound(
    y: np.ndarray, probs: np.ndarray, question: np.ndarray, fold: np.ndarray | None = None
) -> dict[str, Callable[..., Any]]:
    """All metrics with labels and probabilities bound: name → ``metric(weights=None)``.

    ``f1_<c>`` is the F1 of class c. ``fold (N,)`` as in
    :func:`twomind.evaluation.metrics.within_question_auc`.
    """
    y, probs = _check(y, probs)
    c = probs.shape[1]

    def within(labels: np.ndarray, score: np.ndarray, weights: Weights) -> Any:
        return metrics.within_question_auc(labels, score, question, fold, weights)

    def ece(weights: Weights = None) -> Any:
        return (
            metrics.ece(y, probs[:, 1], weights=weights)
            if c == 2
            else top_ece(y, probs, weights=weights)
        )

    found: dict[str, Callable[..., Any]] = {
        "macro_f1": lambda weights=None: macro_f1(y, probs, weights),
        "weighted_f1": lambda weights=None: weighted_f1(y, probs, weights),
        "war": lambda weights=None: war(y, probs, weights),
        "uar": lambda weights=None: uar(y, probs, weights),
        "ap": lambda weights=None: _each_class(y, probs, metrics.average_precision, weights),
        "ap_bah": lambda weights=None: _each_class(y, probs, metrics.ap_bah, weights),
        "auc": lambda weights=None: _each_class(y, probs, metrics.auc, weights),
        "within_question_auc": lambda weights=None: _each_class(y, probs, within, weights),
        "ece": ece,
        "brier": lambda weights=None: brier(y, probs, weights),
    }
    for k in range(c):
        found[f"f1_{k}"] = lambda weights=None, k=k: f1_per_class(y, probs, weights)[..., k]
    return found

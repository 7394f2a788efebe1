"""Metrics of a two-class score, own definitions, numpy only; and the participant bootstrap around
them.

Shapes: labels ``y (N,)`` of 0 and 1, scores ``p (N,)`` in [0, 1], ``weights``: None, or ``(N,)``,
or ``(B, N)`` for B resamples at once. A metric returns a float, or ``(B,)`` for B resamples; nan
where it is not defined (one class only).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Weights = np.ndarray | None
#: ``metric(weights (B, N)) -> (B,)``, with labels and scores bound.
Bound = Callable[[np.ndarray], Any]

THRESHOLD = 0.5
N_BINS = 10


def _rows(weights: Weights, n: int) -> tuple[np.ndarray, bool]:
    if weights is None:
        return np.ones((1, n)), True
    return np.atleast_2d(np.asarray(weights, float)), np.ndim(weights) == 1


def _out(values: np.ndarray, single: bool) -> Any:
    return float(values[0]) if single else values


def _ratio(a: np.ndarray, b: np.ndarray, empty: float = np.nan) -> np.ndarray:
    return np.where(b > 0, a / np.where(b > 0, b, 1), empty)


def _check(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, p = np.asarray(y), np.asarray(p, float)
    if y.shape != p.shape or y.ndim != 1 or not len(y):
        raise ValueError(
            f"expected labels and scores (N,) of one length, got {y.shape} and {p.shape}"
        )
    if not np.isin(y, (0, 1)).all() or not np.isfinite(p).all():
        raise ValueError("expected labels 0 or 1 and finite scores")
    return y.astype(float), p


def f1(y: np.ndarray, p: np.ndarray, positive: int = 1, weights: Weights = None) -> Any:
    """F1 of one class; "present" is said when ``p > 0.5``; 0 when the class is neither there nor
    predicted.
    """
    y, p = _check(y, p)
    w, single = _rows(weights, len(y))
    said, is_it = (p > THRESHOLD) == bool(positive), y == positive
    tp, wrong = w @ (said & is_it), w @ (said != is_it)
    return _out(_ratio(2 * tp, 2 * tp + wrong, 0.0), single)


def macro_f1(y: np.ndarray, p: np.ndarray, weights: Weights = None) -> Any:
    """Unweighted mean of the F1 of both classes (AVGF1 of the ABAW challenge) at the
    threshold 0.5.
    """
    w, single = _rows(weights, len(y))
    return _out((f1(y, p, 1, w) + f1(y, p, 0, w)) / 2, single)


def _by_score(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of positives and negatives per distinct score, in falling order of the score, ``(B,
    G)`` each.
    """
    order = np.argsort(-p, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(p[order]) != 0])
    pos, neg = w[:, order] * y[order], w[:, order] * (1 - y[order])
    return np.add.reduceat(pos, first, axis=1), np.add.reduceat(neg, first, axis=1)


def average_precision(y: np.ndarray, p: np.ndarray, weights: Weights = None) -> Any:
    """Step-wise area under precision and recall, as ``sklearn.metrics.average_precision_score``."""
    y, p = _check(y, p)
    w, single = _rows(weights, len(y))
    pos, neg = _by_score(y, p, w)
    tp, fp = pos.cumsum(axis=1), neg.cumsum(axis=1)
    return _out(_ratio((pos * _ratio(tp, tp + fp, 0.0)).sum(axis=1), tp[:, -1]), single)


def ap_bah(y: np.ndarray, p: np.ndarray, weights: Weights = None) -> Any:
    """AP as the BAH data set's code defines it: trapezoids over the thresholds 0, .001 … .999.

    Precision is 0 where nothing is predicted. Coarse scores lose area: a constant score gets half
    the prevalence, where ``average_precision`` gets the prevalence.
    """
    y, p = _check(y, p)
    w, single = _rows(weights, len(y))
    thresholds = np.arange(1000) / 1000
    reached = np.searchsorted(
        thresholds, p, side="right"
    )  # how many thresholds are at or below the score
    # Between two scores that occur, nothing changes and no area is added.
    levels, index = np.unique(reached, return_inverse=True)
    group = np.eye(len(levels))[index]
    tp = np.cumsum(((w * y) @ group)[:, ::-1], axis=1)[:, ::-1]
    fp = np.cumsum(((w * (1 - y)) @ group)[:, ::-1], axis=1)[:, ::-1]
    if levels[-1] < len(thresholds):  # there is a threshold that nobody reaches
        tp, fp = (np.pad(a, ((0, 0), (0, 1))) for a in (tp, fp))
    total = w @ y
    recall, precision = _ratio(tp, total[:, None]), _ratio(tp, tp + fp, 0.0)
    area = (-np.diff(recall, axis=1) * (precision[:, 1:] + precision[:, :-1]) / 2).sum(
        axis=1
    ) + 0.0  # never -0
    return _out(area, single)


def _pairs(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of pairs (present above absent; a tie counts half) and of all pairs, ``(B,)`` each."""
    pos, neg = _by_score(y, p, w)
    below = neg.sum(axis=1, keepdims=True) - neg.cumsum(axis=1)
    return (pos * (below + neg / 2)).sum(axis=1), pos.sum(axis=1) * neg.sum(axis=1)


def auc(y: np.ndarray, p: np.ndarray, weights: Weights = None) -> Any:
    """Area under the ROC curve: the share of (present, absent) pairs in the right order; a tie
    counts half.
    """
    y, p = _check(y, p)
    w, single = _rows(weights, len(y))
    return _out(_ratio(*_pairs(y, p, w)), single)


def within_question_auc(
    y: np.ndarray,
    p: np.ndarray,
    question: np.ndarray,
    fold: np.ndarray | None = None,
    weights: Weights = None,
) -> Any:
    """AUC over pairs of answers to the same question, pooled over the questions.

    With ``fold (N,)`` (cross-validation), a pair counts only inside one fold: scores of two folds
    come from two models, whose question rates differ by who was held out, and comparing them would
    reward or punish knowing the question.
    """
    y, p = _check(y, p)
    w, single = _rows(weights, len(y))
    keys = (
        [str(q) for q in question]
        if fold is None
        else [f"{q}|{k}" for q, k in zip(question, fold, strict=True)]
    )
    groups = np.unique(keys, return_inverse=True)[1]
    right, total = np.zeros(len(w)), np.zeros(len(w))
    for g in range(groups.max() + 1):
        here = groups == g
        a, b = _pairs(y[here], p[here], w[:, here])
        right, total = right + a, total + b
    return _out(_ratio(right, total), single)


def ece(y: np.ndarray, p: np.ndarray, n_bins: int = N_BINS, weights: Weights = None) -> Any:
    """Expected calibration error of the probability of "present" over ``n_bins`` bins of equal
    width.
    """
    y, p = _check(y, p)
    w, single = _rows(weights, len(y))
    bins = np.eye(n_bins)[np.minimum((p * n_bins).astype(int), n_bins - 1)]
    return _out(np.abs((w * (y - p)) @ bins).sum(axis=1) / w.sum(axis=1), single)


def brier(y: np.ndarray, p: np.ndarray, weights: Weights = None) -> Any:
    """Mean squared difference of probability and label."""
    y, p = _check(y, p)
    w, single = _rows(weights, len(y))
    return _out(w @ (y - p) ** 2 / w.sum(axis=1), single)


def reliability_bins(y: np.ndarray, p: np.ndarray, n_bins: int = N_BINS) -> list[dict[str, float]]:
    """Per non-empty bin of equal width: its range, number of answers, mean score and
    observed rate.
    """
    y, p = _check(y, p)
    index = np.minimum((p * n_bins).astype(int), n_bins - 1)
    return [
        {
            "from": b / n_bins,
            "to": (b + 1) / n_bins,
            "n": int((index == b).sum()),
            "mean_score": float(p[index == b].mean()),
            "observed": float(y[index == b].mean()),
        }
        for b in range(n_bins)
        if (index == b).any()
    ]


def bound(
    y: np.ndarray, p: np.ndarray, question: np.ndarray, fold: np.ndarray | None = None
) -> dict[str, Callable[..., Any]]:
    """The metrics of this project with labels and scores bound: name → ``metric(weights=None)``."""
    return {
        "macro_f1": lambda weights=None: macro_f1(y, p, weights),
        "ap": lambda weights=None: average_precision(y, p, weights),
        "ap_bah": lambda weights=None: ap_bah(y, p, weights),
        "auc": lambda weights=None: auc(y, p, weights),
        "within_question_auc": lambda weights=None: within_question_auc(
            y, p, question, fold, weights
        ),
        "ece": lambda weights=None: ece(y, p, weights=weights),
        "brier": lambda weights=None: brier(y, p, weights),
    }


def person_weights(subject: np.ndarray, n_bootstrap: int, seed: int) -> np.ndarray:
    """Resamples of whole people with replacement: how often each answer's person was drawn,
    ``(n_bootstrap, N)``.
    """
    people, index = np.unique(subject, return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(
        len(people), np.full(len(people), 1 / len(people)), n_bootstrap
    )
    return draws[:, index].astype(float)


def interval(samples: np.ndarray, level: float = 0.95) -> list[float]:
    """Percentile interval of resampled values; those that are not defined (one class only) are left
    out.
    """
    good = samples[np.isfinite(samples)]
    if not len(good):
        return [float("nan"), float("nan")]
    tail = (1 - level) / 2 * 100
    return [float(v) for v in np.percentile(good, [tail, 100 - tail])]


def intervals(metrics: Mapping[str, Bound], weights: np.ndarray) -> dict[str, list[float]]:
    """95 % percentile interval of every metric over resamples ``weights (B, N)``."""
    return {name: interval(np.asarray(metric(weights))) for name, metric in metrics.items()}

"""The one definition of what every layer computes: softmax, entropy, F1, intervals, resamples.

numpy only. A table of counts is ``(..., C, C)``: true class by said class.
"""

from __future__ import annotations

import math

import numpy as np

from twomind.types.plain import Array

#: The two-sided 95 % point of the normal distribution.
Z_95 = 1.959963984540054


def softmax(logits: Array) -> Array:
    """Softmax over the last axis, at the dtype that came in."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    e = np.exp(shifted)
    probs: Array = e / e.sum(axis=-1, keepdims=True)
    return probs


def entropy(probs: Array) -> Array:
    """Entropy in nats over the last axis; ``0 ln 0 = 0``."""
    logs = np.log(np.maximum(probs, 1e-12))
    found: Array = -(probs * logs).sum(axis=-1)
    return found


def ratio(a: Array, b: Array, empty: float = math.nan) -> Array:
    """``a / b`` where ``b > 0``, elsewhere ``empty``.

    Args:
        a: numerators.
        b: denominators of the same shape, not negative.
        empty: what stands where there is nothing to divide by.
    """
    there = b > 0
    divisor = np.where(there, b, 1)
    return np.where(there, a / divisor, empty)


def counts(y: Array, said: Array, n_classes: int, weights: Array | None = None) -> Array:
    """Weight of every (true, said) pair of classes.

    Args:
        y: true class per row, ``(N,)``.
        said: said class per row, ``(N,)``.
        n_classes: ``C``.
        weights: of the rows, ``(B, N)``; None counts every row once.

    Returns:
        ``(B, C, C)``, with ``B`` 1 where there are no weights.
    """
    if weights is None:
        weights = np.ones((1, len(y)))
    pair = np.asarray(y * n_classes + said, int)
    table = sums_by(weights, pair, n_classes * n_classes)
    return table.reshape(len(weights), n_classes, n_classes)


def sums_by(values: Array, code: Array, n_codes: int) -> Array:
    """Sums of the columns of ``values (B, N)`` that have the same code ``(B, K)``.

    Args:
        values: ``(B, N)``.
        code: of each column, from 0 to ``n_codes - 1``, ``(N,)``.
        n_codes: ``K``.
    """
    found = np.zeros((len(values), n_codes))
    if len(code):
        order = np.argsort(code, kind="stable")
        in_order = code[order]
        first = np.flatnonzero(np.r_[True, np.diff(in_order) != 0])
        found[:, in_order[first]] = np.add.reduceat(values[:, order], first, axis=1)
    return found


def right_answers(table: Array) -> Array:
    """Rows of each class that were told right ``(..., C)``."""
    return np.diagonal(table, axis1=-2, axis2=-1)


def f1_of(right: Array, both: Array, empty: float = 0.0) -> Array:
    """F1 from counts: ``right`` hits among ``both``, the sum of true and said ones.

    Args:
        right: how often the class (or event) is there and said.
        both: how often it is there plus how often it is said.
        empty: the F1 of what is neither there nor said.
    """
    return ratio(2 * right, both, empty)


def f1_per_class(table: Array) -> Array:
    """F1 of every class ``(..., C)``; 0 where a class is neither there nor said."""
    true = table.sum(axis=-1)
    said = table.sum(axis=-2)
    return f1_of(right_answers(table), true + said)


def there_or_said(table: Array) -> Array:
    """Whether each class occurs among the true or the said ones ``(..., C)``."""
    true = table.sum(axis=-1)
    said = table.sum(axis=-2)
    return np.asarray(true + said > 0)


def macro_f1_present(table: Array) -> float:
    """Mean F1 of the classes that are there or said, of one table ``(C, C)``; nan without rows."""
    there = there_or_said(table)
    if not there.any():
        return math.nan
    return float(f1_per_class(table)[there].mean())


def accuracy(table: Array) -> Array:
    """Share of right answers ``(...)``, the weighted average recall."""
    right = np.trace(table, axis1=-2, axis2=-1)
    return ratio(right, table.sum(axis=(-2, -1)))


def mean_recall(table: Array) -> Array:
    """Mean recall of the classes that are there ``(...)``, the unweighted average recall."""
    recall = ratio(right_answers(table), table.sum(axis=-1))
    there = np.isfinite(recall)
    total = np.where(there, recall, 0).sum(axis=-1)
    return ratio(total, there.sum(axis=-1).astype(float))


def by_score(y: Array, p: Array, weights: Array) -> tuple[Array, Array]:
    """Weight of positives and of negatives per distinct score, in falling order of the score.

    Args:
        y: labels 0 or 1, ``(N,)``.
        p: scores, ``(N,)``.
        weights: ``(B, N)``.

    Returns:
        Two arrays ``(B, G)`` for G distinct scores.
    """
    order = np.argsort(-p, kind="stable")
    is_new = np.diff(p[order]) != 0
    first = np.flatnonzero(np.r_[True, is_new])
    positive = weights[:, order] * y[order]
    negative = weights[:, order] * (1 - y[order])
    n_positive = np.add.reduceat(positive, first, axis=1)
    n_negative = np.add.reduceat(negative, first, axis=1)
    return n_positive, n_negative


def average_precision(y: Array, p: Array, weights: Array) -> Array:
    """Step-wise area under precision and recall ``(B,)``; nan without positives.

    Args:
        y: labels 0 or 1, ``(N,)``.
        p: scores, ``(N,)``.
        weights: ``(B, N)``.
    """
    positive, negative = by_score(y, p, weights)
    hits = positive.cumsum(axis=1)
    false_alarms = negative.cumsum(axis=1)
    precision = ratio(hits, hits + false_alarms, 0.0)
    area = (positive * precision).sum(axis=1)
    return ratio(area, hits[:, -1])


def interval(samples: Array, level: float = 0.95) -> list[float]:
    """Percentile interval of resampled values; those that are not defined (one class only) are left
    out.
    """
    good = samples[np.isfinite(samples)]
    if not len(good):
        return [math.nan, math.nan]
    tail = (1 - level) / 2 * 100
    ends = np.percentile(good, [tail, 100 - tail])
    return [float(v) for v in ends]


def wilson(k: float, n: float, z: float = Z_95) -> tuple[float, float]:
    """Wilson's (1927) interval of a share of ``k`` in ``n``; (nan, nan) of nothing.

    Args:
        k: hits.
        n: how many there are in all; a sample in clusters counts as fewer.
        z: point of the normal distribution; 95 % by default.
    """
    if not n:
        return math.nan, math.nan
    p = k / n
    d = 1 + z * z / n
    variance = p * (1 - p) / n + z * z / (4 * n * n)
    half = z * math.sqrt(variance) / d
    middle = (p + z * z / (2 * n)) / d
    return max(middle - half, 0.0), min(middle + half, 1.0)


def resamples(n: int, n_bootstrap: int, seed: int) -> Array:
    """How often each of ``n`` people is drawn in every bootstrap resample.

    Args:
        n: people.
        n_bootstrap: ``B``, the number of resamples.
        seed: of the random numbers.

    Returns:
        ``(B, n)`` counts; every row sums to ``n``.
    """
    rng = np.random.default_rng(seed)
    even = np.full(n, 1 / n)
    return rng.multinomial(n, even, n_bootstrap)


def resampled_means(values: Array, n_bootstrap: int, seed: int) -> Array:
    """Mean of every bootstrap resample of ``values (P,)``, one per person.

    Args:
        values: one figure per person, ``(P,)``.
        n_bootstrap: ``B``, the number of resamples.
        seed: of the random numbers.

    Returns:
        ``(B,)``; all nan of one person alone, who is the same in every resample.
    """
    n = len(values)
    if n < 2:
        return np.full(n_bootstrap, np.nan)
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, n, (n_bootstrap, n))
    means: Array = values[picks].mean(axis=1)
    return means

"""Divergences between two sets of rows, one number at a time (float64, plain loops).

Written from the equations: MK-MMD as the subject-based adaptation code has it (specification
dsfda.md, c.1), the published local MMD (DSAN), weighted MMD, and CORAL. Slow on purpose: every sum
of an equation is a loop here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Rows = Sequence[Sequence[float]]


def squared_distance(a: Sequence[float], b: Sequence[float]) -> float:
    total = 0.0
    for one, other in zip(a, b, strict=True):
        total += (one - other) ** 2
    return total


def width(rows: Rows, how: str | float, n_kernels: int, factor: float) -> float:
    """Width of the narrowest kernel: the middle one has the mean, or median, over pairs of two
    different rows.
    """
    pairs = []
    for i in range(len(rows)):
        for j in range(len(rows)):
            if i != j:
                pairs.append(squared_distance(rows[i], rows[j]))
    if how == "mean":
        middle = sum(pairs) / len(pairs)
    elif how == "median":
        middle = sorted(pairs)[
            len(pairs) // 2 - 1
        ]  # an even number of values: the lower one in the middle
    else:
        middle = float(how)
    return middle / factor ** (n_kernels // 2)


def kernel(
    a: Sequence[float], b: Sequence[float], narrowest: float, n_kernels: int, factor: float
) -> float:
    """Sum (not mean) of Gaussians whose widths grow by ``factor``."""
    total, wide = 0.0, narrowest
    for _ in range(n_kernels):
        total += math.exp(-squared_distance(a, b) / wide)
        wide *= factor
    return total


def weighted(
    x: Rows,
    own: Sequence[float],
    y: Rows,
    other: Sequence[float],
    narrowest: float,
    n_kernels: int,
    factor: float,
) -> float:
    """Squared distance of two weighted means in the kernel's space: ``|sum own phi(x) - sum other
    phi(y)|^2``.
    """

    def k(a: Sequence[float], b: Sequence[float]) -> float:
        return kernel(a, b, narrowest, n_kernels, factor)

    total = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            total += own[i] * own[j] * k(x[i], x[j])
    for i in range(len(y)):
        for j in range(len(y)):
            total += other[i] * other[j] * k(y[i], y[j])
    for i in range(len(x)):
        for j in range(len(y)):
            total -= 2 * own[i] * other[j] * k(x[i], y[j])
    return total


def mk_mmd(
    x: Rows,
    y: Rows,
    how: str | float = "mean",
    n_kernels: int = 5,
    factor: float = 2.0,
    estimator: str = "biased",
    narrowest: float | None = None,
) -> float:
    """Multi-kernel MMD. Biased: all pairs count. Unbiased: a row is not paired with itself."""
    n, m = len(x), len(y)
    if narrowest is None:
        narrowest = width([*x, *y], how, n_kernels, factor)
    if estimator == "biased":
        return weighted(x, [1 / n] * n, y, [1 / m] * m, narrowest, n_kernels, factor)
    within_x, within_y, between = [], [], []
    for i in range(n):
        for j in range(n):
            if i != j:
                within_x.append(kernel(x[i], x[j], narrowest, n_kernels, factor))
    for i in range(m):
        for j in range(m):
            if i != j:
                within_y.append(kernel(y[i], y[j], narrowest, n_kernels, factor))
    for i in range(n):
        for j in range(m):
            between.append(kernel(x[i], y[j], narrowest, n_kernels, factor))
    return (
        sum(within_x) / len(within_x)
        + sum(within_y) / len(within_y)
        - 2 * sum(between) / len(between)
    )


def lmmd(x: Rows, y: Sequence[int], z: Rows, probs: Rows, narrowest: float | None = None) -> float:
    """Local MMD: per class, source rows of it against target rows weighted by its probability; mean
    over classes.
    """
    if narrowest is None:
        narrowest = width([*x, *z], "mean", 5, 2.0)
    parts = []
    for c in range(len(probs[0])):
        n_source = sum(1 for label in y if label == c)
        mass = sum(p[c] for p in probs)
        if n_source == 0 or mass <= 1e-6:
            continue
        own = [1 / n_source if label == c else 0.0 for label in y]
        other = [p[c] / mass for p in probs]
        parts.append(weighted(x, own, z, other, narrowest, 5, 2.0))
    return sum(parts) / len(parts) if parts else 0.0


def shared_mmd(x: Rows, y: Sequence[int], z: Rows, shares: Sequence[float]) -> float:
    """MK-MMD of a source whose classes are weighted to have ``shares``; a class without a row gives
    its share up.
    """
    there = sum(shares[c] for c in range(len(shares)) if c in y)
    own = []
    for label in y:
        n_class = sum(1 for other in y if other == label)
        own.append(shares[label] / there / n_class)
    return weighted(x, own, z, [1 / len(z)] * len(z), width([*x, *z], "mean", 5, 2.0), 5, 2.0)


def class_shares(probs: Rows, known: Sequence[float], rounds: int) -> list[float]:
    """Shares of the classes by the EM of Saerens et al. (2002), from probabilities made at the
    shares ``known``.
    """
    found = list(known)
    for _ in range(rounds):
        sums = [0.0] * len(known)
        for row in probs:
            moved = [p * f / k for p, f, k in zip(row, found, known, strict=True)]
            total = sum(moved)
            for c, value in enumerate(moved):
                sums[c] += value / total
        found = [s / len(probs) for s in sums]
    return found


def bank(x: Rows, y: Rows) -> float:
    """33 Laplace kernels with widths 2^-8 … 2^8 times the (lower) median distance within ``x``, own
    pairs included.
    """
    pairs = sorted(math.sqrt(squared_distance(a, b)) for a in x for b in x)
    middle = pairs[(len(pairs) - 1) // 2] + 1e-7
    total = 0.0
    for i in range(33):
        wide = middle * 2 ** (i / 2 - 8)

        def mean(a: Rows, b: Rows, wide: float = wide) -> float:
            return (
                sum(math.exp(-math.sqrt(squared_distance(p, q)) / wide) for p in a for q in b)
                / len(a)
                / len(b)
            )

        total += mean(x, x) + mean(y, y) - 2 * mean(x, y)
    return total


def covariance(x: Rows) -> list[list[float]]:
    """Unbiased covariance."""
    n, dim = len(x), len(x[0])
    mean = [sum(row[d] for row in x) / n for d in range(dim)]
    found = []
    for a in range(dim):
        line = []
        for b in range(dim):
            line.append(sum((row[a] - mean[a]) * (row[b] - mean[b]) for row in x) / (n - 1))
        found.append(line)
    return found


def recolouring(x: Rows, y: Rows, share: float) -> np.ndarray:
    """CORAL's matrix: the inverse root of one shrunk covariance, times the root of the other."""
    from scipy.linalg import inv, sqrtm

    roots = []
    for rows in (x, y):
        found = np.array(covariance(rows))
        dim = len(found)
        level = sum(found[d, d] for d in range(dim)) / dim
        for a in range(dim):
            for b in range(dim):
                found[a, b] = (1 - share) * found[a, b] + (share * level if a == b else 0)
        roots.append(np.real(sqrtm(found)))
    matrix: np.ndarray = inv(roots[0]) @ roots[1]
    return matrix

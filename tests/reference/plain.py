"""Vectors as plain lists of floats: the few operations that the references share."""

from __future__ import annotations

import math
from collections.abc import Sequence

Vector = list[float]


def listed(rows: object) -> list[Vector]:
    """An array ``(N, D)`` as lists of floats."""
    return [[float(v) for v in row] for row in rows]  # type: ignore[attr-defined]


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += x * y
    return total


def length(a: Sequence[float]) -> float:
    return math.sqrt(dot(a, a))


def unit(a: Sequence[float]) -> Vector:
    """At length 1; a vector of zeros stays as it is."""
    size = length(a)
    return [x / size for x in a] if size > 0 else [0.0 for _ in a]


def mean(rows: Sequence[Sequence[float]]) -> Vector:
    return [sum(row[d] for row in rows) / len(rows) for d in range(len(rows[0]))]


def distance(a: Sequence[float], b: Sequence[float]) -> float:
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def softmax(values: Sequence[float]) -> Vector:
    largest = max(values)
    e = [math.exp(v - largest) for v in values]
    return [v / sum(e) for v in e]


def entropy(probs: Sequence[float]) -> float:
    """In nats."""
    return -sum(p * math.log(p) for p in probs if p > 0)


def first_largest(values: Sequence[float]) -> int:
    """Position of the largest value, the first of equals."""
    best = 0
    for i, v in enumerate(values):
        if v > values[best]:
            best = i
    return best


def first_smallest(values: Sequence[float]) -> int:
    """Position of the smallest value, the first of equals."""
    return first_largest([-v for v in values])


def head(weight: Sequence[Sequence[float]], bias: Sequence[float], z: Sequence[float]) -> Vector:
    """The logits of a linear head: one product per class."""
    return [dot(row, z) + b for row, b in zip(weight, bias, strict=True)]

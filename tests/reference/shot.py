"""SHOT (Liang, Hu and Feng, ICML 2020; specification dsfda.md, c.3) in float64 with plain loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from reference import descent
from reference.descent import Params, Row

EPS = 1e-5


def entropy(probs: Row) -> float:
    """``H(p)`` with the released constant inside the logarithm."""
    total = 0.0
    for p in probs:
        total -= p * math.log(p + EPS)
    return total


def mean_answer(answers: Sequence[Row]) -> list[float]:
    return [sum(p[c] for p in answers) / len(answers) for c in range(len(answers[0]))]


def information(logits: Sequence[Row], spread: float = 1.0) -> float:
    """Mean entropy of the answers, minus the entropy of the mean answer."""
    answers = [descent.softmax(row) for row in logits]
    sure = 0.0
    for p in answers:
        sure += entropy(p) / len(answers)
    return sure - spread * entropy(mean_answer(answers))


def length(row: Row) -> float:
    return math.sqrt(sum(v * v for v in row))


def _far(a: Row, b: Row, distance: str) -> float:
    if distance == "cosine":
        return 1 - sum(x * y for x, y in zip(a, b, strict=True)) / length(a) / length(b)
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def centroid_labels(
    rows: Sequence[Row], probs: Sequence[Row], distance: str = "cosine", above: int = 0
) -> list[int]:
    """Nearest centroid among the classes that more than ``above`` rows are predicted as; twice,
    soft and then hard.
    """
    n_classes = len(probs[0])
    predicted = [max(range(n_classes), key=lambda c, p=p: p[c]) for p in probs]  # type: ignore[misc]
    kept = [c for c in range(n_classes) if predicted.count(c) > above]
    features = []
    for row in rows:
        feature = list(row)
        if distance == "cosine":
            feature.append(1.0)
            long = length(feature)
            feature = [v / long for v in feature]
        features.append(feature)
    share = [list(p) for p in probs]
    labels: list[int] = []
    for _ in range(2):
        centroids = {}
        for c in kept:
            mass = 1e-8 + sum(s[c] for s in share)
            centroid = []
            for d in range(len(features[0])):
                centroid.append(
                    sum(s[c] * f[d] for s, f in zip(share, features, strict=True)) / mass
                )
            centroids[c] = centroid
        labels = []
        for feature in features:
            far = {
                c: _far(feature, centroids[c], distance) if any(centroids[c]) else math.inf
                for c in kept
            }
            labels.append(min(kept, key=lambda c, far=far: far[c]))  # type: ignore[misc]
        share = [[1.0 if c == label else 0.0 for c in range(n_classes)] for label in labels]
    return labels


def adapt(
    z: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    seed: int,
    *,
    steps: int,
    batch: int,
    lr: float,
    relabel: int,
    label_weight: float,
    spread: float,
    momentum: float,
    decay: float,
) -> Params:
    """The map after ``steps`` on the rows ``z``: gain and shift are trained, the head stays."""
    params = descent.start(z, weight, bias)
    draw = descent.batches(len(z), batch, np.random.default_rng(seed))
    labels: list[int] = []

    def make_loss(now: Params, step: int) -> Callable[[Params], float]:
        nonlocal labels
        if step % relabel == 0:
            rows = [descent.moved(now, r) for r in z]
            labels = centroid_labels(
                rows, [descent.softmax(descent.answered(now, r)) for r in rows]
            )
        chosen, taught = next(draw), labels

        def loss(p: Params) -> float:
            logits = [descent.answered(p, descent.moved(p, z[i])) for i in chosen]
            agreed = descent.cross_entropy(logits, [taught[i] for i in chosen])
            return information(logits, spread) + label_weight * agreed

        return loss

    def rate(done: float) -> float:
        return descent.decayed(lr, done)

    return descent.nesterov(params, ("gain", "shift"), make_loss, steps, rate, momentum, decay)

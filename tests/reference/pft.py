"""The losses of SFDA-PFT (arXiv 2508.09202; specification dsfda.md, b.2, b.3 and b.7) in float64
with plain loops.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from reference import descent
from reference.descent import Params, Row


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """Unbiased."""
    centre = mean(values)
    return sum((v - centre) ** 2 for v in values) / (len(values) - 1)


def moments(reference: np.ndarray, translated: np.ndarray) -> float:
    """Mean and standard deviation over the rows, per dimension; squared differences, averaged over
    dimensions.
    """
    means, deviations = [], []
    for d in range(reference.shape[1]):
        a, b = reference[:, d].tolist(), translated[:, d].tolist()
        means.append((mean(a) - mean(b)) ** 2)
        if min(len(a), len(b)) > 1:
            deviations.append((math.sqrt(variance(a)) - math.sqrt(variance(b))) ** 2)
    return mean(means) + (mean(deviations) if deviations else 0.0)


def mse_logits(frozen: Sequence[Row], translated: Sequence[Row]) -> float:
    squares = []
    for a, b in zip(frozen, translated, strict=True):
        for x, y in zip(a, b, strict=True):
            squares.append((x - y) ** 2)
    return mean(squares)


def kl_probs(frozen: Sequence[Row], translated: Sequence[Row]) -> float:
    """``KL(frozen || translated)``, mean over rows."""
    total = 0.0
    for a, b in zip(frozen, translated, strict=True):
        for p, q in zip(descent.softmax(a), descent.softmax(b), strict=True):
            total += p * math.log(p / q) / len(frozen)
    return total


def translate(w: Params, z: Row, residual: bool) -> list[float]:
    """Linear, ReLU, linear; the residual one adds what came in."""
    dim = len(z)
    first, second = (w[f"layers.{k}.weight"] for k in (0, 2))
    inner = [
        sum(first[a][d] * z[d] for d in range(dim)) + w["layers.0.bias"][a] for a in range(dim)
    ]
    out = []
    for a in range(dim):
        value = w["layers.2.bias"][a] + sum(second[a][d] * max(0.0, inner[d]) for d in range(dim))
        out.append(float(value + (z[a] if residual else 0.0)))
    return out


def logits(z: Row, weight: np.ndarray, bias: np.ndarray) -> list[float]:
    return [
        float(sum(weight[c][d] * z[d] for d in range(len(z))) + bias[c]) for c in range(len(bias))
    ]


def adapt(
    w: Params,
    z: np.ndarray,
    head: tuple[np.ndarray, np.ndarray],
    *,
    residual: bool,
    neutral: int,
    epochs: int,
    batch: int,
    lr: float,
    with_ce: bool,
    seed: int,
) -> Params:
    """The translator after some epochs on a neutral clip: keep the frozen logits, and (corrected)
    say neutral.
    """
    rng = np.random.default_rng(seed)
    plan: list[list[int]] = []
    for _ in range(epochs):
        order = rng.permutation(len(z)).tolist()
        while order:
            plan.append(order[:batch])
            order = order[batch:]

    def make_loss(now: Params, step: int) -> Callable[[Params], float]:
        def loss(p: Params) -> float:
            said = [logits(translate(p, z[i], residual), *head) for i in plan[step]]
            total = mse_logits([logits(z[i], *head) for i in plan[step]], said)
            return total + (descent.cross_entropy(said, [neutral] * len(said)) if with_ce else 0.0)

        return loss

    return descent.adam(w, make_loss, len(plan), lr)


def train(
    w: Params,
    z: np.ndarray,
    y: np.ndarray,
    people: Sequence[str],
    head: tuple[np.ndarray, np.ndarray],
    *,
    epochs: int,
    batch: int,
    lr: float,
    weights: tuple[float, float, float],
    seed: int,
) -> Params:
    """The corrected source stage. ``weights`` are those of the label, of the frozen logits and of
    the style.

    In every epoch the people form a ring in random order, and each is translated towards the next
    one in it.
    """
    rng, names = np.random.default_rng(seed), sorted(set(people))
    plan = []
    for _ in range(epochs):
        ring = [names[k] for k in rng.permutation(len(names))]
        for at, person in enumerate(ring):
            following = ring[(at + 1) % len(ring)]
            theirs = [i for i, name in enumerate(people) if name == following]
            order = rng.permutation([i for i, name in enumerate(people) if name == person]).tolist()
            while order:
                plan.append((order[:batch], theirs))
                order = order[batch:]

    def make_loss(now: Params, step: int) -> Callable[[Params], float]:
        mine, theirs = plan[step]

        def loss(p: Params) -> float:
            moved = [translate(p, z[i], True) for i in mine]
            said = [logits(row, *head) for row in moved]
            total = weights[0] * descent.cross_entropy(said, [int(y[i]) for i in mine])
            total += weights[1] * mse_logits([logits(z[i], *head) for i in mine], said)
            return total + weights[2] * moments(z[theirs], np.array(moved))

        return loss

    return descent.adam(w, make_loss, len(plan), lr)

"""The person's map of an embedding and how it is trained, in float64 with plain loops.

The map and the head behind it are those of the docstring of ``twomind.adaptation.mapping``.
Gradients are central differences of a loss, so nothing here knows how the library differentiates.
The rule of descent is SGD with Nesterov momentum and weight decay as PyTorch documents it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

Params = dict[str, np.ndarray]
Row = Sequence[float]


def softmax(logits: Row) -> list[float]:
    top = max(logits)
    e = [math.exp(v - top) for v in logits]
    return [v / sum(e) for v in e]


def cross_entropy(logits: Sequence[Row], labels: Sequence[int]) -> float:
    """Mean negative log-probability of the labels, in nats."""
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        total -= math.log(softmax(row)[label])
    return total / len(logits)


def start(rows: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> Params:
    """The identity, in units of the rows: their mean, and one root mean square deviation for all
    dimensions.
    """
    n, dim = rows.shape
    centre = [sum(rows[i, d] for i in range(n)) / n for d in range(dim)]
    deviation = sum((rows[i, d] - centre[d]) ** 2 for i in range(n) for d in range(dim)) / (n * dim)
    return {
        "centre": np.array(centre),
        "scale": np.array(math.sqrt(deviation)),
        "gain": np.zeros(dim),
        "shift": np.zeros(dim),
        "weight": np.asarray(weight, np.float64),
        "bias": np.asarray(bias, np.float64),
        "turn": np.zeros(weight.shape),
        "offset": np.zeros(len(bias)),
    }


def moved(p: Params, z: Row) -> list[float]:
    """``u' = exp(gain) u + shift + up relu(down u)`` with ``u = (z - centre) / scale``."""
    dim = len(z)
    u = [(z[d] - p["centre"][d]) / float(p["scale"]) for d in range(dim)]
    found = [math.exp(p["gain"][d]) * u[d] + p["shift"][d] for d in range(dim)]
    if "down" in p:
        for r in range(len(p["down"])):
            inner = max(0.0, sum(p["down"][r][d] * u[d] for d in range(dim)))
            for d in range(dim):
                found[d] += p["up"][d][r] * inner
    return found


def answered(p: Params, u: Row) -> list[float]:
    """``logits = (centre + scale u') weight.T + bias + u' turn.T + offset``."""
    logits = []
    for c in range(len(p["bias"])):
        value = p["bias"][c] + p["offset"][c]
        for d in range(len(u)):
            value += (p["centre"][d] + float(p["scale"]) * u[d]) * p["weight"][c][d] + u[d] * p[
                "turn"
            ][c][d]
        logits.append(float(value))
    return logits


def batches(n: int, size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Full batches of a shuffled order, shuffled again when none is left; everything where ``n`` is
    not above it.
    """
    while True:
        order = [int(i) for i in rng.permutation(n)]
        if n <= size:
            yield order
            continue
        while len(order) >= size:
            yield order[:size]
            order = order[size:]


def gradient(loss: Callable[[Params], float], params: Params, names: Sequence[str]) -> Params:
    """Central differences."""
    step, found = 1e-5, {}
    for name in names:
        slope = np.zeros(params[name].shape)
        for at in np.ndindex(slope.shape):
            sides = []
            for sign in (1, -1):
                value = params[name].copy()
                value[at] += sign * step
                sides.append(loss({**params, name: value}))
            slope[at] = (sides[0] - sides[1]) / (2 * step)
        found[name] = slope
    return found


def nesterov(
    params: Params,
    names: Sequence[str],
    make_loss: Callable[[Params, int], Callable[[Params], float]],
    steps: int,
    rate: Callable[[float], float],
    momentum: float,
    decay: float,
) -> Params:
    """``make_loss(now, step)`` fixes what a step holds constant and gives the loss to differentiate
    at ``now``.
    """
    speed: Params = {}
    for step in range(steps):
        slopes = gradient(make_loss(params, step), params, names)
        lr, after = rate(step / steps), dict(params)
        for name in names:
            g = slopes[name] + decay * params[name]
            speed[name] = momentum * speed[name] + g if name in speed else g
            after[name] = params[name] - lr * (g + momentum * speed[name])
        params = after
    return params


def adam(
    params: Params,
    make_loss: Callable[[Params, int], Callable[[Params], float]],
    steps: int,
    lr: float,
) -> Params:
    """Adam (Kingma and Ba, 2015) with its published constants, on all of ``params``."""
    first = {n: np.zeros(v.shape) for n, v in params.items()}
    second = {n: np.zeros(v.shape) for n, v in params.items()}
    for t in range(1, steps + 1):
        slopes = gradient(make_loss(params, t - 1), params, list(params))
        after = {}
        for name, g in slopes.items():
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.999 * second[name] + 0.001 * g**2
            mean, square = first[name] / (1 - 0.9**t), second[name] / (1 - 0.999**t)
            after[name] = params[name] - lr * mean / (np.sqrt(square) + 1e-8)
        params = after
    return params


def decayed(lr: float, done: float) -> float:
    """The rate of SHOT and NRC: divided by the 3/4th power of ``1 + 10 done``."""
    return lr / math.sqrt(math.sqrt((1 + 10 * done) ** 3))

"""NRC (Yang et al., NeurIPS 2021; specification dsfda.md, c.4) in float64 with plain loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from reference import descent, shot
from reference.descent import Params, Row


def unit(row: Row) -> list[float]:
    long = shot.length(row)
    return [v / long for v in row]


def nearest(i: int, bank: Sequence[Row], k: int) -> list[int]:
    """The ``k`` most similar rows of the bank to its row ``i``, which does not count itself."""
    cosine = {}
    for j in range(len(bank)):
        if j != i:
            cosine[j] = sum(a * b for a, b in zip(bank[i], bank[j], strict=True))
    return sorted(cosine, key=lambda j: -cosine[j])[:k]


def neighbours(where: Sequence[int], bank: Sequence[Row], k: int, kk: int) -> tuple[list, list]:
    """Per row of the batch its neighbours, and per neighbour its own neighbours."""
    first, second = [], []
    for i in where:
        mine = nearest(i, bank, k)
        first.append(mine)
        second.append([nearest(j, bank, kk) for j in mine])
    return first, second


def affinity(i: int, of_neighbour: Sequence[int], r: float = 0.1) -> float:
    """How often ``i`` occurs among its neighbour's neighbours, or ``r`` when it does not."""
    count = 0
    for j in of_neighbour:
        if j == i:
            count += 1
    return float(count) if count > 0 else r


def loss(
    probs: Sequence[Row],
    where: Sequence[int],
    first: Sequence[Sequence[int]],
    second: Sequence[Sequence[Sequence[int]]],
    scores: Sequence[Row],
    r: float = 0.1,
    spread: float = 1.0,
) -> float:
    """Answer like the neighbours do, weighted by affinity; like theirs, by ``r``; and spread over
    the classes.
    """

    def agree(p: Row, s: Row) -> float:
        return sum(a * b for a, b in zip(p, s, strict=True))

    total = 0.0
    for b, i in enumerate(where):
        for mine, theirs in zip(first[b], second[b], strict=True):
            total -= affinity(i, theirs, r) * agree(probs[b], scores[mine]) / len(where)
            for j in theirs:
                total -= r * agree(probs[b], scores[j]) / len(where)
    for p in shot.mean_answer(probs):
        total += spread * p * math.log(p + shot.EPS)
    return total


def adapt(
    z: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    seed: int,
    *,
    steps: int,
    batch: int,
    lr: float,
    k: int,
    kk: int,
    r: float,
    spread: float,
    momentum: float,
    decay: float,
) -> Params:
    """Map and head after ``steps``. The banks hold what each row was when it was last in a batch,
    this one included.
    """
    params = descent.start(z, weight, bias)
    draw = descent.batches(len(z), batch, np.random.default_rng(seed))
    rows = [descent.moved(params, row) for row in z]
    bank = [unit(row) for row in rows]
    scores = [descent.softmax(descent.answered(params, row)) for row in rows]

    def make_loss(now: Params, step: int) -> Callable[[Params], float]:
        where = next(draw)
        for i in where:
            row = descent.moved(now, z[i])
            bank[i], scores[i] = unit(row), descent.softmax(descent.answered(now, row))
        first, second = neighbours(where, bank, k, kk)

        def value(p: Params) -> float:
            probs = [descent.softmax(descent.answered(p, descent.moved(p, z[i]))) for i in where]
            return loss(probs, where, first, second, scores, r, spread)

        return value

    def rate(done: float) -> float:
        return descent.decayed(lr, done)

    return descent.nesterov(
        params, ("gain", "shift", "turn", "offset"), make_loss, steps, rate, momentum, decay
    )

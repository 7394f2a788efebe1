"""Orders and troubles of a stream, to try methods on: each takes a person's windows with labels,
and gives them back.

Only for evaluation on people whose labels are known: the labels decide the order, and then stay
with the score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from twomind.types import Example

Order = Callable[[Sequence[Example], np.random.Generator], list[Example]]


def shuffled(own: Sequence[Example], rng: np.random.Generator) -> list[Example]:
    """Windows in random order."""
    return [own[i] for i in rng.permutation(len(own))]


def class_blocked(own: Sequence[Example], rng: np.random.Generator) -> list[Example]:
    """All of class 0 first, then class 1 …: the order in which the published loaders yield a
    person.
    """
    return sorted(shuffled(own, rng), key=lambda e: e.y)


def single_class(own: Sequence[Example], rng: np.random.Generator) -> list[Example]:
    """Windows of one class only, drawn by chance."""
    chosen = rng.choice(sorted({e.y for e in own}))
    return [e for e in shuffled(own, rng) if e.y == chosen]


def imbalanced(
    own: Sequence[Example], rng: np.random.Generator, share: float = 0.1
) -> list[Example]:
    """One class, drawn by chance, keeps only so many windows that it is ``share`` of the stream (at
    least one).
    """
    rare = rng.choice(sorted({e.y for e in own}))
    common = sum(e.y != rare for e in own)
    keep, out = max(1, round(common * share / (1 - share))), []
    for e in shuffled(own, rng):
        if e.y == rare:
            keep -= 1
        if e.y != rare or keep >= 0:
            out.append(e)
    return out


def corrupted(
    own: Sequence[Example], rng: np.random.Generator, share: float = 0.3, strength: float = 1.0
) -> list[Example]:
    """Shuffled; every track of a ``share`` of the windows gets noise of ``strength`` standard
    deviations of its own.
    """
    out = []
    for e in shuffled(own, rng):
        if rng.random() < share:
            tracks = {
                name: replace(
                    t,
                    values=t.values
                    + (strength * t.values.std() * rng.normal(size=t.values.shape)).astype(
                        t.values.dtype
                    ),
                )
                for name, t in e.x.tracks.items()
            }
            e = replace(e, x=replace(e.x, tracks=tracks))
        out.append(e)
    return out


def interleaved(people: Sequence[Sequence[Example]]) -> list[Example]:
    """One window of each person in turn, until all are through."""
    longest = max((len(p) for p in people), default=0)
    return [p[i] for i in range(longest) for p in people if i < len(p)]


ORDERS: dict[str, Order] = {
    "shuffled": shuffled,
    "class_blocked": class_blocked,
    "single_class": single_class,
    "imbalanced": imbalanced,
    "corrupted": corrupted,
}

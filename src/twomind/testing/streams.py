"""Orders and troubles of a stream, to try methods on: each takes a person's windows with labels,
and gives them back.

Only for evaluation on people whose labels are known: the labels decide the order, and then stay
with the score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from twomind.types import Example, Track

#: One person's windows with labels.
Windows: TypeAlias = Sequence[Example]
Rng: TypeAlias = np.random.Generator
Order: TypeAlias = Callable[[Windows, Rng], list[Example]]


def shuffled(own: Windows, rng: Rng) -> list[Example]:
    """Windows in random order."""
    return [own[i] for i in rng.permutation(len(own))]


def class_blocked(own: Windows, rng: Rng) -> list[Example]:
    """All of class 0 first, then class 1 …: the order in which the published loaders yield a
    person.
    """
    return sorted(shuffled(own, rng), key=lambda e: e.y)


def single_class(own: Windows, rng: Rng) -> list[Example]:
    """Windows of one class only, drawn by chance."""
    chosen = rng.choice(_classes(own))
    return [e for e in shuffled(own, rng) if e.y == chosen]


def _classes(own: Windows) -> list[int]:
    return sorted({e.y for e in own})


def imbalanced(own: Windows, rng: Rng, share: float = 0.1) -> list[Example]:
    """One class, drawn by chance, keeps only so many windows that it is ``share`` of the stream (at
    least one).

    Args:
        own: windows of one person, with labels.
        rng: random numbers.
        share: of the rare class in the stream.
    """
    rare = rng.choice(_classes(own))
    n_common = sum(e.y != rare for e in own)
    n_left = max(1, round(n_common * share / (1 - share)))
    found = []
    for e in shuffled(own, rng):
        if e.y == rare:
            n_left -= 1
        if e.y != rare or n_left >= 0:
            found.append(e)
    return found


def _noisy(track: Track, rng: Rng, strength: float) -> Track:
    """The track with noise of ``strength`` of its own standard deviations."""
    values = track.values
    noise = strength * values.std() * rng.normal(size=values.shape)
    return replace(track, values=values + noise.astype(values.dtype))


def corrupted(own: Windows, rng: Rng, share: float = 0.3, strength: float = 1.0) -> list[Example]:
    """Shuffled; every track of a ``share`` of the windows gets noise of ``strength`` standard
    deviations of its own.

    Args:
        own: windows of one person, with labels.
        rng: random numbers.
        share: of the windows that get noise.
        strength: of the noise, in standard deviations of the track.
    """
    found = []
    for e in shuffled(own, rng):
        if rng.random() < share:
            tracks = {}
            for name, track in e.x.tracks.items():
                tracks[name] = _noisy(track, rng, strength)
            e = replace(e, x=replace(e.x, tracks=tracks))
        found.append(e)
    return found


def interleaved(people: Sequence[Windows]) -> list[Example]:
    """One window of each person in turn, until all are through."""
    longest = max((len(own) for own in people), default=0)
    found = []
    for turn in range(longest):
        for own in people:
            if turn < len(own):
                found.append(own[turn])
    return found


ORDERS: dict[str, Order] = {
    "shuffled": shuffled,
    "class_blocked": class_blocked,
    "single_class": single_class,
    "imbalanced": imbalanced,
    "corrupted": corrupted,
}

"""Adaptation with source people at hand: cross-entropy on the source, and a divergence that pulls
the person over.

The encoder is frozen, so what moves is the person's map (:mod:`.mapping`), and the head follows the
source. By default the source keeps its own rows and only the person is mapped: a shared map cannot
undo a shift between the two, it can only blind itself to its direction. ``shared=True`` sends both
through one map, as a trained network would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from twomind.adaptation import caches, divergences, mapping
from twomind.models.base import track_of
from twomind.types import Features, Trainable

if TYPE_CHECKING:
    from torch import Tensor


class Pair(NamedTuple):
    """One step's rows in units of the map: source ``(n, D)`` with class ``(n,)``, person ``(m, D)``
    and its logits.
    """

    source: Tensor
    y: Tensor
    target: Tensor
    logits: Tensor


class Sides(NamedTuple):
    """Embeddings of source people ``(n, D)`` with their classes ``(n,)``, and of the person
    ``(m, D)``.
    """

    source: Tensor
    y: Tensor
    target: Tensor


class How(Protocol):
    """The settings that every such method has."""

    @property
    def steps(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def lr(self) -> float: ...
    @property
    def momentum(self) -> float: ...
    @property
    def decay(self) -> float: ...
    @property
    def rank(self) -> int: ...
    @property
    def shared(self) -> bool: ...


def fit(
    model: Trainable,
    sides: Sides,
    apart: Callable[[Pair, float], Tensor],
    seed: int,
    how: How,
    moves: Sequence[str] = mapping.MAP,
) -> mapping.Tensors:
    """Map and head after ``how.steps`` of cross-entropy on the source plus a divergence.

    Args:
        model: it is not written to.
        sides: all rows of the source and of the person.
        apart: the divergence of a step's rows, at the share of the steps so far.
        seed: of the batches.
        how: the method's settings.
        moves: the parts of the map that are trained.
    """
    from torch.nn import functional as F

    z, y, target = sides
    rng = np.random.default_rng(seed)
    first = mapping.start(model, z, how.rank, rng)
    ours = mapping.batches(len(z), how.batch, rng)
    theirs = mapping.batches(len(target), how.batch, rng)

    def loss(now: mapping.Tensors, step: int) -> Tensor:
        a = next(ours)
        b = next(theirs)
        u = mapping.moved(now if how.shared else first, z[a])
        v = mapping.moved(now, target[b])
        pair = Pair(u, y[a], v, mapping.answered(now, v))
        taught = F.cross_entropy(mapping.answered(now, u), y[a])
        return taught + apart(pair, step / max(how.steps, 1))

    names = mapping.tuned(first, moves, mapping.HEAD)
    descent = mapping.Descent(how.steps, mapping.steady(how.lr), how.momentum, how.decay)
    return mapping.descend(first, names, loss, descent)


def ramp(done: float) -> float:
    """DSAN's weight of a loss on pseudo-labels: from 0 to 1 with the share of steps done."""
    return float(2 / (1 + np.exp(-10 * done)) - 1)


def people_by_likeness(
    z: Tensor, who: Sequence[str], target: Tensor, measure: str = "mmd"
) -> list[tuple[str, float]]:
    """Source people with their distance from the person, nearest first (equal ones by name).

    Args:
        z: rows of source people ``(n, D)``.
        who: the person of each ``(n,)``.
        target: rows of the person ``(m, D)``.
        measure: ``mmd`` compares distributions with one common kernel width; ``cosine`` is one
            minus the cosine of mean embeddings about the source's mean.
    """
    caches.one_of("measure", measure, ("mmd", "cosine"))
    own = _by_person(z, who)
    far = _by_mmd(z, own, target) if measure == "mmd" else _by_cosine(z, own, target)
    return sorted(far.items(), key=lambda item: (item[1], item[0]))


def _by_person(z: Tensor, who: Sequence[str]) -> mapping.Tensors:
    """The rows of each source person."""
    import torch

    found = {}
    for name in sorted(set(who)):
        found[name] = z[torch.tensor([w == name for w in who])]
    return found


def _by_mmd(z: Tensor, own: mapping.Tensors, target: Tensor) -> dict[str, float]:
    import torch

    thinned = z[:: max(1, len(z) // 500)]
    squared = divergences.squared_distances(torch.cat([thinned, target]))
    n = len(squared)
    width = float(squared.sum() / max(n * (n - 1), 1))
    kernels = divergences.Kernels(width=max(width, 1e-12))
    return {name: float(divergences.mk_mmd(rows, target, kernels)) for name, rows in own.items()}


def _by_cosine(z: Tensor, own: mapping.Tensors, target: Tensor) -> dict[str, float]:
    import torch

    centre = z.mean(0)
    mine = target.mean(0) - centre
    far = {}
    for name, rows in own.items():
        theirs = rows.mean(0) - centre
        far[name] = 1 - float(torch.cosine_similarity(theirs, mine, dim=0))
    return far


def halves(model: Trainable, x: Features) -> tuple[Features, Features]:
    """Two views of one window: its even and its odd valid rows; a window of one row is both.

    Stands where pictures have a mirrored copy: two answers about the same moment that noise tells
    apart.
    """
    name = track_of(model)
    track = x.tracks.get(name)
    if track is None or int(track.valid.sum()) < 2:
        return x, x
    at = np.flatnonzero(track.valid)
    even = track.rows(at[0::2])
    odd = track.rows(at[1::2])
    return (
        replace(x, tracks={**x.tracks, name: even}),
        replace(x, tracks={**x.tracks, name: odd}),
    )

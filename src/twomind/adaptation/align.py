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
from typing import Any, NamedTuple, Protocol

import numpy as np

from twomind.adaptation import caches, divergences, mapping
from twomind.models.base import track_of
from twomind.types import Features


class Pair(NamedTuple):
    """One step's rows in units of the map: source ``(n, D)`` with class ``(n,)``, person ``(m, D)``
    and its logits.
    """

    source: Any
    y: Any
    target: Any
    logits: Any


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
    model: Any,
    source: tuple[Any, Any],
    target: Any,
    apart: Callable[[Pair, float], Any],
    seed: int,
    how: How,
    moves: Sequence[str] = mapping.MAP,
) -> mapping.Tensors:
    """Map and head after ``how.steps`` of cross-entropy on ``source = (z, y)`` plus ``apart(pair,
    done)``.

    ``done`` is the share of the steps so far; ``moves`` names the parts of the map that are
    trained.
    """
    from torch.nn import functional as F

    (z, y), rng = source, np.random.default_rng(seed)
    first = mapping.start(model, z, how.rank, rng)
    ours, theirs = (mapping.batches(len(r), how.batch, rng) for r in (z, target))

    def loss(now: mapping.Tensors, step: int) -> Any:
        a, b = next(ours), next(theirs)
        u, v = mapping.moved(now if how.shared else first, z[a]), mapping.moved(now, target[b])
        pair = Pair(u, y[a], v, mapping.answered(now, v))
        return F.cross_entropy(mapping.answered(now, u), y[a]) + apart(
            pair, step / max(how.steps, 1)
        )

    names = mapping.tuned(first, moves, mapping.HEAD)
    return mapping.descend(
        first, names, loss, how.steps, lambda done: how.lr, how.momentum, how.decay
    )


def ramp(done: float) -> float:
    """DSAN's weight of a loss on pseudo-labels: from 0 to 1 with the share of steps done."""
    return float(2 / (1 + np.exp(-10 * done)) - 1)


def people_by_likeness(
    z: Any, who: Sequence[str], target: Any, measure: str = "mmd"
) -> list[tuple[str, float]]:
    """Source people with their distance from the person, nearest first (equal ones by name).

    ``z (n, D)`` rows of source people ``who (n,)``; ``target (m, D)``. ``mmd`` compares
    distributions with one common kernel width; ``cosine`` is one minus the cosine of mean
    embeddings about the source's mean.
    """
    import torch

    caches.one_of("measure", measure, ("mmd", "cosine"))
    names = sorted(set(who))
    own = {n: z[torch.tensor([w == n for w in who])] for n in names}
    if measure == "mmd":
        squared = divergences.squared_distances(torch.cat([z[:: max(1, len(z) // 500)], target]))
        width = float(squared.sum() / max(len(squared) * (len(squared) - 1), 1))
        kernels = divergences.Kernels(width=max(width, 1e-12))
        far = {n: float(divergences.mk_mmd(own[n], target, kernels)) for n in names}
    else:
        centre, means = z.mean(0), {n: own[n].mean(0) for n in names}
        mine = target.mean(0) - centre
        far = {n: 1 - float(torch.cosine_similarity(means[n] - centre, mine, dim=0)) for n in names}
    return sorted(far.items(), key=lambda item: (item[1], item[0]))


def halves(model: Any, x: Features) -> tuple[Features, Features]:
    """Two views of one window: its even and its odd valid rows; a window of one row is both.

    Stands where pictures have a mirrored copy: two answers about the same moment that noise tells
    apart.
    """
    name = track_of(model)
    track = x.tracks.get(name)
    if track is None or int(track.valid.sum()) < 2:
        return x, x
    at, found = np.flatnonzero(track.valid), []
    assert track.reason_code is not None
    for rows in (at[0::2], at[1::2]):
        part = replace(
            track,
            values=track.values[rows],
            times_s=track.times_s[rows],
            valid=track.valid[rows],
            reason_code=track.reason_code[rows],
        )
        found.append(replace(x, tracks={**x.tracks, name: part}))
    return found[0], found[1]

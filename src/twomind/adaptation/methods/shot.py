"""SHOT: source hypothesis transfer (Liang, Hu and Feng, ICML 2020; github.com/tim-learn/SHOT, MIT).

Sees unlabelled windows of the person. Keeps the head, and moves the person's map of the embedding
so that answers are sure and spread over the classes, plus cross-entropy with pseudo-labels of class
centroids (:mod:`..neighbours`), renewed as it goes.

``scope="network"`` trains the model's network and keeps the head, as published; it refuses a model
without a network. Deviations of ``scope="map"``: the encoder is frozen, so a map of the embedding
stands where the paper trains the network (its rate there is ×0.1 for the backbone, ×1 for the
bottleneck, whose place the map takes). Steps, not epochs: a person has tens of windows, and 15
epochs of them are too few steps to move anything. Features are taken in units of the map, in place
of the batch-normalised bottleneck. Label smoothing and the source stage are the recogniser's
business.

Refuses a neutral-only target (:mod:`..unlabelled`), because the diversity term splits the one class
in half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from twomind.adaptation import caches, mapping, neighbours, network, unlabelled
from twomind.types import Access, Features, Given, Prediction, State, Trainable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Shot:
    """How it adapts, setting by setting."""

    lr: float = 1e-2
    momentum: float = 0.9
    #: weight decay, towards the source model
    decay: float = 1e-3
    steps: int = 150
    batch: int = 64
    #: steps between two rounds of pseudo-labels
    relabel: int = 10
    #: what is trained: the person's ``map``, or the model's own ``network``; the head stays
    scope: str = "map"
    #: the first rate with ``scope=network``, which leaves ``lr`` and ``rank`` unused
    network_lr: float = 1e-3
    #: weight of the pseudo-labels; 0 is SHOT-IM
    label_weight: float = 0.3
    #: weight of the diversity term
    spread: float = 1.0
    #: ``cosine`` or ``euclidean``
    distance: str = "cosine"
    #: a class with no more predicted windows than this gets no pseudo-label
    above: int = 0
    #: width of the map's residual branch; 0 is an affine per dimension
    rank: int = 0
    #: ``target``; or ``neutral``, which is refused without ``force``
    data: str = "target"
    force: bool = False
    #: refuse where the source model sees a second class in a smaller share than this
    rarest: float = 0.05

    def __post_init__(self) -> None:
        caches.one_of("distance", self.distance, ("cosine", "euclidean"))
        caches.one_of("scope", self.scope, ("map", "network"))
        mapping.check(
            lr=self.lr, batch=self.batch, relabel=self.relabel, network_lr=self.network_lr
        )

    @property
    def needs(self) -> Access:
        return unlabelled.access(self.data)

    def begin(self, model: Trainable, given: Given) -> State:
        import torch
        from torch.nn import functional as F

        if self.scope == "network":
            network.of(model, "shot")
        xs = unlabelled.windows(model, given, self.data, self.force, self.rarest, "shot")
        if self.scope == "network":
            return self._network(model, xs, given.seed)
        z = mapping.rows_of(model, xs, "the person")
        rng = np.random.default_rng(given.seed)
        params = mapping.start(model, z, self.rank, rng)
        draw = mapping.batches(len(z), self.batch, rng)
        labels = torch.zeros(len(z), dtype=torch.long)

        def loss(now: mapping.Tensors, step: int) -> Tensor:
            nonlocal labels
            if step % self.relabel == 0:
                with torch.no_grad():
                    u = mapping.moved(now, z)
                    probs = mapping.answered(now, u).softmax(-1)
                    labels = neighbours.centroid_labels(u, probs, self.distance, self.above)
            rows = next(draw)
            logits = mapping.answered(now, mapping.moved(now, z[rows]))
            agreed = F.cross_entropy(logits, labels[rows])
            return neighbours.information(logits, self.spread) + self.label_weight * agreed

        names = mapping.tuned(params, mapping.MAP)
        rate = partial(neighbours.decayed, self.lr)
        how = mapping.Descent(self.steps, rate, self.momentum, self.decay)
        return mapping.state_of(mapping.descend(params, names, loss, how))

    def _network(self, model: Trainable, xs: Sequence[Features], seed: int) -> State:
        """The same through the network, batch by batch; pseudo-labels of all windows."""
        import torch
        from torch.nn import functional as F

        own = network.Copy(model, "shot")
        rows, _ = own.rows(xs, "the person")
        draw = network.batches(len(rows), self.batch, np.random.default_rng(seed))
        labels = torch.zeros(len(rows), dtype=torch.long)

        def loss(step: int) -> Tensor:
            nonlocal labels
            if step % self.relabel == 0:
                z = own.looked_at(rows)
                probs = own.logits(z).detach().softmax(-1)
                labels = neighbours.centroid_labels(z, probs, self.distance, self.above)
            batch = next(draw)
            logits = own.logits(own.z(rows[batch]))
            agreed = F.cross_entropy(logits, labels[batch])
            return neighbours.information(logits, self.spread) + self.label_weight * agreed

        rate = partial(neighbours.decayed, self.network_lr)
        how = mapping.Descent(self.steps, rate, self.momentum, self.decay)
        own.descend(loss, how, seed, with_head=False)
        return own.state()

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        if self.scope == "network":
            return network.predict(model, state, x)
        return mapping.predict(model, state, x)


PLUGIN = Shot

"""Oracle: the person's own coded windows teach. Not a method to deploy: the row that says how much
there is to gain.

Sees coded windows of the person (``FEW``), meant to be all of the person's recordings but the
tested ones; a table names it ``oracle`` and its access ``few``. Moves the map of the embedding and
the head by cross-entropy, from the source model on. It is not an upper bound by theory: with few coded
windows it overfits, and what it learns includes the habit of the coder. Every other method is
denied these labels by type.

Published oracle on BAH (frame level, 300 people): AVGF1 0.586 ± 0.075, source only 0.489 ± 0.100.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twomind.adaptation import caches, mapping, network
from twomind.types import Access, Features, Given, Prediction, State, Trainable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Oracle:
    """How it adapts, setting by setting."""

    lr: float = 1e-2
    momentum: float = 0.9
    #: weight decay, towards the source model
    decay: float = 1e-2
    steps: int = 200
    batch: int = 64
    #: what is trained beside the head: the person's ``map``, or the model's own ``network``
    scope: str = "map"
    #: the rate with ``scope=network``, which leaves ``lr`` and ``rank`` unused
    network_lr: float = 1e-3
    #: width of the map's residual branch; 0 is an affine per dimension
    rank: int = 0

    def __post_init__(self) -> None:
        caches.one_of("scope", self.scope, ("map", "network"))
        mapping.check(lr=self.lr, batch=self.batch, network_lr=self.network_lr)

    @property
    def needs(self) -> Access:
        return Access.FEW

    def begin(self, model: Trainable, given: Given) -> State:
        from torch.nn import functional as F

        if self.scope == "network":
            return self._network(model, given)
        z, y, _ = mapping.labelled_rows(model, given.few or (), "the person")
        rng = np.random.default_rng(given.seed)
        params = mapping.start(model, z, self.rank, rng)
        draw = mapping.batches(len(z), self.batch, rng)

        def loss(now: mapping.Tensors, step: int) -> Tensor:
            rows = next(draw)
            logits = mapping.answered(now, mapping.moved(now, z[rows]))
            return F.cross_entropy(logits, y[rows])

        names = mapping.tuned(params, mapping.MAP, mapping.HEAD)
        how = mapping.Descent(self.steps, mapping.steady(self.lr), self.momentum, self.decay)
        return mapping.state_of(mapping.descend(params, names, loss, how))

    def _network(self, model: Trainable, given: Given) -> State:
        """Train on the coded answers through the whole network, in place of the head alone."""
        from torch.nn import functional as F

        own = network.Copy(model, "oracle")
        few = given.few or ()
        rows, kept = own.rows([e.x for e in few], "the person")
        y = own.classes([few[i].y for i in kept])
        draw = network.batches(len(rows), self.batch, np.random.default_rng(given.seed))

        def loss(step: int) -> Tensor:
            batch = next(draw)
            return F.cross_entropy(own.logits(own.z(rows[batch])), y[batch])

        rate = mapping.steady(self.network_lr)
        how = mapping.Descent(self.steps, rate, self.momentum, self.decay)
        own.descend(loss, how, given.seed)
        return own.state()

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        if self.scope == "network":
            return network.predict(model, state, x)
        return mapping.predict(model, state, x)


PLUGIN = Oracle

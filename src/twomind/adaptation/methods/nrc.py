"""NRC: neighbourhood reciprocity clustering (Yang et al., NeurIPS 2021;
github.com/Albert0147/NRC_SFDA, MIT).

Sees unlabelled windows of the person. Moves the map of the embedding and the head so that each
window answers like its neighbours do: reciprocal ones count by how often they name it back, others
``r``, neighbours of neighbours ``r``.

``released=True`` is the VisDA script, in which a slip overwrites the reciprocal weights with ``r``;
the default is as defined in the paper, and as the Office-Home script does it. ``scope="network"``
trains the model's network and head, as published; it refuses a model without a network. Deviations
of ``scope="map"``: encoder frozen and steps for epochs, as in ``shot``. Of both: ``k`` and ``kk``
shrink with the number of windows;
``apart_s`` bars neighbours that lie close in the same recording, because those are the same moment
again.

Refuses a neutral-only target (:mod:`..unlabelled`).
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
class Nrc:
    """How it adapts, setting by setting."""

    #: (the paper: 1e-3, for a whole network)
    lr: float = 1e-2
    momentum: float = 0.9
    #: weight decay, towards the source model
    decay: float = 1e-3
    steps: int = 150
    batch: int = 64
    #: what is trained beside the head: the person's ``map``, or the model's own ``network``
    scope: str = "map"
    #: the first rate with ``scope=network``, which leaves ``lr`` and ``rank`` unused
    network_lr: float = 1e-3
    #: neighbours, and neighbours of each of them (VisDA 5 and 5, Office-Home 4 and 3, Office-31 2
    #: and 3)
    k: int = 5
    kk: int = 5
    #: weight where a neighbour does not name the window back, and of second-order neighbours
    r: float = 0.1
    #: weight of the diversity term
    spread: float = 1.0
    #: seconds within a recording below which two windows are no neighbours
    apart_s: float = 0.0
    #: repeat the slip of the VisDA script
    released: bool = False
    #: width of the map's residual branch; 0 is an affine per dimension
    rank: int = 0
    #: ``target``; or ``neutral``, which is refused without ``force``
    data: str = "target"
    force: bool = False
    #: refuse where the source model sees a second class in a smaller share than this
    rarest: float = 0.05

    def __post_init__(self) -> None:
        caches.one_of("scope", self.scope, ("map", "network"))
        mapping.check(
            lr=self.lr, batch=self.batch, k=self.k, kk=self.kk, network_lr=self.network_lr
        )

    @property
    def needs(self) -> Access:
        return unlabelled.access(self.data)

    def begin(self, model: Trainable, given: Given) -> State:
        import torch
        from torch.nn import functional as F

        if self.scope == "network":
            network.of(model, "nrc")
        xs = unlabelled.windows(model, given, self.data, self.force, self.rarest, "nrc")
        if self.scope == "network":
            return self._network(model, xs, given.seed)
        xs = [x for x in xs if not isinstance(caches.read(model, x), Prediction)]
        z = mapping.rows_of(model, xs, "the person")
        rng = np.random.default_rng(given.seed)
        params = mapping.start(model, z, self.rank, rng)
        if len(z) < 2:
            return mapping.state_of(params)  # a single window has no neighbour
        k = min(self.k, len(z) - 1)
        kk = min(self.kk, len(z) - 1)
        draw = mapping.batches(len(z), self.batch, rng)
        barred = _close(xs, self.apart_s)
        with torch.no_grad():
            start = mapping.moved(params, z)
            bank = F.normalize(start, dim=1)
            scores = mapping.answered(params, start).softmax(-1)

        def loss(now: mapping.Tensors, step: int) -> Tensor:
            where = torch.from_numpy(next(draw))
            u = mapping.moved(now, z[where])
            logits = mapping.answered(now, u)
            with torch.no_grad():
                bank[where] = F.normalize(u, dim=1)
                scores[where] = logits.softmax(-1)
                found = neighbours.near(bank[where], where, bank, k, kk, barred)
                weights = neighbours.affinities(found, where, self.r, self.released)
            return neighbours.nrc(logits, found, weights, scores, self.r, self.spread)

        names = mapping.tuned(params, mapping.MAP, mapping.HEAD)
        rate = partial(neighbours.decayed, self.lr)
        how = mapping.Descent(self.steps, rate, self.momentum, self.decay)
        return mapping.state_of(mapping.descend(params, names, loss, how))

    def _network(self, model: Trainable, xs: Sequence[Features], seed: int) -> State:
        """The same through the network, batch by batch; the bank holds all windows."""
        import torch
        from torch.nn import functional as F

        own = network.Copy(model, "nrc")
        rows, kept = own.rows(xs, "the person")
        n = len(rows)
        if n < 2:
            return own.state()  # a single window has no neighbour
        k, kk = min(self.k, n - 1), min(self.kk, n - 1)
        draw = network.batches(n, self.batch, np.random.default_rng(seed))
        barred = _close([xs[i] for i in kept], self.apart_s)
        if barred is not None:
            barred = barred.to(own.place)
        seen = own.looked_at(rows)
        bank = F.normalize(seen, dim=1)
        scores = own.logits(seen).detach().softmax(-1)

        def loss(step: int) -> Tensor:
            drawn = next(draw)
            where = torch.from_numpy(drawn).to(own.place)
            z = own.z(rows[where])
            logits = own.logits(z)
            with torch.no_grad():
                bank[where] = F.normalize(z, dim=1)
                scores[where] = logits.softmax(-1)
                found = neighbours.near(bank[where], where, bank, k, kk, barred)
                weights = neighbours.affinities(found, where, self.r, self.released)
            return neighbours.nrc(logits, found, weights, scores, self.r, self.spread)

        rate = partial(neighbours.decayed, self.network_lr)
        own.descend(loss, mapping.Descent(self.steps, rate, self.momentum, self.decay), seed)
        return own.state()

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        if self.scope == "network":
            return network.predict(model, state, x)
        return mapping.predict(model, state, x)


def _close(xs: Sequence[Features], apart_s: float) -> Tensor | None:
    """Pairs ``(N, N)`` of one recording whose beginnings lie less than ``apart_s`` apart; None when
    none may.
    """
    import torch

    if apart_s <= 0:
        return None
    name = np.array([x.recording for x in xs])
    start = np.array([x.span_s[0] for x in xs])
    same = name[:, None] == name[None]
    near = np.abs(start[:, None] - start[None]) < apart_s
    return torch.from_numpy(same & near)


PLUGIN = Nrc

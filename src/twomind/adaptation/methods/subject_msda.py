"""Subject-based multi-source adaptation: every source person is a domain (Zeeshan et al., FG 2024,
arXiv 2312.05632).

Sees labelled windows of source people and unlabelled ones of the person.

1. Choose the ``n_people`` source people who are nearest to the person.
2. First stage: cross-entropy of two of them at a time plus ``pair_weight`` times the MMD between
the two.
3. Second stage: cross-entropy on those people and on the person's confident pseudo-labels, plus the
   MMD to the person. A window teaches where the mean confidence of its two views is above a
   threshold that falls with time.

``scope="network"`` trains the model's network and head, with the mirrored face as the other view;
it refuses a model without a network. Deviations, with reason. With ``scope="map"`` the encoder is
frozen: a map of the embedding and the head are trained, with larger rates than for a network; steps
stand for epochs. The MMD has a gradient (released: a plain number). Pairs are two people (released:
one blended loader with itself). Each round chooses from all windows (released: from those that were
confident before, so that a lower threshold admits nothing). The two views are the even and the odd
rows of a window (released: a mirrored face). Choice of people by MMD or, as the follow-up does, by
cosine of means; theirs adds them one by one with a replay memory, ours takes them at once. Refuses
a neutral-only target (:mod:`..unlabelled`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twomind.adaptation import (
    align,
    caches,
    divergences,
    mapping,
    neighbours,
    network,
    unlabelled,
)
from twomind.types import Access, Features, Given, Prediction, State, Trainable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SubjectMsda:
    """How it adapts, setting by setting."""

    #: source people to keep (the paper: 10 or all 77; the follow-up: 10 or 20)
    n_people: int = 10
    #: ``mmd``, or ``cosine`` of mean embeddings
    measure: str = "mmd"
    lr: float = 2e-2
    momentum: float = 0.9
    #: weight decay, towards the source model (the paper: 5e-4)
    decay: float = 5e-4
    #: what is trained beside the head: the person's ``map``, or the model's own ``network``
    scope: str = "map"
    #: the rate with ``scope=network``, which leaves ``lr``, ``rank`` and ``shared`` unused
    network_lr: float = 1e-3
    #: steps of the first stage
    source_steps: int = 100
    #: steps of the second stage
    steps: int = 150
    batch: int = 64
    #: weight of the MMD between two source people
    pair_weight: float = 0.1
    #: weight of the MMD to the person
    weight: float = 1.0
    #: confidence that a window needs, how much it falls each round, and the steps of a round
    confident: float = 0.90
    fall: float = 0.02
    round_steps: int = 30
    #: send the source through the same map in the second stage
    shared: bool = False
    #: width of the map's residual branch; 0 is an affine per dimension
    rank: int = 0
    #: ``target``; or ``neutral``, which is refused without ``force``
    data: str = "target"
    force: bool = False
    #: refuse where the source model sees a second class in a smaller share than this
    rarest: float = 0.05

    def __post_init__(self) -> None:
        caches.one_of("measure", self.measure, ("mmd", "cosine"))
        caches.one_of("scope", self.scope, ("map", "network"))
        mapping.check(
            lr=self.lr,
            batch=self.batch,
            n_people=self.n_people,
            round_steps=self.round_steps,
            network_lr=self.network_lr,
        )

    @property
    def needs(self) -> Access:
        return Access.SOURCE | unlabelled.access(self.data)

    def begin(self, model: Trainable, given: Given) -> State:
        import torch
        from torch.nn import functional as F

        if self.scope == "network":
            network.of(model, "subject-msda")
        xs = unlabelled.windows(model, given, self.data, self.force, self.rarest, "subject-msda")
        if self.scope == "network":
            return self._network(model, xs, given)
        xs = [x for x in xs if not isinstance(caches.read(model, x), Prediction)]
        target = mapping.rows_of(model, xs, "the person")
        even, odd = self._views(model, xs)
        z, y, who = mapping.labelled_rows(model, given.source or (), "the source")
        likeness = align.people_by_likeness(z, who, target, self.measure)
        chosen = [name for name, _ in likeness[: self.n_people]]
        kept = torch.tensor([w in chosen for w in who])
        z = z[kept]
        y = y[kept]
        who = [w for w in who if w in chosen]

        first = self._between_people(model, z, y, who, given.seed)
        rng = np.random.default_rng([given.seed, 2])
        ours = mapping.batches(len(z), self.batch, rng)
        theirs = mapping.batches(len(target), self.batch, rng)
        taught: neighbours.Confident | None = None

        def loss(now: mapping.Tensors, step: int) -> Tensor:
            nonlocal taught
            if step % self.round_steps == 0:
                with torch.no_grad():
                    one = mapping.answered(now, mapping.moved(now, even))
                    other = mapping.answered(now, mapping.moved(now, odd))
                above = self.confident - self.fall * (step // self.round_steps)
                taught = neighbours.confident_views(one, other, above)
            a = next(ours)
            b = next(theirs)
            u = mapping.moved(now if self.shared else first, z[a])
            v = mapping.moved(now, target[b])
            of_source = F.cross_entropy(mapping.answered(now, u), y[a])
            total = of_source + self.weight * divergences.mk_mmd(u, v)
            if taught is not None and len(taught.rows):
                sure = mapping.answered(now, mapping.moved(now, target[taught.rows]))
                total = total + F.cross_entropy(sure, taught.label)
            return total

        adapted = self._descended(first, loss, self.steps)
        return {**mapping.state_of(adapted), "people": chosen}

    def _network(self, model: Trainable, xs: Sequence[Features], given: Given) -> State:
        """Train both stages through the whole network, in place of the head alone."""
        import torch
        from torch.nn import functional as F

        own = network.Copy(model, "subject-msda")
        target, _ = own.rows(xs, "the person")
        source = given.source or ()
        rows, kept = own.rows([e.x for e in source], "the source")
        who = [source[i].x.subject for i in kept]
        likeness = align.people_by_likeness(
            own.looked_at(rows), who, own.looked_at(target), self.measure
        )
        chosen = [name for name, _ in likeness[: self.n_people]]
        near = [i for i, name in enumerate(who) if name in chosen]
        rows = rows[near]
        y = own.classes([source[kept[i]].y for i in near])
        who = [who[i] for i in near]
        self._people_of_network(own, rows, y, who, given.seed)

        rng = np.random.default_rng([given.seed, 2])
        ours = network.batches(len(rows), self.batch, rng)
        theirs = network.batches(len(target), self.batch, rng)
        mirrored = own.mirrored(target)
        taught: neighbours.Confident | None = None

        def loss(step: int) -> Tensor:
            nonlocal taught
            if step % self.round_steps == 0:
                one = own.logits(own.looked_at(target)).detach()
                other = own.logits(own.looked_at(mirrored)).detach()
                above = self.confident - self.fall * (step // self.round_steps)
                taught = neighbours.confident_views(one, other, above)
            a = next(ours)
            b = next(theirs)
            z = own.z(torch.cat([rows[a], target[b]]))
            u = z[: len(a)]
            v = z[len(a) :]
            of_source = F.cross_entropy(own.logits(u), y[a])
            total = of_source + self.weight * divergences.mk_mmd(u, v)
            if taught is not None and len(taught.rows) > 1:
                mixed = rng.permutation(len(taught.rows))
                drawn = mixed[: self.batch]
                own_rows = target[taught.rows[drawn]]
                sure = own.logits(own.z(own_rows))
                total = total + F.cross_entropy(sure, taught.label[drawn])
            return total

        own.descend(loss, self._network_descent(self.steps), given.seed)
        return {**own.state(), "people": chosen}

    def _network_descent(self, steps: int) -> mapping.Descent:
        return mapping.Descent(steps, mapping.steady(self.network_lr), self.momentum, self.decay)

    def _people_of_network(
        self, own: network.Copy, rows: Tensor, y: Tensor, who: list[str], seed: int
    ) -> None:
        """First stage through the network: pairs of chosen people."""
        import torch
        from torch.nn import functional as F

        rng = np.random.default_rng([seed, 1])
        places = []
        for name in sorted(set(who)):
            places.append(np.array([i for i, w in enumerate(who) if w == name]))
        draw = [network.batches(len(place), self.batch, rng) for place in places]

        def loss(step: int) -> Tensor:
            pair = rng.permutation(len(places))[:2]
            parts = [places[p][next(draw[p])] for p in pair]
            z = own.z(torch.cat([rows[part] for part in parts]))
            told = torch.cat([y[part] for part in parts])
            total = F.cross_entropy(own.logits(z), told)
            if len(parts) < 2:
                return total
            n_first = len(parts[0])
            first = z[:n_first]
            second = z[n_first:]
            return total + self.pair_weight * divergences.mk_mmd(first, second)

        own.descend(loss, self._network_descent(self.source_steps), seed)

    def _views(self, model: Trainable, xs: Sequence[Features]) -> tuple[Tensor, Tensor]:
        """Embeddings of the even and of the odd rows of each window."""
        even = []
        odd = []
        for x in xs:
            one, other = align.halves(model, x)
            even.append(one)
            odd.append(other)
        return (
            mapping.rows_of(model, even, "the person"),
            mapping.rows_of(model, odd, "the person"),
        )

    def _descended(
        self,
        params: mapping.Tensors,
        loss: Callable[[mapping.Tensors, int], Tensor],
        steps: int,
    ) -> mapping.Tensors:
        """Map and head after so many steps."""
        names = mapping.tuned(params, mapping.MAP, mapping.HEAD)
        how = mapping.Descent(steps, mapping.steady(self.lr), self.momentum, self.decay)
        return mapping.descend(params, names, loss, how)

    def _between_people(
        self, model: Trainable, z: Tensor, y: Tensor, who: list[str], seed: int
    ) -> mapping.Tensors:
        """First stage: one map for all chosen people, pairs of whom are drawn together."""
        import torch
        from torch.nn import functional as F

        rng = np.random.default_rng([seed, 1])
        params = mapping.start(model, z, self.rank, rng)
        own = []
        for name in sorted(set(who)):
            own.append(torch.tensor([i for i, w in enumerate(who) if w == name]))
        draw = [mapping.batches(len(rows), self.batch, rng) for rows in own]

        def loss(now: mapping.Tensors, step: int) -> Tensor:
            pair = rng.permutation(len(own))[:2]
            total = torch.zeros(())
            seen = []
            for p in pair:
                rows = own[p][next(draw[p])]
                u = mapping.moved(now, z[rows])
                total = total + F.cross_entropy(mapping.answered(now, u), y[rows])
                seen.append(u)
            if len(seen) < 2:
                return total
            return total + self.pair_weight * divergences.mk_mmd(seen[0], seen[1])

        return self._descended(params, loss, self.source_steps)

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        if self.scope == "network":
            return network.predict(model, state, x)
        return mapping.predict(model, state, x)


PLUGIN = SubjectMsda

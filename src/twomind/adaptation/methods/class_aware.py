"""Class-aware pseudo-labels: the surest windows of every class teach, the rest only spread.

Sees unlabelled windows of the person. The reusable piece of MuSACo (arXiv 2508.12522), of which no
code and no table is public: a class-aware loss on confident windows, a class-agnostic one on the
others. Here: labels from SHOT's centroids; of each class the share ``confident`` whose probability
is highest gets cross-entropy (each class with the same weight); the others get information
maximisation. A confidence threshold in its place would keep the easy class only. What is ours and
not theirs: one modality, the centroid labels, a share per class in place of a threshold.

Refuses a neutral-only target (:mod:`..unlabelled`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from twomind.adaptation import caches, mapping, neighbours, unlabelled
from twomind.types import Access, Features, Given, Prediction, State, Trainable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ClassAware:
    """How it adapts, setting by setting."""

    lr: float = 1e-2
    momentum: float = 0.9
    #: weight decay, towards the source model
    decay: float = 1e-3
    steps: int = 150
    #: steps between two rounds of pseudo-labels
    relabel: int = 10
    #: share of each class's windows that teach
    confident: float = 0.5
    #: weight of the class-agnostic loss
    rest_weight: float = 0.3
    #: ``cosine`` or ``euclidean``
    distance: str = "cosine"
    #: width of the map's residual branch; 0 is an affine per dimension
    rank: int = 0
    #: ``target``; or ``neutral``, which is refused without ``force``
    data: str = "target"
    force: bool = False
    #: refuse where the source model sees a second class in a smaller share than this
    rarest: float = 0.05

    def __post_init__(self) -> None:
        caches.one_of("distance", self.distance, ("cosine", "euclidean"))
        mapping.check(lr=self.lr, confident=self.confident, relabel=self.relabel)

    @property
    def needs(self) -> Access:
        return unlabelled.access(self.data)

    def begin(self, model: Trainable, given: Given) -> State:
        import torch
        from torch.nn import functional as F

        xs = unlabelled.windows(model, given, self.data, self.force, self.rarest, "class-aware")
        z = mapping.rows_of(model, xs, "the person")
        params = mapping.start(model, z, self.rank, np.random.default_rng(given.seed))
        labels = torch.zeros(len(z), dtype=torch.long)
        sure = torch.ones(len(z), dtype=torch.bool)

        def loss(now: mapping.Tensors, step: int) -> Tensor:
            nonlocal labels, sure
            u = mapping.moved(now, z)
            logits = mapping.answered(now, u)
            if step % self.relabel == 0:
                probs = logits.detach().softmax(-1)
                labels = neighbours.centroid_labels(u.detach(), probs, self.distance)
                sure = neighbours.confident_per_class(probs, labels, self.confident)
            each = F.cross_entropy(logits, labels, reduction="none")
            by_class = [each[sure & (labels == c)].mean() for c in torch.unique(labels)]
            taught = torch.stack(by_class).mean()
            if bool(sure.all()):
                return taught
            return taught + self.rest_weight * neighbours.information(logits[~sure])

        names = mapping.tuned(params, mapping.MAP)
        rate = partial(neighbours.decayed, self.lr)
        how = mapping.Descent(self.steps, rate, self.momentum, self.decay)
        return mapping.state_of(mapping.descend(params, names, loss, how))

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        return mapping.predict(model, state, x)


PLUGIN = ClassAware

"""LMMD: class-wise MMD with the person's pseudo-labels (DSAN: Zhu et al., TNNLS 2021).

Sees labelled windows of source people and unlabelled ones of the person. As ``mmd``, but each class
of the source is aligned with the person's windows weighted by their present probability of that
class, so other shares of the classes are not aligned away. The weight rises from 0 with the steps,
as in DSAN, because early probabilities are the source model's mistakes. The group's release has no
such form: the formula is the published one.

Deviations: encoder frozen, so the person is mapped and the source stays (``shared`` for one map).
Refuses a neutral-only target (:mod:`..unlabelled`): the probabilities of absent classes still pull.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twomind.adaptation import align, divergences, mapping, unlabelled
from twomind.types import Access, Features, Given, Prediction, State, Trainable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Lmmd:
    """How it adapts, setting by setting."""

    lr: float = 2e-2
    momentum: float = 0.9
    #: weight decay, towards the source model
    decay: float = 1e-3
    steps: int = 150
    batch: int = 64
    #: weight of the divergence once it has risen
    weight: float = 1.0
    #: number of kernels, the step between their widths, and ``mean``, ``median`` or a number for
    #: the middle one
    n_kernels: int = 5
    factor: float = 2.0
    width: str | float = "mean"
    #: send the source through the same map
    shared: bool = False
    #: width of the map's residual branch; 0 is an affine per dimension
    rank: int = 0
    #: ``target``; or ``neutral``, which is refused without ``force``
    data: str = "target"
    force: bool = False
    #: refuse where the source model sees a second class in a smaller share than this
    rarest: float = 0.05

    def __post_init__(self) -> None:
        mapping.check(lr=self.lr, batch=self.batch)
        divergences.Kernels(self.n_kernels, self.factor, self.width)

    @property
    def needs(self) -> Access:
        return Access.SOURCE | unlabelled.access(self.data)

    def begin(self, model: Trainable, given: Given) -> State:
        xs = unlabelled.windows(model, given, self.data, self.force, self.rarest, "lmmd")
        z, y, _ = mapping.labelled_rows(model, given.source or (), "the source")
        kernels = divergences.Kernels(self.n_kernels, self.factor, self.width)

        def apart(pair: align.Pair, done: float) -> Tensor:
            probs = pair.logits.detach().softmax(-1)
            off = divergences.lmmd(pair.source, pair.y, pair.target, probs, kernels)
            return self.weight * align.ramp(done) * off

        target = mapping.rows_of(model, xs, "the person")
        sides = align.Sides(z, y, target)
        return mapping.state_of(align.fit(model, sides, apart, given.seed, self))

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        return mapping.predict(model, state, x)


PLUGIN = Lmmd

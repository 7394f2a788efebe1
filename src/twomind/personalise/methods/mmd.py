"""MMD: unsupervised adaptation by multi-kernel maximum mean discrepancy (DAN: Long et al., ICML 2015).

Sees labelled windows of source people and unlabelled ones of the person. Moves the person's map until her windows as a
whole lie where the source's lie; the head follows cross-entropy on the source. The kernel is the one of the
subject-based adaptation code (five widths, doubling, around the mean squared distance).

Deviations: encoder frozen, so the person is mapped and the source stays (``shared`` for one map); the released
subject-based code adds the MMD as a plain number, without a gradient, so it aligned nothing: here it has one. The whole
is aligned with the whole: where the person shows the classes in other shares than the source, that difference is
aligned away as well; ``lmmd`` is milder there. Refuses a neutral-only target (:mod:`..unlabelled`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twomind.personalise import align, divergences, mapping, unlabelled
from twomind.types import Access, Features, Given, Prediction, State


@dataclass(frozen=True)
class Mmd:
    """Settings."""

    lr: float = 2e-2
    momentum: float = 0.9
    #: weight decay, towards the source model
    decay: float = 1e-3
    steps: int = 150
    batch: int = 64
    #: weight of the divergence
    weight: float = 1.0
    #: number of kernels, the step between their widths, and ``mean``, ``median`` or a number for the middle one
    n_kernels: int = 5
    factor: float = 2.0
    width: str | float = "mean"
    #: ``biased`` (as released) or ``unbiased``
    estimator: str = "biased"
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

    def begin(self, model: Any, given: Given) -> State:
        xs = unlabelled.windows(model, given, self.data, self.force, self.rarest, "mmd")
        z, y, _ = mapping.labelled_rows(model, given.source or (), "the source")
        kernels = divergences.Kernels(self.n_kernels, self.factor, self.width)

        def apart(pair: align.Pair, done: float) -> Any:
            return self.weight * divergences.mk_mmd(pair.source, pair.target, kernels, self.estimator)

        target = mapping.rows_of(model, xs, "the person")
        return mapping.state_of(align.fit(model, (z, y), target, apart, given.seed, self))

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        return mapping.predict(model, state, x)


PLUGIN = Mmd

"""MMD: unsupervised adaptation by multi-kernel maximum mean discrepancy (DAN: Long et al., ICML
2015).

Sees labelled windows of source people and unlabelled ones of the person. Moves the person's map
until her windows as a whole lie where the source's lie; the head follows cross-entropy on the
source. The kernel is the one of the subject-based adaptation code (five widths, doubling, around
the mean squared distance).

Deviations: encoder frozen, so the person is mapped and the source stays (``shared`` for one map);
the released subject-based code adds the MMD as a plain number, without a gradient, so it aligned
nothing: here it has one. The whole is aligned with the whole: where the person shows the classes in
other shares than the source, that difference is aligned away as well; ``lmmd`` is milder there.
``shares="model"`` first estimates the person's shares from the source model's answers and weights
the source so: it trusts that the classes look as they do in source people, the default that they
are as frequent, and unlabelled windows cannot tell which of the two is wrong. Refuses a
neutral-only target (:mod:`..unlabelled`).

``scope="network"`` is DAN's own training: the model's network and head, on source and person at
once (:mod:`..network`); it refuses a model without a network. ``kernels="bank"`` takes the 33
kernels of skada's DAN for the five of the release.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twomind.adaptation import align, caches, divergences, mapping, network, unlabelled
from twomind.core.errors import BadInput
from twomind.types import Access, Features, Given, Prediction, State, Trainable

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Mmd:
    """How it adapts, setting by setting."""

    lr: float = 2e-2
    momentum: float = 0.9
    #: weight decay, towards the source model
    decay: float = 1e-3
    steps: int = 150
    batch: int = 64
    #: weight of the divergence
    weight: float = 1.0
    #: what is trained: the person's ``map`` and a turn of the head, or the model's own ``network``
    #: and head
    scope: str = "map"
    #: Adam's rate with ``scope=network``, which leaves ``lr``, ``momentum`` and ``decay`` unused
    network_lr: float = 1e-3
    #: ``doubling`` widths (as released), or the fixed ``bank`` of :func:`.divergences.bank_mmd`
    kernels: str = "doubling"
    #: of doubling widths: number of kernels, the step between them, and ``mean``, ``median`` or a
    #: number for the middle
    n_kernels: int = 5
    factor: float = 2.0
    width: str | float = "mean"
    #: ``biased`` (as released) or ``unbiased``
    estimator: str = "biased"
    #: send the source through the same map
    shared: bool = False
    #: shares of the person's classes: those of the ``source`` (as published), or as the ``model``
    #: sees them
    shares: str = "source"
    #: width of the map's residual branch; 0 is an affine per dimension
    rank: int = 0
    #: ``target``; or ``neutral``, which is refused without ``force``
    data: str = "target"
    force: bool = False
    #: refuse where the source model sees a second class in a smaller share than this
    rarest: float = 0.05

    def __post_init__(self) -> None:
        mapping.check(lr=self.lr, batch=self.batch, network_lr=self.network_lr)
        caches.one_of("scope", self.scope, ("map", "network"))
        caches.one_of("kernels", self.kernels, ("doubling", "bank"))
        divergences.Kernels(self.n_kernels, self.factor, self.width)
        caches.one_of("shares", self.shares, ("source", "model"))
        if self.shares == "model" and self.estimator != "biased":
            raise BadInput(
                f"mmd: shares=model goes with the biased estimator, got {self.estimator!r}"
            )
        if self.kernels == "bank" and (self.shares != "source" or self.estimator != "biased"):
            raise BadInput("mmd: kernels=bank goes with shares=source and the biased estimator")
        if self.scope == "network" and (self.shared or self.rank or self.shares != "source"):
            raise BadInput("mmd: shared, rank and shares=model are settings of scope=map")

    @property
    def needs(self) -> Access:
        return Access.SOURCE | unlabelled.access(self.data)

    def begin(self, model: Trainable, given: Given) -> State:
        if self.scope == "network":
            network.of(model, "mmd")
        xs = unlabelled.windows(model, given, self.data, self.force, self.rarest, "mmd")
        if self.scope == "network":
            how = network.Fit(self.steps, self.batch, self.network_lr)
            return network.fit(model, given.source or (), xs, self._apart, given.seed, how)
        z, y, _ = mapping.labelled_rows(model, given.source or (), "the source")
        kernels = divergences.Kernels(self.n_kernels, self.factor, self.width)
        target = mapping.rows_of(model, xs, "the person")
        shares = self._shares(model, y, target)

        def apart(pair: align.Pair, done: float) -> Tensor:
            if shares is None:
                return self._apart(pair.source, pair.target)
            off = divergences.shared_mmd(pair.source, pair.y, pair.target, shares, kernels)
            return self.weight * off

        sides = align.Sides(z, y, target)
        return mapping.state_of(align.fit(model, sides, apart, given.seed, self))

    def _apart(self, own: Tensor, other: Tensor) -> Tensor:
        """The weighted divergence between rows of the source ``(n, D)`` and of the person ``(m,
        D)``.
        """
        if self.kernels == "bank":
            return self.weight * divergences.bank_mmd(own, other)
        kernels = divergences.Kernels(self.n_kernels, self.factor, self.width)
        return self.weight * divergences.mk_mmd(own, other, kernels, self.estimator)

    def _shares(self, model: Trainable, y: Tensor, target: Tensor) -> Tensor | None:
        """The person's shares ``(C,)`` as the source model sees them; None where they are taken to
        be the source's.
        """
        if self.shares == "source":
            return None
        weight, bias = mapping.head_of(model)
        known = y.bincount(minlength=len(bias)).float() / len(y)
        probs = (target @ weight.T + bias).softmax(-1)
        return divergences.class_shares(probs, known)

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        if self.scope == "network":
            return network.predict(model, state, x)
        return mapping.predict(model, state, x)


PLUGIN = Mmd

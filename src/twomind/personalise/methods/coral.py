"""CORAL: the person's windows get the mean and covariance of the source (Sun, Feng and Saenko, AAAI 2016).

Sees labelled windows of source people and unlabelled ones of the person; no step of training. ``form="deep"`` is Deep
CORAL (Sun and Saenko, 2016): cross-entropy on the source plus the squared distance of covariances.

Deviations: the paper re-colours the source and trains a new classifier; here the classifier is the shared one, so the
person is re-coloured. Covariances of few windows are shrunk (``shrink``); the mean goes along (``means``), which the
paper leaves to normalisation beforehand. The deep form as released by the subject-based code takes the norm, not its
square, whose gradient is nan when both sides agree; here the square is taken, as published. Refuses a neutral-only
target (:mod:`..unlabelled`): it would centre the one class between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twomind.estimate.embedding import from_logits
from twomind.personalise import align, caches, divergences, mapping, unlabelled
from twomind.types import Access, Features, Given, Prediction, State


@dataclass(frozen=True)
class Coral:
    """Settings. Those from ``weight`` to ``rank`` are for the deep form."""

    #: ``closed``, or ``deep``
    form: str = "closed"
    #: share of the identity in the covariances; closed form
    shrink: float = 0.2
    #: align the means too; closed form
    means: bool = True
    weight: float = 1.0
    lr: float = 1e-2
    momentum: float = 0.9
    #: weight decay, towards the source model
    decay: float = 1e-3
    steps: int = 300
    batch: int = 64
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
        caches.one_of("form", self.form, ("closed", "deep"))
        mapping.check(lr=self.lr, batch=self.batch)

    @property
    def needs(self) -> Access:
        return Access.SOURCE | unlabelled.access(self.data)

    def begin(self, model: Any, given: Given) -> State:
        xs = unlabelled.windows(model, given, self.data, self.force, self.rarest, "coral")
        z, y, _ = mapping.labelled_rows(model, given.source or (), "the source")
        target = mapping.rows_of(model, xs, "the person")
        if self.form == "closed":
            matrix = divergences.recolouring(target, z, self.shrink)
            mean = target.mean(0)
            return {"matrix": matrix, "own": mean, "source": z.mean(0) if self.means else mean}

        def apart(pair: align.Pair, done: float) -> Any:
            return self.weight * divergences.coral(pair.source, pair.target)

        return mapping.state_of(align.fit(model, (z, y), target, apart, given.seed, self))

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        if self.form == "deep":
            return mapping.predict(model, state, x)
        got = caches.read(model, x)
        if isinstance(got, Prediction):
            return got, state
        weight, bias = caches.head(model)
        own, source, matrix = (state[n].numpy() for n in ("own", "source", "matrix"))
        return from_logits(x, ((got[0] - own) @ matrix + source) @ weight.T + bias), state


PLUGIN = Coral

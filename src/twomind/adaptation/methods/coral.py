"""CORAL: the person's windows get the mean and covariance of the source (Sun, Feng and Saenko, AAAI
2016).

Sees labelled windows of source people and unlabelled ones of the person; no step of training.

Deviations: the paper re-colours the source and trains a new classifier; here the classifier is the
shared one, so the person is re-coloured. Covariances of few windows are shrunk (``shrink``); the
mean goes along (``means``), which the paper leaves to normalisation beforehand. Deep CORAL (the
loss of the subject-based code) is not a method: it trains an encoder, and on frozen embeddings a map
driven by covariances alone flattened the classes (tried on synthetic people, balanced accuracy down by
up to 34 points). Refuses a neutral-only target (:mod:`..unlabelled`): it would centre the one class
between the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from twomind.adaptation import caches, divergences, mapping, unlabelled
from twomind.core.errors import BadInput
from twomind.models.embedding import from_logits
from twomind.types import Access, Features, Given, Prediction, State, Trainable


@dataclass(frozen=True)
class Coral:
    """How it adapts, setting by setting."""

    #: share of the identity in the covariances
    shrink: float = 0.2
    #: align the means too
    means: bool = True
    #: ``target``; or ``neutral``, which is refused without ``force``
    data: str = "target"
    force: bool = False
    #: refuse where the source model sees a second class in a smaller share than this
    rarest: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.shrink <= 1:
            raise BadInput(f"shrink: expected a share from 0 to 1, got {self.shrink}")

    @property
    def needs(self) -> Access:
        return Access.SOURCE | unlabelled.access(self.data)

    def begin(self, model: Trainable, given: Given) -> State:
        xs = unlabelled.windows(model, given, self.data, self.force, self.rarest, "coral")
        z, _, _ = mapping.labelled_rows(model, given.source or (), "the source")
        target = mapping.rows_of(model, xs, "the person")
        mean = target.mean(0)
        matrix = divergences.recolouring(target, z, self.shrink)
        return {"matrix": matrix, "own": mean, "source": z.mean(0) if self.means else mean}

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        got = caches.read(model, x)
        if isinstance(got, Prediction):
            return got, state
        weight, bias = caches.head(model)
        own = state["own"].numpy()
        source = state["source"].numpy()
        matrix = state["matrix"].numpy()
        z = (got[0] - own) @ matrix + source
        return from_logits(x, z @ weight.T + bias), state


PLUGIN = Coral

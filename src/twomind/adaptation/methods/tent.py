"""Tent: fully test-time adaptation by entropy minimisation (Wang et al., ICLR 2021).

Minimises the entropy of the present window with respect to the scale and shift of the normalisation
layers, one step per window; the answer comes from the forward pass before the step.

Deviations: batches of one window (a person's stream comes one by one); the layer normalisation of
the model stands where the paper has batch normalisation, so no statistics of the batch are used.
Learning rate and momentum are those of the library for ImageNet-C at batch 64, kept. On a
class-blocked stream it drifts to one class: wrap it in ``guarded``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twomind.adaptation import caches, tuning
from twomind.adaptation.losses import entropy_t
from twomind.models.embedding import from_logits
from twomind.types import Access, Features, Given, Prediction, State, Trainable

if TYPE_CHECKING:
    from torch import Tensor


def _mean_entropy(logits: Tensor) -> Tensor:
    return entropy_t(logits).mean()


@dataclass(frozen=True)
class Tent:
    """How it adapts, setting by setting."""

    lr: float = 2.5e-4
    momentum: float = 0.9
    #: gradient steps per window
    steps: int = 1

    @classmethod
    def why_not(cls, model_kind: str) -> str:
        """Why the method cannot adapt a model of this kind (:mod:`twomind.adaptation.traits`)."""
        return tuning.why_not_affine(model_kind)

    @property
    def needs(self) -> Access:
        return Access.NOTHING

    def begin(self, model: Trainable, given: Given) -> State:
        tuned = tuning.copies(model, tuning.affine_names(model))
        return {"tuned": tuned, "speed": {n: v * 0 for n, v in tuned.items()}}

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        got = caches.read(model, x)
        if isinstance(got, Prediction):
            return got, state
        tuned, speed, answer = state["tuned"], state["speed"], None
        for _ in range(self.steps):
            logits, _, grad = tuning.gradient(model, [x], tuned, _mean_entropy)
            answer = logits if answer is None else answer
            tuned, speed = tuning.sgd(tuned, speed, grad, self.lr, self.momentum)
        assert answer is not None
        return from_logits(x, answer[0]), {"tuned": tuned, "speed": speed}


PLUGIN = Tent

"""Threshold calibration on the neutral clip: the boundary moves so that the person's own neutral
stays below it.

Sees a neutral clip of the person; trains nothing, keeps one number. The margin of a window is its
best other logit minus the neutral one; the ``quantile`` of the clip's margins is the person's
threshold, clipped to ``± most``, and is taken off all other logits. Training-free baseline of the
specification; on its small world, balanced accuracy in %: source model 88.4, this 93.6.

``most`` is in logits; a model whose logits are of another scale (a CLIP-like one: 20 to 100) needs
another value. With a short clip the 95 % quantile is its largest margin or next to it, so one odd
window sets it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.adaptation import caches
from twomind.core.errors import BadInput
from twomind.models.embedding import from_logits
from twomind.types import Access, Features, Given, Prediction, State, Trainable


@dataclass(frozen=True)
class NeutralThreshold:
    """How it adapts, setting by setting."""

    #: share of the neutral clip that shall be called neutral
    quantile: float = 0.95
    #: the threshold moves no further than this, in logits
    most: float = 2.0
    #: index of the class that the clip shows
    neutral_class: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise BadInput(f"quantile: expected a share between 0 and 1, got {self.quantile}")
        if not self.most > 0:
            raise BadInput(f"most: expected a number of logits above 0, got {self.most}")

    @property
    def needs(self) -> Access:
        return Access.NEUTRAL

    def begin(self, model: Trainable, given: Given) -> State:
        clip = given.neutral or ()
        read = [logits for _, logits in caches.readings(model, clip)]
        if not read:
            raise BadInput(
                f"expected a neutral clip that the model can read, got {len(clip)} windows of "
                "which "
                "none can"
            )
        logits = np.stack(read).astype(float)
        c = self.neutral_class
        if not 0 <= c < logits.shape[1]:
            raise BadInput(f"neutral_class: expected 0 … {logits.shape[1] - 1}, got {c}")
        others = np.delete(logits, c, axis=1)
        margin = others.max(axis=1) - logits[:, c]
        found = float(np.quantile(margin, self.quantile))
        threshold = float(np.clip(found, -self.most, self.most))
        return {"threshold": threshold, "unclipped": found, "n": len(read)}

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        got = caches.read(model, x)
        if isinstance(got, Prediction):
            return got, state
        logits = got[1].astype(float)
        logits[np.arange(len(logits)) != self.neutral_class] -= state["threshold"]
        return from_logits(x, logits), state


PLUGIN = NeutralThreshold

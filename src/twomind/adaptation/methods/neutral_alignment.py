"""Neutral-mean alignment: the person's neutral mean is moved onto the source's.

Sees a neutral clip of the person and the source's mean embedding per class (``SUMMARY``, name
``class_mean``); trains nothing, keeps one vector. Training-free baseline of the specification; on
its small world (an additive shift, which is what this undoes), balanced accuracy in %: source model
88.4, this 91.4 (97.3 of neutral and 85.6 of the rest found).

``strength`` below 1 moves part of the way. A short clip's mean is noisy: ``worth`` counts as that
many more windows in which the person's neutral is the source's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.adaptation import caches
from twomind.core.errors import BadInput
from twomind.models.embedding import from_logits
from twomind.types import Access, Features, Given, Prediction, State, Trainable


@dataclass(frozen=True)
class NeutralAlignment:
    """How it adapts, setting by setting."""

    #: share of the way
    strength: float = 1.0
    #: windows that the absence of a shift is worth
    worth: float = 0.0
    #: index of the class that the clip shows
    neutral_class: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1 or self.worth < 0:
            raise BadInput(
                f"expected strength above 0 and at most 1, worth >= 0; got {self.strength}, "
                f"{self.worth}"
            )

    @property
    def needs(self) -> Access:
        return Access.NEUTRAL | Access.SUMMARY

    def begin(self, model: Trainable, given: Given) -> State:
        clip = given.neutral or ()
        summary = given.summary or {}
        read = caches.embeddings(model, clip)
        if not read:
            raise BadInput(
                f"expected a neutral clip that the model can read, got {len(clip)} windows of "
                "which "
                "none can"
            )
        if "class_mean" not in summary:
            has = ", ".join(sorted(summary)) or "nothing"
            raise BadInput(
                f"expected a summary of the source with class_mean (C, D), got {has}; make it with "
                "twomind.adaptation.summary.class_means(model, source)"
            )
        means = np.asarray(summary["class_mean"], np.float32)
        own = np.stack(read).mean(axis=0)
        fits = means.ndim == 2 and means.shape[1] == len(own)
        if not fits or not 0 <= self.neutral_class < len(means):
            raise BadInput(
                f"class_mean: expected (C, {len(own)}) with a class {self.neutral_class}, got "
                f"{means.shape}"
            )
        neutral = means[self.neutral_class]
        if not np.isfinite(neutral).all():
            raise BadInput(
                f"class_mean: the source had no window of the neutral class {self.neutral_class}"
            )
        share = self.strength * len(read) / (len(read) + self.worth)
        offset = share * (neutral - own)
        return {"offset": offset.astype(np.float32), "n": len(read)}

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        got = caches.read(model, x)
        if isinstance(got, Prediction):
            return got, state
        _, logits = got
        weight, _ = caches.head(model)
        return from_logits(x, logits + state["offset"] @ weight.T), state


PLUGIN = NeutralAlignment

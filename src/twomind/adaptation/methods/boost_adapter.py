"""BoostAdapter: TDA boosted by the window's own views (Zhang et al., NeurIPS 2024), on embeddings.

As TDA; before the answer, the most confident share of the window's views joins, with their own
predicted classes, a *copy* of the positive cache whose capacity is larger by ``extra``. The
persistent cache keeps the window alone. The negative cache is first in, first out.

Deviations: the views are the window's own frames (the paper: 64 random crops and flips); entropies
are fractions of ``ln C``; the cache terms are in the scale of the model's own logits, as in
``tda``; the remaining constants are TDA's for ImageNet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twomind.adaptation import caches
from twomind.adaptation.losses import confident, entropy, softmax, unit
from twomind.models.embedding import from_logits
from twomind.types import Access, Features, Given, Prediction, State, Trainable


@dataclass(frozen=True)
class BoostAdapter:
    """TDA's cache, boosted by views of the window itself; settings are named as in ``tda``."""

    n_pos: int = 3
    alpha_pos: float = 2.0
    beta_pos: float = 5.0
    n_neg: int = 2
    alpha_neg: float = 0.117
    beta_neg: float = 1.0
    entropy_low: float = 0.2
    entropy_high: float = 0.5
    mask_low: float = 0.03
    mask_high: float = 1.0
    #: as in ``tda``: ``scale``, or ``released``
    alpha_unit: str = "scale"
    #: share of the views that joins the copy
    share: float = 0.1
    #: entries per class more in the copy (the authors: 0 to 3, per data set)
    extra: int = 1

    def __post_init__(self) -> None:
        caches.one_of("boost-adapter alpha_unit", self.alpha_unit, ("scale", "released"))

    @property
    def needs(self) -> Access:
        return Access.NOTHING

    def begin(self, model: Trainable, given: Given) -> State:
        return caches.positive_and_negative(model, self.n_pos, self.n_neg)

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        got = caches.read(model, x)
        if isinstance(got, Prediction):
            return got, state
        embedding, logits = got
        z = unit(embedding)
        n = state["n"]
        probs = softmax(logits)
        h = float(entropy(probs))
        c = int(probs.argmax())
        positive = caches.insert(state["positive"], c, z, h, n)
        negative = state["negative"]
        if self.entropy_low < h / math.log(len(probs)) < self.entropy_high:
            mask = (probs > self.mask_low) & (probs < self.mask_high)
            # -n as the sort key puts the newest first, so that a full class loses its oldest entry
            negative = caches.insert(negative, c, z, -float(n), n, mask=mask.astype(np.float32))
        boosted = self._boosted(model, x, positive, n)
        pull = caches.affinity(boosted["z"], boosted["at"] >= 0, z, self.beta_pos)
        push = caches.affinity(negative["z"], negative["at"] >= 0, z, self.beta_neg)
        pushed = (push[..., None] * negative["mask"]).sum(axis=(0, 1))
        weight, _ = caches.head(model)
        released = self.alpha_unit == "released"
        share = 1.0 if released else caches.of_clip_scale(weight, embedding)
        final = logits + share * (self.alpha_pos * pull.sum(axis=1) - self.alpha_neg * pushed)
        after = {"positive": positive, "negative": negative, "n": n + 1}
        return from_logits(x, final), after

    def _boosted(
        self, model: Trainable, x: Features, positive: caches.Cache, n: int
    ) -> caches.Cache:
        """A copy with more room, and the most confident frames in it."""
        import torch

        views = caches.frames(model, x)
        copy = caches.widened(positive, self.extra)
        if len(views) < 2:
            return copy
        with torch.no_grad():
            embeddings, answers = model.run(views)
        z = caches.as_array(embeddings)
        logits = caches.as_array(answers)
        probs = softmax(logits)
        for i in confident(logits, self.share):
            c = int(probs[i].argmax())
            h = float(entropy(probs[i]))
            copy = caches.insert(copy, c, unit(z[i]), h, n)
        return copy


PLUGIN = BoostAdapter

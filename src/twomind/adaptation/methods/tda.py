"""TDA: a training-free dynamic adapter of two caches (Karmanov et al., CVPR 2024;
github.com/kdiAAA/TDA).

``logits + alpha_p sum exp(-beta_p (1 - cos)) onehot - alpha_n sum exp(-beta_n (1 - cos)) mask``.
Positive: the windows of lowest entropy per predicted class. Negative: windows whose entropy is in a
band, with the mask of their probabilities that lie in another band. A window is written before it
is looked up, and can find itself. Nothing is reset inside.

Deviations by default: the cache terms are in the scale of the model's own logits, since the
authors' constants are made for CLIP's ``100 cos`` (``alpha_unit="released"`` adds them as they are;
at CLIP's scale the two are the same); and entropies are fractions of ``ln C``. The released program
divides nats by ``log2 C``, so that for C = 2 its "normalised" entropy is nats and ends at 0.693:
``entropy_unit="released"``. Views by augmentation (64, used by the authors on the
out-of-distribution ImageNet sets only) do not exist on embeddings and are left out. Constants of
the caches are the authors' for ImageNet; the mask's lower end too. Retune them on source people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twomind.adaptation import caches
from twomind.adaptation.losses import entropy, softmax, unit
from twomind.models.embedding import from_logits
from twomind.types import Access, Features, Given, Prediction, State, Trainable


@dataclass(frozen=True)
class TDA:
    """Settings; names follow the authors' configuration."""

    n_pos: int = 3
    alpha_pos: float = 2.0
    beta_pos: float = 5.0
    n_neg: int = 2
    alpha_neg: float = 0.117
    beta_neg: float = 1.0
    #: band of the entropy in which a window goes to the negative cache, ends excluded
    entropy_low: float = 0.2
    entropy_high: float = 0.5
    #: band of the probabilities that the negative cache pushes down, ends excluded
    mask_low: float = 0.03
    mask_high: float = 1.0
    #: ``fraction`` of ln C, or ``released``: nats divided by log2 C
    entropy_unit: str = "fraction"
    #: ``scale``: alphas are for logits of CLIP's scale and follow the model's own; or ``released``:
    #: as they are
    alpha_unit: str = "scale"

    def __post_init__(self) -> None:
        caches.one_of("tda alpha_unit", self.alpha_unit, ("scale", "released"))
        caches.one_of("tda entropy_unit", self.entropy_unit, ("fraction", "released"))

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
        fraction = self.entropy_unit == "fraction"
        most = math.log(len(probs)) if fraction else math.log2(len(probs))
        positive = caches.insert(state["positive"], c, z, h, n)
        negative = state["negative"]
        if self.entropy_low < h / most < self.entropy_high:
            mask = (probs > self.mask_low) & (probs < self.mask_high)
            negative = caches.insert(negative, c, z, h, n, mask=mask.astype(np.float32))
        pull = caches.affinity(positive["z"], positive["at"] >= 0, z, self.beta_pos)
        push = caches.affinity(negative["z"], negative["at"] >= 0, z, self.beta_neg)
        pushed = (push[..., None] * negative["mask"]).sum((0, 1))
        weight, _ = caches.head(model)
        released = self.alpha_unit == "released"
        share = 1.0 if released else caches.of_clip_scale(weight, embedding)
        final = logits + share * (self.alpha_pos * pull.sum(axis=1) - self.alpha_neg * pushed)
        after = {"positive": positive, "negative": negative, "n": n + 1}
        return from_logits(x, final), after


PLUGIN = TDA

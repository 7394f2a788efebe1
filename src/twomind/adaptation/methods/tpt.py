"""TPT: test-time prompt tuning (Shu et al., NeurIPS 2022; github.com/azshue/TPT), on embeddings.

Per window: of several views, keep the most confident share; one AdamW step on the entropy of their
*mean* probability; predict the window with the tuned weights; forget them. So nothing is remembered
from window to window.

Deviations, and they are large: the views are the window's own frames (the paper: 63 augmented
pictures), and the class vectors of the head are tuned in place of the four context tokens whose
text tower would make them. It is TPT's objective and schedule, not its parametrisation; prompt
tuning with the text tower is ``clip-autt``. A window of one frame has one view: then it is the
entropy of that one.
"""

from __future__ import annotations

from dataclasses import dataclass

from twomind.adaptation import caches, tuning
from twomind.adaptation.losses import confident, marginal_entropy_t
from twomind.models.embedding import from_logits
from twomind.types import Access, Features, Given, Prediction, State, Trainable

#: What the class vectors are called: of a linear head, of CLIP-AU, of CLIP against class text.
CLASS_VECTORS = ("head.weight", "temporal_classifier.2.weight", "text")


@dataclass(frozen=True)
class TPT:
    """Settings; the values are the paper's."""

    lr: float = 5e-3
    decay: float = 1e-2
    #: share of the views that is kept
    share: float = 0.1
    #: what is tuned; of a model without a ``head.weight``, its class vectors by another name
    tuned: str = "head.weight"

    @property
    def needs(self) -> Access:
        return Access.NOTHING

    def begin(self, model: Trainable, given: Given) -> State:
        tuning.copies(model, [self._name(model)])  # an early word when the model has no such weight
        return {}

    def _name(self, model: Trainable) -> str:
        """What the model calls what is tuned."""
        known = model.params()
        if self.tuned in known or self.tuned != CLASS_VECTORS[0]:
            return self.tuned
        return next((name for name in CLASS_VECTORS if name in known), self.tuned)

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        import torch

        got = caches.read(model, x)
        if isinstance(got, Prediction):
            return got, state
        views = caches.frames(model, x) or [x]
        with torch.no_grad():
            _, logits = model.run(views)
        chosen = [views[i] for i in confident(logits.cpu().numpy(), self.share)]
        weights = tuning.copies(model, [self._name(model)])
        _, _, grad = tuning.gradient(model, chosen, weights, marginal_entropy_t)
        with torch.no_grad():
            _, final = model.run([x], tuning.adamw_first(weights, grad, self.lr, self.decay))
        return from_logits(x, final[0]), state


PLUGIN = TPT

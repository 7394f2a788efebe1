"""T3A: test-time classifier adjustment (Iwasawa and Matsuo, NeurIPS 2021).

Supports per class start as the head's own row; each window joins the supports of its predicted
class with its entropy, and the ``n_supports`` of lowest entropy stay. The class template is the
normalised sum of the supports; the score is embedding times template. The window is written before
it is scored.

Deviations: supports are windows alone, and until every class has one, the source answers
(``start="source"``). The released program starts with the head's rows (``start="released"``), which
are no embeddings: where all windows share a direction, as behind a ReLU, a row is far from every
window, and of two classes the one with fewer windows is held back by it. The released branch "all
supports" drops the worst one each time; here the number is always bounded. The scores are scaled by
the length of the head's row (the paper's have no scale; the label is the same when the rows are of
one length), so that probabilities stay comparable with the source's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.adaptation import caches
from twomind.adaptation.losses import entropy, softmax, unit
from twomind.models.embedding import from_logits
from twomind.types import Access, Features, Given, Prediction, State, Trainable


@dataclass(frozen=True)
class T3A:
    """How it adapts, setting by setting."""

    #: supports kept per class (the paper's grid: 1, 5, 20, 50, 100)
    n_supports: int = 20
    #: ``source``: windows alone are supports; or ``released``: the head's rows too, from the start
    start: str = "source"

    def __post_init__(self) -> None:
        caches.one_of("t3a start", self.start, ("source", "released"))

    @property
    def needs(self) -> Access:
        return Access.NOTHING

    def begin(self, model: Trainable, given: Given) -> State:
        weight, bias = caches.head(model)
        supports = caches.empty(len(weight), self.n_supports, weight.shape[1])
        for row in weight if self.start == "released" else ():
            probs = softmax(weight @ row + bias)
            supports = caches.insert(
                supports, int(probs.argmax()), unit(row), float(entropy(probs)), 0
            )
        return {"supports": supports, "n": 1}

    def step(self, model: Trainable, state: State, x: Features) -> tuple[Prediction, State]:
        got = caches.read(model, x)
        if isinstance(got, Prediction):
            return got, state
        z, logits = got
        weight, _ = caches.head(model)
        probs = softmax(logits)
        c = int(probs.argmax())
        n = state["n"]
        supports = caches.insert(state["supports"], c, unit(z), float(entropy(probs)), n)
        after = {"supports": supports, "n": n + 1}
        there = supports["count"] > 0
        if self.start == "source" and not there.all():
            return model.predict(x), after
        # Released: a head's row may not even be of its own class; then the row itself stands.
        templates = np.where(there[:, None], unit(supports["z"].sum(axis=1)), unit(weight))
        scores = (templates @ z) * np.linalg.norm(weight, axis=1)
        return from_logits(x, scores), after


PLUGIN = T3A

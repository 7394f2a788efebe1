"""A few coded answers of the person: a shifted prior, shrunk towards the source and averaged over
what is not known.

A random intercept per person on the log-odds of any recogniser (only ``model.predict`` is asked),
its spread between people fitted on source people where the protocol hands over a summary, else
stated (:mod:`twomind.adaptation.offsets` has the formula). With no coded answer it is the source,
exactly. The coded answers' labels are all it ever sees.

What it learns is that *this person's answers are coded this often*. A coder's habit with a person,
or a wording of the person that a coder takes for A/H, looks the same. The published line of thought
is shrinkage of a random effect (Robinson 1991, "That BLUP is a good thing"); no code was followed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twomind.adaptation import offsets
from twomind.adaptation.losses import softmax
from twomind.core.errors import BadInput
from twomind.types import Access, Evidence, Features, Given, Prediction, Recogniser, State, Status
from twomind.types.plain import Array

#: Names in a summary: the spread between source people (log-odds), one number.
SUMMARY_SD = "person_offset_sd"


@dataclass(frozen=True)
class FewShot:
    """How it adapts, setting by setting."""

    #: where the spread between people comes from: ``stated`` (``sd``) or ``summary`` (fitted on
    #: source people)
    prior: str = "stated"
    #: standard deviation of the log-odds between people; with ``prior="summary"`` it is not used
    sd: float = offsets.DEFAULT_SD

    def __post_init__(self) -> None:
        if self.prior not in ("stated", "summary"):
            raise BadInput(f"few_shot: prior: expected stated or summary, got {self.prior!r}")
        if not 0 <= self.sd < 100:
            raise BadInput(f"few_shot: sd: expected log-odds from 0 to 100, got {self.sd}")

    @property
    def needs(self) -> Access:
        return Access.FEW | Access.SUMMARY if self.prior == "summary" else Access.FEW

    def begin(self, model: Recogniser, given: Given) -> State:
        assert given.few is not None
        n_classes = len(model.task.classes)
        rows, labels = [], []
        for example in given.few:
            if not 0 <= example.y < n_classes:
                raise BadInput(
                    f"few_shot: a coded answer has the label {example.y}; expected 0 to "
                    f"{n_classes - 1}"
                )
            logits = _logits(model.predict(example.x))
            if logits is not None:  # what was not measured says nothing about the offset
                rows.append(logits)
                labels.append(example.y)
        sd = self._sd(given)
        coded = np.array(rows, float).reshape(-1, n_classes)
        found = offsets.estimate(coded, np.array(labels, int), sd)
        return {"shift": found.shift, "variance": found.variance, "n": found.n, "sd": sd}

    def _sd(self, given: Given) -> float:
        if self.prior == "stated":
            return self.sd
        summary = given.summary or {}
        if SUMMARY_SD not in summary:
            raise BadInput(
                f"few_shot: prior=summary expects {SUMMARY_SD!r} in the summary "
                "(personalise.offsets.fit_sd on source "
                f"people), got {', '.join(sorted(summary)) or 'nothing'}; or use prior=stated"
            )
        return float(np.asarray(summary[SUMMARY_SD]).reshape(()))

    def step(self, model: Recogniser, state: State, x: Features) -> tuple[Prediction, State]:
        before = model.predict(x)
        logits = _logits(before)
        if logits is None:
            return before, state
        offset = offsets.Offset(state["shift"], state["variance"], state["n"])
        after = offsets.apply(logits, offset, state["sd"])
        # The band was observed around the source's own scores; around a person's it was not.
        kept = tuple(e for e in before.evidence if e.kind not in ("band", "no_band"))
        if len(after) == 2:
            source_odds = logits[1] - logits[0]
            moved = float((after[1] - after[0]) - source_odds)
            kept = (*kept, Evidence("part", "person", moved, "log-odds"))
        return replace(before, probs=softmax(after), logits=after, evidence=kept), state


def _logits(prediction: Prediction) -> Array | None:
    """Log-odds ``(C,)`` of an answer, or None where nothing was measured."""
    if prediction.status is Status.NOT_MEASURED:
        return None
    if prediction.logits is not None:
        return np.asarray(prediction.logits, float)
    logs: Array = np.log(np.maximum(prediction.probs, 1e-12))
    return logs


PLUGIN = FewShot

"""Tasks, predictions and why they came out as they did; what every recogniser offers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np

from twomind.types.features import Features
from twomind.types.plain import Array, Foreign, ToDict
from twomind.types.recording import check_span


class Status(StrEnum):
    """Whether a number stands behind a statement."""

    OK = "ok"
    NOT_MEASURED = "not_measured"
    ABSTAINED = "abstained"


@dataclass(frozen=True)
class Task(ToDict):
    """The question a model answers, saved with the model. The order of ``classes`` is a
    contract.
    """

    name: str
    classes: tuple[str, ...]
    grain: str = "clip"

    def __post_init__(self) -> None:
        if self.grain not in ("frame", "window", "clip"):
            raise ValueError(
                f"Task {self.name!r}: expected grain frame, window or clip, got {self.grain!r}"
            )
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError(
                f"Task {self.name!r}: expected at least two different classes, got {self.classes}"
            )


#: The video-level question of the BAH data set. Class 1 is "present".
AMBIVALENCE = Task("ambivalence_hesitancy", ("absent", "present"), "clip")


@dataclass(frozen=True)
class Evidence(ToDict):
    """Why a prediction came out as it did: one additive part of the score, with its time where it
    has one.

    ``kind`` is ``part`` (question, length, content), ``word``, ``cue`` …; ``value`` is in the unit
    named.
    """

    kind: str
    name: str
    value: float
    unit: str
    start_s: float = math.nan
    end_s: float = math.nan


@dataclass(frozen=True)
class Prediction(ToDict):
    """One answer with its time span, or an honest "not measured": ``probs`` all nan, and ``reason``
    says why.
    """

    span_s: tuple[float, float]
    probs: Array
    status: Status = Status.OK
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()
    logits: Array | None = None

    def __post_init__(self) -> None:
        check_span("Prediction", *self.span_s)
        if self.probs.ndim != 1 or len(self.probs) < 2:
            raise ValueError(f"Prediction: expected probs (C,) with C >= 2, got {self.probs.shape}")
        if self.status is Status.NOT_MEASURED:
            if not np.all(np.isnan(self.probs)):
                raise ValueError(
                    "Prediction: a not-measured answer carries no number; expected probs all nan"
                )
        elif not (np.all(self.probs >= 0) and abs(float(self.probs.sum()) - 1) < 1e-6):
            raise ValueError(
                f"Prediction: expected finite non-negative probs that sum to 1, got {self.probs}"
            )
        if self.status is not Status.OK and not self.reason:
            raise ValueError(f"Prediction: status {self.status} needs a reason")

    @property
    def why_no_band(self) -> str:
        """Why the probability has no band, where the model says so; empty otherwise."""
        return next((e.name for e in self.evidence if e.kind == "no_band"), "")

    @classmethod
    def not_measured(cls, span_s: tuple[float, float], n_classes: int, reason: str) -> Prediction:
        """No number, and why."""
        return cls(span_s, np.full(n_classes, np.nan), Status.NOT_MEASURED, reason)


@runtime_checkable
class Recogniser(Protocol):
    """What gives an answer: a task, and one window in, one prediction out.

    A whole model owes more: :class:`twomind.models.base.Model`.
    """

    @property
    def task(self) -> Task: ...

    def predict(self, x: Features) -> Prediction: ...


@runtime_checkable
class Trainable(Recogniser, Protocol):
    """A recogniser whose weights are an argument: nothing that adapts may touch the shared ones.

    What is ``Foreign`` here is an array of the library that the model computes in:
    ``torch.Tensor`` for all that ship. Types stay without torch.
    """

    def params(self) -> Mapping[str, Foreign]:
        """Every weight and buffer by name. Callers never write into them."""
        ...

    def run(
        self, xs: Sequence[Features], params: Mapping[str, Foreign] | None = None
    ) -> tuple[Foreign, Foreign]:
        """Embedding ``(B, D)`` and logits ``(B, C)`` of ``B`` windows.

        Args:
            xs: windows; each has what the model reads, else ``ValueError``.
            params: stands in for some or all of the weights, by name.
        """
        ...

    def head(self, params: Mapping[str, Foreign] | None = None) -> tuple[Foreign, Foreign]:
        """``weight (C, D)`` and ``bias (C,)`` with ``logits = embedding @ weight.T + bias``.

        Of a CLIP-like model the embedding has length 1 and a row's length is the logit scale.
        """
        ...

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
    """Whether a number stands behind a statement.

    Example:
        >>> from twomind.types import Prediction, Status
        >>> Prediction.not_measured((0.0, 1.0), 2, "no face").status is Status.NOT_MEASURED
        True
    """

    OK = "ok"
    NOT_MEASURED = "not_measured"
    ABSTAINED = "abstained"


@dataclass(frozen=True)
class Task(ToDict):
    """The question a model answers, saved with the model.

    Args:
        name: of the question.
        classes: at least two, all different. Their order is a contract: a class is its index here.
        grain: what is judged: ``frame``, ``window`` or ``clip`` (a whole recording).

    Raises:
        ValueError: an unknown grain, fewer than two classes, or one that is there twice.

    Example:
        >>> from twomind.types import Task
        >>> Task("pain", ("neutral", "pain"), "window").classes.index("pain")
        1
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

    Args:
        kind: ``part`` (question, length, content), ``word``, ``cue`` ...
        name: which one.
        value: how much it adds to the score.
        unit: of ``value``.
        start_s: when, seconds on the recording's clock; nan where it has no time.
        end_s: until when, seconds; nan where it has no time.

    Example:
        >>> from twomind.types import Evidence
        >>> Evidence("word", "maybe", 0.4, "log odds", 1.2, 1.6).to_dict()["value"]
        0.4
    """

    kind: str
    name: str
    value: float
    unit: str
    start_s: float = math.nan
    end_s: float = math.nan


@dataclass(frozen=True)
class Prediction(ToDict):
    """One answer with its time span, or "not measured", without a number and with the reason.

    Args:
        span_s: start and end in seconds on the recording's clock.
        probs: ``(C,)`` in the order of the task's classes, sum 1; all nan where not measured.
        status: whether a number stands behind it.
        reason: why it is not ``ok``.
        evidence: why it came out so.
        logits: ``(C,)`` before the softmax, where the model has them.

    Raises:
        ValueError: probabilities that do not sum to 1, a number where nothing was measured, or no
            reason where one is due.

    Example:
        >>> import numpy as np
        >>> from twomind.types import Prediction
        >>> Prediction((0.0, 12.0), np.array([0.3, 0.7])).status.value
        'ok'
        >>> Prediction.not_measured((0.0, 12.0), 2, "no face").to_dict()["probs"]
        [None, None]
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
        """A prediction without a number: ``probs`` is all nan, and ``reason`` says why.

        Args:
            span_s: start and end in seconds on the recording's clock.
            n_classes: of the task.
            reason: why nothing was measured; not empty.
        """
        return cls(span_s, np.full(n_classes, np.nan), Status.NOT_MEASURED, reason)


@runtime_checkable
class Recogniser(Protocol):
    """What gives an answer: a task, and one window in, one prediction out.

    A whole model owes more: :class:`twomind.models.base.Model`.

    Example:
        >>> from twomind.models import load
        >>> from twomind.types import Recogniser
        >>> isinstance(load("words"), Recogniser)
        True
    """

    @property
    def task(self) -> Task: ...

    def predict(self, x: Features) -> Prediction: ...


@runtime_checkable
class Trainable(Recogniser, Protocol):
    """A recogniser whose weights are an argument: nothing that adapts may touch the shared ones.

    What is ``Foreign`` here is an array of the library that the model computes in:
    ``torch.Tensor`` for all that ship. Types stay without torch.

    Example:
        >>> from twomind.adaptation.check import toy
        >>> from twomind.types import Trainable
        >>> world = toy()
        >>> isinstance(world.model, Trainable)
        True
        >>> embedding, logits = world.model.run(world.windows["anna"][:3])
        >>> tuple(embedding.shape), tuple(logits.shape)
        ((3, 16), (3, 2))
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

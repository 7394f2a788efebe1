"""A synthetic study as features, in the shape of a data set: for protocols and scoring without a single
picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.datasets import protocols
from twomind.types import AMBIVALENCE, Features, Fold, Recording, Task
from twomind_synth.studies.features import ClipTruth, StudyFeatures

#: What the layouts ask, as their readers name it: classes in this order.
TASKS = {
    "bah": Task("ambivalence_hesitancy_windows", ("absent", "present"), "window"),
    "biovid": Task("pain", ("neutral", "pain"), "clip"),
    "stressid": Task("stress", ("neutral", "stress"), "clip"),
}
#: The drawn BAH answers also as wholes, and frame by frame.
_FURTHER_TASKS = {
    "bah": (AMBIVALENCE, Task("ambivalence_hesitancy_frames", ("absent", "present"), "frame"))
}
#: Clips elicited to be neutral: how they were made, never how they were coded.
_NEUTRAL = {"bah": ("1",), "biovid": ("BL1",), "stressid": ("Relax", "Breathing")}


@dataclass(frozen=True)
class DrawnSet:
    """What :mod:`twomind.evaluation` asks of a data set, answered from
    :func:`twomind_synth.studies.features.study_features`."""

    study: StudyFeatures
    order: str = "shuffled"
    note: str = ""  # what tells this study from one with the defaults; stands in its name
    _by_id: Mapping[str, tuple[Features, ClipTruth]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.order not in ("shuffled", "class_blocked"):
            raise BadInput(f"order: expected shuffled or class_blocked, got {self.order!r}")
        pairs = {
            t.recording: (x, t) for x, t in zip(self.study.features, self.study.truths, strict=True)
        }
        object.__setattr__(self, "_by_id", pairs)

    @property
    def name(self) -> str:
        return f"drawn {self.study.layout}" + (f" ({self.note})" if self.note else "")

    @property
    def task(self) -> Task:
        return TASKS[self.study.layout]

    @property
    def tasks(self) -> tuple[Task, ...]:
        return (self.task, *_FURTHER_TASKS.get(self.study.layout, ()))

    def recordings(self) -> tuple[Recording, ...]:
        return tuple(
            Recording(
                t.recording,
                t.subject,
                Path(t.recording),
                question=x.question,
                words=x.words,
                drawn=True,
            )
            for x, t in self._by_id.values()
        )

    def features(self, recording: str) -> Features:
        return self._by_id[recording][0]

    def label(self, task: str, recording: str) -> int | None:
        return self._by_id[recording][1].label

    def frame_labels(self, task: str, recording: str, times_s: np.ndarray) -> np.ndarray:
        """``(T,)``: inside an annotated segment or not; where the clip is labelled as a whole, its
        label.
        """
        truth = self._by_id[recording][1]
        if self.study.layout != "bah":
            return np.full(len(times_s), truth.label)
        inside = np.zeros(len(times_s), bool)
        for a, b in truth.segments:
            inside |= (times_s >= a) & (times_s < b)
        return inside.astype(int)

    def people(self) -> Mapping[str, Mapping[str, Any]]:
        return {t.subject: {} for t in self.study.truths}

    def may_be_shown(self, subject: str) -> bool:
        return True

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        """The folds of a protocol; with ``order="class_blocked"`` each person's test clips come
        class by class.
        """
        neutral = _NEUTRAL[self.study.layout]
        several = len({t.visit for t in self.study.truths}) > 1
        takes = [
            protocols.Take(
                t.recording,
                t.subject,
                question=t.task,
                neutral=t.task in neutral,
                split=t.split,
                environment=str(t.visit) if several else "",
            )
            for t in self.study.truths
        ]
        folds = protocols.make(protocol, takes, seed)
        if self.order == "shuffled":
            return folds
        return tuple(
            replace(f, test=tuple(sorted(f.test, key=lambda i: self._by_id[i][1].label)))
            for f in folds
        )

"""Two data sets as one: everybody of the first is source, the target people of the second are tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from twomind.core.errors import BadInput
from twomind.datasets.frames import FrameFolder
from twomind.evaluation.windows import Dataset
from twomind.types import Features, Fold, Recording, Task
from twomind.types.plain import Array


class Framed(Dataset, Protocol):
    """A data set that may hold face crops."""

    def frame_folder(self, recording_id: str) -> FrameFolder | None: ...


@dataclass(frozen=True)
class Across:
    """A data set (``twomind.evaluation.windows.Dataset``) whose folds train on another one.

    Classes correspond by their order: neutral first. ``source_task`` and ``target_task`` must have as
    many.
    """

    source: Framed
    target: Framed
    source_task: Task
    target_task: Task

    def __post_init__(self) -> None:
        n_source, n_target = len(self.source_task.classes), len(self.target_task.classes)
        if n_source != n_target:
            raise BadInput(
                f"across data sets: expected tasks of as many classes, got {n_source} and {n_target}"
            )
        both = set(self._source_ids) & {one.id for one in self.target.recordings()}
        if both:
            raise BadInput(f"across data sets: a recording is in both: {min(both)}")

    @property
    def _source_ids(self) -> tuple[str, ...]:
        return tuple(one.id for one in self.source.recordings())

    @property
    def name(self) -> str:
        return f"{self.source.name} to {self.target.name}"

    @property
    def tasks(self) -> tuple[Task, ...]:
        return (self.target_task,)

    def recordings(self) -> tuple[Recording, ...]:
        return (*self.source.recordings(), *self.target.recordings())

    def label(self, task: str, recording: str) -> int | None:
        dataset, own = self._of(recording)
        return dataset.label(own.name, recording)

    def frame_labels(self, task: str, recording: str, times_s: Array) -> Array:
        dataset, own = self._of(recording)
        return dataset.frame_labels(own.name, recording, times_s)

    def people(self) -> Mapping[str, Mapping[str, object]]:
        return {**self.source.people(), **self.target.people()}

    def may_be_shown(self, subject: str) -> bool:
        dataset = self.source if subject in self.source.people() else self.target
        return dataset.may_be_shown(subject)

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        """The target's folds, trained on everybody of the source."""
        found = []
        for fold in self.target.folds(protocol, seed):
            found.append(replace(fold, train=self._source_ids, val=()))
        return tuple(found)

    def frame_folder(self, recording: str) -> FrameFolder | None:
        dataset, _ = self._of(recording)
        return dataset.frame_folder(recording)

    def _of(self, recording: str) -> tuple[Framed, Task]:
        if recording in set(self._source_ids):
            return self.source, self.source_task
        return self.target, self.target_task


@dataclass(frozen=True)
class Either:
    """recording id → features, of whichever data set it belongs to; picklable."""

    names: frozenset[str]  # recordings of the first
    first: Callable[[str], Features]
    second: Callable[[str], Features]

    def __call__(self, recording: str) -> Features:
        reading = self.first if recording in self.names else self.second
        return reading(recording)


__all__ = ["Across", "Either"]

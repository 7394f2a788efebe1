"""Clips whose names say whose they are, as films and as folders of crops: what BioVid and StressID
share.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from twomind.datasets import common
from twomind.datasets.checking import (
    Finding,
    Report,
    counted,
    film_fault,
    film_length_s,
    gaps,
    is_drawn,
    picture_faults,
    shown,
)
from twomind.datasets.frames import Clock, FrameFolder, FrameLabels
from twomind.datasets.protocols import Take
from twomind.types import Fold, Progress, Recording, Task


class Clips:
    """A data set of clips ``<person>/<clip>``. A subclass says how its names read, and what its
    labels are.
    """

    name: ClassVar[str]
    licence: ClassVar[str]
    access: ClassVar[str]
    looks_for: ClassVar[str]
    tasks: ClassVar[tuple[Task, ...]]
    protocols: ClassVar[tuple[str, ...]]
    targets: ClassVar[tuple[str, ...]]

    #: Names of clips, with the groups ``subject``, ``visit`` and maybe ``task``; and of people's
    #: folders.
    clip_name: ClassVar[re.Pattern[str]]
    person_name: ClassVar[re.Pattern[str]]
    #: Where films and crops may lie; a film that is not there is expected in the first.
    film_folders: ClassVar[tuple[str, ...]]
    crop_folders: ClassVar[tuple[str, ...]]
    #: What a check says of a clip without ``film`` or ``crops``, and of a file that is no clip.
    lacks: ClassVar[str]
    stranger: ClassVar[str]
    words_reason: ClassVar[str] = "no transcript was given"

    def __init__(self, root: Path | str) -> None:
        self.root = common.fitting(self, root)
        self.problems: list[Finding] = []

    @classmethod
    def fits(cls, root: Path) -> bool:
        return bool(cls._find(Path(root), first_only=True))

    @classmethod
    def _find(cls, root: Path, first_only: bool = False) -> dict[str, dict[str, Path]]:
        return common.clips_by_name(
            root, cls.film_folders, cls.crop_folders, cls.person_name, cls.clip_name, first_only
        )

    @classmethod
    def parse(cls, name: str) -> re.Match[str]:
        """The parts of a clip's name, which must be one."""
        match = cls.clip_name.match(name)
        assert match is not None, name
        return match

    # --- what a subclass says
    # ----------------------------------------------------------------------------------------

    def listed(self) -> Iterable[str]:
        """Clips that the data set's own table names."""
        raise NotImplementedError

    def order(self, name: str) -> tuple[str | float, ...]:
        """By what clips are sorted."""
        return (name,)

    @cached_property
    def clock(self) -> Clock:
        """Seconds of the crops' numbers."""
        raise NotImplementedError

    def label(self, task_name: str, recording_id: str) -> int | None:
        raise NotImplementedError

    def people(self) -> Mapping[str, Mapping[str, str]]:
        raise NotImplementedError

    def takes(self) -> tuple[Take, ...]:
        raise NotImplementedError

    def unlabelled(self, name: str) -> str:
        """Why a check misses the clip's label; "" when it does not."""
        return ""

    def conflict(self, name: str, labels: FrameLabels) -> str:
        """How the labels of the clip's frames contradict the data set; "" when they do not."""
        raise NotImplementedError

    def lacking(self) -> list[Finding]:
        """What a check misses beyond the listed clips."""
        return []

    def remarks(self) -> list[str]:
        """Further notes of a check."""
        return []

    # --- what follows
    # ------------------------------------------------------------------------------------------------

    @cached_property
    def clips(self) -> dict[str, dict[str, Path]]:
        """Every clip found or listed: name → ``film`` and ``crops``, as far as there."""
        found = self._find(self.root)
        for name in [*self.listed(), *self.frame_lists]:
            found.setdefault(name, {})
        return dict(sorted(found.items(), key=lambda item: self.order(item[0])))

    @cached_property
    def frame_lists(self) -> dict[str, FrameLabels]:
        """Laboratories' label files: labels of the frames of each clip."""
        found, problems = common.frame_lists(self.root, self.clip_name)
        self.problems += [Finding(path, problem) for path, problem in problems]
        return found

    def recordings(self) -> tuple[Recording, ...]:
        return self._recordings

    @cached_property
    def _recordings(self) -> tuple[Recording, ...]:
        drawn = is_drawn(self.root)
        found = []
        for name, parts in self.clips.items():
            match, film = self.parse(name), parts.get("film")
            found.append(
                Recording(
                    id=name,
                    subject=match["subject"],
                    media=film
                    or self.root / self.film_folders[0] / match["subject"] / f"{name}.mp4",
                    question=match.groupdict().get("task"),
                    duration_s=film_length_s(film) if film else float("nan"),
                    words_reason=self.words_reason,
                    drawn=drawn,
                )
            )
        return tuple(found)

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        """The clip's label throughout: the set labels clips, not frames."""
        label = self.label(task_name, recording_id)
        return np.full(len(times_s), -1 if label is None else label, np.int64)

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        folder = self.clips.get(recording_id, {}).get("crops")
        return FrameFolder(folder, self.clock) if folder else None

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        crops = {name: parts["crops"] for name, parts in self.clips.items() if "crops" in parts}
        return common.guarded_folds(
            self.protocols, protocol, seed, self.recordings(), self.takes(), self.targets, crops
        )

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        missing: list[Finding] = []
        corrupted: list[Finding] = []
        conflicts: list[Finding] = []
        has = {
            kind: any(kind in parts for parts in self.clips.values()) for kind in ("film", "crops")
        }
        notes = [
            f"no {what}"
            for kind, what in (("film", "films"), ("crops", "face crops"))
            if not has[kind]
        ]
        for name, parts in counted(self.clips.items(), "looking at clips", progress):
            absent = [
                self.lacks.format(kind)
                for kind, present in has.items()
                if present and kind not in parts
            ]
            missing += [Finding(name, why) for why in [*absent, self.unlabelled(name)] if why]
            fault = film_fault(parts["film"], deep) if "film" in parts else ""
            if fault:
                corrupted.append(Finding(shown(parts["film"], self.root), fault))
            if "crops" in parts:
                corrupted += [
                    Finding(shown(p, self.root), why)
                    for p, why in picture_faults(parts["crops"], deep)
                ]
            labels, folder = self.frame_lists.get(name), self.frame_folder(name)
            if labels is None:
                continue
            lacking = gaps([n for n, _ in folder.files], map(int, labels.numbers)) if folder else ""
            if folder and lacking:
                missing.append(Finding(shown(folder.folder, self.root), lacking))
            conflict = self.conflict(name, labels)
            if conflict:
                conflicts.append(Finding(name, conflict))
        missing += self.lacking()
        extra = common.strangers(self.root, self.clips, self.stranger)
        corrupted += dict.fromkeys(self.problems)
        return Report(
            self.name,
            self.root,
            len(self.clips),
            len(self.people()),
            tuple(missing),
            tuple(extra),
            tuple(corrupted),
            tuple(conflicts),
            (*notes, *self.remarks()),
            deep,
        )

"""Clips whose names say whose they are, as films and as folders of crops: what BioVid and StressID
share.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from twomind.datasets import common
from twomind.datasets.base import Folder
from twomind.datasets.checking import (
    Finding,
    Found,
    Report,
    counted,
    film_fault,
    film_header,
    gaps,
    is_drawn,
    picture_faults,
    shown,
)
from twomind.datasets.frames import Clock, FrameFolder, FrameLabels
from twomind.types import Progress, Recording

#: What a check calls the two kinds of parts that a clip may have.
_KINDS = {"film": "films", "crops": "face crops"}


class Clips(Folder):
    """A data set of clips ``<person>/<clip>``. A subclass says how its names read, and what its
    labels are.
    """

    #: Names of clips, with the groups ``subject``, ``visit`` and maybe ``task``; and of people's
    #: folders.
    clip_name: ClassVar[re.Pattern[str]]
    person_name: ClassVar[re.Pattern[str]]
    #: Where films and crops may lie; a film that is not there is expected in the first.
    film_folders: ClassVar[tuple[str, ...]]
    crop_places: ClassVar[tuple[str, ...]]
    #: What a check says of a clip without ``film`` or ``crops``, and of a file that is not a clip.
    lacks: ClassVar[str]
    stranger: ClassVar[str]
    words_reason: ClassVar[str] = "no transcript was given"

    @classmethod
    def fits(cls, root: Path) -> bool:
        return any(True for _ in cls._names().found(Path(root)))

    @classmethod
    def _names(cls) -> common.ClipNames:
        return common.ClipNames(cls.film_folders, cls.crop_places, cls.person_name, cls.clip_name)

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
        """The key by which a person's clips are sorted."""
        return (name,)

    @cached_property
    def clock(self) -> Clock:
        """Seconds of the crops' numbers."""
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
        found: dict[str, dict[str, Path]] = {}
        for name, kind, path in self._names().found(self.root):
            found.setdefault(name, {}).setdefault(kind, path)
        for name in [*self.listed(), *self.frame_lists]:
            found.setdefault(name, {})
        return {name: found[name] for name in sorted(found, key=self.order)}

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
            match = self.parse(name)
            subject = match["subject"]
            film = parts.get("film")
            header = film_header(film)
            expected = self.root / self.film_folders[0] / subject / f"{name}.mp4"
            recording = Recording(
                id=name,
                subject=subject,
                media=film or expected,
                question=match.groupdict().get("task"),
                duration_s=header.length_s,
                words_reason=self.words_reason,
                drawn=drawn or header.drawn,
            )
            found.append(recording)
        return tuple(found)

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        folder = self.clips.get(recording_id, {}).get("crops")
        return FrameFolder(folder, self.clock) if folder else None

    def crop_folders(self) -> Mapping[str, Path]:
        return {name: parts["crops"] for name, parts in self.clips.items() if "crops" in parts}

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        found = Found()
        held = {kind for parts in self.clips.values() for kind in parts}
        found.notes += [f"no {what}" for kind, what in _KINDS.items() if kind not in held]
        for name, parts in counted(self.clips.items(), "looking at clips", progress):
            for kind in _KINDS:
                if kind in held and kind not in parts:
                    found.missing.append(Finding(name, self.lacks.format(kind)))
            unlabelled = self.unlabelled(name)
            if unlabelled:
                found.missing.append(Finding(name, unlabelled))
            self._check_parts(parts, found, deep)
            self._check_labels(name, found)
        found.missing += self.lacking()
        found.extra += common.strangers(self.root, self.clips, self.stranger)
        found.corrupted += dict.fromkeys(self.problems)
        found.notes += self.remarks()
        return found.report(self, len(self.clips), len(self.people()), deep)

    def _check_parts(self, parts: Mapping[str, Path], found: Found, deep: bool) -> None:
        """Films and crops that are there and cannot be used."""
        film, crops = parts.get("film"), parts.get("crops")
        fault = film_fault(film, deep) if film else ""
        if film and fault:
            found.corrupted.append(Finding(shown(film, self.root), fault))
        if crops:
            for path, why in picture_faults(crops, deep):
                found.corrupted.append(Finding(shown(path, self.root), why))

    def _check_labels(self, name: str, found: Found) -> None:
        """Frames that a laboratory labelled against those that are there, and against the data
        set's own label.
        """
        labels = self.frame_lists.get(name)
        if labels is None:
            return
        folder = self.frame_folder(name)
        if folder:
            numbers = [number for number, _ in folder.files]
            lacking = gaps(numbers, map(int, labels.numbers))
            if lacking:
                found.missing.append(Finding(shown(folder.folder, self.root), lacking))
        conflict = self.conflict(name, labels)
        if conflict:
            found.conflicts.append(Finding(name, conflict))

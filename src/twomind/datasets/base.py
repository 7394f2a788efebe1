"""A data set in one folder, with a default for everything that the contract lets it leave out.

:class:`twomind.datasets.Dataset` says what each member means. A subclass of :class:`Folder` must
say ``name``, ``licence``, ``access``, ``looks_for``, ``tasks``, ``protocols``, ``fits``, ``fake``,
``recordings``, ``label``, ``people`` and ``takes``; the rest follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from twomind.core.errors import BadInput
from twomind.datasets import common
from twomind.datasets.checking import (
    Finding,
    Found,
    Report,
    counted,
    film_fault,
    is_drawn,
    picture_faults,
    shown,
)
from twomind.datasets.frames import FrameFolder
from twomind.datasets.people import may_be_shown
from twomind.datasets.protocols import Take
from twomind.types import Fold, Progress, Recording, Task


class Folder:
    """A data set that lies in one folder.

    Args:
        root: the folder.

    Example:
        >>> from twomind.datasets.base import Folder
        >>> class Sittings(Folder):
        ...     name, looks_for = "sittings", "films called PERSON_TASK_LABEL.mp4"
        ...     @classmethod
        ...     def fits(cls, root):
        ...         return any(root.glob("*_*_*.mp4"))
        >>> Sittings("/nowhere")
        Traceback (most recent call last):
        ...
        twomind.core.errors.BadInput: /nowhere: expected the layout of sittings: films called PERSON_TASK_LABEL.mp4
    """

    name: ClassVar[str]
    licence: ClassVar[str]
    access: ClassVar[str]
    looks_for: ClassVar[str]
    tasks: tuple[Task, ...]
    protocols: ClassVar[tuple[str, ...]]
    #: The published target people, for the protocols that name them.
    targets: ClassVar[tuple[str, ...]] = ()

    def __init__(self, root: Path | str) -> None:
        """
        Raises:
            BadInput: the folder has not the layout of this data set.
        """
        self.root = Path(root)
        if not self.fits(self.root):
            raise BadInput(f"{self.root}: expected the layout of {self.name}: {self.looks_for}")
        #: What could not be read so far; ``check`` reads everything and lists it.
        self.problems: list[Finding] = []

    # --- what a subclass says
    # --------------------------------------------------------------------------------------------

    @classmethod
    def fits(cls, root: Path) -> bool:
        raise NotImplementedError

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        raise NotImplementedError

    def recordings(self) -> tuple[Recording, ...]:
        raise NotImplementedError

    def label(self, task_name: str, recording_id: str) -> int | None:
        raise NotImplementedError

    def people(self) -> Mapping[str, Mapping[str, str]]:
        raise NotImplementedError

    def takes(self) -> tuple[Take, ...]:
        raise NotImplementedError

    # --- what follows
    # --------------------------------------------------------------------------------------------

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        """The recording's label throughout: the set labels recordings, not moments."""
        label = self.label(task_name, recording_id)
        return np.full(len(times_s), -1 if label is None else label, np.int64)

    def may_be_shown(self, subject: str) -> bool:
        return may_be_shown(self.people().get(subject, {}), is_drawn(self.root))

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        return None

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        return None

    def crop_folders(self) -> Mapping[str, Path]:
        """The folder of pictures of each recording that has one; twins are also looked for in
        them.
        """
        found = {}
        for recording in self.recordings():
            folder = self.frame_folder(recording.id)
            if folder is not None:
                found[recording.id] = folder.folder
        return found

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        return common.guarded_folds(self, protocol, seed, self.crop_folders())

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        """Films (or folders of pictures) that are absent, not listed or of no use, pictures that
        cannot be read, and what could not be read so far.
        """
        found = Found()
        recordings = self.recordings()
        for recording in counted(recordings, "looking at recordings", progress):
            media = recording.media
            at = shown(media, self.root)
            if not media.exists():
                found.missing.append(Finding(at, "listed, but not there"))
                continue
            fault = film_fault(media, deep) if media.is_file() else ""
            if fault:
                found.corrupted.append(Finding(at, fault))
        for folder in self.crop_folders().values():
            for path, why in picture_faults(folder, deep):
                found.corrupted.append(Finding(shown(path, self.root), why))
        films = [recording.media for recording in recordings]
        found.extra += common.unlisted_films(self.root, films, "not a listed recording")
        found.corrupted += dict.fromkeys(self.problems)
        return found.report(self, len(recordings), len(self.people()), deep)

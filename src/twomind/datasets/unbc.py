"""UNBC-McMaster shoulder pain: 25 people moving a painful shoulder, 200 sequences, every frame
scored for pain (PSPI).

Layout, as several public readers of the set agree: ``Images/<person>/<sequence>/<frame>.png``,
``Frame_Labels/PSPI/<person>/<sequence>/<frame>_facs.txt`` with one number,
``Frame_Labels/FACS/...`` with one action unit a row,
``Sequence_Labels/{OPR,VAS,SEN,AFF}/<person>/<sequence>.txt``. Frame times are nominal: the layout
has none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from twomind.core.store import write_text
from twomind.datasets import common, fakes
from twomind.datasets.base import Folder
from twomind.datasets.checking import (
    Finding,
    Found,
    Report,
    counted,
    is_drawn,
    not_listed,
    picture_faults,
    shown,
)
from twomind.datasets.frames import Clock, FrameFolder, FrameLabels, frame_number, labels_of
from twomind.datasets.protocols import Take
from twomind.types import Progress, Recording, Task

#: A frame is pain from this PSPI on; a sequence is, when any of its frames is. A usual choice, not
#: the archive's.
PAIN_FROM_PSPI = 1.0
PAIN = Task("pain", ("neutral", "pain"), "frame")
CLOCK = Clock(
    30000 / 1001, "nominal: frame number / 29.97 (the layout carries no times; NTSC is assumed)"
)

#: A time that comes this much (of a frame) too early is still the frame's.
_EARLY = 1e-3

#: How the name of a sequence ends in which the other shoulder was moved.
_UNAFFECTED = "unaff"

NO_WORDS = "people do not speak to the camera in this data set, and it has no sound"
#: People of the complete archive.
N_PEOPLE = 25

_PERSON = re.compile(r"^\d{3}-[a-z]{2}\d{3}$")
_SCALES = ("OPR", "VAS", "SEN", "AFF")


FAKE_PEOPLE = ("901-aa901", "902-bb902", "903-cc903")


class Unbc(Folder):
    """The folder of the public archive. A recording is one sequence; its ``media`` is the folder of
    its frames.
    """

    name: ClassVar[str] = "unbc"
    licence: ClassVar[str] = (
        "user agreement for non-commercial research; only some people may be shown"
    )
    access: ClassVar[str] = (
        "request and signed agreement, UNBC-McMaster Shoulder Pain Expression Archive"
    )
    tasks: tuple[Task, ...] = (PAIN,)
    protocols: ClassVar[tuple[str, ...]] = ("five-targets", *common.GENERAL)
    targets: ClassVar[tuple[str, ...]] = (
        "107-hs107",
        "109-ib109",
        "121-vw121",
        "123-jh123",
        "115-jy115",
    )
    looks_for: ClassVar[str] = (
        "Images/<person>/<sequence>/ and Frame_Labels/PSPI/<person>/<sequence>/<frame>_facs.txt"
    )

    @classmethod
    def fits(cls, root: Path) -> bool:
        root = Path(root)
        return (root / "Images").is_dir() and (root / "Frame_Labels" / "PSPI").is_dir()

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        return fake(root, seed)

    @cached_property
    def sequences(self) -> dict[str, str]:
        """Sequence → person, of all that have pictures or labels."""
        found: dict[str, str] = {}
        for top in (self.root / "Images", self.root / "Frame_Labels" / "PSPI"):
            for person in sorted(os.listdir(top)):
                folder = top / person
                if not _PERSON.match(person) or not folder.is_dir():
                    continue
                for sequence in os.listdir(folder):
                    if (folder / sequence).is_dir():
                        found[sequence] = person
        return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))

    def pspi(self, recording_id: str) -> dict[int, float]:
        """Prkachin and Solomon pain intensity (0 to 16) by frame number; nan for a label that
        cannot be read. Empty for a recording that is not there.
        """
        if recording_id not in self.sequences:
            return {}
        if recording_id not in self._pspi:
            folder = self._folder("Frame_Labels/PSPI", recording_id)
            found: dict[int, float] = {}
            for path in folder.glob("*_facs.txt") if folder.is_dir() else ():
                number = frame_number(path.name.removesuffix("_facs.txt"))
                if number is not None:
                    score = _first_number(path)
                    found[number] = float("nan") if score is None else score
            self._pspi[recording_id] = found
        return self._pspi[recording_id]

    @cached_property
    def _pspi(self) -> dict[str, dict[int, float]]:
        return {}

    def _folder(self, top: str, recording_id: str) -> Path:
        return self.root / top / self.sequences[recording_id] / recording_id

    def _labels(self, recording_id: str) -> FrameLabels:
        """Pain (1) or none (0) by frame number, of the frames whose label can be read."""
        known = {}
        for number, score in self.pspi(recording_id).items():
            if not np.isnan(score):
                known[number] = int(score >= PAIN_FROM_PSPI)
        return labels_of(known)

    # --- the contract
    # ------------------------------------------------------------------------------------------------

    def recordings(self) -> tuple[Recording, ...]:
        drawn = is_drawn(self.root)
        found = []
        for sequence, person in self.sequences.items():
            media = self._folder("Images", sequence)
            found.append(Recording(sequence, person, media, words_reason=NO_WORDS, drawn=drawn))
        return tuple(found)

    def label(self, task_name: str, recording_id: str) -> int | None:
        common.known_task(self.tasks, task_name)
        labels = self._labels(recording_id).labels
        return int(max(labels)) if len(labels) else None

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        common.known_task(self.tasks, task_name)
        # A frame is shown until the next one comes.
        on_show = np.floor(np.asarray(times_s, float) * CLOCK.per_s + _EARLY)
        numbers = on_show.astype(np.int64)
        return self._labels(recording_id).at(numbers)

    def people(self) -> Mapping[str, Mapping[str, str]]:
        return {person: {} for person in self.sequences.values()}

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        """The sequence's own ratings (OPR, VAS, SEN, AFF), as far as there."""
        if recording_id not in self.sequences:
            return None
        found = {}
        for scale in _SCALES:
            path = self._folder(f"Sequence_Labels/{scale}", recording_id).with_suffix(".txt")
            rating = _first_number(path)
            if rating is not None:
                found[scale] = rating
        return found

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        if recording_id not in self.sequences:
            return None
        folder = self._folder("Images", recording_id)
        return FrameFolder(folder, CLOCK) if folder.is_dir() else None

    def takes(self) -> tuple[Take, ...]:
        """Sequences; those of the shoulder that does not hurt (``…unaff``) are taken to be elicited
        without pain. The archive does not say so, and some of their frames may be coded as pain.
        """
        found = []
        for sequence, person in self.sequences.items():
            found.append(Take(sequence, person, neutral=sequence.endswith(_UNAFFECTED)))
        return tuple(found)

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        found = Found()
        for name in counted(self.sequences, "looking at sequences", progress):
            self._check_frames(name, found)
            folder = self.frame_folder(name)
            if folder:
                for path, why in picture_faults(folder.folder, deep):
                    found.corrupted.append(Finding(shown(path, self.root), why))
        known = [self._folder("Images", name) for name in self.sequences]
        images = self.root / "Images"
        found.extra += not_listed(images, known, self.root, "not in a sequence's folder")
        found.notes.append(
            f"neutral: sequences whose names end in {_UNAFFECTED} (the shoulder that does not hurt); "
            "an assumption of this reader, not of the archive"
        )
        n_people = len(self.people())
        if n_people != N_PEOPLE:
            found.notes.append(f"the archive has {N_PEOPLE} people; here are {n_people}")
        return found.report(self, len(self.sequences), n_people, deep)

    def _check_frames(self, name: str, found: Found) -> None:
        """Pictures of a sequence against the labels of its frames."""
        folder, scores = self.frame_folder(name), self.pspi(name)
        pictures = {number for number, _ in folder.files} if folder else set()
        at = f"{self.sequences[name]}/{name}"
        images, labels = f"Images/{at}", f"Frame_Labels/PSPI/{at}"
        for n in sorted(set(scores) - pictures):
            found.missing.append(Finding(images, f"frame {n} is labelled, but there is no picture"))
        for n in sorted(pictures - set(scores)):
            found.missing.append(Finding(labels, f"no label of frame {n}"))
        for n, score in scores.items():
            if np.isnan(score):
                found.corrupted.append(Finding(labels, f"the label of frame {n} is not a number"))


def _first_number(path: Path) -> float | None:
    """The number that a file of the archive begins with; None where it is absent or begins with
    none.
    """
    try:
        return float(path.read_text(encoding="utf-8").split()[0])
    except (OSError, ValueError, IndexError):
        return None


def fake(
    root: Path,
    seed: int = 0,
    people: tuple[str, ...] = FAKE_PEOPLE,
    actions: tuple[str, ...] = ("t1aaaff", "t2aeaff"),
) -> Path:
    """Write a tiny archive: sequences of five frames, of every second one a frame in pain.

    Args:
        root: folder to write into.
        seed: seed of the pictures.
        people: names of the people's folders, ``901-aa901``.
        actions: what the names of a person's sequences end with.
    """
    root = Path(root)
    for p, person in enumerate(people):
        for k, action in enumerate(actions):
            sequence = f"{person[4:]}{action}"
            images = root / "Images" / person / sequence
            labels = root / "Frame_Labels" / "PSPI" / person / sequence
            for n in range(1, 6):
                name = f"{sequence}{n:03d}"
                pain = 2.0 if k % 2 and n == 3 else 0.0
                fakes.tiny_crop(images / f"{name}.png", (seed, p, k, n))
                write_text(labels / f"{name}_facs.txt", f"   {pain:.7e}\n")
            ratings = root / "Sequence_Labels" / "OPR" / person
            write_text(ratings / f"{sequence}.txt", f"   {2.0 * k:.7e}\n")
    fakes.mark_drawn(root, "unbc", seed)
    return root


PLUGIN = Unbc

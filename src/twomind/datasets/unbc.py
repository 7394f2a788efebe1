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
from twomind.datasets.checking import (
    Finding,
    Report,
    counted,
    is_drawn,
    not_listed,
    picture_faults,
    shown,
)
from twomind.datasets.frames import Clock, FrameFolder, FrameLabels, frame_number, labels_of
from twomind.datasets.protocols import Take
from twomind.types import Fold, Progress, Recording, Task

#: A frame is pain from this PSPI on; a sequence is, when any of its frames is. A usual choice, not
#: the archive's.
PAIN_FROM_PSPI = 1.0
PAIN = Task("pain", ("neutral", "pain"), "frame")
CLOCK = Clock(
    30000 / 1001, "nominal: frame number / 29.97 (the layout carries no times; NTSC is assumed)"
)

_PERSON = re.compile(r"^\d{3}-[a-z]{2}\d{3}$")
_SCALES = ("OPR", "VAS", "SEN", "AFF")


class Unbc:
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
    tasks: ClassVar[tuple[Task, ...]] = (PAIN,)
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

    def __init__(self, root: Path | str) -> None:
        self.root = common.fitting(self, root)

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
                if _PERSON.match(person) and (top / person).is_dir():
                    found.update(
                        {s: person for s in os.listdir(top / person) if (top / person / s).is_dir()}
                    )
        return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))

    def pspi(self, recording_id: str) -> dict[int, float]:
        """Prkachin and Solomon pain intensity (0 to 16) by frame number; nan for a label that
        cannot be read.
        """
        if recording_id not in self._pspi:
            folder = self._folder("Frame_Labels/PSPI", recording_id)
            found: dict[int, float] = {}
            for path in folder.glob("*_facs.txt") if folder.is_dir() else ():
                number = frame_number(path.name.removesuffix("_facs.txt"))
                if number is not None:
                    try:
                        found[number] = float(path.read_text(encoding="utf-8").split()[0])
                    except (ValueError, IndexError):
                        found[number] = float("nan")
            self._pspi[recording_id] = found
        return self._pspi[recording_id]

    @cached_property
    def _pspi(self) -> dict[str, dict[int, float]]:
        return {}

    def _folder(self, top: str, recording_id: str) -> Path:
        return self.root / top / self.sequences[recording_id] / recording_id

    def _labels(self, recording_id: str) -> FrameLabels:
        scores = self.pspi(recording_id)
        return labels_of(
            {n: int(v >= PAIN_FROM_PSPI) for n, v in scores.items() if not np.isnan(v)}
        )

    # --- the contract
    # ------------------------------------------------------------------------------------------------

    def recordings(self) -> tuple[Recording, ...]:
        drawn = is_drawn(self.root)
        why = "people do not speak to the camera in this data set, and it has no sound"
        return tuple(
            Recording(
                id=s, subject=p, media=self._folder("Images", s), words_reason=why, drawn=drawn
            )
            for s, p in self.sequences.items()
        )

    def label(self, task_name: str, recording_id: str) -> int | None:
        common.known_task(self.tasks, task_name)
        labels = self._labels(recording_id).labels if recording_id in self.sequences else ()
        return int(max(labels)) if len(labels) else None

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        common.known_task(self.tasks, task_name)
        numbers = np.round(np.asarray(times_s, float) * CLOCK.per_s).astype(np.int64)
        return self._labels(recording_id).at(numbers)

    def people(self) -> Mapping[str, Mapping[str, str]]:
        return {person: {} for person in self.sequences.values()}

    def may_be_shown(self, subject: str) -> bool:
        return is_drawn(self.root)

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        """The sequence's own ratings (OPR, VAS, SEN, AFF), as far as there."""
        if recording_id not in self.sequences:
            return None
        found = {}
        for scale in _SCALES:
            path = self._folder(f"Sequence_Labels/{scale}", recording_id).with_suffix(".txt")
            try:
                found[scale] = float(path.read_text(encoding="utf-8").split()[0])
            except (OSError, ValueError, IndexError):
                continue
        return found

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        folder = self._folder("Images", recording_id) if recording_id in self.sequences else None
        return FrameFolder(folder, CLOCK) if folder and folder.is_dir() else None

    def takes(self) -> tuple[Take, ...]:
        return tuple(Take(s, p) for s, p in self.sequences.items())

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        folders = {s: self._folder("Images", s) for s in self.sequences}
        return common.guarded_folds(
            self.protocols, protocol, seed, self.recordings(), self.takes(), self.targets, folders
        )

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        missing: list[Finding] = []
        extra: list[Finding] = []
        corrupted: list[Finding] = []
        for name, person in counted(self.sequences.items(), "looking at sequences", progress):
            folder, scores = self.frame_folder(name), self.pspi(name)
            pictures = {n for n, _ in folder.files} if folder else set()
            at = f"{person}/{name}"
            missing += [
                Finding(f"Images/{at}", f"frame {n} is labelled, but there is no picture")
                for n in sorted(set(scores) - pictures)
            ]
            missing += [
                Finding(f"Frame_Labels/PSPI/{at}", f"no label of frame {n}")
                for n in sorted(pictures - set(scores))
            ]
            corrupted += [
                Finding(f"Frame_Labels/PSPI/{at}", f"the label of frame {n} is no number")
                for n, v in scores.items()
                if np.isnan(v)
            ]
            if folder:
                corrupted += [
                    Finding(shown(p, self.root), why)
                    for p, why in picture_faults(folder.folder, deep)
                ]
        known = [self._folder("Images", s) for s in self.sequences]
        extra += not_listed(self.root / "Images", known, self.root, "not in a sequence's folder")
        people = self.people()
        notes = [] if len(people) == 25 else [f"the archive has 25 people; here are {len(people)}"]
        return Report(
            self.name,
            self.root,
            len(self.sequences),
            len(people),
            tuple(missing),
            tuple(extra),
            tuple(corrupted),
            (),
            tuple(notes),
            deep,
        )


def fake(root: Path, seed: int = 0) -> Path:
    """Write a tiny archive: three people, two sequences each, five frames, one of them in pain."""
    root = Path(root)
    for p, person in enumerate(("901-aa901", "902-bb902", "903-cc903")):
        for k, action in enumerate(("t1aaaff", "t2aeaff")):
            sequence = f"{person[4:]}{action}"
            for n in range(1, 6):
                name = f"{sequence}{n:03d}"
                fakes.tiny_crop(
                    root / "Images" / person / sequence / f"{name}.png", seed + 100 * p + 10 * k + n
                )
                pain = 2.0 if k == 1 and n == 3 else 0.0
                write_text(
                    root / "Frame_Labels" / "PSPI" / person / sequence / f"{name}_facs.txt",
                    f"   {pain:.7e}\n",
                )
            write_text(
                root / "Sequence_Labels" / "OPR" / person / f"{sequence}.txt", f"   {2.0 * k:.7e}\n"
            )
    fakes.mark_drawn(root, "unbc", seed)
    return root


PLUGIN = Unbc

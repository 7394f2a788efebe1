"""BioVid Heat Pain Database, part A: 87 people, 20 heat stimuli at each of four levels and 20 times none, no speech.

The name of a clip says everything: ``<person>-<level>-<number>``, ``071309_w_21-BL1-081``: person (with sex w/m and
age), level BL1 (no stimulus) or PA1 to PA4. Reads the films (``video/<person>/<clip>.mp4``) and the folders of crops
that laboratories make (``sub_red_classes_img/<person>/<clip>/image2040.jpg``, the number being milliseconds), with or
without label files (one frame a line: path, blank, label).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from twomind.capture.datasets import common, fakes
from twomind.capture.datasets.checking import (
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
from twomind.capture.datasets.frames import MILLISECONDS, FrameFolder, FrameLabels
from twomind.capture.datasets.protocols import Take
from twomind.errors import BadInput
from twomind.store import write_text
from twomind.types import Fold, Progress, Recording, Task

FAKE_PEOPLE = ("010101_w_30", "020202_m_41", "030303_w_52", "040404_m_23")
LEVELS = ("BL1", "PA1", "PA2", "PA3", "PA4")
PAIN = Task("pain", ("neutral", "pain"), "clip")
PAIN_LEVEL = Task("pain_level", LEVELS, "clip")

#: Clips of one level of one person in the complete part A.
N_CLIPS = 20

_NAME = re.compile(
    r"^(?P<subject>\d{6}_(?P<sex>[wm])_(?P<age>\d+))-(?P<level>BL1|PA[1-4])-(?P<number>\d+)(?:~visit(?P<visit>\d+))?$"
)
_PERSON = re.compile(r"^\d{6}_[wm]_\d+$")
_FILM_FOLDERS = ("video", "PartA/video", "partA/video", "videos", ".")
_CROP_FOLDERS = ("sub_red_classes_img", "PartA/sub_red_classes_img", "crops", "faces", "images", ".")


class BioVid:
    """The folder of part A."""

    name: ClassVar[str] = "biovid"
    licence: ClassVar[str] = "licence agreement for non-commercial research; no redistribution"
    access: ClassVar[str] = (
        "request and signed agreement, Neuro-Information Technology, University of Magdeburg (BioVid)"
    )
    tasks: ClassVar[tuple[Task, ...]] = (PAIN, PAIN_LEVEL)
    protocols: ClassVar[tuple[str, ...]] = (
        "ten-targets", "ten-targets-transductive", *common.GENERAL, "environment-shift",
    )  # fmt: skip
    targets: ClassVar[tuple[str, ...]] = (
        "081014_w_27", "101609_m_36", "112009_w_43", "091809_w_43", "071309_w_21",
        "073114_m_25", "080314_w_25", "073109_w_28", "100909_w_65", "081609_w_40",
    )  # fmt: skip
    looks_for: ClassVar[str] = (
        "video/<person>/<person>-BL1-081.mp4 or sub_red_classes_img/<person>/<person>-BL1-081/image2040.jpg"
    )

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        if not self.fits(self.root):
            raise BadInput(f"{self.root}: expected the layout of biovid: {self.looks_for}")
        self.problems: list[Finding] = []

    @classmethod
    def fits(cls, root: Path) -> bool:
        return bool(_find(Path(root), first_only=True))

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        return fake(root, seed)

    @cached_property
    def clips(self) -> dict[str, dict[str, Path]]:
        """Every clip found or listed: name → ``film`` and ``crops``, as far as there."""
        found = _find(self.root)
        for name in [*self.listed, *self.frame_lists]:
            found.setdefault(name, {})
        return dict(sorted(found.items()))

    @cached_property
    def listed(self) -> tuple[str, ...]:
        """Clips that ``samples.csv`` of the release lists; empty without one."""
        found: list[str] = []
        for mark, base in common.visit_roots(self.root).items():
            for path in (base / "samples.csv", base / "PartA" / "samples.csv"):
                if path.is_file():
                    with open(path, encoding="utf-8-sig", newline="") as file:
                        cells = [cell.strip() for row in csv.reader(file, delimiter="\t") for cell in row]
                    found += [cell + mark for cell in cells if _NAME.match(cell)]
        return tuple(dict.fromkeys(found))

    @cached_property
    def frame_lists(self) -> dict[str, FrameLabels]:
        """Laboratories' label files: labels of the frames of each clip."""
        found, problems = common.frame_lists(self.root, _NAME)
        self.problems += [Finding(path, problem) for path, problem in problems]
        return found

    # --- the contract ------------------------------------------------------------------------------------------------

    def recordings(self) -> tuple[Recording, ...]:
        return self._recordings

    @cached_property
    def _recordings(self) -> tuple[Recording, ...]:
        drawn = is_drawn(self.root)
        found = []
        for name, parts in self.clips.items():
            match = _parse(name)
            film = parts.get("film")
            found.append(
                Recording(
                    id=name,
                    subject=match["subject"],
                    media=film or self.root / "video" / match["subject"] / f"{name}.mp4",
                    duration_s=film_length_s(film) if film else float("nan"),
                    words_reason="people do not speak in this data set",
                    drawn=drawn,
                )
            )
        return tuple(found)

    def label(self, task_name: str, recording_id: str) -> int | None:
        task = common.known_task(self.tasks, task_name)
        match = _NAME.match(recording_id)
        if match is None or recording_id not in self.clips:
            return None
        if task is PAIN_LEVEL:
            return LEVELS.index(match["level"])
        return {"BL1": 0, "PA4": 1}.get(match["level"])

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        """The clip's label throughout: the set labels stimuli, not frames."""
        label = self.label(task_name, recording_id)
        return np.full(len(times_s), -1 if label is None else label, np.int64)

    def people(self) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for name in self.clips:
            match = _parse(name)
            found[match["subject"]] = {"sex": {"w": "female", "m": "male"}[match["sex"]], "age": match["age"]}
        return found

    def may_be_shown(self, subject: str) -> bool:
        return is_drawn(self.root)

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        match = _NAME.match(recording_id)
        if match is None or recording_id not in self.clips:
            return None
        return {"level": match["level"], "number": int(match["number"]), "visit": int(match["visit"] or 1)}

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        folder = self.clips.get(recording_id, {}).get("crops")
        return FrameFolder(folder, MILLISECONDS) if folder else None

    def takes(self, levels: tuple[str, ...] = ("BL1", "PA4")) -> tuple[Take, ...]:
        """Clips of the two levels that the protocols use. When a clip came in the session is not in its name."""
        matches = [(name, _parse(name)) for name in self.clips]
        return tuple(
            Take(n, m["subject"], neutral=m["level"] == "BL1", environment=f"visit {m['visit'] or 1}")
            for n, m in matches
            if m["level"] in levels
        )

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        crops = {name: parts["crops"] for name, parts in self.clips.items() if "crops" in parts}
        return common.guarded_folds(
            self.protocols, protocol, seed, self.recordings(), self.takes(), self.targets, crops
        )

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        missing: list[Finding] = []
        extra: list[Finding] = []
        corrupted: list[Finding] = []
        conflicts: list[Finding] = []
        notes: list[str] = []
        has = {kind: any(kind in parts for parts in self.clips.values()) for kind in ("film", "crops")}
        notes += [f"no {what}" for kind, what in (("film", "films"), ("crops", "face crops")) if not has[kind]]
        for name, parts in counted(self.clips.items(), "looking at clips", progress):
            for kind, present in has.items():
                if present and kind not in parts:
                    missing.append(Finding(name, f"no {kind} of this clip"))
            fault = film_fault(parts["film"], deep) if "film" in parts else ""
            if fault:
                corrupted.append(Finding(shown(parts["film"], self.root), fault))
            if "crops" in parts:
                corrupted += [Finding(shown(p, self.root), why) for p, why in picture_faults(parts["crops"], deep)]
            labels = self.frame_lists.get(name)
            if labels is None:
                continue
            folder = self.frame_folder(name)
            lacking = gaps([n for n, _ in folder.files], map(int, labels.numbers)) if folder else ""
            if folder and lacking:
                missing.append(Finding(shown(folder.folder, self.root), lacking))
            own = self.label("pain", name)
            if own is not None and set(map(int, labels.labels)) != {own}:
                conflicts.append(
                    Finding(name, f"its level means {own}, its label file says {sorted(set(labels.labels.tolist()))}")
                )
        missing += [Finding(p, why) for p, why in self._lacking_clips()]
        extra += common.strangers(self.root, self.clips, "not a clip by its name")
        corrupted += self.problems
        people = self.people()
        if len(people) != 87:
            notes.append(f"part A has 87 people; here are {len(people)}")
        return Report(
            self.name, self.root, len(self.clips), len(people), tuple(missing), tuple(extra), tuple(corrupted),
            tuple(conflicts), tuple(notes), deep,
        )  # fmt: skip

    def _lacking_clips(self) -> list[tuple[str, str]]:
        """Levels of which a person has fewer clips than the release, where ``samples.csv`` does not list them."""
        if self.listed:
            return []
        count: dict[tuple[str, str], int] = {}
        for name in self.clips:
            match = _parse(name)
            key = (match["subject"], match["level"])
            count[key] = count.get(key, 0) + 1
        if is_drawn(self.root):
            return []  # a drawn study has as many clips as it was asked for
        return [(f"{p}-{level}", f"{n} of {N_CLIPS} clips") for (p, level), n in sorted(count.items()) if n < N_CLIPS]


def _parse(name: str) -> re.Match[str]:
    match = _NAME.match(name)
    assert match is not None, name
    return match


def _find(root: Path, first_only: bool = False) -> dict[str, dict[str, Path]]:
    return common.clips_by_name(root, _FILM_FOLDERS, _CROP_FOLDERS, _PERSON, _NAME, first_only)


def fake(root: Path, seed: int = 0, people: tuple[str, ...] = FAKE_PEOPLE,
         n_clips: int = 3, n_frames: int = 4) -> Path:  # fmt: skip
    """Write a tiny part A: films and crops of BL1, PA3 and PA4, label files, people who do not exist."""
    root = Path(root)
    for p, person in enumerate(people):
        lines = []
        for k, level in enumerate(("BL1", "PA3", "PA4")):
            for i in range(n_clips):
                name = f"{person}-{level}-{ {'BL1': 81, 'PA3': 41, 'PA4': 61}[level] + i:03d}"
                at = seed + 1000 * p + 100 * k + i
                fakes.tiny_film(root / "video" / person / f"{name}.mp4", n_frames, 25, at)
                for j in range(n_frames):
                    frame = f"{person}/{name}/image{2040 + 40 * j}.jpg"
                    fakes.tiny_crop(root / "sub_red_classes_img" / frame, 10 * at + j)
                    if level != "PA3":
                        lines.append(f"{frame} {int(level == 'PA4')}")
        write_text(root / "files" / f"{person}.txt", "\n".join(lines) + "\n")
    fakes.mark_drawn(root, "biovid", seed)
    return root


PLUGIN = BioVid

"""StressID: people relaxing, watching, counting, reading, speaking; labels per person and task from self-reports.

Reads the films (``Videos/<person>/<person>_<Task>.mp4``) with ``labels.csv`` (``subject/task, binary-stress, ...``),
and the folders of crops that laboratories make (``sub_images/<person>/<person>_<Task>/image_5.jpg``) with label files
(one frame a line: path, blank, label). Frame names are not padded, so their order as text is not their order in time.
The third column of ``labels.csv``, ``affect3-class``, is in ``annotation_entry`` only: the order of its classes is
not certain.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
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
from twomind.capture.datasets.frames import Clock, FrameFolder, FrameLabels, frame_number
from twomind.capture.datasets.protocols import Take
from twomind.errors import BadInput
from twomind.store import write_text
from twomind.types import Fold, Progress, Recording, Task

STRESS = Task("stress", ("neutral", "stress"), "clip")
#: Breathing and the films come first and Relax last; the order between them is as the data set's description lists the
#: tasks, as far as we know. It decides the order of a stream, nothing else.
TASKS = (
    "Breathing", "Video1", "Video2", "Counting1", "Counting2", "Stroop", "Speaking", "Math", "Reading",
    "Counting3", "Relax",
)  # fmt: skip
#: Tasks that were made to be restful.
NEUTRAL = ("Breathing", "Relax")
#: Laboratories keep one frame a second.
FRAMES_PER_S = 1.0

_NAME = re.compile(rf"^(?P<subject>[0-9A-Za-z]+)_(?P<task>{'|'.join(TASKS)})(?:~visit(?P<visit>\d+))?$")
_PERSON = re.compile(r"^[0-9A-Za-z]+$")
_FILM_FOLDERS = ("Videos", "videos", ".")
_CROP_FOLDERS = ("sub_images", "images", "faces", ".")


class StressId:
    """The folder of StressID."""

    name: ClassVar[str] = "stressid"
    licence: ClassVar[str] = "licence agreement for non-commercial research; no redistribution"
    access: ClassVar[str] = "request form and signed agreement at project.inria.fr/stressid"
    tasks: ClassVar[tuple[Task, ...]] = (STRESS,)
    protocols: ClassVar[tuple[str, ...]] = (
        "ten-targets", "ten-targets-transductive", *common.WITH_QUESTIONS, "environment-shift",
    )  # fmt: skip
    targets: ClassVar[tuple[str, ...]] = (
        "kycf", "uymz", "h8s1", "ctzy", "p9i3", "7h5u", "g7r2", "b9w0", "r3zm", "x1q3",
    )  # fmt: skip
    looks_for: ClassVar[str] = (
        "Videos/<person>/<person>_<Task>.mp4 with labels.csv, or sub_images/<person>/<person>_<Task>/image_5.jpg"
    )

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        if not self.fits(self.root):
            raise BadInput(f"{self.root}: expected the layout of stressid: {self.looks_for}")
        self.problems: list[Finding] = []

    @classmethod
    def fits(cls, root: Path) -> bool:
        return bool(_find(Path(root), first_only=True))

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        return fake(root, seed)

    @cached_property
    def clips(self) -> dict[str, dict[str, Path]]:
        """Every clip found or labelled: name → ``film`` and ``crops``, as far as there."""
        found = _find(self.root)
        for name in [*self.table, *self.frame_lists]:
            found.setdefault(name, {})
        return dict(sorted(found.items(), key=lambda item: (_parse(item[0])["subject"], _place(item[0]))))

    @cached_property
    def table(self) -> dict[str, dict[str, str]]:
        """``labels.csv`` by clip."""
        found: dict[str, dict[str, str]] = {}
        for mark, base in common.visit_roots(self.root).items():
            path = base / "labels.csv"
            if not path.is_file():
                continue
            with open(path, encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                if not reader.fieldnames or not {"subject/task", "binary-stress"} <= set(reader.fieldnames):
                    raise BadInput(f"{path}: expected the columns subject/task and binary-stress")
                rows = {row["subject/task"].strip(): row for row in reader if row["subject/task"]}
            name = shown(path, self.root)
            self.problems += [Finding(name, f"{n} is not <person>_<Task>") for n in rows if not _NAME.match(n)]
            found.update({n + mark: row for n, row in rows.items() if _NAME.match(n)})
        return found

    @cached_property
    def frame_lists(self) -> dict[str, FrameLabels]:
        """Laboratories' label files: labels of the frames of each clip."""
        found, problems = common.frame_lists(self.root, _NAME)
        self.problems += [Finding(path, problem) for path, problem in problems]
        return found

    @cached_property
    def clock(self) -> Clock:
        """Frames are one a second; the numbers in their names count in steps that all of them share."""
        step = 0
        for parts in self.clips.values():
            if "crops" in parts:
                numbers = sorted(n for n in map(frame_number, os.listdir(parts["crops"])) if n is not None)
                for a, b in pairwise(numbers):
                    step = math.gcd(step, b - a)
        per_s = FRAMES_PER_S * (step or 1)
        return Clock(per_s, f"nominal: number / {per_s:g} (one frame a second, numbers in steps of {step or 1})")

    # --- the contract ------------------------------------------------------------------------------------------------

    def recordings(self) -> tuple[Recording, ...]:
        return self._recordings

    @cached_property
    def _recordings(self) -> tuple[Recording, ...]:
        drawn = is_drawn(self.root)
        found = []
        for name, parts in self.clips.items():
            match, film = _parse(name), parts.get("film")
            found.append(
                Recording(
                    id=name,
                    subject=match["subject"],
                    media=film or self.root / "Videos" / match["subject"] / f"{name}.mp4",
                    question=match["task"],
                    duration_s=film_length_s(film) if film else float("nan"),
                    drawn=drawn,
                )
            )
        return tuple(found)

    def label(self, task_name: str, recording_id: str) -> int | None:
        common.known_task(self.tasks, task_name)
        stated = self.table.get(recording_id, {}).get("binary-stress", "").strip()
        if stated in ("0", "1", "0.0", "1.0"):
            return int(float(stated))
        labels = self.frame_lists.get(recording_id)
        values = set(labels.labels.tolist()) if labels is not None else set()
        return values.pop() if len(values) == 1 and values <= {0, 1} else None

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        """The clip's label throughout: the set labels tasks, not frames."""
        label = self.label(task_name, recording_id)
        return np.full(len(times_s), -1 if label is None else label, np.int64)

    def people(self) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {_parse(name)["subject"]: {} for name in self.clips}
        for path in (self.root / "people.csv", self.root / "participants.csv"):
            if path.is_file():
                for subject, known in common.read_people_table(path).items():
                    if subject in found:
                        found[subject].update(known)
        return found

    def may_be_shown(self, subject: str) -> bool:
        return common.may_be_shown(self.people().get(subject, {}), is_drawn(self.root))

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        return self.table.get(recording_id)

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        folder = self.clips.get(recording_id, {}).get("crops")
        return FrameFolder(folder, self.clock) if folder else None

    def takes(self) -> tuple[Take, ...]:
        matches = [(name, _parse(name)) for name in self.clips if self.label("stress", name) is not None]
        return tuple(
            Take(n, m["subject"], m["task"], m["task"] in NEUTRAL, "", _place(n), f"visit {m['visit'] or 1}")
            for n, m in matches
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
                    missing.append(Finding(name, f"labelled, but there is no {kind} of it"))
            if self.label("stress", name) is None:
                missing.append(Finding(name, "no label in labels.csv or a label file; no protocol uses it"))
            fault = film_fault(parts["film"], deep) if "film" in parts else ""
            if fault:
                corrupted.append(Finding(shown(parts["film"], self.root), fault))
            if "crops" in parts:
                corrupted += [Finding(shown(p, self.root), why) for p, why in picture_faults(parts["crops"], deep)]
            labels, folder = self.frame_lists.get(name), self.frame_folder(name)
            if labels is not None:
                lacking = gaps([n for n, _ in folder.files], map(int, labels.numbers)) if folder else ""
                if folder and lacking:
                    missing.append(Finding(shown(folder.folder, self.root), lacking))
                if set(labels.labels.tolist()) - {self.label("stress", name)}:
                    conflicts.append(Finding(name, "labels.csv and the label file of its frames disagree"))
        extra += common.strangers(self.root, self.clips, "not <person>_<Task> by its name")
        corrupted += dict.fromkeys(self.problems)
        return Report(
            self.name, self.root, len(self.clips), len(self.people()), tuple(missing), tuple(extra), tuple(corrupted),
            tuple(conflicts), tuple(notes), deep,
        )  # fmt: skip


def _parse(name: str) -> re.Match[str]:
    match = _NAME.match(name)
    assert match is not None, name
    return match


def _place(name: str) -> float:
    """Place of a task in the person's sessions."""
    match = _parse(name)
    return float(len(TASKS) * int(match["visit"] or 1) + TASKS.index(match["task"]))


def _find(root: Path, first_only: bool = False) -> dict[str, dict[str, Path]]:
    return common.clips_by_name(root, _FILM_FOLDERS, _CROP_FOLDERS, _PERSON, _NAME, first_only)


def fake(
    root: Path, seed: int = 0, people: tuple[str, ...] = ("aaa1", "bbb2", "ccc3", "ddd4"), n_frames: int = 12
) -> Path:
    """Write a tiny StressID: films, crops (``image_0``, ``image_5`` ...), both kinds of labels, made-up people."""
    root = Path(root)
    rows = ["subject/task,binary-stress,affect3-class"]
    draw = np.random.default_rng(seed)
    for p, person in enumerate(people):
        lines = []
        for k, task in enumerate(("Relax", "Breathing", "Stroop", "Math", "Speaking")):
            name, label = f"{person}_{task}", int(k >= 2 and draw.random() < 0.8)
            rows.append(f"{name},{label},{2 * label}")
            fakes.tiny_film(root / "Videos" / person / f"{name}.mp4", 5, 5, seed + 100 * p + k)
            for j in range(n_frames):
                fakes.tiny_crop(
                    root / "sub_images" / person / name / f"image_{5 * j}.jpg", seed + 1000 * p + 100 * k + j
                )
                lines.append(f"{person}/{name}/image_{5 * j}.jpg {label}")
        write_text(root / "files" / f"{person}.txt", "\n".join(lines) + "\n")
    write_text(root / "labels.csv", "\n".join(rows) + "\n")
    fakes.mark_drawn(root, "stressid", seed)
    return root


PLUGIN = StressId

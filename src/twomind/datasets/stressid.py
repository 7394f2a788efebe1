"""StressID: people relaxing, watching, counting, reading, speaking; labels per person and task from
self-reports.

Reads the films (``Videos/<person>/<person>_<Task>.mp4``) with ``labels.csv`` (``subject/task,
binary-stress, ...``), and the folders of crops that laboratories make
(``sub_images/<person>/<person>_<Task>/image_5.jpg``) with label files (one frame a line: path,
blank, label). Frame names are not padded, so their order as text is not their order in time. The
third column of ``labels.csv``, ``affect3-class``, is in ``annotation_entry`` only: the order of its
classes is not certain.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.core.store import write_text
from twomind.datasets import common, fakes
from twomind.datasets.checking import Finding, shown
from twomind.datasets.clips import Clips
from twomind.datasets.frames import Clock, FrameLabels, frame_number
from twomind.datasets.people import people_of
from twomind.datasets.protocols import Take
from twomind.types import Task

STRESS = Task("stress", ("neutral", "stress"), "clip")
#: Breathing and the films come first and Relax last; the order between them is as the data set's
#: description lists the tasks, as far as we know. It decides the order of a stream, nothing else.
TASKS = (
    "Breathing",
    "Video1",
    "Video2",
    "Counting1",
    "Counting2",
    "Stroop",
    "Speaking",
    "Math",
    "Reading",
    "Counting3",
    "Relax",
)
#: Tasks that were made to be restful.
NEUTRAL = ("Breathing", "Relax")
_LABELS = ("0", "1", "0.0", "1.0")
#: Laboratories keep one frame a second.
FRAMES_PER_S = 1.0

_NAME = re.compile(
    rf"^(?P<subject>[0-9A-Za-z]+)_(?P<task>{'|'.join(TASKS)})(?:~visit(?P<visit>\d+))?$"
)


class StressId(Clips):
    """The folder of StressID."""

    name: ClassVar[str] = "stressid"
    licence: ClassVar[str] = "licence agreement for non-commercial research; no redistribution"
    access: ClassVar[str] = "request form and signed agreement at project.inria.fr/stressid"
    tasks: tuple[Task, ...] = (STRESS,)
    protocols: ClassVar[tuple[str, ...]] = (
        "ten-targets",
        "ten-targets-transductive",
        *common.WITH_QUESTIONS,
        "environment-shift",
    )
    targets: ClassVar[tuple[str, ...]] = (
        "kycf",
        "uymz",
        "h8s1",
        "ctzy",
        "p9i3",
        "7h5u",
        "g7r2",
        "b9w0",
        "r3zm",
        "x1q3",
    )
    looks_for: ClassVar[str] = (
        "Videos/<person>/<person>_<Task>.mp4 with labels.csv, or "
        "sub_images/<person>/<person>_<Task>/image_5.jpg"
    )

    clip_name: ClassVar[re.Pattern[str]] = _NAME
    person_name: ClassVar[re.Pattern[str]] = re.compile(r"^[0-9A-Za-z]+$")
    film_folders: ClassVar[tuple[str, ...]] = ("Videos", "videos", ".")
    crop_places: ClassVar[tuple[str, ...]] = ("sub_images", "images", "faces", ".")
    lacks: ClassVar[str] = "labelled, but there is no {} of it"
    stranger: ClassVar[str] = "not <person>_<Task> by its name"

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        return fake(root, seed)

    def listed(self) -> Mapping[str, Any]:
        return self.table

    def order(self, name: str) -> tuple[str | float, ...]:
        return (self.parse(name)["subject"], self.place(name))

    def place(self, name: str) -> float:
        """Place of a task in the person's sessions."""
        match = self.parse(name)
        return float(len(TASKS) * int(match["visit"] or 1) + TASKS.index(match["task"]))

    @cached_property
    def table(self) -> dict[str, dict[str, str]]:
        """``labels.csv`` by clip."""
        found: dict[str, dict[str, str]] = {}
        for mark, base in common.visit_roots(self.root).items():
            path = base / "labels.csv"
            if not path.is_file():
                continue
            listed = _read_labels(path)
            at = shown(path, self.root)
            self.problems += [Finding(at, problem) for problem in _label_problems(listed)]
            for name, row in listed:
                if _NAME.match(name):
                    found[name + mark] = row
        return found

    @cached_property
    def clock(self) -> Clock:
        """Frames are one a second; the numbers in their names count in steps that all of them
        share.
        """
        step = 0
        for folder in self.crop_folders().values():
            named = [frame_number(name) for name in os.listdir(folder)]
            numbers = sorted(number for number in named if number is not None)
            for a, b in pairwise(numbers):
                step = math.gcd(step, b - a)
        step = step or 1
        per_s = FRAMES_PER_S * step
        how = f"one frame a second, numbers in steps of {step}"
        return Clock(per_s, f"nominal: number / {per_s:g} ({how})")

    def label(self, task_name: str, recording_id: str) -> int | None:
        common.known_task(self.tasks, task_name)
        stated = _stated(self.table.get(recording_id, {}))
        if stated in _LABELS:
            return int(float(stated))
        if stated:  # reported as corrupted: no other file is asked instead
            return None
        labels = self.frame_lists.get(recording_id)
        values = set(labels.labels.tolist()) if labels is not None else set()
        return values.pop() if len(values) == 1 and values <= {0, 1} else None

    def people(self) -> Mapping[str, Mapping[str, str]]:
        subjects = (self.parse(name)["subject"] for name in self.clips)
        return people_of(subjects, self.root / "people.csv", self.root / "participants.csv")

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        return self.table.get(recording_id)

    def takes(self) -> tuple[Take, ...]:
        """Labelled clips; the others are in no protocol."""
        found = []
        for name in self.clips:
            if self.label("stress", name) is None:
                continue
            match = self.parse(name)
            task = match["task"]
            take = Take(
                id=name,
                subject=match["subject"],
                question=task,
                neutral=task in NEUTRAL,
                order=self.place(name),
                environment=f"visit {match['visit'] or 1}",
            )
            found.append(take)
        return tuple(found)

    def unlabelled(self, name: str) -> str:
        known = self.label("stress", name) is not None or _stated(self.table.get(name, {}))
        return "" if known else "no label in labels.csv or a label file; no protocol uses it"

    def conflict(self, name: str, labels: FrameLabels) -> str:
        differ = set(labels.labels.tolist()) - {self.label("stress", name)}
        return "labels.csv and the label file of its frames disagree" if differ else ""


def _stated(row: Mapping[str, Any]) -> str:
    """What a row of ``labels.csv`` says of stress; "" when nothing."""
    return str(row.get("binary-stress") or "").strip()


def _read_labels(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Rows of ``labels.csv`` with the clip that each is about, in the order of the file."""
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        if not {"subject/task", "binary-stress"} <= set(reader.columns):
            raise BadInput(f"{path}: expected the columns subject/task and binary-stress")
        listed = []
        for row in reader:
            name = row["subject/task"]
            if name:
                listed.append((name.strip(), row))
        return listed


def _label_problems(listed: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """What is wrong with rows of ``labels.csv``."""
    often = Counter(name for name, _ in listed)
    found = [f"{name} is not <person>_<Task>" for name in often if not _NAME.match(name)]
    for name, row in listed:
        stated = _stated(row)
        if stated and stated not in _LABELS:
            found.append(f"{name}: expected binary-stress 0 or 1, got {stated[:20]!r}")
    for name, n in often.items():
        if n > 1:
            found.append(f"{name} is there {n} times; the last counts")
    return found


FAKE_PEOPLE = ("aaa1", "bbb2", "ccc3", "ddd4")


def fake(
    root: Path, seed: int = 0, people: tuple[str, ...] = FAKE_PEOPLE, n_frames: int = 12
) -> Path:
    """Write a tiny StressID: films, crops (``image_0``, ``image_5`` ...), both kinds of labels,
    made-up people.

    Args:
        root: folder to write into.
        seed: seed of the labels and of the noise in the pictures.
        people: names of the people's folders.
        n_frames: crops of each clip.
    """
    root = Path(root)
    rows = ["subject/task,binary-stress,affect3-class"]
    draw = np.random.default_rng(seed)
    for p, person in enumerate(people):
        lines = []
        for k, task in enumerate(("Relax", "Breathing", "Stroop", "Math", "Speaking")):
            name = f"{person}_{task}"
            label = int(k >= 2 and draw.random() < 0.8)
            rows.append(f"{name},{label},{2 * label}")
            fakes.tiny_film(root / "Videos" / person / f"{name}.mp4", 5, 5, seed + 100 * p + k)
            for j in range(n_frames):
                frame = f"{person}/{name}/image_{5 * j}.jpg"
                fakes.tiny_crop(root / "sub_images" / frame, (seed, p, k, j))
                lines.append(f"{frame} {label}")
        write_text(root / "files" / f"{person}.txt", "\n".join(lines) + "\n")
    write_text(root / "labels.csv", "\n".join(rows) + "\n")
    fakes.mark_drawn(root, "stressid", seed)
    return root


PLUGIN = StressId

"""A data set in one file, as somebody else would write it: copied into the package or into a
package of its own by ``test_one_file.py``. Nothing else knows of it.

``sittings.csv`` lists ``person,sitting,state``; films and face crops lie in ``films/`` and
``crops/`` under ``<person>.<sitting>``; crops are numbered in tenths of a second. Who may be shown
is in ``consents.txt``.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from twomind.datasets import common, fakes
from twomind.datasets.base import Folder
from twomind.datasets.checking import film_header, is_drawn
from twomind.datasets.frames import Clock, FrameFolder
from twomind.datasets.protocols import Take
from twomind.types import Recording, Task

CALM = Task("calm", ("restless", "calm"), "clip")
TENTHS = Clock(10.0)


class Sittings(Folder):
    """The folder of the made-up study of sittings."""

    name: ClassVar[str] = "mine"
    licence: ClassVar[str] = "made up for a test"
    access: ClassVar[str] = "write it with fake()"
    looks_for: ClassVar[str] = "sittings.csv with the columns person, sitting and state"
    tasks: tuple[Task, ...] = (CALM,)
    protocols: ClassVar[tuple[str, ...]] = common.GENERAL

    @classmethod
    def fits(cls, root: Path) -> bool:
        return (Path(root) / "sittings.csv").is_file()

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        return fake(root, seed)

    @cached_property
    def rows(self) -> dict[str, dict[str, str]]:
        with open(self.root / "sittings.csv", encoding="utf-8", newline="") as file:
            return {f"{row['person']}.{row['sitting']}": row for row in csv.DictReader(file)}

    def recordings(self) -> tuple[Recording, ...]:
        drawn = is_drawn(self.root)
        found = []
        for name, row in self.rows.items():
            film = self.root / "films" / f"{name}.mp4"
            header = film_header(film)
            of_film = {"duration_s": header.length_s, "drawn": drawn or header.drawn}
            found.append(Recording(name, row["person"], film, **of_film))
        return tuple(found)

    def label(self, task_name: str, recording_id: str) -> int | None:
        task = common.known_task(self.tasks, task_name)
        state = self.rows.get(recording_id, {}).get("state")
        return task.classes.index(state) if state in task.classes else None

    def people(self) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {row["person"]: {} for row in self.rows.values()}
        for line in (self.root / "consents.txt").read_text(encoding="utf-8").splitlines():
            person, answer = line.split(": ")
            found[person]["consent_publication"] = answer
        return found

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        folder = self.root / "crops" / recording_id
        return FrameFolder(folder, TENTHS) if folder.is_dir() else None

    def takes(self) -> tuple[Take, ...]:
        found = []
        for name, row in self.rows.items():
            neutral = row["sitting"] == "1"
            found.append(Take(name, row["person"], neutral=neutral, order=float(row["sitting"])))
        return tuple(found)


def fake(root: Path, seed: int = 0) -> Path:
    """Four people who do not exist, four sittings each; one of them refuses to be shown."""
    root = Path(root)
    rows = ["person,sitting,state"]
    for p, person in enumerate(("kim", "lee", "max", "nia")):
        for sitting in (1, 2, 3, 4):
            name = f"{person}.{sitting}"
            at = seed + 100 * p + 10 * sitting
            rows.append(f"{person},{sitting},{CALM.classes[sitting % 2]}")
            fakes.tiny_film(root / "films" / f"{name}.mp4", 6, 10, at)
            for number in range(6):
                fakes.tiny_crop(root / "crops" / name / f"{number}.jpg", at + number)
    (root / "sittings.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "consents.txt").write_text("kim: yes\nlee: no\n", encoding="utf-8")
    fakes.mark_drawn(root, "mine", seed)
    return root


PLUGIN = Sittings

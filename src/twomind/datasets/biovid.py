"""BioVid Heat Pain Database, part A: 87 people, 20 heat stimuli at each of four levels and 20 times
none, no speech.

The name of a clip says everything: ``<person>-<level>-<number>``, ``071309_w_21-BL1-081``: person
(with sex w/m and age), level BL1 (no stimulus) or PA1 to PA4. Reads the films
(``video/<person>/<clip>.mp4``) and the folders of crops that laboratories make
(``sub_red_classes_img/<person>/<clip>/image2040.jpg``, the number being milliseconds), with or
without label files (one frame a line: path, blank, label).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from twomind.core import csv_text
from twomind.core.store import write_text
from twomind.datasets import common, fakes
from twomind.datasets.checking import Finding, is_drawn
from twomind.datasets.clips import Clips
from twomind.datasets.frames import MILLISECONDS, Clock, FrameLabels
from twomind.datasets.protocols import Take
from twomind.types import Task

FAKE_PEOPLE = ("010101_w_30", "020202_m_41", "030303_w_52", "040404_m_23")
LEVELS = ("BL1", "PA1", "PA2", "PA3", "PA4")
PAIN = Task("pain", ("neutral", "pain"), "clip")
PAIN_LEVEL = Task("pain_level", LEVELS, "clip")

#: Clips of one level of one person in the complete part A.
N_CLIPS = 20

_SEXES = {"w": "female", "m": "male"}
_NAME = re.compile(
    r"^(?P<subject>\d{6}_(?P<sex>[wm])_(?P<age>\d+))-(?P<level>BL1|PA[1-4])-(?P<number>\d+)(?:~visit(?P<visit>\d+))?$"
)


class BioVid(Clips):
    """The folder of part A."""

    name: ClassVar[str] = "biovid"
    licence: ClassVar[str] = "licence agreement for non-commercial research; no redistribution"
    access: ClassVar[str] = (
        "request and signed agreement, Neuro-Information Technology, University of Magdeburg "
        "(BioVid)"
    )
    tasks: tuple[Task, ...] = (PAIN, PAIN_LEVEL)
    protocols: ClassVar[tuple[str, ...]] = (
        "ten-targets", "ten-targets-transductive", *common.GENERAL, "environment-shift",
    )  # fmt: skip
    targets: ClassVar[tuple[str, ...]] = (
        "081014_w_27", "101609_m_36", "112009_w_43", "091809_w_43", "071309_w_21",
        "073114_m_25", "080314_w_25", "073109_w_28", "100909_w_65", "081609_w_40",
    )  # fmt: skip
    looks_for: ClassVar[str] = (
        "video/<person>/<person>-BL1-081.mp4 or "
        "sub_red_classes_img/<person>/<person>-BL1-081/image2040.jpg"
    )

    clip_name: ClassVar[re.Pattern[str]] = _NAME
    person_name: ClassVar[re.Pattern[str]] = re.compile(r"^\d{6}_[wm]_\d+$")
    film_folders: ClassVar[tuple[str, ...]] = ("video", "PartA/video", "partA/video", "videos", ".")
    crop_places: ClassVar[tuple[str, ...]] = (
        "sub_red_classes_img", "PartA/sub_red_classes_img", "crops", "faces", "images", ".",
    )  # fmt: skip
    lacks: ClassVar[str] = "no {} of this clip"
    stranger: ClassVar[str] = "not a clip by its name"
    words_reason: ClassVar[str] = "people do not speak in this data set"

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        return fake(root, seed)

    def listed(self) -> tuple[str, ...]:
        return self._samples

    @cached_property
    def _samples(self) -> tuple[str, ...]:
        """Clips that ``samples.csv`` of the release lists; empty without one."""
        found: dict[str, None] = {}
        for mark, base in common.visit_roots(self.root).items():
            for path in (base / "samples.csv", base / "PartA" / "samples.csv"):
                if not path.is_file():
                    continue
                for cell in _cells(path):
                    if _NAME.match(cell):
                        found[cell + mark] = None
        return tuple(found)

    @cached_property
    def clock(self) -> Clock:
        return MILLISECONDS

    def label(self, task_name: str, recording_id: str) -> int | None:
        task = common.known_task(self.tasks, task_name)
        match = _NAME.match(recording_id)
        if match is None or recording_id not in self.clips:
            return None
        if task is PAIN_LEVEL:
            return LEVELS.index(match["level"])
        return {"BL1": 0, "PA4": 1}.get(match["level"])

    def people(self) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for name in self.clips:
            match = self.parse(name)
            found[match["subject"]] = {"sex": _SEXES[match["sex"]], "age": match["age"]}
        return found

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        match = _NAME.match(recording_id)
        if match is None or recording_id not in self.clips:
            return None
        return {
            "level": match["level"],
            "number": int(match["number"]),
            "visit": int(match["visit"] or 1),
        }

    def takes(self, levels: tuple[str, ...] = ("BL1", "PA4")) -> tuple[Take, ...]:
        """Clips of the two levels that the protocols use. When a clip came in the session is not in
        its name.
        """
        found = []
        for name in self.clips:
            match = self.parse(name)
            level, visit = match["level"], match["visit"] or 1
            if level in levels:
                neutral = level == "BL1"
                take = Take(name, match["subject"], neutral=neutral, environment=f"visit {visit}")
                found.append(take)
        return tuple(found)

    def conflict(self, name: str, labels: FrameLabels) -> str:
        own = self.label("pain", name)
        said = sorted(set(map(int, labels.labels)))
        if own is None or said == [own]:
            return ""
        return f"its level means {own}, its label file says {said}"

    def remarks(self) -> list[str]:
        n = len(self.people())
        return [] if n == 87 else [f"part A has 87 people; here are {n}"]

    def lacking(self) -> list[Finding]:
        """Levels of which a person has fewer clips than the release, where ``samples.csv`` does not
        list them.
        """
        if self._samples or is_drawn(self.root):
            return []  # a synthetic study has as many clips as it was asked for
        count: Counter[tuple[str, str]] = Counter()
        for match in map(self.parse, self.clips):
            count[match["subject"], match["level"]] += 1
        found = []
        for (person, level), n in sorted(count.items()):
            if n < N_CLIPS:
                found.append(Finding(f"{person}-{level}", f"{n} of {N_CLIPS} clips"))
        return found


def _cells(path: Path) -> Iterator[str]:
    with csv_text.table(path) as file:
        for row in csv.reader(file, delimiter="\t"):
            for cell in row:
                yield cell.strip()


#: Levels of the tiny folder, with the number of the first clip of each.
_FAKE_LEVELS = {"BL1": 81, "PA3": 41, "PA4": 61}


def fake(root: Path, seed: int = 0, people: tuple[str, ...] = FAKE_PEOPLE,
         n_clips: int = 3, n_frames: int = 4) -> Path:  # fmt: skip
    """Write a tiny part A: films and crops of BL1, PA3 and PA4, label files, people who do not
    exist.

    Args:
        root: folder to write into.
        seed: seed of the noise in the pictures.
        people: names of the people's folders, as the release makes them.
        n_clips: clips of each level and person.
        n_frames: pictures of each clip.
    """
    root = Path(root)
    crops = root / "sub_red_classes_img"
    for p, person in enumerate(people):
        lines = []
        for k, (level, first) in enumerate(_FAKE_LEVELS.items()):
            for i in range(n_clips):
                name = f"{person}-{level}-{first + i:03d}"
                at = seed + 1000 * p + 100 * k + i
                fakes.tiny_film(root / "video" / person / f"{name}.mp4", n_frames, 25, at)
                for j in range(n_frames):
                    frame = f"{person}/{name}/image{2040 + 40 * j}.jpg"
                    fakes.tiny_crop(crops / frame, (seed, p, k, i, j))
                    if level != "PA3":
                        lines.append(f"{frame} {int(level == 'PA4')}")
        write_text(root / "files" / f"{person}.txt", "\n".join(lines) + "\n")
    fakes.mark_drawn(root, "biovid", seed)
    return root


PLUGIN = BioVid

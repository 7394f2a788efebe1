"""What the data sets share: their folds, made and guarded in one place."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from twomind.core.errors import BadInput
from twomind.datasets import leaks, protocols
from twomind.datasets.checking import Finding, not_listed, shown
from twomind.datasets.frames import FrameLabels, read_frame_list
from twomind.media.recording import MEDIA_SUFFIXES
from twomind.transcripts.words import Words, read_words
from twomind.types import Fold, Recording, Task

#: The question of ambivalence asked of moments, where the floor's ``AMBIVALENCE`` asks it of a
#: whole answer.
AMBIVALENCE_FRAMES = Task("ambivalence_hesitancy_frames", ("absent", "present"), "frame")
#: Protocols of any data set with people.
GENERAL = ("targets-N", "each-person", "people-K", "leave-one-person-out")
#: Of those with questions or tasks too.
WITH_QUESTIONS = (*GENERAL, "leave-one-question-out", "leave-one-person-and-question-out")


def guarded_folds(
    offered: Sequence[str],
    protocol: str,
    seed: int,
    recordings: Sequence[Recording],
    takes: Sequence[protocols.Take],
    targets: Sequence[str] = (),
    folders: Mapping[str, Path] | None = None,
) -> tuple[Fold, ...]:
    """The folds of a protocol, each checked by :func:`leaks.check_fold`. ``folders`` are crops by
    recording.

    Raises: BadInput: the data set does not offer the protocol or its recordings do not allow it; a
        guard found something.
    """
    rules = protocols.rules(protocol)
    if not any(protocols.PROTOCOLS[o] is rules for o in offered):
        raise BadInput(f"this data set has no protocol {protocol!r}; it has: {', '.join(offered)}")
    made = protocols.make(protocol, takes, seed, targets)
    by_id = {r.id: r for r in recordings}
    content = leaks.contents(recordings, folders)
    for fold in made:
        leaks.check_fold(fold, by_id, content)
    return made


class _Kind(Protocol):
    name: ClassVar[str]
    looks_for: ClassVar[str]

    @classmethod
    def fits(cls, root: Path) -> bool: ...


def fitting(data: _Kind | type[_Kind], root: Path | str) -> Path:
    """The root as a path.

    Raises: BadInput: the folder has not the layout of this data set; the message says what was
        looked for.
    """
    root = Path(root)
    if not data.fits(root):
        raise BadInput(f"{root}: expected the layout of {data.name}: {data.looks_for}")
    return root


def transcript(path: Path, duration_s: float, root: Path, problems: list[Finding]) -> Words | None:
    """Words of a transcript's file; None, and a finding more, where it cannot be read.
    ``duration_s`` may be nan.
    """
    try:
        return read_words(path, duration_s if math.isfinite(duration_s) else None)
    except BadInput as error:
        problems.append(Finding(shown(path, root), str(error).removeprefix(f"{path}: ")))
        return None


def known_task(tasks: Sequence[Task], name: str) -> Task:
    """The task of that name.

    Raises:
        BadInput: the data set has no such task; the message lists what it has.
    """
    for task in tasks:
        if task.name == name:
            return task
    raise BadInput(
        f"no task {name!r} in this data set; there is: {', '.join(t.name for t in tasks)}"
    )


def read_people_table(path: Path) -> dict[str, dict[str, str]]:
    """A CSV of people with the column ``subject`` and any of sex, age, ethnicity, language,
    consent_publication.

    Raises:
        BadInput: there is no column ``subject``.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if "subject" not in (reader.fieldnames or ()):
            raise BadInput(
                f"{path}: expected a column subject, got {', '.join(reader.fieldnames or ())}"
            )
        return {
            row["subject"].strip(): {
                k: v.strip() for k, v in row.items() if k and k != "subject" and v
            }
            for row in reader
            if row["subject"]
        }


def people_of(subjects: Iterable[str], *tables: Path) -> dict[str, dict[str, str]]:
    """What the tables that are there say of each of these people; a later table goes before an
    earlier one.
    """
    found: dict[str, dict[str, str]] = {subject: {} for subject in subjects}
    for path in tables:
        if path.is_file():
            for subject, known in read_people_table(path).items():
                if subject in found:
                    found[subject].update(known)
    return found


def may_be_shown(person: Mapping[str, str], drawn: bool) -> bool:
    """Only a stated yes is a yes; drawn people may be shown unless they are drawn as refusing."""
    stated = person.get("consent_publication", "").lower()
    return stated == "yes" or (drawn and stated != "no")


def visit_roots(root: Path) -> dict[str, Path]:
    """Where a layout lies: the root, and ``visit-2`` ... below it, each the same layout again on
    another day.

    Keys end the ids of a visit's recordings: "" for the root, ``~visit2`` ... for the others.
    """
    found = {"": root}
    for path in sorted(root.glob("visit-*")):
        number = path.name.removeprefix("visit-")
        if path.is_dir() and number.isdigit():
            found[f"~visit{number}"] = path
    return found


def label_files(root: Path) -> list[Path]:
    """Text files in which laboratories list frames, at the root, in ``files/`` or
    ``WeightFiles/*/files/``.
    """
    places = ("*.txt", "files/*.txt", "WeightFiles/*/files/*.txt")
    return sorted({path for place in places for path in root.glob(place)})


def clips_by_name(
    root: Path,
    film_folders: Sequence[str],
    crop_folders: Sequence[str],
    person: re.Pattern[str],
    name: re.Pattern[str],
    first_only: bool = False,
) -> dict[str, dict[str, Path]]:
    """Films ``<person>/<clip>.mp4`` and folders of crops ``<person>/<clip>/`` in the given places,
    by clip.

    ``name`` has a group ``subject`` that must be the person's folder. Values have ``film`` and
    ``crops``, as there.
    """
    found: dict[str, dict[str, Path]] = {}
    for mark, base in visit_roots(root).items():
        for kind, places in (("film", film_folders), ("crops", crop_folders)):
            for place in places:
                if not (base / place).is_dir():
                    continue
                for folder in sorted(os.scandir(base / place), key=lambda e: e.name):
                    if not folder.is_dir() or not person.match(folder.name):
                        continue
                    for entry in sorted(os.scandir(folder.path), key=lambda e: e.name):
                        stem, ending = os.path.splitext(entry.name)
                        is_kind = (
                            entry.is_dir() if kind == "crops" else ending.lower() in MEDIA_SUFFIXES
                        )
                        match = name.match(entry.name if kind == "crops" else stem)
                        if is_kind and match and match["subject"] == folder.name:
                            found.setdefault(match[0] + mark, {}).setdefault(kind, Path(entry.path))
                            if first_only:
                                return found
    return found


def frame_lists(
    root: Path, name: re.Pattern[str]
) -> tuple[dict[str, FrameLabels], list[tuple[str, str]]]:
    """Labels of frames by clip from all label files; and (file, problem) of the lines that could
    not be used.
    """
    found: dict[str, FrameLabels] = {}
    problems: list[tuple[str, str]] = []
    for mark, base in visit_roots(root).items():
        for path in label_files(base):
            try:
                folders, wrong = read_frame_list(path)
            except BadInput:
                continue  # another kind of text file
            named = {f.rsplit("/", 1)[-1]: labels for f, labels in folders.items()}
            kept = {n + mark: labels for n, labels in named.items() if name.match(n)}
            found.update(kept)
            problems += [(path.relative_to(root).as_posix(), p) for p in (wrong if kept else ())]
    return found, problems


def strangers(root: Path, clips: Mapping[str, Mapping[str, Path]], reason: str) -> list[Finding]:
    """Files that are no part of any clip, below the folders that hold the people's folders."""
    known = {path for parts in clips.values() for path in parts.values()}
    roots = set(visit_roots(root).values())
    tops = {path.parent if path.parents[1] in roots else path.parents[1] for path in known}
    return [finding for top in sorted(tops) for finding in not_listed(top, known, root, reason)]

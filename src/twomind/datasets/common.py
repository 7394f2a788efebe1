"""What the data sets share: their folds, made and guarded in one place."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from twomind.core.errors import BadInput
from twomind.datasets import leaks, protocols
from twomind.datasets.checking import Finding, not_listed, shown
from twomind.datasets.frames import FrameLabels, read_frame_list
from twomind.datasets.protocols import Take
from twomind.media.recording import MEDIA_SUFFIXES
from twomind.transcripts.language import is_measured, only_english
from twomind.transcripts.words import Words, read_words
from twomind.types import Fold, Recording, Task

#: The question of ambivalence asked of moments, where the floor's ``AMBIVALENCE`` asks it of a
#: whole answer.
AMBIVALENCE_FRAMES = Task("ambivalence_hesitancy_frames", ("absent", "present"), "frame")
#: Protocols of any data set with people.
GENERAL = ("targets-N", "each-person", "people-K", "leave-one-person-out")
#: Of those with questions or tasks too.
WITH_QUESTIONS = (*GENERAL, "leave-one-question-out", "leave-one-person-and-question-out")


class _Divided(Protocol):
    """What is asked of a data set whose folds are made."""

    @property
    def protocols(self) -> Sequence[str]: ...

    @property
    def targets(self) -> Sequence[str]: ...

    def recordings(self) -> tuple[Recording, ...]: ...

    def takes(self) -> tuple[Take, ...]: ...


def guarded_folds(
    data: _Divided, protocol: str, seed: int = 0, folders: Mapping[str, Path] | None = None
) -> tuple[Fold, ...]:
    """The folds of a protocol, each checked by :func:`leaks.check_fold`.

    Args:
        data: the data set; it says which protocols it offers, its recordings and its takes.
        protocol: name of a protocol, numbers included (``targets-4``).
        seed: who is chosen where nothing is listed, and the order where none is known.
        folders: folders of crops by recording, in which twins are looked for where there is no
            film.

    Raises:
        BadInput: the data set does not offer the protocol or its recordings do not allow it; a
            guard found something.
    """
    rules = protocols.rules(protocol)
    offered = data.protocols
    if not any(protocols.PROTOCOLS[name] is rules for name in offered):
        raise BadInput(f"this data set has no protocol {protocol!r}; it has: {', '.join(offered)}")
    recordings = data.recordings()
    made = protocols.make(protocol, data.takes(), seed, data.targets)
    by_id = {recording.id: recording for recording in recordings}
    content = leaks.contents(recordings, folders)
    for fold in made:
        leaks.check_fold(fold, by_id, content)
    return made


def transcript(
    path: Path,
    duration_s: float,
    root: Path,
    problems: list[Finding],
    speaker: str | None = None,
) -> Words | None:
    """Words of a transcript's file; None, and a finding more, where it cannot be read.

    Args:
        path: the file.
        duration_s: length of the recording in seconds; nan where it is not known.
        root: folder of the data set, to which the finding's path is relative.
        problems: takes the finding.
        speaker: what the person is called in it, where several people speak.
    """
    try:
        return read_words(path, duration_s if math.isfinite(duration_s) else None, speaker)
    except BadInput as error:
        problems.append(Finding(shown(path, root), str(error).removeprefix(f"{path}: ")))
        return None


def remarks(recordings: Iterable[Recording]) -> list[Finding]:
    """What was odd about each recording's transcript, and why its words are not measured where
    there is one.
    """
    found = []
    for recording in recordings:
        said = list(recording.words_remarks)
        if recording.words is None and recording.words_source:
            said.append(f"words are not measured: {recording.words_reason}")
        elif not is_measured(recording.language):
            said.append(f"words are not measured: {only_english(recording.language)}")
        found += [Finding(recording.id, remark) for remark in said]
    return found


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


@dataclass(frozen=True)
class ClipNames:
    """How a data set of clips ``<person>/<clip>`` names its folders and files.

    ``clip`` has a group ``subject`` that must be the person's folder.
    """

    film_folders: tuple[str, ...]
    crop_folders: tuple[str, ...]
    person: re.Pattern[str]
    clip: re.Pattern[str]

    def found(self, root: Path) -> Iterator[tuple[str, str, Path]]:
        """Films ``<person>/<clip>.mp4`` and folders of crops ``<person>/<clip>/``: the clip,
        ``film`` or ``crops``, and the path.
        """
        for mark, base in visit_roots(root).items():
            for place in self.film_folders:
                for name, path in self._films(base / place):
                    yield name + mark, "film", path
            for place in self.crop_folders:
                for name, path in self._crops(base / place):
                    yield name + mark, "crops", path

    def _films(self, place: Path) -> Iterator[tuple[str, Path]]:
        for person, entry in self._entries(place):
            stem, ending = os.path.splitext(entry.name)
            if ending.lower() not in MEDIA_SUFFIXES:
                continue
            match = self.clip.match(stem)
            if match and match["subject"] == person:
                yield match[0], Path(entry.path)

    def _crops(self, place: Path) -> Iterator[tuple[str, Path]]:
        for person, entry in self._entries(place):
            match = self.clip.match(entry.name)
            if match and match["subject"] == person and entry.is_dir():
                yield match[0], Path(entry.path)

    def _entries(self, place: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Everything in the folders of the people."""
        if not place.is_dir():
            return
        for folder in _by_name(place):
            if not folder.is_dir() or not self.person.match(folder.name):
                continue
            for entry in _by_name(folder.path):
                yield folder.name, entry


def _by_name(folder: Path | str) -> list[os.DirEntry[str]]:
    return sorted(os.scandir(folder), key=lambda entry: entry.name)


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
            is_of_clips = False
            for folder, labels in folders.items():
                clip = folder.rsplit("/", 1)[-1]
                if name.match(clip):
                    found[clip + mark] = labels
                    is_of_clips = True
            if is_of_clips:
                at = path.relative_to(root).as_posix()
                problems += [(at, problem) for problem in wrong]
    return found, problems


def strangers(root: Path, clips: Mapping[str, Mapping[str, Path]], reason: str) -> list[Finding]:
    """Files that are no part of any clip, below the folders that hold the people's folders.

    Args:
        root: folder of the data set.
        clips: paths of each clip's parts.
        reason: what a finding says.
    """
    roots = set(visit_roots(root).values())
    known: set[Path] = set()
    tops: set[Path] = set()
    for parts in clips.values():
        for path in parts.values():
            known.add(path)
            person = path.parent
            tops.add(person if person.parent in roots else person.parent)
    found: list[Finding] = []
    for top in sorted(tops):
        found += not_listed(top, known, root, reason)
    return found


def unlisted_films(root: Path, media: Iterable[Path], reason: str) -> list[Finding]:
    """Films anywhere below the root that are no recording's.

    Args:
        root: folder of the data set.
        media: films of the recordings, also those that are absent.
        reason: what a finding says.
    """
    listed = {path.resolve() for path in media}
    found = []
    for finding in not_listed(root, (), root, reason):
        path = root / finding.path
        if path.suffix.lower() in MEDIA_SUFFIXES and path.resolve() not in listed:
            found.append(finding)
    return found

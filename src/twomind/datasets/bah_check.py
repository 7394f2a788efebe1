"""What lies in a BAH folder against what its lists promise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from twomind.datasets import bah_files, common
from twomind.datasets.bah_files import Video
from twomind.datasets.checking import (
    Finding,
    Found,
    Report,
    counted,
    film_fault,
    gaps,
    not_listed,
    picture_faults,
    shown,
)
from twomind.datasets.frames import FrameFolder, FrameLabels, FrameSegment
from twomind.datasets.people import METADATA
from twomind.types import Progress, Recording


class Folder(Protocol):
    """What is asked of :class:`twomind.datasets.bah.Bah`, which has all of it."""

    name: ClassVar[str]
    root: Path
    base: Path
    problems: list[Finding]

    @property
    def is_release(self) -> bool: ...

    @property
    def version(self) -> str: ...

    @property
    def videos(self) -> Mapping[str, Video]: ...

    @property
    def annotation_file(self) -> Path | None: ...

    @property
    def annotations(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def films(self) -> Mapping[str, Path]: ...

    @property
    def crops(self) -> Mapping[str, Path]: ...

    @property
    def transcript_files(self) -> Mapping[str, Path]: ...

    @property
    def frame_splits(self) -> Mapping[str, FrameLabels]: ...

    @property
    def segments(self) -> Mapping[str, Sequence[FrameSegment]]: ...

    @property
    def metadata(self) -> Mapping[str, Mapping[str, str]]: ...

    @property
    def metadata_file(self) -> Path | None: ...

    def frame_folder(self, recording_id: str) -> FrameFolder | None: ...

    def frame_numbers(self, recording_id: str) -> FrameLabels: ...

    def recordings(self) -> tuple[Recording, ...]: ...

    def people(self) -> Mapping[str, Mapping[str, str]]: ...


#: Videos and people that the two releases are documented to hold.
RELEASES = {"v1": (1118, 224), "v2": (1427, 300)}


@dataclass
class _Found(Found):
    """What a check of BAH has found so far."""

    is_release: bool = False

    def absent(self, part: str, meaning: str) -> None:
        """A whole part is not there: missing from a release, and as it should be in the public form
        and in ABAW8's.
        """
        if self.is_release:
            self.missing.append(Finding(part, f"the whole part is not there: {meaning}"))
        else:
            self.notes.append(f"no {part}: {meaning}")


def check(data: Folder, deep: bool, progress: Progress | None = None) -> Report:
    """Every listed recording in every part (films, crops, transcripts, annotation, metadata) that
    the folder has.

    Args:
        data: the open folder, which goes on without a part that cannot be read.
        deep: also open every film and look into every picture.
        progress: told how far the check has come.
    """
    found = _Found(is_release=data.is_release)
    people = {video.subject for video in data.videos.values()}
    _films(data, found, deep, progress)
    _crops(data, found, deep, progress)
    _transcripts(data, found)
    _annotation(data, found)
    _metadata(data, found, people)
    _splits(data, found, len(people))
    # Reads every transcript, list and file of people, collecting problems.
    _ = (data.frame_splits, data.segments, data.people())
    found.remarks += common.remarks(data.recordings())
    named = {finding.path for finding in found.corrupted}
    found.corrupted += [f for f in dict.fromkeys(data.problems) if f.path not in named]
    for video in data.videos.values():
        reasons = _conflicts(data, video)
        found.conflicts += [Finding(video.path, reason) for reason in reasons]
    return found.report(data, len(data.videos), len(people), deep)


def _films(data: Folder, found: _Found, deep: bool, progress: Progress | None) -> None:
    if not (data.base / "Videos").is_dir():
        found.absent("Videos/", "times of frames are nominal, and nothing can be measured in films")
        return
    for video in data.videos.values():
        if video.id not in data.films:
            found.missing.append(Finding(video.path, "listed, but not there"))
    known = [path for name, path in data.films.items() if name in data.videos]
    found.extra += not_listed(data.base / "Videos", known, data.base, "not a listed recording")
    for path in counted(known, "looking at films", progress):
        fault = film_fault(path, deep)
        if fault:
            found.corrupted.append(Finding(shown(path, data.base), fault))


def _crops(data: Folder, found: _Found, deep: bool, progress: Progress | None) -> None:
    crops = data.base / "cropped-aligned-faces"
    if not crops.is_dir():
        found.absent("cropped-aligned-faces/", "no face crops")
        return
    for video in counted(data.videos.values(), "looking at crops", progress):
        folder = data.frame_folder(video.id)
        if folder is None:
            at = f"cropped-aligned-faces/{video.path}"
            found.missing.append(Finding(at, "no crops of this recording"))
            continue
        _numbers(data, video.id, folder, found)
        for path, why in picture_faults(folder.folder, deep):
            found.corrupted.append(Finding(shown(path, data.base), why))
    known = [path for name, path in data.crops.items() if name in data.videos]
    found.extra += not_listed(crops, known, data.base, "not a crop of a listed recording")


def _numbers(data: Folder, name: str, folder: FrameFolder, found: _Found) -> None:
    """The numbers of a recording's crops against the labelled frames and the film's."""
    at = shown(folder.folder, data.base)
    numbers = [number for number, _ in folder.files]
    # The frame split lists the crops; the annotation lists the film's frames, of which not all
    # need be cropped.
    labelled = data.frame_splits.get(name) or data.frame_numbers(name)
    lacking = gaps(numbers, map(int, labelled.numbers))
    if lacking:
        found.missing.append(Finding(at, lacking))
    stamps_s = folder.clock.stamps_s
    if stamps_s is None:
        return
    beyond = [number for number in numbers if number >= len(stamps_s)]
    if beyond:
        reason = f"{len(beyond)} crops are numbered beyond the film's {len(stamps_s)} frames"
        found.extra.append(Finding(at, reason))


def _transcripts(data: Folder, found: _Found) -> None:
    folder = data.base / "transcription"
    if not folder.is_dir():
        found.absent("transcription/", "words come from the split files, without times")
        return
    for video in data.videos.values():
        if video.id not in data.transcript_files:
            at = f"transcription/{video.path}"
            found.missing.append(Finding(at, "no transcript of this recording"))
    known = [path for name, path in data.transcript_files.items() if name in data.videos]
    reason = "not the transcript of a listed recording"
    found.extra += not_listed(folder, known, data.base, reason)


def _annotation(data: Folder, found: _Found) -> None:
    path = data.annotation_file
    if path is None:
        part = bah_files.ANNOTATIONS[0]
        found.absent(part, "no cues, no certainty, no segment times in seconds")
        return
    for name in data.videos:
        if name not in data.annotations:
            found.missing.append(Finding(path.name, f"no entry of {name}"))
    for name in data.annotations:
        if name not in data.videos:
            found.extra.append(Finding(path.name, f"entry of {name}, which is not listed"))


def _metadata(data: Folder, found: _Found, people: set[str]) -> None:
    if data.metadata:
        for person in sorted(people - set(data.metadata)):
            found.missing.append(Finding(METADATA[0], f"no entry of participant {person}"))
    elif data.metadata_file is None:
        meaning = "consent is not known, so nobody may be shown in a report picture"
        found.absent(METADATA[0], meaning)


def _splits(data: Folder, found: _Found, n_people: int) -> None:
    """Official splits that are not here, and another size than the release's."""
    folder = bah_files.split_folder(data.base)
    if folder is not None:
        for split in bah_files.SPLITS:
            if not (folder / f"{split}.txt").is_file():
                note = f"no {split}.txt: the official {split} split is not here"
                found.notes.append(note)
    n_videos = len(data.videos)
    n_release = RELEASES.get(data.version)
    if n_release and (n_videos, n_people) != n_release:
        found.notes.append(
            f"by its splits this is {data.version}, which has {n_release[0]} recordings of "
            f"{n_release[1]} people; listed here: {n_videos} of {n_people}"
        )


def _conflicts(data: Folder, video: Video) -> Iterator[str]:
    """What two parts of the data set say differently of a recording."""
    entry = data.annotations.get(video.id, {})
    label = video.label
    stated = entry.get("global_ah")
    if stated is not None and label is not None and int(stated) != label:
        yield f"split label {label}, annotated as {stated}"
    frames = data.frame_numbers(video.id).labels
    if len(frames) and label is not None and int(frames.max() > 0) != label:
        n_positive = int((frames == 1).sum())
        yield f"video label {label}, but {n_positive} positive frames"
    by_split, runs = data.frame_splits.get(video.id), entry.get("frame_runs")
    if by_split is not None and runs:
        by_entry = bah_files.labels_from_runs(runs).at(by_split.numbers)
        n_other = int((by_entry != by_split.labels).sum())
        if n_other:
            yield f"{n_other} frames labelled differently in split-frames and annotation"

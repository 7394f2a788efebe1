"""What lies in a BAH folder against what its lists promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from twomind.datasets import bah_files
from twomind.datasets.checking import (
    Finding,
    Report,
    counted,
    film_fault,
    gaps,
    not_listed,
    picture_faults,
    shown,
)
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
    def videos(self) -> Mapping[str, Any]: ...

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
    def frame_splits(self) -> Mapping[str, Any]: ...

    @property
    def segments(self) -> Mapping[str, Any]: ...

    @property
    def metadata(self) -> Mapping[str, Any]: ...

    @property
    def metadata_file(self) -> Path | None: ...

    def frame_folder(self, recording: str) -> Any: ...

    def frame_numbers(self, recording: str) -> Any: ...

    def recordings(self) -> tuple[Recording, ...]: ...


#: Videos and people that the two releases are documented to hold.
RELEASES = {"v1": (1118, 224), "v2": (1427, 300)}


@dataclass
class _Found:
    """What a check has found so far."""

    is_release: bool
    deep: bool
    missing: list[Finding] = field(default_factory=list)
    extra: list[Finding] = field(default_factory=list)
    corrupted: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

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
    """
    found = _Found(data.is_release, deep)
    base, videos = data.base, data.videos
    people = {v.subject for v in videos.values()}

    _films(data, found, progress)
    _crops(data, found, progress)
    if (base / "transcription").is_dir():
        for video in videos.values():
            if video.id not in data.transcript_files:
                found.missing.append(
                    Finding(f"transcription/{video.path}", "no transcript of this recording")
                )
        known = [path for name, path in data.transcript_files.items() if name in videos]
        found.extra += not_listed(
            base / "transcription", known, base, "not the transcript of a listed recording"
        )
    else:
        found.absent("transcription/", "words come from the split files, without times")
    if data.annotation_file is None:
        found.absent(bah_files.ANNOTATIONS[0], "no cues, no certainty, no segment times in seconds")
    else:
        name = data.annotation_file.name
        found.missing += [
            Finding(name, f"no entry of {v}") for v in videos if v not in data.annotations
        ]
        found.extra += [
            Finding(name, f"entry of {v}, which is not listed")
            for v in data.annotations
            if v not in videos
        ]
    if data.metadata:
        found.missing += [
            Finding("meta_data.yml", f"no entry of participant {p}")
            for p in sorted(people - set(data.metadata))
        ]
    elif data.metadata_file is None:
        found.absent(
            "meta_data.yml", "consent is not known, so nobody may be shown in a report picture"
        )
    folder = bah_files.split_folder(base)
    if folder is not None:
        lacking = [s for s in bah_files.SPLITS if not (folder / f"{s}.txt").is_file()]
        found.notes += [f"no {s}.txt: the official {s} split is not here" for s in lacking]
    n_release = RELEASES.get(data.version)
    if n_release and (len(videos), len(people)) != n_release:
        found.notes.append(
            f"by its splits this is {data.version}, which has {n_release[0]} recordings of "
            f"{n_release[1]} people; "
            f"listed here: {len(videos)} of {len(people)}"
        )
    _ = (
        data.recordings(),
        data.frame_splits,
        data.segments,
    )  # reads every transcript and list, collecting problems
    named = {f.path for f in found.corrupted}
    found.corrupted += [p for p in dict.fromkeys(data.problems) if p.path not in named]
    return Report(
        data.name,
        data.root,
        len(videos),
        len(people),
        tuple(found.missing),
        tuple(found.extra),
        tuple(found.corrupted),
        tuple(_conflicts(data)),
        tuple(found.notes),
        deep,
    )


def _films(data: Folder, found: _Found, progress: Progress | None) -> None:
    if not (data.base / "Videos").is_dir():
        found.absent("Videos/", "times of frames are nominal, and nothing can be measured in films")
        return
    found.missing += [
        Finding(v.path, "listed, but not there")
        for v in data.videos.values()
        if v.id not in data.films
    ]
    known = [p for name, p in data.films.items() if name in data.videos]
    found.extra += not_listed(data.base / "Videos", known, data.base, "not a listed recording")
    for path in counted(known, "looking at films", progress):
        fault = film_fault(path, found.deep)
        if fault:
            found.corrupted.append(Finding(shown(path, data.base), fault))


def _crops(data: Folder, found: _Found, progress: Progress | None) -> None:
    crops = data.base / "cropped-aligned-faces"
    if not crops.is_dir():
        found.absent("cropped-aligned-faces/", "no face crops")
        return
    for video in counted(data.videos.values(), "looking at crops", progress):
        folder = data.frame_folder(video.id)
        if folder is None:
            found.missing.append(
                Finding(f"cropped-aligned-faces/{video.path}", "no crops of this recording")
            )
            continue
        numbers = [n for n, _ in folder.files]
        # The frame split lists the crops; the annotation lists the film's frames, of which not all
        # need be cropped.
        labelled = data.frame_splits.get(video.id) or data.frame_numbers(video.id)
        lacking = gaps(numbers, map(int, labelled.numbers))
        if lacking:
            found.missing.append(Finding(shown(folder.folder, data.base), lacking))
        stamps_s = folder.clock.stamps_s
        beyond = [n for n in numbers if stamps_s is not None and n >= len(stamps_s)]
        if beyond:
            reason = f"{len(beyond)} crops are numbered beyond the film's {len(stamps_s)} frames"
            found.extra.append(Finding(shown(folder.folder, data.base), reason))
        found.corrupted += [
            Finding(shown(p, data.base), why)
            for p, why in picture_faults(folder.folder, found.deep)
        ]
    known = [p for name, p in data.crops.items() if name in data.videos]
    found.extra += not_listed(crops, known, data.base, "not a crop of a listed recording")


def _conflicts(data: Folder) -> list[Finding]:
    """Recordings of which two parts of the data set say different things."""
    found = []
    for video in data.videos.values():
        entry = data.annotations.get(video.id, {})
        stated = entry.get("global_ah")
        if stated is not None and video.label is not None and int(stated) != video.label:
            found.append(Finding(video.path, f"split label {video.label}, annotated as {stated}"))
        labels = data.frame_numbers(video.id).labels
        if len(labels) and video.label is not None and int(labels.max() > 0) != video.label:
            found.append(
                Finding(
                    video.path,
                    f"video label {video.label}, but {int((labels == 1).sum())} positive frames",
                )
            )
        by_split, by_entry = data.frame_splits.get(video.id), entry.get("frame_runs")
        if by_split is not None and by_entry:
            other = bah_files.labels_from_runs(by_entry)
            n_other = int((other.at(by_split.numbers) != by_split.labels).sum())
            if n_other:
                found.append(
                    Finding(
                        video.path,
                        f"{n_other} frames labelled differently in split-frames and annotation",
                    )
                )
    return found

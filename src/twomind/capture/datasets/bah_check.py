"""What lies in a BAH folder against what its lists promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twomind.capture.datasets import bah_files
from twomind.capture.datasets.checking import Finding, Report, film_fault, gaps, not_listed, picture_faults, shown

if TYPE_CHECKING:
    from twomind.capture.datasets.bah import Bah

Absent = Callable[[str, str], None]

#: Videos and people that the two releases are documented to hold.
RELEASES = {"v1": (1118, 224), "v2": (1427, 300)}


def check(data: Bah, deep: bool) -> Report:
    """Every listed recording in every part (films, crops, transcripts, annotation, metadata) that the folder has."""
    missing: list[Finding] = []
    extra: list[Finding] = []
    corrupted: list[Finding] = []
    notes: list[str] = []
    base, videos = data.base, data.videos
    people = {v.subject for v in videos.values()}

    def absent(part: str, meaning: str) -> None:
        """A whole part is not there: missing from a release, and as it should be in the public form and in ABAW8's."""
        if data.is_release:
            missing.append(Finding(part, f"the whole part is not there: {meaning}"))
        else:
            notes.append(f"no {part}: {meaning}")

    _films(data, deep, missing, extra, corrupted, absent)
    _crops(data, deep, missing, extra, corrupted, absent)
    if (base / "transcription").is_dir():
        for video in videos.values():
            if video.id not in data.transcript_files:
                missing.append(Finding(f"transcription/{video.path}", "no transcript of this recording"))
        known = list(data.transcript_files.values())
        extra += not_listed(base / "transcription", known, base, "not the transcript of a listed recording")
    else:
        absent("transcription/", "words come from the split files, without times")
    if data.annotation_file is None:
        absent(bah_files.ANNOTATIONS[0], "no cues, no certainty, no segment times in seconds")
    else:
        name = data.annotation_file.name
        missing += [Finding(name, f"no entry of {v}") for v in videos if v not in data.annotations]
        extra += [Finding(name, f"entry of {v}, which is not listed") for v in data.annotations if v not in videos]
    if data.metadata:
        missing += [
            Finding("meta_data.yml", f"no entry of participant {p}") for p in sorted(people - set(data.metadata))
        ]
    else:
        absent("meta_data.yml", "consent is not known, so nobody may be shown in a report picture")
    folder = bah_files.split_folder(base)
    if folder is not None:
        lacking = [s for s in bah_files.SPLITS if not (folder / f"{s}.txt").is_file()]
        notes += [f"no {s}.txt: the official {s} split is not here" for s in lacking]
    n_release = RELEASES.get(data.version)
    if n_release and (len(videos), len(people)) != n_release:
        notes.append(
            f"by its splits this is {data.version}, which has {n_release[0]} recordings of {n_release[1]} people; "
            f"listed here: {len(videos)} of {len(people)}"
        )
    _ = data.recordings(), data.frame_splits, data.segments  # reads every transcript and list, collecting problems
    named = {f.path for f in corrupted}
    corrupted += [p for p in dict.fromkeys(data.problems) if p.path not in named]
    return Report(
        data.name, data.root, len(videos), len(people), tuple(missing), tuple(extra), tuple(corrupted),
        tuple(_conflicts(data)), tuple(notes), deep,
    )  # fmt: skip


def _films(
    data: Bah, deep: bool, missing: list[Finding], extra: list[Finding], corrupted: list[Finding], absent: Absent
) -> None:
    if not (data.base / "Videos").is_dir():
        absent("Videos/", "times of frames are nominal, and nothing can be measured in films")
        return
    missing += [Finding(v.path, "listed, but not there") for v in data.videos.values() if v.id not in data.films]
    known = [p for name, p in data.films.items() if name in data.videos]
    extra += not_listed(data.base / "Videos", known, data.base, "not a listed recording")
    for path in known:
        fault = film_fault(path, deep)
        if fault:
            corrupted.append(Finding(shown(path, data.base), fault))


def _crops(
    data: Bah, deep: bool, missing: list[Finding], extra: list[Finding], corrupted: list[Finding], absent: Absent
) -> None:
    crops = data.base / "cropped-aligned-faces"
    if not crops.is_dir():
        absent("cropped-aligned-faces/", "no face crops")
        return
    for video in data.videos.values():
        folder = data.frame_folder(video.id)
        if folder is None:
            missing.append(Finding(f"cropped-aligned-faces/{video.path}", "no crops of this recording"))
            continue
        numbers = [n for n, _ in folder.files]
        # The frame split lists the crops; the annotation lists the film's frames, of which not all need be cropped.
        labelled = data.frame_splits.get(video.id) or data.frame_numbers(video.id)
        lacking = gaps(numbers, map(int, labelled.numbers))
        if lacking:
            missing.append(Finding(shown(folder.folder, data.base), lacking))
        stamps_s = folder.clock.stamps_s
        beyond = [n for n in numbers if stamps_s is not None and n >= len(stamps_s)]
        if beyond:
            reason = f"{len(beyond)} crops are numbered beyond the film's {len(stamps_s)} frames"  # type: ignore[arg-type]
            extra.append(Finding(shown(folder.folder, data.base), reason))
        corrupted += [Finding(shown(p, data.base), why) for p, why in picture_faults(folder.folder, deep)]
    known = [p for name, p in data.crops.items() if name in data.videos]
    extra += not_listed(crops, known, data.base, "not a crop of a listed recording")


def _conflicts(data: Bah) -> list[Finding]:
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
                Finding(video.path, f"video label {video.label}, but {int((labels == 1).sum())} positive frames")
            )
        by_split, by_entry = data.frame_splits.get(video.id), entry.get("frame_runs")
        if by_split is not None and by_entry:
            other = bah_files.labels_from_runs(by_entry)
            n_other = int((other.at(by_split.numbers) != by_split.labels).sum())
            if n_other:
                found.append(
                    Finding(video.path, f"{n_other} frames labelled differently in split-frames and annotation")
                )
    return found

"""BAH: Behavioural Ambivalence/Hesitancy, videos of people answering seven questions. Both releases
and ABAW8's subset.

Reads the folder as it was downloaded (``BAH_DB_public_access``), parts of it, or the public form:
split files and segment files without any film.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from twomind.annotations.bah import spans_frames, spans_s
from twomind.core.errors import BadInput
from twomind.core.files import text_of
from twomind.datasets import bah_check, bah_fake, bah_files, common
from twomind.datasets.bah_files import Video
from twomind.datasets.bah_splits import read_split, video_id
from twomind.datasets.base import Folder
from twomind.datasets.checking import Finding, Report, film_header, film_stamps_s, is_drawn, shown
from twomind.datasets.frames import Clock, FrameFolder, FrameLabels, FrameSegment, read_segments
from twomind.datasets.people import (
    CONSENT,
    METADATA,
    files_around,
    joined,
    read_metadata,
    read_people,
)
from twomind.datasets.protocols import Take
from twomind.media.recording import MEDIA_SUFFIXES
from twomind.transcripts.words import Words, words_of_text
from twomind.types import AMBIVALENCE, Progress, Recording, Segment, Task

#: Mean frame rate of the set: 916,618 frames in 10.60 hours. Only for recordings whose film is
#: absent.
NOMINAL_FPS = 24.0
_SLACK_S = 1e-6  # what rounding may take from a time
NOMINAL = "nominal: frame number / 24 (the film is not there)"


class Bah(Folder):
    """The folder of a BAH release."""

    name: ClassVar[str] = "bah"
    licence: ClassVar[str] = (
        "proprietary licence for research only; no redistribution; not for running other "
        "challenges; people who "
        "refused publication must never be shown"
    )
    access: ClassVar[str] = (
        "request form and signed licence agreement by a full-time faculty member (no students or "
        "postdocs) at "
        "github.com/sbelharbi/bah-dataset; the v1 split files with transcripts are public there"
    )
    tasks: tuple[Task, ...] = (AMBIVALENCE, common.AMBIVALENCE_FRAMES)
    protocols: ClassVar[tuple[str, ...]] = (
        "official",
        "train-val",
        "official-targets",
        "official-targets-transductive",
        "ten-targets",
        "ten-targets-transductive",
        *common.WITH_QUESTIONS,
        "environment-shift",
    )
    targets: ClassVar[tuple[str, ...]] = (
        "82711",
        "82687",
        "82585",
        "82592",
        "82598",
        "82632",
        "82681",
        "82683",
        "82708",
        "82714",
    )
    looks_for: ClassVar[str] = (
        "split/train.txt (or train.txt) with <pid>_Question_<1-7>_..., or "
        "video_annotation_transcript.yaml or "
        "annotation.yml, in the folder or in data/ below it"
    )

    def __init__(self, root: Path | str) -> None:
        super().__init__(root)
        self.base = bah_files.base_of(self.root) or self.root
        #: A check goes on without a part that cannot be read, and lists it; everything else stops
        #: there.
        self.lenient = False

    @classmethod
    def fits(cls, root: Path) -> bool:
        return bah_files.base_of(Path(root)) is not None

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        return bah_fake.fake(root, seed)

    # --- what the lists say
    # ------------------------------------------------------------------------------------------

    @cached_property
    def videos(self) -> dict[str, Video]:
        """Every listed recording: by the split files, else the annotation file, else the table."""
        found = self._of_splits() or self._of_tables()
        found.sort(key=lambda video: (video.subject, _session(video.id), video.id))
        return {video.id: video for video in found}

    def _of_splits(self) -> list[Video]:
        """What the split files list."""
        folder = bah_files.split_folder(self.base)
        if folder is None:
            return []
        found: dict[str, Video] = {}
        for split in bah_files.SPLITS:
            path = folder / f"{split}.txt"
            if not path.is_file() or self._is_empty(path):
                continue
            paths = _paths_of(path)
            read = read_split(path)
            self.problems += [Finding(shown(path, self.base), p) for p in read.problems]
            for answer in read.answers:
                if answer.id in found:
                    other = found[answer.id].split
                    raise BadInput(f"{path}: {answer.id} is also in the split {other}")
                video = _video(answer.id, paths.get(answer.id, answer.id), split)
                found[answer.id] = replace(video, label=answer.label, transcript=answer.transcript)
        return list(found.values())

    def _of_tables(self) -> list[Video]:
        """What the annotation file and the table list."""
        found: dict[str, Video] = {}
        for name, entry in self.annotations.items():
            found[name] = _video(name, str(entry.get("path", name)), "")
        for name, row in self.table.items():
            if name not in found:
                path = next(cell for cell in row.values() if bah_files.is_video_name(cell))
                found[name] = _video(name, path, row.get("split", ""))
        return [replace(video, label=self._global_label(video.id)) for video in found.values()]

    @cached_property
    def annotations(self) -> dict[str, dict[str, Any]]:
        path = self.annotation_file
        if path is None:
            return {}
        entries: dict[str, dict[str, Any]]
        entries, problems = self._part(path, bah_files.read_annotations, ({}, ()))
        self.problems += [Finding(path.name, p) for p in problems]
        return entries

    @property
    def annotation_file(self) -> Path | None:
        return bah_files.first_file(self.base, bah_files.ANNOTATIONS)

    @property
    def is_release(self) -> bool:
        """Whether this is a release (v1, v2), whole or in part; not the public form, not
        ABAW8's.
        """
        found = self.annotation_file
        if found is not None:
            return found.name in bah_files.ANNOTATIONS[:2]
        return (self.base / "split").is_dir()

    @cached_property
    def table(self) -> dict[str, dict[str, str]]:
        path = self.base / "bah-video.csv"
        if not path.is_file():
            return {}
        rows: dict[str, dict[str, str]] = self._part(path, bah_files.read_table, {})
        return rows

    @cached_property
    def films(self) -> dict[str, Path]:
        return bah_files.films(self.base, MEDIA_SUFFIXES)

    @cached_property
    def crops(self) -> dict[str, Path]:
        return bah_files.crop_folders(self.base)

    @cached_property
    def transcript_files(self) -> dict[str, Path]:
        return bah_files.transcripts(self.base)

    @cached_property
    def frame_splits(self) -> dict[str, FrameLabels]:
        """``split-frames/``: labels by recording."""
        found: dict[str, FrameLabels] = {}
        for split in bah_files.SPLITS:
            path = self.base / "split-frames" / f"{split}.txt"
            if path.is_file() and not self._is_empty(path):
                labels, problems = self._part(path, bah_files.read_frame_split, ({}, ()))
                found.update(labels)
                self.problems += [Finding(f"split-frames/{path.name}", p) for p in problems]
        return found

    @cached_property
    def segments(self) -> dict[str, list[FrameSegment]]:
        """Public segment files: by recording, in order. Segments under 16 frames are not
        in them.
        """
        found: dict[str, list[FrameSegment]] = {}
        for path in bah_files.segment_files(self.base).values():
            rows, problems = self._part(path, read_segments, ((), ()))
            self.problems += [Finding(path.name, p) for p in problems]
            for row in rows:
                found.setdefault(video_id(row.video), []).append(row)
        for of_one in found.values():
            of_one.sort(key=lambda segment: segment.start_frame)
        return found

    @property
    def version(self) -> str:
        """v1 or v2 by the sizes of the splits, else unknown."""
        sizes = Counter(v.split for v in self.videos.values())
        known = {(616, 110): "v1", (778, 124): "v2"}
        return known.get((sizes["train"], sizes["val"]), "unknown")

    def _part(self, path: Path, read: Callable[[Path], Any], nothing: Any) -> Any:
        """One part of the release read; in a check, what cannot be read is listed and counts as
        absent.
        """
        try:
            return read(path)
        except BadInput as error:
            if not self.lenient:
                raise
            self._note(path, error)
            return nothing

    def _note(self, path: Path, error: BadInput) -> None:
        """One more problem, with a file."""
        reason = str(error).removeprefix(f"{path}: ")
        self.problems.append(Finding(shown(path, self.base), reason))

    def _is_empty(self, path: Path) -> bool:
        """Whether a list is empty; that is a fault, except in a synthetic study of so few people that a
        split has none.
        """
        with open(path, "rb") as file:
            empty = not file.read(100).strip()
        if empty and not is_drawn(self.root):
            self.problems.append(Finding(shown(path, self.base), "the file is empty"))
        return empty

    # --- the contract
    # ------------------------------------------------------------------------------------------------

    def recordings(self) -> tuple[Recording, ...]:
        return self._recordings[0]

    @cached_property
    def _recordings(self) -> tuple[tuple[Recording, ...], dict[str, str]]:
        """All recordings, and each person's language as most of the transcripts name it."""
        drawn = is_drawn(self.root) or is_drawn(self.base)
        spoken: dict[str, Counter[str]] = {}
        found = []
        for video in self.videos.values():
            film = self.films.get(video.id)
            header = film_header(film)
            words = self._words(video, header.length_s)
            if words:
                spoken.setdefault(video.subject, Counter())[words.language or ""] += 1
            recording = Recording(
                id=video.id,
                subject=video.subject,
                media=film or self.base / video.path,
                question=video.question,
                duration_s=header.length_s,
                segments=self._segments(video.id),
                drawn=drawn or header.drawn,
            )
            found.append(words.of(recording, words.source) if words else recording)
        languages = {}
        for person, counts in spoken.items():
            usual = counts.most_common(1)[0][0]
            if usual:
                languages[person] = usual
        return tuple(found), languages

    def _words(self, video: Video, duration_s: float) -> Words | None:
        """Words of the transcript's file, else of the split file."""
        words = None
        path = self.transcript_files.get(video.id)
        if path is not None:
            words = common.transcript(path, duration_s, self.base, self.problems)
        if words is None and video.transcript:
            known = duration_s if np.isfinite(duration_s) else None
            words = words_of_text(video.transcript, "split file (plain text, no times)", known)
        return words

    def _segments(self, recording_id: str) -> tuple[Segment, ...]:
        """A/H segments: the coder's in seconds, else the coder's by frame, else the public ones."""
        entry = self.annotations.get(recording_id, {})
        try:
            if entry.get("time_detailed_ah"):
                spans = sorted(spans_s(entry))
                return tuple(Segment(a, max(a, b), "present", "coder") for a, b in spans)
            if entry.get("fr_detailed_ah"):
                frames = sorted(spans_frames(entry))
                return self._in_seconds(recording_id, frames, "coder, by frame number")
        except BadInput as error:
            self.problems.append(Finding(f"entry of {recording_id}", str(error)))
        public = []
        for segment in self.segments.get(recording_id, ()):
            if segment.label == 1:
                public.append((segment.start_frame, segment.end_frame))
        return self._in_seconds(recording_id, public, "public segment file")

    def _in_seconds(
        self, recording_id: str, spans: list[tuple[int, int]], source: str
    ) -> tuple[Segment, ...]:
        """Spans of frame numbers, both ends included, as segments; one that begins beyond the
        film's end is left out.
        """
        if not spans:
            return ()
        clock = self.clock(recording_id)
        source = f"{source} ({clock.note})" if clock.note else source
        starts_s = clock.seconds([first for first, _ in spans])
        ends_s = clock.seconds([last + 1 for _, last in spans])
        stamps_s = clock.stamps_s
        film_end_s = float(stamps_s[-1]) if stamps_s is not None and len(stamps_s) else np.nan
        ends_s = np.where(np.isnan(ends_s), film_end_s, ends_s)
        found = []
        for start_s, end_s in zip(starts_s.tolist(), ends_s.tolist(), strict=True):
            if np.isfinite(start_s) and np.isfinite(end_s):
                found.append(Segment(start_s, max(start_s, end_s), "present", source))
        return tuple(found)

    def label(self, task_name: str, recording_id: str) -> int | None:
        common.known_task(self.tasks, task_name)
        video = self.videos.get(recording_id)
        return video.label if video else None

    def _global_label(self, recording_id: str) -> int | None:
        value = self.annotations.get(recording_id, {}).get("global_ah")
        return int(value) if value in (0, 1, "0", "1") else None

    def frame_numbers(self, recording_id: str) -> FrameLabels:
        """Labels by frame number: of the annotation's frames, else ``split-frames/``, else the
        public segments.
        """
        entry = self.annotations.get(recording_id)
        if entry is not None and entry.get("frame_runs"):
            return bah_files.labels_from_runs(entry["frame_runs"])
        if recording_id in self.frame_splits:
            return self.frame_splits[recording_id]
        spans = [[s.start_frame, s.end_frame, s.label] for s in self.segments.get(recording_id, ())]
        return bah_files.labels_from_runs(spans)

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        common.known_task(self.tasks, task_name)
        times_s = np.asarray(times_s, float)
        unknown = np.full(len(times_s), -1, np.int64)
        labels = self.frame_numbers(recording_id)
        if not len(labels.numbers):
            return unknown
        clock = self.clock(recording_id)
        stamps_s = clock.stamps_s
        if stamps_s is None:
            return labels.at(np.floor(times_s * clock.per_s + _SLACK_S).astype(np.int64))
        if not len(stamps_s):
            return unknown
        # The frame on show at that time; a frame's own stamp counts as its time in spite of
        # rounding.
        on_show = np.searchsorted(stamps_s, times_s + _SLACK_S, side="right") - 1
        gap_s = float(np.median(np.diff(stamps_s))) if len(stamps_s) > 1 else 0.0
        is_over = times_s >= stamps_s[-1] + gap_s - _SLACK_S
        return np.where(is_over, -1, labels.at(np.where(is_over, -1, on_show)))

    def clock(self, recording_id: str) -> Clock:
        """Seconds of a frame's number: the film's own stamps, or nominal ones without a film."""
        if recording_id not in self._clocks:
            self._clocks[recording_id] = self._read_clock(recording_id)
        return self._clocks[recording_id]

    def _read_clock(self, recording_id: str) -> Clock:
        nominal = Clock(NOMINAL_FPS, NOMINAL)
        film = self.films.get(recording_id)
        if film is None:
            return nominal
        try:
            return Clock(stamps_s=film_stamps_s(film))
        except BadInput as error:
            self._note(film, error)
            return nominal

    @cached_property
    def _clocks(self) -> dict[str, Clock]:
        return {}

    def people(self) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {v.subject: {} for v in self.videos.values()}
        for told in (self.metadata, *self._told_of_people):
            for subject, known in told.items():
                if subject in found:
                    found[subject] = joined(found[subject], known)
        for subject, language in self._recordings[1].items():
            found[subject].setdefault("language", language)
        return found

    @cached_property
    def _told_of_people(self) -> list[dict[str, dict[str, str]]]:
        """What files of people around the release's own say, in each file. Only the release states
        that somebody agreed; each of them may refuse.
        """
        split_folder = bah_files.split_folder(self.base) or self.base
        of_release = self.metadata_file and self.metadata_file.resolve()
        found = []
        for path in files_around(self.base, split_folder):
            told = self.metadata if path == of_release else self._part(path, read_people, {})
            found.append({subject: _without_agreement(known) for subject, known in told.items()})
        return found

    @property
    def metadata_file(self) -> Path | None:
        return bah_files.first_file(self.base, METADATA)

    @cached_property
    def metadata(self) -> dict[str, dict[str, str]]:
        path = self.metadata_file
        if path is None:
            return {}
        found: dict[str, dict[str, str]] = self._part(path, read_metadata, {})
        return found

    def may_be_shown(self, subject: str) -> bool:
        """Only a plain yes of the release's own metadata that no file around takes back; also of
        people who are drawn.
        """
        known = self.metadata.get(subject, {})
        for told in self._told_of_people:
            known = joined(known, told.get(subject, {}))
        return known.get(CONSENT) == "yes"

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        return self.annotations.get(recording_id)

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        folder = self.crops.get(recording_id)
        return FrameFolder(folder, self.clock(recording_id)) if folder else None

    def crop_folders(self) -> Mapping[str, Path]:
        return self.crops

    def takes(self) -> tuple[Take, ...]:
        found = []
        for video in self.videos.values():
            take = Take(
                id=video.id,
                subject=video.subject,
                question=video.question,
                neutral=video.question == "1",
                split=video.split,
                order=_session(video.id),
                environment=bah_files.visit_of(video.path),
            )
            found.append(take)
        return tuple(found)

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        lenient = Bah(self.root)
        lenient.lenient = True
        return bah_check.check(lenient, deep, progress)


def _video(name: str, path: str, split: str) -> Video:
    match = bah_files.NAME.match(name)
    assert match is not None, name
    return Video(name, match["subject"], match["question"], path, split)


def _without_agreement(known: Mapping[str, str]) -> dict[str, str]:
    return {
        name: text
        for name, text in known.items()
        if not (name.lower().startswith("consent") and text.lower() == "yes")
    }


def _paths_of(split_file: Path) -> dict[str, str]:
    """Recording → its path as the split file writes it."""
    found = {}
    for line in text_of(split_file, "utf-8-sig").split("\n"):
        path = line.split(",", 1)[0].strip()
        if path:
            found[video_id(path)] = path
    return found


def _session(recording_id: str) -> float | None:
    """Seconds since year 1 of the date and time in the name: the order in which a person
    answered.
    """
    from datetime import datetime

    match = bah_files.NAME.match(recording_id)
    if match is None or match["date"] is None:
        return None
    time = match["time"].replace("-", ":")
    try:
        recorded = datetime.fromisoformat(f"{match['date']}T{time}")
    except ValueError:
        return None
    return (recorded - datetime.min).total_seconds()


PLUGIN = Bah
fake = bah_fake.fake

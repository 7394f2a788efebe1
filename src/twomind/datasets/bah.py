"""BAH: Behavioural Ambivalence/Hesitancy, videos of people answering seven questions. Both releases
and ABAW8's subset.

Reads the folder as it was downloaded (``BAH_DB_public_access``), parts of it, or the public form:
split files and segment files without any film.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from twomind.annotations.bah import spans_frames, spans_s
from twomind.core.errors import BadInput
from twomind.datasets import bah_check, bah_fake, bah_files, common
from twomind.datasets.bah_splits import Answer, read_split, video_id
from twomind.datasets.checking import Finding, Report, film_length_s, film_stamps_s, is_drawn, shown
from twomind.datasets.frames import Clock, FrameFolder, FrameLabels, FrameSegment, read_segments
from twomind.datasets.protocols import Take
from twomind.media.recording import MEDIA_SUFFIXES
from twomind.transcripts.words import Words, words_of_text
from twomind.types import AMBIVALENCE, Fold, Progress, Recording, Segment, Task

#: Mean frame rate of the set: 916,618 frames in 10.60 hours. Only for recordings whose film is
#: absent.
NOMINAL_FPS = 24.0
NOMINAL = "nominal: frame number / 24 (the film is not there)"


@dataclass(frozen=True)
class Video:
    """One listed recording: where its lists say it lies, and what they say of it."""

    id: str
    subject: str
    question: str
    path: str
    split: str = ""
    label: int | None = None
    transcript: str | None = None


class Bah:
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
    tasks: ClassVar[tuple[Task, ...]] = (AMBIVALENCE, common.AMBIVALENCE_FRAMES)
    protocols: ClassVar[tuple[str, ...]] = (
        "official",
        "train-val",
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
        self.root = common.fitting(self, root)
        self.base = bah_files.base_of(self.root) or self.root
        #: Lines and entries that could not be read, found so far; ``check`` reads everything and
        #: lists them.
        self.problems: list[Finding] = []
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
        listed: dict[str, tuple[str, str, Answer | None]] = {}
        folder = bah_files.split_folder(self.base)
        for split in bah_files.SPLITS if folder is not None else ():
            path = folder / f"{split}.txt"  # type: ignore[operator]
            if not path.is_file() or self._is_empty(path):
                continue
            paths = _paths_of(path)
            read = read_split(path)
            self.problems += [Finding(shown(path, self.base), p) for p in read.problems]
            for answer in read.answers:
                if answer.id in listed:
                    raise BadInput(
                        f"{path}: {answer.id} is also in the split {listed[answer.id][1]}"
                    )
                listed[answer.id] = (paths.get(answer.id, answer.id), split, answer)
        if not listed:
            for name, entry in self.annotations.items():
                listed[name] = (str(entry.get("path", name)), "", None)
            for name, row in self.table.items():
                path_text = next(v for v in row.values() if bah_files.is_video_name(v))
                listed.setdefault(name, (path_text, row.get("split", ""), None))
        found = []
        for name, (path_text, split, given) in listed.items():
            match = bah_files.NAME.match(name)
            assert match is not None
            label = given.label if given else self._global_label(name)
            text = given.transcript if given else None
            found.append(
                Video(name, match["subject"], match["question"], path_text, split, label, text)
            )
        return {v.id: v for v in sorted(found, key=lambda v: (v.subject, _session(v.id), v.id))}

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
        return next(
            (self.base / n for n in bah_files.ANNOTATIONS if (self.base / n).is_file()), None
        )

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
        rows: dict[str, dict[str, str]] = (
            self._part(path, bah_files.read_table, {}) if path.is_file() else {}
        )
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
        return {k: sorted(v, key=lambda s: s.start_frame) for k, v in found.items()}

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
            self.problems.append(
                Finding(shown(path, self.base), str(error).removeprefix(f"{path}: "))
            )
            return nothing

    def _is_empty(self, path: Path) -> bool:
        """Whether a list is empty; that is a fault, except in a drawn study of so few people that a
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
            media = self.films.get(video.id, self.base / video.path)
            duration_s = film_length_s(media) if video.id in self.films else float("nan")
            words, reason = self._words(video, duration_s)
            if words and words.language:
                spoken.setdefault(video.subject, Counter())[words.language] += 1
            found.append(
                Recording(
                    id=video.id,
                    subject=video.subject,
                    media=media,
                    question=video.question,
                    duration_s=duration_s,
                    words=words.words if words else None,
                    words_reason=reason,
                    words_source=words.source if words else "",
                    segments=self._segments(video.id),
                    drawn=drawn,
                )
            )
        return tuple(found), {p: counts.most_common(1)[0][0] for p, counts in spoken.items()}

    def _words(self, video: Video, duration_s: float) -> tuple[Words | None, str]:
        path = self.transcript_files.get(video.id)
        words = (
            common.transcript(path, duration_s, self.base, self.problems)
            if path is not None
            else None
        )
        if words is None and video.transcript:
            known = duration_s if np.isfinite(duration_s) else None
            words = words_of_text(video.transcript, "split file (plain text, no times)", known)
        return words, "; ".join(words.problems) if words else "no transcript was given"

    def _segments(self, recording_id: str) -> tuple[Segment, ...]:
        entry = self.annotations.get(recording_id)
        try:
            if entry is not None and entry.get("time_detailed_ah"):
                return tuple(
                    Segment(a, max(a, b), "present", "coder") for a, b in sorted(spans_s(entry))
                )
            if entry is not None and entry.get("fr_detailed_ah"):
                return self._in_seconds(
                    recording_id, sorted(spans_frames(entry)), "coder, by frame number"
                )
        except BadInput as error:
            self.problems.append(Finding(f"entry of {recording_id}", str(error)))
        public = [
            (s.start_frame, s.end_frame)
            for s in self.segments.get(recording_id, ())
            if s.label == 1
        ]
        return self._in_seconds(recording_id, public, "public segment file")

    def _in_seconds(
        self, recording_id: str, spans: list[tuple[int, int]], source: str
    ) -> tuple[Segment, ...]:
        if not spans:
            return ()
        clock = self.clock(recording_id)
        times = clock.seconds([n for first, last in spans for n in (first, last + 1)]).reshape(
            -1, 2
        )
        source = f"{source} ({clock.note})" if clock.note else source
        film_end_s = (
            float(clock.stamps_s[-1])
            if clock.stamps_s is not None and len(clock.stamps_s)
            else np.nan
        )
        ends = np.where(np.isnan(times[:, 1]), film_end_s, times[:, 1])
        return tuple(
            Segment(float(a), max(float(a), float(b)), "present", source)
            for a, b in zip(times[:, 0], ends, strict=True)
            if np.isfinite(a) and np.isfinite(b)
        )

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
        labels = self.frame_numbers(recording_id)
        if not len(labels.numbers):
            return np.full(len(times_s), -1, np.int64)
        clock = self.clock(recording_id)
        if clock.stamps_s is None:
            return labels.at(np.floor(times_s * clock.per_s + 1e-6).astype(np.int64))
        # The frame on show at that time; a frame's own stamp counts as its time in spite of
        # rounding.
        shown = np.searchsorted(clock.stamps_s, times_s + 1e-6, side="right") - 1
        gap_s = float(np.median(np.diff(clock.stamps_s))) if len(clock.stamps_s) > 1 else 0.0
        over = (
            times_s >= clock.stamps_s[-1] + gap_s - 1e-6
            if len(clock.stamps_s)
            else np.ones(len(times_s), bool)
        )
        return np.where(over, -1, labels.at(np.where(over, -1, shown)))

    def clock(self, recording_id: str) -> Clock:
        """Seconds of a frame's number: the film's own stamps, or nominal ones without a film."""
        if recording_id not in self._clocks:
            clock = Clock(NOMINAL_FPS, NOMINAL)
            if recording_id in self.films:
                try:
                    clock = Clock(stamps_s=film_stamps_s(self.films[recording_id]))
                except BadInput as error:
                    film = self.films[recording_id]
                    self.problems.append(
                        Finding(shown(film, self.base), str(error).removeprefix(f"{film}: "))
                    )
            self._clocks[recording_id] = clock
        return self._clocks[recording_id]

    @cached_property
    def _clocks(self) -> dict[str, Clock]:
        return {}

    def people(self) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {v.subject: {} for v in self.videos.values()}
        for subject, known in self.metadata.items():
            if subject in found:
                found[subject].update(known)
        for subject, language in self._recordings[1].items():
            found[subject].setdefault("language", language)
        return found

    @property
    def metadata_file(self) -> Path | None:
        return next(
            (
                self.base / n
                for n in ("meta_data.yml", "meta_data.yaml")
                if (self.base / n).is_file()
            ),
            None,
        )

    @cached_property
    def metadata(self) -> dict[str, dict[str, str]]:
        path = self.metadata_file
        found: dict[str, dict[str, str]] = (
            self._part(path, bah_files.read_people, {}) if path else {}
        )
        return found

    def may_be_shown(self, subject: str) -> bool:
        return self.metadata.get(subject, {}).get("consent_publication") == "yes"

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        return self.annotations.get(recording_id)

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        folder = self.crops.get(recording_id)
        return FrameFolder(folder, self.clock(recording_id)) if folder else None

    def takes(self) -> tuple[Take, ...]:
        return tuple(
            Take(
                v.id,
                v.subject,
                v.question,
                v.question == "1",
                v.split,
                _session(v.id),
                bah_files.visit_of(v.path),
            )
            for v in self.videos.values()
        )

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        return common.guarded_folds(
            self.protocols,
            protocol,
            seed,
            self.recordings(),
            self.takes(),
            self.targets,
            self.crops,
        )

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        lenient = Bah(self.root)
        lenient.lenient = True
        return bah_check.check(lenient, deep, progress)


def _paths_of(split_file: Path) -> dict[str, str]:
    """Recording → its path as the split file writes it."""
    lines = split_file.read_text(encoding="utf-8-sig").split("\n")
    return {
        video_id(path): path.strip()
        for path in (line.split(",", 1)[0] for line in lines)
        if path.strip()
    }


def _session(recording_id: str) -> float | None:
    """Seconds since year 1 of the date and time in the name: the order in which a person
    answered.
    """
    from datetime import datetime

    match = bah_files.NAME.match(recording_id)
    if match is None or match["date"] is None:
        return None
    try:
        return (
            datetime.fromisoformat(f"{match['date']}T{match['time'].replace('-', ':')}")
            - datetime.min
        ).total_seconds()
    except ValueError:
        return None


PLUGIN = Bah
fake = bah_fake.fake

"""Folders of face crops, one picture per frame: the form in which laboratories hold BioVid,
StressID and BAH.

A folder is one recording. Frames are ordered by the number in their name, never by the name as text
(``image_10`` comes after ``image_9``). How numbers become seconds is a :class:`Clock`, and a
nominal one says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.core.files import text_of
from twomind.datasets.images import IMAGE_SUFFIXES, read_picture, resize
from twomind.types import Track

_SEGMENT_COLUMNS = ("video", "segment_id", "label", "num_frames", "start_frame", "end_frame")
_NUMBER = re.compile(r"(\d+)$")


def frame_number(name: str) -> int | None:
    """The number at the end of a frame's name; None when there is none.

    >>> frame_number("image2040.jpg"), frame_number("image_5.jpg"), frame_number("frame-12.jpg")
    (2040, 5, 12)
    """
    match = _NUMBER.search(name.rsplit("/", 1)[-1].rsplit(".", 1)[0])
    return int(match[1]) if match else None


@dataclass(frozen=True)
class Clock:
    """Seconds of a frame's number. ``note`` is empty for true times, and otherwise says what was
    assumed.

    ``stamps_s (N,)``, where given, are the presentation times of the film's frames: number n is its
    n-th frame.
    """

    per_s: float = 1.0
    note: str = ""
    stamps_s: np.ndarray | None = None

    def seconds(self, numbers: Sequence[int]) -> np.ndarray:
        """``(T,)`` seconds; nan for a number beyond the stamps."""
        index = np.asarray(numbers, dtype=np.int64)
        if self.stamps_s is None:
            return index / self.per_s
        if not len(self.stamps_s):
            return np.full(len(index), np.nan)
        inside = index < len(self.stamps_s)
        return np.where(inside, self.stamps_s[np.minimum(index, len(self.stamps_s) - 1)], np.nan)


#: Which faces are read where a recording has both crops and a film: the crops.
FACES = ("auto", "crops", "film")
#: BioVid: the number is the time in milliseconds.
MILLISECONDS = Clock(1000.0)


@dataclass(frozen=True)
class FrameFolder:
    """The crops of one recording."""

    folder: Path
    clock: Clock

    @cached_property
    def files(self) -> tuple[tuple[int, Path], ...]:
        """``(number, path)`` of every frame, by number.

        Raises:
            BadInput: no such folder, or two files with the same number.
        """
        if not self.folder.is_dir():
            raise BadInput(f"{self.folder}: expected a folder of frame crops, there is none")
        found: dict[int, Path] = {}
        for path in self.folder.iterdir():
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                continue
            number = frame_number(path.name)
            if number is None:
                continue
            if number in found:
                raise BadInput(
                    f"{self.folder}: frame {number} is there twice: {found[number].name}, "
                    f"{path.name}"
                )
            found[number] = path
        return tuple(sorted(found.items()))

    def track(
        self,
        size_px: tuple[int, int] | None = None,
        stride: int = 1,
        start_s: float = -np.inf,
        end_s: float = np.inf,
    ) -> Track:
        """Crops ``values (T, H, W, 3)`` uint8 with their times; every ``stride``-th of those in
        ``[start_s, end_s)``.

        A picture that cannot be read is a row with ``valid=False`` and the reason.

        Args:
            size_px: (height, width); None keeps the pictures' own size, which must then be one.
            stride: every ``stride``-th picture is taken.
            start_s: seconds from which pictures are taken.
            end_s: seconds up to which, left out itself.

        Raises:
            BadInput: no frame there, or pictures of several sizes and no ``size_px``.
        """
        if not self.files:
            raise BadInput(
                f"{self.folder}: expected frame crops ({', '.join(IMAGE_SUFFIXES)}), found none"
            )
        times_s = self.clock.seconds([number for number, _ in self.files])
        inside = np.flatnonzero((times_s >= start_s) & (times_s < end_s))[::stride]
        paths = [self.files[int(i)][1] for i in inside]
        pictures: list[np.ndarray | None] = []
        reasons: list[str] = [""]
        codes = np.zeros(len(paths), np.uint8)
        for row, path in enumerate(paths):
            try:
                picture = read_picture(path)
                pictures.append(resize(picture, size_px) if size_px else picture)
            except BadInput as error:
                pictures.append(None)
                reason = str(error).removeprefix(f"{path}: ")
                if reason not in reasons:
                    reasons.append(reason)
                codes[row] = reasons.index(reason)
        values = np.zeros((len(paths), *self._shape(pictures, size_px)), np.uint8)
        for row, read in enumerate(pictures):
            if read is not None:
                values[row] = read
        return Track(
            values=values,
            times_s=times_s[inside],
            valid=codes == 0,
            reasons=tuple(reasons),
            reason_code=codes,
        )

    def _shape(
        self, pictures: Sequence[np.ndarray | None], size_px: tuple[int, int] | None
    ) -> tuple[int, ...]:
        """The one shape of the pictures that could be read."""
        shapes = {picture.shape for picture in pictures if picture is not None}
        if len(shapes) > 1:
            raise BadInput(
                f"{self.folder}: pictures of {len(shapes)} sizes; say which with size_px=(height, "
                "width)"
            )
        if shapes:
            return shapes.pop()
        height, width = size_px or (1, 1)
        return height, width, 3


@dataclass(frozen=True)
class FrameLabels:
    """Labels of the frames of one recording: ``numbers (T,)`` ascending, ``labels (T,)``."""

    numbers: np.ndarray
    labels: np.ndarray

    def at(self, numbers: np.ndarray) -> np.ndarray:
        """``(N,)`` labels of frame numbers; -1 where none is given."""
        out = np.full(len(numbers), -1, np.int64)
        if not len(self.numbers):
            return out
        index = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        hit = self.numbers[index] == numbers
        out[hit] = self.labels[index[hit]]
        return out


def labels_of(pairs: Mapping[int, int]) -> FrameLabels:
    """Number → label, in order of number."""
    numbers = np.array(sorted(pairs), np.int64)
    return FrameLabels(numbers, np.array([pairs[int(n)] for n in numbers], np.int64))


def read_frame_list(
    path: Path, separator: str = " "
) -> tuple[dict[str, FrameLabels], tuple[str, ...]]:
    """Label file with one frame a line: ``<relative frame path><separator><label>``, grouped by
    folder.

    The path may hold blanks. There is no header row (the released reader assumes one and loses the
    first frame); a first line whose label is not a number is taken for one all the same. Returns
    labels by folder (in the order of first mention) and the lines that could not be used.

    Raises:
        BadInput: no such file, not text, or no usable line.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"no file {path}; expected one frame a line: <frame path>{separator}<label>")
    lines = text_of(path, "utf-8-sig").splitlines()
    folders: dict[str, dict[int, int]] = {}
    problems: list[str] = []
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        frame, _, label = text.strip().rpartition(separator)
        folder, _, name = frame.strip().replace("\\", "/").rpartition("/")
        number = frame_number(name)
        stated = label.strip()
        if not stated.isdigit():
            if line > 1:
                problems.append(
                    f"line {line}: expected a whole number as label, got {stated[:20]!r}"
                )
            continue
        if number is None or not folder:
            problems.append(
                f"line {line}: expected <folder>/<name with a number>, got {frame[:60]!r}"
            )
            continue
        labels = folders.setdefault(folder, {})
        if labels.setdefault(number, int(stated)) != int(stated):
            problems.append(f"line {line}: frame {number} of {folder} has two different labels")
    if not folders:
        raise BadInput(f"{path}: no usable line; expected <frame path>{separator}<label>")
    return {folder: labels_of(pairs) for folder, pairs in folders.items()}, tuple(problems)


@dataclass(frozen=True)
class FrameSegment:
    """One row of a segment file: frames ``start_frame..end_frame`` (both included, from 0) with one
    label.
    """

    video: str
    segment_id: int
    label: int
    start_frame: int
    end_frame: int

    @property
    def num_frames(self) -> int:
        return self.end_frame - self.start_frame + 1


def read_segments(path: Path) -> tuple[tuple[FrameSegment, ...], tuple[str, ...]]:
    """Segment file with the columns ``video,segment_id,label,num_frames,start_frame,end_frame``;
    and its bad rows.

    Raises:
        BadInput: no such file, a column is missing, or none of its rows can be used.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(
            f"no file {path}; expected a CSV with video, segment_id, label, num_frames, "
            "start_frame, ..."
        )
    segments: list[FrameSegment] = []
    problems: list[str] = []
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        missing = [column for column in _SEGMENT_COLUMNS if column not in reader.columns]
        if missing:
            raise BadInput(
                f"{path}: expected the columns {', '.join(_SEGMENT_COLUMNS)}; missing: "
                f"{', '.join(missing)}"
            )
        for row in reader:
            try:
                segments.append(_segment(row))
            except BadInput as error:
                problems.append(f"line {reader.line_num}: {error}")
    if problems and not segments:
        raise BadInput(f"{path}: no usable row; {problems[0]}")
    return tuple(segments), tuple(problems)


def _segment(row: Mapping[str, str]) -> FrameSegment:
    """The segment of one row, which must agree with itself."""
    try:
        segment = FrameSegment(
            video=row["video"],
            segment_id=int(row["segment_id"]),
            label=int(row["label"]),
            start_frame=int(row["start_frame"]),
            end_frame=int(row["end_frame"]),
        )
        stated = int(row["num_frames"])
    except (TypeError, ValueError) as error:
        raise BadInput("expected whole numbers") from error
    n = segment.num_frames
    if n != stated or n < 1 or segment.start_frame < 0:
        raise BadInput("num_frames is not end_frame - start_frame + 1")
    return segment


def which_faces(faces: str, has_crops: bool, has_film: bool) -> str:
    """``crops`` or ``film``; "" where what is wanted is not there.

    Raises:
        BadInput: no such choice.
    """
    if faces not in FACES:
        raise BadInput(f"data.faces: expected one of {', '.join(FACES)}, got {faces!r}")
    there = [name for name, has in (("crops", has_crops), ("film", has_film)) if has]
    wanted = there if faces == "auto" else [name for name in there if name == faces]
    return wanted[0] if wanted else ""

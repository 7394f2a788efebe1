"""What a coder marked, as an entry of BAH's annotation file (``video_annotation_transcript.yaml``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twomind.annotations.marks import MODALITIES, Annotations, Mark
from twomind.core.errors import BadInput

#: Marks stand on whole milliseconds, frames do not.
_HALF_MS_S = 0.0005
_INCONSISTENCY = "inconsistency"


@dataclass(frozen=True)
class Entry:
    """What BAH says of one video.

    Args:
        present: Whether there is A/H.
        segments: A/H segments in order of time.
        frames: First and last frame of each segment, both included.
        cues: Labels by modality, and of inconsistency, for each segment.
        beside: How many cues lie outside every segment; this form cannot hold them.
    """

    present: bool
    segments: tuple[Mark, ...]
    frames: tuple[tuple[int, int], ...]
    cues: tuple[dict[str, list[str]], ...]
    beside: int = 0

    @property
    def knows_frames(self) -> bool:
        """Whether it is known of each frame; not where A/H is present and nobody marked when."""
        return bool(self.segments) or not self.present

    def labels(self, n_frames: int) -> list[int]:
        """1 for each frame within a segment, else 0."""
        found = [0] * n_frames
        for first, last in self.frames:
            found[first : last + 1] = [1] * (last + 1 - first)
        return found

    def plain(self) -> dict[str, Any]:
        """The values under the names that the file has."""
        times = [[_clock(mark.start_s), _clock(mark.end_s)] for mark in self.segments]
        return {
            "global_ah": int(self.present),
            "time_detailed_ah": times,
            "fr_detailed_ah": [list(pair) for pair in self.frames],
            "certainty_ah": [_certainty(mark.certainty) for mark in self.segments],
            "all_cues": list(self.cues),
        }


def to_bah(annotations: Annotations, times_s: Sequence[float]) -> Entry:
    """The marks of one coder in BAH's form.

    Args:
        annotations: Of one coder, or what coders settled on.
        times_s: Presentation time of every frame, in order.

    Raises:
        BadInput: Neither an answer nor a segment is marked, or they contradict each other.
    """
    marks: list[Mark] = []
    for tier in annotations.of("ah"):
        marks += [mark for mark in tier.marks if mark.present]
    segments = tuple(sorted(marks))
    present = present_in(annotations)
    times = np.asarray(times_s, float)
    frames = tuple(_frames(mark, times) for mark in segments)
    cues = tuple(_cues_in(annotations, mark) for mark in segments)
    return Entry(present, segments, frames, cues, _beside(annotations, segments))


def present_in(annotations: Annotations) -> bool:
    """Whether the coder saw A/H in the recording.

    Raises:
        BadInput: Neither an answer nor a segment is marked, or they contradict each other.
    """
    name = annotations.recording
    said: set[bool] = set()
    for tier in annotations.of("answer"):
        said |= {mark.present for mark in tier.marks}
    n_segments = len(annotations.segments())
    if len(said) > 1:
        raise BadInput(f"{name}: its answers contradict each other")
    if not said and not n_segments:
        raise BadInput(f"{name}: neither an answer nor a segment is marked")
    if said == {False} and n_segments:
        raise BadInput(
            f"{name}: the answer says that there is no A/H, and {n_segments} segments are marked"
        )
    return said != {False}


def _frames(mark: Mark, times_s: np.ndarray) -> tuple[int, int]:
    """Frames whose time is in a segment; the one on show where there is none."""
    first = int(np.searchsorted(times_s, mark.start_s - _HALF_MS_S))
    end = int(np.searchsorted(times_s, mark.end_s - _HALF_MS_S))
    if first < end:
        return first, end - 1
    n_begun = int(np.searchsorted(times_s, mark.start_s + _HALF_MS_S, side="right"))
    last = len(times_s) - 1
    on_show = min(max(n_begun - 1, 0), last)
    return on_show, on_show


def _cues_in(annotations: Annotations, segment: Mark) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in (*MODALITIES, _INCONSISTENCY)}
    for name, mark in _cues(annotations):
        labels = found[name]
        if _overlap(mark, segment) and mark.label not in labels:
            labels.append(mark.label)
    return found


def _cues(annotations: Annotations) -> list[tuple[str, Mark]]:
    found = []
    for tier in (*annotations.of("cue"), *annotations.of(_INCONSISTENCY)):
        name = tier.modality or _INCONSISTENCY
        found += [(name, mark) for mark in tier.marks]
    return found


def _overlap(one: Mark, other: Mark) -> bool:
    return one.start_s < other.end_s and other.start_s < one.end_s


def _beside(annotations: Annotations, segments: Sequence[Mark]) -> int:
    alone = 0
    for _name, mark in _cues(annotations):
        alone += not any(_overlap(mark, segment) for segment in segments)
    return alone


def _certainty(text: str) -> int | str | None:
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() else text


def _clock(time_s: float) -> str:
    """``HH:MM:SS.mmm``."""
    whole_ms = round(time_s * 1000)
    minutes, ms = divmod(whole_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{ms / 1000:06.3f}"

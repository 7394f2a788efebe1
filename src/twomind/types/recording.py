"""Recordings, their words, segments and cues: where a take lies and what is known about it. Times
are in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from twomind.types.plain import ToDict
from twomind.types.same import same_values

#: ``progress(what, done, total)``: one callback serves the command line, a web socket and
#: debugging. ``total`` may be ``nan`` when it is not known (a WebM without a duration).
Progress = Callable[[str, float, float], None]


class Timing(StrEnum):
    """Where the time of a word came from."""

    GIVEN = "given"  # the transcript carried a time for this very word
    SPREAD_CUE = "spread_in_cue"  # evenly within its subtitle or chunk
    SPREAD_ALL = "spread_over_recording"  # evenly over the whole recording: says nothing about when
    RECOGNISED = "recognised"  # by the speech recogniser
    ALIGNED = "aligned"  # found in the sound for this very word


def check_span(name: str, start_s: float, end_s: float) -> None:
    """Raises ValueError where a span is not finite or ends before it starts."""
    if not (math.isfinite(start_s) and math.isfinite(end_s) and start_s <= end_s):
        raise ValueError(
            f"{name}: expected finite start_s <= end_s, got start_s={start_s}, end_s={end_s}"
        )


@dataclass(frozen=True)
class Word(ToDict):
    """One spoken word (or filler) with its time in seconds. ``confidence`` is in [0, 1], or nan
    when unknown.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float = math.nan
    timing: Timing = Timing.GIVEN

    __eq__ = same_values

    def __post_init__(self) -> None:
        check_span(f"Word {self.text!r}", self.start_s, self.end_s)
        if not self.text.strip():
            raise ValueError("Word: expected a non-empty text")
        if not math.isnan(self.confidence) and not 0.0 <= self.confidence <= 1.0:
            raise ValueError(
                f"Word {self.text!r}: expected confidence in [0, 1] or nan, got {self.confidence}"
            )


@dataclass(frozen=True)
class Segment(ToDict):
    """A labelled span: an annotated A/H segment, or one that a model located. ``score`` is nan when
    there is none.
    """

    start_s: float
    end_s: float
    label: str
    source: str
    score: float = math.nan

    __eq__ = same_values

    def __post_init__(self) -> None:
        check_span(f"Segment {self.label!r}", self.start_s, self.end_s)


@dataclass(frozen=True)
class Cue(ToDict):
    """Something a coder would mark: a long pause, a filler, a brow raise. A cue is not A/H.

    ``kind`` is a name of ``twomind.features.cues.KINDS``; ``modality`` is ``face``, ``head``,
    ``body``, ``voice``, ``words`` or ``across`` (of two of them); ``value`` with ``unit`` says how
    strong (nan when the kind has no strength); ``detail`` is free text for a reader.
    """

    kind: str
    modality: str
    start_s: float
    end_s: float
    value: float = math.nan
    unit: str = ""
    detail: str = ""

    __eq__ = same_values

    def __post_init__(self) -> None:
        check_span(f"Cue {self.kind!r}", self.start_s, self.end_s)


@dataclass(frozen=True)
class Recording(ToDict):
    """Where one take of one person lies, and what is known about it; no pixels, no samples.

    ``words`` are what this person says, and nothing else. They are None when they are not measured,
    and then ``words_reason`` says why; an empty tuple means that the words are known and there are
    none. ``marks`` are what the transcriber noted between them (``[noise]``, ``(2.3)``): shown,
    never counted. ``others`` says when other people speak (label: their name). ``language`` is a
    code, None when not known. ``words_remarks`` is what was odd about the transcript. ``duration_s``
    is nan until measured when the container does not declare it. ``drawn`` is True for the
    project's own synthetic people: numbers about them say nothing about real faces.
    """

    id: str
    subject: str
    media: Path
    question: str | None = None
    duration_s: float = math.nan
    words: tuple[Word, ...] | None = None
    words_reason: str = "no transcript was given"
    words_source: str = ""
    words_remarks: tuple[str, ...] = ()
    marks: tuple[Word, ...] = ()
    others: tuple[Segment, ...] = ()
    language: str | None = None
    segments: tuple[Segment, ...] = ()
    drawn: bool = False

    __eq__ = same_values

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("Recording: expected a non-empty id")
        if self.words is not None:
            starts = [w.start_s for w in self.words]
            if starts != sorted(starts):
                raise ValueError(f"Recording {self.id!r}: expected words in order of start_s")

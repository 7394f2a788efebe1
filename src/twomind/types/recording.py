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
    """Where the time of a word came from.

    Example:
        >>> from twomind.types import Timing, Word
        >>> Word("maybe", 1.2, 1.6).timing is Timing.GIVEN
        True
    """

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
    """One spoken word (or filler) with its time.

    Args:
        text: the word as the transcript has it; not empty.
        start_s: when it begins, seconds on the recording's clock.
        end_s: when it ends, seconds.
        confidence: of the recogniser, 0 to 1; nan when unknown.
        timing: where the time came from.

    Raises:
        ValueError: no text, a span that ends before it begins, or a confidence outside 0 to 1.

    Example:
        >>> from twomind.types import Word
        >>> word = Word("maybe", 1.2, 1.6)
        >>> round(word.end_s - word.start_s, 1)
        0.4
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
    """A labelled span: an annotated A/H segment, or one that a model located.

    Args:
        start_s: when it begins, seconds on the recording's clock.
        end_s: when it ends, seconds.
        label: what is there, for example ``A/H``.
        source: the coder or the model that says so.
        score: of a model; nan when there is none.

    Raises:
        ValueError: a span that is not finite or ends before it begins.

    Example:
        >>> from twomind.types import Segment
        >>> segment = Segment(3.0, 4.5, "A/H", "coder1")
        >>> segment.end_s - segment.start_s
        1.5
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

    Args:
        kind: a name of ``twomind.features.cues.KINDS``.
        modality: ``face``, ``head``, ``body``, ``voice``, ``words`` or ``across`` (of two of them).
        start_s: when it begins, seconds on the recording's clock.
        end_s: when it ends, seconds.
        value: how strong it is; nan when the kind has no strength.
        unit: of ``value``.
        detail: free text for a reader.

    Raises:
        ValueError: a span that is not finite or ends before it begins.

    Example:
        >>> from twomind.types import Cue
        >>> cue = Cue("long_pause", "voice", 2.0, 3.1, value=1.1, unit="s")
        >>> cue.to_dict()["kind"]
        'long_pause'
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

    Args:
        id: what results call it; not empty.
        subject: who speaks.
        media: the file.
        question: what was asked: a number, a name or any text; None when not known.
        duration_s: length in seconds; nan until it is measured, where the container does not say.
        words: what this person says, in order of ``start_s``, and nothing else; None when not
            measured, ``()`` when nothing is said.
        words_reason: why ``words`` is None.
        words_source: which transcript, and where its times came from.
        words_remarks: what was odd about the transcript.
        marks: what the transcriber noted between the words (``[noise]``, ``(2.3)``): shown, never
            counted.
        others: when other people speak; the label is their name.
        language: a code such as ``en``; None when not known.
        segments: what coders marked.
        drawn: True for synthetic people: numbers about them say nothing about real faces.

    Raises:
        ValueError: no id, or words that are not in order.

    Example:
        >>> from pathlib import Path
        >>> from twomind.types import Recording, Word
        >>> recording = Recording("a1", "anna", Path("a1.mp4"), words=(Word("yes", 0.5, 0.8),))
        >>> recording.words[0].text, recording.question
        ('yes', None)
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

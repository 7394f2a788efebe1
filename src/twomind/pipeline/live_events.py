"""What a live session says, as plain values: each event is a dataclass, and JSON by ``to_dict``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twomind.types.plain import ToDict


@dataclass(frozen=True)
class CueBegan(ToDict):
    """A cue is under way. ``at_s`` is the media time at which it was told, ``id`` joins it with its
    end.
    """

    at_s: float
    id: int
    kind: str
    modality: str
    start_s: float
    event: Literal["cue_began"] = "cue_began"


@dataclass(frozen=True)
class CueEnded(ToDict):
    """A cue is over: its span and strength, as a cue of ``describe``."""

    at_s: float
    id: int
    kind: str
    modality: str
    start_s: float
    end_s: float
    value: float | None
    unit: str
    detail: str
    event: Literal["cue_ended"] = "cue_ended"


@dataclass(frozen=True)
class CueDropped(ToDict):
    """A cue that had begun did not hold when more was known."""

    at_s: float
    id: int
    kind: str
    event: Literal["cue_dropped"] = "cue_dropped"


@dataclass(frozen=True)
class SideTold(ToDict):
    """Which side of a change a clause speaks for: ``change``, ``sustain``, ``neutral`` or ``cannot
    tell``, with its quote, its times and its probabilities, as in ``change_talk.csv``.

    ``index`` numbers the clauses. While somebody speaks, a clause is judged by what was said before
    it; when all is said each is told again under its index, ``settled``, as ``predict`` says it.
    """

    at_s: float
    index: int
    said: str
    quote: str
    start_s: float
    end_s: float
    timed: bool
    p_change: float
    p_sustain: float
    p_neutral: float
    sureness: float
    settled: bool
    event: Literal["side_told"] = "side_told"


@dataclass(frozen=True)
class WindowScored(ToDict):
    """What the model says of a span. ``probs`` belong to ``classes``; None where nothing was
    measured, and ``reason`` says why. ``unadapted`` is the same without adaptation.
    """

    at_s: float
    index: int
    start_s: float
    end_s: float
    classes: tuple[str, ...]
    status: str
    reason: str
    probs: tuple[float, ...] | None
    unadapted: tuple[float, ...] | None = None
    event: Literal["window_scored"] = "window_scored"


@dataclass(frozen=True)
class WasAdapted(ToDict):
    """A method has learnt from a window; ``n_windows`` so far in this session."""

    at_s: float
    index: int
    method: str
    n_windows: int
    event: Literal["adapted"] = "adapted"


@dataclass(frozen=True)
class NotMeasured(ToDict):
    """A modality is not measured from now on, and why. ``change_talk``: no side is told of what was
    said, and what was told before does not hold.
    """

    at_s: float
    modality: str
    reason: str
    event: Literal["not_measured"] = "not_measured"


@dataclass(frozen=True)
class MeasuredAgain(ToDict):
    """A modality is measured from now on."""

    at_s: float
    modality: str
    event: Literal["measured"] = "measured"


@dataclass(frozen=True)
class PicturesDropped(ToDict):
    """Pictures came faster than they could be looked at; so many were left out since the last
    event of this kind. Sound never is.
    """

    at_s: float
    n: int
    n_in_all: int
    event: Literal["pictures_dropped"] = "pictures_dropped"


@dataclass(frozen=True)
class Finished(ToDict):
    """The session is over. ``probs`` is the answer about all of it, where a model gave one."""

    at_s: float
    n_pictures: int
    sound_s: float
    n_words: int
    n_windows: int
    status: str = ""
    reason: str = ""
    probs: tuple[float, ...] | None = None
    event: Literal["finished"] = "finished"


Event = (
    CueBegan
    | CueEnded
    | CueDropped
    | SideTold
    | WindowScored
    | WasAdapted
    | NotMeasured
    | MeasuredAgain
    | PicturesDropped
    | Finished
)

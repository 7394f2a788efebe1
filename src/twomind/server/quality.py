"""Quality of a recording: what was measured, what is wrong with it, and what is proposed.

Nothing is decided here: a researcher does that. What could not be measured is no fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from twomind.server import people
from twomind.server.study import Quality

Proposal = Literal["usable", "again", "exclude", ""]
#: Events of the page that say for some seconds that a stream is dead.
DEAD = ("frozen", "black", "silent", "track_ended")


@dataclass(frozen=True)
class Asked:
    """What was asked for, and what the manifest says.

    Args:
        speaks: Whether people are meant to speak; in a neutral clip they are not.
        min_s: How long it has to be, in seconds.
        expected_s: Length by the manifest, in seconds; None where it is not known.
        stop_reason: How it ended.
        events: Names of what the page noted.
        asked_before: How many takes of this item were asked for again.
    """

    speaks: bool = True
    min_s: float = 0.0
    expected_s: float | None = None
    stop_reason: str = "button"
    events: tuple[str, ...] = ()
    asked_before: int = 0


@dataclass(frozen=True)
class Values:
    """What was measured; None where it was not."""

    readable: bool = True
    has_picture: bool = True
    has_sound: bool = True
    truncated: bool = False
    length_s: float | None = None
    face_share: float | None = None
    face_reason: str = ""
    speech_s: float | None = None
    level_dbfs: float | None = None
    clipped_share: float | None = None
    n_words: int | None = None


@dataclass(frozen=True)
class NotMeasured:
    """What carries no number, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: a code for pages, what was measured, and the limit."""

    code: str
    value: float | str | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Findings:
    """All that the quality control says of a recording."""

    values: Values
    faults: tuple[Fault, ...] = ()
    not_measured: tuple[NotMeasured, ...] = ()
    remarks: tuple[str, ...] = ()
    proposal: Proposal = ""

    def plain(self) -> dict[str, Any]:
        """As JSON carries it."""
        return asdict(self)


@dataclass
class _Found:
    """Faults as they are found."""

    faults: list[Fault] = field(default_factory=list)

    def add(self, code: str, value: float | str | None = None, limit: float | None = None) -> None:
        self.faults.append(Fault(code, value, limit))

    def below(self, code: str, value: float | None, limit: float) -> None:
        if value is not None and value < limit:
            self.add(code, value, limit)

    def above(self, code: str, value: float | None, limit: float) -> None:
        if value is not None and value > limit:
            self.add(code, value, limit)


def faults_of(values: Values, asked: Asked, limits: Quality) -> tuple[Fault, ...]:
    """What is wrong with a recording, the gravest first.

    Args:
        values: What was measured.
        asked: What was asked for, and the manifest.
        limits: From where on something is wrong.
    """
    found = _Found()
    if asked.stop_reason not in people.MEANT_TO_END:
        found.add("ended_by_itself", asked.stop_reason)
    for name in DEAD:
        if name in asked.events:
            found.add(f"page_{name}")
    if not values.readable:
        found.add("unreadable")
        return tuple(found.faults)
    if values.truncated:
        found.add("truncated", values.length_s)
    if asked.expected_s is not None:
        found.below("incomplete", values.length_s, asked.expected_s - limits.max_missing_s)
    found.below("too_short", values.length_s, asked.min_s)
    if values.has_picture:
        _judge_face(values, limits, found)
    else:
        found.add("no_picture")
    if not values.has_sound:
        found.add("no_sound")
    elif asked.speaks:
        _judge_speech(values, limits, found)
    return tuple(found.faults)


def _judge_face(values: Values, limits: Quality, found: _Found) -> None:
    share = values.face_share
    if share is not None and share < limits.min_face_share:
        found.add("face_seldom", share, limits.min_face_share)
        if values.face_reason:
            found.add("face_because", values.face_reason)


def _judge_speech(values: Values, limits: Quality, found: _Found) -> None:
    found.below("no_speech", values.speech_s, limits.min_speech_s)
    found.below("too_quiet", values.level_dbfs, limits.min_level_dbfs)
    found.above("clipped", values.clipped_share, limits.max_clipped_share)


#: Without these nobody can say that a recording is usable, but a person who looks at it.
_NEEDED = ("face", "voice", "recording")


def judge(
    values: Values,
    asked: Asked,
    limits: Quality,
    not_measured: Iterable[NotMeasured] = (),
    remarks: Iterable[str] = (),
) -> Findings:
    """What is wrong, and what is proposed.

    Args:
        values: What was measured.
        asked: What was asked for, and the manifest.
        limits: From where on something is wrong.
        not_measured: What could not be measured here.
        remarks: What else the reader of the film said.

    Returns:
        Proposal ``usable`` where nothing is wrong; ``again`` where something is; ``exclude`` where
        it was asked for again already; none where nothing is wrong and something was not measured.
    """
    faults = faults_of(values, asked, limits)
    absent = tuple(not_measured)
    unknown = any(one.what in _NEEDED for one in absent)
    proposal: Proposal = "" if unknown else "usable"
    if faults:
        proposal = "exclude" if asked.asked_before >= max(limits.asks, 1) else "again"
    return Findings(values, faults, absent, tuple(remarks), proposal)


def values_from(summary: Mapping[str, Any]) -> Values:
    """What the summary of an answer says (``twomind.answer/1``).

    Args:
        summary: As the command line writes it.
    """
    media = summary["media"]
    parts = summary["summary"]
    face = parts["face"]
    voice = parts["voice"]
    dropped: Mapping[str, int] = face.get("dropped") or {}
    commonest = max(dropped, key=lambda reason: dropped[reason], default="")
    return Values(
        has_picture=bool(media["n_frames"]),
        has_sound=bool(media["n_samples"]),
        truncated=bool(media["truncated"]),
        length_s=media["duration_s"],
        face_share=face.get("share_of_frames_measurable"),
        face_reason=commonest,
        speech_s=voice.get("speech_s"),
        level_dbfs=voice.get("energy_median_dbfs"),
        clipped_share=voice.get("clipped_share"),
        n_words=summary["words"]["n"],
    )

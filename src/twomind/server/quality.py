"""Quality of a recording: what was measured, what is wrong with it, and what is proposed.

Nothing is decided here: a researcher does that. What could not be measured is no fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from twomind.server import people
from twomind.server.looking import Pictures
from twomind.server.study import Quality
from twomind.transcripts.heard_language import SpokenLanguage
from twomind.transcripts.language import base_code

Proposal = Literal["usable", "again", "exclude", ""]
#: Events of the page that say for some seconds that a stream is dead.
DEAD = ("frozen", "black", "silent", "track_ended")


@dataclass(frozen=True)
class Asked:
    """What was asked for, and what the manifest says.

    Args:
        speaks: Whether people are meant to speak; in a neutral clip they are not.
        language: In which language; empty: not known.
        min_s: How long it has to be, in seconds.
        expected_s: Length by the manifest, in seconds; None where it is not known.
        stop_reason: How it ended.
        events: Names of what the page noted.
        asked_before: How many takes of this item were asked for again.
    """

    speaks: bool = True
    language: str = ""
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
    black_share: float | None = None
    still_s: float | None = None
    pictures_per_s: float | None = None
    several_faces_share: float | None = None
    picture_missing_s: float | None = None
    sound_missing_s: float | None = None
    dead_sound_s: float | None = None
    snr_db: float | None = None
    noise_dbfs: float | None = None
    language: str = ""
    language_probability: float | None = None


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
        """The findings as plain values, for JSON."""
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
        _judge_pictures(values, limits, found)
        _judge_face(values, limits, found)
    else:
        found.add("no_picture")
    if not values.has_sound:
        found.add("no_sound")
    elif asked.speaks:
        _judge_sound(values, limits, found)
        _judge_speech(values, asked, limits, found)
    return tuple(found.faults)


def _judge_pictures(values: Values, limits: Quality, found: _Found) -> None:
    found.above("black", values.black_share, limits.max_black_share)
    found.above("frozen", values.still_s, limits.max_still_s)
    found.above("picture_ends", values.picture_missing_s, limits.max_missing_s)
    found.below("few_pictures", values.pictures_per_s, limits.min_pictures_per_s)


def _judge_face(values: Values, limits: Quality, found: _Found) -> None:
    share = values.face_share
    if share is not None and share < limits.min_face_share:
        found.add("face_seldom", share, limits.min_face_share)
        if values.face_reason:
            found.add("face_because", values.face_reason)
    found.above("several_faces", values.several_faces_share, limits.max_several_faces)


def _judge_sound(values: Values, limits: Quality, found: _Found) -> None:
    found.above("sound_ends", values.sound_missing_s, limits.max_missing_s)
    found.above("sound_dead", values.dead_sound_s, limits.max_dead_sound_s)
    found.below("noisy", values.snr_db, limits.min_snr_db)
    found.above("loud_noise", values.noise_dbfs, limits.max_noise_dbfs)


def _judge_speech(values: Values, asked: Asked, limits: Quality, found: _Found) -> None:
    found.below("no_speech", values.speech_s, limits.min_speech_s)
    found.below("too_quiet", values.level_dbfs, limits.min_level_dbfs)
    found.above("clipped", values.clipped_share, limits.max_clipped_share)
    both_known = bool(values.language and asked.language)
    is_sure = (values.language_probability or 0.0) >= limits.min_language_probability
    if both_known and is_sure and base_code(values.language) != base_code(asked.language):
        found.add("other_language", values.language)


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


@dataclass(frozen=True)
class Looked:
    """What a second look at the film says; see :mod:`twomind.server.looking`."""

    pictures: Pictures | None = None
    dead_s: float | None = None
    language: SpokenLanguage | None = None


def values_from(summary: Mapping[str, Any], looked: Looked) -> Values:
    """What the summary of an answer says (``twomind.answer/1``), and a second look.

    Args:
        summary: As the command line writes it.
        looked: What was seen and heard besides.
    """
    media = summary["media"]
    parts = summary["summary"]
    face = parts["face"]
    voice = parts["voice"]
    dropped: Mapping[str, int] = face.get("dropped") or {}
    commonest = max(dropped, key=lambda reason: dropped[reason], default="")
    pictures = looked.pictures
    language = looked.language
    return Values(
        has_picture=bool(media["n_frames"]),
        has_sound=bool(media["n_samples"]),
        truncated=bool(media["truncated"]),
        length_s=media["duration_s"],
        face_share=face.get("share_of_frames_measurable"),
        face_reason=commonest,
        speech_s=_speech_s(voice),
        level_dbfs=voice.get("energy_median_dbfs"),
        clipped_share=voice.get("clipped_share"),
        n_words=summary["words"]["n"],
        black_share=None if pictures is None else pictures.black_share,
        still_s=None if pictures is None else pictures.still_s,
        pictures_per_s=None if pictures is None else pictures.per_s,
        several_faces_share=_several(face),
        picture_missing_s=_picture_missing_s(media),
        sound_missing_s=_sound_missing_s(media),
        dead_sound_s=looked.dead_s,
        snr_db=voice.get("snr_db"),
        noise_dbfs=voice.get("noise_floor_dbfs"),
        language="" if language is None else language.code,
        language_probability=None if language is None else language.probability,
    )


def _speech_s(voice: Mapping[str, Any]) -> float | None:
    """Seconds of speech: none where the sound is silent, or too quiet to hear any in it."""
    found: float | None = voice.get("speech_s")
    if found is None and voice.get("status") == "not_measured":
        return 0.0
    return found


def _several(face: Mapping[str, Any]) -> float | None:
    """Share of the pictures with more than one face."""
    rows: Mapping[str, int] = face.get("people_rows") or {}
    n_all = sum(rows.values())
    n_several = sum(n for people_seen, n in rows.items() if int(people_seen) > 1)
    return n_several / n_all if n_all else None


def _picture_missing_s(media: Mapping[str, Any]) -> float | None:
    """How much shorter the pictures are than the film."""
    if not media["n_frames"]:
        return None
    shown_s = media["last_frame_s"] - media["first_frame_s"]
    return float(media["duration_s"] - shown_s)


def _sound_missing_s(media: Mapping[str, Any]) -> float | None:
    """How much shorter the sound is than the film, gaps taken off."""
    if not media["n_samples"]:
        return None
    silent_s = sum(end - start for start, end in media["gaps"])
    return float(media["duration_s"] - (media["audio_end_s"] - media["audio_start_s"] - silent_s))

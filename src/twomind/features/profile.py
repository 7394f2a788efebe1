"""A person's profile: what face, voice and words are like when the person is neutral; from one or
several clips.

One JSON file per person, versioned and portable. Each visit (one neutral clip) is kept by itself,
so that one can be taken out again; :meth:`Profile.neutral` merges them, weighted by measurable
seconds. No picture, no sound, no word of the person and no file name is kept: medians, spreads,
counts, and the hash of each clip with the names of what was computed from it, by which everything
can be found and erased.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from twomind.core.errors import BadInput, quoted
from twomind.core.seals import is_sealed, read_sealed, tell_unsealed, write_sealed
from twomind.features.face.back_ends import UNSTATED_BACK_END
from twomind.features.face.measures import ABSOLUTE, MEASURES
from twomind.features.voice.by_words import of_the_sound
from twomind.features.words.lexicon import lexicon
from twomind.features.words.text import count
from twomind.types import Track, Word
from twomind.types.profile import Neutral, Neutrals, Visit

#: Modality → measure → centre, spread, rows and seconds, as a file has them.
_PlainStats = dict[str, dict[str, list[Any]]]


def _plain_stats(visit: Visit) -> _PlainStats:
    found: _PlainStats = {}
    for modality, neutrals in visit.stats.items():
        rows = {name: _plain_neutral(n) for name, n in neutrals.items()}
        found[modality] = rows
    return found


def _plain_neutral(neutral: Neutral) -> list[Any]:
    centre = _number(neutral.centre)
    spread = _number(neutral.spread)
    return [centre, spread, neutral.n, _number(neutral.seconds)]


FORMAT = "twomind.profile/1"
#: What the numbers of a measure at rest are.
_COLUMNS = ("centre", "spread", "n", "seconds")
_MOUTH_UNITS = ("AU12", "AU15", "AU17", "AU18", "AU2")
#: Measures that speech moves all the time. Where a spoken clip was enrolled, they come from spoken
#: clips alone: answers are spoken too.
MOUTH = tuple(m.name for m in MEASURES if m.kind == "mouth" or m.name.startswith(_MOUTH_UNITS))
#: Whole-answer measures of the voice that a profile keeps.
VOICE_ANSWER = (
    "articulation_rate_per_s",
    "speech_rate_per_s",
    "pauses_per_min",
    "pause_mean_s",
    "pitch_sd_st",
    "energy_sd_db",
    "voiced_share",
)
#: Columns of the voice track that have a neutral.
VOICE_COLUMNS = ("pitch", "energy")
#: What names a clip: a hash, which also finds what was computed from it.
_CONTENT = re.compile("[0-9A-Za-z]{1,128}")
_KINDS = {str: "a text", bool: "true or false", list: "a list"}
_MIN_ROWS = 10
#: Profiles of version 0.1 do not state it; this one was its default.
_UNSTATED_DETECTOR = "energy"
T = TypeVar("T")
_MIN_SPEECH_S = 1.0


@dataclass(frozen=True)
class Profile:
    """A person's neutral, over visits; a value: every change gives a new one."""

    person: str
    visits: tuple[Visit, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.person.strip():
            raise ValueError("Profile: expected the name (a pseudonym) of a person")
        contents = {v.content for v in self.visits}
        if len(contents) != len(self.visits):
            raise ValueError("Profile: expected every clip once")

    def neutral(self, modality: str) -> dict[str, Neutral]:
        """Every measure merged over visits: centres and spreads weighted by seconds, rows and
        seconds added.
        """
        found: dict[str, list[tuple[bool, Neutral]]] = {}
        for visit in self.visits:
            for name, one in visit.stats.get(modality, {}).items():
                found.setdefault(name, []).append((visit.spoken, one))
        merged = {}
        for name, parts in found.items():
            by_mouth = modality == "face" and name in MOUTH
            merged[name] = _merged(parts, prefer_spoken=by_mouth)
        return merged

    def between(self, modality: str) -> dict[str, float]:
        """How far a measure's neutral differs between visits (standard deviation); nan with one
        visit.
        """
        centres: dict[str, list[float]] = {}
        for visit in self.visits:
            for name, one in visit.stats.get(modality, {}).items():
                centres.setdefault(name, []).append(one.centre)
        out = {}
        for name, values in sorted(centres.items()):
            out[name] = math.nan
            if len(values) > 1:
                out[name] = float(np.std(values, ddof=1))
        return out

    def named(self, modality: str) -> str:
        """What the column ``neutral`` of a table says, or "" where the modality is not in the
        profile.
        """
        visits = [v for v in self.visits if v.stats.get(modality)]
        if not visits:
            return ""
        n = len(visits)
        plural = "s" if n > 1 else ""
        seconds = sum(v.seconds(modality) for v in visits)
        doubt = ", clip not neutral" if any(v.doubts for v in visits) else ""
        length = f"{n} visit{plural}, {seconds:.1f} s"
        return f"profile of {self.person}: {length}{doubt}"

    def comparable(self, detector: str) -> tuple[Profile, str]:
        """The profile for a voice that was measured with a speech detector: without the voice of
        visits that were measured with another one, whose pauses and rates are others.

        Args:
            detector: The one of the recording.

        Returns:
            The profile, and what there is to say of visits whose voice is not compared.
        """
        unlike = []
        for visit in self.visits:
            if visit.stats.get("voice") and visit.speech_detector not in ("", detector):
                unlike.append(visit)
        if not unlike:
            return self, ""
        kept = _without(self.visits, unlike, "voice")
        others = ", ".join(sorted({visit.speech_detector for visit in unlike}))
        told = (
            f"the voice of {len(unlike)} of {len(self.visits)} visit(s) of {self.person} is not "
            f"compared: it was measured with the speech detector {others}, this recording with "
            f"{detector}; enrol the clips again, or give describe.voice.vad={others}"
        )
        return replace(self, visits=kept), told

    def comparable_face(self, backend: str) -> tuple[Profile, str]:
        """The profile for a face that a back end measured: without the face of visits of another
        one, whose columns mean something else.

        Args:
            backend: The one of the recording.

        Returns:
            The profile, and what there is to say of visits whose face is not compared.
        """
        unlike = []
        for visit in self.visits:
            if visit.stats.get("face") and visit.face_backend not in ("", backend):
                unlike.append(visit)
        if not unlike:
            return self, ""
        others = ", ".join(sorted({visit.face_backend for visit in unlike}))
        told = (
            f"the face of {len(unlike)} of {len(self.visits)} visit(s) of {self.person} is not "
            f"compared: it was measured with the face back end {others}, this recording with "
            f"{backend}; enrol the clips again, or give --set features.face={others}"
        )
        return replace(self, visits=_without(self.visits, unlike, "face")), told

    def merged(self, other: Profile) -> Profile:
        """Both profiles' visits, each clip once (the later given one counts).

        Raises:
            BadInput: they are of two people.
        """
        if other.person != self.person:
            raise BadInput(
                f"profiles of two people cannot be merged: {self.person!r} and {other.person!r}"
            )
        by_content = {v.content: v for v in self.visits}
        by_content |= {v.content: v for v in other.visits}
        in_time = sorted(by_content.values(), key=lambda v: (v.made, v.content))
        return replace(self, visits=tuple(in_time))

    def without(self, visit: str) -> Profile:
        """The profile less one visit, by the beginning of its id.

        Raises:
            BadInput: none or several begin like that.
        """
        hits = [v for v in self.visits if visit and v.content.startswith(visit)]
        if len(hits) != 1:
            known = ", ".join(v.id for v in self.visits) or "none"
            raise BadInput(f"visit {visit!r}: expected one of {known}")
        [hit] = hits
        kept = tuple(v for v in self.visits if v is not hit)
        return replace(self, visits=kept)


def _without(visits: tuple[Visit, ...], unlike: list[Visit], modality: str) -> tuple[Visit, ...]:
    """The visits, some of them less one modality."""
    kept = []
    for visit in visits:
        if visit in unlike:
            stats = {name: rows for name, rows in visit.stats.items() if name != modality}
            visit = replace(visit, stats=stats)
        kept.append(visit)
    return tuple(kept)


def _merged(parts: list[tuple[bool, Neutral]], prefer_spoken: bool) -> Neutral:
    """One neutral of several (spoken, neutral), weighted by seconds.

    ``prefer_spoken``: only those of spoken clips count where there are some.
    """
    chosen = [n for _, n in parts]
    spoken = [n for talks, n in parts if talks]
    if prefer_spoken and spoken:
        chosen = spoken
    seconds = np.array([n.seconds for n in chosen])
    centre = _weighted_mean(np.array([n.centre for n in chosen]), seconds)
    spread = _weighted_mean(np.array([n.spread for n in chosen]), seconds)
    n_rows = sum(n.n for n in chosen)
    return Neutral(centre, spread, n_rows, float(seconds.sum()))


def _weighted_mean(values: np.ndarray, seconds: np.ndarray) -> float:
    """Mean of the known values ``(V,)`` by their seconds; each counts alike where these have none.

    nan where no value is known.
    """
    known = np.isfinite(values)
    if not known.any():
        return math.nan
    weight = seconds[known]
    if weight.sum() <= 0:
        weight = np.ones_like(weight)
    return float(values[known] @ weight / weight.sum())


# --- from a described clip
# ------------------------------------------------------------------------------------------


def face_neutral(track: Track) -> dict[str, Neutral]:
    """Statistics of the valid rows of a face track; measures without a neutral (quality, blink) are
    left out.
    """
    if int(track.valid.sum()) < _MIN_ROWS:
        return {}
    step_s = float(np.median(np.diff(track.times_s)))
    names = [n for n in track.names if n not in ABSOLUTE]
    return _columns(track, names, track.valid, step_s)


def voice_neutral(track: Track, summary: Mapping[str, Any]) -> dict[str, Neutral]:
    """Pitch and level while speaking, and the whole clip's rates; nothing with less than a second
    of speech. Pauses go by the sound, since a neutral clip seldom comes with words.
    """
    summary = of_the_sound(summary)
    speech_s = float(summary.get("speech_s") or 0.0)
    if not len(track) or not speech_s >= _MIN_SPEECH_S:
        return {}
    rows = track.valid & (track.column("speech") == 1)
    step_s = float(np.median(np.diff(track.times_s)))
    found = _columns(track, VOICE_COLUMNS, rows, step_s)
    for name in VOICE_ANSWER:
        value = summary.get(name)
        if value is not None and math.isfinite(value):
            found[name] = Neutral(float(value), math.nan, 1, speech_s)
    return found


def words_neutral(words: tuple[Word, ...]) -> dict[str, Neutral]:
    """Length as ``log_words`` (log of 1 + words) and each lexicon category as a rate per word."""
    if not words:
        return {}
    counted = count([w.text for w in words])
    seconds = words[-1].end_s - words[0].start_s
    log_words = math.log1p(counted.n_words)
    found = {"log_words": Neutral(log_words, math.nan, 1, seconds)}
    n = max(counted.n_words, 1)
    for name, hits in zip(lexicon().names, counted.counts, strict=True):
        per_word = float(hits) / n
        found[name] = Neutral(per_word, math.nan, n, seconds)
    return found


def _columns(
    track: Track, names: Iterable[str], rows: np.ndarray, step_s: float
) -> dict[str, Neutral]:
    """Median and median distance from it of the columns, where enough ``rows (T,)`` have them."""
    found = {}
    for name in names:
        column = track.names.index(name)
        values = track.values[rows, column].astype(float)
        values = values[np.isfinite(values)]
        n = len(values)
        if n < _MIN_ROWS:
            continue
        centre = float(np.median(values))
        spread = float(np.median(np.abs(values - centre)))
        found[name] = Neutral(centre, spread, n, n * step_s)
    return found


# --- use
# ------------------------------------------------------------------------------------------------------------


def relative_to(track: Track, neutral: Neutrals, raw: tuple[str, ...] = ABSOLUTE) -> Track:
    """Each measure less its neutral centre.

    Args:
        track: of one modality.
        neutral: the person's, by name; a measure without one becomes nan.
        raw: names that stay as measured.
    """
    values = np.array(track.values, np.float32)
    for k, name in enumerate(track.names):
        if name in raw:
            continue
        rest = neutral[name].centre if name in neutral else math.nan
        values[:, k] -= rest
    return replace(track, values=values)


def answer_relative(measured: Neutrals, neutral: Neutrals) -> dict[str, dict[str, float]]:
    """Whole-answer measures beside the person's neutral: ``value`` (raw), ``neutral``,
    ``relative``.
    """
    found = {}
    for name, one in measured.items():
        if name not in neutral:
            continue
        value = one.centre
        rest = neutral[name].centre
        found[name] = {"value": value, "neutral": rest, "relative": value - rest}
    return found


def _plain_visit(visit: Visit) -> dict[str, Any]:
    plain: dict[str, Any] = {"content": visit.content, "made": visit.made}
    plain["spoken"] = visit.spoken
    plain["doubts"] = list(visit.doubts)
    plain["drawn"] = visit.drawn
    plain["speech_detector"] = visit.speech_detector
    plain["face_backend"] = visit.face_backend
    plain["entries"] = [list(e) for e in visit.entries]
    plain["stats"] = _plain_stats(visit)
    return plain


# --- on disk
# --------------------------------------------------------------------------------------------------------


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def to_plain(profile: Profile) -> dict[str, Any]:
    """The profile as JSON-ready values; what cannot be known is null."""
    plain: dict[str, Any] = {"format": FORMAT, "person": profile.person}
    plain["columns"] = list(_COLUMNS)
    plain["visits"] = [_plain_visit(v) for v in profile.visits]
    plain.update(profile.extra)
    return plain


def from_plain(found: Any, where: str) -> Profile:
    """Read back :func:`to_plain`; unknown fields are kept.

    Raises:
        BadInput: it is not a profile of this version.
    """
    came = found.get("format") if isinstance(found, dict) else type(found).__name__
    if came != FORMAT:
        raise BadInput(
            f"{where}: expected a person's profile ({FORMAT}), got {quoted(came)}; enrol the person "
            "anew"
        )
    own = ("format", "person", "columns", "visits")
    try:
        if found.get("columns", list(_COLUMNS)) != list(_COLUMNS):
            raise ValueError(f"columns: expected {', '.join(_COLUMNS)}")
        visits = _visits(found["visits"])
        extra = {k: v for k, v in found.items() if k not in own}
        json.dumps(extra, allow_nan=False)  # it has to go into a file again
        return Profile(_text(found, "person"), visits, extra)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        absent = isinstance(error, KeyError)
        reason = f"there is no {error}" if absent else str(error)
        raise BadInput(
            f"{where}: expected a person's profile, but it is damaged ({reason}); export it anew "
            "where it was made, or enrol the person again"
        ) from error


def _visits(plain: list[Any]) -> tuple[Visit, ...]:
    visits = []
    for number, one in enumerate(_of_kind(plain, list, "visits"), 1):
        try:
            visits.append(_visit(one))
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"visit {number}: {error}") from error
    return tuple(visits)


def _visit(plain: Any) -> Visit:
    stats = {}
    for modality, rows in plain["stats"].items():
        stats[modality] = {name: _neutral(f"{modality} {name}", row) for name, row in rows.items()}
    entries = []
    for kind, key in plain["entries"]:
        entries.append((str(kind), str(key)))
    content = _text(plain, "content")
    if not _CONTENT.fullmatch(content):
        raise ValueError(f"content: expected the hash of a clip, got {content[:80]!r}")
    doubts = tuple(map(str, _of_kind(plain["doubts"], list, "doubts")))
    detector = plain.get("speech_detector", _UNSTATED_DETECTOR)
    backend = plain.get("face_backend", UNSTATED_BACK_END)
    return Visit(
        content=content,
        made=_text(plain, "made"),
        spoken=_of_kind(plain["spoken"], bool, "spoken"),
        doubts=doubts,
        drawn=_of_kind(plain["drawn"], bool, "drawn"),
        entries=tuple(entries),
        stats=stats,
        speech_detector=_of_kind(detector, str, "speech_detector"),
        face_backend=_of_kind(backend, str, "face_backend"),
    )


def _text(plain: Mapping[str, Any], name: str) -> str:
    return _of_kind(plain[name], str, name)


def _of_kind(value: Any, kind: type[T], name: str) -> T:
    """The value, where it is of that kind."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {_KINDS[kind]}, got {value!r}"[:200])
    return value


def _neutral(name: str, row: Any) -> Neutral:
    try:
        centre, spread, n, seconds = row
        return Neutral(_known(centre), _known(spread), n, seconds)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error


def _known(value: Any) -> Any:
    """A number as it was written; null stands for nan."""
    return math.nan if value is None else value


def write_profile(profile: Profile, path: Path) -> Path:
    """Write a person's profile as JSON, whole or not at all."""
    return write_sealed(path, to_plain(profile), nan=False)


def read_profile(path: Path) -> Profile:
    """Read a person's profile from its file.

    Raises:
        BadInput: it is absent, damaged, or no profile of this version.
    """
    try:
        found = read_sealed(path, BadInput)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path}: expected a person's profile, as `twomind enrol` writes it ({error})"
        ) from error
    profile = from_plain(found, str(path))
    if not is_sealed(path):
        tell_unsealed(path)
    return profile

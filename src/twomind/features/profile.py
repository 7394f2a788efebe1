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
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.store import write_text
from twomind.features.face.measures import ABSOLUTE, MEASURES
from twomind.features.words.lexicon import lexicon
from twomind.features.words.text import count
from twomind.types import Track, Word
from twomind.types.profile import Neutral, Neutrals, Visit

FORMAT = "twomind.profile/1"
#: Measures that speech moves all the time. Where a spoken clip was enrolled, they come from spoken
#: clips alone: answers are spoken too.
MOUTH = tuple(
    m.name
    for m in MEASURES
    if m.kind == "mouth" or m.name.startswith(("AU12", "AU15", "AU17", "AU18", "AU2"))
)
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
_MIN_ROWS = 10
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
        if len({v.content for v in self.visits}) != len(self.visits):
            raise ValueError("Profile: expected every clip once")

    def neutral(self, modality: str) -> dict[str, Neutral]:
        """Every measure merged over visits: centres and spreads weighted by seconds, rows and
        seconds added.
        """
        found: dict[str, list[tuple[bool, Neutral]]] = {}
        for visit in self.visits:
            for name, one in visit.stats.get(modality, {}).items():
                found.setdefault(name, []).append((visit.spoken, one))
        return {
            name: _merged(name if modality == "face" else "", parts)
            for name, parts in found.items()
        }

    def between(self, modality: str) -> dict[str, float]:
        """How far a measure's neutral differs between visits (standard deviation); nan with one
        visit.
        """
        names = {n for v in self.visits for n in v.stats.get(modality, {})}
        out = {}
        for name in sorted(names):
            centres = [
                v.stats[modality][name].centre
                for v in self.visits
                if name in v.stats.get(modality, {})
            ]
            out[name] = float(np.std(centres, ddof=1)) if len(centres) > 1 else math.nan
        return out

    def named(self, modality: str) -> str:
        """What the column ``neutral`` of a table says, or "" where the modality is not in the
        profile.
        """
        visits = [v for v in self.visits if v.stats.get(modality)]
        if not visits:
            return ""
        doubt = ", clip not neutral" if any(v.doubts for v in visits) else ""
        s = sum(v.seconds(modality) for v in visits)
        return (
            f"profile of {self.person}: {len(visits)} visit{'s' if len(visits) > 1 else ''}, "
            f"{s:.1f} s{doubt}"
        )

    def merged(self, other: Profile) -> Profile:
        """Both profiles' visits, each clip once (the later given one counts).

        Raises:
            BadInput: they are of two people.
        """
        if other.person != self.person:
            raise BadInput(
                f"profiles of two people cannot be merged: {self.person!r} and {other.person!r}"
            )
        by = {v.content: v for v in (*self.visits, *other.visits)}
        return replace(self, visits=tuple(sorted(by.values(), key=lambda v: (v.made, v.content))))

    def without(self, visit: str) -> Profile:
        """The profile less one visit, by the beginning of its id.

        Raises:
            BadInput: none or several begin like that.
        """
        hits = [v for v in self.visits if visit and v.content.startswith(visit)]
        if len(hits) != 1:
            known = ", ".join(v.id for v in self.visits) or "none"
            raise BadInput(f"visit {visit!r}: expected one of {known}")
        return replace(self, visits=tuple(v for v in self.visits if v is not hits[0]))


def _merged(name: str, parts: list[tuple[bool, Neutral]]) -> Neutral:
    spoken = [n for talks, n in parts if talks]
    all_of = spoken if name in MOUTH and spoken else [n for _, n in parts]
    seconds = np.array([n.seconds for n in all_of])
    weight = seconds / seconds.sum() if seconds.sum() > 0 else np.full(len(all_of), 1 / len(all_of))
    spreads = np.array([n.spread for n in all_of])
    known = np.isfinite(spreads)
    spread = (
        float(spreads[known] @ weight[known] / weight[known].sum()) if known.any() else math.nan
    )
    centre = float(np.array([n.centre for n in all_of]) @ weight)
    return Neutral(centre, spread, sum(n.n for n in all_of), float(seconds.sum()))


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
    of speech.
    """
    speech_s = float(summary.get("speech_s") or 0.0)
    if not len(track) or not speech_s >= _MIN_SPEECH_S:
        return {}
    rows = track.valid & (track.column("speech") == 1)
    found = _columns(track, VOICE_COLUMNS, rows, float(np.median(np.diff(track.times_s))))
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
    found = {"log_words": Neutral(math.log1p(counted.n_words), math.nan, 1, seconds)}
    n = max(counted.n_words, 1)
    for name, hits in zip(lexicon().names, counted.counts, strict=True):
        found[name] = Neutral(float(hits) / n, math.nan, n, seconds)
    return found


def _columns(track: Track, names: Any, rows: np.ndarray, step_s: float) -> dict[str, Neutral]:
    found = {}
    for name in names:
        values = track.values[rows, track.names.index(name)].astype(float)
        values = values[np.isfinite(values)]
        if len(values) >= _MIN_ROWS:
            centre = float(np.median(values))
            found[name] = Neutral(
                centre, float(np.median(np.abs(values - centre))), len(values), len(values) * step_s
            )
    return found


# --- use
# ------------------------------------------------------------------------------------------------------------


def relative_to(track: Track, neutral: Neutrals, raw: tuple[str, ...] = ABSOLUTE) -> Track:
    """Each measure less its neutral centre; names in ``raw`` stay as measured, those without a
    neutral become nan.
    """
    values = np.array(track.values, np.float32)
    for k, name in enumerate(track.names):
        if name not in raw:
            values[:, k] -= neutral[name].centre if name in neutral else math.nan
    return replace(track, values=values)


def answer_relative(measured: Neutrals, neutral: Neutrals) -> dict[str, dict[str, float]]:
    """Whole-answer measures beside the person's neutral: ``value`` (raw), ``neutral``,
    ``relative``.
    """
    shared = [name for name in measured if name in neutral]
    return {
        name: {
            "value": measured[name].centre,
            "neutral": neutral[name].centre,
            "relative": measured[name].centre - neutral[name].centre,
        }
        for name in shared
    }


# --- on disk
# --------------------------------------------------------------------------------------------------------


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def to_plain(profile: Profile) -> dict[str, Any]:
    """The profile as JSON-ready values; what cannot be known is null."""
    visits = [
        {
            "content": v.content,
            "made": v.made,
            "spoken": v.spoken,
            "doubts": list(v.doubts),
            "drawn": v.drawn,
            "entries": [list(e) for e in v.entries],
            "stats": {
                modality: {
                    name: [_number(n.centre), _number(n.spread), n.n, _number(n.seconds)]
                    for name, n in stats.items()
                }
                for modality, stats in v.stats.items()
            },
        }
        for v in profile.visits
    ]
    columns = ["centre", "spread", "n", "seconds"]
    return {
        "format": FORMAT,
        "person": profile.person,
        "columns": columns,
        "visits": visits,
        **dict(profile.extra),
    }


def from_plain(found: Any, where: str) -> Profile:
    """Read back :func:`to_plain`; unknown fields are kept.

    Raises:
        BadInput: it is no profile of this version.
    """
    came = found.get("format") if isinstance(found, dict) else type(found).__name__
    if came != FORMAT:
        raise BadInput(
            f"{where}: expected a person's profile ({FORMAT}), got {came!r}; enrol the person anew"
        )
    try:
        visits = tuple(
            Visit(
                content=str(v["content"]),
                made=str(v["made"]),
                spoken=bool(v["spoken"]),
                doubts=tuple(map(str, v["doubts"])),
                drawn=bool(v["drawn"]),
                entries=tuple((str(kind), str(key)) for kind, key in v["entries"]),
                stats={
                    str(m): {str(name): _neutral(row) for name, row in stats.items()}
                    for m, stats in v["stats"].items()
                },
            )
            for v in found["visits"]
        )
        extra = {
            k: v for k, v in found.items() if k not in ("format", "person", "columns", "visits")
        }
        return Profile(str(found["person"]), visits, extra)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(
            f"{where}: expected a person's profile, but it is damaged ({error!r})"
        ) from error


def _neutral(row: Any) -> Neutral:
    centre, spread, n, seconds = row
    centre, spread = (math.nan if x is None else float(x) for x in (centre, spread))
    return Neutral(centre, spread, int(n), float(seconds))


def write_profile(profile: Profile, path: Path) -> Path:
    """Write it atomically as JSON."""
    return write_text(
        path, json.dumps(to_plain(profile), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    )


def read_profile(path: Path) -> Profile:
    """Read one file.

    Raises:
        BadInput: it is absent, damaged, or no profile of this version.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path}: expected a person's profile, as `twomind enrol` writes it ({error})"
        ) from error
    return from_plain(found, str(path))

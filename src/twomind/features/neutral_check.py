"""Is the clip neutral? What can be told from the clip alone: length, light, pose, expression,
speech.

Two kinds of sign. An expression that comes and goes is seen against the clip's own rest: the range
of an action unit. One that is held from the first frame to the last can only be told by its size,
which depends on the face: of those only a plain smile is looked for. The limits were measured on
synthetic people (``experiments/neutral_check.py``; docs/profile.md has the figures); on real faces they
are not validated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twomind.types import Track

_NOT_RANGES = ("seconds", "share", "light", "yaw", "smile", "mouth_motion")


def _row_s(face: Track) -> float:
    """Usual time from row to row, in seconds."""
    if len(face) < 2:
        return 0.0
    return float(np.median(np.diff(face.times_s)))


def _measured(face: Track, name: str) -> np.ndarray:
    """The column's values where there is one."""
    values = face.column(name)
    return values[np.isfinite(values)]


#: Action units whose coming and going is looked for, and what a person reads.
MOVES = {
    "AU01": "the inner brows go up and down",
    "AU02": "the outer brows go up and down",
    "AU04": "the brows are drawn together and let go",
    "AU12": "a smile comes and goes",
    "AU15": "the mouth's corners go up and down",
}
#: Seconds of speech from which on a spoken clip talks.
MIN_SPEECH_S = 1.0
#: Kind of doubt → what to change.
ADVICE = {
    "length": "length: record a longer clip, or ask for less with --min-seconds",
    "quality": "quality: let the whole face be seen, near enough and in focus",
    "light": "light: put the light in front of the face, and neither behind it nor too near",
    "pose": "pose: put the camera in front of the face, at the height of the eyes",
    "expression": "expression: ask the person to look at the camera and do nothing for some seconds",
    "speech": "speech: record a silent clip; an answer to a neutral question is enrolled with "
    "--spoken",
}


@dataclass(frozen=True)
class NeutralLimits:
    """From where on a clip is refused. Lengths of face movements in iod (distance between the
    eyes).
    """

    #: measurable seconds (of the face; of speech in a spoken clip without a face)
    min_seconds: float = 3.0
    #: share of the frames in which the face is measurable
    min_share: float = 0.6
    #: mean brightness of the face, 0..1
    min_light: float = 0.15
    max_light: float = 0.75
    #: median turn of the head from the camera, deg
    max_yaw_deg: float = 20.0
    #: range (5th to 95th percentile of the smoothed course) of an action unit
    max_range: Mapping[str, float] = field(
        default_factory=lambda: {
            "AU01": 0.035,
            "AU02": 0.025,
            "AU04": 0.03,
            "AU12": 0.07,
            "AU15": 0.05,
        }
    )
    #: median of AU12 from which on the whole clip is a smile
    max_smile: float = -0.05
    #: seconds of speech
    max_speech_s: float = 0.5
    #: upper quartile of the speed of the lips, iod/s; the only sign of talking in a film without
    #: sound
    max_mouth_motion: float = 0.21


def measure_clip(face: Track | None, voice: Mapping[str, Any]) -> dict[str, float]:
    """What the check looks at, as plain numbers; nan where not measured. ``voice`` is the summary
    of the voice.
    """
    ranges = [f"range_{name}" for name in MOVES]
    found = dict.fromkeys((*_NOT_RANGES, *ranges), math.nan)
    found["speech_s"] = math.nan
    if voice.get("status", "ok"):
        found["speech_s"] = float(voice.get("speech_s", math.nan))
    if face is None or not len(face):
        return found | {"seconds": 0.0, "share": 0.0}
    n_rows = face.valid.sum()
    step_s = _row_s(face)
    found["seconds"] = float(n_rows) * step_s
    found["share"] = float(face.valid.mean())
    if n_rows < 3:
        return found
    found["light"] = _median(face, "light")
    found["yaw"] = abs(_median(face, "pose_yaw"))
    found["smile"] = _median(face, "AU12")
    motion = _measured(face, "mouth_motion")
    if len(motion):
        found["mouth_motion"] = float(np.percentile(motion, 75))
    width = max(round(0.4 / step_s), 1) if step_s > 0 else 1
    for name in MOVES:
        found[f"range_{name}"] = _range(face.column(name), width)
    return found


def doubts(
    measured: Mapping[str, float], limits: NeutralLimits | None = None, spoken: bool = False
) -> tuple[str, ...]:
    """Why this is not a neutral clip; empty when nothing speaks against it.

    A spoken clip in which there is speech is neutral by what was asked: speech moves the brows and
    the corners of the mouth, so its expressions are no reason (:func:`remarks` tells them).

    Args:
        measured: of :func:`measure_clip`.
        limits: from where on a clip is refused.
        spoken: the clip may talk.
    """
    at = limits or NeutralLimits()
    m = measured
    said = []
    face = m["share"] > 0
    if face or not spoken:
        what = "the face is measurable"
        length_s = m["seconds"]
    else:
        what = "there is speech"
        length_s = _or_zero(m["speech_s"])
    if length_s < at.min_seconds:
        said.append(f"length: {what} for {length_s:.1f} s; expected at least {at.min_seconds:g} s")
    if face:
        said += _picture(m, at)
    elif not spoken:
        said.append(
            "quality: no measurable face; look for light, distance, and whether the face is turned "
            "away"
        )
    if face and not _talks(m, spoken):
        said += _expression(m, at)
    if not spoken:
        said += _talking(m, at)
    return tuple(said)


def remarks(
    measured: Mapping[str, float], limits: NeutralLimits | None = None, spoken: bool = False
) -> tuple[str, ...]:
    """What there is to know of a clip that is no reason to refuse it: of a spoken one, expressions
    that a silent one would be refused for.

    Args:
        measured: of :func:`measure_clip`.
        limits: from where on a silent clip is refused.
        spoken: the clip may talk.
    """
    if not _talks(measured, spoken) or not measured["share"] > 0:
        return ()
    return tuple(_expression(measured, limits or NeutralLimits()))


def _talks(m: Mapping[str, float], spoken: bool) -> bool:
    """Whether the clip may talk, and does."""
    return spoken and m["speech_s"] >= MIN_SPEECH_S


def advice(doubts: Iterable[str]) -> tuple[str, ...]:
    """What to change so that a clip is neutral: a sentence per kind of doubt."""
    kinds = dict.fromkeys(doubt.partition(":")[0] for doubt in doubts)
    return tuple(ADVICE[kind] for kind in kinds if kind in ADVICE)


def _picture(m: Mapping[str, float], at: NeutralLimits) -> list[str]:
    said = []
    share = m["share"]
    if share < at.min_share:
        said.append(
            f"quality: the face is measurable in {share:.0%} of the frames; expected "
            f"{at.min_share:.0%}"
        )
    light = m["light"]
    expected = f"({light:.2f}; expected {at.min_light:g} to {at.max_light:g})"
    if light < at.min_light:
        said.append(f"light: the face is too dark {expected}")
    if light > at.max_light:
        said.append(f"light: the face is too bright {expected}")
    yaw = m["yaw"]
    if yaw > at.max_yaw_deg:
        said.append(
            f"pose: the head is turned {yaw:.0f} deg from the camera; expected "
            f"{at.max_yaw_deg:g} at most"
        )
    return said


def _expression(m: Mapping[str, float], at: NeutralLimits) -> list[str]:
    said = []
    for name, words in MOVES.items():
        limit = at.max_range.get(name, math.inf)
        size = m[f"range_{name}"]
        if size > limit:
            told = f"{name} ranges over {size:.3f} iod; expected {limit:g} at most"
            said.append(f"expression: {words} ({told})")
    smile = m["smile"]
    if smile > at.max_smile:
        told = f"AU12 {smile:.3f} iod; expected {at.max_smile:g} at most"
        said.append(f"expression: smiling throughout ({told})")
    return said


def _talking(m: Mapping[str, float], at: NeutralLimits) -> list[str]:
    if m["speech_s"] > at.max_speech_s:
        return [
            f"speech: {m['speech_s']:.1f} s of talking; expected silence (or enrol it as a spoken "
            "clip)"
        ]
    if m["mouth_motion"] > at.max_mouth_motion:
        said = (
            f"speech: the lips move ({m['mouth_motion']:.2f} iod/s; expected "
            f"{at.max_mouth_motion:g} at most)"
        )
        return [f"{said}: talking, chewing, or a face too noisy to tell"]
    return []


def _or_zero(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _median(face: Track, name: str) -> float:
    values = _measured(face, name)
    return float(np.median(values)) if len(values) else math.nan


def _range(values: np.ndarray, width: int) -> float:
    """5th to 95th percentile of the course smoothed by a running median of ``width`` rows."""
    values = values[np.isfinite(values)]
    if len(values) < 3:
        return math.nan
    width = min(width, len(values))
    windows = np.lib.stride_tricks.sliding_window_view(values, width)
    low, high = np.percentile(np.median(windows, axis=1), (5, 95))
    return float(high - low)

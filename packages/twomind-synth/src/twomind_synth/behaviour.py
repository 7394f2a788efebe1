"""What a synthetic face does, frame by frame, as known truth: expressions, gaze, head, blinks, and lips
that speak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from twomind_synth.identity import FaceState
from twomind_synth.script import Answer
from twomind_synth.voice import Speech
from twomind_synth.world import CUE_SHARES, Factors, World, choose

#: A blink is fully closed for 80 ms and needs 80 ms to close and to open: the eyes are more than
#: half shut for 160 ms.
BLINK_CLOSED_S, BLINK_RAMP_S = 0.08, 0.08
#: Blinks start at least this far apart.
BLINK_APART_S = 0.6

#: What a movement does at its height: action units 0..1, angles in degrees, lengths in cm. ``side``
#: marks columns that change sign with the side to which the movement goes.
SHAPES: dict[str, dict[str, float]] = {
    "brow_raise": {"AU01": 0.85, "AU02": 0.85},
    "brow_lower": {"AU04": 0.85},
    "smile": {"AU12": 0.85, "AU06": 0.5},
    "mouth": {"AU14": 0.6, "AU17": 0.6},
    "lip_press": {"AU24": 0.9, "AU23": 0.3},
    "squint": {"AU07": 0.75},
    "eye_roll": {"gaze_pitch": 16.0},
    "gaze_away": {"gaze_yaw": 17.0},
    "look_away": {"yaw": 14.0, "gaze_yaw": 8.0},
    "tilt": {"roll": 9.0},
    "posture": {"x_cm": 1.5, "z_cm": 2.5},
    "shrug": {"shrug": 0.9, "AU01": 0.3, "AU02": 0.3},
    "head_shake": {"yaw": 7.0},
    "nod": {"pitch": 6.0},
}
#: more movements, which only studies use
STUDY_SHAPES: dict[str, dict[str, float]] = {
    "eyes_closing": {"AU43": 0.95},
    "hanging": {"AU26": 0.55, "AU25": 0.4},
    "throw": {"pitch": 9.0},
    "restless": {"x_cm": 1.3, "roll": 3.0},
    "frown": {"AU04": 0.7, "AU15": 0.6},
}
_ALL_SHAPES = {**SHAPES, **STUDY_SHAPES}
_MIRRORED = ("gaze_yaw", "yaw", "roll", "x_cm")
#: cycles per second of movements that go to and fro
_CYCLES_HZ = {"head_shake": 1.7, "nod": 1.9, "restless": 0.9}
#: shortest and longest time at full height (s)
_HOLD_S = {
    "gaze_away": (0.6, 1.6),
    "look_away": (0.5, 1.2),
    "smile": (0.5, 1.5),
    "eye_roll": (0.25, 0.4),
}
#: movements that the lips can only make while they do not speak
_SILENT_ONLY = ("lip_press", "mouth", "hanging")
#: the numbers of a FaceState that movements drive, besides its action units
COLUMNS = tuple(
    name for name in FaceState.__dataclass_fields__ if name not in ("aus", "blink", "breath")
)

#: name → value per frame ``(T,)``
Courses = dict[str, np.ndarray]


@dataclass(frozen=True)
class Movement:
    """One movement: smooth onset, apex, offset. ``cause`` is ``ah`` (it shows A/H) or ``habit`` (it
    means nothing).
    """

    kind: str
    cause: str
    start_s: float
    onset_s: float
    hold_s: float
    offset_s: float
    amplitude: float
    side: int

    @property
    def end_s(self) -> float:
        return self.start_s + self.onset_s + self.hold_s + self.offset_s

    def level(self, times_s: np.ndarray) -> np.ndarray:
        """Course 0..1 at ``times_s``: raised-cosine ramps around a plateau."""
        t = times_s - self.start_s
        rise = np.clip(t / self.onset_s, 0, 1)
        fall = np.clip((self.end_s - self.start_s - t) / self.offset_s, 0, 1)
        return (0.5 - 0.5 * np.cos(np.pi * rise)) * (0.5 - 0.5 * np.cos(np.pi * fall))

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "end_s": self.end_s}


@dataclass(frozen=True)
class Behaviour:
    """States of the face at ``times_s (T,)``, and the movements and blinks they are made of."""

    times_s: np.ndarray
    states: tuple[FaceState, ...]
    movements: tuple[Movement, ...]
    blinks: tuple[tuple[float, float], ...]
    closed: np.ndarray  # (T,) bool: the lids are more than half shut


def behave(
    world: World,
    person: Factors,
    answer: Answer,
    speech: Speech,
    times_s: np.ndarray,
    rng: np.random.Generator,
) -> Behaviour:
    """The behaviour during one spoken answer, at the given frame times."""
    movements = (
        *_showing(world, person, answer, speech, rng),
        *_habits(world, person, speech, rng),
    )
    movements = tuple(sorted(movements, key=lambda m: m.start_s))
    aus, columns = compose(movements, times_s)
    add_idle(columns, person, times_s, rng)
    add_lips(columns, speech, times_s)
    starts = blink_starts(person, speech.duration_s, rng)
    blink = blink_course(starts, times_s)
    closed = blink >= 0.5
    chest = 0.5 + 0.5 * np.sin(2 * np.pi * (0.23 * times_s + rng.random()))
    for start, end in speech.breaths:
        chest = np.maximum(chest, np.sin(np.pi * np.clip((times_s - start) / (end - start), 0, 1)))
    states = tuple(
        FaceState(
            aus={
                name: round(float(course[i]), 4) for name, course in aus.items() if course[i] > 1e-4
            },
            blink=round(float(blink[i]), 4),
            breath=round(float(chest[i]), 4),
            **{name: round(float(course[i]), 4) for name, course in columns.items()},
        )
        for i in range(len(times_s))
    )
    return Behaviour(times_s, states, movements, runs(closed, times_s), closed)


def runs(flags: np.ndarray, times_s: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Runs of true frames as (time of the first, time of the last)."""
    padded = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    firsts, lasts = np.flatnonzero(padded == 1), np.flatnonzero(padded == -1) - 1
    return tuple((float(times_s[a]), float(times_s[b])) for a, b in zip(firsts, lasts, strict=True))


class _Spanned(Protocol):
    """A planned segment: its first and last token."""

    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...


class _Segmented(Protocol):
    """A planned answer with segments."""

    @property
    def segments(self) -> Sequence[_Spanned]: ...


def segment_spans(answer: _Segmented, speech: Speech) -> tuple[tuple[float, float], ...]:
    """Start and end of each A/H segment (s): from its first audible sign to the end of its last
    word.
    """
    spans = []
    for plan in answer.segments:
        first, last = speech.words[plan.first], speech.words[plan.last]
        before = speech.words[plan.first - 1].end_s if plan.first else 0.0
        breaths = [start for start, _ in speech.breaths if before <= start < first.start_s]
        spans.append((min([first.start_s, *breaths]), last.end_s))
    return tuple(spans)


def _showing(
    world: World, person: Factors, answer: Answer, speech: Speech, rng: np.random.Generator
) -> list[Movement]:
    """The facial and bodily cues of the A/H segments."""
    movements = []
    for plan, (start_s, end_s) in zip(answer.segments, segment_spans(answer, speech), strict=True):
        for kind in (*plan.cues.get("facial", ()), *plan.cues.get("body", ())):
            movement = placed(kind, "ah", start_s, end_s, world.strength, person, speech, rng)
            if movement:
                movements.append(movement)
    return movements


def _habits(
    world: World, person: Factors, speech: Speech, rng: np.random.Generator
) -> list[Movement]:
    """Movements that say nothing about the label: mostly the person's own habit, sometimes any
    other.
    """
    shares = {**CUE_SHARES["facial"], **CUE_SHARES["body"]}
    movements = []
    for _ in range(int(rng.poisson(world.habit_per_min * speech.duration_s / 60))):
        kind = person.habit if rng.random() < 0.6 else choose(rng, shares, 1)[0]
        movement = placed(kind, "habit", 0.3, speech.duration_s - 0.5, 1.0, person, speech, rng)
        if movement:
            movements.append(movement)
    return movements


def placed(
    kind: str,
    cause: str,
    earliest_s: float,
    latest_s: float,
    strength: float,
    person: Factors,
    speech: Speech,
    rng: np.random.Generator,
) -> Movement | None:
    """A movement of the kind somewhere in the span; None when the lips find no silence for it
    there.
    """
    amplitude = float(np.clip(strength * rng.lognormal(0, 0.15), 0, 1.15))
    side = person.gaze_side if rng.random() < 0.75 else -person.gaze_side
    onset_s, offset_s = float(rng.uniform(0.16, 0.3)), float(rng.uniform(0.2, 0.4))
    hold_s = float(rng.uniform(*_HOLD_S.get(kind, (0.3, 0.9))))
    if kind in _CYCLES_HZ:
        hold_s = float(rng.integers(2, 4)) / _CYCLES_HZ[kind] - 0.5 * (onset_s + offset_s)
    total_s = onset_s + hold_s + offset_s
    start_s = float(rng.uniform(earliest_s, max(latest_s - total_s, earliest_s + 0.01)))
    if kind in _SILENT_ONLY:
        silent = [
            (a, b) for a, b in speech.pauses if b - a >= 0.4 and b > earliest_s and a < latest_s
        ]
        # Before the segment's first word there is always a pause, too.
        silent += [(a, b) for a, b in speech.pauses if b - a >= 0.4 and abs(b - earliest_s) < 0.05]
        if not silent:
            return None
        a, b = silent[int(rng.integers(len(silent)))]
        length_s = min(b - a, total_s)
        onset_s, offset_s = 0.3 * length_s, 0.3 * length_s
        hold_s, start_s = length_s - onset_s - offset_s, a + 0.5 * (b - a - length_s)
    start_s, onset_s, hold_s, offset_s = (round(v, 4) for v in (start_s, onset_s, hold_s, offset_s))
    return Movement(kind, cause, start_s, onset_s, hold_s, offset_s, round(amplitude, 4), side)


def compose(movements: tuple[Movement, ...], times_s: np.ndarray) -> tuple[Courses, Courses]:
    """Courses of the action units (the strongest movement counts) and of the other columns
    (movements add up).
    """
    aus: Courses = {}
    columns: Courses = {name: np.zeros(len(times_s)) for name in COLUMNS}
    for movement in movements:
        level = movement.amplitude * movement.level(times_s)
        for name, height in _ALL_SHAPES[movement.kind].items():
            course = height * level
            if name in _MIRRORED:
                course = course * movement.side
            if movement.kind in _CYCLES_HZ:
                course = course * np.sin(
                    2 * np.pi * _CYCLES_HZ[movement.kind] * (times_s - movement.start_s)
                )
            if name.startswith("AU"):
                aus[name] = np.clip(np.maximum(aus.get(name, 0.0), course), 0, 1)
            else:
                columns[name] = columns[name] + course
    limits = {
        "gaze_yaw": 22,
        "gaze_pitch": 16,
        "yaw": 20,
        "pitch": 12,
        "roll": 14,
        "x_cm": 4,
        "z_cm": 5,
        "shrug": 1,
    }
    for name, limit in limits.items():
        columns[name] = np.clip(columns[name], -limit, limit)
    return aus, columns


def add_idle(
    columns: Courses, person: Factors, times_s: np.ndarray, rng: np.random.Generator
) -> None:
    """Resting pose, slow sway of the head, small jumps of the eyes around the camera."""
    for name, rest, size in zip(
        ("yaw", "pitch", "roll"), person.rest_pose_deg, (1.0, 0.7, 0.6), strict=True
    ):
        columns[name] += rest + _drift(times_s, person.sway_deg * size, rng)
    for name, size in (("x_cm", 0.3), ("y_cm", 0.12), ("z_cm", 0.3)):
        columns[name] += _drift(times_s, size * person.sway_deg, rng)
    at, jump = 0.0, {"gaze_yaw": 0.0, "gaze_pitch": 0.0}
    while at < (times_s[-1] if len(times_s) else 0.0):
        until = at + float(rng.uniform(0.5, 2.0))
        inside = (times_s >= at) & (times_s < until)
        for name in jump:
            columns[name][inside] += jump[name]
            jump[name] = float(np.clip(rng.normal(0, 1.2), -2.5, 2.5))
        at = until


def _drift(times_s: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    """A sum of three slow waves with standard deviation ``size``."""
    waves = [np.sin(2 * np.pi * (f * times_s + rng.random())) for f in rng.uniform(0.05, 0.4, 3)]
    return np.asarray(size * np.sqrt(2 / 3) * sum(waves))


def add_lips(columns: Courses, speech: Speech, times_s: np.ndarray) -> None:
    """Lip shapes of the sounds, smoothed over some 70 ms as real lips are."""
    from scipy.ndimage import gaussian_filter1d

    step_s = 0.005
    grid = np.zeros((3, int(speech.duration_s / step_s) + 2))
    for start_s, end_s, *shape in speech.mouth:
        first = round(start_s / step_s)
        grid[:, first : max(round(end_s / step_s), first + 1)] = np.array(shape)[:, None]
    smooth = gaussian_filter1d(grid, 0.03 / step_s, axis=1, mode="nearest")
    for name, course in zip(("mouth_open", "mouth_wide", "mouth_round"), smooth, strict=True):
        columns[name] += np.interp(times_s, np.arange(len(course)) * step_s, course)


def blink_starts(person: Factors, duration_s: float, rng: np.random.Generator) -> list[float]:
    mean_s = max(60.0 / person.blink_per_min - BLINK_APART_S, 0.3)
    starts, at = [], float(rng.uniform(0.5, 2.0))
    while at < duration_s - 0.5:
        starts.append(at)
        at += BLINK_APART_S + float(rng.exponential(mean_s))
    return starts


def blink_course(starts: list[float], times_s: np.ndarray) -> np.ndarray:
    course = np.zeros(len(times_s))
    for start in starts:
        middle = start + BLINK_RAMP_S + BLINK_CLOSED_S / 2
        shut = np.clip(
            (BLINK_CLOSED_S / 2 + BLINK_RAMP_S - np.abs(times_s - middle)) / BLINK_RAMP_S, 0, 1
        )
        course = np.maximum(course, shut)
    return course

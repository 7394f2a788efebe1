"""Describe a body: frames in, a row of measures for every k-th of them out.

A row is valid where the model finds a body whose face is seen. Columns of the shoulders are empty
where these are outside the picture or not seen; the summary says in how many rows, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Protocol

import numpy as np

from twomind.core.settings import Bounds, check_bounds
from twomind.features.body.finder import N_POSE, BodyFinder, MediaPipeBody, Seen
from twomind.features.body.measures import NAMES, NO_BODY, OF_SHOULDERS, OUTSIDE, UNITS
from twomind.features.face.tracker import NO_FACE, OTHER_PERSON
from twomind.types import Track

# Points of the pose, by the person's own sides.
_LEFT_EYE, _RIGHT_EYE = 2, 5
_LEFT_EAR, _RIGHT_EAR = 7, 8
_MOUTH = (9, 10)
_LEFT_SHOULDER, _RIGHT_SHOULDER = 11, 12
#: The points of the face, all of which must be seen.
_FACE = np.arange(11)
#: Rows farther apart than this say nothing of a motion, seconds.
_MOST_APART_S = 0.5
_REASONS = ("", NO_BODY)
_SEVERAL = "several people are seen: the body may be another person's"
#: Half axes of the ellipse of a face, in distances between the eyes, and how far its middle lies
#: below the eyes.
_FACE_WIDE, _FACE_HIGH, _FACE_BELOW = 1.25, 1.75, 0.45


class Frame(Protocol):
    """A decoded frame, as ``twomind.media.stream`` gives it."""

    @property
    def time_s(self) -> float: ...
    @property
    def rgb(self) -> np.ndarray: ...


@dataclass(frozen=True)
class BodySettings:
    """Whether and how the body is measured. It costs about twice what the face does."""

    measure: bool = False
    #: seconds between the frames that are looked at: every k-th one
    every_s: Annotated[float, Bounds(0)] = 0.2
    #: the model must be this sure of a shoulder
    least_visible: Annotated[float, Bounds(0, 1)] = 0.5

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class BodyResult:
    """One row per frame that was looked at, and a summary of plain values."""

    track: Track
    summary: Mapping[str, Any]


@dataclass
class _Rows:
    """What the frames showed so far, in px."""

    times_s: list[float] = field(default_factory=list)
    poses: list[np.ndarray] = field(default_factory=list)  # (33, 3), nan where there is none
    hands: list[tuple[np.ndarray, ...]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)  # width, height


class BodyReader:
    """Push every frame in order, then :meth:`finish`. Memory grows by 5 kB per second.

    Args:
        settings: how the body is measured.
        finder: of poses and hands; None: MediaPipe's.

    Raises:
        MissingExtra: MediaPipe is not installed.
        MissingWeights: its wheel carries no models of the body.
    """

    def __init__(
        self, settings: BodySettings | None = None, finder: BodyFinder | None = None
    ) -> None:
        self.settings = settings or BodySettings()
        self._finder = finder or MediaPipeBody()
        self._rows = _Rows()
        self._next_s = -np.inf

    def push(self, frame: Frame) -> None:
        """Take the next frame; it is looked at where the last look is long enough ago."""
        if frame.time_s < self._next_s - 1e-3:
            return
        self._next_s = frame.time_s + self.settings.every_s
        seen = self._finder.look(frame.rgb)
        height, width = frame.rgb.shape[:2]
        self._rows.times_s.append(frame.time_s)
        self._rows.poses.append(self._usable(seen))
        self._rows.hands.append(seen.hands)
        self._rows.sizes.append((width, height))

    def _usable(self, seen: Seen) -> np.ndarray:
        """The pose where its face is seen, else nan."""
        least = self.settings.least_visible
        if seen.pose is None or seen.pose[_FACE, 2].min() < least:
            return np.full((N_POSE, 3), np.nan)
        return seen.pose

    def finish(self) -> BodyResult:
        """Measure, and close the back end."""
        self._finder.close()
        rows = self._rows
        times_s = np.array(rows.times_s)
        if not len(times_s):
            no_values = np.zeros((0, len(NAMES)))
            no_rows = np.zeros(0, bool)
            empty = Track(no_values, times_s, no_rows, NAMES, UNITS)
            return BodyResult(empty, {"status": NO_BODY, "n_rows": 0})
        poses = np.stack(rows.poses)
        sizes = np.array(rows.sizes, float)
        valid = np.isfinite(poses[:, 0, 0])
        inside = self._shoulders_inside(poses, sizes)
        columns = _measured(times_s, poses, rows.hands, sizes, inside)
        values = np.stack([columns[name] for name in NAMES], axis=1)
        values[~valid] = np.nan
        small = values.astype(np.float32)
        codes = (~valid).astype(np.uint8)
        track = Track(small, times_s, valid, NAMES, UNITS, _REASONS, codes)
        return BodyResult(track, _summary(valid, inside, self.settings))

    def _shoulders_inside(self, poses: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Rows ``(T,)`` whose shoulders are both seen, inside the picture."""
        both = poses[:, [_LEFT_SHOULDER, _RIGHT_SHOULDER]]
        places = both[:, :, :2] / sizes[:, None]
        inside = (places >= 0) & (places <= 1)
        visible = both[:, :, 2] >= self.settings.least_visible
        found: np.ndarray = inside.all(axis=(1, 2)) & visible.all(axis=1)
        return found


def of_the_face(body: Track, face: Track, n_people: int) -> Track:
    """The body with those rows not valid that may be of somebody else.

    Args:
        body: rows of body measures.
        face: rows of face measures of the person.
        n_people: faces that were seen at once, at most.
    """
    assert body.reason_code is not None
    assert face.reason_code is not None
    reasons = (*body.reasons, NO_FACE, _SEVERAL)
    codes = body.reason_code.copy()
    if n_people > 1:
        codes[body.valid] = len(reasons) - 1
    elif len(face):
        seen = face.on_grid(body.times_s, _MOST_APART_S)
        assert seen.reason_code is not None
        why = np.array(seen.reasons)[seen.reason_code]
        unseen = np.isin(why, (NO_FACE, OTHER_PERSON))
        codes[body.valid & unseen] = len(reasons) - 2
    return replace(body, valid=codes == 0, reasons=reasons, reason_code=codes)


def _summary(valid: np.ndarray, inside: np.ndarray, settings: BodySettings) -> dict[str, Any]:
    n = len(valid)
    n_valid = int(valid.sum())
    with_shoulders = valid & inside
    n_shoulders = int(with_shoulders.sum())
    not_measured = {}
    if n_valid and not n_shoulders:
        not_measured = dict.fromkeys(OF_SHOULDERS, OUTSIDE)
    return {
        "status": "ok" if n_valid else NO_BODY,
        "n_rows": n,
        "n_valid": n_valid,
        "n_shoulders": n_shoulders,
        "every_s": settings.every_s,
        "not_measured": not_measured,
        "remarks": [],
    }


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distances ``(T,)`` of points ``(T, 2)``."""
    return np.linalg.norm(a - b, axis=1)


def _measured(
    times_s: np.ndarray,
    poses: np.ndarray,
    hands: list[tuple[np.ndarray, ...]],
    sizes: np.ndarray,
    inside: np.ndarray,
) -> dict[str, np.ndarray]:
    """All columns ``(T,)`` by name.

    Args:
        times_s: of the rows ``(T,)``.
        poses: points in px and their visibility ``(T, 33, 3)``, nan where there is no body.
        hands: per row the hands ``(21, 2)`` in px.
        sizes: width and height of the pictures ``(T, 2)`` px.
        inside: rows whose shoulders are seen ``(T,)``.
    """
    points = poses[:, :, :2]
    eyes = points[:, [_LEFT_EYE, _RIGHT_EYE]].mean(axis=1)
    mouth = points[:, _MOUTH].mean(axis=1)
    between_eyes = _between(points[:, _LEFT_EYE], points[:, _RIGHT_EYE])
    iod_px = _median(between_eyes)
    eyes_to_mouth = _between(eyes, mouth)
    ears = points[:, [_LEFT_EAR, _RIGHT_EAR]]
    ears_y = ears.mean(axis=1)[:, 1]
    shown = inside[:, None]
    left = np.where(shown, points[:, _LEFT_SHOULDER], np.nan)
    right = np.where(shown, points[:, _RIGHT_SHOULDER], np.nan)
    left_raise = ears_y - left[:, 1]
    right_raise = ears_y - right[:, 1]
    middle = (left + right) / 2
    place = middle / iod_px
    face_size = np.hypot(between_eyes, eyes_to_mouth)
    n_hands = [len(row) for row in hands]
    shoulders = poses[:, [_LEFT_SHOULDER, _RIGHT_SHOULDER]]
    visibility = shoulders[:, :, 2]
    found = {
        "left_shoulder_raise": left_raise / iod_px,
        "right_shoulder_raise": right_raise / iod_px,
        "shoulder_x": place[:, 0],
        "shoulder_y": place[:, 1],
        "shoulder_width": _between(left, right) / iod_px,
        "face_size": face_size / iod_px,
        "body_motion": _speed(times_s, place),
        "hands": np.array(n_hands, float),
        "hand_at_face": _over_face(hands, eyes, mouth, iod_px),
        "hand_motion": _hand_speed(times_s, hands, iod_px),
        "quality": visibility.min(axis=1),
    }
    drawn = {"left_shoulder": left, "right_shoulder": right}
    drawn["left_ear"] = points[:, _LEFT_EAR]
    drawn["right_ear"] = points[:, _RIGHT_EAR]
    drawn["hand_1"] = _middles(hands, 0)
    drawn["hand_2"] = _middles(hands, 1)
    for name, places in drawn.items():
        shares = places / sizes
        found[f"{name}_x"] = shares[:, 0]
        found[f"{name}_y"] = shares[:, 1]
    return found


def _median(values: np.ndarray) -> float:
    """nan where there is no value."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _speed(times_s: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Way over time ``(T,)`` from the row before; nan after a hole and in the first row."""
    found = np.full(len(times_s), np.nan)
    step_s = np.diff(times_s)
    moves = np.diff(places, axis=0)
    way = np.linalg.norm(moves, axis=1)
    near = (step_s > 0) & (step_s <= _MOST_APART_S)
    found[1:][near] = way[near] / step_s[near]
    return found


def _middles(hands: list[tuple[np.ndarray, ...]], which: int) -> np.ndarray:
    """Middle ``(T, 2)`` px of the first or second hand of each row."""
    found = np.full((len(hands), 2), np.nan)
    for row, seen in enumerate(hands):
        if which < len(seen):
            found[row] = seen[which].mean(axis=0)
    return found


def _hand_speed(
    times_s: np.ndarray, hands: list[tuple[np.ndarray, ...]], iod_px: float
) -> np.ndarray:
    """Speed ``(T,)`` of the faster hand, each taken for the nearest one of the row before."""
    found = np.full(len(times_s), np.nan)
    for row in range(1, len(hands)):
        step_s = times_s[row] - times_s[row - 1]
        before = [hand.mean(axis=0) for hand in hands[row - 1]]
        is_near = 0 < step_s <= _MOST_APART_S
        if not hands[row] or not before or not is_near:
            continue
        ways = []
        for hand in hands[row]:
            away = np.array(before) - hand.mean(axis=0)
            distances = np.linalg.norm(away, axis=1)
            ways.append(distances.min())
        found[row] = max(ways) / iod_px / step_s
    return found


def _over_face(
    hands: list[tuple[np.ndarray, ...]], eyes: np.ndarray, mouth: np.ndarray, iod_px: float
) -> np.ndarray:
    """Share ``(T,)`` of a hand's points inside the ellipse of the face; 0 without a hand.

    Args:
        hands: per row the hands ``(21, 2)`` px.
        eyes: their middle ``(T, 2)`` px.
        mouth: its middle ``(T, 2)`` px.
        iod_px: distance between the eyes.
    """
    below = mouth - eyes
    distance = np.linalg.norm(below, axis=1, keepdims=True)
    down = below / np.maximum(distance, 1e-6)
    across = np.stack([down[:, 1], -down[:, 0]], axis=1)
    centres = eyes + _FACE_BELOW * iod_px * down
    found = np.zeros(len(hands))
    for row, seen in enumerate(hands):
        for hand in seen:
            away = (hand - centres[row]) / iod_px
            x = away @ across[row] / _FACE_WIDE
            y = away @ down[row] / _FACE_HIGH
            over_face = x**2 + y**2 <= 1
            share = float(np.mean(over_face))
            found[row] = max(found[row], share)
    has_face = np.isfinite(eyes[:, 0])
    return np.where(has_face, found, np.nan)

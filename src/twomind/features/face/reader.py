"""Describe a face: frames in, one row of measures per frame out, with a status and a reason where
there is none.

:class:`FaceReader` is streamed: landmarks are measured in blocks and rows go to a spool, so memory
stays flat.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.spool import Spool
from twomind.features.face.action_units import (
    action_units,
    eye_openings,
    mouth_gap,
    mouth_width,
    side_weights,
)
from twomind.features.face.back_ends import open_finder
from twomind.features.face.blendshapes import COLUMNS, N_BLENDSHAPES, columns_of
from twomind.features.face.blinks import BlinkSettings, find_blinks, why_no_blinks
from twomind.features.face.gaze import gaze_deg
from twomind.features.face.head import (
    FACE_WIDTH_IOD,
    N_LANDMARKS,
    derotate,
    pose_deg,
    quarter_turns,
    turned_pose_deg,
)
from twomind.features.face.measures import ABSOLUTE, MEASURES, NAMES, UNITS, UNSUPPORTED, Measure
from twomind.features.face.quality import REASONS, QualitySettings, Skin, judge, pixel_row
from twomind.features.face.tracker import NO_FACE, OTHER_PERSON, Tracker, TrackSettings
from twomind.features.face.tracker_mesh import FaceFinder
from twomind.types import Track

__all__ = [
    "MEASURES",
    "UNSUPPORTED",
    "FaceReader",
    "FaceResult",
    "FaceSettings",
    "Measure",
    "relative",
]

_REASONS = ("", NO_FACE, OTHER_PERSON, *REASONS)
_BLOCK = 64
_COLUMN = {name: k for k, name in enumerate(NAMES)}
_NOT_IN_A_BLINK = ("AU05", "AU07", "AU05_blendshape", "AU07_blendshape")
_MOTION_POINTS = [13, 14, 61, 291]
_MIN_NEUTRAL_ROWS = 10


class Frame(Protocol):
    """A decoded frame, as ``twomind.media.stream`` gives it."""

    @property
    def time_s(self) -> float: ...
    @property
    def rgb(self) -> np.ndarray: ...


@dataclass(frozen=True)
class FaceSettings:
    """How faces are found, followed and judged."""

    backend: str = "mesh"  # mesh: bundled with mediapipe; landmarker: a .task file
    # of face_landmarker.task; None: the one that `twomind weights add face-landmarker` brought
    landmarker_path: str | None = None
    target: str = "continuity"  # which person: continuity, largest, central
    far_side_deg: float = (
        25.0  # turned farther, the half of the face that is turned away is not measured
    )
    keep_landmarks: bool = False  # also return the landmarks (6 kB per frame)
    track: TrackSettings = field(default_factory=TrackSettings)
    quality: QualitySettings = field(default_factory=QualitySettings)
    blinks: BlinkSettings = field(default_factory=BlinkSettings)


@dataclass(frozen=True)
class FaceResult:
    """One row per frame, a summary of plain values, and the landmarks ``(T, 478, 3)`` px when they
    were asked for.

    ``summary["status"]`` is ``ok``, ``no face`` (in no frame) or ``not measurable`` (seen, but
    never well enough).
    """

    track: Track
    summary: Mapping[str, Any]
    landmarks: Track | None = None


def _columns_of_back_end(backend: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of the face track's columns."""
    if backend != "landmarker":
        return NAMES, UNITS
    return (*NAMES, *COLUMNS), (*UNITS, *("share" for _ in COLUMNS))


def _one_opencv_thread() -> int | None:
    """Let OpenCV work in one thread, and return how many it had; None when it is absent (a finder
    without it).

    For crops of a face, waking its pool costs more processor time than the work, and MediaPipe
    needs those cores.
    """
    try:
        import cv2
    except ImportError:
        return None
    had = int(cv2.getNumThreads())
    cv2.setNumThreads(1)
    return had


class FaceReader:
    """Push every frame in order, then :meth:`finish`.

    Raises:
        BadInput: a setting is not known.
        MissingExtra: MediaPipe is not installed.
        MissingWeights: the landmarker's task file is absent or broken.
    """

    def __init__(
        self, settings: FaceSettings | None = None, finder: FaceFinder | None = None
    ) -> None:
        self.settings = settings or FaceSettings()
        track = replace(self.settings.track, target=self.settings.target)
        self._finder = finder or open_finder(
            self.settings.backend, self.settings.landmarker_path, track.max_people
        )
        self._tracker = Tracker(self._finder, track)
        self._names, self._units = _columns_of_back_end(self.settings.backend)
        self._values = Spool((len(self._names),), np.float32)
        self._clock = Spool((2,), np.float64)  # time and reason code
        self._landmarks: Spool | None = None
        if self.settings.keep_landmarks:
            self._landmarks = Spool((N_LANDMARKS, 3), np.float32, 64)
        self._skin = Skin()
        self._quarters = 0  # by how many quarter turns the camera was held
        self._times: list[float] = []
        self._codes: list[int] = []
        self._found: list[tuple[int, np.ndarray]] = []  # row in the block, landmarks
        self._pixels: list[np.ndarray] = []  # their pixel rows
        self._shapes: list[np.ndarray] = []  # their blendshapes
        # The last frame pushed, until it is known what follows.
        self._held: tuple[np.ndarray, float] | None = None
        self._cv2_threads = _one_opencv_thread()
        self._last_lips: tuple[float, np.ndarray] | None = None
        self._people_rows: dict[int, int] = {}
        self._closed = False

    def push(self, frame: Frame) -> None:
        """Take the next frame (``time_s``, ``rgb (H, W, 3)`` uint8).

        A frame is looked at when the next one is there: the back end works on that one, in its own
        threads, while this one's pixels are read and its rows are made.
        """
        rgb = frame.rgb
        self._look(following=rgb)
        self._held = (rgb, frame.time_s)

    def _look(self, following: np.ndarray | None) -> None:
        if self._held is None:
            return
        rgb, time_s = self._held
        self._held = None
        seen = self._tracker.update(rgb, time_s, following)
        n_before = self._people_rows.get(seen.n_people, 0)
        self._people_rows[seen.n_people] = n_before + 1
        if seen.landmarks_px is not None:
            self._found.append((len(self._times), seen.landmarks_px))
            self._pixels.append(pixel_row(rgb, seen.landmarks_px))
            unknown = np.full(N_BLENDSHAPES, np.nan)
            self._shapes.append(unknown if seen.blendshapes is None else seen.blendshapes)
        self._times.append(time_s)
        self._codes.append(_REASONS.index(seen.reason))
        if len(self._times) == _BLOCK:
            self._flush()

    def rows(self, first: int = 0) -> Track:
        """The rows of all pictures that were looked at so far, from number ``first`` on, as they
        stand: what only the whole recording tells (``blink``) is nan in them. Rows do not depend on
        when they are asked for.
        """
        kept = [(self._values.read()[first:], self._clock.read()[first:])]
        if self._times:
            before = (copy(self._skin), self._quarters, self._last_lips)
            values, codes = self._block()
            self._skin, self._quarters, self._last_lips = before
            skipped = max(0, first - len(self._clock))
            waiting = np.stack([self._times, codes.astype(float)], axis=1)
            kept.append((values[skipped:], waiting[skipped:]))
        values = np.concatenate([rows for rows, _ in kept])
        clock = np.concatenate([rows for _, rows in kept])
        reason_code = clock[:, 1].astype(np.uint8)
        valid = reason_code == 0
        return Track(
            values, clock[:, 0].copy(), valid, self._names, self._units, _REASONS, reason_code
        )

    def _flush(self) -> None:
        """Measure the buffered frames at once and spool their rows."""
        if not self._times:
            return
        n = len(self._times)
        values, codes = self._block()
        if self._landmarks is not None:
            kept = np.full((n, N_LANDMARKS, 3), np.nan, np.float32)
            for row, points in self._found:
                kept[row] = points
            self._landmarks.append(kept)
        self._values.append(values)
        clock = np.stack([self._times, codes.astype(float)], axis=1)
        self._clock.append(clock)
        self._times = []
        self._codes = []
        self._found = []
        self._pixels = []
        self._shapes = []

    def _block(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows ``(n, M)`` and reason codes ``(n,)`` of the buffered frames."""
        times_s = np.array(self._times)
        codes = np.array(self._codes)
        values = np.full((len(times_s), len(self._names)), np.nan)
        if self._found:
            rows = np.array([row for row, _ in self._found])
            landmarks = np.stack([points for _, points in self._found])
            pixels = np.stack(self._pixels)
            measured, codes[rows] = self._measure(times_s[rows], landmarks, pixels)
            values[rows] = self._with_shapes(measured, codes[rows] == 0)
        return values.astype(np.float32), codes

    def _with_shapes(self, measured: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Rows ``(n, M)`` with the columns that only this back end has; nothing where a row is not
        ``valid (n,)``.
        """
        if len(self._names) == len(NAMES):
            return measured
        shapes = np.stack(self._shapes).astype(float)
        shapes[~valid] = np.nan
        return np.column_stack([measured, columns_of(shapes)])

    def _measure(
        self, times_s: np.ndarray, landmarks: np.ndarray, pixels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows ``(n, M)`` and reason codes ``(n,)`` of frames with the target's face."""
        head = derotate(landmarks)
        pose = self._pose(head.rotation)
        yaw_deg = pose[:, 0]
        opening = eye_openings(head.face)
        weights = side_weights(yaw_deg, self.settings.far_side_deg)
        gaze = gaze_deg(head.face, opening)
        occlusion = self._skin.occlusion(pixels, np.abs(yaw_deg) < 20)
        width_px = head.iod_px * FACE_WIDTH_IOD
        judged, failed = judge(width_px, pixels, pose, occlusion, self.settings.quality)
        columns = action_units(head.face, weights)
        columns["pose_yaw"] = yaw_deg
        columns["pose_pitch"] = pose[:, 1]
        columns["pose_roll"] = pose[:, 2]
        columns["gaze_yaw"] = gaze[:, 0]
        columns["gaze_pitch"] = gaze[:, 1]
        columns["eye_opening_right"] = opening[:, 0]
        columns["eye_opening_left"] = opening[:, 1]
        # Blinks need the whole recording: see finish.
        columns["blink"] = np.full(len(times_s), np.nan)
        columns["mouth_opening"] = mouth_gap(head.face) / mouth_width(head.face)
        columns["mouth_motion"] = self._motion(times_s, head.face)
        columns |= judged
        values = np.stack([columns[name] for name in NAMES], axis=1)
        # What is not measurable carries no number; pose and quality stay, they say why.
        drop = np.array([m.kind not in ("quality", "head") for m in MEASURES])
        has_failed = failed > 0
        values[has_failed[:, None] & drop] = np.nan
        first_reason = _REASONS.index(REASONS[0])
        codes = np.where(has_failed, failed.astype(int) - 1 + first_reason, 0)
        return values, codes

    def _pose(self, rotation: np.ndarray) -> np.ndarray:
        """Yaw, pitch, roll ``(n, 3)`` of the person's own head, however the camera was held."""
        pose = pose_deg(rotation)
        quarters = quarter_turns(pose[:, 2], self._quarters)
        self._quarters = int(quarters[-1])
        return turned_pose_deg(rotation, quarters) if quarters.any() else pose

    def _motion(self, times_s: np.ndarray, face: np.ndarray) -> np.ndarray:
        """Mean speed of the lips ``(n,)``, nan after a hole of more than a quarter of a second."""
        lips = face[:, _MOTION_POINTS, :2] - face[:, [2], :2]
        last_s, last = -np.inf, lips[0]
        if self._last_lips is not None:
            last_s, last = self._last_lips
        before_s = np.concatenate([[last_s], times_s[:-1]])
        before = np.concatenate([last[None], lips[:-1]])
        self._last_lips = (float(times_s[-1]), lips[-1])
        step_s = times_s - before_s
        moved = np.linalg.norm(lips - before, axis=2).mean(axis=1)
        ok = (step_s > 0) & (step_s <= 0.25)
        safe_s = np.where(ok, step_s, 1.0)
        return np.where(ok, moved / safe_s, np.nan)

    def settle(self) -> None:
        """Look at the last picture, though none follows it."""
        self._look(following=None)

    def finish(self) -> FaceResult:
        """Measure what is left, find blinks, and close the back end."""
        self.settle()
        self._flush()
        self.close()
        values = self._values.read()
        clock = np.array(self._clock.read())
        self._clock.close()
        times_s = clock[:, 0].copy()
        codes = clock[:, 1].astype(np.uint8)
        valid = codes == 0
        left = values[:, _COLUMN["eye_opening_left"]]
        right = values[:, _COLUMN["eye_opening_right"]]
        mean_opening = np.stack([left, right], axis=1).mean(axis=1)
        opening = np.where(valid, mean_opening, np.nan)
        rows, blinks = find_blinks(times_s, opening, self.settings.blinks)
        values = self._with_blinks(values, rows)
        track = Track(values, times_s, valid, self._names, self._units, _REASONS, codes)
        summary = self._summary(track, [asdict(b) for b in blinks])
        if why_not := why_no_blinks(times_s, opening, self.settings.blinks):
            summary |= {"blinks_per_minute": None, "blinks_reason": why_not}
        return FaceResult(track, summary, self._landmark_track(times_s, codes))

    def close(self) -> None:
        """Close the back end; no picture can be taken any more."""
        if self._closed:
            return
        self._closed = True
        self._finder.close()
        if self._cv2_threads is not None:
            import cv2

            cv2.setNumThreads(self._cv2_threads)

    def _landmark_track(self, times_s: np.ndarray, codes: np.ndarray) -> Track | None:
        if self._landmarks is None:
            return None
        points = self._landmarks.read()
        seen = np.isfinite(points[:, 0, 0])
        return Track(points, times_s, seen, reasons=_REASONS, reason_code=codes)

    def _with_blinks(self, values: np.ndarray, blink: np.ndarray) -> np.ndarray:
        """The rows with the blink column filled, block by block through a second spool."""
        hidden = [k for k, name in enumerate(self._names) if name in _NOT_IN_A_BLINK]
        done = Spool((len(self._names),), np.float32)
        for start in range(0, len(values), 4096):
            block = np.array(values[start : start + 4096])
            now = blink[start : start + 4096]
            block[:, _COLUMN["blink"]] = now
            block[np.ix_(now == 1, hidden)] = np.nan
            done.append(block)
        self._values.close()
        return done.read()

    def _summary(self, track: Track, blinks: list[dict[str, float]]) -> dict[str, Any]:
        assert track.reason_code is not None
        n = len(track)
        n_valid = int(track.valid.sum())
        counts = np.bincount(track.reason_code, minlength=len(_REASONS)).tolist()
        n_unseen = counts[_REASONS.index(NO_FACE)] + counts[_REASONS.index(OTHER_PERSON)]
        n_seen = n - n_unseen
        dropped = {}
        for reason, n_rows in zip(_REASONS[1:], counts[1:], strict=True):
            if n_rows:
                dropped[reason] = n_rows
        if n_valid:
            status = "ok"
            why = ""
        elif n_seen:
            status = "not measurable"
            reasons = ", ".join(dropped)
            why = f"a face was seen in {n_seen} of {n} frames, but never well enough: {reasons}"
        else:
            status = NO_FACE
            why = f"no face in any of {n} frames"
        people = sorted(self._people_rows.items())
        return {
            "status": status,
            "reason": why,
            "n_rows": n,
            "n_seen": n_seen,
            "n_valid": n_valid,
            "dropped": dropped,
            "n_switches": self._tracker.n_switches,
            "max_people": self._tracker.max_people_seen,
            "people_rows": {str(n_people): rows for n_people, rows in people},
            "n_blinks": len(blinks),
            "blinks": blinks,
            "blinks_per_minute": _per_minute(len(blinks), track),
            "backend": self.settings.backend,
            "unsupported": dict(UNSUPPORTED),
        }


def _per_minute(n_blinks: int, track: Track) -> float | None:
    """Blinks per minute of measured face; None where it was measured for under five seconds."""
    if len(track) < 2:
        return None
    steps_s = np.clip(np.diff(track.times_s), 0, 0.25)
    measured_s = float(np.sum(steps_s[track.valid[1:]]))
    return 60.0 * n_blinks / measured_s if measured_s >= 5.0 else None


def relative(track: Track, neutral: Track | None = None) -> tuple[Track, str]:
    """Each measure less the person's neutral, and the name of that neutral.

    The neutral is the median over the valid rows of the neutral clip's track when one is given,
    else of the track itself. Head and gaze angles are relative too (the person's usual way to sit
    and look is 0); quality columns, ``blink`` and ``mouth_motion`` have no neutral and stay raw.
    Measures that the neutral lacks become nan.

    A still picture is a neutral of one row.

    Raises:
        BadInput: the neutral clip has other columns, or fewer than ten valid rows: it was asked
            for, and is not silently replaced.
    """
    if neutral is None:
        source = track
        name = "the recording's own median"
    else:
        _check_neutral(neutral, track)
        source = neutral
        name = "neutral picture" if len(neutral) == 1 else "neutral clip"
    values = np.array(track.values, np.float32)
    for k, column in enumerate(track.names):
        if column not in ABSOLUTE:
            known = source.values[source.valid, k]
            known = known[np.isfinite(known)]
            values[:, k] -= np.median(known) if len(known) else np.nan
    return replace(track, values=values), name


def _check_neutral(neutral: Track, track: Track) -> None:
    if neutral.names != track.names:
        raise BadInput(
            "the neutral clip's face track has other columns than the recording's; describe both "
            "anew"
        )
    n_valid = int(neutral.valid.sum())
    is_picture = len(neutral) == 1  # a still picture is all there is of it
    if n_valid < (1 if is_picture else _MIN_NEUTRAL_ROWS):
        raise BadInput(
            f"expected at least {_MIN_NEUTRAL_ROWS} measurable frames in the neutral clip, got "
            f"{n_valid}; record it anew, or leave it out"
        )

"""The drawn head as a shape in space, and the pencil that puts it on the picture.

Head coordinates are centimetres of an average adult: x to image right (the person's own left), y
up, z towards the camera, origin in the middle of the head, 2.6 cm below the eyes. Features are
curves in (x, y) laid on the surface.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from twomind_synth.camera import Camera
from twomind_synth.identity import FaceState, Person

FACE_HEIGHT_CM = 17.5  # hairline to chin
CAMERA_DISTANCE_CM = 60.0
PIVOT = np.array([0.0, -5.0, -5.0])  # where the head turns on the neck

_LEVEL = np.array([-9.2, -8.85, -8.0, -6.7, -4.6, -2.0, 0.5, 2.6, 4.5, 6.5, 8.2, 9.6])
_HALF_WIDTH = np.array([1.0, 2.5, 3.9, 5.2, 6.4, 7.15, 7.5, 7.6, 7.5, 7.1, 6.3, 5.0])
_FRONT = np.array([3.4, 4.5, 5.0, 5.0, 5.2, 5.2, 5.0, 4.8, 5.2, 5.0, 4.3, 3.2])
_DEPTH = np.array([4.0, 5.0, 6.5, 8.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 8.5, 7.5])

_FINE_LOW, _FINE_STEP = -11.0, 0.02  # a table by height: looking up is faster than interpolating
_FINE = np.array(
    [
        np.interp(np.arange(_FINE_LOW, 12.0, _FINE_STEP), _LEVEL, v)
        for v in (_HALF_WIDTH, _FRONT, _DEPTH)
    ]
)


def surface(person: Person, xy: np.ndarray) -> np.ndarray:
    """Points ``(N, 3)`` on the face over frontal points ``(N, 2)`` of the average face, scaled to
    the person.
    """
    x, y = xy[:, 0], xy[:, 1]
    level = ((y - _FINE_LOW) / _FINE_STEP).astype(np.intp)
    half, front, depth = _FINE[:, np.minimum(np.maximum(level, 0), _FINE.shape[1] - 1)]
    t = np.minimum(np.maximum(x / half, -0.97), 0.97)
    points = np.empty((len(xy), 3))
    points[:, 0], points[:, 1] = x * person.face_width, y * person.face_height
    points[:, 2] = front - depth * (1.0 - np.sqrt(1.0 - t * t))
    return points


@lru_cache(maxsize=64)
def _face_shell(jaw: float, chin: float, top: float, temple_deg: float) -> np.ndarray:
    """Points ``(N, 3)`` of the face's shell from chin to ``top``, round to the ears, above them to
    ``temple_deg``.
    """
    from scipy.interpolate import PchipInterpolator

    level = np.concatenate([np.linspace(-9.2, -7, 8), np.linspace(-6.5, top, 14)])
    half, front, depth = (
        PchipInterpolator(_LEVEL, v)(level) for v in (_HALF_WIDTH, _FRONT, _DEPTH)
    )
    low = np.clip((0.5 - level) / 7, 0, 1)
    half = half * (1 + (jaw - 1) * low) * (1 + (chin - 1) * np.clip((-6.5 - level) / 3, 0, 1))
    reach = np.interp(level, [1.5, 5.5], [96.0, temple_deg])
    angle = np.radians(np.linspace(-1, 1, 17))[:, None] * reach
    x = half * np.sin(angle)
    z = front - depth + depth * np.cos(angle)
    return np.stack([x.ravel(), np.broadcast_to(level, x.shape).ravel(), z.ravel()], axis=1)


def face_shell(
    person: Person, jaw_drop_cm: float, top: float, temple_deg: float = 96.0
) -> np.ndarray:
    """The face's shell with the jaw dropped, ``(N, 3)``; its convex hull on the picture is the
    face's outline.
    """
    shell = _face_shell(person.jaw, person.chin, top, temple_deg) * (
        person.face_width,
        person.face_height,
        1.0,
    )
    shell[:, 1] -= jaw_drop_cm * np.clip((-3.5 - shell[:, 1]) / 5, 0, 1)
    return shell


@lru_cache(maxsize=1)
def _unit_ball() -> np.ndarray:
    lat = np.radians(np.linspace(-35, 90, 11))[:, None]
    lon = np.radians(np.arange(0, 360, 15))[None]
    unit = np.stack(
        [np.cos(lat) * np.sin(lon), np.sin(lat) * np.ones_like(lon), np.cos(lat) * np.cos(lon)], -1
    )
    return unit.reshape(-1, 3)


def skull_point(person: Person, unit: np.ndarray, volume_cm: float) -> np.ndarray:
    """Points ``(N, 3)`` on the skull, swollen by ``volume_cm`` of hair, in the directions ``unit
    (N, 3)``.
    """
    radii = np.array([7.6, 7.3, 9.0]) + volume_cm * np.array([1.0, 1.1, 0.8])
    return (unit * radii + (0.0, 3.6, -3.4)) * (person.face_width, person.face_height, 1.0)


def cranium(person: Person, volume_cm: float = 0.0) -> np.ndarray:
    """Points ``(N, 3)`` all over the skull above the ears."""
    return skull_point(person, _unit_ball(), volume_cm)


@dataclass(frozen=True)
class View:
    """Where the head is on the picture: rotation, the pivot's pixel, pixels per centimetre."""

    turn: np.ndarray  # (3, 3), yaw and pitch, without roll
    roll_deg: float
    pivot_px: tuple[float, float]
    px_per_cm: float  # at the pivot's depth
    pitch_yaw_deg: tuple[float, float]

    def unrolled(self, points: np.ndarray) -> np.ndarray:
        """Pixels ``(N, 2)`` relative to the pivot, before the roll; image y grows downwards."""
        turned = (points - PIVOT) @ self.turn.T
        near = (CAMERA_DISTANCE_CM * self.px_per_cm) / (
            CAMERA_DISTANCE_CM - PIVOT[2] - turned[:, 2]
        )
        flat: np.ndarray = turned[:, :2] * near[:, None]
        flat[:, 1] *= -1
        return flat

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Pixels ``(N, 2)`` on the picture of head points ``(N, 3)``."""
        return self.place(self.unrolled(points))

    def place(self, unrolled_px: np.ndarray) -> np.ndarray:
        """Unrolled pixels relative to the pivot → pixels on the picture."""
        c, s = math.cos(math.radians(self.roll_deg)), math.sin(math.radians(self.roll_deg))
        # Image y points down: a clockwise turn on the picture is the tilt to the person's own left
        # shoulder.
        return unrolled_px @ np.array([[c, s], [-s, c]]) + self.pivot_px


def view(
    person: Person,
    state: FaceState,
    camera: Camera,
    at: tuple[float, float],
    shake: tuple[float, float],
) -> View:
    """The head's view; ``at`` is the place of the resting head's middle as a fraction of the
    picture.
    """
    yaw, pitch = math.radians(state.yaw), math.radians(state.pitch)
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    base = camera.face_size * camera.height_px / FACE_HEIGHT_CM
    scale = base * CAMERA_DISTANCE_CM / (CAMERA_DISTANCE_CM - state.z_cm)
    x = camera.width_px * (at[0] + camera.offset_x) + state.x_cm * base + shake[0]
    y = (
        camera.height_px * (at[1] - camera.offset_y)
        - state.y_cm * base
        - PIVOT[1] * base
        + shake[1]
    )
    return View(about_y @ about_x, state.roll, (x, y), scale, (state.pitch, state.yaw))


@lru_cache(maxsize=64)
def _spline(n_control: int, n: int, closed: bool) -> np.ndarray:
    """Matrix ``(n, n_control)`` of a natural (or periodic) cubic spline through evenly spaced
    control points.
    """
    from scipy.interpolate import CubicSpline

    eye = np.eye(n_control)
    if closed:
        ring = CubicSpline(np.arange(n_control + 1), np.vstack([eye, eye[:1]]), bc_type="periodic")
        return ring(np.linspace(0, n_control, n, endpoint=False))
    kind = "natural" if n_control > 2 else "not-a-knot"
    return CubicSpline(np.arange(n_control), eye, bc_type=kind)(np.linspace(0, n_control - 1, n))


def smooth(
    control: Sequence[Sequence[float]] | np.ndarray, n: int = 16, closed: bool = False
) -> np.ndarray:
    """A smooth curve ``(n, D)`` through control points ``(K, D)``."""
    points = np.asarray(control, float)
    return _spline(len(points), n, closed) @ points


@lru_cache(maxsize=64)
def _spread(n_control: int, n: int) -> np.ndarray:
    """Matrix ``(n, n_control)`` of linear interpolation between evenly spaced values."""
    at = np.linspace(0, n_control - 1, n)
    return np.stack([np.interp(at, np.arange(n_control), row) for row in np.eye(n_control)], 1)


def fill(canvas: np.ndarray, points: np.ndarray, colour: Sequence[float]) -> None:
    """Fill a polygon ``(N, 2)`` px with subpixel corners, anti-aliased."""
    import cv2

    corners = np.rint(points * 16).astype(np.int32)
    cv2.fillPoly(canvas, [corners], tuple(float(v) for v in colour), cv2.LINE_AA, 4)


def stroke(
    canvas: np.ndarray,
    points: np.ndarray,
    width_px: Sequence[float] | np.ndarray,
    colour: Sequence[float],
) -> None:
    """A brush stroke along ``(N, 2)`` px whose width follows ``width_px`` (K values spread along
    it).
    """
    widths = np.asarray(width_px, float)
    if len(widths) != len(points):
        widths = _spread(len(widths), len(points)) @ widths
    along = np.empty_like(points)
    along[1:-1] = points[2:] - points[:-2]
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    reach = widths / (2 * np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6))
    across = np.empty_like(points)
    across[:, 0], across[:, 1] = -along[:, 1] * reach, along[:, 0] * reach
    fill(canvas, np.concatenate([points + across, (points - across)[::-1]]), colour)


def hull(points: np.ndarray) -> np.ndarray:
    """Convex outline ``(M, 2)`` of points ``(N, 2)``."""
    import cv2

    outline: np.ndarray = cv2.convexHull(points.astype(np.float32))[:, 0]
    return outline


def mixed(
    a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, share: float
) -> tuple[float, ...]:
    """Colour ``share`` of the way from ``a`` to ``b``."""
    return tuple(float(p + (q - p) * share) for p, q in zip(a, b, strict=True))

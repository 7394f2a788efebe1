"""Where the head points, and the face without it: a rigid fit of the landmarks to a reference face.

Pictures have x to the right, y down and z away from the camera, in pixels. The reference face looks
into the camera, its origin is the middle of the four eye corners, and its unit is the distance
between the two eyes' middles (``iod``, about 63 mm in adults).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_LANDMARKS = 478
#: Landmark, x, y, z of the parts that expressions hardly move: eye corners, nose ridge, forehead
#: and temple outline. Our own average of what FaceMesh gives for the people of three public clips,
#: made symmetric, with the line from the top of the forehead (10) to the chin (152) upright: that
#: posture is pitch 0.
_REFERENCE_TABLE = """
 33 -0.719 -0.006  0.044
133 -0.281  0.006 -0.044
263  0.719 -0.006  0.044
362  0.281  0.006 -0.044
168    0.0 -0.133 -0.299
  6    0.0    0.0 -0.381
197    0.0  0.115 -0.472
195    0.0  0.219 -0.572
  5    0.0  0.332 -0.673
  4    0.0  0.475 -0.723
  2    0.0   0.71 -0.459
 10    0.0  -0.93 -0.163
109 -0.301 -0.919 -0.139
338  0.301 -0.919 -0.139
 67 -0.553 -0.864 -0.038
297  0.553 -0.864 -0.038
103 -0.781 -0.747  0.132
332  0.781 -0.747  0.132
 54 -0.924 -0.576   0.32
284  0.924 -0.576   0.32
 21  -1.01 -0.366  0.496
251   1.01 -0.366  0.496
162 -1.058 -0.144  0.681
389  1.058 -0.144  0.681
127  -1.08   0.12   0.82
356   1.08   0.12   0.82
234 -1.077  0.363  0.875
454  1.077  0.363  0.875
"""
_ROWS = [row.split() for row in _REFERENCE_TABLE.strip().splitlines()]
_REFERENCE = np.array(_ROWS, float)
STABLE = _REFERENCE[:, 0].astype(int)
REFERENCE = _REFERENCE[:, 1:].copy()
#: Width of the reference face (ear to ear on the mesh) in iod: turns a fitted scale into a face
#: width in pixels.
FACE_WIDTH_IOD = 2.154

_CENTRED = REFERENCE - REFERENCE.mean(axis=0)
_SQUARE = float((_CENTRED**2).sum())

RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS = (33, 133), (263, 362)
EYE_CORNERS = np.array([*RIGHT_EYE_CORNERS, *LEFT_EYE_CORNERS])


@dataclass(frozen=True)
class Head:
    """``T`` heads: the face in reference coordinates (unit iod), its rotation, and pixels
    per iod.
    """

    face: (
        np.ndarray
    )  # (T, 478, 3) derotated, origin between the eyes, one iod wide between the eyes
    rotation: np.ndarray  # (T, 3, 3): picture = rotation @ reference
    iod_px: np.ndarray  # (T,)


def _middle_of(face: np.ndarray, corners: tuple[int, int]) -> np.ndarray:
    return face[:, corners].mean(axis=1)


def derotate(landmarks_px: np.ndarray) -> Head:
    """Take head position, rotation and size out of landmarks ``(T, 478, 3)`` in pixels.

    Least-squares rotation onto the reference (Kabsch 1976); the unit is the person's own distance
    between the eyes.
    """
    points = np.asarray(landmarks_px, float)
    if points.ndim != 3 or points.shape[1:] != (N_LANDMARKS, 3):
        raise ValueError(f"derotate: expected landmarks (T, {N_LANDMARKS}, 3), got {points.shape}")
    stable = points[:, STABLE]
    middle = stable.mean(axis=1, keepdims=True)
    rotation = _rotation(stable - middle, _CENTRED)
    face = (points - middle) @ rotation
    between = _middle_of(face, RIGHT_EYE_CORNERS) - _middle_of(face, LEFT_EYE_CORNERS)
    distance_px = np.linalg.norm(between, axis=1)
    iod_px = np.maximum(distance_px, 1e-6)
    origin = face[:, EYE_CORNERS].mean(axis=1, keepdims=True)
    per_iod = iod_px[:, None, None]
    face = (face - origin) / per_iod
    return Head(face, rotation, iod_px)


def misfit(landmarks_px: np.ndarray) -> float:
    """How far the stable points of one face ``(478, 3)`` lie from those of the reference face, at
    best: root mean square in distances between the eyes.

    Faces of people lie between 0.015 and 0.08 (glasses, grimaces, turned heads). A mesh that was
    drawn over a face upside down fits worse than that of the same picture turned.
    """
    fit, _ = _best_fit(_stable_of(landmarks_px))
    return fit


def _stable_of(landmarks_px: np.ndarray) -> np.ndarray:
    """The stable points ``(K, 3)`` of one face, their middle at zero."""
    stable = np.asarray(landmarks_px[STABLE], float)
    middle: np.ndarray = np.add.reduce(stable, axis=0) / len(STABLE)
    return stable - middle


def _best_fit(stable: np.ndarray) -> tuple[float, np.ndarray]:
    """:func:`misfit` of stable points, and the rotation ``(3, 3)`` at which it is reached."""
    (rotation,) = _rotation(stable[None], _CENTRED)
    level = stable @ rotation
    along = float((level * _CENTRED).sum())
    scale = along / _SQUARE
    scaled = level / max(scale, 1e-9)
    square = (scaled - _CENTRED) ** 2
    distance = square.sum(axis=1)
    return float(np.sqrt(distance.mean())), rotation


class Fit:
    """Whether faces that come one after the other fit a head.

    A head hardly turns from one picture to the next. No rotation fits better than the best one, so
    where that of an earlier picture fits well enough, the best one need not be looked for.
    """

    def __init__(self) -> None:
        self._rotation: np.ndarray | None = None

    def above(self, landmarks_px: np.ndarray, limit: float) -> float | None:
        """:func:`misfit` of a face ``(478, 3)``; None where it is not above ``limit``."""
        stable = _stable_of(landmarks_px)
        if self._rotation is not None and _fits(stable, self._rotation, limit):
            return None
        fit, self._rotation = _best_fit(stable)
        return fit if fit > limit else None


def _fits(stable: np.ndarray, rotation: np.ndarray, limit: float) -> bool:
    """Does this rotation already bring the misfit below the limit, by more than rounding errors?"""
    along = float(np.vdot(stable.T @ _CENTRED, rotation))
    if along <= 0:
        return False
    scale = along / _SQUARE
    # At that scale what is missed stands at right angles to the reference: Pythagoras.
    missed = float(np.vdot(stable, stable)) / scale**2 - _SQUARE
    return missed < 0.999 * len(STABLE) * limit**2


def quarter_turns(roll_deg: np.ndarray, before: int) -> np.ndarray:
    """By how many quarter turns the camera was held, from the roll of every row ``(T,)``.

    The turn of the row before (``before`` the first) is kept as long as the roll is within 60
    degrees of it, so that a head that is tilted far does not turn the picture.
    """
    turns = np.full(len(roll_deg), before)
    if (np.abs(roll_deg - 90.0 * before) <= 60.0).all():
        return turns
    now = before
    leveled = level_roll(roll_deg)
    for row, roll in enumerate(leveled.tolist()):
        off = roll - 90.0 * now
        around = (off + 180.0) % 360.0
        if abs(around - 180.0) > 60.0:
            now = round(roll / 90.0)
        turns[row] = now
    return turns


def level_roll(roll_deg: np.ndarray) -> np.ndarray:
    """Roll from -135 to 225 degrees, so that none of the ways to hold a camera lies at a seam."""
    return np.where(roll_deg < -135.0, roll_deg + 360.0, roll_deg)


def turned_pose_deg(rotation: np.ndarray, quarters: np.ndarray) -> np.ndarray:
    """Yaw, pitch, roll ``(T, 3)`` as :func:`pose_deg`, for a camera that was held turned.

    Yaw and pitch are the person's own, whichever way up they are; roll is that of the picture.

    Args:
        rotation: of the heads ``(T, 3, 3)``.
        quarters: by how many quarter turns the camera was held, ``(T,)``.
    """
    angle = -np.radians(90.0 * quarters)
    cos = np.round(np.cos(angle))
    sin = np.round(np.sin(angle))
    turn = np.zeros((len(quarters), 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = cos
    turn[:, 0, 1] = -sin
    turn[:, 1, 0] = sin
    turn[:, 2, 2] = 1.0
    pose = pose_deg(turn @ rotation)
    pose[:, 2] = level_roll(pose[:, 2] + 90.0 * quarters)
    return pose


def _rotation(points: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Rotations ``(T, 3, 3)`` of the centred reference onto centred points ``(T, K, 3)``."""
    covariance = np.einsum("tki,kj->tij", points, reference)
    u, _, vt = np.linalg.svd(covariance)
    determinant = np.linalg.det(u @ vt)
    handedness = np.sign(determinant)
    u[:, :, 2] *= handedness[:, None]
    return u @ vt


def pose_deg(rotation: np.ndarray) -> np.ndarray:
    """Yaw, pitch, roll ``(T, 3)`` in degrees of rotations ``(T, 3, 3)``.

    Yaw + turns to the person's own left (image right), pitch + is up, roll + tilts to the person's
    own left shoulder. Relative to the line of sight: a head at the picture's edge that faces
    straight ahead shows some yaw.
    """
    ahead = -rotation[:, :, 2]
    ahead_x, ahead_y, ahead_z = ahead.T
    yaw = np.arctan2(ahead_x, -ahead_z)
    upward = np.clip(-ahead_y, -1, 1)
    pitch = np.arcsin(upward)
    # What is left after yaw and pitch: compare the head's own left with the horizontal at right
    # angles to its view.
    level = np.zeros_like(yaw)
    right = np.cos(yaw)
    away = np.sin(yaw)
    horizontal = np.stack([right, level, away], axis=1)
    downward = np.cross(horizontal, ahead)
    own_left = rotation[:, :, 0]
    drop = (own_left * downward).sum(axis=1)
    reach = (own_left * horizontal).sum(axis=1)
    roll = np.arctan2(drop, reach)
    angles = np.stack([yaw, pitch, roll], axis=1)
    return np.degrees(angles)

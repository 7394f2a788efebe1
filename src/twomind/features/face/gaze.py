"""Where the eyes point, relative to the head: the iris between the corners of a derotated eye."""

from __future__ import annotations

import numpy as np

from twomind.features.face.head import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS


def _offset(face: np.ndarray, iris: int, corners: tuple[int, int]) -> np.ndarray:
    """Iris less the middle of the eye's corners ``(T, 2)``."""
    middle = face[:, corners, :2].mean(axis=1)
    return face[:, iris, :2] - middle


RIGHT_IRIS, LEFT_IRIS = 468, 473
#: Radius of the eyeball (12 mm) in distances between the eyes (63 mm).
EYEBALL_IOD = 0.19
#: FaceMesh lays the corners of the eye a little below the pupil of a straight look (on the
#: reference face).
STRAIGHT_IOD = 0.027
#: Below this opening (height over width of the eye) the lid hides the iris, and the eye does not
#: count as open. A narrow eye that looks straight ahead has about 0.2.
MIN_OPENING = 0.15
#: No eye turns farther; beyond, the iris was not found.
MAX_DEG = 50.0


def gaze_deg(face: np.ndarray, opening: np.ndarray) -> np.ndarray:
    """Gaze yaw and pitch ``(T, 2)`` in degrees of derotated faces ``(T, 478, 3)``.

    Nan where both eyes are closed, or the iris lies where none can be. Yaw + looks to the person's
    own left, pitch + up. ``opening (T, 2)`` is height over width of the right and left eye; an eye
    below ``MIN_OPENING`` does not count.
    """
    right = _offset(face, RIGHT_IRIS, RIGHT_EYE_CORNERS)
    left = _offset(face, LEFT_IRIS, LEFT_EYE_CORNERS)
    offset = np.stack([right, left], axis=1)  # (T, 2 eyes, 2)
    seen = (opening >= MIN_OPENING).astype(float)
    n = seen.sum(axis=1)
    n_or_nan = np.where(n, n, np.nan)
    total = (offset * seen[:, :, None]).sum(axis=1)
    mean = total / n_or_nan[:, None]
    across = mean[:, 0]
    up = -mean[:, 1] - STRAIGHT_IOD
    sine = np.stack([across, up], axis=1) / EYEBALL_IOD
    largest = np.sin(np.radians(MAX_DEG))
    possible = np.where(np.abs(sine) <= largest, sine, np.nan)
    return np.degrees(np.arcsin(possible))

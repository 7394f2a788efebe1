"""Where the eyes point, relative to the head: the iris between the corners of a derotated eye."""

from __future__ import annotations

import numpy as np

from twomind.features.face.head import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS

RIGHT_IRIS, LEFT_IRIS = 468, 473
#: Radius of the eyeball (12 mm) in distances between the eyes (63 mm).
EYEBALL_IOD = 0.19
#: FaceMesh lays the corners of the eye a little below the pupil of a straight look (on the
#: reference face).
STRAIGHT_IOD = 0.027
#: Below this opening (height over width of the eye) the lid hides the iris.
MIN_OPENING = 0.15
#: No eye turns farther; beyond, the iris was not found.
MAX_DEG = 50.0


def gaze_deg(face: np.ndarray, opening: np.ndarray) -> np.ndarray:
    """Gaze yaw and pitch ``(T, 2)`` in degrees of derotated faces ``(T, 478, 3)``.

    Nan where both eyes are closed, or the iris lies where none can be. Yaw + looks to the person's
    own left, pitch + up. ``opening (T, 2)`` is height over width of the right and left eye; an eye
    below ``MIN_OPENING`` does not count.
    """
    offset = np.stack(
        [
            face[:, iris, :2] - face[:, corners, :2].mean(axis=1)
            for iris, corners in ((RIGHT_IRIS, RIGHT_EYE_CORNERS), (LEFT_IRIS, LEFT_EYE_CORNERS))
        ],
        axis=1,
    )  # (T, 2 eyes, 2)
    seen = (opening >= MIN_OPENING).astype(float)
    n = seen.sum(axis=1)
    mean = (offset * seen[:, :, None]).sum(axis=1) / np.where(n, n, np.nan)[:, None]
    sine = np.stack([mean[:, 0], -mean[:, 1] - STRAIGHT_IOD], axis=1) / EYEBALL_IOD
    return np.degrees(
        np.arcsin(np.where(np.abs(sine) <= np.sin(np.radians(MAX_DEG)), sine, np.nan))
    )

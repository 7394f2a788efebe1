"""Action units (FACS, Ekman & Friesen 1978) as landmarks carry them: heights, widths, gaps on a
derotated face.

Every value is a length in distances between the eyes (iod) less the same length on the average
face, so that 0 is an average face and more is more of the action. Which units are here, and what
leaks into what, was decided by the closed loop on drawn faces (``test_closed_loop_face.py`` of
twomind-synth); formulas and limits in words: :mod:`.measures`.
"""

from __future__ import annotations

import numpy as np

# Landmarks of the person's right and left half.
INNER_BROW = ((55, 107), (285, 336))
OUTER_BROW = ((46, 53, 70), (276, 283, 300))
INNER_CORNER, OUTER_CORNER = ((133,), (362,)), ((33,), (263,))
UPPER_LID, LOWER_LID = ((158, 159, 160), (385, 386, 387)), ((144, 145, 153), (373, 374, 380))
NOSE_WING = ((98, 129), (327, 358))
MOUTH_CORNER = ((61,), (291,))
# On the midline.
NOSE_BASE = (2, 97, 326)
LIP_TOP, LIP_TOP_INSIDE = (0, 37, 267), (13, 82, 312)
LIP_BOTTOM, LIP_BOTTOM_INSIDE = (17, 84, 314), (14, 87, 317)
CHIN_BOSS, CHIN = (18, 200), (148, 152, 176, 377, 400)
RIGHT, LEFT = 0, 1

#: The average face (of :mod:`.head`'s reference people) by the formulas below, iod.
AVERAGE = {
    **{
        "AU01": 0.368,
        "AU02": 0.274,
        "AU04": -0.599,
        "AU05": 0.074,
        "AU07": -0.113,
        "AU09": -0.970,
        "AU12": 0.164,
    },
    **{
        "AU12_left": 0.164,
        "AU12_right": 0.164,
        "AU15": 0.320,
        "AU17": 0.201,
        "AU18": -0.966,
        "AU20": 0.675,
    },
    **{"AU23": -0.482, "AU24": -0.240, "AU25": 0.0, "AU26": 1.129},
}


def _up(face: np.ndarray, points: tuple[int, ...]) -> np.ndarray:
    """Mean height ``(T,)`` of some landmarks above the middle between the eyes."""
    height: np.ndarray = -face[:, list(points), 1].mean(axis=1)
    return height


def _sides(face: np.ndarray, points: tuple[tuple[int, ...], tuple[int, ...]]) -> np.ndarray:
    """Mean height ``(T, 2)`` on the person's right and left half."""
    return np.stack([_up(face, points[RIGHT]), _up(face, points[LEFT])], axis=1)


def side_weights(yaw_deg: np.ndarray, far_side_deg: float) -> np.ndarray:
    """Weights ``(T, 2)`` of the right and left half; the half that is turned away from the camera
    counts nothing.
    """
    right = np.where(
        yaw_deg < -far_side_deg, 0.0, 1.0
    )  # turned to the own right: the right half is hidden
    left = np.where(yaw_deg > far_side_deg, 0.0, 1.0)
    return np.stack([right, left], axis=1)


def both(sides: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean ``(T,)`` of the halves ``(T, 2)`` that can be seen."""
    mean: np.ndarray = (sides * weights).sum(axis=1) / weights.sum(axis=1)
    return mean


def eye_openings(face: np.ndarray) -> np.ndarray:
    """Height over width of the right and left eye, ``(T, 2)``: about .3 open, below .1 closed."""
    width = np.stack(
        [
            np.linalg.norm(face[:, o[0]] - face[:, i[0]], axis=1)
            for o, i in zip(OUTER_CORNER, INNER_CORNER, strict=True)
        ],
        axis=1,
    )
    return np.maximum(_sides(face, UPPER_LID) - _sides(face, LOWER_LID), 0.0) / np.maximum(
        width, 1e-6
    )


def mouth_gap(face: np.ndarray) -> np.ndarray:
    """Gap between the lips ``(T,)`` in iod."""
    return np.maximum(_up(face, LIP_TOP_INSIDE) - _up(face, LIP_BOTTOM_INSIDE), 0.0)


def lengths(face: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Action units ``(T,)`` of derotated faces ``(T, 478, 3)``, without the average face
    taken off.
    """
    inner, outer = _sides(face, INNER_BROW), _sides(face, OUTER_BROW)
    inner_corner, outer_corner = _sides(face, INNER_CORNER), _sides(face, OUTER_CORNER)
    upper, lower = _sides(face, UPPER_LID), _sides(face, LOWER_LID)
    base = _up(face, NOSE_BASE)
    corner = _sides(face, MOUTH_CORNER) - base[:, None]
    # Each mouth corner's distance from the midline of the mouth; the face's own midline would carry
    # yaw errors.
    half_width = (face[:, MOUTH_CORNER[LEFT][0], 0] - face[:, MOUTH_CORNER[RIGHT][0], 0]) / 2
    red = (
        _up(face, LIP_TOP)
        - _up(face, LIP_TOP_INSIDE)
        + _up(face, LIP_BOTTOM_INSIDE)
        - _up(face, LIP_BOTTOM)
    )
    brow_gap = (face[:, 336, 0] - face[:, 107, 0] + face[:, 285, 0] - face[:, 55, 0]) / 2
    smile = corner + half_width[:, None]
    return {
        "AU01": both(inner - inner_corner, weights),
        "AU02": both(outer - outer_corner, weights),
        "AU04": -(both(inner - inner_corner, weights) + brow_gap / 2),
        "AU05": both(upper - (inner_corner + outer_corner) / 2, weights),
        "AU07": -both(upper - lower, weights),
        "AU09": both(_sides(face, NOSE_WING) - inner, weights),
        "AU12": both(smile, weights),
        "AU12_left": np.where(weights[:, LEFT] > 0, smile[:, LEFT], np.nan),
        "AU12_right": np.where(weights[:, RIGHT] > 0, smile[:, RIGHT], np.nan),
        "AU15": -both(corner, weights),
        "AU17": _up(face, LIP_BOTTOM) - _up(face, CHIN_BOSS),
        "AU18": -2 * half_width,
        "AU20": half_width - 0.6 * both(corner, weights),
        "AU23": -red - half_width / 2,
        "AU24": -red,
        "AU25": _up(face, LIP_TOP_INSIDE) - _up(face, LIP_BOTTOM_INSIDE),
        "AU26": base - _up(face, CHIN),
    }


def action_units(face: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Action units ``(T,)`` in iod relative to the average face; ``AU43`` is 1 less the eye opening
    (a ratio).
    """
    found = {name: value - AVERAGE[name] for name, value in lengths(face, weights).items()}
    found["AU43"] = 1.0 - both(eye_openings(face), weights)
    return found

"""Action units (FACS, Ekman & Friesen 1978) as landmarks carry them: heights, widths, gaps on a
derotated face.

Every value is a length in distances between the eyes (iod) less the same length on the average
face, so that 0 is an average face and more is more of the action. Which units are here, and what
leaks into what, was decided by the closed loop on synthetic faces (``test_closed_loop_face.py`` of
twomind-synth); formulas and limits in words: :mod:`.measures`.
"""

from __future__ import annotations

import numpy as np

# Landmarks of the person's right and left half.
INNER_BROW = ((55, 107), (285, 336))
OUTER_BROW = ((46, 53, 70), (276, 283, 300))
INNER_CORNER = ((133,), (362,))
OUTER_CORNER = ((33,), (263,))
UPPER_LID = ((158, 159, 160), (385, 386, 387))
LOWER_LID = ((144, 145, 153), (373, 374, 380))
NOSE_WING = ((98, 129), (327, 358))
_RIGHT_MOUTH_CORNER, _LEFT_MOUTH_CORNER = 61, 291
MOUTH_CORNER = ((_RIGHT_MOUTH_CORNER,), (_LEFT_MOUTH_CORNER,))
# On the midline.
NOSE_BASE = (2, 97, 326)
LIP_TOP = (0, 37, 267)
LIP_TOP_INSIDE = (13, 82, 312)
LIP_BOTTOM = (17, 84, 314)
LIP_BOTTOM_INSIDE = (14, 87, 317)
CHIN_BOSS = (18, 200)
CHIN = (148, 152, 176, 377, 400)
RIGHT, LEFT = 0, 1
#: Derotated faces ``(T, 478, 3)``; a value per face ``(T,)``; one per half of it ``(T, 2)``.
Face = np.ndarray
Column = np.ndarray
Halves = np.ndarray
#: Measures by name.
Units = dict[str, Column]
#: Landmarks of the person's right and of the left half.
_Points = tuple[int, ...]
_Sides = tuple[_Points, _Points]

#: The average face (of :mod:`.head`'s reference people) by the formulas below, iod.
AVERAGE = {
    "AU01": 0.368,
    "AU02": 0.274,
    "AU04": -0.599,
    "AU05": 0.074,
    "AU07": -0.113,
    "AU09": -0.970,
    "AU12": 0.164,
    "AU12_left": 0.164,
    "AU12_right": 0.164,
    "AU15": 0.320,
    "AU17": 0.201,
    "AU18": -0.966,
    "AU20": 0.675,
    "AU23": -0.482,
    "AU24": -0.240,
    "AU25": 0.0,
    "AU26": 1.129,
}


def _up(face: Face, points: _Points) -> Column:
    """Mean height ``(T,)`` of some landmarks above the middle between the eyes."""
    down = face[:, list(points), 1]
    height: Column = -down.mean(axis=1)
    return height


def _sides(face: Face, points: _Sides) -> Halves:
    """Mean height ``(T, 2)`` on the person's right and left half."""
    right = _up(face, points[RIGHT])
    left = _up(face, points[LEFT])
    return np.stack([right, left], axis=1)


def side_weights(yaw_deg: Column, far_side_deg: float) -> Halves:
    """Weights ``(T, 2)`` of the right and left half; the half that is turned away from the camera
    counts nothing.
    """
    # Turned to the own right, the right half is hidden.
    right = np.where(yaw_deg < -far_side_deg, 0.0, 1.0)
    left = np.where(yaw_deg > far_side_deg, 0.0, 1.0)
    return np.stack([right, left], axis=1)


def both(sides: Halves, weights: Halves) -> Column:
    """Mean ``(T,)`` of the halves ``(T, 2)`` that can be seen."""
    seen = (sides * weights).sum(axis=1)
    mean: Column = seen / weights.sum(axis=1)
    return mean


def eye_openings(face: Face) -> Halves:
    """Height over width of the right and left eye, ``(T, 2)``: about .3 open, below .1 closed."""
    right = _distance(face, OUTER_CORNER[RIGHT], INNER_CORNER[RIGHT])
    left = _distance(face, OUTER_CORNER[LEFT], INNER_CORNER[LEFT])
    width = np.stack([right, left], axis=1)
    height = _sides(face, UPPER_LID) - _sides(face, LOWER_LID)
    return np.maximum(height, 0.0) / np.maximum(width, 1e-6)


def _distance(face: Face, one: _Points, other: _Points) -> Column:
    """Distance ``(T,)`` between the first of each landmarks."""
    first, *_ = one
    second, *_ = other
    between = face[:, first] - face[:, second]
    return np.linalg.norm(between, axis=1)


def _lip_gap(face: Face) -> Column:
    """Gap ``(T,)`` between the inner edges of the lips."""
    return _up(face, LIP_TOP_INSIDE) - _up(face, LIP_BOTTOM_INSIDE)


def mouth_gap(face: Face) -> Column:
    """Gap between the lips ``(T,)`` in iod."""
    return np.maximum(_lip_gap(face), 0.0)


def mouth_width(face: Face) -> Column:
    """Distance ``(T,)`` across the mouth in iod, never 0."""
    across = _x(face, _LEFT_MOUTH_CORNER) - _x(face, _RIGHT_MOUTH_CORNER)
    return np.maximum(across, 1e-6)


def _x(face: Face, point: int) -> Column:
    """Position ``(T,)`` of a landmark to the right in the picture, the person's own left."""
    return face[:, point, 0]


def _brows(face: Face, weights: Halves) -> Units:
    inner = _sides(face, INNER_BROW)
    outer = _sides(face, OUTER_BROW)
    inner_over_eye = inner - _sides(face, INNER_CORNER)
    outer_over_eye = outer - _sides(face, OUTER_CORNER)
    inner_height = both(inner_over_eye, weights)
    upper_gap = _x(face, 336) - _x(face, 107)
    gaps = upper_gap + _x(face, 285) - _x(face, 55)
    brow_gap = gaps / 2
    wings_under_brow = _sides(face, NOSE_WING) - inner
    found = {"AU01": inner_height}
    found["AU02"] = both(outer_over_eye, weights)
    found["AU04"] = -(inner_height + brow_gap / 2)
    found["AU09"] = both(wings_under_brow, weights)
    return found


def _lids(face: Face, weights: Halves) -> Units:
    upper = _sides(face, UPPER_LID)
    opening = upper - _sides(face, LOWER_LID)
    corners = _sides(face, INNER_CORNER) + _sides(face, OUTER_CORNER)
    raised = both(upper - corners / 2, weights)
    return {"AU05": raised, "AU07": -both(opening, weights)}


def _mouth(face: Face, weights: Halves) -> Units:
    base = _up(face, NOSE_BASE)
    corners = _sides(face, MOUTH_CORNER) - base[:, None]
    corner = both(corners, weights)
    # Each mouth corner's distance from the midline of the mouth; the face's own midline would carry
    # yaw errors.
    width = _x(face, _LEFT_MOUTH_CORNER) - _x(face, _RIGHT_MOUTH_CORNER)
    half_width = width / 2
    lip_bottom = _up(face, LIP_BOTTOM)
    upper_red = _up(face, LIP_TOP) - _up(face, LIP_TOP_INSIDE)
    red = upper_red + _up(face, LIP_BOTTOM_INSIDE) - lip_bottom
    smile = corners + half_width[:, None]
    found = {"AU12": both(smile, weights)}
    found["AU12_left"] = _seen_half(smile, weights, LEFT)
    found["AU12_right"] = _seen_half(smile, weights, RIGHT)
    found["AU15"] = -corner
    found["AU17"] = lip_bottom - _up(face, CHIN_BOSS)
    found["AU18"] = -2 * half_width
    found["AU20"] = half_width - 0.6 * corner
    found["AU23"] = -red - half_width / 2
    found["AU24"] = -red
    found["AU25"] = _lip_gap(face)
    found["AU26"] = base - _up(face, CHIN)
    return found


def _seen_half(sides: Halves, weights: Halves, half: int) -> Column:
    """One half ``(T,)``; nan where it is turned away."""
    seen = weights[:, half] > 0
    return np.where(seen, sides[:, half], np.nan)


def lengths(face: Face, weights: Halves) -> Units:
    """Action units ``(T,)`` of derotated faces ``(T, 478, 3)``, without the average face
    taken off.
    """
    found = _brows(face, weights)
    found |= _lids(face, weights)
    found |= _mouth(face, weights)
    return found


def action_units(face: Face, weights: Halves) -> Units:
    """Action units ``(T,)`` in iod relative to the average face; ``AU43`` is 1 less the eye opening
    (a ratio).
    """
    found = {}
    for name, length in lengths(face, weights).items():
        found[name] = length - AVERAGE[name]
    opening = both(eye_openings(face), weights)
    found["AU43"] = 1.0 - opening
    return found

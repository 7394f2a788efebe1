"""A parametric talking head, drawn, whose every number is known: action units, gaze, head pose,
blinks, lips.

The head is a shape in space (:mod:`.geometry`); features are curves on it that follow the action
units (:mod:`.features`); skin is one soft map of light (:mod:`.shading`). Numbers measured on
drawings say nothing about real faces; they say whether the chain that measures is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind_synth import dress, features
from twomind_synth.camera import BACKGROUNDS, Camera, blank, expose, frame_rng
from twomind_synth.geometry import cranium, face_shell, hull, stroke, view
from twomind_synth.identity import (
    AU_NAMES,
    BEARDS,
    GLASSES,
    HAIR_STYLES,
    FaceState,
    Person,
    au_name,
    effective,
    effective_sides,
    skin_colour,
)
from twomind_synth.shading import paint, shade_map, shade_of

__all__ = [
    "AU_NAMES",
    "BACKGROUNDS",
    "BEARDS",
    "GLASSES",
    "HAIR_STYLES",
    "Camera",
    "FaceState",
    "Person",
    "Placed",
    "au_name",
    "blend_states",
    "draw",
    "draw_onto",
    "draw_people",
    "effective",
    "effective_sides",
    "skin_colour",
]

CENTRE = (0.5, 0.47)  # of the picture: where the middle of the resting head is
_JAW_CM = 1.35  # chin drop of a full AU26


@dataclass(frozen=True)
class Placed:
    """One person in a picture of several; ``x, y`` is the head's middle as a fraction of the
    picture, y downwards.
    """

    person: Person
    state: FaceState
    x: float = CENTRE[0]
    y: float = CENTRE[1]


def draw(
    person: Person, state: FaceState, camera: Camera | None = None, frame_index: int = 0
) -> np.ndarray:
    """One frame ``(H, W, 3)`` uint8 RGB; the same arguments give the same bytes. Needs the extra
    ``face`` (OpenCV).
    """
    return draw_people([Placed(person, state)], camera or Camera(), frame_index)


def draw_people(people: Sequence[Placed], camera: Camera, frame_index: int = 0) -> np.ndarray:
    """One frame with several persons; later ones are in front of earlier ones."""
    _need_opencv()
    rng = frame_rng(camera, frame_index)
    canvas = blank(camera)
    dx, dy = rng.normal(0.0, camera.jitter_px, 2) if camera.jitter_px > 0 else (0.0, 0.0)
    for one in people:
        draw_onto(canvas, one.person, one.state, camera, (one.x, one.y), (float(dx), float(dy)))
    return expose(canvas, camera, rng)


def draw_onto(
    canvas: np.ndarray,
    person: Person,
    state: FaceState,
    camera: Camera,
    at: tuple[float, float] = CENTRE,
    shake: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Draw one person on ``canvas (H, W, 3)`` uint8 RGB in place, without the camera's noise and
    exposure.
    """
    _need_opencv()
    if canvas.shape != (camera.height_px, camera.width_px, 3) or canvas.dtype != np.uint8:
        raise BadInput(
            f"expected a canvas ({camera.height_px}, {camera.width_px}, 3) uint8 for this camera, "
            f"got {canvas.shape} {canvas.dtype}"
        )
    sides = effective_sides(person, state)
    seen = view(person, state, camera, at, shake)
    jaw_cm = _JAW_CM * sum(sides["AU26"]) / 2 - 0.35 * sum(sides["AU17"]) / 2
    bare = person.hair_style == "bald"
    shell = face_shell(person, jaw_cm, top=8.0 if bare else 6.9, temple_deg=96.0 if bare else 68.0)
    face_unrolled = hull(seen.unrolled(shell))
    skull_unrolled = seen.unrolled(cranium(person, dress.VOLUME[person.hair_style]))
    lit = shade_map(person, sides, seen, np.concatenate([face_unrolled, skull_unrolled]), camera)

    still = replace(
        state, x_cm=0.6 * state.x_cm, y_cm=0.4 * state.y_cm, z_cm=0.0, yaw=0, pitch=0, roll=0
    )
    body = view(person, still, camera, at, shake)
    dress.draw_hair_back(canvas, person, seen)
    dress.draw_body(canvas, person, state, seen, np.array(body.pivot_px), body.px_per_cm)
    dress.draw_scalp(canvas, person, seen, lit)
    dress.draw_ears(canvas, person, seen, behind=True)
    outline = seen.place(face_unrolled)
    paint(canvas, lit, person.skin, outline)
    dress.draw_ears(canvas, person, seen, behind=False)
    low = outline[outline[:, 1] > seen(np.array([[0.0, -1.0, 4.0]]))[0, 1]]
    if len(low) > 2:
        order = np.argsort(low[:, 0])
        stroke(
            canvas,
            low[order],
            np.array([0.04, 0.16, 0.2, 0.16, 0.04]) * seen.px_per_cm,
            shade_of(person.skin, 0.55),
        )
    features.draw_wrinkles(canvas, person, sides, seen)
    mouth = features.mouth_curves(person, sides)
    dress.draw_beard(canvas, person, seen, lit, jaw_cm, mouth)
    features.draw_nose(canvas, person, sides, seen)
    features.draw_mouth(canvas, person, sides, seen, mouth)
    features.draw_eyes(canvas, person, state, sides, seen)
    features.draw_brows(canvas, person, sides, seen)
    dress.draw_hair_front(canvas, person, seen)
    dress.draw_glasses(canvas, person, seen)


def blend_states(a: FaceState, b: FaceState, share: float) -> FaceState:
    """The state ``share`` (0..1) of the way from ``a`` to ``b``, all numbers linearly."""
    aus = {k: (1 - share) * a.aus.get(k, 0.0) + share * b.aus.get(k, 0.0) for k in {*a.aus, *b.aus}}
    numbers = {
        name: (1 - share) * getattr(a, name) + share * getattr(b, name)
        for name in a.__dataclass_fields__
        if name != "aus"
    }
    return FaceState(aus=aus, **numbers)


def _need_opencv() -> None:
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise MissingExtra("face", "drawing a person") from error

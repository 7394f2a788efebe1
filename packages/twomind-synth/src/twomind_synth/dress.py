"""What is not face: hair, ears, glasses, beard, neck and clothes."""

from __future__ import annotations

import numpy as np

from twomind_synth.geometry import (
    View,
    cranium,
    face_shell,
    fill,
    hull,
    mixed,
    skull_point,
    smooth,
    stroke,
    surface,
)
from twomind_synth.identity import FaceState, Person
from twomind_synth.shading import ShadeMap, paint, shade_of

#: Rim of an ear (cm): outwards, up, forward.
_EAR = np.array(
    [
        (0.0, 1.9, 0.4),
        (0.75, 2.1, -0.6),
        (1.15, 1.0, -1.0),
        (0.85, -0.5, -0.7),
        (0.3, -1.7, 0.0),
        (-0.25, -1.6, 0.5),
        (-0.35, 0.2, 0.6),
    ]
)

#: How far the hair stands off the skull, cm.
VOLUME = {
    "bald": 0.0,
    "buzz": 0.12,
    "short": 0.55,
    "parted": 0.8,
    "fringe": 0.8,
    "bob": 1.0,
    "long": 0.9,
    "bun": 0.35,
    "curly": 1.5,
}


def draw_body(
    canvas: np.ndarray, person: Person, state: FaceState, view: View, body_px: np.ndarray, px: float
) -> None:
    """Neck, shoulders and shirt; ``body_px (2,)`` is the resting pivot's pixel, ``px`` the pixels
    per cm there.
    """
    lift = 2.2 * state.shrug + 0.35 * state.breath

    def on_body(points: list[tuple[float, float]] | np.ndarray) -> np.ndarray:
        return np.asarray(points, float) * (px, -px) + body_px

    jaw_px = view(np.array([[-4.4, -6.0, -4.0], [4.4, -6.0, -4.0]]))
    neck = np.concatenate(
        [jaw_px, on_body([(4.7, -7.6 + lift), (6.2, -12.5), (-6.2, -12.5), (-4.7, -7.6 + lift)])]
    )
    fill(canvas, neck, shade_of(person.skin, 0.84))
    chin = view(
        np.array(
            [
                [-4.4, -6.0, -3.0],
                [-3.3, -10.4, -2.0],
                [0, -11.9, -1.0],
                [3.3, -10.4, -2.0],
                [4.4, -6.0, -3.0],
            ]
        )
    )
    fill(canvas, smooth(chin, 16), shade_of(person.skin, 0.66))

    rise = lift
    half = [
        (4.9, -7.6 + rise),
        (8.5, -9.2 + rise),
        (15.0, -11.2 + rise),
        (18.6, -14.5 + rise),
        (20.2, -21.0 + rise * 0.4),
    ]
    right = smooth(half, 18)
    edge = np.concatenate([right, [(21.5, -60.0), (-21.5, -60.0)], right[::-1] * (-1, 1)])
    scoop = smooth(
        [
            (-4.9, -7.6 + rise),
            (-3.2, -10.8 + rise),
            (0, -12.3 + rise),
            (3.2, -10.8 + rise),
            (4.9, -7.6 + rise),
        ],
        16,
    )
    shirt = on_body(np.concatenate([edge, scoop]))
    fill(canvas, shirt, shade_of(person.shirt_colour, 1.0))
    collar = on_body(scoop - np.array([0, 0.35]))
    stroke(canvas, collar, np.full(3, 0.75 * px), shade_of(person.shirt_colour, 0.82))
    for s in (1, -1):
        crease = smooth(
            [(12.5 * s, -16.0 + rise), (13.6 * s, -20.0 + rise * 0.6), (13.2 * s, -27.0)], 8
        )
        stroke(
            canvas,
            on_body(crease),
            np.array([0.05, 0.5, 0.3]) * px,
            shade_of(person.shirt_colour, 0.78),
        )


def draw_ears(canvas: np.ndarray, person: Person, view: View, behind: bool) -> None:
    """The ears that lie ``behind`` the face's outline, or the one that a turned head shows in front
    of it.
    """
    if person.hair_style in ("bob", "long"):
        return
    yaw = view.pitch_yaw_deg[1]
    shown = (
        0 if abs(yaw) < 6 else (-1 if yaw > 0 else 1)
    )  # a head turned to the own left shows its right ear
    for side in (1, -1):
        if (side == shown) is not behind:
            _draw_ear(canvas, person, view, side)


def _draw_ear(canvas: np.ndarray, person: Person, view: View, side: int) -> None:
    width, height, px = person.face_width, person.face_height, view.px_per_cm
    at = _EAR * (side * width, height, 1.0) + (side * 7.2 * width, 1.1 * height, -2.6)
    outline = smooth(view(at), 26, closed=True)
    fill(canvas, outline, shade_of(person.skin, 0.9))
    middle = outline.mean(0)
    inner = middle + (outline - middle) * 0.62
    stroke(canvas, inner[:20], np.array([0.05, 0.16, 0.05]) * px, shade_of(person.skin, 0.66))
    stroke(
        canvas,
        np.concatenate([outline, outline[:1]]),
        np.array([0.08, 0.1]) * px,
        shade_of(person.skin, 0.6),
    )


def draw_hair_back(canvas: np.ndarray, person: Person, view: View) -> None:
    """Hair that hangs or stands behind the head and neck."""
    style, colour = person.hair_style, shade_of(person.hair_colour, 0.72)
    if style in ("bob", "long"):
        low = -8.5 if style == "bob" else -19.0
        side = 8.9 if style == "bob" else 8.6
        front = [(s * side, y, -3.0) for s in (1, -1) for y in (4.0, 0.0, -4.0)]
        ends = [
            (s * x, low + dy, -4.0)
            for s in (1, -1)
            for x, dy in ((9.2, 1.5), (8.2, 0.2), (5.0, 0.0))
        ]
        points = np.concatenate(
            [cranium(person, 0.9), np.array(front + ends) * (person.face_width, 1, 1)]
        )
        fill(canvas, hull(view(points)), colour)
    elif style == "bun":
        ball = smooth(
            [(0, 15.2, -6), (2.7, 13.2, -6), (1.8, 10.5, -6), (-1.8, 10.5, -6), (-2.7, 13.2, -6)],
            24,
            closed=True,
        )
        fill(canvas, view(ball), shade_of(person.hair_colour, 0.9))
    elif style == "curly":
        _draw_curls(canvas, person, view, colour)


def _draw_curls(canvas: np.ndarray, person: Person, view: View, colour: tuple[float, ...]) -> None:
    import cv2

    angle = np.radians(np.linspace(-18, 198, 17))
    rim = np.stack(
        [9.3 * np.cos(angle) * person.face_width, 3.6 + 9.0 * np.sin(angle), np.full(17, -3.0)], 1
    )
    for k, (x, y) in enumerate(view(rim)):
        radius = (1.55 + 0.3 * ((k * 7) % 3 - 1)) * view.px_per_cm
        cv2.circle(canvas, (int(x * 16), int(y * 16)), int(radius * 16), colour, -1, cv2.LINE_AA, 4)


def _on_hair(person: Person, lon_deg: np.ndarray, lat_deg: np.ndarray) -> np.ndarray:
    """Points ``(N, 3)`` on the hair: longitude 0 is the front, latitude 90 the crown."""
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    unit = np.stack([np.cos(lat) * np.sin(lon), np.sin(lat), np.cos(lat) * np.cos(lon)], 1)
    return skull_point(person, unit, VOLUME[person.hair_style])


def draw_scalp(canvas: np.ndarray, person: Person, view: View, shade: ShadeMap) -> None:
    """The skull: skin of a bald head, or the cap of hair."""
    outline = hull(view(cranium(person, VOLUME[person.hair_style])))
    if person.hair_style == "bald":
        paint(canvas, shade, person.skin, outline)
        return
    colour = person.hair_colour
    if person.hair_style == "buzz":
        red, green, blue = (int(v) for v in mixed(person.hair_colour, person.skin, 0.25))
        colour = (red, green, blue)
    fill(canvas, outline, shade_of(colour, 0.85))
    paint(canvas, shade, colour, outline)
    if person.hair_style in ("buzz", "curly"):
        return
    px, lat = view.px_per_cm, np.linspace(0, 1, 8)
    for k, lon in enumerate((-64.0, -46.0, -27.0, -10.0, 9.0, 28.0, 47.0, 65.0)):
        strand = _on_hair(person, 14 + (lon - 14) * (0.45 + 0.55 * lat), 84 - 44 * lat)
        tone = shade_of(person.hair_colour, 1.16 if k % 2 else 0.74)
        stroke(canvas, view(strand), np.array([0.05, 0.30, 0.22, 0.05]) * px, tone)


def draw_hair_front(canvas: np.ndarray, person: Person, view: View) -> None:
    """Fringe, parting and side hair that lies over the forehead and ears."""
    style, px = person.hair_style, view.px_per_cm
    colour = shade_of(person.hair_colour, 1.0)

    def patch(edge: list[tuple[float, float]], lift: float = 0.5) -> None:
        points = surface(person, smooth(edge, 24))
        points[:, 2] += lift
        fill(canvas, view(points), colour)

    if style == "fringe":
        patch(
            [
                (-7.2, 4.0),
                (-6.7, 8.3),
                (0, 10.4),
                (6.7, 8.3),
                (7.2, 4.0),
                (6.3, 5.4),
                (3.4, 5.75),
                (0, 5.9),
                (-3.4, 5.75),
                (-6.3, 5.4),
            ],
            0.6,
        )
        for x in (-4.6, -2.2, 0.3, 2.8, 5.0):
            strand = surface(person, smooth([(x * 0.8, 8.6), (x * 0.97, 7.2), (x, 6.0)], 8))
            strand[:, 2] += 0.7
            stroke(
                canvas,
                view(strand),
                np.array([0.04, 0.2, 0.06]) * px,
                shade_of(person.hair_colour, 0.78),
            )
    elif style in ("parted", "long"):
        patch(
            [
                (2.2, 9.2),
                (-1.5, 9.4),
                (-5.6, 8.4),
                (-7.3, 5.4),
                (-7.35, 2.6),
                (-6.5, 4.7),
                (-4.2, 6.6),
                (-0.8, 7.5),
            ],
            0.5,
        )
        patch(
            [(2.0, 9.2), (4.6, 8.7), (6.8, 6.6), (7.35, 2.8), (6.6, 4.9), (4.9, 6.9), (3.0, 7.6)],
            0.5,
        )
    elif style == "bob":
        patch(
            [
                (-0.2, 9.6),
                (-4.8, 8.8),
                (-7.2, 5.8),
                (-7.4, 1.5),
                (-6.9, 3.8),
                (-5.2, 6.2),
                (-2.2, 7.5),
            ],
            0.5,
        )
        patch(
            [(0.2, 9.6), (4.8, 8.8), (7.2, 5.8), (7.4, 1.5), (6.9, 3.8), (5.2, 6.2), (2.2, 7.5)],
            0.5,
        )
    elif style == "short":
        patch(
            [
                (-6.6, 4.4),
                (-6.4, 7.4),
                (-3.0, 9.2),
                (2.5, 9.3),
                (6.4, 7.4),
                (6.6, 4.4),
                (6.15, 6.0),
                (3.5, 6.7),
                (0.0, 6.3),
                (-4.0, 6.8),
                (-6.15, 6.0),
            ],
            0.4,
        )
    if style in ("bob", "long"):
        low = -8.0 if style == "bob" else -17.0
        for s in (1, -1):
            outer, inner = 8.9, 7.0
            lock = [
                *(
                    (s * inner, 5.0, 0.5),
                    (s * (inner + 0.1), 0.0, -0.8),
                    (s * (inner - 0.3), -4.5, -0.8),
                ),
                *(
                    (s * (inner - 0.6), low, -1.5),
                    (s * outer, low + 0.6, -3.5),
                    (s * (outer + 0.2), -3.0, -3.5),
                ),
                *((s * outer, 2.0, -3.5), (s * (outer - 0.8), 6.0, -2.5)),
            ]
            points = smooth(
                np.array(lock) * (person.face_width, person.face_height, 1.0), 40, closed=True
            )
            fill(canvas, view(points), shade_of(person.hair_colour, 0.92))
            inside = smooth(
                np.array([lock[1], lock[2], lock[3]]) * (person.face_width, person.face_height, 1.0)
                + (0.8 * s, 0, 0),
                8,
            )
            stroke(
                canvas,
                view(inside),
                np.array([0.05, 0.35, 0.1]) * px,
                shade_of(person.hair_colour, 1.18),
            )


def draw_beard(
    canvas: np.ndarray,
    person: Person,
    view: View,
    shade: ShadeMap,
    jaw_cm: float,
    mouth: dict[str, np.ndarray],
) -> None:
    """Stubble, beard, goatee or moustache, drawn under the lips so that they stay in sight."""
    kind, px = person.beard, view.px_per_cm
    if kind == "none":
        return
    red, green, blue = (int(v) for v in np.array(person.hair_colour) * 0.9)
    colour, opacity = (red, green, blue), {"stubble": 0.32, "moustache": 0.78}.get(kind, 0.88)
    if kind in ("stubble", "full"):
        cheek = [
            (-7.1, 0.6),
            (-5.9, -2.3),
            (-3.9, -3.2),
            (-1.9, -2.65),
            (0, -2.75),
            (1.9, -2.65),
            (3.9, -3.2),
            (5.9, -2.3),
            (7.1, 0.6),
        ]
        line = surface(person, smooth(cheek, 28))
        above = line[::-1] + np.array([0.0, 9.0, 0.0])
        jaw = hull(view(face_shell(person, jaw_cm, top=0.0)))
        paint(
            canvas,
            shade,
            colour,
            jaw,
            opacity,
            0.2 * px,
            without=view(np.concatenate([line, above])),
        )
        return
    across = np.linspace(-1, 1, len(mouth["top"]))
    low, top = mouth["top"] * (1.04, 1, 1), mouth["top"] * (1.04, 1, 1)
    low[:, 1] += 0.2
    top[:, 1] += 0.2 + 0.62 * (1 - across**2) * (0.6 + 0.4 * np.abs(across) ** 0.5)
    paint(canvas, shade, colour, view(np.concatenate([top, low[::-1]])), opacity, 0.07 * px)
    if kind == "goatee":
        drop = jaw_cm
        patch = [
            (-1.9, -6.2 - drop),
            (0, -5.9 - drop),
            (1.9, -6.2 - drop),
            (1.7, -8.6 - drop),
            (0, -9.6 - drop),
            (-1.7, -8.6 - drop),
        ]
        points = surface(person, smooth(patch, 24, closed=True))
        paint(canvas, shade, colour, view(points), opacity, 0.15 * px)


def draw_glasses(canvas: np.ndarray, person: Person, view: View) -> None:
    """A pair of round-cornered frames on the nose, thin metal or thick plastic."""
    if person.glasses == "none":
        return
    px = view.px_per_cm
    width = (0.15 if person.glasses == "thin" else 0.23) * px
    colour = (92, 88, 84) if person.glasses == "thin" else (74, 60, 56)
    half = np.array([1.98, 1.5])
    angle = np.linspace(0, 2 * np.pi, 33)
    c, s = np.cos(angle), np.sin(angle)
    ring = np.stack([np.sign(c) * np.abs(c) ** 0.7, np.sign(s) * np.abs(s) ** 0.75], 1) * half
    for side in (1, -1):
        x = ring[:, 0] + 3.2 * person.eye_distance * side
        z = 6.1 - 0.085 * np.abs(x) ** 1.6
        lens = np.stack([x * person.face_width, (2.2 + ring[:, 1]) * person.face_height, z], 1)
        stroke(canvas, view(lens), np.full(2, width), colour)
        edge = 3.2 * person.eye_distance + half[0]
        temple = np.array(
            [(side * edge, 2.7, 4.9), (side * 7.4, 2.7, 1.5), (side * 7.75, 2.6, -2.5)]
        ) * (
            person.face_width,
            person.face_height,
            1,
        )
        stroke(canvas, view(smooth(temple, 6)), np.full(2, width * 0.9), colour)
    gap = 3.2 * person.eye_distance - half[0]
    bridge = np.array([(-gap, 2.2, 6.0), (0, 2.55, 6.4), (gap, 2.2, 6.0)]) * (
        person.face_width,
        person.face_height,
        1,
    )
    stroke(canvas, view(smooth(bridge, 8)), np.full(2, width), colour)

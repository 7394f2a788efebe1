"""Brows, eyes, nose and mouth: curves on the head that move as the action units say.

What each unit does follows the outlines of the Facial Action Coding System (Ekman, Friesen & Hager
2002), in centimetres of an average head at intensity 1.
"""

from __future__ import annotations

import math

import numpy as np

from twomind_synth.geometry import View, fill, mixed, smooth, stroke, surface
from twomind_synth.identity import FaceState, Person
from twomind_synth.shading import Sides, blend, shade_of

_LINE_POINTS = 8
_CREASE = np.array([0.42, 0.52, 0.54])
_INK = (28.0, 22.0, 24.0)


def _half(sides: Sides, side: int) -> dict[str, float]:
    return {name: pair[side] for name, pair in sides.items()}


def _lay(
    person: Person, view: View, xy: np.ndarray, lift_cm: float | np.ndarray = 0.0
) -> np.ndarray:
    """Frontal curve ``(N, 2)`` → picture px ``(N, 2)``, lifted off the surface by ``lift_cm``."""
    points = surface(person, xy)
    points[:, 2] += lift_cm
    return view(points)


def draw_wrinkles(canvas: np.ndarray, person: Person, sides: Sides, view: View) -> None:
    """Lines of forehead, glabella, nose root, crow's-feet and chin, as deep as their action units
    are strong.
    """
    px = view.px_per_cm

    lines: list[np.ndarray] = []
    looks: list[tuple[float, float]] = []

    def line(control: list[tuple[float, float]], depth: float, width_cm: float = 0.13) -> None:
        if depth > 0.04:
            lines.append(smooth(control, _LINE_POINTS))
            looks.append((depth, width_cm))

    old = 0.25 * person.age
    mean = {au: (a + b) / 2 for au, (a, b) in sides.items()}
    for k, y in enumerate((5.75, 6.45)):
        inner, outer = mean["AU01"], mean["AU02"]
        depth = 0.6 * max(inner, outer) + old - 0.12 * k
        reach = 2.0 + 2.0 * outer
        arch = 0.3 * inner - 0.1 * outer
        line(
            [
                (-reach, y + 0.1 * outer),
                (-reach / 2, y + 0.1),
                (0, y + arch),
                (reach / 2, y + 0.1),
                (reach, y + 0.1 * outer),
            ],
            depth,
        )
    for s, side in ((1, 0), (-1, 1)):
        au = _half(sides, side)
        line(
            [(0.42 * s, 3.5), (0.5 * s, 4.2), (0.38 * s, 4.9)],
            0.8 * au["AU04"] + 0.3 * au["AU09"] - 0.05,
            0.16,
        )
        line([(0.25 * s, 2.1), (0.75 * s, 1.75), (1.0 * s, 1.25)], 0.75 * mean["AU09"])
        ox = 4.65 * person.eye_distance * s
        squint = 0.75 * au["AU06"] + 0.1 * au["AU07"] + old - 0.08
        for dy in (0.45, 0.0, -0.45):
            line([(ox + 0.25 * s, 2.55 + dy * 0.5), (ox + 0.95 * s, 2.55 + dy * 1.6)], squint, 0.11)
        ex = 3.15 * person.eye_distance * s
        bag = 0.6 * au["AU06"] + 0.3 * au["AU07"] + old - 0.05
        y = 1.35 + 0.15 * au["AU06"]
        line([(ex - 1.2 * s, y + 0.25), (ex, y - 0.15), (ex + 1.35 * s, y + 0.3)], bag)
        smile = au["AU12"]
        fold = 0.55 * smile + 0.45 * au["AU10"] + 0.25 * au["AU09"] + 0.6 * old
        top = -1.25 + 0.4 * max(au["AU10"], au["AU09"])
        line(
            [
                (2.05 * s, top),
                ((2.75 + 0.2 * smile) * s, -2.4),
                ((3.25 + 0.65 * smile) * s, -3.9 + 0.25 * smile),
            ],
            fold,
            0.15,
        )
        corner = (2.5 * person.mouth_width + 0.75 * smile + 0.35 * au["AU14"]) * s
        cy = -4.35 + 0.75 * smile - 0.65 * au["AU15"]
        line(
            [
                (corner + 0.35 * s, cy + 0.55),
                (corner + 0.62 * s, cy),
                (corner + 0.35 * s, cy - 0.55),
            ],
            au["AU14"],
            0.22,
        )
    chin_y = -6.25 + 0.45 * mean["AU17"] - 1.0 * mean["AU26"]
    line(
        [(-1.1, chin_y - 0.2), (0, chin_y + 0.12), (1.1, chin_y - 0.2)],
        0.7 * mean["AU17"] - 0.03,
        0.16,
    )
    if mean["AU17"] > 0.15:
        for x, y in ((-0.5, -0.7), (0.45, -0.8), (0.0, -1.15), (-0.2, -0.55), (0.75, -0.6)):
            line([(x - 0.08, chin_y + y), (x + 0.1, chin_y + y - 0.08)], 0.5 * mean["AU17"], 0.16)
    if not lines:
        return
    # Laid on the head all at once: many small calls cost more than one large one.
    on_picture = _lay(person, view, np.concatenate(lines)).reshape(len(lines), _LINE_POINTS, 2)
    for points, (depth, width_cm) in zip(on_picture, looks, strict=True):
        x, y = points[_LINE_POINTS // 2].astype(int)
        if 0 <= x < canvas.shape[1] and 0 <= y < canvas.shape[0]:
            # A crease darkens the skin it lies on, whatever light falls there; red goes last.
            colour = canvas[y, x] * (1.0 - min(depth, 1.0) * _CREASE)
            stroke(canvas, points, np.array([0.2, 1, 0.2]) * (width_cm * px), colour)


def draw_brows(canvas: np.ndarray, person: Person, sides: Sides, view: View) -> None:
    """Two tapered strokes: AU1 raises the inner, AU2 the outer part, AU4 lowers and draws
    together.
    """
    dark = (
        np.array(person.hair_colour) * 0.75
        if person.hair_style != "bald"
        else np.array([48, 38, 34])
    )
    colour = mixed(dark, shade_of(person.skin, 0.55), 0.15)
    for s, side in ((1, 0), (-1, 1)):
        au = _half(sides, side)
        base = 0.3 * person.brow_height - 0.28 * au["AU09"]
        pinch = 0.42 * au["AU04"] + 0.1 * au["AU09"]
        arch = 0.22 * person.brow_arch
        inner = 4.28 + base + 0.9 * au["AU01"] - 0.68 * au["AU04"] - 0.2 * au["AU09"]
        quarter = (
            4.45 + base + 0.6 * arch + 0.72 * au["AU01"] + 0.22 * au["AU02"] - 0.55 * au["AU04"]
        )
        middle = 4.5 + base + arch + 0.25 * au["AU01"] + 0.7 * au["AU02"] - 0.42 * au["AU04"]
        outer = 4.02 + base + 0.9 * au["AU02"] - 0.15 * au["AU04"] - 0.12 * au["AU06"]
        reach = person.eye_distance
        curve = smooth(
            [
                (1.2 * reach - pinch, inner),
                (2.3 * reach - 0.6 * pinch, quarter),
                (3.75 * reach, middle),
                (5.1 * reach, outer),
            ],
            14,
        )
        thickness = np.array([0.34, 0.58, 0.54, 0.38, 0.1]) * person.brow_thickness * view.px_per_cm
        stroke(canvas, _lay(person, view, curve * (s, 1), 0.1), thickness, colour)


def _eye_curves(
    person: Person, au: dict[str, float], look_up_deg: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper lid, lower lid and lid crease of the own left eye, ``(N, 2)`` cm from inner to outer
    corner.
    """
    size, ex, ey = person.eye_size, 3.15 * person.eye_distance, 2.6
    half = 1.38 * size
    tilt = 0.14 * person.eye_tilt
    shut = au["AU43"]
    # The upper lid follows the eyeball when the eye looks up or down.
    up = (
        (0.60 + 0.42 * au["AU05"] + 0.012 * look_up_deg) * size
        - 0.26 * au["AU07"]
        - 0.04 * au["AU06"]
    )
    low = (
        (0.40 - 0.006 * look_up_deg) * size
        - 0.2 * au["AU07"]
        - 0.27 * au["AU06"]
        - 0.05 * au["AU09"]
    )
    up, low = max(up, 0.12), max(low, 0.06)
    meet = -0.26 * size
    up, low = up + (meet - up) * shut, -low + (meet + low) * shut
    inner, outer = (ex - half, ey - 0.08 - tilt), (ex + half, ey + 0.02 + tilt)
    if shut > 0.9:
        low = up - 0.02

    def lid(height: float, inner_share: float, outer_share: float) -> np.ndarray:
        a = (ex - 0.62 * half, ey - 0.05 - 0.6 * tilt + height * inner_share)
        b = (ex + 0.62 * half, ey + 0.6 * tilt + height * outer_share)
        return smooth([inner, a, (ex, ey + height), b, outer], 18)

    upper, lower = lid(up, 0.74, 0.78), lid(low, 0.7, 0.82)
    crease = lid(max(up, 0.2) + 0.34 - 0.1 * au["AU05"] - 0.08 * au["AU04"], 0.8, 0.85)[2:-1]
    return upper, lower, crease


def draw_eyes(
    canvas: np.ndarray, person: Person, state: FaceState, sides: Sides, view: View
) -> None:
    """Eyeballs behind lids: gaze moves the iris, AU5, 6, 7 and 43 move the lids."""
    for s, side in ((1, 0), (-1, 1)):
        au = _half(sides, side)
        upper, lower, crease = (c * (s, 1) for c in _eye_curves(person, au, state.gaze_pitch))
        n = len(upper)
        on_face = _lay(person, view, np.concatenate([upper, lower, crease]))
        up_px, low_px, crease_px = on_face[:n], on_face[n : 2 * n], on_face[2 * n :]
        _draw_eyeball(canvas, person, state, view, s, np.concatenate([up_px, low_px[::-1]]))
        px = view.px_per_cm
        stroke(canvas, crease_px, np.array([0.05, 0.12, 0.05]) * px, shade_of(person.skin, 0.62))
        stroke(canvas, low_px, np.array([0.04, 0.08, 0.1]) * px, shade_of(person.skin, 0.5))
        lash = np.array([0.05, 0.15, 0.22, 0.24, 0.1]) * px
        stroke(canvas, up_px - (0, 0.25 * lash[1]), lash, _INK)


def _draw_eyeball(
    canvas: np.ndarray, person: Person, state: FaceState, view: View, s: int, opening: np.ndarray
) -> None:
    import cv2

    height, width = canvas.shape[:2]
    low = np.maximum(np.floor(opening.min(0)).astype(int) - 2, 0)
    high = np.minimum(np.ceil(opening.max(0)).astype(int) + 3, (width, height))
    if (high - low < 2).any():
        return
    region = canvas[low[1] : high[1], low[0] : high[0]]
    white = mixed((238, 236, 234), person.skin, 0.12)
    ball = np.empty_like(region)
    ball[:] = np.array(white, np.uint8)
    yaw, pitch = math.radians(state.gaze_yaw), math.radians(state.gaze_pitch)
    radius = 1.25
    centre_xy = np.array([3.15 * person.eye_distance * s, 2.62])
    # The iris slides on a ball whose middle lies 1.25 cm behind the lid plane.
    anchor = surface(person, centre_xy[None])[0]
    look = (
        np.array(
            [
                math.sin(yaw) * math.cos(pitch),
                math.sin(pitch),
                math.cos(yaw) * math.cos(pitch) - 1.0,
            ]
        )
        * radius
    )
    middle = view((anchor + look)[None])[0] - low
    size = 0.6 * person.eye_size * view.px_per_cm
    wide = math.cos(yaw + math.radians(view.pitch_yaw_deg[1]))
    tall = math.cos(pitch + math.radians(view.pitch_yaw_deg[0]))

    def disc(
        radius_px: float,
        colour: tuple[float, ...],
        dx: float = 0.0,
        dy: float = 0.0,
        round_: bool = False,
    ) -> None:
        axes = (
            (radius_px, radius_px)
            if round_
            else (radius_px * max(wide, 0.5), radius_px * max(tall, 0.5))
        )
        where = tuple(round(v * 16) for v in (middle[0] + dx, middle[1] + dy))
        sizes = tuple(round(v * 16) for v in axes)
        cv2.ellipse(ball, where, sizes, view.roll_deg, 0, 360, colour, -1, cv2.LINE_AA, 4)

    iris = person.iris_colour
    disc(size, mixed(iris, (20, 18, 20), 0.45))
    disc(size * 0.86, mixed(iris, (255, 255, 255), 0.06))
    disc(size * 0.46, (16.0, 14.0, 16.0))
    disc(size * 0.22, (250.0, 250.0, 250.0), 0.32 * size, -0.34 * size, True)
    shadow = np.linspace(0.72, 1.0, 4)
    for k, gain in enumerate(shadow):  # the lid's shadow on the eyeball
        row = int(max(opening[:, 1].min() - low[1], 0)) + k
        if row < len(ball):
            ball[row] = (ball[row] * gain).astype(np.uint8)
    mask = np.zeros(region.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint((opening - low) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    blend(region, ball, mask)


def draw_nose(canvas: np.ndarray, person: Person, sides: Sides, view: View) -> None:
    """Wings, nostrils and tip; the ridge stands off the face, so it shifts against the cheeks when
    the head turns.
    """
    mean = {au: (a + b) / 2 for au, (a, b) in sides.items()}
    px, wide = view.px_per_cm, person.nose_width
    tip = -1.1 * person.nose_length
    lift = 0.45 * mean["AU09"] + 0.12 * mean["AU10"]
    flare = 1 + 0.1 * mean["AU09"] + 0.05 * mean["AU10"]
    dark, soft = shade_of(person.skin, 0.42), shade_of(person.skin, 0.68)
    yaw = view.pitch_yaw_deg[1]

    def at(x: float, y: float, z: float) -> tuple[float, float, float]:
        return (x * person.face_width, y * person.face_height, z)

    for s in (1, -1):
        wing = smooth(
            [
                at(1.12 * s * wide, tip + 0.55 + lift, 5.9),
                at(1.62 * s * wide * flare, tip - 0.1 + lift, 5.4),
                at(1.42 * s * wide * flare, tip - 0.75 + lift, 5.4),
                at(0.98 * s * wide, tip - 0.72 + 0.6 * lift, 6.0),
            ],
            10,
        )
        stroke(canvas, view(wing), np.array([0.05, 0.16, 0.18, 0.08]) * px, soft)
        hole = smooth(
            [
                at(0.42 * s * wide, tip - 0.72 + 0.5 * lift, 6.6),
                at(0.75 * s * wide, tip - 0.55 + 0.7 * lift, 6.4),
                at(1.08 * s * wide * flare, tip - 0.68 + 0.8 * lift, 6.1),
                at(0.75 * s * wide, tip - 0.86 + 0.6 * lift, 6.3),
            ],
            14,
            closed=True,
        )
        fill(canvas, view(hole), dark)
        # The far side of the ridge shows as a line that grows with the turn.
        turned = max(0.0, s * math.sin(math.radians(yaw)))
        if turned > 0.05:
            ridge = smooth(
                [
                    at(0.75 * s, 2.7, 5.0),
                    at(0.5 * s * wide, 1.0, 6.0),
                    at(0.62 * s * wide, tip, 7.0),
                ],
                8,
            )
            stroke(
                canvas,
                view(ridge),
                np.array([0.05, 0.16, 0.08]) * px,
                shade_of(person.skin, 0.9 - 0.35 * turned),
            )
    base = smooth(
        [
            at(-0.4 * wide, tip - 0.82 + 0.5 * lift, 6.7),
            at(0, tip - 0.98 + 0.4 * lift, 6.9),
            at(0.4 * wide, tip - 0.82 + 0.5 * lift, 6.7),
        ],
        6,
    )
    stroke(canvas, view(base), np.array([0.04, 0.12, 0.04]) * px, soft)


def mouth_curves(person: Person, sides: Sides) -> dict[str, np.ndarray]:
    """Outlines of the lips ``(17, 3)`` each, head cm: ``top``, ``upper`` (its inner edge),
    ``lower``, ``bottom``.
    """
    mean = {au: (a + b) / 2 for au, (a, b) in sides.items()}
    left, right = _half(sides, 0), _half(sides, 1)
    tight, press, round_ = mean["AU23"], mean["AU24"], mean["AU18"]
    thin = max(0.2, 1 - 0.42 * tight - 0.66 * press) * person.lip_fullness * (1 + 0.25 * round_)
    stretch = 1 - 0.18 * max(mean["AU12"], mean["AU20"])
    upper_cm, lower_cm = 0.78 * thin * stretch, 1.05 * thin * stretch * (1 - 0.15 * mean["AU17"])
    drop, part = 1.0 * mean["AU26"], 0.62 * mean["AU25"]
    gap = max(0.0, (drop + part) * (1 - 0.85 * press) * (1 - 0.3 * round_))
    raised = 0.5 * mean["AU10"] + 0.28 * mean["AU09"]
    push = 0.42 * mean["AU17"]
    middle = -4.3 + 0.3 * push - 0.1 * drop
    inner_top = middle + 0.22 * gap + 0.3 * raised + push
    inner_low = middle - 0.78 * gap + push + 0.1 * raised
    # A raised lip or a pushed-up chin without parting keeps the mouth closed: the line itself
    # moves.
    inner_low = min(inner_low + 0.2 * raised * (1 - min(gap * 2, 1)), inner_top)

    def corner(au: dict[str, float], s: int) -> tuple[float, float]:
        x = 2.5 * person.mouth_width * (1 - 0.36 * round_ - 0.1 * tight)
        x += 0.75 * au["AU12"] + 0.75 * au["AU20"] + 0.3 * au["AU14"] - 0.12 * mean["AU26"]
        y = (
            -4.35
            - 0.3 * drop
            + 0.85 * au["AU12"]
            - 0.75 * au["AU15"]
            - 0.12 * au["AU20"]
            + 0.08 * au["AU14"]
        )
        return s * x, y

    (lx, ly), (rx, ry) = corner(left, 1), corner(right, -1)

    def curve(height: float, shares: tuple[float, ...], dents: tuple[float, ...]) -> np.ndarray:
        """From own right corner to own left; ``shares`` of the way from corner to ``height``,
        ``dents`` added.
        """
        xs = (rx, 0.62 * rx, 0.24 * rx, 0.0, 0.24 * lx, 0.62 * lx, lx)
        ends = (ry, ry, ry, (ry + ly) / 2, ly, ly, ly)
        ys = [e + (height - e) * k + d for e, k, d in zip(ends, shares, dents, strict=True)]
        return smooth(np.stack([xs, ys], 1), 19)

    bow = 0.14 * min(thin, 1.2)
    rise = (left["AU10"] + right["AU10"]) / 2
    flat = (0.0, 0.80, 1.0, 1.0, 1.0, 0.80, 0.0)
    sag = (0.0, 0.72, 1.0, 1.0, 1.0, 0.72, 0.0)
    top_shares = (0.0, 0.62 + 0.12 * rise, 1.0, 1.0, 1.0, 0.62 + 0.12 * rise, 0.0)
    outlines = {
        "top": curve(
            inner_top + upper_cm + 0.45 * raised,
            top_shares,
            (0, 0, bow * 0.5, -bow * 0.6, bow * 0.5, 0, 0),
        ),
        "upper": curve(inner_top, flat, (0, 0, 0, -0.05, 0, 0, 0)),
        "lower": curve(inner_low, flat, (0, 0, 0, -0.02, 0, 0, 0)),
        "bottom": curve(inner_low - lower_cm, sag, (0, 0, 0, 0, 0, 0, 0)),
    }
    lifted = {}
    for name, xy in outlines.items():
        points = surface(person, xy)
        bulge = 0.35 if name in ("top", "bottom") else 0.5
        points[:, 2] += (bulge + 0.7 * round_) * (
            1 - np.linspace(-1, 1, len(xy)) ** 2
        ) - 0.3 * mean["AU26"] * (name in ("lower", "bottom"))
        lifted[name] = points
    return lifted


def lip_colours(person: Person) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Upper and lower lip."""
    red = mixed(shade_of(person.skin, 0.8), (186, 78, 84), 0.25 + 0.3 * person.lip_colour)
    return mixed(red, (60, 20, 28), 0.16), mixed(red, (255, 220, 214), 0.06)


def draw_mouth(
    canvas: np.ndarray, person: Person, sides: Sides, view: View, curves: dict[str, np.ndarray]
) -> None:
    """Mouth hole with teeth and tongue, then the lips along the ``curves`` of
    :func:`mouth_curves`.
    """
    mean = {au: (a + b) / 2 for au, (a, b) in sides.items()}
    n = len(curves["top"])
    flat = view(np.concatenate([curves[k] for k in ("top", "upper", "lower", "bottom")]))
    top, upper, lower, bottom = (flat[k * n : (k + 1) * n] for k in range(4))
    px = view.px_per_cm
    upper_lip, lower_lip = lip_colours(person)
    open_px = float(np.hypot(*(upper[n // 2] - lower[n // 2])))
    if open_px > 0.8:
        fill(canvas, np.concatenate([upper, lower[::-1]]), (58, 22, 28))
        down = lower[n // 2] - upper[n // 2]
        if open_px > 0.3 * px:
            teeth = min(0.42, 0.3 * px / open_px) * down
            core = slice(3, n - 3)
            fill(
                canvas, np.concatenate([upper[core], (upper[core] + teeth)[::-1]]), (232, 228, 222)
            )
        if open_px > 0.6 * px:
            inner = slice(4, n - 4)
            back = lower[inner] - np.sin(np.linspace(0, np.pi, n - 8))[:, None] * 0.36 * down
            fill(canvas, np.concatenate([lower[inner], back[::-1]]), (168, 84, 88))
    fill(canvas, np.concatenate([top, upper[::-1]]), upper_lip)
    fill(canvas, np.concatenate([lower, bottom[::-1]]), lower_lip)
    shine = (lower * 0.45 + bottom * 0.55)[6 : n - 6]
    stroke(canvas, shine, np.array([0.03, 0.2, 0.03]) * px, mixed(lower_lip, (255, 240, 235), 0.22))
    edge = np.array([0.07, 0.17, 0.1, 0.1, 0.1, 0.17, 0.07]) * px
    line = mixed(lower_lip, (40, 12, 18), 0.72)
    stroke(canvas, upper, edge * (1 + 0.4 * mean["AU24"]), line)
    if open_px > 0.8:
        stroke(canvas, lower, edge * 0.6, line)
    stroke(canvas, bottom[4 : n - 4], np.array([0.02, 0.1, 0.02]) * px, shade_of(person.skin, 0.66))

"""Skin: one soft map of light and shadow per head, turned into colour by the person's ramp."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from twomind_synth.camera import Camera
from twomind_synth.geometry import View, surface
from twomind_synth.identity import Colour, Person

_REST = 128  # the grey level of the shading map that shows the skin's own colour
_STEP_PX = 2  # the map is smooth, so half the resolution is enough

_FOLD = tuple(k / 6 for k in range(7))  # steps along the fold between nose and mouth

#: AU values per side: name -> (own left, own right).
Sides = dict[str, tuple[float, float]]


@lru_cache(maxsize=64)
def ramp(colour: Colour) -> np.ndarray:
    """Look-up table ``(256, 1, 3)`` uint8: shadows grow redder and darker, lights paler."""
    level = np.arange(256)[:, None] / _REST
    base = np.array(colour, float)
    shadow = base * np.clip(level, 0, 1) ** np.array([0.92, 1.22, 1.28])
    light = base + (np.array([255.0, 248, 238]) - base) * np.clip(level - 1, 0, 1) * 0.5
    return np.clip(np.where(level <= 1, shadow, light), 0, 255).astype(np.uint8)[:, None, :]


def shade_of(colour: Colour, level: float) -> tuple[float, ...]:
    """A colour of the ramp: ``level`` 1 is the colour itself, 0.5 deep shadow, 1.3 a light."""
    red, green, blue = ramp(colour)[min(max(int(level * _REST), 0), 255), 0].tolist()
    return float(red), float(green), float(blue)


@dataclass(frozen=True)
class ShadeMap:
    """The shading of one head on the picture: ``values (h, w)`` uint8 at ``left, top``."""

    values: np.ndarray
    left: int
    top: int


def _face_blobs(person: Person, sides: Sides) -> np.ndarray:
    """Soft lights and shadows ``(K, 5)``: x, y, sigma x, sigma y (cm of the average head),
    strength.
    """
    rows: list[tuple[float, float, float, float, float]] = []
    mean = {au: (a + b) / 2 for au, (a, b) in sides.items()}
    nose_y = -1.1 * person.nose_length
    lift = 0.35 * mean["AU09"] + 0.1 * mean["AU10"]
    rows += [
        (0.0, 6.3, 2.6, 1.3, 0.05),
        (0.0, 1.6, 0.32, 2.0, 0.10),
        (0.0, nose_y + 0.2, 0.55, 0.55, 0.13),
        (0.0, nose_y - 1.25 + lift, 0.9, 0.38, -0.20),
        (0.0, -2.75 + lift * 0.6, 0.28, 0.5, -0.07),
        (0.0, -5.75 + 0.35 * mean["AU17"] - 0.9 * mean["AU26"], 1.5, 0.35, -0.16),
        (
            0.0,
            -7.5 + 0.5 * mean["AU17"] - 1.25 * mean["AU26"],
            1.25,
            0.85,
            0.08 + 0.05 * mean["AU17"],
        ),
        (0.0, -9.6 - 1.3 * mean["AU26"], 4.0, 0.9, -0.25),
        (
            0.0,
            3.4 - 0.2 * mean["AU04"],
            0.9,
            0.5,
            -0.05 - 0.10 * mean["AU04"] - 0.06 * mean["AU09"],
        ),
    ]
    for s, side in ((1, 0), (-1, 1)):
        au = {name: pair[side] for name, pair in sides.items()}
        ex = 3.15 * person.eye_distance * s
        smile = max(au["AU12"], 0.8 * au["AU06"])
        brow_drop = 0.4 * au["AU04"] - 0.3 * au["AU02"]
        corner = (2.5 * person.mouth_width + 0.75 * au["AU12"] + 0.7 * au["AU20"]) * s
        corner_y = -4.35 + 0.75 * au["AU12"] - 0.65 * au["AU15"]
        rows += [
            (ex, 3.45 - 0.35 * brow_drop, 1.75, 0.75, -0.15 - 0.07 * au["AU04"]),
            (0.75 * s, 2.6, 0.4, 0.9, -0.13),
            (
                ex,
                1.35 + 0.25 * au["AU06"],
                1.4,
                0.35,
                -0.05 - 0.10 * au["AU06"] - 0.07 * au["AU07"] - 0.06 * person.age,
            ),
            (4.6 * s, -0.5 + 0.65 * smile, 1.7, 1.25, 0.06 + 0.10 * smile),
            (6.0 * s, -3.4, 1.6, 2.4, -0.10),
            (1.05 * s * person.nose_width, 0.6, 0.38, 1.7, -0.06),
            (1.75 * s * person.nose_width, -1.2 + lift, 0.35, 0.55, -0.10 - 0.10 * au["AU09"]),
            (
                corner + 0.45 * s,
                corner_y - 0.05,
                0.38,
                0.42,
                -0.10 - 0.22 * au["AU14"] - 0.08 * au["AU12"],
            ),
            (corner + 1.0 * s, corner_y + 0.1, 0.35, 0.8, 0.12 * au["AU14"]),
        ]
        fold = (
            0.035
            + 0.05 * person.age
            + 0.11 * au["AU12"]
            + 0.08 * au["AU10"]
            + 0.05 * au["AU09"]
            + 0.03 * au["AU15"]
        )
        for t in _FOLD:
            x = (1.85 + (1.55 + 0.5 * au["AU12"]) * math.sin(t * 1.5)) * s
            y = -1.3 - 2.8 * t + 0.45 * (1 - t) * max(au["AU10"], au["AU09"]) + 0.3 * au["AU12"] * t
            rows.append((x, y, 0.3, 0.38, -fold))
    return np.array(rows)


def _window(low: float, high: float, step: int) -> np.ndarray:
    start = math.floor(low / step) * step
    return np.arange(start, math.ceil(high / step) * step + step, step, dtype=np.float32)


def shade_map(
    person: Person, sides: Sides, view: View, outline: np.ndarray, camera: Camera
) -> ShadeMap:
    """Light on the head inside the unrolled ``outline (N, 2)`` (px relative to the pivot), as seen
    on the picture.
    """
    import cv2

    low, high = outline.min(0) - 4, outline.max(0) + 4
    step = _STEP_PX
    xs, ys = _window(low[0], high[0], step), _window(low[1], high[1], step)
    scale = view.px_per_cm
    centre = view.unrolled(np.array([[0.0, 0.5, -1.5]]))[0]
    nx = ((xs - centre[0]) / (9.2 * person.face_width * scale))[None, :]
    ny = ((ys - centre[1]) / (12.5 * person.face_height * scale))[:, None]
    nz = np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0.02, dtype=np.float32))
    yaw, pitch, roll = (
        math.radians(v) for v in (camera.light_yaw, camera.light_pitch, view.roll_deg)
    )
    right, down, ahead = (
        math.sin(yaw) * math.cos(pitch),
        -math.sin(pitch),
        math.cos(yaw) * math.cos(pitch),
    )
    c, s = math.cos(roll), math.sin(roll)
    right, down = c * right + s * down, -s * right + c * down
    strength = np.float32(camera.light_strength)
    light = 1.0 + strength * ((nx * right + ny * down) * 0.6 + (nz - 0.93) * (0.45 + 0.35 * ahead))

    blobs = _face_blobs(person, sides)
    at = view.unrolled(surface(person, blobs[:, :2])).astype(np.float32)
    sigma = (blobs[:, 2:4] * scale).astype(np.float32)
    sigma[:, 0] *= math.cos(math.radians(view.pitch_yaw_deg[1]))
    in_x = np.exp(-0.5 * ((xs[None, :] - at[:, :1]) / sigma[:, :1]) ** 2)
    in_y = np.exp(-0.5 * ((ys[None, :] - at[:, 1:]) / sigma[:, 1:]) ** 2)
    relief = (in_y * blobs[:, 4:].astype(np.float32)).T @ in_x
    small = np.clip(light * (1 + relief) * _REST, 0, 255).astype(np.uint8)

    corners = view.place(
        np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    )
    left, top = (int(v) for v in np.floor(corners.min(0)))
    width, height = (int(v) for v in np.ceil(corners.max(0)) - (left, top))
    corner = view.place(np.array([[xs[0], ys[0]]]))[0] - (left, top)
    to_picture = np.array([[c * step, -s * step, corner[0]], [s * step, c * step, corner[1]]])
    values = cv2.warpAffine(
        small, to_picture, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return ShadeMap(values, left, top)


def paint(
    canvas: np.ndarray,
    shade: ShadeMap,
    colour: Colour,
    outline: np.ndarray,
    opacity: float = 1.0,
    soft_px: float = 0.0,
    without: np.ndarray | None = None,
) -> None:
    """Lay ``colour`` under the head's light into the polygon ``outline (N, 2)`` px, save the
    polygon ``without``.

    ``soft_px`` blurs the edge.
    """
    import cv2

    height, width = canvas.shape[:2]
    margin = 2 + int(2.5 * soft_px)
    low, high = (
        np.floor(outline.min(0)).astype(int) - margin,
        np.ceil(outline.max(0)).astype(int) + margin,
    )
    low = np.maximum(low, (max(0, shade.left), max(0, shade.top)))
    bottom, right = shade.top + shade.values.shape[0], shade.left + shade.values.shape[1]
    high = np.minimum(high, (min(width, right), min(height, bottom)))
    if (high <= low).any():
        return
    (x0, y0), (x1, y1) = low, high
    region = canvas[y0:y1, x0:x1]
    light = shade.values[y0 - shade.top : y1 - shade.top, x0 - shade.left : x1 - shade.left]
    painted = cv2.LUT(cv2.merge([light, light, light]), ramp(colour))
    mask = np.zeros(light.shape, np.uint8)
    cv2.fillPoly(
        mask, [np.rint((outline - low) * 16).astype(np.int32)], 255.0 * opacity, cv2.LINE_AA, 4
    )
    if without is not None:
        cv2.fillPoly(mask, [np.rint((without - low) * 16).astype(np.int32)], 0, cv2.LINE_AA, 4)
    if soft_px > 0:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), soft_px), np.uint8)
    blend(region, painted, mask)


def blend(region: np.ndarray, painted: np.ndarray, mask: np.ndarray) -> None:
    """Mix ``painted`` into ``region`` (both ``(h, w, 3)`` uint8) by ``mask (h, w)`` uint8, in
    place.
    """
    import cv2

    share = mask.astype(np.float32) * np.float32(1 / 255)
    region[:] = cv2.blendLinear(painted, np.ascontiguousarray(region), share, 1 - share)

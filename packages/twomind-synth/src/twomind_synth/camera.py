"""How a drawn scene is framed, lit and recorded: size, exposure, colour, noise, blur,
background.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np

from twomind.core.errors import BadInput
from twomind_synth.identity import Colour

BACKGROUNDS = ("plain", "wall", "room", "window")


@dataclass(frozen=True)
class Camera:
    """A fixed webcam. The same camera, person, state and frame index give the same bytes."""

    width_px: int = 640
    height_px: int = 480
    face_size: float = 0.46  # hairline to chin, as a fraction of the picture's height
    offset_x: float = 0.0  # of the head, fraction of the width, + = right
    offset_y: float = 0.0  # of the head, fraction of the height, + = up
    exposure: float = 1.0  # below 1: factor on the light; above 1: exponent towards white
    temperature: float = 0.0  # -1 (bluish) .. 1 (reddish)
    noise: float = 2.0  # sigma, grey levels
    blur_px: float = 0.0  # sigma of the lens blur
    background: str = "wall"
    background_colour: Colour = (150, 158, 166)
    light_yaw: float = 25.0  # deg, + = light from image right
    light_pitch: float = 35.0  # deg, + = from above
    light_strength: float = 0.5  # 0 (flat) .. 1 (hard)
    jitter_px: float = 0.0  # sigma of the camera shake
    seed: int = 0  # of noise and shake

    def __post_init__(self) -> None:
        if self.width_px < 32 or self.height_px < 32:
            raise BadInput(
                f"Camera: expected at least 32 x 32 px, got {self.width_px} x {self.height_px}"
            )
        if self.background not in BACKGROUNDS:
            raise BadInput(
                f"Camera.background: expected one of {', '.join(BACKGROUNDS)}, got "
                f"{self.background!r}"
            )

    @classmethod
    def random(cls, rng: np.random.Generator, width_px: int = 640, height_px: int = 480) -> Camera:
        """A plausible home webcam; the same generator state gives the same camera."""
        base = rng.integers(90, 190)
        red, green, blue = (int(np.clip(base + rng.integers(-22, 23), 40, 225)) for _ in range(3))
        return cls(
            width_px=width_px,
            height_px=height_px,
            face_size=round(float(rng.uniform(0.38, 0.54)), 3),
            offset_x=round(float(rng.uniform(-0.05, 0.05)), 3),
            offset_y=round(float(rng.uniform(-0.02, 0.05)), 3),
            exposure=round(float(np.exp(rng.normal(0, 0.1))), 3),
            temperature=round(float(rng.uniform(-0.6, 0.6)), 3),
            noise=round(float(rng.uniform(0.5, 4.0)), 3),
            blur_px=0.0,
            background=str(rng.choice(BACKGROUNDS)),
            background_colour=(red, green, blue),
            light_yaw=round(float(rng.uniform(-50, 50)), 1),
            light_pitch=round(float(rng.uniform(10, 50)), 1),
            light_strength=round(float(rng.uniform(0.25, 0.7)), 3),
            seed=int(rng.integers(2**31)),
        )

    def plain(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return asdict(self)


def frame_rng(camera: Camera, frame_index: int) -> np.random.Generator:
    """The generator of one frame's noise and shake: a function of the seed and the frame index
    only.
    """
    return np.random.default_rng((camera.seed, abs(int(frame_index))))


def blank(camera: Camera) -> np.ndarray:
    """A fresh copy of the background ``(H, W, 3)`` uint8 RGB."""
    size = (camera.width_px, camera.height_px)
    return _background(*size, camera.background, camera.background_colour, camera.light_yaw).copy()


def expose(canvas: np.ndarray, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Lens blur, exposure, white balance and sensor noise on a finished drawing ``(H, W, 3)``
    uint8.
    """
    import cv2

    if camera.blur_px > 0.1:
        canvas = cv2.GaussianBlur(canvas, (0, 0), camera.blur_px)
    if camera.exposure != 1.0 or camera.temperature != 0.0:
        cv2.LUT(canvas, _response(camera.exposure, camera.temperature), canvas)
    if camera.noise > 0:
        height, width = canvas.shape[:2]
        bright, dark = _noise_tiles(width, height, camera.noise)
        dx, dy = (int(v) for v in rng.integers(0, _TILE_MARGIN, 2))
        window = (slice(dy, dy + height), slice(dx, dx + width))
        cv2.add(canvas, bright[window], canvas)  # in place: fresh pages cost more than the sum
        cv2.subtract(canvas, dark[window], canvas)
    return canvas


@lru_cache(maxsize=16)
def _response(exposure: float, temperature: float) -> np.ndarray:
    """Look-up table ``(256, 1, 3)``: less light is a linear gain, more light bends towards white
    without clipping.
    """
    balance = np.array([1 + 0.08 * temperature, 1.0, 1 - 0.10 * temperature])
    x = np.clip(np.arange(256)[:, None] / 255 * balance / balance.max(), 0, 1)
    y = x * exposure if exposure <= 1 else 1 - (1 - x) ** exposure
    return np.rint(y * 255).astype(np.uint8)[:, None, :]


_TILE_MARGIN = 64


@lru_cache(maxsize=4)
def _noise_tiles(width: int, height: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Noise larger than the picture, split by sign; every frame cuts its own window, which costs no
    new numbers.
    """
    rng = np.random.default_rng(1234)
    shape = (height + _TILE_MARGIN, width + _TILE_MARGIN, 3)
    noise = np.rint(rng.standard_normal(shape, dtype=np.float32) * sigma)
    return np.clip(noise, 0, 255).astype(np.uint8), np.clip(-noise, 0, 255).astype(np.uint8)


@lru_cache(maxsize=8)
def _background(width: int, height: int, kind: str, colour: Colour, light_yaw: float) -> np.ndarray:
    import cv2

    base = np.empty((height, width, 3), np.float32)
    base[:] = colour
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    if kind != "plain":
        side = np.float32(np.clip(light_yaw / 60, -1, 1))
        base *= (1.0 + 0.10 * side * x[None, :] - 0.10 * y[:, None] - 0.08 * (x**2)[None, :])[
            ..., None
        ]
    picture = np.clip(base, 0, 255).astype(np.uint8)

    def box(
        x0: float, y0: float, x1: float, y1: float, gain: float, tint: Colour | None = None
    ) -> None:
        paint = tint or tuple(int(min(255, v * gain)) for v in colour)
        corners = (int(x0 * width), int(y0 * height)), (int(x1 * width), int(y1 * height))
        cv2.rectangle(picture, *corners, tuple(float(v) for v in paint), -1)

    if kind == "room":
        box(0.0, 0.80, 1.0, 1.0, 0.82)
        box(0.04, 0.10, 0.22, 0.42, 0.72)
        box(0.055, 0.125, 0.205, 0.395, 1.12)
        box(0.80, 0.30, 1.0, 0.33, 0.62)
        for k, (top, gain) in enumerate(((0.14, 0.7), (0.17, 0.9), (0.12, 0.78), (0.19, 1.05))):
            box(0.82 + 0.035 * k, top, 0.85 + 0.035 * k, 0.30, gain)
    elif kind == "window":
        box(0.70, 0.0, 1.0, 0.62, 1.25)
        box(0.73, 0.0, 0.84, 0.58, 1.0, (206, 222, 232))
        box(0.865, 0.0, 0.985, 0.58, 1.0, (206, 222, 232))
        box(0.0, 0.55, 0.14, 1.0, 0.75)
    if kind in ("room", "window"):
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.008 * width), np.uint8)
    picture.setflags(write=False)
    return picture

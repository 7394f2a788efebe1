"""How well a face can be measured in a frame: size, sharpness, light, yaw, cover; measurable or
not, and why not.

Each part is a score in [0, 1] that does not rise when the picture gets worse; the quality is their
product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_CROP_PX = 64
#: Skin that hair, glasses and beards seldom cover: nose, cheeks, upper lip and chin, by region,
#: right before left.
_REGIONS = {
    "nose": (4, 5, 195, 45, 275),
    "right cheek": (50, 101, 205, 36),
    "left cheek": (280, 330, 425, 266),
    "mouth": (164, 167, 393, 92, 322),
    "chin": (199, 200, 18, 208, 428),
}
_SPOTS = np.array([point for points in _REGIONS.values() for point in points])
_CROSS = np.array([(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)])

#: Why a row is not measurable, in the order in which they are checked.
REASONS = (
    "face too small",
    "too dark",
    "too bright",
    "too blurred",
    "turned away",
    "partly covered",
)


@dataclass(frozen=True)
class QualitySettings:
    """From where on a face is not measurable."""

    min_face_px: float = 40.0  # width of the face
    good_face_px: float = 120.0  # from here on size costs nothing
    min_light: float = 0.10  # mean brightness of the face, 0..1
    good_light: float = 0.25  # from here on darkness costs nothing
    max_clipped: float = 0.5  # share of the face that is burnt out
    max_blur: float = 0.97  # see the measure
    good_blur: float = 0.85  # below, blur costs nothing
    max_yaw_deg: float = 40.0  # turned farther, only half a face is seen
    max_pitch_deg: float = 35.0  # likewise up or down
    max_occlusion: float = (
        0.5  # share of the sampled skin that does not look like this person's skin
    )


def pixel_row(rgb: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
    """What needs the picture, for one face: sharpness, light, clipped share, then colours of skin
    spots ``(K * 3,)``.

    Reads a crop of the face that is reduced to 64 px, so that it costs the same for every picture.
    """
    import cv2

    height, width = rgb.shape[:2]
    low, high = landmarks_px[:, :2].min(axis=0), landmarks_px[:, :2].max(axis=0)
    x0, y0 = int(np.clip(low[0], 0, width - 4)), int(np.clip(low[1], 0, height - 4))
    x1, y1 = int(np.clip(high[0], x0 + 4, width)), int(np.clip(high[1], y0 + 4, height))
    side = max(x1 - x0, y1 - y0)
    crop = rgb[y0:y1, x0:x1]
    # Grey first: reducing one channel costs a third of reducing three. Then a whole factor, which
    # is much quicker.
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    factor = side // _CROP_PX
    if factor > 1:
        size = ((x1 - x0) // factor, (y1 - y0) // factor)
        grey = cv2.resize(
            grey[: size[1] * factor, : size[0] * factor], size, interpolation=cv2.INTER_AREA
        )
    size = (max(8, _CROP_PX * (x1 - x0) // side), max(8, _CROP_PX * (y1 - y0) // side))
    grey = cv2.resize(
        grey, size, interpolation=cv2.INTER_AREA if side > _CROP_PX else cv2.INTER_LINEAR
    )
    edges = cv2.Laplacian(grey, cv2.CV_32F)
    _, edge_sd = cv2.meanStdDev(edges)
    light, grey_sd = cv2.meanStdDev(grey)
    # The 6 grey levels stand for noise: a dark picture must not count as sharp because of it.
    sharpness = float(edge_sd[0, 0] ** 2 / (grey_sd[0, 0] ** 2 + 36.0))
    clipped = float(np.count_nonzero(grey >= 250)) / grey.size
    at = (landmarks_px[_SPOTS, :2] - (x0, y0)).astype(int)
    column, row = np.clip(at, 1, (x1 - x0 - 2, y1 - y0 - 2)).T
    around = crop[row + _CROSS[:, :1], column + _CROSS[:, 1:]].mean(axis=0, dtype=np.float32)
    return np.concatenate(
        [[sharpness, float(light[0, 0]) / 255, clipped], around.ravel()], dtype=np.float32
    )


N_PIXEL_VALUES = 3 + 3 * len(_SPOTS)


class Skin:
    """How the skin spots of the target usually look; learnt over the recording, frame blocks in
    order.
    """

    def __init__(self) -> None:
        self._usual: np.ndarray | None = None  # (K, 2) chroma less the face's median

    def occlusion(self, pixels: np.ndarray, frontal: np.ndarray) -> np.ndarray:
        """Share of spots ``(T,)`` whose colour or brightness is not this person's, from rows of
        :func:`pixel_row`.
        """
        colours = np.log(pixels[:, 3:].reshape(len(pixels), -1, 3) + 12.0)
        tone = np.stack(
            [
                colours[..., 0] - colours[..., 1],
                colours[..., 2] - colours[..., 1],
                0.35 * colours.mean(axis=2),
            ],
            axis=2,
        )
        # The median skin of the frame takes the light out; what covers less than half of the spots
        # stands out.
        tone = tone - np.median(tone, axis=1, keepdims=True)
        plain = np.linalg.norm(tone, axis=2)
        odd = plain > 0.30
        if self._usual is not None:
            odd &= np.linalg.norm(tone - self._usual, axis=2) > 0.22
        clean = frontal & (odd.mean(axis=1) < 0.25)
        if clean.sum() >= 5:
            usual = np.median(tone[clean], axis=0)
            self._usual = (
                usual if self._usual is None else self._usual + 0.2 * (usual - self._usual)
            )
        share: np.ndarray = odd.mean(axis=1)
        return share


def ramp(values: np.ndarray, bad: float, good: float) -> np.ndarray:
    """0 at ``bad``, 1 at ``good``, straight in between."""
    return np.clip((values - bad) / (good - bad), 0.0, 1.0)


def judge(
    face_px: np.ndarray,
    pixels: np.ndarray,
    pose: np.ndarray,
    occlusion: np.ndarray,
    settings: QualitySettings,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Quality columns ``(T,)`` and per row 0 or 1 + the index into ``REASONS`` of what forbids
    measuring.

    ``face_px (T,)``, ``pixels (T, N_PIXEL_VALUES)`` of :func:`pixel_row`, ``pose (T, 3)`` deg,
    ``occlusion (T,)``.
    """
    s = settings
    sharpness, light, clipped = (
        pixels[:, 0].astype(float),
        pixels[:, 1].astype(float),
        pixels[:, 2].astype(float),
    )
    blur = 1.0 / (1.0 + sharpness)
    yaw, pitch = np.abs(pose[:, 0]), np.abs(pose[:, 1])
    quality = (
        ramp(face_px, s.min_face_px / 2, s.good_face_px)
        * ramp(light, s.min_light / 2, s.good_light)
        * ramp(clipped, 1.0, 0.05)
        * ramp(blur, 1.0, s.good_blur)
        * ramp(yaw, 90.0, 15.0)
        * (1.0 - occlusion)
    )
    columns = {
        "face_size": face_px,
        "blur": blur,
        "light": light,
        "occlusion": occlusion,
        "quality": quality,
    }
    fails = (
        face_px < s.min_face_px,
        light < s.min_light,
        clipped > s.max_clipped,
        blur > s.max_blur,
        (yaw > s.max_yaw_deg) | (pitch > s.max_pitch_deg),
        occlusion > s.max_occlusion,
    )
    code = np.zeros(len(face_px), np.uint8)
    for k in reversed(range(len(fails))):
        code[fails[k]] = k + 1
    return columns, code

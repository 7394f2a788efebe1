"""How well a face can be measured in a frame: size, sharpness, light, yaw, cover; measurable or
not, and why not.

Each part is a score in [0, 1] that does not rise when the picture gets worse; the quality is their
product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.features.face.tracker_mesh import box_of

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
_SPOTS = np.concatenate(list(_REGIONS.values()))
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
_CODE = {reason: k + 1 for k, reason in enumerate(REASONS)}


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


def _crop(rgb: np.ndarray, landmarks_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The face's bounding box out of the picture, at least 4 px wide, and its corner x, y."""
    height, width = rgb.shape[:2]
    left, top, right, bottom = box_of(landmarks_px).tolist()
    x0 = int(min(max(left, 0), width - 4))
    y0 = int(min(max(top, 0), height - 4))
    x1 = int(min(max(right, x0 + 4), width))
    y1 = int(min(max(bottom, y0 + 4), height))
    return rgb[y0:y1, x0:x1], np.array((x0, y0))


def _small_grey(crop: np.ndarray) -> np.ndarray:
    """The crop in grey, reduced to 64 px."""
    import cv2

    height, width = crop.shape[:2]
    side = max(width, height)
    # Grey first: reducing one channel costs a third of reducing three. Then a whole factor, which
    # is much quicker.
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    factor = side // _CROP_PX
    if factor > 1:
        columns = width // factor
        rows = height // factor
        bottom = rows * factor
        right = columns * factor
        whole = grey[:bottom, :right]
        grey = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    columns = max(8, _CROP_PX * width // side)
    rows = max(8, _CROP_PX * height // side)
    how = cv2.INTER_AREA if side > _CROP_PX else cv2.INTER_LINEAR
    return cv2.resize(grey, (columns, rows), interpolation=how)


def _sharpness(grey: np.ndarray) -> float:
    import cv2

    edges = cv2.Laplacian(grey, cv2.CV_32F)
    _, edge_sd = cv2.meanStdDev(edges)
    _, grey_sd = cv2.meanStdDev(grey)
    # The 6 grey levels stand for noise: a dark picture must not count as sharp because of it.
    noisy = grey_sd[0, 0] ** 2 + 36.0
    sharpness = edge_sd[0, 0] ** 2 / noisy
    return float(sharpness)


def _spot_colours(crop: np.ndarray, spots: np.ndarray) -> np.ndarray:
    """Mean colours ``(K, 3)`` of crosses of five pixels around spots ``(K, 2)`` in the crop."""
    height, width = crop.shape[:2]
    limits = (width - 2, height - 2)
    inside = np.minimum(np.maximum(spots.astype(int), 1), limits)
    column, row = inside.T
    rows = row + _CROSS[:, :1]
    columns = column + _CROSS[:, 1:]
    around = crop[rows, columns]
    total: np.ndarray = np.add.reduce(around, axis=0, dtype=np.float32)
    return total / len(_CROSS)


def pixel_row(rgb: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
    """What needs the picture, for one face: sharpness, light, clipped share, then colours of skin
    spots ``(K * 3,)``.

    Reads a crop of the face that is reduced to 64 px, so that it costs the same for every picture.
    """
    import cv2

    crop, corner = _crop(rgb, landmarks_px)
    grey = _small_grey(crop)
    mean, _ = cv2.meanStdDev(grey)
    light = float(mean[0, 0]) / 255
    n_clipped = np.count_nonzero(grey >= 250)
    clipped = float(n_clipped) / grey.size
    spots = landmarks_px[_SPOTS, :2] - corner
    colours = _spot_colours(crop, spots)
    numbers = [_sharpness(grey), light, clipped]
    return np.concatenate([numbers, colours.ravel()], dtype=np.float32)


def _tones(pixels: np.ndarray) -> np.ndarray:
    """Chroma and brightness ``(T, K, 3)`` of the spots less the frame's median skin."""
    values = pixels[:, 3:]
    spots = values.reshape(len(pixels), -1, 3)
    colours = np.log(spots + 12.0)
    red = colours[..., 0]
    green = colours[..., 1]
    blue = colours[..., 2]
    brightness = 0.35 * colours.mean(axis=2)
    red_green = red - green
    blue_green = blue - green
    tone = np.stack([red_green, blue_green, brightness], axis=2)
    # The median skin of the frame takes the light out; what covers less than half of the spots
    # stands out.
    usual = np.median(tone, axis=1, keepdims=True)
    return tone - usual


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
        tone = _tones(pixels)
        odd = np.linalg.norm(tone, axis=2) > 0.30
        if self._usual is not None:
            change = tone - self._usual
            odd &= np.linalg.norm(change, axis=2) > 0.22
        share: np.ndarray = odd.mean(axis=1)
        clean = frontal & (share < 0.25)
        if clean.sum() >= 5:
            self._learn(tone[clean])
        return share

    def _learn(self, tone: np.ndarray) -> None:
        usual = np.median(tone, axis=0)
        if self._usual is not None:
            usual = self._usual + 0.2 * (usual - self._usual)
        self._usual = usual


def ramp(values: np.ndarray, bad: float, good: float) -> np.ndarray:
    """0 at ``bad``, 1 at ``good``, straight in between."""
    share = (values - bad) / (good - bad)
    return np.clip(share, 0.0, 1.0)


def judge(
    face_px: np.ndarray,
    pixels: np.ndarray,
    pose: np.ndarray,
    occlusion: np.ndarray,
    settings: QualitySettings,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Quality of every row, and whether it can be measured.

    Args:
        face_px: width of the face ``(T,)`` in pixels.
        pixels: rows ``(T, N_PIXEL_VALUES)`` of :func:`pixel_row`.
        pose: yaw, pitch, roll ``(T, 3)`` in degrees.
        occlusion: share of covered skin ``(T,)``.
        settings: from where on a face is not measurable.

    Returns:
        Quality columns ``(T,)`` by name, and per row 0 or 1 + the index into ``REASONS`` of what
        forbids measuring.
    """
    s = settings
    sharpness, light, clipped = pixels[:, :3].astype(float).T
    blur = 1.0 / (1.0 + sharpness)
    yaw = np.abs(pose[:, 0])
    pitch = np.abs(pose[:, 1])
    quality = ramp(face_px, s.min_face_px / 2, s.good_face_px)
    quality *= ramp(light, s.min_light / 2, s.good_light)
    quality *= ramp(clipped, 1.0, 0.05)
    quality *= ramp(blur, 1.0, s.good_blur)
    quality *= ramp(yaw, 90.0, 15.0)
    quality *= 1.0 - occlusion
    columns = {
        "face_size": face_px,
        "blur": blur,
        "light": light,
        "occlusion": occlusion,
        "quality": quality,
    }
    too_far_aside = yaw > s.max_yaw_deg
    too_turned = too_far_aside | (pitch > s.max_pitch_deg)
    # From the last reason to the first: the first one that fits is given.
    code = np.zeros(len(face_px), np.uint8)
    code[occlusion > s.max_occlusion] = _CODE["partly covered"]
    code[too_turned] = _CODE["turned away"]
    code[blur > s.max_blur] = _CODE["too blurred"]
    code[clipped > s.max_clipped] = _CODE["too bright"]
    code[light < s.min_light] = _CODE["too dark"]
    code[face_px < s.min_face_px] = _CODE["face too small"]
    return columns, code

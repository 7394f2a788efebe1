"""Aligned face crops: a similarity transform from landmarks to a template, and the crop it gives.

``arcface``: the five-point template of Deng et al., ArcFace (CVPR 2019) on 112 x 112 px, as in
InsightFace's public alignment: eye middles, nose tip, mouth corners. ``mesh``: eye middles and chin
so that the whole face, forehead to chin, stays in the picture.
"""

from __future__ import annotations

import numpy as np

from twomind.features.face.head import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS

#: Pixels on a square of 112: person's right eye, left eye, nose tip, right mouth corner, left mouth
#: corner.
ARCFACE_112 = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
#: Pixels on a square of 112: person's right eye, left eye, chin.
MESH_112 = np.array([(36.0, 46.0), (76.0, 46.0), (56.0, 106.0)])
TEMPLATES = {"arcface": ARCFACE_112, "mesh": MESH_112}
_IRISES = [468, 473]
_NOSE_TIP_AND_MOUTH_CORNERS = [4, 61, 291]
_CHIN = [152]


def _middle(landmarks_px: np.ndarray, points: tuple[int, ...]) -> np.ndarray:
    return landmarks_px[list(points), :2].mean(axis=0)


def anchors(landmarks_px: np.ndarray, template: str = "arcface") -> np.ndarray:
    """The template's points ``(K, 2)`` on a face with landmarks ``(478, 3)``; eye middles are the
    irises.
    """
    if template == "arcface":
        eyes = landmarks_px[_IRISES, :2]
        return np.vstack([eyes, landmarks_px[_NOSE_TIP_AND_MOUTH_CORNERS, :2]])
    if template == "mesh":
        right = _middle(landmarks_px, RIGHT_EYE_CORNERS)
        left = _middle(landmarks_px, LEFT_EYE_CORNERS)
        chin = landmarks_px[_CHIN, :2]
        return np.vstack([right, left, chin])
    raise ValueError(f"anchors: expected a template among {', '.join(TEMPLATES)}, got {template!r}")


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least-squares similarity ``(2, 3)`` (scale, rotation, shift) that maps ``source (K, 2)``
    to ``target``.

    Umeyama (PAMI 1991), no reflection.
    """
    source = np.asarray(source, float)
    target = np.asarray(target, float)
    middle = source.mean(axis=0)
    aim = target.mean(axis=0)
    z = _complex(source - middle)
    w = _complex(target - aim)
    spread = float((np.abs(z) ** 2).sum())
    if spread <= 0:
        raise ValueError("similarity: expected at least two different source points")
    # In the plane, scale and rotation are one complex factor.
    together = (w * z.conj()).sum()
    factor = complex(together / spread)
    cosine = factor.real
    sine = factor.imag
    turn = np.array([[cosine, -sine], [sine, cosine]])
    shift = aim - turn @ middle
    return np.column_stack([turn, shift])


def _complex(points: np.ndarray) -> np.ndarray:
    """Points ``(K, 2)`` of the plane as complex numbers ``(K,)``."""
    return points[:, 0] + 1j * points[:, 1]


def transform(
    landmarks_px: np.ndarray, size_px: int = 112, template: str = "arcface"
) -> np.ndarray:
    """The ``(2, 3)`` transform from the picture to an aligned square.

    Args:
        landmarks_px: of one face ``(478, 3)``.
        size_px: side of the square.
        template: ``arcface`` or ``mesh``.
    """
    points = TEMPLATES[template] * (size_px / 112)
    return similarity(anchors(landmarks_px, template), points)


def aligned(
    rgb: np.ndarray, landmarks_px: np.ndarray, size_px: int = 112, template: str = "arcface"
) -> np.ndarray:
    """The aligned crop of a face; outside the picture is black.

    Args:
        rgb: the picture ``(H, W, 3)`` uint8.
        landmarks_px: of the face ``(478, 3)``.
        size_px: side of the crop.
        template: ``arcface`` or ``mesh``.

    Returns:
        Pixels ``(size_px, size_px, 3)`` uint8.
    """
    import cv2

    matrix = transform(landmarks_px, size_px, template)
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if shrink < 0.5:  # a plain bilinear warp would skip pixels
        step = int(1 / shrink)
        scale = 1 / step
        rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        # Pixel centres lie at half pixels: (x + .5) / step - .5.
        moved = (landmarks_px + 0.5) / step - 0.5
        matrix = transform(moved, size_px, template)
    square = (size_px, size_px)
    crop: np.ndarray = cv2.warpAffine(rgb, matrix, square, flags=cv2.INTER_LINEAR)
    return crop

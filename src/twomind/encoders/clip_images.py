"""One picture as CLIP wants it: exactly what transformers' ``CLIPImageProcessor`` gives, with
Pillow and numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.core.errors import BadInput, MissingExtra


@dataclass(frozen=True)
class Preprocessing:
    """Shortest side to ``size_px`` (bicubic, antialiased), centre crop, scaled to 0..1, then mean
    and deviation.
    """

    size_px: int = 224
    mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """``rgb (H, W, 3)`` uint8 → ``(3, S, S)`` float32.

        Raises:
            BadInput: not such a picture.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
            raise BadInput(f"picture: expected (H, W, 3) uint8 RGB, got {rgb.shape} {rgb.dtype}")
        scaled = resize(rgb, self.size_px)
        height, width = scaled.shape[:2]
        top = (height - self.size_px) // 2
        left = (width - self.size_px) // 2
        crop = scaled[top : top + self.size_px, left : left + self.size_px]
        values = crop.astype(np.float32) * np.float32(1 / 255)
        mean = np.array(self.mean, np.float32)
        std = np.array(self.std, np.float32)
        normed = (values - mean) / std
        return np.ascontiguousarray(normed.transpose(2, 0, 1))


def resize(rgb: np.ndarray, shortest_px: int) -> np.ndarray:
    """``rgb (H, W, 3)`` with its shortest side at ``shortest_px``, Pillow's bicubic."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("clip", "preparing pictures for CLIP") from error
    height, width = rgb.shape[:2]
    short, long = min(height, width), max(height, width)
    other = int(shortest_px * long / short)
    size = (shortest_px, other) if width <= height else (other, shortest_px)
    if size == (width, height):
        return rgb
    scaled = Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(scaled)

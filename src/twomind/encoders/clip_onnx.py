"""The image tower in ONNX Runtime: exported once into the user's cache, and compared with torch
before it is used.
"""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twomind.core.errors import MissingExtra, MissingWeights
from twomind.core.store import default_root, replacing
from twomind.encoders.encoder import Images
from twomind.encoders.onnx_session import open_session

if TYPE_CHECKING:
    from twomind.encoders.clip_towers import Tower

#: Largest difference to torch, relative to the largest value, at which the export is used.
#: Measured: about 1e-6.
MAX_DEVIATION = 1e-4
_NEEDED_FOR = "running CLIP in ONNX Runtime"


def onnx_images(tower: Tower, size_px: int, fingerprint: str, cache: Path | None = None) -> Images:
    """The image tower on arrays: ``(n, 3, S, S)`` → ``(n, D)`` float32.

    Args:
        tower: the frozen image tower.
        size_px: side of a picture.
        fingerprint: of its weights; names the export.
        cache: where the export is kept; the store's folder by default.

    Raises:
        MissingExtra: onnxruntime or onnx is not installed.
        MissingWeights: the export does not agree with torch.
    """
    if importlib.util.find_spec("onnxruntime") is None or importlib.util.find_spec("onnx") is None:
        raise MissingExtra("clip", _NEEDED_FOR)
    path = (cache or default_root()) / "onnx" / f"{fingerprint[:40]}-{size_px}.onnx"
    fresh = not path.is_file()
    if fresh:
        _export(tower, size_px, path)
    session = open_session(path, _NEEDED_FOR)

    def images(pixels: np.ndarray) -> np.ndarray:
        (rows,) = session.run(None, {"pixels": np.ascontiguousarray(pixels, np.float32)})
        return np.asarray(rows)

    if not fresh:
        return images
    off = deviation(tower, size_px, images)
    if off > MAX_DEVIATION:
        path.unlink()
        raise MissingWeights(
            f"the ONNX export differs from torch by {off:.1e}, more than {MAX_DEVIATION:.0e}"
        )
    return images


def deviation(tower: Tower, size_px: int, images: Images) -> float:
    """Largest difference of ``images`` to torch on noise, relative to the largest value.

    Args:
        tower: the image tower, which runs in torch here.
        size_px: side of a picture.
        images: the same tower in another runtime.
    """
    from twomind.encoders.clip_towers import torch_images

    noise = np.random.default_rng(0).normal(size=(2, 3, size_px, size_px))
    pixels = noise.astype(np.float32)
    wanted = torch_images(tower)(pixels)
    largest = np.abs(images(pixels) - wanted).max()
    return float(largest / np.abs(wanted).max())


def _export(tower: Tower, size_px: int, path: Path) -> None:
    import torch

    from twomind.encoders.clip_towers import image_features

    class Images(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return image_features(tower, pixels)

    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Images().eval(),
            (torch.zeros(2, 3, size_px, size_px),),
            str(temporary),
            input_names=["pixels"],
            output_names=["rows"],
            dynamic_axes={"pixels": {0: "n"}, "rows": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )

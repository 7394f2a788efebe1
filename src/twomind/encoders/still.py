"""Networks that look at single pictures (ResNet, ViT, DINOv2, CLIP, SigLIP) as encoders of a film: one
row per picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twomind.core.errors import MissingWeights

#: Families that look at several pictures at once.
VIDEO_FAMILIES = ("videomae", "vivit", "timesformer", "vjepa2")
#: Pictures that are encoded together.
TOGETHER = 16
#: Mean and deviation of ImageNet's pictures, per colour.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
#: Side of a crop as it is kept, and of what a network sees of it, where its config names no size.
KEPT_PX, SEEN_PX = 124, 112


def looks_at_single_pictures(config: Mapping[str, Any]) -> bool:
    """Whether a network of this ``config.json`` takes pictures one by one."""
    return config.get("model_type") not in VIDEO_FAMILIES and "num_frames" not in config


def width_of(config: Mapping[str, Any]) -> int | None:
    """Length of one row, by a network's ``config.json``; None where it does not say."""
    vision = config.get("vision_config")
    inner = vision if isinstance(vision, Mapping) else config
    sizes = inner.get("hidden_sizes")
    candidates = [inner.get("hidden_size"), inner.get("dim")]
    if isinstance(sizes, Sequence) and sizes:
        candidates.append(sizes[-1])
    if inner is vision and candidates[0] is None:
        # CLIP leaves out what is as usual.
        candidates.append(768)
    return next((one for one in candidates if isinstance(one, int)), None)


def side_of(config: Mapping[str, Any], preprocessor: Mapping[str, Any]) -> int:
    """Pixels of a picture's side, by the picture processor, else by the network."""
    vision = config.get("vision_config")
    inner = vision if isinstance(vision, Mapping) else config
    for size in (preprocessor.get("crop_size"), preprocessor.get("size"), inner.get("image_size")):
        if isinstance(size, Mapping):
            size = size.get("height", size.get("shortest_edge"))
        if isinstance(size, Sequence) and not isinstance(size, str) and size:
            size = size[0]
        if isinstance(size, int):
            return size
    return 224


def seen_px(config: Mapping[str, Any]) -> int:
    """Side of the picture that a network of this ``config.json`` sees."""
    vision = config.get("vision_config")
    inner = vision if isinstance(vision, Mapping) else config
    size = inner.get("image_size")
    return size if isinstance(size, int) else SEEN_PX


def kept_px(config: Mapping[str, Any]) -> int:
    """Side of the crop from which that picture is cut: 124 for 112."""
    return round(seen_px(config) * KEPT_PX / SEEN_PX)


def scale_of(preprocessor: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation per colour ``(3,)``, by the picture processor, else ImageNet's."""
    mean = preprocessor.get("image_mean") or IMAGENET[0]
    sd = preprocessor.get("image_std") or IMAGENET[1]
    return np.array(mean, np.float32), np.array(sd, np.float32)


def rows_of(model: Any, pixels: np.ndarray, width: int) -> np.ndarray:
    """A row per picture ``(N, D)``: what the network pools itself, else its first token.

    Args:
        model: the network, or one that has it as ``vision_model``.
        pixels: pictures ``(N, 3, H, W)``, normalised.
        width: length of a row.

    Raises:
        MissingWeights: the network gives rows of another length.
    """
    import torch

    look = getattr(model, "vision_model", model)
    with torch.no_grad():
        out = look(pixel_values=torch.from_numpy(pixels))
    pooled = getattr(out, "pooler_output", None)
    rows = out.last_hidden_state[:, 0] if pooled is None else pooled
    flat: np.ndarray = rows.flatten(1).numpy()
    if flat.shape[1] != width:
        raise MissingWeights(
            f"video encoder: expected rows of {width} numbers by its config.json, got "
            f"{flat.shape[1]}; is this an encoder of pictures?"
        )
    return flat


def centre(crops: np.ndarray, px: int) -> np.ndarray:
    """The middle ``(N, px, px, 3)`` of crops ``(N, H, W, 3)``; smaller ones are repeated at the
    edges.
    """
    top, left = ((side - px) // 2 for side in crops.shape[1:3])
    if top < 0 or left < 0:
        missing = [(max(px - side, 0) + 1) // 2 for side in crops.shape[1:3]]
        around = [(0, 0), *((n, n) for n in missing), (0, 0)]
        return centre(np.pad(crops, around, mode="edge"), px)
    return crops[:, top : top + px, left : left + px]

"""The image tower of a CLIP that was fine-tuned as a whole: face crops to rows.

Its rows belong to one model, so the store does not keep them. Every method reads the same clips
again and again; a process remembers the rows of as many as fit into :data:`REMEMBERED_BYTES`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from twomind.core import device
from twomind.encoders.clip import batch_size, placed_images
from twomind.encoders.clip_images import Preprocessing
from twomind.encoders.clip_towers import Tower, image_tower
from twomind.encoders.encoder import Images

REMEMBERED_BYTES = 128 * 2**20
#: Names of the tower's weights begin with this, also in a saved model.
PREFIX = "visual."


@dataclass(frozen=True)
class ImageTower:
    """A tuned image tower, and how a picture is prepared for it."""

    tower: Tower
    prepare: Preprocessing
    _kept: dict[bytes, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, weights: Mapping[str, Any], settings: Mapping[str, Any]) -> ImageTower:
        """What :attr:`weights` and :attr:`settings` say.

        Args:
            weights: tensors by name; those of other parts are passed over.
            settings: heads, activation, and the preparation of a picture.
        """
        heads, activation = int(settings["n_heads"]), str(settings["activation"])
        given = settings["prepare"]
        mean, std = tuple(given["mean"]), tuple(given["std"])
        prepare = Preprocessing(int(given["size_px"]), mean, std)
        return cls(image_tower(weights, n_heads=heads, activation=activation), prepare)

    @property
    def weights(self) -> Mapping[str, Any]:
        return self.tower.weights

    @property
    def settings(self) -> dict[str, Any]:
        """Everything beside the weights, as plain values."""
        return {
            "n_heads": self.tower.n_heads,
            "activation": self.tower.activation,
            "prepare": asdict(self.prepare),
        }

    @cached_property
    def images(self) -> Images:
        """Prepared pictures → rows, where networks compute here."""
        import torch

        dtype = torch.bfloat16 if device.precision() == "bfloat16" else torch.float32
        return placed_images(self.tower, device.name_of(), dtype)

    def rows(self, pictures: np.ndarray) -> np.ndarray:
        """Rows ``(n, D)`` of RGB face crops ``(n, H, W, 3)`` uint8, not normalised."""
        if not len(pictures):
            return np.zeros((0, self.tower.dim), np.float32)
        pictures = np.ascontiguousarray(pictures)
        key = hashlib.blake2b(pictures.tobytes(), digest_size=16).digest()
        if key in self._kept:
            return self._kept[key]
        size = batch_size(self.tower, self.prepare.size_px)
        found = []
        for start in range(0, len(pictures), size):
            batch = [self.prepare(picture) for picture in pictures[start : start + size]]
            found.append(self.images(np.stack(batch)))
        rows = np.concatenate(found)
        used = sum(one.nbytes for one in self._kept.values())
        if used + rows.nbytes <= REMEMBERED_BYTES:
            self._kept[key] = rows
        return rows


__all__ = ["PREFIX", "ImageTower"]

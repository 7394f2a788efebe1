"""VGGish: one row of 128 numbers per moment of sound (Hershey et al., ICASSP 2017; weights
Apache-2.0).

Sound at 16 kHz becomes log-mel rows (64 bands, 125–7500 Hz, 25 ms every 10 ms), and the .96 s around a
moment pass the network; at the ends the first or last row is repeated. The weights are a folder with a
``config.json`` that says ``{"model_type": "vggish"}`` and a safetensors file under the names
``features.N.*`` and ``embeddings.N.*``: ``twomind weights import FILE.pth --as vggish`` makes one of the
published state dict. Widths are read from the shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twomind.core import device
from twomind.core.errors import MissingExtra, MissingWeights
from twomind.core.files import read_json
from twomind.core.store import content_hash
from twomind.encoders.pretrained import SAMPLE_RATE_HZ, find
from twomind.types import Track

if TYPE_CHECKING:
    from torch import Tensor

NAME = "vggish"
#: Places of the convolutions in the published list of layers; a pooling comes after those marked.
CONVOLUTIONS = {0: True, 3: True, 6: False, 8: True, 11: False, 13: True}
LINEARS = (0, 2, 4)
BANDS, PATCH = 64, 96
_WINDOW, _HOP, _FFT = 400, 160, 512
_LOW_HZ, _HIGH_HZ, _OFFSET = 125.0, 7500.0, 0.01
#: Patches that pass the network together.
_TOGETHER = 64


@dataclass(frozen=True)
class Vggish:
    """The network of a folder or hub id; ``offline`` forbids fetching it."""

    model: str
    offline: bool = False

    @cached_property
    def folder(self) -> Path:
        """Where its files lie.

        Raises:
            MissingWeights, Offline: it is no VGGish, or is not here.
        """
        folder = find("audio", self.model, self.offline)
        kind = read_json(folder / "config.json").get("model_type")
        if kind != NAME:
            raise MissingWeights(
                f"{folder}: expected a VGGish (config.json with model_type {NAME!r}), found {kind!r}; "
                "make one of the published file: twomind weights import FILE --as vggish"
            )
        return folder

    @cached_property
    def weights(self) -> Mapping[str, Tensor]:
        """Tensors by name.

        Raises:
            MissingWeights: one is missing.
        """
        try:
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        except ImportError as error:
            raise MissingExtra("torch", "VGGish") from error
        found: dict[str, Any] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                found |= load_file(str(path))
            except (SafetensorError, OSError) as error:
                raise MissingWeights(f"{path}: cannot be loaded: {error}") from error
        missing = [name for name in names() if name not in found]
        if missing:
            raise MissingWeights(f"{self.folder}: not a VGGish; missing: {', '.join(missing)}")
        place = device.chosen()
        return {name: found[name].float().to(place) for name in names()}

    @property
    def width(self) -> int:
        """Length of a row."""
        return int(self.weights[f"embeddings.{LINEARS[-1]}.weight"].shape[0])

    @cached_property
    def mark(self) -> str:
        """A hash of its files: other weights are another encoder."""
        each = [content_hash(path) for path in sorted(self.folder.glob("*.safetensors"))]
        return "|".join(each)


def names() -> list[str]:
    """Names of the tensors in the published layout."""
    layers = [f"features.{n}" for n in CONVOLUTIONS] + [f"embeddings.{n}" for n in LINEARS]
    return [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]


def log_mel(waveform: np.ndarray) -> np.ndarray:
    """Log-mel rows ``(T, 64)`` of a waveform ``(n,)`` at 16 kHz; row ``k`` is of the 25 ms from
    ``k * 10`` ms on. Too short a sound is padded with silence to one row.
    """
    values = np.asarray(waveform, np.float64)
    values = np.pad(values, (0, max(_WINDOW - len(values), 0)))
    n = 1 + (len(values) - _WINDOW) // _HOP
    at = np.arange(_WINDOW) + _HOP * np.arange(n)[:, None]
    turns = 2 * np.pi / _WINDOW * np.arange(_WINDOW)
    hann = 0.5 - 0.5 * np.cos(turns)
    loudness = np.abs(np.fft.rfft(values[at] * hann, _FFT))
    return np.asarray(np.log(loudness @ _mel_matrix() + _OFFSET), np.float32)


def _mel(hz: np.ndarray) -> np.ndarray:
    return np.asarray(1127.0 * np.log(1.0 + hz / 700.0))


def _mel_matrix() -> np.ndarray:
    """Share of each band in each bin of the spectrum ``(257, 64)``."""
    bins = _mel(np.linspace(0, SAMPLE_RATE_HZ / 2, _FFT // 2 + 1))
    low, high = _mel(np.array([_LOW_HZ, _HIGH_HZ]))
    edges = np.linspace(low, high, BANDS + 2)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    matrix = np.maximum(0.0, np.minimum(rising, falling))
    matrix[0] = 0.0
    return matrix


def patches(mel: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """The 96 rows around each time ``(N, 96, 64)``; times are of the waveform's clock."""
    middle = np.round((times_s * SAMPLE_RATE_HZ - _WINDOW / 2) / _HOP).astype(int)
    rows = middle[:, None] - PATCH // 2 + np.arange(PATCH)
    return np.asarray(mel[np.clip(rows, 0, len(mel) - 1)])


def encode_vggish(
    encoder: Vggish, waveform: np.ndarray, start_s: float, times_s: np.ndarray
) -> Track:
    """One row per moment.

    Args:
        encoder: the network.
        waveform: mono ``(n,)`` at 16 kHz.
        start_s: time of its first sample.
        times_s: moments ``(T,)``, for example of the frames of a film.
    """
    import torch

    found = [np.zeros((0, encoder.width), np.float32)]
    mel = log_mel(waveform)
    place = device.chosen()
    with torch.no_grad():
        for at in range(0, len(times_s), _TOGETHER):
            part = patches(mel, times_s[at : at + _TOGETHER] - start_s)
            rows = _rows(encoder.weights, torch.from_numpy(part).to(place))
            found.append(rows.cpu().numpy())
    values = np.concatenate(found)
    return Track(values, np.asarray(times_s, float), np.ones(len(values), bool))


def _rows(weights: Mapping[str, Tensor], patches: Tensor) -> Tensor:
    """Patches ``(N, 96, 64)`` → rows ``(N, 128)``."""
    from torch.nn import functional as F

    x = patches[:, None]
    for n, pooled in CONVOLUTIONS.items():
        layer = f"features.{n}"
        x = F.conv2d(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"], padding=1).relu()
        if pooled:
            x = F.max_pool2d(x, 2)
    # The published linear layers read the map with its channels last.
    x = x.permute(0, 2, 3, 1).flatten(1)
    for n in LINEARS:
        layer = f"embeddings.{n}"
        x = F.linear(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"]).relu()
    return x


__all__ = ["Vggish", "encode_vggish", "log_mel", "names", "patches"]

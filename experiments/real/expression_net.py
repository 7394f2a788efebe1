"""The small expression net of face-api (tfjs weights, MIT; what it was trained on is not stated) as
an encoder of faces. It is read from a folder outside the repository and is never shipped.

The weights are bytes with a scale and a minimum each; the net is four blocks of depthwise-separable
convolutions with additive skips, and a mean over space. The embedding is that mean, 256 numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from twomind.core.errors import BadInput, MissingWeights

MANIFEST = "face_expression_model-weights_manifest.json"
#: Side of the picture that the net looks at, px, and the colours that it takes off.
SIDE_PX = 112
_MEAN_RGB = (122.782, 117.001, 104.298)
CLASSES = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
#: A face's landmarks with this much of their larger side around them.
_ROOM = 1.2
N_VALUES = 256


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """All arrays by name, as the manifest lays them out in its files.

    Args:
        folder: with the manifest and the files that it names.

    Raises:
        MissingWeights: there is no manifest.
        BadInput: the files are longer or shorter than it says.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise MissingWeights(f"expected {MANIFEST} in {folder}")
    found = {}
    for group in json.loads(path.read_text(encoding="utf-8")):
        raw = b"".join((folder / name).read_bytes() for name in group["paths"])
        at = 0
        for entry in group["weights"]:
            n = int(np.prod(entry["shape"]))
            quantised = entry.get("quantization")
            kind = np.dtype(quantised["dtype"] if quantised else entry["dtype"]).newbyteorder("<")
            end = at + n * kind.itemsize
            values = np.frombuffer(raw[at:end], kind).astype(np.float32)
            if quantised:
                values = values * np.float32(quantised["scale"]) + np.float32(quantised["min"])
            found[entry["name"]] = values.reshape(entry["shape"])
            at = end
        if at != len(raw):
            raise BadInput(f"{folder}: expected {at} bytes of weights, got {len(raw)}")
    return found


class ExpressionNet:
    """The net, for pictures of one face.

    Args:
        weights: of :func:`read_weights`.
    """

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._weights = {}
        for name, values in weights.items():
            tensor = torch.from_numpy(np.ascontiguousarray(values))
            if name.endswith("depthwise_filter"):
                tensor = tensor.permute(2, 3, 0, 1)
            elif values.ndim == 4:
                tensor = tensor.permute(3, 2, 0, 1)
            self._weights[name] = tensor.contiguous()

    def embed(self, faces: np.ndarray) -> np.ndarray:
        """Embeddings ``(N, 256)`` of faces ``(N, 112, 112, 3)`` uint8 RGB."""
        with torch.no_grad():
            return self._embedded(faces).numpy()

    def probs(self, faces: np.ndarray) -> np.ndarray:
        """The net's own probabilities ``(N, 7)``, in the order of :data:`CLASSES`."""
        with torch.no_grad():
            logits = self._embedded(faces) @ self._weights["fc/weights"] + self._weights["fc/bias"]
            return torch.softmax(logits, dim=1).numpy()

    def _embedded(self, faces: np.ndarray) -> Tensor:
        x = torch.from_numpy(faces.astype(np.float32))
        x = (x - torch.tensor(_MEAN_RGB)) / 255
        x = x.permute(0, 3, 1, 2)
        for block in range(4):
            x = self._block(x, f"dense{block}")
        return x.mean(dim=(2, 3))

    def _block(self, x: Tensor, name: str) -> Tensor:
        first = self._convolved(x, f"{name}/conv0", stride=2)
        out = first.relu()
        total = out
        for k in (1, 2, 3):
            out = self._convolved(out, f"{name}/conv{k}", stride=1)
            total = total + out
            out = total.relu()
        return out

    def _convolved(self, x: Tensor, name: str, stride: int) -> Tensor:
        # As TensorFlow pads: of an odd number of rows, the larger half goes to the end.
        x = F.pad(x, (0, 1, 0, 1)) if stride == 2 else F.pad(x, (1, 1, 1, 1))
        bias = self._weights[f"{name}/bias"]
        if f"{name}/filters" in self._weights:
            return F.conv2d(x, self._weights[f"{name}/filters"], bias, stride)
        depthwise = self._weights[f"{name}/depthwise_filter"]
        deep = F.conv2d(x, depthwise, stride=stride, groups=len(depthwise))
        return F.conv2d(deep, self._weights[f"{name}/pointwise_filter"], bias)


def face_of(rgb: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
    """The face ``(112, 112, 3)`` cut out of a picture around its landmarks ``(478, 3)``."""
    import cv2

    low = landmarks_px[:, :2].min(axis=0)
    high = landmarks_px[:, :2].max(axis=0)
    middle = (low + high) / 2
    side = float((high - low).max()) * _ROOM
    scale = SIDE_PX / side
    shift = SIDE_PX / 2 - scale * middle
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    size = (SIDE_PX, SIDE_PX)
    border = cv2.BORDER_REPLICATE
    face: np.ndarray = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_AREA, borderMode=border)
    return face

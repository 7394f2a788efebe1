"""A recogniser on frozen embeddings: mean over time, optional normalisation with an affine, one
linear head.

What every test-time method can stand on: the encoder ran before (its embeddings are a track), the
rest is a few numbers. A CLIP-like zero-shot model is this one with ``unit=True``, the scaled text
rows as ``weight`` and no affine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twomind.core.errors import MissingExtra
from twomind.core.numbers import softmax
from twomind.types import Features, Prediction, Task

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "a recogniser on embeddings") from error


@dataclass(frozen=True)
class EmbeddingRecogniser:
    """``logits = norm(mean_t x_t) @ weight.T + bias`` on the track ``track`` with rows ``(D,)``.

    ``weights`` holds ``head.weight (C, D)``, ``head.bias (C,)`` and, where there is one, the affine
    of a layer normalisation ``norm.weight (D,)``, ``norm.bias (D,)``. ``unit`` scales the embedding
    to length 1. ``reader`` makes the embedding ``(D,)`` of a window where it is not the mean of a
    track; None when nothing was measured. ``network``, where there is one, is a module on the CPU
    from such rows ``(B, P)`` to embeddings ``(B, D)``, which a method may train a copy of; it is
    put into evaluation mode.
    """

    task: Task
    weights: Mapping[str, Tensor]
    track: str = "embedding"
    unit: bool = False
    drawn: bool = field(default=False)
    reader: Callable[[Features], np.ndarray | None] | None = None
    network: torch.nn.Module | None = None

    def __post_init__(self) -> None:
        if self.network is not None:
            self.network.eval()
        weight = self.weights["head.weight"]
        if weight.ndim != 2 or weight.shape[0] != len(self.task.classes):
            raise ValueError(
                f"head.weight: expected ({len(self.task.classes)}, D), got {tuple(weight.shape)}"
            )

    def params(self) -> Mapping[str, Tensor]:
        return self.weights

    def pooled(self, x: Features) -> np.ndarray | None:
        """The embedding ``(D,)``: :meth:`inputs`, through the network if there is one; None when
        there is nothing.
        """
        row = self.inputs(x)
        if row is None or self.network is None:
            return row
        with torch.no_grad():
            found: np.ndarray = self.network(torch.from_numpy(np.asarray(row, np.float32))[None])[
                0
            ].numpy()
        return found

    def inputs(self, x: Features) -> np.ndarray | None:
        """The row of a window: of ``reader``, else the mean of the valid rows; None when there is
        nothing.
        """
        if self.reader is not None:
            return self.reader(x)
        track = x.tracks.get(self.track)
        if track is None or not track.valid.any():
            return None
        return np.asarray(track.values[track.valid], np.float32).mean(axis=0)

    def run(
        self, xs: Sequence[Features], params: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embedding ``(B, D)`` and logits ``(B, C)``; every window must have a valid row."""
        weights = {**self.weights, **(params or {})}
        rows = [row for x in xs if (row := self.pooled(x)) is not None]
        if len(rows) < len(xs):
            raise ValueError(
                f"run: a window has no valid row in the track {self.track!r}; ask predict instead"
            )
        z = self.normed(torch.from_numpy(np.stack(rows)), weights)
        weight, bias = self.head(weights)
        return z, z @ weight.T + bias

    def normed(self, z: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        """Rows ``(B, D)`` after the layer normalisation and the scaling to length 1, where the
        model has them.
        """
        weights = {**self.weights, **(params or {})}
        if "norm.weight" in weights:
            z = F.layer_norm(z, z.shape[-1:], weights["norm.weight"], weights["norm.bias"])
        return F.normalize(z, dim=-1) if self.unit else z

    def head(self, params: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        weights = {**self.weights, **(params or {})}
        weight = weights["head.weight"]
        return weight, weights.get("head.bias", weight.new_zeros(len(weight)))

    def predict(self, x: Features) -> Prediction:
        if self.pooled(x) is None:
            why = x.notes.get(self.track, f"no valid row of {self.track} in this window")
            return Prediction.not_measured(x.span_s, len(self.task.classes), why)
        with torch.no_grad():
            _, logits = self.run([x])
        return from_logits(x, logits[0])


def from_logits(x: Features, logits: Any) -> Prediction:
    """The prediction of one window from its logits ``(C,)`` (a tensor or an array)."""
    values = np.asarray(logits.detach().cpu() if hasattr(logits, "detach") else logits, np.float64)
    return Prediction(x.span_s, softmax(values), logits=values)

"""A recogniser on frozen embeddings: mean over time, optional normalisation with an affine, one
linear head.

What every test-time method can stand on: the encoder ran before (its embeddings are a track), the
rest is a few numbers. A CLIP-like zero-shot model is this one with ``unit=True``, the scaled text
rows as ``weight`` and no affine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.core.numbers import softmax
from twomind.core.store import read_arrays, write_arrays
from twomind.models.base import BaseModel, stated, task_from, write_card
from twomind.models.window_means import WindowMeans
from twomind.types import Features, Prediction, Task

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "a recogniser on embeddings") from error

FORMAT = "twomind.embedding/1"
FILE = "embedding.safetensors"
#: Settings that are saved as they are.
_PLAIN = ("track", "unit", "drawn")


@dataclass(frozen=True)
class EmbeddingRecogniser(BaseModel):
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
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.network is not None:
            self.network.eval()
        weight = self.weights["head.weight"]
        if weight.ndim != 2 or weight.shape[0] != len(self.task.classes):
            raise ValueError(
                f"head.weight: expected ({len(self.task.classes)}, D), got {tuple(weight.shape)}"
            )

    @property
    def name(self) -> str:
        return "embedding"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tracks of the reader, else the one track."""
        if isinstance(self.reader, WindowMeans):
            return self.reader.tracks
        return (self.track,)

    @property
    def synthetic(self) -> bool:
        return self.drawn

    # --- its weights as an argument

    def params(self) -> Mapping[str, Tensor]:
        return self.weights

    def run(
        self, xs: Sequence[Features], params: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Embedding ``(B, D)`` and logits ``(B, C)``; every window must have a valid row."""
        weights = self._with(params)
        rows = []
        for x in xs:
            row = self.pooled(x)
            if row is None:
                raise ValueError(
                    f"run: a window has no valid row in the track {self.track!r}; ask predict "
                    "instead"
                )
            rows.append(row)
        z = self.normed(torch.from_numpy(np.stack(rows)), weights)
        weight, bias = self.head(weights)
        return z, z @ weight.T + bias

    def head(self, params: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        weights = self._with(params)
        weight = weights["head.weight"]
        no_bias = weight.new_zeros(len(weight))
        return weight, weights.get("head.bias", no_bias)

    def normed(self, z: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        """Rows ``(B, D)`` after the layer normalisation and the scaling to length 1, where the
        model has them.
        """
        weights = self._with(params)
        if "norm.weight" in weights:
            weight, bias = (weights[name].to(z.device) for name in ("norm.weight", "norm.bias"))
            z = F.layer_norm(z, z.shape[-1:], weight, bias)
        return F.normalize(z, dim=-1) if self.unit else z

    def _with(self, params: Mapping[str, Tensor] | None) -> Mapping[str, Tensor]:
        return {**self.weights, **(params or {})}

    # --- a window

    def pooled(self, x: Features) -> np.ndarray | None:
        """The embedding ``(D,)``: :meth:`row`, through the network if there is one; None when
        there is nothing.
        """
        row = self.row(x)
        if row is None or self.network is None:
            return row
        batch = torch.from_numpy(np.asarray(row, np.float32))[None]
        with torch.no_grad():
            found: np.ndarray = self.network(batch)[0].numpy()
        return found

    def row(self, x: Features) -> np.ndarray | None:
        """The row of a window: of ``reader``, else the mean of the valid rows; None when there is
        nothing.
        """
        if self.reader is not None:
            return self.reader(x)
        track = x.tracks.get(self.track)
        if track is None or not track.valid.any():
            return None
        return np.asarray(track.values[track.valid], np.float32).mean(axis=0)

    def predict(self, x: Features) -> Prediction:
        if self.pooled(x) is None:
            why = x.notes.get(self.track, f"no valid row of {self.track} in this window")
            return Prediction.not_measured(x.span_s, len(self.task.classes), why)
        with torch.no_grad():
            _, logits = self.run([x])
        return from_logits(x, logits[0])

    # --- on disk

    def save(self, folder: Path) -> Path:
        """Write weights and settings, and ``card.json``.

        Raises:
            BadInput: it has a network, or a reader that cannot be written down.
        """
        reader = self.reader
        is_code = reader is not None and not isinstance(reader, WindowMeans)
        if is_code or self.network is not None:
            raise BadInput(
                "embedding: a network, or a reader other than WindowMeans, is code and is not "
                "saved; make it again, and give it the weights"
            )
        meta = {
            "format": FORMAT,
            "task": asdict(self.task),
            "reader": asdict(reader) if isinstance(reader, WindowMeans) else None,
            "card": dict(self.card),
            **{name: getattr(self, name) for name in _PLAIN},
        }
        arrays = {name: value.detach().numpy() for name, value in self.weights.items()}
        path = write_arrays(folder / FILE, arrays, meta)
        write_card(folder, "embedding", self.card, [FILE], self.drawn)
        return path

    @classmethod
    def load(cls, folder: Path | None = None, /) -> EmbeddingRecogniser:
        """A model from a folder written by :meth:`save`. None ships: it must be named.

        Raises:
            BadInput: there is none, or it is damaged.
        """
        if folder is None or not (folder / FILE).is_file():
            place = "embedding" if folder is None else str(folder)
            raise BadInput(f"{place}: expected the folder of a saved model ({FILE})")
        arrays, meta = read_arrays(folder / FILE)
        if meta.get("format") != FORMAT:
            raise BadInput(f"{folder}: expected the format {FORMAT!r}, got {meta.get('format')!r}")
        weights = {name: torch.from_numpy(value) for name, value in arrays.items()}
        settings = {name: meta[name] for name in _PLAIN}
        return cls(
            task_from(meta["task"]),
            weights,
            reader=_reader_from(meta["reader"]),
            card=stated(meta["card"], meta["drawn"]),
            **settings,
        )


def _reader_from(entry: Mapping[str, Any] | None) -> WindowMeans | None:
    if entry is None:
        return None
    names, mean, sd = (tuple(entry[name]) for name in ("names", "mean", "sd"))
    return WindowMeans(names, mean, sd, entry["face"])


def from_logits(x: Features, logits: Any) -> Prediction:
    """The prediction of one window from its logits.

    Args:
        x: the window.
        logits: ``(C,)``, a tensor or an array.

    Returns:
        Their softmax, over the span of the window.

    Example:
        >>> import numpy as np
        >>> from twomind.models.embedding import from_logits
        >>> from twomind.types import Features
        >>> from_logits(Features("a1", "anna", {}, (0.0, 1.0)), np.array([1.0, 1.0])).probs.tolist()
        [0.5, 0.5]
    """
    given = logits.detach().cpu() if hasattr(logits, "detach") else logits
    values = np.asarray(given, np.float64)
    return Prediction(x.span_s, softmax(values), logits=values)


PLUGIN = EmbeddingRecogniser

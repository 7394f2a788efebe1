"""A line on the mean of the face's measures, with weights that a method may move. torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from twomind.types import AMBIVALENCE, Features, Prediction, Task

COLUMNS = ("AU01", "AU12", "AU26")


class FaceLine:
    """``logits = means @ weight.T + bias`` on three columns of the track ``face``."""

    task: Task = AMBIVALENCE
    inputs = ("face",)
    locates = (False, "somebody else never looked")

    def __init__(self, weights: Mapping[str, Tensor] | None = None) -> None:
        rows = torch.tensor([[-1.0, 0.5, 0.2], [1.0, -0.5, -0.2]])
        self.weights = dict(weights or {"line.weight": rows, "line.bias": torch.zeros(2)})
        self.card = {
            "name": "face-line",
            "population": "synthetic people of somebody else",
            "licence": "CC0",
            "not_for": "anything but showing that a model can come from elsewhere",
            "synthetic": True,
        }

    def means(self, x: Features) -> np.ndarray | None:
        face = x.tracks.get("face")
        if face is None or not face.valid.any():
            return None
        columns = [face.column(name)[face.valid] for name in COLUMNS]
        return np.array([np.nanmean(column) for column in columns], np.float32)

    def predict(self, x: Features) -> Prediction:
        if self.means(x) is None:
            return Prediction.not_measured(x.span_s, 2, "no face was measured")
        logits = self.run([x])[1][0].detach().numpy().astype(float)
        e = np.exp(logits - logits.max())
        return Prediction(x.span_s, e / e.sum(), logits=logits)

    def params(self) -> Mapping[str, Tensor]:
        return self.weights

    def run(
        self, xs: Sequence[Features], params: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        rows = [self.means(x) for x in xs]
        if any(row is None for row in rows):
            raise ValueError("a window has no face; ask predict instead")
        z = torch.from_numpy(np.stack(rows))
        weight, bias = self.head(params)
        return z, z @ weight.T + bias

    def head(self, params: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        weights = {**self.weights, **(params or {})}
        return weights["line.weight"], weights["line.bias"]

    def save(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: value.tolist() for name, value in self.weights.items()}
        (folder / "line.json").write_text(json.dumps(arrays), encoding="utf-8")
        path = folder / "card.json"
        path.write_text(json.dumps({"recogniser": "face-line", **self.card}), encoding="utf-8")
        return path

    @classmethod
    def load(cls, folder: Path | None = None, /) -> FaceLine:
        if folder is None:
            return cls()
        arrays = json.loads((folder / "line.json").read_text(encoding="utf-8"))
        return cls({name: torch.tensor(value) for name, value in arrays.items()})

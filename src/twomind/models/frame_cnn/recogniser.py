"""A recogniser that looks at the middle picture of a window: a fine-tuned frame network and a linear
head.

The visual baseline of the personalised table of BAH. It carries its network, so a method can train a
person's own copy of it (``scope=network``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twomind.core.errors import BadInput
from twomind.core.store import Store, read_arrays, write_arrays
from twomind.encoders.still import centre, kept_px
from twomind.models.base import BaseModel, task_from, write_card
from twomind.models.dsfda.crops import TRACK, with_crops
from twomind.models.embedding import from_logits
from twomind.models.frame_cnn.net import FrameNet, from_config
from twomind.types import Features, Prediction, Recording, Task

FORMAT = "twomind.frame-cnn/1"
FILE = "frame-cnn.safetensors"
_HEAD = ("head.weight", "head.bias")
_NET = "net."
#: Pictures that pass the network together.
TOGETHER = 64


@dataclass(frozen=True)
class FrameCnn(BaseModel):
    """``logits = net(crop) @ weight.T + bias`` of the middle crop of a window.

    ``config`` is the backbone's ``config.json``; ``head`` are ``weight (C, D)`` and ``bias (C,)``.
    """

    task: Task
    network: FrameNet
    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    hop_s: float = 1 / 24
    drawn: bool = False
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.network.eval()

    @property
    def name(self) -> str:
        return "frame-cnn"

    @property
    def inputs(self) -> tuple[str, ...]:
        return (TRACK,)

    @property
    def synthetic(self) -> bool:
        return self.drawn

    @property
    def width(self) -> int:
        """Length of a row."""
        return self.network.width

    # --- its weights as an argument

    def params(self) -> Mapping[str, Tensor]:
        own = {_NET + name: value for name, value in self.network.state_dict().items()}
        return own | dict(self.weights)

    def run(
        self, xs: Sequence[Features], params: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Rows ``(B, D)`` and logits ``(B, C)`` of windows that show a face."""
        rows = [self.row(x) for x in xs]
        if any(row is None for row in rows):
            raise ValueError("run: a window has no face crop; ask predict instead")
        pictures = torch.from_numpy(np.stack([row for row in rows if row is not None]))
        own = {}
        for name, value in (params or {}).items():
            if name.startswith(_NET):
                own[name.removeprefix(_NET)] = value
        z = torch.func.functional_call(self.network, own, (pictures,))
        weight, bias = self.head(params)
        return z, z @ weight.T + bias

    def head(self, params: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        given = {**self.weights, **(params or {})}
        return given["head.weight"], given["head.bias"]

    def normed(self, z: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        """What the head reads of rows: the rows."""
        return z

    def row(self, x: Features) -> np.ndarray | None:
        """The pixels ``(3 * px * px,)`` uint8 of the middle crop; None where there is no face."""
        track = x.tracks.get(TRACK)
        known = np.flatnonzero(track.valid) if track is not None else np.zeros(0, int)
        if track is None or not len(known):
            return None
        middle = int(known[len(known) // 2])
        picture = centre(track.values[middle : middle + 1], self.network.px)
        return np.ascontiguousarray(picture, np.uint8).reshape(-1)

    def mirrored(self, rows: Tensor) -> Tensor:
        """The same pictures, left and right exchanged: another view of each ``(B, P)``."""
        px = self.network.px
        return rows.reshape(-1, px, px, 3).flip(2).reshape(len(rows), -1)

    def predict(self, x: Features) -> Prediction:
        if self.row(x) is None:
            why = x.notes.get(TRACK, "no face in this window")
            return Prediction.not_measured(x.span_s, len(self.task.classes), why)
        with torch.no_grad():
            _, logits = self.run([x])
        return from_logits(x, logits[0])

    def rows_of(self, crops: np.ndarray) -> np.ndarray:
        """Frozen features ``(N, D)`` of crops ``(N, H, W, 3)`` uint8."""
        pictures = torch.from_numpy(np.ascontiguousarray(centre(crops, self.network.px)))
        found = [np.zeros((0, self.width), np.float32)]
        place = next(self.network.parameters()).device
        with torch.no_grad():
            for part in pictures.flatten(1).split(TOGETHER):
                found.append(self.network(part.to(place)).cpu().numpy())
        return np.concatenate(found)

    def prepare(
        self, x: Features, recording: Recording, store: Store | None = None, offline: bool = False
    ) -> Features:
        """The features with the track of face crops, made from the recording; it is not kept."""
        self.refuse(x)
        return with_crops(x, recording, kept_px(self.config), self.hop_s)

    # --- on disk

    def save(self, folder: Path) -> Path:
        arrays = {name: value.detach().cpu().numpy() for name, value in self.params().items()}
        meta = {
            "format": FORMAT,
            "task": asdict(self.task),
            "config": dict(self.config),
            "hop_s": self.hop_s,
            "drawn": self.drawn,
            "card": dict(self.card),
            "shapes": {name: list(value.shape) for name, value in self.params().items()},
        }
        path = write_arrays(folder / FILE, {k: np.atleast_1d(v) for k, v in arrays.items()}, meta)
        write_card(folder, "frame-cnn", self.card, [FILE], self.drawn)
        return path

    @classmethod
    def load(cls, folder: Path | None = None, /) -> FrameCnn:
        """A model of a folder written by :meth:`save`. None ships: it must be named.

        Raises:
            BadInput: there is none, or it is damaged.
        """
        if folder is None or not (folder / FILE).is_file():
            place = "frame-cnn" if folder is None else str(folder)
            raise BadInput(
                f"{place}: expected the folder of a frame network ({FILE}); `twomind reproduce bah` "
                "makes one"
            )
        arrays, meta = read_arrays(folder / FILE)
        if meta.get("format") != FORMAT:
            raise BadInput(f"{folder}: expected the format {FORMAT!r}, got {meta.get('format')!r}")
        tensors = {}
        own = {}
        for name, value in arrays.items():
            tensor = torch.from_numpy(value.copy()).reshape(meta["shapes"][name])
            tensors[name] = tensor
            if name.startswith(_NET):
                own[name.removeprefix(_NET)] = tensor
        network = from_config(meta["config"])
        network.load_state_dict(own)
        network.requires_grad_(False)
        return cls(
            task_from(meta["task"]),
            network,
            meta["config"],
            {name: tensors[name] for name in _HEAD},
            float(meta["hop_s"]),
            bool(meta["drawn"]),
            meta["card"],
        )


PLUGIN = FrameCnn

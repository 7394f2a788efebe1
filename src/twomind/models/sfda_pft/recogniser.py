"""The recogniser that SFDA-PFT (arXiv 2508.09202) personalises: face crops through a ResNet-18, the
mean over frames, one linear layer.

It is read from published checkpoints (``twomind weights import --as sfda-pft``): the released
bottleneck and classifier are one linear layer, and the translator lies in its source summary, where
the method of the same name finds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.core.store import Store, read_arrays, write_arrays
from twomind.models.base import CARD, task_from, write_card
from twomind.models.dsfda.crops import TRACK, evenly, with_crops
from twomind.models.dsfda.recogniser import HOP_S, as_pictures
from twomind.models.one_track import OneTrack
from twomind.models.sfda_pft import net
from twomind.types import Features, Recording, Task

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtra("torch", "SFDA-PFT's recogniser") from error

FORMAT = "twomind.sfda_pft/1"
FILE = "sfda_pft.safetensors"
#: Before the names of the network, and of the summary, in a saved model.
_NET, _SUMMARY = "f.", "summary."


@dataclass(frozen=True)
class PftRecogniser(OneTrack):
    """``weights`` holds the network (:mod:`.net`) under ``f.`` and ``head.weight (K, 512)``,
    ``head.bias (K,)``; ``summary`` is what stands for the source people: the translator.
    """

    instead: ClassVar[str] = "Import a checkpoint of real people"

    task: Task
    weights: Mapping[str, Tensor]
    summary: Mapping[str, np.ndarray] = field(default_factory=dict)
    track: str = TRACK
    max_frames: int = 16  # of a window, evenly spaced
    drawn: bool = False
    allow_real: bool = False
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = {f"{_NET}{name}": shape for name, shape in net.shapes().items()}
        wanted["head.weight"] = (len(self.task.classes), net.DIM)
        wanted["head.bias"] = (len(self.task.classes),)
        for name, shape in wanted.items():
            got = tuple(self.weights[name].shape) if name in self.weights else ()
            if got != shape:
                raise ValueError(f"SFDA-PFT, {name}: expected {shape}, got {got or 'nothing'}")

    @property
    def name(self) -> str:
        return "sfda-pft"

    @property
    def crop_px(self) -> int:
        """Side of the face crops that it reads."""
        return net.PX

    def params(self) -> Mapping[str, Tensor]:
        return self.weights

    def run(
        self, xs: Sequence[Features], params: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean features of each window's frames ``(B, 512)``, and logits ``(B, K)``."""
        w = {**self.weights, **(params or {})}
        own = {}
        for name, value in w.items():
            if name.startswith(_NET):
                own[name.removeprefix(_NET)] = value
        found = []
        for x in xs:
            if self.absent(x):
                raise ValueError(
                    f"run: a window has no valid row in the track {self.track!r}; ask predict "
                    "instead"
                )
            track = x.tracks[self.track]
            rows = evenly(np.flatnonzero(track.valid), self.max_frames)
            pictures = as_pictures(track.values[rows], net.PX)
            found.append(net.features(own, net.prepared(pictures)).mean(dim=0))
        z = torch.stack(found)
        weight, bias = self.head(params)
        return z, z @ weight.T + bias

    def head(self, params: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        w = {**self.weights, **(params or {})}
        return w["head.weight"], w["head.bias"]

    def prepare(
        self, x: Features, recording: Recording, store: Store | None = None, offline: bool = False
    ) -> Features:
        self.refuse(x)
        return with_crops(x, recording, net.PX, HOP_S)

    def source_summary(self) -> dict[str, np.ndarray] | None:
        """The translator, where the checkpoint had one."""
        return dict(self.summary) or None

    def save(self, folder: Path) -> Path:
        meta = {
            "format": FORMAT,
            "task": asdict(self.task),
            "card": dict(self.card),
            "drawn": self.drawn,
        }
        arrays = {name: value.detach().numpy() for name, value in self.weights.items()}
        arrays |= {f"{_SUMMARY}{name}": value for name, value in self.summary.items()}
        path = write_arrays(folder / FILE, arrays, meta)
        write_card(folder, "sfda-pft", self.card, [FILE], self.drawn)
        return path

    @classmethod
    def load(cls, path: Path | None = None, /) -> PftRecogniser:
        """A model from a folder written by :meth:`save`.

        Raises:
            BadInput: there is none, or it is damaged.
        """
        wanted = f"expected a recogniser of SFDA-PFT ({FILE}); see `twomind weights import`"
        if path is None:
            raise BadInput(f"sfda-pft: {wanted}, and name its folder")
        folder = path.parent if path.name in (CARD, FILE) else path
        if not (folder / FILE).is_file():
            raise BadInput(f"{folder}: {wanted}")
        arrays, meta = read_arrays(folder / FILE)
        if meta.get("format") != FORMAT:
            raise BadInput(f"{folder}: expected {FORMAT}, got {meta.get('format')!r}")
        weights, summary = {}, {}
        for name, value in arrays.items():
            if name.startswith(_SUMMARY):
                summary[name.removeprefix(_SUMMARY)] = value
            else:
                weights[name] = torch.from_numpy(value.copy())
        drawn = bool(meta["drawn"])
        return cls(task_from(meta["task"]), weights, summary, drawn=drawn, card=meta["card"])


PLUGIN = PftRecogniser
__all__ = ["PLUGIN", "PftRecogniser"]

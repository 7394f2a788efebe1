"""Fine-tune a network of single pictures on the coded frames of source people, binary cross-entropy
per frame, as the visual baseline of BAH; the epoch is chosen by the average precision of frames of
validation people.

How the publication steps is not stated; here Adam with decoupled decay, and so many crops of a
recording as ``per_recording`` says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from twomind.core import device
from twomind.core.errors import BadInput
from twomind.encoders.pretrained import Encoder
from twomind.encoders.still import centre
from twomind.models.dsfda.crops import TRACK, evenly
from twomind.models.frame_cnn import net
from twomind.models.frame_cnn.recogniser import TOGETHER, FrameCnn
from twomind.training import loop
from twomind.types import Example, Features, Progress, Task

#: Of the loop; the device is where networks compute.
SETTINGS = loop.TrainSettings(
    epochs=10, batch=32, lr=1e-4, weight_decay=1e-4, patience=5, clip=5.0, smooth=1
)


@dataclass(frozen=True)
class Frames:
    """Coded crops ``(N, H, W, 3)`` uint8, their classes ``(N,)`` and whose they are."""

    crops: np.ndarray
    y: np.ndarray
    people: tuple[str, ...]
    drawn: bool = False

    def __len__(self) -> int:
        return len(self.y)


class _Headed(nn.Module):
    """The network with its head, as one module to train."""

    def __init__(self, network: net.FrameNet, n_classes: int) -> None:
        super().__init__()
        self.network = network
        self.head = nn.Linear(network.width, n_classes)

    def forward(self, rows: Tensor) -> Tensor:
        logits: Tensor = self.head(self.network(rows))
        return logits


@dataclass(frozen=True)
class Start:
    """What the training starts from, and what the model answers."""

    encoder: Encoder
    task: Task
    hop_s: float = 1 / 24


def fine_tuned(
    start: Start,
    train: Frames,
    val: Frames,
    settings: loop.TrainSettings | None = None,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> FrameCnn:
    """A network that was fine-tuned on frames.

    Args:
        start: which network, and the classes.
        train: coded frames of source people.
        val: coded frames of validation people, who choose the epoch; may be none.
        settings: how to train.
        keep: file that an interrupted training goes on from.
        progress: is told how far it is.

    Raises:
        BadInput: fewer than two classes among the frames.
        MissingWeights: there is no such network.
    """
    how = replace(settings or SETTINGS, device=device.name_of())
    if len(set(train.y.tolist())) < 2:
        raise BadInput(
            f"frame network: expected frames of at least two classes, got {len(train)} frames of "
            f"{len(set(train.y.tolist()))}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        module = _Headed(net.from_encoder(start.encoder), len(start.task.classes))
    goal = _Goal(train, val, module.network.px)
    mark = {
        "encoder": start.encoder.mark,
        "train": _mark(train),
        "val": _mark(val),
        "task": asdict(start.task),
    }
    done = loop.train(
        module,
        loop.Goal(len(train), goal.loss, goal.validate),
        how,
        mark=mark,
        checkpoint=keep,
        progress=progress,
    )
    module.to("cpu").eval().requires_grad_(False)
    selected_by = "average precision of training frames: there were no validation people"
    if len(val):
        selected_by = "average precision of frames of validation people"
    training: dict[str, Any] = {"settings": asdict(how)}
    training["n_frames"] = len(train)
    training["n_people"] = len(set(train.people))
    training["epochs"] = len(done.history)
    training["best_epoch"] = done.best_epoch
    training["selected_by"] = selected_by
    card = {"backbone": start.encoder.card(), "training": training}
    head = {"head.weight": module.head.weight.detach(), "head.bias": module.head.bias.detach()}
    drawn = train.drawn
    return FrameCnn(
        start.task, module.network, dict(start.encoder.config), head, start.hop_s, drawn, card
    )


def _mark(frames: Frames) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(frames.crops).tobytes())
    digest.update(frames.y.astype(np.int64).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Goal:
    """The loss on frames, and the figure that chooses the epoch."""

    train: Frames
    val: Frames
    px: int

    @property
    def held(self) -> Frames:
        """The frames by which the epoch is chosen."""
        return self.val if len(self.val) else self.train

    def loss(self, module: nn.Module, items: Sequence[int]) -> Tensor:
        which = list(items)
        if len(which) == 1:  # a batch of one has no deviation, which batch normalisation needs
            which *= 2
        crops = torch.from_numpy(self.train.crops[which])
        labels = self.train.y[which].astype(np.int64)
        place = next(module.parameters()).device
        rows = self._varied(crops)
        logits = module(rows.to(place))
        y = torch.from_numpy(labels)
        return loop.weighted_loss(logits, y.to(place))

    def _varied(self, crops: Tensor) -> Tensor:
        """A random cut of each crop, mirrored or not, flattened."""
        found = []
        for crop in crops:
            height, width = crop.shape[:2]
            top = self._drawn_start(height)
            left = self._drawn_start(width)
            cut = crop[top : top + self.px, left : left + self.px]
            mirrored = int(torch.randint(2, ()))
            if mirrored:
                cut = cut.flip(1)
            found.append(cut)
        return torch.stack(found).flatten(1)

    def _drawn_start(self, side: int) -> int:
        """Where a cut of a side begins."""
        most = max(side - self.px, 0)
        return int(torch.randint(most + 1, ()))

    def validate(self, module: nn.Module) -> Mapping[str, float]:
        logits = torch.cat(list(self._answers(module)))
        y = self.held.y.astype(np.int64)
        told = torch.from_numpy(y)
        loss = float(loop.weighted_loss(logits, told))
        absent = logits.softmax(-1)[:, 0]
        p = 1 - absent.numpy()
        present = (y > 0).astype(int)
        precision = loop.average_precision(present, p)
        score = precision if np.isfinite(precision) else -loss
        return {"loss_val": loss, "ap_frame": precision, "score": score}

    def _answers(self, module: nn.Module) -> Iterator[Tensor]:
        place = next(module.parameters()).device
        for at in range(0, len(self.held), TOGETHER):
            crops = centre(self.held.crops[at : at + TOGETHER], self.px)
            rows = torch.from_numpy(np.ascontiguousarray(crops)).flatten(1)
            yield module(rows.to(place)).float().cpu()


def frames_of(examples: Sequence[Example]) -> Frames:
    """Coded crops of windows: of each the middle one that shows a face.

    Args:
        examples: windows with the track of face crops; those without a face are left out.
    """
    crops, y, people = [], [], []
    for example in examples:
        track = example.x.tracks.get(TRACK)
        if track is None or not track.valid.any():
            continue
        known = np.flatnonzero(track.valid)
        middle = known[len(known) // 2]
        crops.append(track.values[middle])
        y.append(example.y)
        people.append(example.x.subject)
    drawn = bool(examples) and all(example.x.drawn for example in examples)
    if not crops:
        return Frames(np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, int), (), drawn)
    return Frames(np.stack(crops), np.array(y), tuple(people), drawn)


@dataclass(frozen=True)
class Thinned:
    """recording id → its features; of some recordings only so many crops, evenly spaced: what a model
    learns from, and is handed of source people, has to fit into memory. Picklable.
    """

    reading: Callable[[str], Features]
    some: frozenset[str]
    most: int

    def __call__(self, recording: str) -> Features:
        x = self.reading(recording)
        track = x.tracks.get(TRACK)
        if recording not in self.some or track is None:
            return x
        known = np.flatnonzero(track.valid)
        kept = track.rows(evenly(known, self.most))
        return replace(x, tracks={**x.tracks, TRACK: kept})


@lru_cache(maxsize=4)
def encoder_of(name: str) -> Encoder:
    """The backbone by folder or hub id."""
    return Encoder("video", name)


@dataclass(frozen=True)
class FrameCnnRecipe:
    """How a fold's frame network is made."""

    encoder: str
    hop_s: float = 1 / 24
    settings: loop.TrainSettings = field(default_factory=lambda: SETTINGS)

    @property
    def module(self) -> str:
        return __name__

    def mark(self) -> dict[str, Any]:
        return {**asdict(self), "weights": encoder_of(self.encoder).mark}

    def train(
        self,
        task: Task,
        source: Sequence[Example],
        held: Sequence[Example],
        folder: Path,
        progress: Progress | None,
    ) -> FrameCnn:
        """The model of one fold; its validation people choose the epoch."""
        start = Start(encoder_of(self.encoder), task, self.hop_s)
        keep = folder / "unfinished.safetensors"
        made = fine_tuned(start, frames_of(source), frames_of(held), self.settings, keep, progress)
        keep.unlink(missing_ok=True)
        return made

    def load(self, folder: Path) -> FrameCnn:
        return _loaded(folder)


@lru_cache(maxsize=2)
def _loaded(folder: Path) -> FrameCnn:
    """A fold's model, read once per process."""
    return FrameCnn.load(folder)


__all__ = ["SETTINGS", "FrameCnnRecipe", "Frames", "Start", "Thinned", "fine_tuned", "frames_of"]

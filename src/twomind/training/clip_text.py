"""Train the temporal transformer and the text adapter of a CLIP with class text; CLIP stays frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import device
from twomind.core.errors import BadInput, MissingExtra
from twomind.models.clip_text import parts
from twomind.models.clip_text.recogniser import SCALE, TEXT, ClipText, new_model, window_indices
from twomind.training import clip_au_folds
from twomind.training.tensors import copied, leaves, placed
from twomind.types import Example, Progress, Task

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "training CLIP with class text") from error


@dataclass(frozen=True)
class TrainSettings:
    """How to train. The publication's source training is not released: these are plain values, the
    same for every data set and chosen on none.
    """

    epochs: int = 10
    batch: int = 64  # windows
    per_clip: int = 8  # windows of a clip in an epoch, at random places
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    seed: int = 0


def train(
    model: ClipText,
    examples: Sequence[Example],
    settings: TrainSettings | None = None,
    progress: Progress | None = None,
) -> ClipText:
    """A trained copy of a zero-shot model.

    Args:
        model: where the text rows come from; it is not written to.
        examples: labelled clips of source people.
        settings: how to train.
        progress: is told how far it is.

    Raises:
        BadInput: fewer than two classes, or nothing that can be read.
    """
    settings = settings or TrainSettings()
    usable = [e for e in examples if not model.absent(e.x)]
    if len({e.y for e in usable}) < 2:
        raise BadInput(
            f"training: expected readable clips of at least two classes, got {len(usable)} clips"
        )
    place = device.chosen()
    w = leaves(placed(parts.new_weights(model.dim, settings.seed), place))
    text = model.weights[TEXT].to(place)
    trained = list(w.values())
    optimiser = torch.optim.AdamW(
        trained, lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    rows = [F.normalize(torch.from_numpy(model.frame_rows(e.x)), dim=-1) for e in usable]
    rng = np.random.default_rng(settings.seed)
    history: list[dict[str, float]] = []
    for epoch in range(settings.epochs):
        windows, y = _drawn(rows, [e.y for e in usable], model.frames, settings, rng)
        losses = []
        for i in torch.split(torch.from_numpy(rng.permutation(len(y))), settings.batch):
            z = F.normalize(parts.temporal(w, windows[i].to(place)), dim=-1)
            logits = SCALE * z @ parts.adapted_text(w, text).T
            loss = F.cross_entropy(logits, y[i].to(place))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        history.append({"epoch": epoch, "loss": float(np.mean(losses))})
        if progress is not None:
            progress("train clip-text", epoch + 1, settings.epochs)
    weights = {TEXT: model.weights[TEXT], **placed(copied(w), "cpu")}
    per_class = np.bincount([e.y for e in usable], minlength=len(model.task.classes))
    training = {
        "settings": asdict(settings),
        "n_people": len({e.x.subject for e in usable}),
        "n_windows": len(usable),
        "per_class": per_class.tolist(),
        "history": history,
    }
    return replace(model, weights=weights, card={**model.card, "training": training})


def _drawn(
    rows: Sequence[Tensor],
    classes: Sequence[int],
    length: int,
    settings: TrainSettings,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Windows ``(N, T, D)`` at random places of the clips, and their classes ``(N,)``."""
    windows = []
    y: list[int] = []
    for own, c in zip(rows, classes, strict=True):
        n = min(settings.per_clip, len(own))
        centres = rng.choice(len(own), n, replace=False)
        around = window_indices(len(own), length)
        windows.append(own[around[torch.from_numpy(np.sort(centres))]])
        y += [c] * n
    return torch.cat(windows), torch.tensor(y)


@dataclass(frozen=True)
class ClipTextRecipe:
    """How a fold's model is made."""

    encoder: str
    mode: str = "temporal"  # or zero-shot: nothing is trained
    words: tuple[str, ...] = ()
    frames: int = 8
    hop_s: float = 0.04
    settings: TrainSettings = field(default_factory=TrainSettings)

    @property
    def module(self) -> str:
        return __name__

    def mark(self) -> dict[str, Any]:
        return {**asdict(self), "fingerprint": clip_au_folds.encoder_of(self.encoder).fingerprint}

    def train(
        self,
        task: Task,
        source: Sequence[Example],
        held: Sequence[Example],
        folder: Path,
        progress: Progress | None,
    ) -> ClipText:
        """The model of one fold; validation people are trained on too: nothing is chosen by them."""
        encoder = clip_au_folds.encoder_of(self.encoder)
        fresh = new_model(encoder, task, self.words, self.frames, self.hop_s)
        if self.mode == "zero-shot":
            return fresh
        return train(fresh, [*source, *held], self.settings, progress)

    def load(self, folder: Path) -> ClipText:
        return ClipText.load(folder)


__all__ = ["ClipTextRecipe", "TrainSettings", "train"]

"""Fine-tune a whole CLIP, both towers, on face crops of source people against the text of the
classes: the other published base model of TTA-CaP.

The source training is not released. What is known of it (ten epochs, batches of 64, learning rate
1e-5, 1e-3 for the scale, weight decay 0.01) is taken as it stands; mixed precision is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import device
from twomind.core.errors import BadInput, MissingExtra
from twomind.core.store import read_arrays, write_arrays
from twomind.encoders.clip import Towers, open_towers
from twomind.encoders.clip_towers import Tower, embed_tokens, image_features, text_features
from twomind.models.clip_text.image import ImageTower
from twomind.models.clip_text.recogniser import CROPS, TEMPLATE, TEXT, ClipText
from twomind.models.dsfda.crops import evenly
from twomind.training.tensors import leaves, placed
from twomind.types import Example, Progress, Task

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "fine-tuning a CLIP") from error

#: Pictures that go through the towers at once; gradients of a batch are summed over such parts.
PICTURES_AT_ONCE = 16
SCALE = "logit_scale"
#: CLIP's scale, where the training starts and beyond which it is held.
_HIGHEST_SCALE = 100.0


@dataclass(frozen=True)
class TrainSettings:
    """How to train; the defaults are what is known of the publication."""

    epochs: int = 10
    batch: int = 64
    learning_rate: float = 1e-5
    scale_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    seed: int = 0


@lru_cache(maxsize=1)
def towers_of(name: str) -> Towers:
    """A CLIP's towers, opened once per process.

    Raises:
        BadInput: it is not a CLIP, or there is none.
    """
    from twomind.core import registry

    if name in registry.names("encoders"):
        raise BadInput(
            f"encoder {name!r}: is not a CLIP, so there is no CLIP to fine-tune as a whole; give "
            "vit-b-32, or the folder of one"
        )
    return open_towers(name)


@dataclass(frozen=True)
class Start:
    """What a training starts from, and what the model answers."""

    encoder: str
    task: Task
    words: tuple[str, ...]  # of the classes, in the template
    hop_s: float  # from frame to frame

    @property
    def sentences(self) -> list[str]:
        return [TEMPLATE.format(word) for word in self.words]


@dataclass
class _State:
    """Weights under training, by name, with the optimiser that moves them."""

    towers: Towers
    w: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    ids: Tensor
    read_at: Tensor

    def rows(self, pixels: Tensor) -> Tensor:
        """Unit rows of prepared pictures."""
        tower = self._tower(self.towers.image)
        found = image_features(tower, pixels)
        return F.normalize(found, dim=-1)

    def text(self) -> Tensor:
        """Unit rows of the classes."""
        tower = self._tower(self.towers.text)
        tokens = embed_tokens(tower, self.ids)
        found = text_features(tower, tokens, self.read_at, truncate=False)
        return F.normalize(found, dim=-1)

    def _tower(self, tower: Tower) -> Tower:
        own = {name: self.w[name] for name in tower.weights}
        return replace(tower, weights=own)


def train(
    start: Start,
    examples: Sequence[Example],
    settings: TrainSettings | None = None,
    *,
    per_recording: int = 15,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> ClipText:
    """A CLIP that was fine-tuned as a whole.

    Args:
        start: which CLIP, and the classes.
        examples: labelled clips of source people, with their face crops.
        settings: how to train.
        per_recording: so many crops of a clip at most, evenly spaced.
        keep: file that an interrupted training goes on from, epoch by epoch.
        progress: is told how far it is.

    Raises:
        BadInput: fewer than two classes, or nothing that can be read; no such CLIP.
    """
    settings = settings or TrainSettings()
    towers = towers_of(start.encoder)
    clips = _clips(examples, per_recording)
    classes = [example.y for example, _ in clips]
    n_of_each = [len(own) for _, own in clips]
    y = np.repeat(classes, n_of_each)
    if len(set(y.tolist())) < 2:
        raise BadInput(
            f"training: expected readable clips of at least two classes, got {len(clips)} clips"
        )
    pictures = [picture for _, own in clips for picture in own]
    state = _started(towers, start, settings)
    any_length = asdict(settings) | {"epochs": 0}
    what = (any_length, asdict(start), towers.fingerprint, len(y), per_recording)
    mark = repr(what)
    first, history = _resumed(keep, state, mark)
    for epoch in range(first, settings.epochs):
        loss = _epoch(state, pictures, y, settings, epoch)
        history.append({"epoch": epoch, "loss": loss})
        if keep is not None:
            _save(keep, state, mark, epoch + 1, history)
        if progress is not None:
            progress("train whole CLIP", epoch + 1, settings.epochs)
    people = {example.x.subject for example, _ in clips}
    per_class = np.bincount(y, minlength=len(start.task.classes))
    how = {
        "settings": asdict(settings),
        "n_people": len(people),
        "n_windows": len(clips),
        "n_pictures": len(y),
        "per_class": per_class.tolist(),
        "history": history,
    }
    drawn = all(example.x.drawn for example, _ in clips)
    return _model(state, start, how, drawn)


def _clips(
    examples: Sequence[Example], per_recording: int
) -> list[tuple[Example, Sequence[np.ndarray]]]:
    """Clips with the crops that are learnt from; those without a face are left out."""
    found: list[tuple[Example, Sequence[np.ndarray]]] = []
    for example in examples:
        track = example.x.tracks.get(CROPS)
        if track is None or not track.valid.any():
            continue
        rows = evenly(np.flatnonzero(track.valid), per_recording)
        found.append((example, track.values[rows]))
    return found


def _started(towers: Towers, start: Start, settings: TrainSettings) -> _State:
    if len(start.words) != len(start.task.classes):
        raise BadInput(
            f"class text: expected {len(start.task.classes)} words, got {list(start.words)}"
        )
    place = device.chosen()
    both = {**towers.image.weights, **towers.text.weights}
    w = leaves(placed(both, place))
    first = torch.tensor(_HIGHEST_SCALE, device=place).log()
    w[SCALE] = first.requires_grad_()
    others = [value for name, value in w.items() if name != SCALE]
    groups = [
        {"params": others, "lr": settings.learning_rate},
        {"params": [w[SCALE]], "lr": settings.scale_learning_rate, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
    tokens = towers.tokenise(start.sentences)
    longest = int(tokens.read_at.max()) + 1
    ids = tokens.ids[:, :longest].to(place)
    return _State(towers, w, optimiser, ids, tokens.read_at)


def _epoch(
    state: _State,
    pictures: Sequence[np.ndarray],
    y: np.ndarray,
    settings: TrainSettings,
    epoch: int,
) -> float:
    """The mean loss of one pass. Its order is a function of seed and epoch, so a resumed training is
    the same.
    """
    rng = np.random.default_rng((settings.seed, epoch))
    order = rng.permutation(len(y))
    most = float(np.log(_HIGHEST_SCALE))
    losses = []
    for at in range(0, len(order), settings.batch):
        batch = order[at : at + settings.batch]
        state.optimiser.zero_grad()
        total = 0.0
        for of_part in range(0, len(batch), PICTURES_AT_ONCE):
            i = batch[of_part : of_part + PICTURES_AT_ONCE]
            part = [pictures[k] for k in i]
            share = len(i) / len(batch)
            loss = share * _loss(state, part, y[i])
            loss.backward()
            total += float(loss.detach())
        state.optimiser.step()
        with torch.no_grad():
            state.w[SCALE].clamp_(max=most)
        losses.append(total)
    return float(np.mean(losses))


def _loss(state: _State, pictures: Sequence[np.ndarray], y: np.ndarray) -> Tensor:
    place = state.w[SCALE].device
    prepared = [state.towers.prepare(picture) for picture in pictures]
    pixels = torch.from_numpy(np.stack(prepared))
    rows = state.rows(pixels.to(place))
    scale = state.w[SCALE].exp()
    logits = scale * rows @ state.text().T
    wanted = torch.from_numpy(y).to(place)
    return F.cross_entropy(logits, wanted)


def one_part(encoder: str, pictures: Sequence[np.ndarray]) -> Callable[[], None]:
    """A step on a few pictures of two classes, to be timed; it changes no model.

    Args:
        encoder: which CLIP.
        pictures: RGB ``(H, W, 3)`` uint8.

    Raises:
        BadInput: there is no such CLIP.
    """
    task = Task("timing", ("neutral", "pain"), "clip")
    start = Start(encoder, task, task.classes, 0.2)
    state = _started(towers_of(encoder), start, TrainSettings())
    y = np.arange(len(pictures)) % 2

    def step() -> None:
        state.optimiser.zero_grad()
        _loss(state, pictures, y).backward()
        state.optimiser.step()

    return step


def _model(state: _State, start: Start, how: Mapping[str, Any], drawn: bool) -> ClipText:
    with torch.no_grad():
        text = state.text().cpu()
    image = state.towers.image
    weights = {name: state.w[name].detach().cpu() for name in image.weights}
    tower = replace(image, weights=weights)
    card = {"class_text": start.sentences, "training": dict(how)}
    return ClipText(
        start.task,
        {TEXT: text},
        CROPS,
        start.encoder,
        state.towers.fingerprint,
        1,
        start.hop_s,
        drawn=drawn,
        card=card,
        image=ImageTower(tower, state.towers.prepare),
    )


def _save(
    path: Path, state: _State, mark: str, epoch: int, history: Sequence[Mapping[str, float]]
) -> None:
    arrays = {}
    n_steps = 0
    for name, value in state.w.items():
        arrays[f"w.{name}"] = value.detach().cpu().numpy()
        moments = state.optimiser.state.get(value)
        if moments:
            arrays[f"m.{name}"] = moments["exp_avg"].cpu().numpy()
            arrays[f"v.{name}"] = moments["exp_avg_sq"].cpu().numpy()
            n_steps = int(moments["step"])
    meta = {"mark": mark, "epoch": epoch, "history": list(history), "n_steps": n_steps}
    write_arrays(path, arrays, meta)


def _resumed(path: Path | None, state: _State, mark: str) -> tuple[int, list[dict[str, float]]]:
    """Weights and moments of an interrupted training of the same kind; 0 where there is none."""
    if path is None or not path.is_file():
        return 0, []
    arrays, meta = read_arrays(path)
    if meta.get("mark") != mark:
        return 0, []
    with torch.no_grad():
        for name, value in state.w.items():
            value.copy_(_like(value, arrays[f"w.{name}"]))
    for name, value in state.w.items():
        if f"m.{name}" in arrays:
            first = _like(value, arrays[f"m.{name}"])
            second = _like(value, arrays[f"v.{name}"])
            step = torch.tensor(float(meta["n_steps"]))
            moments = {"step": step, "exp_avg": first, "exp_avg_sq": second}
            state.optimiser.state[value] = moments
    return int(meta["epoch"]), list(meta["history"])


def _like(value: Tensor, kept: np.ndarray) -> Tensor:
    """What was kept of a tensor, in its shape and on its device; a lone number is kept as one row."""
    own = kept.reshape(value.shape).copy()
    return torch.from_numpy(own).to(value.device)


@dataclass(frozen=True)
class ClipWholeRecipe:
    """How a fold's model is made."""

    encoder: str
    words: tuple[str, ...] = ()
    hop_s: float = 0.2
    per_recording: int = 15
    settings: TrainSettings = field(default_factory=TrainSettings)

    @property
    def module(self) -> str:
        return __name__

    def mark(self) -> dict[str, Any]:
        return {**asdict(self), "fingerprint": towers_of(self.encoder).fingerprint}

    def train(
        self,
        task: Task,
        source: Sequence[Example],
        held: Sequence[Example],
        folder: Path,
        progress: Progress | None,
    ) -> ClipText:
        """The model of one fold; validation people are trained on too: nothing is chosen by them."""
        start = Start(self.encoder, task, self.words or task.classes, self.hop_s)
        keep = folder / "unfinished.safetensors"
        examples = [*source, *held]
        model = train(
            start,
            examples,
            self.settings,
            per_recording=self.per_recording,
            keep=keep,
            progress=progress,
        )
        keep.unlink(missing_ok=True)
        return model

    def load(self, folder: Path) -> ClipText:
        return _loaded(folder)


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> ClipText:
    """A fold's model, once per process: it remembers the rows of clips that it has seen."""
    return ClipText.load(folder)


__all__ = ["ClipWholeRecipe", "Start", "TrainSettings", "towers_of", "train"]

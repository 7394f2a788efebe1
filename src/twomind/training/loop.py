"""The one training loop: any torch module, a loss on a list of items, a figure on validation
people.

It knows nothing of the model. It stops early on the validation figure, keeps the best weights, can
be killed at any time and goes on to the same weights bit for bit: the checkpoint holds weights,
best weights, optimiser, random state and the place in the order of items (safetensors and JSON). It
runs on CPU or GPU, in mixed precision on GPU only.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import device, numbers
from twomind.core.errors import BadInput, MissingExtra
from twomind.core.store import read_arrays, settings_hash, write_arrays
from twomind.training.tensors import copied
from twomind.types import Progress
from twomind.types.plain import Array

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "training") from error

FORMAT = "twomind.training/1"


@dataclass(frozen=True)
class TrainSettings:
    """Settings of the training loop: epochs, batches, optimiser, stopping."""

    epochs: int = 30  # at most
    batch: int = 4  # items per step
    optimiser: str = "adamw"  # or "sgd": Nesterov momentum .9, as the BAH baselines
    lr: float = 1e-2  # peak; rises over the first tenth and falls as a cosine ("sgd": constant)
    weight_decay: float = 5e-2
    clip: float = 1.0  # norm that a gradient is cut to
    patience: int = 10  # epochs without a better validation figure until it stops
    smooth: int = 1  # the figure is the mean of so many epochs, this one the last
    seed: int = 0
    device: str = "cpu"  # or "cuda", "cuda:1", "auto"
    amp: bool = True  # mixed precision (bfloat16), on GPU only
    checkpoint_every_s: float = 60.0  # inside an epoch; at the end of each epoch always

    def __post_init__(self) -> None:
        if self.optimiser not in ("adamw", "sgd"):
            raise BadInput(f"optimiser {self.optimiser!r}: expected adamw or sgd")
        if min(self.epochs, self.batch, self.patience, self.smooth) < 1:
            raise BadInput("training: expected epochs, batch, patience and smooth of at least 1")


@dataclass(frozen=True)
class Trained:
    """Best weights by the (smoothed) validation figure, and what every epoch gave."""

    weights: dict[str, Tensor]
    best: float
    best_epoch: int
    history: tuple[dict[str, float], ...]
    seconds: float


@dataclass
class _Run:
    """How far a training has come; it is kept, so that an interrupted one goes on."""

    epoch: int = 0
    step: int = 0  # steps done in this epoch
    total_loss: float = 0.0
    best: float = -math.inf
    best_epoch: int = -1
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    def without_better(self, first: int) -> int:
        """Epochs since the best one, or since the ``first`` that counts."""
        return self.epoch - max(self.best_epoch, first)

    def next_epoch(self) -> None:
        """Count an epoch as done and begin the next."""
        self.epoch += 1
        self.step = 0
        self.total_loss = 0.0


def order_of(n: int, seed: int, epoch: int) -> Array:
    """The order of items in one epoch ``(n,)``: a function of seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(n)


@dataclass(frozen=True)
class Goal:
    """What a module is trained for."""

    #: number of training items
    n_items: int
    #: of the module on some items, a scalar; it may draw from torch's random state (dropout), and
    #: from nothing else
    loss: Callable[[nn.Module, Sequence[int]], Tensor]
    #: figures of validation people, of which ``score`` (higher is better) decides
    validate: Callable[[nn.Module], Mapping[str, float]]


def train(
    module: nn.Module,
    goal: Goal,
    settings: TrainSettings,
    *,
    mark: Mapping[str, Any],
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train a module in place; it is left with the best weights.

    Args:
        module: what is trained.
        goal: its loss on items, and its figures.
        settings: how to train.
        mark: names data and model; a checkpoint of another mark is refused.
        checkpoint: file that an interrupted training goes on from.
        progress: is told how far it is.

    Returns:
        The best weights, and what every epoch gave.

    Raises:
        BadInput: the checkpoint at hand is of other data or settings; the loss is not finite.
    """
    place = device.chosen(settings.device)
    # The spacing of checkpoints and the device's number change no weight of a run.
    plain = asdict(settings)
    del plain["checkpoint_every_s"]
    marked = {"settings": plain, "device": place.type, "of": dict(mark), "n": goal.n_items}
    module.to(place)
    job = _Job(
        module=module,
        goal=goal,
        settings=settings,
        device=place,
        optimiser=_optimiser(module, settings),
        mark=settings_hash(marked),
        checkpoint=checkpoint,
        progress=progress,
        best=_copy(module),
    )
    with _random_state(settings.seed, place):
        job.resume()
        first = _first_epoch(settings)
        run = job.run
        while run.epoch < settings.epochs and run.without_better(first) <= settings.patience:
            job.epoch()
            module.eval()
            with torch.no_grad():
                said = goal.validate(module)
            figures = {name: float(value) for name, value in said.items()}
            loss_of_epoch = run.total_loss / job.n_steps
            run.history.append({"epoch": run.epoch, "loss": loss_of_epoch, **figures})
            since = max(first, run.epoch + 1 - settings.smooth)
            lately = [row["score"] for row in run.history[since:]]
            score = sum(lately) / max(len(lately), 1)
            if run.epoch >= first and score > run.best:
                run.best = score
                run.best_epoch = run.epoch
                job.best = _copy(module)
            run.next_epoch()
            job.keep()
    module.load_state_dict(job.best)
    module.eval()
    weights = {k: v.detach().cpu().contiguous() for k, v in job.best.items()}
    return Trained(weights, run.best, run.best_epoch, tuple(run.history), job.seconds())


@dataclass
class _Job:
    """One training: what is trained and how, and where it stands."""

    module: nn.Module
    goal: Goal
    settings: TrainSettings
    device: torch.device
    optimiser: torch.optim.Optimizer
    mark: str
    checkpoint: Path | None
    progress: Progress | None
    best: dict[str, Tensor]
    run: _Run = field(default_factory=_Run)
    started: float = 0.0  # on the clock of time.perf_counter, as if never interrupted
    saved: float = 0.0  # when the last checkpoint was written, on the same clock

    @property
    def n_steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self.goal.n_items / self.settings.batch)

    def seconds(self) -> float:
        """Time spent so far, interrupted runs included."""
        return time.perf_counter() - self.started

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if self.checkpoint is not None and self.checkpoint.is_file():
            self.run, self.best = _resume(
                self.checkpoint, self.mark, self.module, self.optimiser, self.device
            )
        self.started = time.perf_counter() - self.run.seconds
        self.saved = time.perf_counter()

    def keep(self) -> None:
        """Write a checkpoint, if one is wanted."""
        self.run.seconds = self.seconds()
        if self.checkpoint is not None:
            _save(self.checkpoint, self)
        self.saved = time.perf_counter()

    def epoch(self) -> None:
        """The steps of an epoch that are left."""
        size = self.settings.batch
        run = self.run
        order = order_of(self.goal.n_items, self.settings.seed, run.epoch)
        while run.step < self.n_steps:
            first = run.step * size
            items = order[first : first + size].tolist()
            run.total_loss += self._step(items)
            run.step += 1
            if self.progress is not None:
                done = run.epoch + run.step / self.n_steps
                self.progress("training", done, self.settings.epochs)
            waited = time.perf_counter() - self.saved
            due = waited > self.settings.checkpoint_every_s
            if run.step < self.n_steps and due:
                self.keep()

    def _step(self, items: list[int]) -> float:
        settings = self.settings
        run = self.run
        at = run.epoch * self.n_steps + run.step
        self.module.train()
        rate = settings.lr * _schedule(settings, at, self.n_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        mixed = settings.amp and self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            value = self.goal.loss(self.module, items)
        if not torch.isfinite(value):
            raise BadInput(
                f"training: the loss became {float(value)} at step {at}; use a lower learning rate"
            )
        value.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), settings.clip)
        self.optimiser.step()
        return float(value.detach())


def _first_epoch(settings: TrainSettings) -> int:
    """The first epoch whose weights may be kept: the one in which the steps have reached their full
    length.

    Before, a network has hardly moved, and a few validation people can like it by accident: then
    training would stop.
    """
    if settings.optimiser == "sgd":
        return 0
    return min(settings.epochs // 10, settings.epochs - 1)


def _schedule(settings: TrainSettings, at: int, n_steps: int) -> float:
    if settings.optimiser == "sgd":
        return 1.0
    total = settings.epochs * n_steps
    rise = max(total // 10, 1)
    if at < rise:
        return (at + 1) / rise
    fall = max(total - rise, 1)
    angle = math.pi * (at - rise) / fall
    wave = 1 + math.cos(angle)
    return 0.02 + 0.98 * 0.5 * wave


def _optimiser(module: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    trained = [p for p in module.parameters() if p.requires_grad]
    if settings.optimiser == "sgd":
        decay = min(settings.weight_decay, 1e-4)
        return torch.optim.SGD(
            trained, settings.lr, momentum=0.9, nesterov=True, weight_decay=decay
        )
    return torch.optim.AdamW(trained, settings.lr, weight_decay=settings.weight_decay)


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return copied(module.state_dict())


@contextlib.contextmanager
def _random_state(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's random state set to ``seed`` inside, and the caller's own restored after."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


# --- checkpoints
# -----------------------------------------------------------------------------------------------------


def _save(path: Path, job: _Job) -> None:
    state = job.optimiser.state_dict()
    weights = job.module.state_dict()
    arrays = {f"weights/{k}": v for k, v in weights.items()}
    arrays |= {f"best/{k}": v for k, v in job.best.items()}
    scalars: dict[str, object] = {}
    for index, entry in state["state"].items():
        for name, value in entry.items():
            if isinstance(value, Tensor):
                arrays[f"optimiser/{index}/{name}"] = value
            else:
                scalars[f"{index}/{name}"] = value
    arrays["random/cpu"] = torch.get_rng_state()
    if job.device.type == "cuda":
        arrays["random/cuda"] = torch.cuda.get_rng_state(job.device)
    shapes = {k: list(v.shape) for k, v in arrays.items()}
    # JSON writes every float so that reading it gives the same bits.
    meta = {
        "format": FORMAT,
        "mark": job.mark,
        "run": asdict(job.run),
        "groups": state["param_groups"],
        "scalars": scalars,
        "shapes": shapes,
    }
    stored = {}
    for name, tensor in arrays.items():
        stored[name] = np.atleast_1d(tensor.detach().cpu().numpy())
    write_arrays(path, stored, meta)


def _resume(
    path: Path, mark: str, module: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device
) -> tuple[_Run, dict[str, Tensor]]:
    arrays, meta = read_arrays(path)
    if meta.get("format") != FORMAT:
        raise BadInput(
            f"{path}: expected a training checkpoint ({FORMAT}), got {meta.get('format')!r}"
        )
    if meta["mark"] != mark:
        raise BadInput(
            f"{path}: this checkpoint is of other data, model or settings. Give the ones it was "
            "begun with, another "
            "--out, or remove it to begin anew"
        )
    tensors = {}
    for name, values in arrays.items():
        # Copies of their own: memory that a file library aligned otherwise may take another code
        # path in torch.
        flat = torch.from_numpy(values.copy())
        tensors[name] = flat.reshape(meta["shapes"][name]).clone()

    def under(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    module.load_state_dict(under("weights/"))
    state: dict[int, dict[str, Any]] = {}
    moments = {**under("optimiser/"), **meta["scalars"]}
    for key, value in moments.items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    groups = json.loads(json.dumps(meta["groups"]))
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    torch.set_rng_state(tensors["random/cpu"])
    if device.type == "cuda" and "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random/cuda"], device)
    best = {k: v.to(device) for k, v in under("best/").items()}
    return _Run(**meta["run"]), best


# --- losses and figures that any model can use
# -----------------------------------------------------------------------


def class_weights(y: Array, n_classes: int) -> Array:
    """Inverse frequency of each class, with mean 1 over the items ``(C,)``; a class that is not
    there weighs 0.
    """
    n = np.bincount(y, minlength=n_classes).astype(float)
    there = n > 0
    n_there = max(there.sum(), 1)
    inverse = n.sum() / np.maximum(n, 1) / n_there
    return np.where(there, inverse, 0.0)


def weighted_loss(
    logits: Tensor, y: Tensor, weights: Tensor | None = None, gamma: float = 0.0
) -> Tensor:
    """Cross entropy with class weights.

    Args:
        logits: ``(N, C)``.
        y: classes ``(N,)``.
        weights: of the classes ``(C,)``; None weighs all alike.
        gamma: above 0, the focal loss (Lin et al. 2017).
    """
    if not len(y):
        return logits.sum() * 0.0
    log_probs = F.log_softmax(logits.float(), dim=-1)
    log_p = log_probs.gather(1, y[:, None])[:, 0]
    value = -log_p
    if gamma:
        value = value * (1 - log_p.exp()) ** gamma
    w = torch.ones_like(value) if weights is None else weights[y]
    total = (value * w).sum()
    return total / w.sum().clamp_min(1e-6)


def average_precision(y: Array, p: Array) -> float:
    """Step-wise area under precision and recall; nan when a class is missing. ``y (N,)`` 0 or 1."""
    y = np.asarray(y, float)
    if not 0 < y.sum() < len(y):
        return math.nan
    once = np.ones((1, len(y)))
    return float(numbers.average_precision(y, np.asarray(p), once)[0])


def macro_f1(y: Array, said: Array, n_classes: int) -> float:
    """Unweighted mean of the classes' F1.

    Args:
        y: classes ``(N,)``.
        said: the answers ``(N,)``.
        n_classes: number of classes.
    """
    table = numbers.counts(y, said, n_classes)[0]
    return float(numbers.f1_per_class(table).mean())

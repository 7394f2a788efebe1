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

from twomind.core import numbers
from twomind.core.errors import BadInput, MissingExtra
from twomind.core.store import read_arrays, settings_hash, write_arrays
from twomind.types import Progress

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "training") from error

FORMAT = "twomind.training/1"


@dataclass(frozen=True)
class TrainSettings:
    """How to train."""

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


def pick_device(asked: str) -> torch.device:
    """The device of that name; ``auto`` is a GPU where there is one.

    Raises:
        BadInput: a GPU was asked for and there is none.
    """
    if asked == "auto":
        asked = "cuda" if torch.cuda.is_available() else "cpu"
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise BadInput(
            f"device {asked}: torch sees no GPU here; use --device cpu, or a torch built for your "
            "GPU"
        )
    return torch.device(asked)


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
    """Where the training stands."""

    epoch: int = 0
    step: int = 0  # steps done in this epoch
    total_loss: float = 0.0
    best: float = -math.inf
    best_epoch: int = -1
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def order_of(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order of items in one epoch ``(n,)``: a function of seed and epoch alone."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def train(
    module: nn.Module,
    n_items: int,
    loss: Callable[[nn.Module, Sequence[int]], Tensor],
    validate: Callable[[nn.Module], Mapping[str, float]],
    settings: TrainSettings,
    *,
    mark: Mapping[str, Any],
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train ``module`` in place on items ``0 … n_items``; return the best weights.

    ``loss(module, items)`` is a scalar; it may draw from torch's random state (dropout), and from
    nothing else. ``validate(module)`` returns figures of validation people, of which ``score``
    (higher is better) decides. ``mark`` names data and model: a checkpoint of another mark is
    refused. The module is left with the best weights.

    Raises:
        BadInput: the checkpoint at hand is of other data or settings; the loss is not finite.
    """
    device = pick_device(settings.device)
    # The spacing of checkpoints and the device's number change no weight of a run.
    plain = {k: v for k, v in asdict(settings).items() if k != "checkpoint_every_s"}
    full_mark = settings_hash(
        {"settings": plain, "device": device.type, "of": dict(mark), "n": n_items}
    )
    module.to(device)
    optimiser = _optimiser(module, settings)
    best = _copy(module)
    run = _Run()
    with _random_state(settings.seed, device):
        if checkpoint is not None and checkpoint.is_file():
            run, best = _resume(checkpoint, full_mark, module, optimiser, device)
        started = time.perf_counter() - run.seconds
        saved = time.perf_counter()

        def keep() -> None:
            run.seconds = time.perf_counter() - started
            if checkpoint is not None:
                _save(checkpoint, full_mark, module, optimiser, best, run, device)

        n_steps = math.ceil(n_items / settings.batch)
        first = _first_epoch(settings)
        while (
            run.epoch < settings.epochs
            and run.epoch - max(run.best_epoch, first) <= settings.patience
        ):
            order = order_of(n_items, settings.seed, run.epoch)
            while run.step < n_steps:
                items = order[run.step * settings.batch : (run.step + 1) * settings.batch].tolist()
                at = run.epoch * n_steps + run.step
                run.total_loss += _step(
                    module, optimiser, loss, items, settings, device, at, n_steps
                )
                run.step += 1
                if progress is not None:
                    progress("training", run.epoch + run.step / n_steps, settings.epochs)
                if run.step < n_steps and time.perf_counter() - saved > settings.checkpoint_every_s:
                    keep()
                    saved = time.perf_counter()
            module.eval()
            with torch.no_grad():
                figures = {k: float(v) for k, v in validate(module).items()}
            run.history.append({"epoch": run.epoch, "loss": run.total_loss / n_steps, **figures})
            lately = run.history[max(first, run.epoch + 1 - settings.smooth) :]
            score = sum(h["score"] for h in lately) / max(len(lately), 1)
            if run.epoch >= first and score > run.best:
                run.best, run.best_epoch, best = score, run.epoch, _copy(module)
            run.epoch, run.step, run.total_loss = run.epoch + 1, 0, 0.0
            keep()
            saved = time.perf_counter()
    module.load_state_dict(best)
    module.eval()
    weights = {k: v.detach().cpu().contiguous() for k, v in best.items()}
    return Trained(
        weights, run.best, run.best_epoch, tuple(run.history), time.perf_counter() - started
    )


def _step(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss: Callable[[nn.Module, Sequence[int]], Tensor],
    items: list[int],
    settings: TrainSettings,
    device: torch.device,
    at: int,
    n_steps: int,
) -> float:
    module.train()
    for group in optimiser.param_groups:
        group["lr"] = settings.lr * _schedule(settings, at, n_steps)
    optimiser.zero_grad(set_to_none=True)
    mixed = settings.amp and device.type == "cuda"
    with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        value = loss(module, items)
    if not torch.isfinite(value):
        raise BadInput(
            f"training: the loss became {float(value)} at step {at}; use a lower learning rate"
        )
    value.backward()
    nn.utils.clip_grad_norm_(module.parameters(), settings.clip)
    optimiser.step()
    return float(value.detach())


def _first_epoch(settings: TrainSettings) -> int:
    """The first epoch whose weights may be kept: the one in which the steps have reached their full
    length.

    Before, a network has hardly moved, and a few validation people can like it by accident: then
    training would stop.
    """
    return 0 if settings.optimiser == "sgd" else min(settings.epochs // 10, settings.epochs - 1)


def _schedule(settings: TrainSettings, at: int, n_steps: int) -> float:
    if settings.optimiser == "sgd":
        return 1.0
    total = settings.epochs * n_steps
    rise = max(total // 10, 1)
    if at < rise:
        return (at + 1) / rise
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (at - rise) / max(total - rise, 1)))


def _optimiser(module: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    trained = [p for p in module.parameters() if p.requires_grad]
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            trained,
            settings.lr,
            momentum=0.9,
            nesterov=True,
            weight_decay=min(settings.weight_decay, 1e-4),
        )
    return torch.optim.AdamW(trained, settings.lr, weight_decay=settings.weight_decay)


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in module.state_dict().items()}


@contextlib.contextmanager
def _random_state(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's random state set to ``seed`` inside, and the caller's own restored after."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


# --- checkpoints
# -----------------------------------------------------------------------------------------------------


def _save(
    path: Path,
    mark: str,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    best: Mapping[str, Tensor],
    run: _Run,
    device: torch.device,
) -> None:
    state = optimiser.state_dict()
    arrays = {f"weights/{k}": v for k, v in module.state_dict().items()}
    arrays |= {f"best/{k}": v for k, v in best.items()}
    scalars: dict[str, Any] = {}
    for index, entry in state["state"].items():
        for name, value in entry.items():
            if isinstance(value, Tensor):
                arrays[f"optimiser/{index}/{name}"] = value
            else:
                scalars[f"{index}/{name}"] = value
    arrays["random/cpu"] = torch.get_rng_state()
    if device.type == "cuda":
        arrays["random/cuda"] = torch.cuda.get_rng_state(device)
    shapes = {k: list(v.shape) for k, v in arrays.items()}
    # JSON writes every float so that reading it gives the same bits.
    meta = {
        "format": FORMAT,
        "mark": mark,
        "run": asdict(run),
        "groups": state["param_groups"],
        "scalars": scalars,
        "shapes": shapes,
    }
    write_arrays(
        path, {k: np.atleast_1d(v.detach().cpu().numpy()) for k, v in arrays.items()}, meta
    )


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
    # Copies of their own: memory that a file library aligned otherwise may take another code path
    # in torch.
    tensors = {
        k: torch.from_numpy(v.copy()).reshape(meta["shapes"][k]).clone() for k, v in arrays.items()
    }

    def under(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}

    module.load_state_dict(under("weights/"))
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**under("optimiser/"), **meta["scalars"]}.items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict(
        {"state": state, "param_groups": json.loads(json.dumps(meta["groups"]))}
    )
    torch.set_rng_state(tensors["random/cpu"])
    if device.type == "cuda" and "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random/cuda"], device)
    return _Run(**meta["run"]), {k: v.to(device) for k, v in under("best/").items()}


# --- losses and figures that any model can use
# -----------------------------------------------------------------------


def class_weights(y: np.ndarray, n_classes: int) -> np.ndarray:
    """Inverse frequency of each class, with mean 1 over the items ``(C,)``; a class that is not
    there weighs 0.
    """
    n = np.bincount(y, minlength=n_classes).astype(float)
    return np.where(n > 0, n.sum() / np.maximum(n, 1) / max((n > 0).sum(), 1), 0.0)


def weighted_loss(
    logits: Tensor, y: Tensor, weights: Tensor | None = None, gamma: float = 0.0
) -> Tensor:
    """Cross entropy of ``logits (N, C)``, ``y (N,)``, with class weights, or focal with ``gamma``
    (Lin et al. 2017).
    """
    if not len(y):
        return logits.sum() * 0.0
    log_p = F.log_softmax(logits.float(), dim=-1).gather(1, y[:, None])[:, 0]
    value = -log_p * (1 - log_p.exp()) ** gamma if gamma else -log_p
    w = weights[y] if weights is not None else torch.ones_like(value)
    return (value * w).sum() / w.sum().clamp_min(1e-6)


def average_precision(y: np.ndarray, p: np.ndarray) -> float:
    """Step-wise area under precision and recall; nan when a class is missing. ``y (N,)`` 0 or 1."""
    y = np.asarray(y, float)
    if not 0 < y.sum() < len(y):
        return math.nan
    once = np.ones((1, len(y)))
    return float(numbers.average_precision(y, np.asarray(p), once)[0])


def macro_f1(y: np.ndarray, said: np.ndarray, n_classes: int) -> float:
    """Unweighted mean of the classes' F1, ``y`` and ``said (N,)``."""
    table = numbers.counts(y, said, n_classes)[0]
    return float(numbers.f1_per_class(table).mean())

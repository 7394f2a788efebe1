"""Train DSFDA's source model on labelled pictures of source people.

By default the classes' loss also trains the expression encoder, as the authors draw it;
``TrainSettings.released()`` has the released rules. Target data has no part here, and the number of
epochs is fixed: nothing is chosen by labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import device
from twomind.core.errors import BadInput, MissingExtra
from twomind.core.store import read_arrays, write_arrays
from twomind.models.dsfda import net
from twomind.models.dsfda.recogniser import Dsfda, prototypes_of
from twomind.training import dsfda_losses as losses
from twomind.training import dsfda_step as steps
from twomind.training.tensors import placed
from twomind.types import Progress, Task
from twomind.types.plain import Array

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtra("torch", "training DSFDA") from error


@dataclass(frozen=True)
class TrainSettings:
    """How to train the source model. Released values where not said otherwise."""

    variant: str = "paper"  # paper, released
    learning_rate: float = 1e-5  # TDGAN: 1e-4
    epochs: int = 100
    batch: int = 20
    seed: int = 0
    identity_critic_every: int = 5  # steps
    expression_critic_every: int = 10
    prototypes_per_class: int = 8

    def __post_init__(self) -> None:
        if self.variant not in ("paper", "released"):
            raise BadInput(f"DSFDA variant: expected paper or released, got {self.variant!r}")

    @property
    def rules(self) -> steps.Rules:
        as_drawn = self.variant == "paper"
        return steps.Rules(losses.Factors(), expr_loss_trains_encoder=as_drawn)

    def rules_at(self, step: int) -> steps.Rules:
        """What the step of this number does: each critic has its turns."""
        identity = step % self.identity_critic_every == 0
        expression = step % self.expression_critic_every == 0
        return replace(
            self.rules, update_identity_critic=identity, update_expression_critic=expression
        )


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures of source people."""

    x: Tensor  # (N, 3, P, P) in [0, 1]
    y: Array  # (N,) classes
    people: Array  # (N,) names
    drawn: bool = False  # of synthetic people
    neutral: int = 0  # the class without an expression

    def __post_init__(self) -> None:
        n = len(self.x)
        n_classes = len(self.y)
        n_people = len(self.people)
        if n_classes != n or n_people != n:
            raise BadInput(
                f"training: expected {n} classes and people, got {n_classes} and {n_people}"
            )

    @property
    def names(self) -> list[str]:
        """The people in a fixed order (the ancestor's order came from a set, so its identities
        changed per process).
        """
        return sorted({str(p) for p in self.people})

    @property
    def classes(self) -> Tensor:
        """Class of each ``(N,)``."""
        return torch.from_numpy(np.asarray(self.y, np.int64))

    @property
    def identities(self) -> Tensor:
        """Place of each picture's person among the names ``(N,)``."""
        names = self.names
        places = [names.index(str(p)) for p in self.people]
        return torch.tensor(places)


def partners(y: Array, rng: np.random.Generator) -> Array:
    """For each picture, another of a different class, at random: the expression branch's picture.

    Raises:
        BadInput: there is one class only (the ancestor's loader then never returns).
    """
    classes = np.unique(y)
    if len(classes) < 2:
        raise BadInput(
            f"DSFDA pairs: expected pictures of at least two classes, got class {classes.tolist()} "
            "only"
        )
    found = np.zeros(len(y), int)
    for c in classes:
        own = y == c
        others = np.flatnonzero(~own)
        found[own] = rng.choice(others, int(own.sum()))
    return found


def train(
    task: Task,
    data: Pictures,
    size: net.Size = net.FULL,
    settings: TrainSettings | None = None,
    *,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> Dsfda:
    """A trained source model with prototypes.

    Args:
        task: the question.
        data: pictures of source people.
        size: of the networks.
        settings: how to train.
        keep: file that an interrupted training goes on from.
        progress: is told how far it is.

    Raises:
        BadInput: pictures of one class or one person only, or of another size.
    """
    settings = settings or TrainSettings()
    people = data.names
    if len(people) < 2:
        raise BadInput(f"training: expected pictures of at least two people, got {len(people)}")
    shape = tuple(data.x.shape[1:])
    if shape != (3, size.px, size.px):
        raise BadInput(f"training: expected pictures (3, {size.px}, {size.px}), got {shape}")
    n_classes = len(task.classes)
    weights = net.new_weights(size, n_classes, len(people), settings.seed)
    place = device.chosen()
    training = steps.start(placed(weights, place), settings.learning_rate)
    any_length = asdict(settings) | {"epochs": 0}
    mark = repr((any_length, asdict(size), people, len(data.x), task.classes))
    first, history = _resume(keep, training, mark)
    for epoch in range(first, settings.epochs):
        history.append(_epoch(training, data, size, settings, epoch))
        if keep is not None:
            _save(keep, training, mark, epoch + 1, history)
        if progress is not None:
            progress("train dsfda", epoch + 1, settings.epochs)
    w = placed(training.frozen(), "cpu")
    n_prototypes = settings.prototypes_per_class
    prototypes, classes = prototypes_of(w, data.x, data.classes, n_prototypes, settings.seed)
    per_class = np.bincount(data.y, minlength=n_classes)
    how = {
        "settings": asdict(settings),
        "n_people": len(people),
        "n_pictures": len(data.x),
        "per_class": per_class.tolist(),
        "history": history,
    }
    return Dsfda(
        task,
        w,
        size,
        prototypes,
        classes,
        neutral=data.neutral,
        drawn=data.drawn,
        card={"training": how},
    )


def _epoch(
    training: steps.Training,
    data: Pictures,
    size: net.Size,
    settings: TrainSettings,
    epoch: int,
) -> dict[str, float]:
    """Mean of every loss over one pass. Randomness is a function of seed and epoch, so a resumed
    run is the same.
    """
    rng = np.random.default_rng((settings.seed, epoch))
    torch_seed = int(rng.integers(2**62))
    place = next(iter(training.w.values())).device
    torch_rng = torch.Generator(place).manual_seed(torch_seed)
    partner = torch.from_numpy(partners(data.y, rng))
    x = data.x
    y = data.classes
    y_id = data.identities
    order = torch.from_numpy(rng.permutation(len(y)))
    n_batches = -(-len(y) // settings.batch)
    sums: dict[str, list[float]] = {}
    for b, i in enumerate(torch.split(order, settings.batch)):
        j = partner[i]
        drawn = (x[i], y_id[i], x[j], y[j])
        batch = steps.Batch(*(values.to(place) for values in drawn))
        noises = losses.noises(size, len(i), torch_rng)
        rules = settings.rules_at(epoch * n_batches + b)
        said = steps.source_step(training, batch, noises, rules, torch_rng)
        for name, value in said.items():
            sums.setdefault(name, []).append(value)
    row = {"epoch": float(epoch)}
    for name, found in sums.items():
        row[name] = float(np.mean(found))
    return row


def _save(
    path: Path, training: steps.Training, mark: str, epoch: int, history: Sequence[dict[str, float]]
) -> None:
    arrays = {}
    for name, value in training.w.items():
        arrays[f"w.{name}"] = value.detach().cpu().numpy()
    n_steps = {}
    for group, optimiser in training.optimisers.items():
        parts = steps.GROUPS[group]
        for name in net.of_parts(training.w, *parts):
            moments = optimiser.state.get(training.w[name])
            if moments:
                arrays[f"m.{name}"] = moments["exp_avg"].cpu().numpy()
                arrays[f"v.{name}"] = moments["exp_avg_sq"].cpu().numpy()
                n_steps[group] = int(moments["step"])
    meta = {"mark": mark, "epoch": epoch, "history": list(history), "n_steps": n_steps}
    write_arrays(path, arrays, meta)


def _resume(
    path: Path | None, training: steps.Training, mark: str
) -> tuple[int, list[dict[str, Any]]]:
    """Weights and moments of an interrupted training of the same settings; 0 and nothing when there
    is none.
    """
    if path is None or not path.is_file():
        return 0, []
    arrays, meta = read_arrays(path)
    if meta.get("mark") != mark:
        raise BadInput(
            f"{path}: expected an interrupted training of these settings and pictures; remove it "
            "or "
            "rename it"
        )
    with torch.no_grad():
        for name, value in training.w.items():
            value.copy_(torch.from_numpy(arrays[f"w.{name}"]))
    for group, optimiser in training.optimisers.items():
        parts = steps.GROUPS[group]
        own = net.of_parts(training.w, *parts)
        for name, value in own.items():
            if f"m.{name}" in arrays:
                step = float(meta["n_steps"][group])
                first = arrays[f"m.{name}"].copy()
                second = arrays[f"v.{name}"].copy()
                optimiser.state[value] = {
                    "step": torch.tensor(step),
                    "exp_avg": torch.from_numpy(first).to(value.device),
                    "exp_avg_sq": torch.from_numpy(second).to(value.device),
                }
    return int(meta["epoch"]), list(meta["history"])

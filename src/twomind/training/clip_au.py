"""Train CLIP-AU: adapter, convolution and head, on frozen embeddings that were computed once.

By default: clips at random times in training and several averaged in validation, people of the
validation never in training, classes weighted by their rarity, and the epoch that did best in
validation is kept. ``TrainSettings. released()`` has the released rules instead (validation is then
only reported).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from twomind.core import device, numbers
from twomind.core.errors import BadInput, MissingExtra
from twomind.models.clip_au import parts
from twomind.models.clip_au.clips import clips_of, padded, released_rows
from twomind.models.clip_au.recogniser import PHRASE_FEATURES, ClipAu
from twomind.training.tensors import copied, placed
from twomind.training.tensors import leaves as leaves_of
from twomind.types import Example, Features, Progress
from twomind.types.plain import Array

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "training CLIP-AU") from error


@dataclass(frozen=True)
class TrainSettings:
    """How to train. Defaults of optimiser, batch and epochs are the released ones.

    Args:
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        batch: clips in a step.
        epochs: passes over the examples.
        seed: of clips, batches and first weights.
        val_share: of the people who are held out when no validation examples are given, 0 to 1.
        class_weights: weigh classes by how rare they are.
        wrapped: random crops of the frame list, wrapped around, as released.
        keep_by: ``validation``: the epoch that did best there; ``training``: the last one whose accuracy
            or macro-F1 in training improved.
        max_batches: steps in an epoch; 0: all.

    Example:
        >>> from twomind.training.clip_au import TrainSettings
        >>> TrainSettings.released(epochs=2).max_batches
        10
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    batch: int = 8
    epochs: int = 10
    seed: int = 1999
    val_share: float = 0.2  # of the people, when no validation examples are given
    class_weights: bool = True  # inverse frequency
    wrapped: bool = False  # released: random crops of the frame list, wrapped around
    #: or "training": the last epoch whose training accuracy or macro-F1 improved
    keep_by: str = "validation"
    max_batches: int = 0  # per epoch; 0: all. The released scripts stop after 10

    def __post_init__(self) -> None:
        if self.keep_by not in ("validation", "training"):
            raise BadInput(f"keep_by: expected validation or training, got {self.keep_by!r}")

    @classmethod
    def released(cls, **changes: Any) -> TrainSettings:
        """The released rules: no class weights, wrapped crops, kept by training scores, ten batches
        an epoch.
        """
        plain = cls(class_weights=False, wrapped=True, keep_by="training", max_batches=10)
        return replace(plain, **changes)


def rates(y: Array, said: Array, n_classes: int) -> tuple[float, float, float]:
    """How often answers are right.

    Args:
        y: classes ``(N,)``.
        said: the answers ``(N,)``.
        n_classes: number of classes.

    Returns:
        Accuracy (WAR), mean recall over the classes that occur (UAR), and macro-F1 over those that
        occur or are said.
    """
    table = numbers.counts(np.asarray(y), np.asarray(said), n_classes)[0]
    accuracy = float(numbers.accuracy(table))
    return accuracy, float(numbers.mean_recall(table)), numbers.macro_f1_present(table)


def split_people(
    examples: Sequence[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """Training and validation examples that share no person.

    Args:
        examples: of all people.
        share: of the people who are held out.
        seed: chooses them.

    Raises:
        BadInput: fewer than two people.
    """
    people = sorted({e.x.subject for e in examples})
    if len(people) < 2:
        raise BadInput(f"training: expected examples of at least two people, got {len(people)}")
    n_people = len(people)
    wanted = max(1, round(share * n_people))
    n = min(wanted, n_people - 1)
    order = np.random.default_rng(seed).permutation(people)
    held_out = set(order[:n].tolist())
    kept: list[Example] = []
    held: list[Example] = []
    for e in examples:
        side = held if e.x.subject in held_out else kept
        side.append(e)
    return kept, held


def leaves(
    weights: Mapping[str, Tensor], settings: TrainSettings
) -> tuple[dict[str, Tensor], torch.optim.Optimizer]:
    """Copies of the trained weights that take gradients, with the phrases' features beside them,
    and AdamW on them.
    """
    trainable = {name: weights[name] for name in parts.TRAINED}
    own = leaves_of(trainable)
    trained = list(own.values())
    rate = settings.learning_rate
    optimiser = torch.optim.AdamW(trained, lr=rate, weight_decay=settings.weight_decay)
    return {**own, PHRASE_FEATURES: weights[PHRASE_FEATURES]}, optimiser


def training_step(
    w: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
    frames: Tensor,
    lengths: Tensor,
    y: Tensor,
    class_weight: Tensor | None = None,
) -> tuple[float, Tensor]:
    """One step on some clips. Gradients stay in ``w``.

    Args:
        w: the weights that take gradients, with the phrases' features.
        optimiser: of these weights.
        frames: clips ``(B, T, D)``, padded.
        lengths: of each ``(B,)``.
        y: their classes ``(B,)``.
        class_weight: ``(C,)``; None weighs all alike.

    Returns:
        The cross-entropy and the logits ``(B, C)`` before the step.
    """
    optimiser.zero_grad()
    rows = parts.clip_rows(w, frames, lengths)
    phrases = parts.phrase_rows(w, w[PHRASE_FEATURES])
    similarities = parts.similarities(rows, phrases)
    logits = parts.classify(w, similarities)
    loss = F.cross_entropy(logits, y, class_weight)
    loss.backward()
    optimiser.step()
    return float(loss.detach()), logits.detach()


def train(
    model: ClipAu,
    examples: Sequence[Example],
    settings: TrainSettings | None = None,
    *,
    validation: Sequence[Example] | None = None,
    progress: Progress | None = None,
) -> ClipAu:
    """A trained copy of a model, with a card of how it went.

    Windows without a valid row of the model's track are left out, and counted in the card.

    Args:
        model: where the training starts; it is not written to.
        examples: labelled windows.
        settings: how to train.
        validation: labelled windows of other people; None: some people of ``examples`` are held
            out.
        progress: is told how far it is.

    Returns:
        The trained copy.

    Raises:
        BadInput: nothing to train on, one class only, or a person on both sides.

    Example:
        >>> import numpy as np
        >>> from twomind.encoders.opening import open_encoder
        >>> from twomind.models.clip_au.recogniser import new_model
        >>> from twomind.training.clip_au import TrainSettings, train
        >>> from twomind.types import Example, Features, Track
        >>> model = new_model(open_encoder())
        >>> dim = open_encoder().dim
        >>> def answer(person, y):
        ...     rows = np.random.default_rng(y).normal(size=(20, dim)).astype(np.float32)
        ...     track = Track(rows, np.arange(20) * 0.08, np.ones(20, bool))
        ...     x = Features(f"{person}{y}", person, {model.track: track}, (0.0, 1.6), drawn=True)
        ...     return Example(x, y)
        >>> people = [answer(person, y) for person in ("anna", "ben", "cleo") for y in (0, 1)]
        >>> trained = train(model, people, TrainSettings(epochs=1, batch=2))
        >>> trained.predict(people[0].x).probs.shape
        (2,)
    """
    settings = settings or TrainSettings()
    usable, held = _sides(model, examples, validation, settings)
    counts = _per_class(usable, len(model.task.classes))
    rarity = _rarity(counts) if settings.class_weights else None
    place = device.chosen()
    w, optimiser = leaves(placed(model.weights, place), settings)
    step = _Step(w, optimiser, None if rarity is None else rarity.to(place))
    rng = np.random.default_rng(settings.seed)
    choice = _Choice(settings.keep_by, dict(model.weights))
    history: list[dict[str, Any]] = []
    for epoch in range(settings.epochs):
        loss, told = _epoch(model, step, usable, settings, rng)
        now = placed(copied(w), "cpu")
        row: dict[str, Any] = {"epoch": epoch, "loss": loss, "training": told}
        if held:
            trained = replace(model, weights=now)
            row["validation"] = validate(trained, held)
        history.append(row)
        choice.consider(row, now)
        if progress is not None:
            progress("train clip-au", epoch + 1, settings.epochs)
    n_given = len(examples) + len(validation or ())
    n_kept = len(usable) + len(held)
    n_left_out = n_given - n_kept
    people = {e.x.subject for e in usable}
    people_held = {e.x.subject for e in held}
    card = {
        "settings": asdict(settings),
        "n_people": len(people),
        "n_windows": len(usable),
        "per_class": counts.tolist(),
        "n_people_validation": len(people_held),
        "n_left_out": n_left_out,
        "epoch": choice.epoch,
        "history": history,
        "scores": "training: accuracy, mean recall, macro-F1; validation: the same and the "
        "cross-entropy",
    }
    only_drawn = all(e.x.drawn for e in usable)
    drawn = model.drawn or only_drawn
    whole_card = {**model.card, "training": card}
    return replace(model, weights=choice.weights, drawn=drawn, card=whole_card)


def _sides(
    model: ClipAu,
    examples: Sequence[Example],
    validation: Sequence[Example] | None,
    settings: TrainSettings,
) -> tuple[list[Example], list[Example]]:
    """Windows to train on and to validate on, of different people, that the model can measure."""
    usable = [e for e in examples if not _absent(model, e.x)]
    if validation is None:
        usable, held = split_people(usable, settings.val_share, settings.seed)
    else:
        held = [e for e in validation if not _absent(model, e.x)]
    people = {e.x.subject for e in usable}
    people_held = {e.x.subject for e in held}
    both = sorted(people & people_held)
    if both:
        some = ", ".join(both[:3])
        raise BadInput(f"training: {len(both)} people are in training and validation: {some}")
    return usable, held


def _per_class(examples: Sequence[Example], n_classes: int) -> Array:
    """How many windows each class has ``(C,)``; at least two must have some."""
    counts = np.bincount([e.y for e in examples], minlength=n_classes)
    if np.count_nonzero(counts) < 2:
        raise BadInput(
            f"training: expected examples of at least two classes, got {counts.tolist()} per class"
        )
    return counts


def _rarity(counts: Array) -> Tensor:
    """Weights of the classes by inverse frequency ``(C,)``."""
    n_present = np.count_nonzero(counts)
    even = n_present * np.maximum(counts, 1)
    return torch.tensor(counts.sum() / even, dtype=torch.float32)


@dataclass
class _Choice:
    """Which epoch's weights are kept: those before the first one until an epoch is better."""

    keep_by: str
    weights: dict[str, Tensor]
    epoch: int = 0
    best: tuple[float, float] = (-1.0, -1.0)

    def consider(self, row: Mapping[str, Any], weights: dict[str, Tensor]) -> None:
        """Keep the weights of an epoch where its figures are better."""
        if self._better(row):
            self.weights = weights
            self.epoch = row["epoch"]

    def _better(self, row: Mapping[str, Any]) -> bool:
        if self.keep_by == "training":
            accuracy, _, f1 = row["training"]
            best_accuracy, best_f1 = self.best
            better = accuracy > best_accuracy or f1 > best_f1
            self.best = (max(best_accuracy, accuracy), max(best_f1, f1))
            return bool(better)
        if "validation" in row:
            _, _, f1, loss = row["validation"]
            score = (f1, -loss)
        else:
            score = (0.0, float(row["epoch"]))
        better = row["epoch"] == 0 or score > self.best
        if better:
            self.best = score
        return better


def _absent(model: ClipAu, x: Features) -> bool:
    track = x.tracks.get(model.track)
    return track is None or not bool(track.valid.any())


@dataclass(frozen=True)
class _Step:
    """What a training step moves, and how it weighs the classes."""

    w: Mapping[str, Tensor]
    optimiser: torch.optim.Optimizer
    class_weight: Tensor | None

    def __call__(self, clips: Sequence[Array], dim: int, y: Tensor) -> tuple[float, Tensor]:
        """One step on clips ``(t, D)`` with their classes; the loss and logits before it."""
        values, n_rows = padded(clips, dim)
        place = self.w[PHRASE_FEATURES].device
        frames = torch.from_numpy(values).to(place)
        lengths = torch.from_numpy(n_rows).to(place)
        loss, logits = training_step(
            self.w, self.optimiser, frames, lengths, y.to(place), self.class_weight
        )
        return loss, logits.cpu()


def _epoch(
    model: ClipAu,
    step: _Step,
    examples: Sequence[Example],
    settings: TrainSettings,
    rng: np.random.Generator,
) -> tuple[float, tuple[float, float, float]]:
    """Mean loss, and the training rates of the answers given on the way."""
    order = rng.permutation(len(examples))
    size = settings.batch
    n_batches = -(-len(order) // size)
    if settings.max_batches:
        n_batches = min(n_batches, settings.max_batches)
    losses: list[float] = []
    ys: list[int] = []
    said: list[int] = []
    for b in range(n_batches):
        chosen = order[b * size : (b + 1) * size]
        batch = [examples[i] for i in chosen]
        clips = [training_clip(model, e.x, settings, rng) for e in batch]
        y = [e.y for e in batch]
        loss, logits = step(clips, model.dim, torch.tensor(y))
        losses.append(loss)
        ys += y
        said += logits.argmax(dim=-1).tolist()
    n_classes = len(model.task.classes)
    told = rates(np.array(ys), np.array(said), n_classes)
    return float(np.mean(losses)), told


def training_clip(
    model: ClipAu, x: Features, settings: TrainSettings, rng: np.random.Generator
) -> Array:
    """One clip of a window at a random time; released: a random place in the list of frames,
    wrapped.

    Args:
        model: whose track and clips.
        x: the window.
        settings: whether it is the released rule.
        rng: draws the time.

    Returns:
        Rows ``(t, D)``.
    """
    track = x.tracks[model.track]
    if settings.wrapped:
        valid = np.flatnonzero(track.valid)
        n = len(valid)
        first = int(rng.integers(n))
        taken = released_rows(n, 1, model.clips.n_frames, first)
        rows = valid[taken]
    else:
        (rows,) = clips_of(track, model.clips, rng)
    clip: Array = track.values[rows]
    return clip


def validate(model: ClipAu, examples: Sequence[Example]) -> tuple[float, float, float, float]:
    """WAR, UAR, macro-F1 and mean cross-entropy, each window answered from its several clips."""
    answers = []
    with torch.no_grad():
        for e in examples:
            _, of_window = model.run([e.x])
            answers.append(of_window)
    logits = torch.cat(answers)
    y = torch.tensor([e.y for e in examples])
    said = logits.argmax(dim=-1).numpy()
    loss = float(F.cross_entropy(logits, y))
    n_classes = len(model.task.classes)
    accuracy, recall, f1 = rates(y.numpy(), said, n_classes)
    return accuracy, recall, f1, loss

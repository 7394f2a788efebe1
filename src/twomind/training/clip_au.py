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

from twomind.core import numbers
from twomind.core.errors import BadInput, MissingExtra
from twomind.models.clip_au import parts
from twomind.models.clip_au.clips import clips_of, padded, released_rows
from twomind.models.clip_au.recogniser import PHRASE_FEATURES, ClipAu
from twomind.types import Example, Features, Progress

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "training CLIP-AU") from error


@dataclass(frozen=True)
class TrainSettings:
    """How to train. Defaults of optimiser, batch and epochs are the released ones."""

    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    batch: int = 8
    epochs: int = 10
    seed: int = 1999
    val_share: float = 0.2  # of the people, when no validation examples are given
    class_weights: bool = True  # inverse frequency
    wrapped: bool = False  # released: random crops of the frame list, wrapped around
    keep_by: str = (
        "validation"  # or "training": the last epoch whose training accuracy or macro-F1 improved
    )
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


def rates(y: np.ndarray, said: np.ndarray, n_classes: int) -> tuple[float, float, float]:
    """Accuracy (WAR), mean recall over the classes that occur (UAR), and macro-F1 over those that
    occur or are said.
    """
    table = numbers.counts(np.asarray(y), np.asarray(said), n_classes)[0]
    accuracy = float(numbers.accuracy(table))
    return accuracy, float(numbers.mean_recall(table)), numbers.macro_f1_present(table)


def split_people(
    examples: Sequence[Example], share: float, seed: int
) -> tuple[list[Example], list[Example]]:
    """Training and validation examples that share no person.

    Raises:
        BadInput: fewer than two people.
    """
    people = sorted({e.x.subject for e in examples})
    if len(people) < 2:
        raise BadInput(f"training: expected examples of at least two people, got {len(people)}")
    n = min(max(1, round(share * len(people))), len(people) - 1)
    held = set(np.random.default_rng(seed).permutation(people)[:n].tolist())
    return [e for e in examples if e.x.subject not in held], [
        e for e in examples if e.x.subject in held
    ]


def leaves(
    weights: Mapping[str, Tensor], settings: TrainSettings
) -> tuple[dict[str, Tensor], torch.optim.Optimizer]:
    """Copies of the trained weights that take gradients, with the phrases' features beside them,
    and AdamW on them.
    """
    own = {name: weights[name].detach().clone().requires_grad_() for name in parts.TRAINED}
    optimiser = torch.optim.AdamW(
        list(own.values()), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    return {**own, PHRASE_FEATURES: weights[PHRASE_FEATURES]}, optimiser


def training_step(
    w: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
    frames: Tensor,
    lengths: Tensor,
    y: Tensor,
    class_weight: Tensor | None = None,
) -> tuple[float, Tensor]:
    """One step on clips ``(B, T, D)``: the cross-entropy and logits ``(B, C)`` before it. Gradients
    stay in ``w``.
    """
    optimiser.zero_grad()
    rows = parts.clip_rows(w, frames, lengths)
    logits = parts.classify(w, parts.similarities(rows, parts.phrase_rows(w, w[PHRASE_FEATURES])))
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
    """A trained copy of ``model``, with a card of how it went. ``validation`` None: some people are
    held out.

    Windows without a valid row of the model's track are left out, and counted in the card.

    Raises:
        BadInput: nothing to train on, one class only, or a person on both sides.
    """
    settings = settings or TrainSettings()
    usable = [e for e in examples if not _absent(model, e.x)]
    if validation is None:
        usable, held = split_people(usable, settings.val_share, settings.seed)
    else:
        held = [e for e in validation if not _absent(model, e.x)]
    both = {e.x.subject for e in usable} & {e.x.subject for e in held}
    if both:
        raise BadInput(
            f"training: {len(both)} people are in training and validation: "
            f"{', '.join(sorted(both)[:3])}"
        )
    n_classes = len(model.task.classes)
    counts = np.bincount([e.y for e in usable], minlength=n_classes)
    if np.count_nonzero(counts) < 2:
        raise BadInput(
            f"training: expected examples of at least two classes, got {counts.tolist()} per class"
        )
    rarity = torch.tensor(
        counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1)), dtype=torch.float32
    )
    w, optimiser = leaves(model.weights, settings)
    rng = np.random.default_rng(settings.seed)
    best: tuple[float, ...] = (-1.0, -1.0)
    kept, chosen = dict(model.weights), 0
    history: list[dict[str, Any]] = []
    for epoch in range(settings.epochs):
        loss, told = _epoch(
            model, w, optimiser, usable, settings, rng, rarity if settings.class_weights else None
        )
        now = {name: value.detach().clone() for name, value in w.items()}
        row: dict[str, Any] = {"epoch": epoch, "loss": loss, "training": told}
        if held:
            row["validation"] = validate(replace(model, weights=now), held)
        history.append(row)
        if settings.keep_by == "training":
            better = told[0] > best[0] or told[2] > best[1]
            best = (max(best[0], told[0]), max(best[1], told[2]))
        else:
            score = (row["validation"][2], -row["validation"][3]) if held else (0.0, float(epoch))
            better = epoch == 0 or score > best
            best = score if better else best
        if better:
            kept, chosen = now, epoch
        if progress is not None:
            progress("train clip-au", epoch + 1, settings.epochs)
    card = {
        "settings": asdict(settings),
        "n_people": len({e.x.subject for e in usable}),
        "n_windows": len(usable),
        "per_class": counts.tolist(),
        "n_people_validation": len({e.x.subject for e in held}),
        "n_left_out": len(examples) + len(validation or ()) - len(usable) - len(held),
        "epoch": chosen,
        "history": history,
        "scores": "training: accuracy, mean recall, macro-F1; validation: the same and the "
        "cross-entropy",
    }
    drawn = model.drawn or all(e.x.drawn for e in usable)
    return replace(model, weights=kept, drawn=drawn, card={**model.card, "training": card})


def _absent(model: ClipAu, x: Features) -> bool:
    track = x.tracks.get(model.track)
    return track is None or not bool(track.valid.any())


def _epoch(
    model: ClipAu,
    w: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
    examples: Sequence[Example],
    settings: TrainSettings,
    rng: np.random.Generator,
    class_weight: Tensor | None,
) -> tuple[float, tuple[float, float, float]]:
    """Mean loss, and the training rates of the answers given on the way."""
    order = rng.permutation(len(examples))
    n_batches = -(-len(order) // settings.batch)
    losses, ys, said = [], [], []
    for b in range(min(n_batches, settings.max_batches or n_batches)):
        batch = [examples[i] for i in order[b * settings.batch : (b + 1) * settings.batch]]
        clips = [training_clip(model, e.x, settings, rng) for e in batch]
        values, lengths = padded(clips, model.dim)
        y = torch.tensor([e.y for e in batch])
        loss, logits = training_step(
            w, optimiser, torch.from_numpy(values), torch.from_numpy(lengths), y, class_weight
        )
        losses.append(loss)
        ys += y.tolist()
        said += logits.argmax(dim=-1).tolist()
    return float(np.mean(losses)), rates(np.array(ys), np.array(said), len(model.task.classes))


def training_clip(
    model: ClipAu, x: Features, settings: TrainSettings, rng: np.random.Generator
) -> np.ndarray:
    """One clip ``(t, D)`` of a window at a random time; released: a random place in the list of
    frames, wrapped.
    """
    track = x.tracks[model.track]
    if settings.wrapped:
        valid = np.flatnonzero(track.valid)
        rows = valid[
            released_rows(len(valid), 1, model.clips.n_frames, int(rng.integers(len(valid))))
        ]
    else:
        (rows,) = clips_of(track, model.clips, rng)
    clip: np.ndarray = track.values[rows]
    return clip


def validate(model: ClipAu, examples: Sequence[Example]) -> tuple[float, float, float, float]:
    """WAR, UAR, macro-F1 and mean cross-entropy, each window answered from its several clips."""
    with torch.no_grad():
        logits = torch.cat([model.run([e.x])[1] for e in examples])
    y = torch.tensor([e.y for e in examples])
    said = logits.argmax(dim=-1).numpy()
    return (*rates(y.numpy(), said, len(model.task.classes)), float(F.cross_entropy(logits, y)))

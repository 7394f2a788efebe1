"""DSFDA: adapt to a person from a neutral clip, with the person's missing expressions generated.

Paper: arXiv 2503.20771; released code: DSFDA-for-Pain-Assessment. Sees a neutral clip of the person
and stored source prototypes (``SUMMARY``, or those in the model): centroids of expression maps, so
that no source face is at hand. Changes: the expression encoder and, with ``head``, the head on it;
one copy per person.

Each step joins the person of a neutral frame with a prototype's expression, and trains the networks
on the losses of :func:`twomind.training.dsfda_step.target_step`. What is different from the paper,
by default:

- prototypes are feature maps, and the expression cycle compares feature maps: no source picture is
  rebuilt;
- the generated pictures, with their prototypes' classes, train the recogniser
  (``generated_trains_head``). Neither the figure nor the code does that, although the abstract says
  that they are used for the adaptation;
- the expression critic stays as the source left it, since there is one real class here;
- a fixed number of epochs. The released code chooses the epoch, and its learning rate, by the
  target's labels.

``variant="released"``: the released step on the neutral frames alone, in both branches, from a
random identity encoder, with no prototype and nothing generated of another class. (Its own loader
wants labelled pictures of both classes, and never returns when there is one class; here the pairs
are any two neutral frames.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from twomind.core import device
from twomind.core.errors import BadInput, MissingExtra
from twomind.models.dsfda import net
from twomind.models.dsfda.recogniser import PROTOTYPE_CLASS, PROTOTYPES, Dsfda, check_prototypes
from twomind.models.embedding import from_logits
from twomind.training import dsfda_losses as losses
from twomind.training import dsfda_step as steps
from twomind.training.tensors import placed
from twomind.types import Access, Features, Given, Prediction, State, Task
from twomind.types.plain import Array

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtra("torch", "DSFDA") from error


if TYPE_CHECKING:
    from twomind.adaptation.check import Toy


@dataclass(frozen=True)
class DsfdaMethod:
    """Needs a :class:`~twomind.models.dsfda.recogniser.Dsfda`. Labels of the person are
    never read.
    """

    variant: str = "paper"  # paper, released
    epochs: int = 25
    batch: int = 20
    learning_rate: float = 1e-4  # of Adam
    max_frames: int = 75  # of the neutral clip, evenly spaced
    head: bool = True  # also adapt the head; without it a person's state is the encoder alone
    generated_trains_head: bool = True

    model_kind: ClassVar[str] = "dsfda"

    def __post_init__(self) -> None:
        if self.variant not in ("paper", "released"):
            raise BadInput(f"dsfda variant: expected paper or released, got {self.variant!r}")
        for name in ("batch", "max_frames"):
            value = getattr(self, name)
            if value < 1:
                raise BadInput(f"dsfda {name}: expected at least 1, got {value}")

    @property
    def needs(self) -> Access:
        return Access.NEUTRAL if self.variant == "released" else Access.NEUTRAL | Access.SUMMARY

    def begin(self, model: Dsfda, given: Given) -> State:
        if not isinstance(model, Dsfda):
            raise BadInput(f"dsfda adapts a DSFDA model, got a {type(model).__name__}")
        clip = given.neutral or ()
        pictures = neutral_pictures(model, clip, self.max_frames)
        if not len(pictures):
            raise BadInput(
                f"expected a neutral clip with a face, got {len(clip)} windows of "
                "which none shows one"
            )
        with torch.enable_grad():
            if self.variant == "released":
                w = self._released(model, pictures, given.seed)
            else:
                prototypes, classes = prototypes_at_hand(model, given.summary)
                w = self._paper(model, pictures, prototypes, classes, given.seed)
        parts = ("expression", "head") if self.head else ("expression",)
        return {"tuned": net.of_parts(w, *parts)}

    def step(self, model: Dsfda, state: State, x: Features) -> tuple[Prediction, State]:
        if why := model.absent(x):
            return Prediction.not_measured(x.span_s, len(model.task.classes), why), state
        with torch.no_grad():
            _, logits = model.run([x], state["tuned"])
        return from_logits(x, logits[0]), state

    def _paper(
        self, model: Dsfda, x: Tensor, prototypes: Tensor, classes: Tensor, seed: int
    ) -> dict[str, Tensor]:
        place = device.chosen()
        w = placed({**model.weights, **new_critic_head(model, seed)}, place)
        groups = ["generator", "identity_critic"]
        if self.head:
            groups.append("head")
        training = steps.start(w, self.learning_rate, groups)
        rules = steps.TargetRules(
            generated_trains_head=self.generated_trains_head, with_head=self.head
        )
        rng = torch.Generator(place).manual_seed(seed)
        draw = np.random.default_rng(seed)
        for i in batches(len(x), self.batch, self.epochs, draw):
            chosen = round_robin(classes.numpy(), model.neutral, len(i), draw)
            pictures, maps, y = (
                x[i].to(place),
                prototypes[chosen].to(place),
                classes[chosen].to(place),
            )
            batch = steps.TargetBatch(pictures, maps, y, model.neutral)
            noise = losses.noises(model.size, len(i), rng)
            steps.target_step(training, batch, noise, rules, rng)
        return placed(training.frozen(), "cpu")

    def _released(self, model: Dsfda, x: Tensor, seed: int) -> dict[str, Tensor]:
        fresh = net.new_weights(model.size, len(model.task.classes), 1, seed)
        place = device.chosen()
        w = placed({**model.weights, **net.of_parts(fresh, "identity", "identity_critic")}, place)
        training = steps.start(w, self.learning_rate)
        rng = torch.Generator(place).manual_seed(seed)
        draw = np.random.default_rng(seed)
        for i in batches(len(x), self.batch, self.epochs, draw):
            j = torch.from_numpy(draw.integers(len(x), size=len(i)))
            y_id = torch.zeros(len(i), dtype=torch.long)
            y_expr = torch.full_like(y_id, model.neutral)
            drawn = (x[i], y_id, x[j], y_expr)
            batch = losses.Batch(*(values.to(place) for values in drawn))
            noise = losses.noises(model.size, len(i), rng)
            steps.source_step(training, batch, noise, steps.RELEASED, rng)
        return placed(training.frozen(), "cpu")

    @classmethod
    def toy(cls) -> Toy:
        """A small world for the contract's checks: a random model, and coloured noise for
        pictures.
        """
        return toy_world()


def neutral_pictures(model: Dsfda, neutral: Sequence[Features], limit: int) -> Tensor:
    """Pictures of the neutral windows.

    Args:
        model: whose track and size of pictures.
        neutral: the windows.
        limit: so many pictures at most, evenly spaced over all of them.

    Returns:
        ``(n, 3, P, P)``.
    """
    usable = [x for x in neutral if not model.absent(x)]
    if not usable:
        return torch.zeros(0, 3, model.size.px, model.size.px)
    pictures = [model.pictures(u, len(u.tracks[model.track])) for u in usable]
    x = torch.cat(pictures)
    if len(x) > limit:
        x = x[torch.linspace(0, len(x) - 1, limit).round().long()]
    return x


def prototypes_at_hand(model: Dsfda, summary: Mapping[str, Array] | None) -> tuple[Tensor, Tensor]:
    """The source summary's prototypes, else the model's own.

    Raises:
        BadInput: there is none of a class that is not neutral: a neutral clip alone would teach one
            answer.
    """
    summary = summary or {}
    prototypes = model.prototypes
    classes = model.prototype_class
    if PROTOTYPES in summary and PROTOTYPE_CLASS in summary:
        prototypes = torch.from_numpy(np.asarray(summary[PROTOTYPES], np.float32))
        classes = torch.from_numpy(np.asarray(summary[PROTOTYPE_CLASS], np.int64))
    if prototypes is None or classes is None or not bool((classes != model.neutral).any()):
        raise BadInput(
            "dsfda: expected source prototypes of a class other than "
            f"{model.task.classes[model.neutral]!r}, in the "
            f"model or as {PROTOTYPES!r} in the source summary; make them with "
            "twomind.models.dsfda.recogniser.source_summary"
        )
    check_prototypes(model.size, prototypes, classes)
    return prototypes, classes


def round_robin(classes: Array, neutral: int, n: int, rng: np.random.Generator) -> Array:
    """Prototypes for a batch: the classes that are not neutral in turn, one of each at random.

    Args:
        classes: of all prototypes ``(K,)``.
        neutral: the class that is left out.
        n: size of the batch.
        rng: draws.

    Returns:
        Positions ``(n,)``.
    """
    others = np.unique(classes[classes != neutral])
    found = []
    for k in range(n):
        c = others[k % len(others)]
        own = np.flatnonzero(classes == c)
        found.append(rng.choice(own))
    return np.array(found)


def batches(n: int, size: int, epochs: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """Batches of all epochs, shuffled in each.

    Args:
        n: number of pictures.
        size: of a batch.
        epochs: how many.
        rng: shuffles.

    Yields:
        Indices of a batch.
    """
    for _ in range(epochs):
        order = torch.from_numpy(rng.permutation(n))
        yield from torch.split(order, size)


def new_critic_head(model: Dsfda, seed: int) -> dict[str, Tensor]:
    """An identity critic's head of two classes: this person, and generated. The trunk stays the
    source's.
    """
    fresh = net.new_weights(model.size, len(model.task.classes), 1, seed)
    return {name: value for name, value in fresh.items() if name.startswith("identity_critic.head")}


def toy_world(seed: int = 0) -> Toy:
    """The toy people with pictures in place of embeddings: a tint per class, and noise."""
    from twomind.adaptation import check

    base = check.toy(seed)
    size = net.Size(64, 2, 1, 4, 2, 1, (4, 4, 4))
    task = Task("toy", ("class0", "class1"), "window")
    weights = net.new_weights(size, 2, 3, seed)
    model = Dsfda(task, weights, size, track="embedding", drawn=True)
    rng = np.random.default_rng(seed)
    maps = rng.uniform(size=(4, size.depth, net.MAP, net.MAP))
    summary = {
        PROTOTYPES: maps.astype(np.float32),
        PROTOTYPE_CLASS: np.array([0, 0, 1, 1]),
    }

    def given(subject: str) -> Given:
        own = base.given(subject)
        assert own.neutral
        first = _pictured(own.neutral[0])
        start_s = first.span_s[0]
        neutral = first.between(start_s, start_s + 0.1)  # one picture: a step costs the least
        target = tuple(_pictured(x) for x in own.target or ())
        return replace(own, neutral=(neutral,), target=target, summary=summary)

    windows = {name: tuple(_pictured(x) for x in xs) for name, xs in base.windows.items()}
    return check.Toy(model, windows, given)


def _pictured(x: Features) -> Features:
    """A toy window with a tinted picture per row."""
    track = x.tracks["embedding"]
    seed = int(abs(float(track.values.sum())) * 1000)
    rng = np.random.default_rng(seed)
    level = np.tanh(track.values.mean(axis=1))
    tint = np.array([0.3, 0.4, 0.5]) + 0.1 * level[:, None]
    noise = 0.1 * rng.normal(size=(len(track), 64, 64, 3))
    values = np.clip(tint[:, None, None] + noise, 0, 1).astype(np.float32)
    return replace(x, tracks={"embedding": replace(track, values=values)})


PLUGIN = DsfdaMethod

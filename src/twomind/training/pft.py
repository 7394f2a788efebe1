"""SFDA-PFT's source stage on cached features (arXiv 2508.09202): a translator of one person's
features into others'.

The features are what the model's last layer reads (``model.run``), computed once; the translator
works between them and that layer. About half a million weights at 512 dimensions, seconds on a
processor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.models import pft_net as net
from twomind.training import pft_losses as losses
from twomind.training.tensors import leaves
from twomind.types import Example, Trainable
from twomind.types.plain import Array

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "SFDA-PFT") from error

#: Names of the translator's weights in a source summary begin with this and the variant:
#: ``pft.corrected.layers.0…``.
PREFIX = "pft"
VARIANTS = {"corrected": "residual", "released": "mlp"}


@dataclass(frozen=True)
class SourceSettings:
    """How the translator is trained at the source site."""

    variant: str = "corrected"  # corrected, released
    learning_rate: float = 1e-3
    epochs: int = 20
    batch: int = 64
    lambda_ce: float = 1.0
    lambda_expr: float = 1.0
    lambda_style: float = 1.0
    expr: str = "mse_logits"  # or kl_probs
    seed: int = 0

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise BadInput(
                f"PFT variant: expected one of {', '.join(VARIANTS)}, got {self.variant!r}"
            )

    @property
    def kind(self) -> str:
        return VARIANTS[self.variant]


def logits_of(z: Tensor, head: tuple[Tensor, Tensor]) -> Tensor:
    """``(B, C)`` of features ``(B, D)``."""
    weight, bias = head
    return z @ weight.T + bias


def train_translator(
    z: Tensor,
    y: Tensor,
    people: Array,
    head: tuple[Tensor, Tensor],
    settings: SourceSettings | None = None,
) -> tuple[dict[str, Tensor], list[float]]:
    """A translator of one person's features into others'.

    Corrected: each person's features are translated and compared, by their moments, with those of
    another person drawn anew in every epoch; the label and the frozen model's logits hold the
    content. Released: only the logits of the frozen model are imitated, from a random start,
    because the released style term moves nothing.

    Args:
        z: source features ``(N, D)``.
        y: their classes ``(N,)``.
        people: the person of each ``(N,)``.
        head: ``weight (C, D)`` and ``bias (C,)`` of the frozen model.
        settings: how it is trained.

    Returns:
        The translator's weights, and the mean loss of each epoch.

    Raises:
        BadInput: fewer than two people (nobody to translate into).
    """
    settings = settings or SourceSettings()
    names = sorted({str(p) for p in people})
    if len(names) < 2:
        raise BadInput(f"PFT: expected source features of at least two people, got {len(names)}")
    fresh = net.new_translator(z.shape[1], settings.kind, settings.seed)
    w = {name: value.requires_grad_() for name, value in fresh.items()}
    optimiser = torch.optim.Adam(list(w.values()), lr=settings.learning_rate)
    rng = np.random.default_rng(settings.seed)
    who = np.asarray(people)
    rows_of = {name: np.flatnonzero(who == name) for name in names}
    z = z.detach()
    fixed = _constant(head)
    history: list[float] = []
    with torch.enable_grad():
        for _ in range(settings.epochs):
            # A ring through the people in random order gives everyone another one.
            order = [names[k] for k in rng.permutation(len(names))]
            others = order[1:] + order[:1]
            each = []
            for person, other in zip(order, others, strict=True):
                rows = rng.permutation(rows_of[person])
                z_other = z[torch.from_numpy(rows_of[other])]
                for at in range(0, len(rows), settings.batch):
                    i = torch.from_numpy(rows[at : at + settings.batch])
                    loss = _source_loss(w, z[i], y[i], z_other, fixed, settings)
                    each.append(_move(optimiser, loss))
            history.append(float(np.mean(each)))
    return {name: value.detach() for name, value in w.items()}, history


def _constant(head: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The head without a gradient."""
    weight, bias = head
    return weight.detach(), bias.detach()


def _move(optimiser: torch.optim.Optimizer, loss: Tensor) -> float:
    """One step; the loss before it."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def _source_loss(
    w: Mapping[str, Tensor],
    z: Tensor,
    y: Tensor,
    z_other: Tensor,
    head: tuple[Tensor, Tensor],
    s: SourceSettings,
) -> Tensor:
    """Of features of one person, with their classes, and those of the person to translate into."""
    moved = net.translate(w, z, s.kind)
    said = logits_of(moved, head)
    source = logits_of(z, head)
    loss = s.lambda_expr * losses.keep_prediction(source, said, s.expr)
    if s.variant == "corrected":
        loss = loss + s.lambda_ce * F.cross_entropy(said, y)
        loss = loss + s.lambda_style * losses.moments(z_other, moved)
    return loss


@dataclass(frozen=True)
class TargetSettings:
    """How the translator is tuned on one person's neutral features."""

    kind: str = "residual"  # of the network; or mlp
    neutral: int = 0  # the class of the features
    epochs: int = 25
    batch: int = 32
    learning_rate: float = 1e-4  # of Adam
    with_ce: bool = True  # they are known to be neutral
    expr: str = "mse_logits"  # or kl_probs
    seed: int = 0


def adapt_translator(
    weights: Mapping[str, Tensor],
    z: Tensor,
    head: tuple[Tensor, Tensor],
    settings: TargetSettings,
) -> dict[str, Tensor]:
    """The translator after some epochs on one person's features.

    Args:
        weights: of the translator from the source; they are not written to.
        z: the person's features ``(N, D)``.
        head: ``weight (C, D)`` and ``bias (C,)`` of the frozen model.
        settings: how it is tuned.

    Returns:
        The person's own weights.
    """
    w = leaves(weights)
    optimiser = torch.optim.Adam(list(w.values()), lr=settings.learning_rate)
    rng = np.random.default_rng(settings.seed)
    z = z.detach()
    fixed = _constant(head)
    with torch.enable_grad():
        for _ in range(settings.epochs):
            order = torch.from_numpy(rng.permutation(len(z)))
            for i in torch.split(order, settings.batch):
                moved = net.translate(w, z[i], settings.kind)
                said = logits_of(moved, fixed)
                source = logits_of(z[i], fixed)
                loss = losses.keep_prediction(source, said, settings.expr)
                if settings.with_ce:
                    neutral = torch.full((len(i),), settings.neutral)
                    loss = loss + F.cross_entropy(said, neutral)
                _move(optimiser, loss)
    return {name: value.detach() for name, value in w.items()}


def source_summary(
    model: Trainable, settings: SourceSettings | None = None
) -> Callable[[tuple[Example, ...]], dict[str, Array]]:
    """What the harness calls at the source site: the translator's weights leave it, and
    no feature.
    """
    settings = settings or SourceSettings()

    def summary(source: tuple[Example, ...]) -> dict[str, Array]:
        usable = []
        for e in source:
            if np.isfinite(model.predict(e.x).probs).all():
                usable.append(e)
        if not usable:
            raise BadInput("PFT: expected source windows that the model can measure, got none")
        with torch.no_grad():
            z, _ = model.run([e.x for e in usable])
        y = torch.tensor([e.y for e in usable])
        people = np.array([e.x.subject for e in usable])
        w, _ = train_translator(z, y, people, model.head(), settings)
        start = f"{PREFIX}.{settings.variant}"
        return {f"{start}.{name}": value.numpy() for name, value in w.items()}

    return summary


def from_summary(summary: Mapping[str, Array], variant: str, dim: int) -> dict[str, Tensor]:
    """The translator of a variant in a source summary.

    Args:
        summary: arrays by name.
        variant: ``corrected`` or ``released``.
        dim: width of the model's features.

    Raises:
        BadInput: there is none, or it is of another dimension.
    """
    start = f"{PREFIX}.{variant}."
    found = {}
    for name, values in summary.items():
        if name.startswith(start):
            own = np.array(values, np.float32)
            found[name.removeprefix(start)] = torch.from_numpy(own)
    if not found:
        raise BadInput(
            f"sfda-pft: expected a {variant} translator ({start}…) in the source summary, got "
            f"{sorted(summary)}; "
            "make it with twomind.training.pft.source_summary"
        )
    got = tuple(found["layers.0.weight"].shape)
    if got != (dim, dim):
        raise BadInput(
            f"sfda-pft: expected a translator of {dim} dimensions, as the model's features have, "
            f"got {got}"
        )
    return found

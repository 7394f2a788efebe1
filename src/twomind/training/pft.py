"""SFDA-PFT's source stage on cached features (arXiv 2508.09202): a translator of one person's
features into others'.

The features are what the model's last layer reads (``model.run``), computed once; the translator
works between them and that layer. About half a million weights at 512 dimensions, seconds on a
processor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.models import pft_net as net
from twomind.training import pft_losses as losses
from twomind.types import Example

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
    return z @ head[0].T + head[1]


def train_translator(
    z: Tensor,
    y: Tensor,
    people: np.ndarray,
    head: tuple[Tensor, Tensor],
    settings: SourceSettings | None = None,
) -> tuple[dict[str, Tensor], list[float]]:
    """A translator's weights and the mean loss of each epoch, from source features ``(N, D)`` with
    classes and people.

    Corrected: each person's features are translated and compared, by their moments, with those of
    another person drawn anew in every epoch; the label and the frozen model's logits hold the
    content. Released: only the logits of the frozen model are imitated, from a random start,
    because the released style term moves nothing.

    Raises:
        BadInput: fewer than two people (nobody to translate into).
    """
    settings = settings or SourceSettings()
    names = sorted({str(p) for p in people})
    if len(names) < 2:
        raise BadInput(f"PFT: expected source features of at least two people, got {len(names)}")
    own = net.new_translator(z.shape[1], settings.kind, settings.seed)
    w = {k: v.requires_grad_() for k, v in own.items()}
    optimiser = torch.optim.Adam(list(w.values()), lr=settings.learning_rate)
    rng, history = np.random.default_rng(settings.seed), []
    rows_of = {name: np.flatnonzero(np.asarray(people) == name) for name in names}
    z, fixed = z.detach(), (head[0].detach(), head[1].detach())
    with torch.enable_grad():
        for _ in range(settings.epochs):
            # A ring through the people in random order gives everyone another one.
            order = [names[k] for k in rng.permutation(len(names))]
            each = []
            for person, other in zip(order, order[1:] + order[:1], strict=True):
                rows = rng.permutation(rows_of[person])
                for at in range(0, len(rows), settings.batch):
                    i = torch.from_numpy(rows[at : at + settings.batch])
                    each.append(
                        _step(
                            w,
                            optimiser,
                            z[i],
                            y[i],
                            z[torch.from_numpy(rows_of[other])],
                            fixed,
                            settings,
                        )
                    )
            history.append(float(np.mean(each)))
    return {k: v.detach() for k, v in w.items()}, history


def _step(
    w: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
    z: Tensor,
    y: Tensor,
    z_other: Tensor,
    head: tuple[Tensor, Tensor],
    s: SourceSettings,
) -> float:
    moved = net.translate(w, z, s.kind)
    said = logits_of(moved, head)
    loss = s.lambda_expr * losses.keep_prediction(logits_of(z, head), said, s.expr)
    if s.variant == "corrected":
        loss = (
            loss
            + s.lambda_ce * F.cross_entropy(said, y)
            + s.lambda_style * losses.moments(z_other, moved)
        )
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def adapt_translator(
    weights: Mapping[str, Tensor],
    z: Tensor,
    head: tuple[Tensor, Tensor],
    *,
    kind: str,
    neutral: int = 0,
    epochs: int = 25,
    batch: int = 32,
    learning_rate: float = 1e-4,
    with_ce: bool = True,
    expr: str = "mse_logits",
    seed: int = 0,
) -> dict[str, Tensor]:
    """The translator after some epochs on one person's features ``(N, D)``; ``with_ce``: known to
    be neutral.
    """
    w = {k: v.detach().clone().requires_grad_() for k, v in weights.items()}
    optimiser = torch.optim.Adam(list(w.values()), lr=learning_rate)
    rng, z = np.random.default_rng(seed), z.detach()
    fixed = (head[0].detach(), head[1].detach())
    with torch.enable_grad():
        for _ in range(epochs):
            for i in torch.from_numpy(rng.permutation(len(z))).split(batch):
                said = logits_of(net.translate(w, z[i], kind), fixed)
                loss = losses.keep_prediction(logits_of(z[i], fixed), said, expr)
                if with_ce:
                    loss = loss + F.cross_entropy(said, torch.full((len(i),), neutral))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    return {k: v.detach() for k, v in w.items()}


def source_summary(
    model: Any, settings: SourceSettings | None = None
) -> Callable[[tuple[Example, ...]], dict[str, np.ndarray]]:
    """What the harness calls at the source site: the translator's weights leave it, and
    no feature.
    """
    settings = settings or SourceSettings()

    def summary(source: tuple[Example, ...]) -> dict[str, np.ndarray]:
        usable = [e for e in source if np.isfinite(model.predict(e.x).probs).all()]
        if not usable:
            raise BadInput("PFT: expected source windows that the model can measure, got none")
        with torch.no_grad():
            z, _ = model.run([e.x for e in usable])
        people = np.array([e.x.subject for e in usable])
        w, _ = train_translator(
            z, torch.tensor([e.y for e in usable]), people, model.head(), settings
        )
        return {f"{PREFIX}.{settings.variant}.{name}": value.numpy() for name, value in w.items()}

    return summary


def from_summary(summary: Mapping[str, np.ndarray], variant: str, dim: int) -> dict[str, Tensor]:
    """The translator of a variant in a source summary.

    Raises:
        BadInput: there is none, or it is of another dimension.
    """
    start = f"{PREFIX}.{variant}."
    found = {
        k.removeprefix(start): torch.from_numpy(np.array(v, np.float32))
        for k, v in summary.items()
        if k.startswith(start)
    }
    if not found:
        raise BadInput(
            f"sfda-pft: expected a {variant} translator ({start}…) in the source summary, got "
            f"{sorted(summary)}; "
            "make it with twomind.training.pft.source_summary"
        )
    if tuple(found["layers.0.weight"].shape) != (dim, dim):
        got = tuple(found["layers.0.weight"].shape)
        raise BadInput(
            f"sfda-pft: expected a translator of {dim} dimensions, as the model's features have, "
            f"got {got}"
        )
    return found

"""Every loss of DSFDA as a pure function, and the terms of one generator update.

Letters: ``g`` is the generated picture, of the identity of ``x_id`` and the expression of
``x_expr`` (a picture, or in adaptation a stored prototype). Factors are those of the released code,
which are TDGAN's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from twomind.core.errors import MissingExtra
from twomind.models.dsfda import net

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "DSFDA") from error


@dataclass(frozen=True)
class Batch:
    """Pictures of the identity branch with whose they are, and of the expression branch with their
    classes.
    """

    x_id: Tensor  # (B, 3, P, P)
    y_id: Tensor  # (B,)
    x_expr: Tensor  # (B, 3, P, P)
    y_expr: Tensor  # (B,)


@dataclass(frozen=True)
class Factors:
    """Weights of the generator's terms."""

    adv_id: float = 0.2
    adv_expr: float = 0.8
    perceptual: float = 1.0
    cycle_id: float = 5.0
    cycle_expr: float = 5.0


@dataclass(frozen=True)
class Terms:
    """The generator's terms, before their factors."""

    adv_id: Tensor
    adv_expr: Tensor
    perceptual: Tensor
    cycle_id: Tensor
    cycle_expr: Tensor

    def total(self, factors: Factors) -> Tensor:
        """The sum of the terms, each times its factor."""
        parts = []
        for name, term in self.by_name().items():
            parts.append(getattr(factors, name) * term)
        return torch.stack(parts).sum()

    def by_name(self) -> dict[str, Tensor]:
        """Each term by its name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy in nats of logits ``(B, K)``."""
    return F.cross_entropy(logits, y)


def identity_critic(real: Tensor, y: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the critic on real pictures with their people, and on generated ones with
    its last class.
    """
    n, n_classes = generated.shape
    last = generated.new_full((n,), n_classes - 1, dtype=torch.long)
    return F.cross_entropy(real, y), F.cross_entropy(generated, last)


def perceptual(generated: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference of critic features; the real side is a constant."""
    return F.mse_loss(generated, real.detach())


def cycle(rebuilt: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference, of pictures or of feature maps."""
    return F.l1_loss(rebuilt, wanted)


#: Noise for the generation, the identity cycle and the expression cycle.
Noises = tuple[Tensor, Tensor, Tensor]


def noises(size: net.Size, n: int, rng: torch.Generator) -> Noises:
    """Noise for the generation and both cycles of ``n`` pictures."""
    generation = net.noise_maps(size, n, rng)
    identity = net.noise_maps(size, n, rng)
    expression = net.noise_maps(size, n, rng)
    return generation, identity, expression


@dataclass(frozen=True)
class Made:
    """One generation: the two feature maps it came from, and the picture."""

    identity: Tensor
    expression: Tensor
    picture: Tensor


def generate(w: net.Weights, x_id: Tensor, expression: Tensor, noise: Tensor) -> Made:
    """The person of ``x_id`` with an expression given as a feature map."""
    identity = net.encode(w, "identity", x_id)
    picture = net.decode(w, expression, identity, noise)
    return Made(identity, expression, picture)


def generator_terms(
    w: net.Weights,
    made: Made,
    batch: Batch,
    noises: Noises,
    rng: torch.Generator | None = None,
    real_features: Tensor | None = None,
) -> tuple[Terms, tuple[Tensor, Tensor]]:
    """The terms of a source step as released. Gradients flow through ``made``.

    Args:
        w: all networks.
        made: the generation of the batch.
        batch: pictures of both branches.
        noises: for the generation and both cycles.
        rng: draws dropout; None: no dropout.
        real_features: the identity critic's of the identity branch; None: as it is now.

    Returns:
        The terms, and the two rebuilt pictures.
    """
    critic_features, critic_logits = net.judge(w, "identity_critic", made.picture, rng)
    if real_features is None:
        real_features = net.encode(w, "identity_critic.trunk", batch.x_id).detach()
    _, expr_logits = net.judge(w, "expression_critic", made.picture, rng)
    # The person read off the generated picture, with the person's own expression, must give the
    # person's picture.
    own_expression = net.encode(w, "expression", batch.x_id)
    seen_identity = net.encode(w, "identity", made.picture)
    rebuilt_id = net.decode(w, own_expression, seen_identity, noises[1])
    # The expression read off the generated picture, with the other's identity, must give the
    # other's picture.
    other_identity = net.encode(w, "identity", batch.x_expr)
    seen_expression = net.encode(w, "expression", made.picture)
    rebuilt_expr = net.decode(w, seen_expression, other_identity, noises[2])
    terms = Terms(
        adv_id=cross_entropy(critic_logits, batch.y_id),
        adv_expr=cross_entropy(expr_logits, batch.y_expr),
        perceptual=perceptual(critic_features, real_features),
        cycle_id=cycle(rebuilt_id, batch.x_id),
        cycle_expr=cycle(rebuilt_expr, batch.x_expr),
    )
    return terms, (rebuilt_id, rebuilt_expr)


def target_terms(
    w: net.Weights,
    made: Made,
    x_id: Tensor,
    y_expr: Tensor,
    noise: Tensor,
    rng: torch.Generator | None = None,
) -> tuple[Terms, Tensor]:
    """The terms of a target step with prototypes.

    No source picture is there to rebuild: the expression cycle compares feature maps, that of the
    generated picture with the prototype it was made from. As the authors draw it, the rebuilt
    picture has the perceptual term.

    Args:
        w: all networks; to the identity critic, the person is class 0.
        made: the generation from the prototypes.
        x_id: pictures of the person ``(B, 3, P, P)``.
        y_expr: classes of the prototypes ``(B,)``.
        noise: for the identity cycle.
        rng: draws dropout; None: no dropout.

    Returns:
        The terms, and the expression map of the generated picture.
    """
    _, critic_logits = net.judge(w, "identity_critic", made.picture, rng)
    _, expr_logits = net.judge(w, "expression_critic", made.picture, rng)
    own_expression = net.encode(w, "expression", x_id)
    seen_identity = net.encode(w, "identity", made.picture)
    rebuilt = net.decode(w, own_expression, seen_identity, noise)
    with torch.no_grad():
        real_features = net.encode(w, "identity_critic.trunk", x_id)
    seen = net.encode(w, "expression", made.picture)
    rebuilt_features = net.encode(w, "identity_critic.trunk", rebuilt)
    y_id = torch.zeros_like(y_expr)
    terms = Terms(
        adv_id=cross_entropy(critic_logits, y_id),
        adv_expr=cross_entropy(expr_logits, y_expr),
        perceptual=perceptual(rebuilt_features, real_features),
        cycle_id=cycle(rebuilt, x_id),
        cycle_expr=cycle(seen, made.expression),
    )
    return terms, seen

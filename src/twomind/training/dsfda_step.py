"""One training step of DSFDA, at the source and at a person. Leaves and optimisers are the caller's
and are moved.

The released order: the expression head, the two critics, then the generator with the critics as
they are now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from twomind.core.errors import MissingExtra
from twomind.models.dsfda import net
from twomind.training import dsfda_losses as losses
from twomind.training.dsfda_losses import Batch
from twomind.training.tensors import copied

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtra("torch", "training DSFDA") from error

#: Who has an optimiser of their own.
GROUPS = {
    "head": ("head",),
    "identity_critic": ("identity_critic",),
    "expression_critic": ("expression_critic",),
    "generator": net.GENERATOR,
}


@dataclass
class Training:
    """Weights that take gradients, and one Adam per group."""

    w: dict[str, Tensor]
    optimisers: dict[str, torch.optim.Optimizer]

    def frozen(self) -> dict[str, Tensor]:
        """The weights as they are now, as plain values."""
        return copied(self.w)


def start(
    weights: Mapping[str, Tensor], learning_rate: float, groups: Iterable[str] = tuple(GROUPS)
) -> Training:
    """Copies of the weights; those of the named groups are trained."""
    names = tuple(groups)
    trained: set[str] = set()
    for name in names:
        trained |= set(GROUPS[name])
    w = copied(weights)
    for weight, value in w.items():
        value.requires_grad_(net.part(weight) in trained)
    optimisers: dict[str, torch.optim.Optimizer] = {}
    for name in names:
        own = net.of_parts(w, *GROUPS[name])
        optimisers[name] = torch.optim.Adam(list(own.values()), lr=learning_rate)
    return Training(w, optimisers)


def _move(training: Training, group: str, loss: Tensor) -> None:
    """One step of a group's Adam on the gradient of its own weights alone."""
    weights = net.of_parts(training.w, *GROUPS[group])
    own = list(weights.values())
    found = torch.autograd.grad(loss, own, retain_graph=True, allow_unused=True)
    for value, gradient in zip(own, found, strict=True):
        value.grad = gradient
    training.optimisers[group].step()


@dataclass(frozen=True)
class Rules:
    """Which parts a training step of DSFDA updates, and by which factors."""

    factors: losses.Factors = field(default_factory=losses.Factors)
    #: whether the classes' loss also trains the expression encoder; in the released code its
    #: gradient is cleared
    expr_loss_trains_encoder: bool = True
    update_identity_critic: bool = True
    update_expression_critic: bool = True


RELEASED = Rules(expr_loss_trains_encoder=False)


def source_step(
    training: Training,
    batch: Batch,
    noises: losses.Noises,
    rules: Rules,
    rng: torch.Generator | None = None,
) -> dict[str, float]:
    """One step on labelled pictures, and every loss of it.

    Args:
        training: weights and optimisers, which are moved.
        batch: pictures of both branches.
        noises: for the generation and both cycles.
        rules: what the step does.
        rng: draws dropout; None: no dropout.
    """
    w = training.w
    expression = net.encode(w, "expression", batch.x_expr)
    made = losses.generate(w, batch.x_id, expression, noises[0])
    recognised = net.classify(w, "head", made.expression.detach(), rng)
    expr_cls = losses.cross_entropy(recognised, batch.y_expr)
    said = {"expr_cls": expr_cls}
    _move(training, "head", expr_cls)
    # As recorded: the real side of the perceptual term is what the identity critic saw before its
    # update.
    with torch.no_grad():
        real = net.encode(w, "identity_critic.trunk", batch.x_id)
    said |= _critics(training, batch, made.picture.detach(), rules, rng)
    terms, _ = losses.generator_terms(w, made, batch, noises, rng, real)
    total = terms.total(rules.factors)
    said |= terms.by_name()
    said["generator"] = total
    if rules.expr_loss_trains_encoder:
        recognised = net.classify(w, "head", made.expression, rng)
        total = total + losses.cross_entropy(recognised, batch.y_expr)
    _move(training, "generator", total)
    return _numbers(said)


def _numbers(said: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in said.items()}


def _critics(
    training: Training, batch: Batch, generated: Tensor, rules: Rules, rng: torch.Generator | None
) -> dict[str, Tensor]:
    """One update of each critic whose turn it is."""
    w = training.w
    said: dict[str, Tensor] = {}
    if rules.update_identity_critic:
        _, real = net.judge(w, "identity_critic", batch.x_id, rng)
        _, fake = net.judge(w, "identity_critic", generated, rng)
        on_real, on_fake = losses.identity_critic(real, batch.y_id, fake)
        said["critic_real"] = on_real
        said["critic_generated"] = on_fake
        _move(training, "identity_critic", on_real + on_fake)
    if rules.update_expression_critic:
        _, logits = net.judge(w, "expression_critic", batch.x_expr, rng)
        on_expr = losses.cross_entropy(logits, batch.y_expr)
        said["critic_expr"] = on_expr
        _move(training, "expression_critic", on_expr)
    return said


@dataclass(frozen=True)
class TargetBatch:
    """Neutral pictures of one person, and a prototype with its class for each."""

    x: Tensor  # (B, 3, P, P)
    prototype: Tensor  # (B, 4W, 8, 8)
    y_prototype: Tensor  # (B,)
    neutral: int  # the class of the pictures


@dataclass(frozen=True)
class TargetRules:
    """What one step of the adaptation does."""

    factors: losses.Factors = field(default_factory=losses.Factors)
    #: the generated pictures, with their prototypes' classes, also train the recogniser
    generated_trains_head: bool = True
    #: without it, only the recogniser's expression encoder moves
    with_head: bool = True


def target_step(
    training: Training,
    batch: TargetBatch,
    noises: losses.Noises,
    rules: TargetRules,
    rng: torch.Generator | None = None,
) -> dict[str, float]:
    """One step of the adaptation with prototypes, and every loss of it.

    The identity critic tells the person (class 0) from generated pictures (class 1). The expression
    critic stays as the source left it: there is one real class here, and a critic trained on it
    alone would say that to everything.

    Args:
        training: weights and optimisers, which are moved.
        batch: neutral pictures and prototypes.
        noises: for the generation and both cycles.
        rules: what the step does.
        rng: draws dropout; None: no dropout.
    """
    w = training.w
    n = len(batch.x)
    y_id = batch.y_prototype.new_zeros(n)
    y_neutral = batch.y_prototype.new_full((n,), batch.neutral)
    made = losses.generate(w, batch.x, batch.prototype, noises[0])
    _, real = net.judge(w, "identity_critic", batch.x, rng)
    generated = made.picture.detach()
    _, fake = net.judge(w, "identity_critic", generated, rng)
    on_real, on_fake = losses.identity_critic(real, y_id, fake)
    _move(training, "identity_critic", on_real + on_fake)
    terms, _ = losses.target_terms(w, made, batch.x, batch.y_prototype, noises[1], rng)
    own = net.encode(w, "expression", batch.x)
    answers = net.classify(w, "head", own, rng)
    said_neutral = losses.cross_entropy(answers, y_neutral)
    said = {"critic_real": on_real, "critic_generated": on_fake, "expr_neutral": said_neutral}
    recognised = said_neutral
    if rules.generated_trains_head:
        # Of the picture, not of how it was made: the recogniser learns what it sees, the generator
        # does not help it.
        shown = net.encode(w, "expression", generated)
        answers = net.classify(w, "head", shown, rng)
        of_generated = losses.cross_entropy(answers, batch.y_prototype)
        said["expr_generated"] = of_generated
        recognised = recognised + of_generated
    total = terms.total(rules.factors)
    said |= terms.by_name()
    said["generator"] = total
    if rules.with_head:
        # Read before the generator moves the encoder below it.
        head = list(net.of_parts(w, "head").values())
        gradients = torch.autograd.grad(recognised, head, retain_graph=True)
        for value, gradient in zip(head, gradients, strict=True):
            value.grad = gradient
    _move(training, "generator", total + recognised)
    if rules.with_head:
        training.optimisers["head"].step()
    return _numbers(said)

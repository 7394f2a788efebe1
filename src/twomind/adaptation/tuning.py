"""What methods that tune a few weights share: choose them, one functional gradient, one step. torch
only.

The shared weights are never written: a method keeps its own copies of the few tensors in the
person's state, and hands them to ``model.run`` as an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from twomind.core.errors import BadInput
from twomind.types import Features, Trainable

if TYPE_CHECKING:
    from torch import Tensor

Tensors: TypeAlias = "dict[str, Tensor]"

#: So many of a model's weights are named in a refusal.
_SHOWN = 6


def affine_names(model: Trainable) -> list[str]:
    """Names of the scale and shift of every normalisation layer, sorted.

    Raises:
        BadInput: the model has none, so Tent and SAR have nothing to adapt.
    """
    found = []
    for name, value in sorted(model.params().items()):
        of_norm = "." in name and "norm" in name
        if of_norm and name.endswith((".weight", ".bias")) and value.ndim == 1:
            found.append(name)
    if not found:
        raise BadInput(
            "this method adapts the scale and shift of normalisation layers (names like "
            "norm.weight), and the model "
            "has none; use a cache method such as tda or tta-cap"
        )
    return found


def why_not_affine(model_kind: str) -> str:
    """Why a comparison leaves a method out that adapts normalisation layers; "" where it does not.

    Args:
        model_kind: The kind of model, see :mod:`twomind.adaptation.traits`.

    Returns:
        The reason.
    """
    if model_kind == "clip-au":
        return "adapts normalisation layers, and CLIP-AU has none"
    return ""


def copies(model: Trainable, names: Sequence[str]) -> Tensors:
    """Own copies of some weights, without a gradient.

    Raises:
        BadInput: the model has no such weights.
    """
    params = model.params()
    missing = [n for n in names if n not in params]
    if missing:
        has = ", ".join(sorted(params)[:_SHOWN])
        if len(params) > _SHOWN:
            has += f" and {len(params) - _SHOWN} others"
        raise BadInput(
            f"this method tunes the weights {', '.join(missing)}, and the model has none of that "
            f"name (it has {has}); use a cache method such as tda or tta-cap"
        )
    return {n: params[n].detach().clone() for n in names}


def gradient(
    model: Trainable,
    xs: Sequence[Features],
    tuned: Mapping[str, Tensor],
    loss: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensors]:
    """One pass through the model and back: embedding, logits and the gradient of a loss.

    Args:
        model: whose weights ``tuned`` stand in for.
        xs: ``B`` windows.
        tuned: the weights by name.
        loss: of the logits ``(B, C)``.

    Returns:
        The logits, the loss of them, and its gradient by name.
    """
    import torch

    own = {n: v.detach().clone().requires_grad_(True) for n, v in tuned.items()}
    with torch.enable_grad():
        _, logits = model.run(xs, own)
        value = loss(logits)
        found = torch.autograd.grad(value, list(own.values()))
    gradients = [g.detach() for g in found]
    by_name = dict(zip(own, gradients, strict=True))
    return logits.detach(), value.detach(), by_name


def sgd(
    tuned: Mapping[str, Tensor],
    speed: Mapping[str, Tensor],
    grad: Mapping[str, Tensor],
    lr: float,
    momentum: float,
) -> tuple[Tensors, Tensors]:
    """One step of gradient descent with momentum (as torch.optim.SGD).

    Args:
        tuned: weights by name.
        speed: their velocities.
        grad: their gradients.
        lr: rate.
        momentum: share of the velocity that is kept.

    Returns:
        New weights and new velocities.
    """
    moved = {n: momentum * speed[n] + g for n, g in grad.items()}
    weights = {n: tuned[n] - lr * moved[n] for n in tuned}
    return weights, moved


def adamw_first(
    tuned: Mapping[str, Tensor],
    grad: Mapping[str, Tensor],
    lr: float,
    decay: float,
    eps: float = 1e-8,
) -> Tensors:
    """The first step of AdamW from fresh moments: ``w (1 - lr decay) - lr g / (|g| + eps)``.

    Args:
        tuned: weights by name.
        grad: their gradients.
        lr: rate.
        decay: weight decay.
        eps: keeps the quotient finite.
    """
    found = {}
    for name, w in tuned.items():
        g = grad[name]
        found[name] = w * (1 - lr * decay) - lr * g / (g.abs() + eps)
    return found

"""What methods that tune a few weights share: choose them, one functional gradient, one step. torch
only.

The shared weights are never written: a method keeps its own copies of the few tensors in the
person's state, and hands them to ``model.run`` as an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twomind.core.errors import BadInput
from twomind.types import Features

Tensors = dict[str, Any]


def affine_names(model: Any) -> list[str]:
    """Names of the scale and shift of every normalisation layer, sorted.

    Raises:
        BadInput: the model has none, so Tent and SAR have nothing to adapt.
    """
    found = sorted(
        n
        for n in model.params()
        if n.split(".")[-2:-1] and "norm" in n and n.endswith((".weight", ".bias"))
    )
    found = [n for n in found if model.params()[n].ndim == 1]
    if not found:
        raise BadInput(
            "this method adapts the scale and shift of normalisation layers (names like "
            "norm.weight), and the model "
            "has none; use a cache method such as tda or tta-cap"
        )
    return found


def copies(model: Any, names: Sequence[str]) -> Tensors:
    """Own copies of some weights, without a gradient.

    Raises:
        BadInput: the model has no such weights.
    """
    params = model.params()
    missing = [n for n in names if n not in params]
    if missing:
        raise BadInput(
            f"this method tunes the weights {', '.join(missing)}, and the model has none of that "
            "name (it has "
            f"{', '.join(sorted(params))}); use a cache method such as tda or tta-cap"
        )
    return {n: params[n].detach().clone() for n in names}


def gradient(
    model: Any, xs: Sequence[Features], tuned: Mapping[str, Any], loss: Callable[[Any], Any]
) -> tuple[Any, Any, Tensors]:
    """Logits ``(B, C)``, the loss of them, and its gradient by name, at ``tuned``."""
    import torch

    own = {n: v.detach().clone().requires_grad_(True) for n, v in tuned.items()}
    with torch.enable_grad():
        _, logits = model.run(xs, own)
        value = loss(logits)
        found = torch.autograd.grad(value, list(own.values()))
    return logits.detach(), value.detach(), dict(zip(own, (g.detach() for g in found), strict=True))


def sgd(
    tuned: Mapping[str, Any],
    speed: Mapping[str, Any],
    grad: Mapping[str, Any],
    lr: float,
    momentum: float,
) -> Any:
    """New weights and new velocities after one step of gradient descent with momentum (as
    torch.optim.SGD).
    """
    moved = {n: momentum * speed[n] + g for n, g in grad.items()}
    return {n: tuned[n] - lr * moved[n] for n in tuned}, moved


def adamw_first(
    tuned: Mapping[str, Any], grad: Mapping[str, Any], lr: float, decay: float, eps: float = 1e-8
) -> Tensors:
    """The first step of AdamW from fresh moments: ``w (1 - lr decay) - lr g / (|g| + eps)``."""
    return {n: tuned[n] * (1 - lr * decay) - lr * grad[n] / (grad[n].abs() + eps) for n in tuned}

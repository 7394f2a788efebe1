"""Named tensors: copies that stand still, and copies that take gradients."""

from __future__ import annotations

from collections.abc import Mapping

from twomind.core.errors import MissingExtra

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtra("torch", "training") from error


def copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies without a gradient."""
    found = {}
    for name, value in weights.items():
        found[name] = value.detach().clone()
    return found


def leaves(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that take gradients."""
    found = copied(weights)
    for value in found.values():
        value.requires_grad_()
    return found


def placed(weights: Mapping[str, Tensor], place: torch.device | str) -> dict[str, Tensor]:
    """The same tensors on a device."""
    return {name: value.to(place) for name, value in weights.items()}

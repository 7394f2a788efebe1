"""The translators of SFDA-PFT (arXiv 2508.09202) as plain functions of weights: each maps a feature
``(B, D)`` to a feature. Names of weights are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping

from twomind.core.errors import BadInput, MissingExtra

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "SFDA-PFT") from error

Weights = Mapping[str, Tensor]

#: Residual starts at the identity; the others are released: two layers, three layers, and two on a
#: pair of features.
TRANSLATORS = ("residual", "mlp", "mlp3", "conditional")


def linear(w: Weights, at: str, x: Tensor) -> Tensor:
    """The linear layer ``at``.

    Args:
        w: The weights.
        at: Prefix of its ``weight`` and ``bias``.
        x: What it reads, ``(B, n_in)``.
    """
    weight = w[f"{at}.weight"]
    bias = w[f"{at}.bias"]
    return F.linear(x, weight, bias)


def translate(
    w: Weights, z: Tensor, kind: str = "residual", reference: Tensor | None = None
) -> Tensor:
    """A feature in another person's style.

    Args:
        w: Layers ``layers.{0,2,4}.{weight,bias}`` with ReLU between them.
        z: The feature ``(B, D)``.
        kind: One of ``TRANSLATORS``.
        reference: A feature ``(B, D)`` of that person, which ``conditional`` also reads.

    Raises:
        BadInput: an unknown kind, or a reference that it does not read.
    """
    depth = _depth(kind)
    if (kind == "conditional") != (reference is not None):
        raise BadInput(
            f"translator {kind!r}: expected a reference feature for 'conditional' and for nothing "
            "else"
        )
    x = z
    if reference is not None:
        x = torch.cat([z, reference], dim=1)
    x = linear(w, "layers.0", x)
    for k in range(1, depth):
        x = linear(w, f"layers.{2 * k}", F.relu(x))
    return z + x if kind == "residual" else x


def _depth(kind: str) -> int:
    """How many layers a translator has."""
    if kind not in TRANSLATORS:
        raise BadInput(f"translator: expected one of {', '.join(TRANSLATORS)}, got {kind!r}")
    return 3 if kind == "mlp3" else 2


def new_translator(dim: int, kind: str = "residual", seed: int = 0) -> dict[str, Tensor]:
    """Fresh weights, as torch initialises linear layers.

    Args:
        dim: D, of a feature.
        kind: One of ``TRANSLATORS``; the last layer of ``residual`` is zero: it changes nothing.
        seed: Of the draw.

    Raises:
        BadInput: an unknown kind.
    """
    depth = _depth(kind)
    rng = torch.Generator().manual_seed(seed)
    found = {}
    n_in = 2 * dim if kind == "conditional" else dim
    for k in range(depth):
        weight = 2 * torch.rand((dim, n_in), generator=rng) - 1
        bias = 2 * torch.rand((dim,), generator=rng) - 1
        at = f"layers.{2 * k}"
        scale = n_in**0.5
        found[f"{at}.weight"] = weight / scale
        found[f"{at}.bias"] = bias / scale
        n_in = dim
    if kind == "residual":
        for name in ("layers.2.weight", "layers.2.bias"):
            found[name] = torch.zeros_like(found[name])
    return found

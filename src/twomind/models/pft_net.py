"""The networks of SFDA-PFT (arXiv 2508.09202) as plain functions of weights.

``extract`` is a ResNet-18 (He et al., CVPR 2016) without its last layer, ``bottleneck`` and
``head`` are those of SHOT, the translators map a feature ``(B, D)`` to a feature. Names of weights
are those of the published checkpoints.
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


def _norm(w: Weights, at: str, x: Tensor) -> Tensor:
    """Batch normalisation by its running statistics: a person's few frames never move them."""
    mean = w[f"{at}.running_mean"]
    var = w[f"{at}.running_var"]
    weight = w[f"{at}.weight"]
    bias = w[f"{at}.bias"]
    return F.batch_norm(x, mean, var, weight, bias, training=False, eps=1e-5)


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


def _block(w: Weights, at: str, x: Tensor, stride: int) -> Tensor:
    first = w[f"{at}.conv1.weight"]
    second = w[f"{at}.conv2.weight"]
    y = F.conv2d(x, first, stride=stride, padding=1)
    y = F.relu(_norm(w, f"{at}.bn1", y))
    y = F.conv2d(y, second, padding=1)
    y = _norm(w, f"{at}.bn2", y)
    smaller = w.get(f"{at}.downsample.0.weight")
    if smaller is not None:
        x = F.conv2d(x, smaller, stride=stride)
        x = _norm(w, f"{at}.downsample.1", x)
    return F.relu(x + y)


def stem(w: Weights, x: Tensor) -> Tensor:
    """The first convolution and its normalisation, before ReLU: ``(B, 3, H, W)`` → ``(B, 64, H / 2,
    W / 2)``.
    """
    y = F.conv2d(x, w["conv1.weight"], stride=2, padding=3)
    return _norm(w, "bn1", y)


def layer(w: Weights, n: int, x: Tensor) -> Tensor:
    """One layer of the ResNet: two residual blocks.

    Args:
        w: The weights.
        n: 1 … 4; all but the first halve the side.
        x: Maps ``(B, C, H, W)``.
    """
    stride = 1 if n == 1 else 2
    x = _block(w, f"layer{n}.0", x, stride)
    return _block(w, f"layer{n}.1", x, 1)


def extract(w: Weights, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Pooled features ``(B, 512)`` of pictures ``(B, 3, H, W)``, and five maps: of the stem and
    each layer.
    """
    x = F.relu(stem(w, x))
    x = F.max_pool2d(x, 3, 2, padding=1)
    maps = [x]
    for n in range(1, 5):
        x = layer(w, n, x)
        maps.append(x)
    return x.mean(dim=(2, 3)), maps


def bottleneck(w: Weights, z: Tensor) -> Tensor:
    """``(B, 512)`` → ``(B, 256)``: a linear layer and batch normalisation, no activation."""
    y = linear(w, "bottleneck", z)
    return _norm(w, "bn", y)


def head(w: Weights, z: Tensor) -> Tensor:
    """Logits ``(B, K)`` of a weight-normalised linear layer: ``g v / |v|``."""
    v = w["fc.weight_v"]
    length = v.norm(dim=1, keepdim=True)
    weight = w["fc.weight_g"] * v / length
    return F.linear(z, weight, w["fc.bias"])


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

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
_DEPTH = {"residual": 2, "mlp": 2, "mlp3": 3, "conditional": 2}


def _norm(w: Weights, at: str, x: Tensor) -> Tensor:
    """Batch normalisation by its running statistics: a person's few frames never move them."""
    mean, var = w[f"{at}.running_mean"], w[f"{at}.running_var"]
    return F.batch_norm(x, mean, var, w[f"{at}.weight"], w[f"{at}.bias"], training=False, eps=1e-5)


def _block(w: Weights, at: str, x: Tensor, stride: int) -> Tensor:
    y = F.relu(
        _norm(w, f"{at}.bn1", F.conv2d(x, w[f"{at}.conv1.weight"], stride=stride, padding=1))
    )
    y = _norm(w, f"{at}.bn2", F.conv2d(y, w[f"{at}.conv2.weight"], padding=1))
    if f"{at}.downsample.0.weight" in w:
        x = _norm(
            w, f"{at}.downsample.1", F.conv2d(x, w[f"{at}.downsample.0.weight"], stride=stride)
        )
    return F.relu(x + y)


def stem(w: Weights, x: Tensor) -> Tensor:
    """The first convolution and its normalisation, before ReLU: ``(B, 3, H, W)`` → ``(B, 64, H / 2,
    W / 2)``.
    """
    return _norm(w, "bn1", F.conv2d(x, w["conv1.weight"], stride=2, padding=3))


def layer(w: Weights, n: int, x: Tensor) -> Tensor:
    """Layer ``n`` (1 … 4): two residual blocks; all but the first halve the side."""
    return _block(w, f"layer{n}.1", _block(w, f"layer{n}.0", x, 1 if n == 1 else 2), 1)


def extract(w: Weights, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Pooled features ``(B, 512)`` of pictures ``(B, 3, H, W)``, and five maps: of the stem and
    each layer.
    """
    maps = [F.max_pool2d(F.relu(stem(w, x)), 3, 2, padding=1)]
    for n in range(1, 5):
        maps.append(layer(w, n, maps[-1]))
    return maps[-1].mean(dim=(2, 3)), maps


def bottleneck(w: Weights, z: Tensor) -> Tensor:
    """``(B, 512)`` → ``(B, 256)``: a linear layer and batch normalisation, no activation."""
    return _norm(w, "bn", F.linear(z, w["bottleneck.weight"], w["bottleneck.bias"]))


def head(w: Weights, z: Tensor) -> Tensor:
    """Logits ``(B, K)`` of a weight-normalised linear layer: ``g v / |v|``."""
    v = w["fc.weight_v"]
    return F.linear(z, w["fc.weight_g"] * v / v.norm(dim=1, keepdim=True), w["fc.bias"])


def translate(
    w: Weights, z: Tensor, kind: str = "residual", reference: Tensor | None = None
) -> Tensor:
    """A feature ``(B, D)`` in another person's style. ``conditional`` also reads a reference
    feature.

    Layers are ``layers.{0,2,4}.{weight,bias}`` with ReLU between them.
    """
    if kind not in TRANSLATORS:
        raise BadInput(f"translator: expected one of {', '.join(TRANSLATORS)}, got {kind!r}")
    if (kind == "conditional") != (reference is not None):
        raise BadInput(
            f"translator {kind!r}: expected a reference feature for 'conditional' and for nothing "
            "else"
        )
    x = z if reference is None else torch.cat([z, reference], dim=1)
    for k in range(_DEPTH[kind]):
        x = F.linear(F.relu(x) if k else x, w[f"layers.{2 * k}.weight"], w[f"layers.{2 * k}.bias"])
    return z + x if kind == "residual" else x


def new_translator(dim: int, kind: str = "residual", seed: int = 0) -> dict[str, Tensor]:
    """Fresh weights, as torch initialises linear layers; the last of ``residual`` is zero: it
    changes nothing.
    """
    if kind not in TRANSLATORS:
        raise BadInput(f"translator: expected one of {', '.join(TRANSLATORS)}, got {kind!r}")
    rng = torch.Generator().manual_seed(seed)
    found = {}
    for k in range(_DEPTH[kind]):
        n_in = 2 * dim if kind == "conditional" and k == 0 else dim
        for name, shape in (("weight", (dim, n_in)), ("bias", (dim,))):
            found[f"layers.{2 * k}.{name}"] = (2 * torch.rand(shape, generator=rng) - 1) / n_in**0.5
    if kind == "residual":
        found |= {
            name: torch.zeros_like(v) for name, v in found.items() if name.startswith("layers.2")
        }
    return found

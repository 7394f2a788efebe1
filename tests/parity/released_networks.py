"""Networks of the released programs, as functions of their weights, which the library does not have:
its methods work on any model's embedding. The recorded numbers of what it does have start from
their features.

``extract`` is a ResNet-18 (He et al., CVPR 2016) without its last layer, ``bottleneck`` and
``head`` are those of SHOT: the networks of SFDA-PFT. ``msda_extract`` and ``msda_classify`` are the
network of the subject-based code (Zeeshan et al., FG 2024), with three slips that the recorded
numbers have: no ReLU and no pooling after the first layer, and a 4x4 average of the last map, which
of a 7x7 map reads the top left 4x4 only. Names of weights are those of the released programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from twomind.models import pft_net as translators

Weights = Mapping[str, Tensor]


def _norm(w: Weights, at: str, x: Tensor) -> Tensor:
    """Batch normalisation by its running statistics: a person's few frames never move them."""
    mean = w[f"{at}.running_mean"]
    var = w[f"{at}.running_var"]
    weight = w[f"{at}.weight"]
    bias = w[f"{at}.bias"]
    return F.batch_norm(x, mean, var, weight, bias, training=False, eps=1e-5)


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
    y = translators.linear(w, "bottleneck", z)
    return _norm(w, "bn", y)


def head(w: Weights, z: Tensor) -> Tensor:
    """Logits ``(B, K)`` of a weight-normalised linear layer: ``g v / |v|``."""
    v = w["fc.weight_v"]
    length = v.norm(dim=1, keepdim=True)
    weight = w["fc.weight_g"] * v / length
    return F.linear(z, weight, w["fc.bias"])


# --- the subject-based code

#: Side of the average over the last map.
POOL = 4


def msda_extract(w: Weights, x: Tensor) -> tuple[Tensor, Tensor]:
    """Features ``(B, 512)`` of pictures ``(B, 3, 100, 100)``, and the last map ``(B, 512, 7, 7)``."""
    base = {}
    for name, value in w.items():
        if name.startswith("base_network."):
            base[name.removeprefix("base_network.")] = value
    maps = stem(base, x)
    for n in range(1, 5):
        maps = layer(base, n, maps)
    return F.avg_pool2d(maps, POOL).flatten(1), maps


def msda_classify(w: Weights, z: Tensor) -> Tensor:
    """Logits ``(B, K)`` of features ``(B, 512)``: 1024 hidden units and ReLU, dropout off. The
    bottleneck is unused.
    """
    hidden = F.relu(translators.linear(w, "classifier_layer.0", z))
    return translators.linear(w, "classifier_layer.3", hidden)


# --- styles of maps


def gram(maps: Tensor) -> Tensor:
    """Gram matrix ``(B, C, C)`` of feature maps ``(B, C, H, W)``, divided by ``C H W``."""
    flat = maps.flatten(2)
    products = flat @ flat.transpose(1, 2)
    return products / (flat.shape[1] * flat.shape[2])


def gram_style(reference: Sequence[Tensor], translated: Sequence[Tensor]) -> Tensor:
    """Sum over layers of the mean squared difference of Gram matrices. Row ``b`` is compared with
    row ``b``.
    """
    found = []
    for wanted, got in zip(reference, translated, strict=True):
        found.append(F.mse_loss(gram(got), gram(wanted)))
    return torch.stack(found).sum()


def mean_variance_style(reference: Tensor, translated: Tensor) -> Tensor:
    """Released helper: per row, mean and (unbiased) variance over a map's pixels, or over a
    vector's *dimensions*.
    """
    axes = (2, 3) if reference.ndim == 4 else (1,)
    means = reference.mean(axes) - translated.mean(axes)
    variances = reference.var(axes) - translated.var(axes)
    return means.square().mean() + variances.square().mean()

"""ResNet-18 without its last layer (He et al., CVPR 2016), as a plain function of frozen weights.

Names of weights are those of torchvision's checkpoints, which the released programs build on.
"""

from __future__ import annotations

from collections.abc import Mapping

from twomind.core.errors import MissingExtra

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "ResNet-18") from error

Weights = Mapping[str, Tensor]

PX = 224
DIM = 512
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
#: Channels of the four stages.
STAGES = (64, 128, 256, 512)
_BLOCKS = 2
_NORM = ("weight", "bias", "running_mean", "running_var")


def shapes() -> dict[str, tuple[int, ...]]:
    """Every weight by name, in order of declaration, with its shape."""
    found: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)}
    found |= _norm("bn1", 64)
    n_in = 64
    for k, n_out in enumerate(STAGES, 1):
        for block in range(_BLOCKS):
            at = f"layer{k}.{block}"
            first = n_in if block == 0 else n_out
            found[f"{at}.conv1.weight"] = (n_out, first, 3, 3)
            found |= _norm(f"{at}.bn1", n_out)
            found[f"{at}.conv2.weight"] = (n_out, n_out, 3, 3)
            found |= _norm(f"{at}.bn2", n_out)
            if first != n_out:
                found[f"{at}.downsample.0.weight"] = (n_out, first, 1, 1)
                found |= _norm(f"{at}.downsample.1", n_out)
        n_in = n_out
    return found


def _norm(at: str, n: int) -> dict[str, tuple[int, ...]]:
    return {f"{at}.{name}": (n,) for name in _NORM}


def prepared(pictures: Tensor) -> Tensor:
    """Pictures ``(n, 3, 224, 224)`` in [0, 1] less the mean of ImageNet, over its deviation."""
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    return (pictures - mean) / std


def features(w: Weights, x: Tensor) -> Tensor:
    """Features ``(n, 512)`` of prepared pictures ``(n, 3, 224, 224)``."""
    x = F.relu(_normed(w, "bn1", F.conv2d(x, w["conv1.weight"], stride=2, padding=3)))
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for k in range(1, len(STAGES) + 1):
        for block in range(_BLOCKS):
            x = _block(w, f"layer{k}.{block}", x, 2 if k > 1 and block == 0 else 1)
    return x.mean(dim=(2, 3))


def _block(w: Weights, at: str, x: Tensor, stride: int) -> Tensor:
    h = F.conv2d(x, w[f"{at}.conv1.weight"], stride=stride, padding=1)
    h = F.relu(_normed(w, f"{at}.bn1", h))
    h = _normed(w, f"{at}.bn2", F.conv2d(h, w[f"{at}.conv2.weight"], padding=1))
    if f"{at}.downsample.0.weight" in w:
        x = F.conv2d(x, w[f"{at}.downsample.0.weight"], stride=stride)
        x = _normed(w, f"{at}.downsample.1", x)
    return F.relu(h + x)


def _normed(w: Weights, at: str, x: Tensor) -> Tensor:
    """Batch normalisation with the statistics of the training."""
    mean, var = w[f"{at}.running_mean"], w[f"{at}.running_var"]
    return F.batch_norm(x, mean, var, w[f"{at}.weight"], w[f"{at}.bias"])


def one_linear(
    bottleneck: Weights, classifier: Weights, epsilon: float = 1e-5
) -> tuple[Tensor, Tensor]:
    """The released bottleneck and classifier as one linear layer ``(K, 512)`` and ``(K,)``: a linear
    layer, batch normalisation with fixed statistics and a weight-normalised linear layer follow
    each other with nothing between.

    Args:
        bottleneck: ``bottleneck.*`` and ``bn.*``.
        classifier: ``fc.weight_g``, ``fc.weight_v``, ``fc.bias``.
        epsilon: of the normalisation.
    """
    scale = bottleneck["bn.weight"] / (bottleneck["bn.running_var"] + epsilon).sqrt()
    shift = bottleneck["bn.bias"] - scale * bottleneck["bn.running_mean"]
    weight = scale[:, None] * bottleneck["bottleneck.weight"]
    bias = scale * bottleneck["bottleneck.bias"] + shift
    direction = classifier["fc.weight_v"]
    length = direction.norm(dim=1, keepdim=True)
    last = classifier["fc.weight_g"].view(-1, 1) * direction / length
    return last @ weight, last @ bias + classifier["fc.bias"]


__all__ = ["DIM", "PX", "Weights", "features", "one_linear", "prepared", "shapes"]

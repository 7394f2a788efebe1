"""The networks of DSFDA (arXiv 2503.20771; the architecture is that of TDGAN, Xie et al., IEEE
TCSVT 2020).

Plain functions of a flat mapping of weights. Its parts, by prefix: ``identity`` and ``expression``
(encoders), ``head`` (expression classes), ``decoder``, ``identity_critic`` and
``expression_critic`` (an encoder ``.trunk`` and a ``.head`` each). Pictures are ``(B, 3, P, P)`` in
[0, 1]; every feature map is ``(B, 4W, 8, 8)`` for the width ``W``.

128 px and width 32 are the published sizes. The reduced ones keep the 8x8 map: at 64 px the last
convolution of the encoder and the last upsampling of the decoder are left out, and every width
follows ``W``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from twomind.core.errors import BadInput, MissingExtra

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "DSFDA") from error

Weights = Mapping[str, Tensor]
#: Filled with the maps inside a network, for comparison; None: not wanted.
Taps = dict[str, Tensor] | None
#: Where dropout draws from; None, in prediction: nothing is dropped.
Rng = torch.Generator | None

#: Side of every feature map.
MAP = 8
PARTS = ("identity", "expression", "head", "decoder", "identity_critic", "expression_critic")
#: What one generated picture needs, without the critics.
GENERATOR = ("identity", "expression", "decoder")
BLOCK_SCALE = 0.17
ENCODER_EPS = 1e-3
DECODER_EPS = 1e-5
#: Side of a picture in pixels → upsamplings of the decoder from the 8x8 map.
UPSAMPLINGS = {128: 4, 64: 3}

Shape = tuple[int, ...]
#: Name → shape of weights.
Shapes = dict[str, Shape]


@dataclass(frozen=True)
class Size:
    """Everything that decides the shapes of the weights. The default is the published network."""

    #: Side of a picture: 128 or 64.
    px: int = 128
    #: Channels of the first convolution.
    width: int = 32
    #: Inception blocks of an encoder.
    n_blocks: int = 4
    #: Hidden units of a head.
    hidden: int = 1024
    #: Channels of the noise map.
    noise: int = 256
    #: Blocks of the decoder.
    n_residual: int = 6
    #: Channels after each upsampling.
    up: Shape = (512, 256, 128, 64)

    def __post_init__(self) -> None:
        if self.px not in UPSAMPLINGS:
            raise BadInput(
                "DSFDA: expected pictures of 64 or 128 px, whose feature maps are 8x8, got "
                f"{self.px}"
            )
        wanted = UPSAMPLINGS[self.px]
        given = len(self.up)
        if given != wanted:
            raise BadInput(
                f"DSFDA at {self.px} px: expected {wanted} upsamplings from 8x8, got {given}"
            )
        for name in ("width", "n_blocks", "hidden", "noise", "n_residual"):
            value = getattr(self, name)
            if value < 1:
                raise BadInput(f"DSFDA.{name}: expected at least 1, got {value}")
        if self.width % 2:
            raise BadInput(
                f"DSFDA.width: expected an even number (branches have half of it), got {self.width}"
            )

    @property
    def depth(self) -> int:
        """Channels of a feature map."""
        return 4 * self.width


FULL = Size()
#: Two reduced sizes that train on two cores.
TINY = Size(64, 8, 1, 64, 16, 1, (64, 32, 16))
SMALL = Size(64, 16, 2, 128, 32, 2, (128, 64, 32))
SIZES = {"full": FULL, "small": SMALL, "tiny": TINY}


def _conv_norm(prefix: str, n_in: int, n_out: int, kernel: int) -> Shapes:
    """A convolution without bias and the affine of its normalisation."""
    return {
        f"{prefix}.conv": (n_out, n_in, kernel, kernel),
        f"{prefix}.norm.weight": (n_out,),
        f"{prefix}.norm.bias": (n_out,),
    }


def _with_bias(prefix: str, *shape: int) -> Shapes:
    """A weight and a bias of its outputs."""
    n_out = shape[0]
    return {f"{prefix}.weight": shape, f"{prefix}.bias": (n_out,)}


def _encoder_shapes(size: Size, prefix: str) -> Shapes:
    w = size.width
    found = _conv_norm(f"{prefix}.stem0", 3, w, 5)
    found |= _conv_norm(f"{prefix}.stem1", w, 2 * w, 5)
    for n in range(size.n_blocks):
        found |= _block_shapes(f"{prefix}.block{n}", 2 * w)
    found |= _conv_norm(f"{prefix}.top0", 2 * w, 4 * w, 5)
    if size.px == 128:
        found |= _conv_norm(f"{prefix}.top1", 4 * w, 4 * w, 5)
    return found


#: Kernels along each branch of an inception block.
BRANCHES = ((1,), (1, 3), (1, 3, 3))


def _block_shapes(prefix: str, width: int) -> Shapes:
    """An inception block; every branch has a quarter of the width."""
    quarter = width // 4
    found: Shapes = {}
    for branch, kernels in enumerate(BRANCHES):
        n_in = width
        for k, kernel in enumerate(kernels):
            found |= _conv_norm(f"{prefix}.branch{branch}.{k}", n_in, quarter, kernel)
            n_in = quarter
    n_merged = len(BRANCHES) * quarter
    return found | _with_bias(f"{prefix}.merge", width, n_merged, 1, 1)


def _head_shapes(size: Size, prefix: str, n_classes: int) -> Shapes:
    n_features = size.depth * MAP * MAP
    first = _with_bias(f"{prefix}.0", size.hidden, n_features)
    second = _with_bias(f"{prefix}.1", size.hidden, size.hidden)
    last = _with_bias(f"{prefix}.2", n_classes, size.hidden)
    return first | second | last


def _decoder_shapes(size: Size, prefix: str) -> Shapes:
    depth = size.depth
    found = _with_bias(f"{prefix}.embed", depth, 2 * depth + size.noise, 3, 3)
    for n in range(size.n_residual):
        found |= _with_bias(f"{prefix}.residual{n}", depth, depth, 3, 3)
    n_in = depth
    for n, n_out in enumerate(size.up):
        found[f"{prefix}.up{n}"] = (n_in, n_out, 4, 4)
        n_in = n_out
    found[f"{prefix}.out"] = (n_in, 3, 3, 3)
    return found


def shapes(size: Size, n_classes: int, n_identities: int) -> Shapes:
    """Name and shape of every weight, part by part.

    Args:
        size: Of the networks.
        n_classes: Expressions.
        n_identities: People. The identity critic has one more class, the last: "generated".
    """
    found = _encoder_shapes(size, "identity")
    found |= _encoder_shapes(size, "expression")
    found |= _head_shapes(size, "head", n_classes)
    found |= _decoder_shapes(size, "decoder")
    found |= _critic_shapes(size, "identity_critic", n_identities + 1)
    found |= _critic_shapes(size, "expression_critic", n_classes)
    return found


def _critic_shapes(size: Size, prefix: str, n_classes: int) -> Shapes:
    trunk = _encoder_shapes(size, f"{prefix}.trunk")
    head = _head_shapes(size, f"{prefix}.head", n_classes)
    return trunk | head


def new_weights(size: Size, n_classes: int, n_identities: int, seed: int = 0) -> dict[str, Tensor]:
    """Fresh weights: heads and decoder N(0, .02) with bias 0, as released; encoders as torch
    initialises them.

    Args:
        size: Of the networks.
        n_classes: Expressions.
        n_identities: People.
        seed: Of the draw.
    """
    rng = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    for name, shape in shapes(size, n_classes, n_identities).items():
        is_vector = len(shape) == 1
        if name.endswith("norm.weight"):
            found[name] = torch.ones(shape)
        elif is_vector and "merge" not in name:
            found[name] = torch.zeros(shape)
        elif name.startswith(("decoder", "head.")) or ".head." in name:
            found[name] = 0.02 * torch.randn(shape, generator=rng)
        else:
            # A vector here is the bias of a merging convolution.
            fan_in = 3 * size.width // 2
            if not is_vector:
                fan_in = math.prod(shape[1:])
            uniform = 2 * torch.rand(shape, generator=rng) - 1
            found[name] = uniform / math.sqrt(fan_in)
    return found


def part(name: str) -> str:
    """The part that a weight belongs to."""
    return name.split(".", 1)[0]


def of_parts(w: Weights, *names: str) -> dict[str, Tensor]:
    """The weights of some parts."""
    return {name: value for name, value in w.items() if part(name) in names}


def _conv_in(w: Weights, at: str, x: Tensor) -> Tensor:
    """Convolution without bias, instance normalisation with an affine, ReLU."""
    kernel = w[f"{at}.conv"]
    side = kernel.shape[-1]
    y = F.conv2d(x, kernel, padding=side // 2)
    weight = w[f"{at}.norm.weight"]
    bias = w[f"{at}.norm.bias"]
    y = F.instance_norm(y, weight=weight, bias=bias, eps=ENCODER_EPS)
    return F.relu(y)


def _conv(w: Weights, at: str, x: Tensor, padding: int = 0) -> Tensor:
    """Convolution with bias."""
    weight = w[f"{at}.weight"]
    bias = w[f"{at}.bias"]
    return F.conv2d(x, weight, bias, padding=padding)


def _linear(w: Weights, at: str, x: Tensor) -> Tensor:
    weight = w[f"{at}.weight"]
    bias = w[f"{at}.bias"]
    return F.linear(x, weight, bias)


def _pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def _block(w: Weights, at: str, x: Tensor) -> Tensor:
    outs = []
    for branch, kernels in enumerate(BRANCHES):
        y = x
        for k in range(len(kernels)):
            y = _conv_in(w, f"{at}.branch{branch}.{k}", y)
        outs.append(y)
    together = torch.cat(outs, dim=1)
    merged = _conv(w, f"{at}.merge", together)
    return F.relu(x + BLOCK_SCALE * merged)


def encode(w: Weights, prefix: str, x: Tensor, taps: Taps = None) -> Tensor:
    """Feature map ``(B, 4W, 8, 8)`` of pictures.

    Args:
        w: The weights.
        prefix: Which encoder.
        x: Pictures ``(B, 3, P, P)``.
        taps: Is filled with ``pool1`` and ``blocks``, for comparison.
    """
    x = _pool(_conv_in(w, f"{prefix}.stem0", x))
    if taps is not None:
        taps["pool1"] = x
    x = _pool(_conv_in(w, f"{prefix}.stem1", x))
    n = 0
    while f"{prefix}.block{n}.merge.weight" in w:
        x = _block(w, f"{prefix}.block{n}", x)
        n += 1
    if taps is not None:
        taps["blocks"] = x
    x = _pool(_conv_in(w, f"{prefix}.top0", x))
    if f"{prefix}.top1.conv" in w:
        x = _pool(_conv_in(w, f"{prefix}.top1", x))
    return x


def _dropout(x: Tensor, rng: Rng) -> Tensor:
    """Half of the values dropped, from a generator; None (prediction): none."""
    if rng is None:
        return x
    drawn = torch.rand(x.shape, generator=rng, device=x.device)
    return x * 2 * (drawn < 0.5)


def hidden(w: Weights, prefix: str, features: Tensor, rng: Rng = None) -> Tensor:
    """What a head's last layer reads ``(B, H)``.

    Args:
        w: The weights.
        prefix: Which head.
        features: Feature maps ``(B, 4W, 8, 8)``.
        rng: Drops half of the values; None, in prediction: none.
    """
    h = _dropout(features.flatten(1), rng)
    h = F.relu(_linear(w, f"{prefix}.0", h))
    h = _dropout(h, rng)
    return F.relu(_linear(w, f"{prefix}.1", h))


def classify(w: Weights, prefix: str, features: Tensor, rng: Rng = None) -> Tensor:
    """Logits ``(B, K)`` of a head on feature maps.

    Args:
        w: The weights.
        prefix: Which head.
        features: Feature maps ``(B, 4W, 8, 8)``.
        rng: Drops half of the values; None, in prediction: none.
    """
    h = hidden(w, prefix, features, rng)
    return _linear(w, f"{prefix}.2", h)


def judge(w: Weights, critic: str, x: Tensor, rng: Rng = None) -> tuple[Tensor, Tensor]:
    """Feature map and logits that a critic gives to pictures.

    Args:
        w: The weights.
        critic: Which critic.
        x: Pictures ``(B, 3, P, P)``.
        rng: Drops half of the values; None, in prediction: none.
    """
    features = encode(w, f"{critic}.trunk", x)
    return features, classify(w, f"{critic}.head", features, rng)


def decode(
    w: Weights,
    expression: Tensor,
    identity: Tensor,
    noise: Tensor,
    taps: Taps = None,
) -> Tensor:
    """A picture ``(B, 3, P, P)`` with one face's expression and another's identity.

    Args:
        w: The weights.
        expression: Feature map ``(B, 4W, 8, 8)`` of the one.
        identity: Feature map ``(B, 4W, 8, 8)`` of the other.
        noise: Noise map ``(B, Nz, 8, 8)``.
        taps: Is filled with ``residual`` and ``up0`` …, for comparison.
    """
    x = torch.cat([expression, identity, noise], dim=1)
    x = F.relu(_conv(w, "decoder.embed", x, padding=1))
    n = 0
    while f"decoder.residual{n}.weight" in w:
        change = _conv(w, f"decoder.residual{n}", x, padding=1)
        x = x + F.relu(change)
        n += 1
    if taps is not None:
        taps["residual"] = x
    n = 0
    while f"decoder.up{n}" in w:
        x = F.conv_transpose2d(x, w[f"decoder.up{n}"], stride=2, padding=1)
        x = F.relu(F.instance_norm(x, eps=DECODER_EPS))
        if taps is not None:
            taps[f"up{n}"] = x
        n += 1
    return F.conv_transpose2d(x, w["decoder.out"], padding=1).sigmoid()


def noise_maps(size: Size, n: int, rng: torch.Generator) -> Tensor:
    """Uniform noise ``(n, Nz, 8, 8)``.

    Args:
        size: Of the networks.
        n: How many maps.
        rng: Draws them, on its device.
    """
    shape = (n, size.noise, MAP, MAP)
    return torch.rand(shape, generator=rng, device=rng.device)

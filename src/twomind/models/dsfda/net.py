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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twomind.core.errors import BadInput, MissingExtra

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "DSFDA") from error

Weights = Mapping[str, Tensor]

#: Side of every feature map.
MAP = 8
PARTS = ("identity", "expression", "head", "decoder", "identity_critic", "expression_critic")
#: What one generated picture needs, without the critics.
GENERATOR = ("identity", "expression", "decoder")
BLOCK_SCALE = 0.17
ENCODER_EPS, DECODER_EPS = 1e-3, 1e-5


@dataclass(frozen=True)
class Size:
    """Everything that decides the shapes of the weights. The default is the published network."""

    px: int = 128  # 128 or 64
    width: int = 32  # channels of the first convolution
    n_blocks: int = 4  # inception blocks of an encoder
    hidden: int = 1024  # of a head
    noise: int = 256  # channels of the noise map
    n_residual: int = 6  # blocks of the decoder
    up: tuple[int, ...] = (512, 256, 128, 64)  # channels after each upsampling

    def __post_init__(self) -> None:
        if self.px not in (64, 128):
            raise BadInput(
                "DSFDA: expected pictures of 64 or 128 px, whose feature maps are 8x8, got "
                f"{self.px}"
            )
        wanted = {128: 4, 64: 3}[self.px]
        if len(self.up) != wanted:
            raise BadInput(
                f"DSFDA at {self.px} px: expected {wanted} upsamplings from 8x8, got {len(self.up)}"
            )
        for name in ("width", "n_blocks", "hidden", "noise", "n_residual"):
            if getattr(self, name) < 1:
                raise BadInput(f"DSFDA.{name}: expected at least 1, got {getattr(self, name)}")
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


def _conv_norm(prefix: str, a: int, b: int, k: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{prefix}.conv": (b, a, k, k),
        f"{prefix}.norm.weight": (b,),
        f"{prefix}.norm.bias": (b,),
    }


def _encoder_shapes(size: Size, prefix: str) -> dict[str, tuple[int, ...]]:
    w = size.width
    found = _conv_norm(f"{prefix}.stem0", 3, w, 5) | _conv_norm(f"{prefix}.stem1", w, 2 * w, 5)
    half = w // 2
    for n in range(size.n_blocks):
        for branch, kernels in enumerate(((1,), (1, 3), (1, 3, 3))):
            for k, kernel in enumerate(kernels):
                at = f"{prefix}.block{n}.branch{branch}.{k}"
                found |= _conv_norm(at, half if k else 2 * w, half, kernel)
        found[f"{prefix}.block{n}.merge.weight"] = (2 * w, 3 * half, 1, 1)
        found[f"{prefix}.block{n}.merge.bias"] = (2 * w,)
    found |= _conv_norm(f"{prefix}.top0", 2 * w, 4 * w, 5)
    return found | (_conv_norm(f"{prefix}.top1", 4 * w, 4 * w, 5) if size.px == 128 else {})


def _head_shapes(size: Size, prefix: str, n_classes: int) -> dict[str, tuple[int, ...]]:
    widths = (size.depth * MAP * MAP, size.hidden, size.hidden, n_classes)
    found: dict[str, tuple[int, ...]] = {}
    for k in range(3):
        found |= {
            f"{prefix}.{k}.weight": (widths[k + 1], widths[k]),
            f"{prefix}.{k}.bias": (widths[k + 1],),
        }
    return found


def _decoder_shapes(size: Size, prefix: str) -> dict[str, tuple[int, ...]]:
    d = size.depth
    found: dict[str, tuple[int, ...]] = {f"{prefix}.embed.weight": (d, 2 * d + size.noise, 3, 3)}
    found[f"{prefix}.embed.bias"] = (d,)
    for n in range(size.n_residual):
        found |= {f"{prefix}.residual{n}.weight": (d, d, 3, 3), f"{prefix}.residual{n}.bias": (d,)}
    for n, (a, b) in enumerate(zip((d, *size.up), size.up, strict=False)):
        found[f"{prefix}.up{n}"] = (a, b, 4, 4)
    return found | {f"{prefix}.out": (size.up[-1], 3, 3, 3)}


def shapes(size: Size, n_classes: int, n_identities: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight, part by part. The identity critic has one more class, the
    last: "generated".
    """
    found = _encoder_shapes(size, "identity") | _encoder_shapes(size, "expression")
    found |= _head_shapes(size, "head", n_classes) | _decoder_shapes(size, "decoder")
    for part, n in (("identity_critic", n_identities + 1), ("expression_critic", n_classes)):
        found |= _encoder_shapes(size, f"{part}.trunk") | _head_shapes(size, f"{part}.head", n)
    return found


def new_weights(size: Size, n_classes: int, n_identities: int, seed: int = 0) -> dict[str, Tensor]:
    """Fresh weights: heads and decoder N(0, .02) with bias 0, as released; encoders as torch
    initialises them.
    """
    rng = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    for name, shape in shapes(size, n_classes, n_identities).items():
        if name.endswith("norm.weight"):
            found[name] = torch.ones(shape)
        elif len(shape) == 1 and "merge" not in name:
            found[name] = torch.zeros(shape)
        elif name.startswith("decoder") or ".head." in name or name.startswith("head."):
            found[name] = 0.02 * torch.randn(shape, generator=rng)
        else:
            fan_in = math.prod(shape[1:]) if len(shape) > 1 else 3 * size.width // 2
            found[name] = (2 * torch.rand(shape, generator=rng) - 1) / math.sqrt(fan_in)
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
    y = F.conv2d(x, kernel, padding=kernel.shape[-1] // 2)
    weight, bias = w[f"{at}.norm.weight"], w[f"{at}.norm.bias"]
    return F.relu(F.instance_norm(y, weight=weight, bias=bias, eps=ENCODER_EPS))


def _pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def _block(w: Weights, at: str, x: Tensor) -> Tensor:
    outs = []
    for branch, n in enumerate((1, 2, 3)):
        y = x
        for k in range(n):
            y = _conv_in(w, f"{at}.branch{branch}.{k}", y)
        outs.append(y)
    merged = F.conv2d(torch.cat(outs, dim=1), w[f"{at}.merge.weight"], w[f"{at}.merge.bias"])
    return F.relu(x + BLOCK_SCALE * merged)


def encode(w: Weights, prefix: str, x: Tensor, taps: dict[str, Tensor] | None = None) -> Tensor:
    """Feature map ``(B, 4W, 8, 8)`` of pictures. ``taps`` is filled with ``pool1`` and ``blocks``,
    for comparison.
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
    return _pool(_conv_in(w, f"{prefix}.top1", x)) if f"{prefix}.top1.conv" in w else x


def _dropout(x: Tensor, rng: torch.Generator | None) -> Tensor:
    """Half of the values dropped, from a generator; None (prediction): none."""
    if rng is None:
        return x
    return x * 2 * (torch.rand(x.shape, generator=rng, device=x.device) < 0.5)


def hidden(w: Weights, prefix: str, features: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """What a head's last layer reads ``(B, H)``."""
    h = _dropout(features.flatten(1), rng)
    h = _dropout(F.relu(F.linear(h, w[f"{prefix}.0.weight"], w[f"{prefix}.0.bias"])), rng)
    return F.relu(F.linear(h, w[f"{prefix}.1.weight"], w[f"{prefix}.1.bias"]))


def classify(
    w: Weights, prefix: str, features: Tensor, rng: torch.Generator | None = None
) -> Tensor:
    """Logits ``(B, K)`` of a head on feature maps."""
    return F.linear(
        hidden(w, prefix, features, rng), w[f"{prefix}.2.weight"], w[f"{prefix}.2.bias"]
    )


def judge(
    w: Weights, critic: str, x: Tensor, rng: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Feature map and logits that a critic gives to pictures."""
    features = encode(w, f"{critic}.trunk", x)
    return features, classify(w, f"{critic}.head", features, rng)


def decode(
    w: Weights,
    expression: Tensor,
    identity: Tensor,
    noise: Tensor,
    taps: dict[str, Tensor] | None = None,
) -> Tensor:
    """A picture ``(B, 3, P, P)`` with one face's expression and another's identity, from their maps
    and a noise map.
    """
    x = torch.cat([expression, identity, noise], dim=1)
    x = F.relu(F.conv2d(x, w["decoder.embed.weight"], w["decoder.embed.bias"], padding=1))
    n = 0
    while f"decoder.residual{n}.weight" in w:
        x = x + F.relu(
            F.conv2d(x, w[f"decoder.residual{n}.weight"], w[f"decoder.residual{n}.bias"], padding=1)
        )
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
    """Uniform noise ``(n, Nz, 8, 8)``."""
    return torch.rand((n, size.noise, MAP, MAP), generator=rng, device=rng.device)


def n_weights(w: Weights, names: Sequence[str] = PARTS) -> int:
    """How many numbers some parts hold."""
    return sum(value.numel() for value in of_parts(w, *names).values())

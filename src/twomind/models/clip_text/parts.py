"""The temporal transformer over frame rows and the adapter of the class text, as plain functions of
weights.

Sizes are those of the published base model: a learned token and learned places, four pre-norm blocks
of eight heads, and a bottleneck of 64 whose last layer starts at zero.
"""

from __future__ import annotations

from collections.abc import Mapping

from twomind.core.errors import MissingExtra

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "CLIP with class text") from error

Weights = Mapping[str, Tensor]

N_BLOCKS = 4
N_HEADS = 8
#: Width of a head, and of the hidden layer over the width of a row.
HEAD_WIDTH = 64
HIDDEN_FACTOR = 4
MAX_FRAMES = 256
BOTTLENECK = 64
_INIT = 0.02


def new_weights(dim: int, seed: int = 0) -> dict[str, Tensor]:
    """Fresh weights of the temporal transformer and the text adapter.

    Args:
        dim: of a row.
        seed: of the draw.
    """
    rng = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return _INIT * torch.randn(shape, generator=rng)

    inner = N_HEADS * HEAD_WIDTH
    found = {
        "temporal.token": drawn(dim),
        "temporal.places": drawn(MAX_FRAMES + 1, dim),
        "temporal.norm.weight": torch.ones(dim),
        "temporal.norm.bias": torch.zeros(dim),
        "text_adapter.down.weight": drawn(BOTTLENECK, dim),
        "text_adapter.down.bias": torch.zeros(BOTTLENECK),
        "text_adapter.up.weight": torch.zeros(dim, BOTTLENECK),
        "text_adapter.up.bias": torch.zeros(dim),
    }
    for k in range(N_BLOCKS):
        at = f"temporal.block{k}"
        for norm in ("attend_norm", "widen_norm"):
            found[f"{at}.{norm}.weight"] = torch.ones(dim)
            found[f"{at}.{norm}.bias"] = torch.zeros(dim)
        found[f"{at}.qkv.weight"] = drawn(3 * inner, dim)
        found[f"{at}.join.weight"] = drawn(dim, inner)
        found[f"{at}.join.bias"] = torch.zeros(dim)
        found[f"{at}.wide.weight"] = drawn(HIDDEN_FACTOR * dim, dim)
        found[f"{at}.wide.bias"] = torch.zeros(HIDDEN_FACTOR * dim)
        found[f"{at}.narrow.weight"] = drawn(dim, HIDDEN_FACTOR * dim)
        found[f"{at}.narrow.bias"] = torch.zeros(dim)
    return found


def temporal(w: Weights, frames: Tensor) -> Tensor:
    """One row per window: the learned token after the blocks.

    Args:
        w: the weights.
        frames: rows of the windows' frames ``(B, T, D)``.

    Returns:
        ``(B, D)``, not normalised.
    """
    n, length, dim = frames.shape
    token = w["temporal.token"].expand(n, 1, dim)
    x = torch.cat([token, frames], dim=1)
    x = x + w["temporal.places"][: length + 1]
    for k in range(N_BLOCKS):
        at = f"temporal.block{k}"
        x = x + _attend(w, at, _norm(w, f"{at}.attend_norm", x))
        wide = F.linear(
            _norm(w, f"{at}.widen_norm", x), w[f"{at}.wide.weight"], w[f"{at}.wide.bias"]
        )
        active = F.gelu(wide, approximate="tanh")
        x = x + F.linear(active, w[f"{at}.narrow.weight"], w[f"{at}.narrow.bias"])
    return _norm(w, "temporal.norm", x[:, 0])


def _norm(w: Weights, at: str, x: Tensor) -> Tensor:
    weight = w[f"{at}.weight"]
    return F.layer_norm(x, weight.shape, weight, w[f"{at}.bias"])


def _attend(w: Weights, at: str, x: Tensor) -> Tensor:
    """Self-attention over a window's frames."""
    n, length, _ = x.shape
    qkv = F.linear(x, w[f"{at}.qkv.weight"])
    q, k, v = qkv.view(n, length, 3, N_HEADS, HEAD_WIDTH).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(q, k, v)
    joined = mixed.transpose(1, 2).reshape(n, length, N_HEADS * HEAD_WIDTH)
    return F.linear(joined, w[f"{at}.join.weight"], w[f"{at}.join.bias"])


def adapted_text(w: Weights, text: Tensor) -> Tensor:
    """Unit rows of the class text ``(C, D)``; the adapter adds to them and starts at nothing."""
    if "text_adapter.up.weight" not in w:
        return F.normalize(text, dim=-1)
    down = F.linear(text, w["text_adapter.down.weight"], w["text_adapter.down.bias"])
    more = F.linear(F.gelu(down), w["text_adapter.up.weight"], w["text_adapter.up.bias"])
    return F.normalize(text + more, dim=-1)

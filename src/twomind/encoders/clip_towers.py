"""The two towers of CLIP (Radford et al., ICML 2021) as plain functions of frozen weights.

One implementation for every source: weights keep the names of the OpenAI release (``visual.*``,
``transformer.*`` …), and :func:`from_transformers` renames those of Hugging Face. The text tower
takes prompt *embeddings* as well as token ids, is differentiable with respect to them, and computes
only the tokens that can reach the read-out: the mask is causal, so nothing after the end-of-text
token matters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from twomind.core.errors import BadInput, MissingExtra

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "CLIP") from error

#: CLIP's attention heads are this wide in every published size.
HEAD_WIDTH = 64


@dataclass(frozen=True)
class Tower:
    """One frozen transformer: ``weights`` by name (below ``prefix``), its heads, activation and
    norm constant.
    """

    weights: Mapping[str, Tensor]
    n_heads: int
    activation: str = "quick_gelu"
    epsilon: float = 1e-5
    prefix: str = "transformer."

    def __post_init__(self) -> None:
        if self.activation not in ("quick_gelu", "gelu"):
            raise BadInput(f"CLIP activation: expected quick_gelu or gelu, got {self.activation!r}")
        if not self.n_layers:
            raise BadInput(f"CLIP weights: expected {self.prefix}resblocks.0.*, found no layer")

    @property
    def n_layers(self) -> int:
        pattern = re.compile(re.escape(self.prefix) + r"resblocks\.(\d+)\.")
        return len({m[1] for name in self.weights if (m := pattern.match(name))})

    @property
    def width(self) -> int:
        return int(self.weights[f"{self.prefix}resblocks.0.ln_1.weight"].shape[0])

    @property
    def dim(self) -> int:
        """Of the joint space."""
        return int(
            self.weights[
                "visual.proj" if self.prefix.startswith("visual") else "text_projection"
            ].shape[1]
        )


def text_tower(
    weights: Mapping[str, Tensor], *, n_heads: int = 0, activation: str = "quick_gelu"
) -> Tower:
    """The text half of ``weights``, frozen. ``n_heads`` 0: width / 64, as in every
    published CLIP.
    """
    own = {
        k: v.detach().float()
        for k, v in weights.items()
        if not k.startswith(("visual.", "logit_scale"))
    }
    _need(
        own, "token_embedding.weight", "positional_embedding", "ln_final.weight", "text_projection"
    )
    heads = n_heads or max(1, int(own["ln_final.weight"].shape[0]) // HEAD_WIDTH)
    return Tower(own, heads, activation)


def image_tower(
    weights: Mapping[str, Tensor], *, n_heads: int = 0, activation: str = "quick_gelu"
) -> Tower:
    """The image half of ``weights``, frozen."""
    own = {k: v.detach().float() for k, v in weights.items() if k.startswith("visual.")}
    _need(
        own,
        "visual.conv1.weight",
        "visual.class_embedding",
        "visual.positional_embedding",
        "visual.proj",
    )
    heads = n_heads or max(1, int(own["visual.ln_pre.weight"].shape[0]) // HEAD_WIDTH)
    return Tower(own, heads, activation, prefix="visual.transformer.")


def _need(weights: Mapping[str, Tensor], *names: str) -> None:
    missing = [name for name in names if name not in weights]
    if missing:
        raise BadInput(f"CLIP weights: expected {', '.join(missing)}, and it is not there")


def embed_tokens(tower: Tower, ids: Tensor) -> Tensor:
    """Token embeddings ``(N, L, W)`` of ``ids (N, L)``, before the positional code."""
    return F.embedding(ids, tower.weights["token_embedding.weight"])


def end_of_text(ids: Tensor) -> Tensor:
    """Where each row of ``ids (N, L)`` is read out, ``(N,)``: at the end-of-text token, the largest
    id of the table.
    """
    return ids.argmax(dim=-1)


def text_features(
    tower: Tower,
    embeddings: Tensor,
    read_at: Tensor,
    *,
    truncate: bool = True,
    same_start: bool = False,
) -> Tensor:
    """Joint-space features ``(N, D)``, not normalised, of prompt ``embeddings (N, L, W)`` read at
    ``read_at (N,)``.

    ``embeddings`` come without positional code. ``truncate=False`` computes every token, as
    released implementations do: the same numbers, for comparison. ``same_start`` promises that the
    first token is the same constant in every prompt, so that it is computed once; a gradient with
    respect to it would be wrong.

    Raises:
        BadInput: a prompt is longer than the tower's context, or is read beyond its end.
    """
    n_tokens, context = embeddings.shape[1], tower.weights["positional_embedding"].shape[0]
    if n_tokens > context or int(read_at.max()) >= n_tokens:
        raise BadInput(
            f"prompt: expected at most {context} tokens and a read-out inside them, got {n_tokens} "
            "tokens "
            f"read at {int(read_at.max())}"
        )
    w = tower.weights
    if truncate:
        x = _transform_packed(tower, embeddings, read_at, same_start)
    else:
        x = _transform(tower, embeddings + w["positional_embedding"][:n_tokens], causal=True)
        x = x[torch.arange(len(x)), read_at]
    return _norm(x, w, "ln_final", tower.epsilon) @ w["text_projection"]


def _transform_packed(
    tower: Tower, embeddings: Tensor, read_at: Tensor, same_start: bool
) -> Tensor:
    """The blocks' output at ``read_at``, ``(N, W)``, from the tokens up to there and no others.

    Every product with a weight runs on the prompts' tokens laid end to end, so a short prompt does
    not pay for a long one; only attention sees them padded. Of the last block, all but keys and
    values is needed at the read-out alone. The mask is causal, so a first token that all prompts
    share is the same in every block.
    """
    w, n, length = tower.weights, len(embeddings), int(read_at.max()) + 1
    kept = torch.arange(length) <= read_at[:, None]
    if same_start:
        kept[1:, 0] = False
    row, place = torch.nonzero(kept, as_tuple=True)
    # Where each place of the padded prompts is found. Beyond a read-out anything may stand; a
    # shared start lies first.
    laid = torch.zeros(n, length, dtype=torch.long)
    laid[row, place] = torch.arange(len(row))
    end, back = laid[torch.arange(n), read_at], row * length + place
    x = embeddings[row, place] + w["positional_embedding"][place]
    for layer in range(tower.n_layers):
        at = f"{tower.prefix}resblocks.{layer}."
        h = F.linear(
            _norm(x, w, f"{at}ln_1", tower.epsilon),
            w[f"{at}attn.in_proj_weight"],
            w[f"{at}attn.in_proj_bias"],
        )
        h = _attend(tower, h.index_select(0, laid.flatten()).view(n, length, -1), causal=True)
        if layer == tower.n_layers - 1:
            h, x = h[torch.arange(n), read_at], x[end]
        else:
            h = h.flatten(0, 1).index_select(0, back)
        x = _finish_block(tower, x, h, at)
    return x


def encode_ids(tower: Tower, ids: Tensor, read_at: Tensor | None = None) -> Tensor:
    """Features ``(N, D)`` of token ids ``(N, L)``, without gradient."""
    with torch.no_grad():
        return text_features(
            tower, embed_tokens(tower, ids), end_of_text(ids) if read_at is None else read_at
        )


def image_features(tower: Tower, pixels: Tensor, *, truncate: bool = True) -> Tensor:
    """Joint-space features ``(N, D)``, not normalised, of preprocessed ``pixels (N, 3, S, S)``.

    ``truncate=False`` computes the last block for every patch, as released implementations do,
    although the class token alone is read: the same numbers, for comparison.
    """
    w = tower.weights
    patch = w["visual.conv1.weight"]
    x = F.conv2d(pixels, patch, stride=patch.shape[-1]).flatten(2).transpose(1, 2)
    first = w["visual.class_embedding"].expand(
        x.shape[0], 1, -1
    )  # len(x) would be a constant in an export
    x = torch.cat([first, x], dim=1)
    place = w["visual.positional_embedding"]
    if place.shape[0] != x.shape[1]:
        raise BadInput(
            f"picture: expected {place.shape[0] - 1} patches of {patch.shape[-1]} px, got "
            f"{x.shape[1] - 1}"
        )
    x = _norm(x + place, w, "visual.ln_pre", tower.epsilon)
    x = _transform(tower, x, causal=False, first_only=truncate)[:, 0]
    return _norm(x, w, "visual.ln_post", tower.epsilon) @ w["visual.proj"]


def _norm(x: Tensor, w: Mapping[str, Tensor], name: str, epsilon: float) -> Tensor:
    weight = w[f"{name}.weight"]
    return F.layer_norm(x, weight.shape, weight, w[f"{name}.bias"], epsilon)


def _transform(tower: Tower, x: Tensor, causal: bool, first_only: bool = False) -> Tensor:
    """All pre-norm blocks on ``x (N, L, W)``; ``first_only``: of the last one, the first token,
    ``(N, 1, W)``.

    Of the other tokens the last block needs keys and values, and nothing else.
    """
    w = tower.weights
    for layer in range(tower.n_layers):
        at = f"{tower.prefix}resblocks.{layer}."
        h = _norm(x, w, f"{at}ln_1", tower.epsilon)
        project, bias = w[f"{at}attn.in_proj_weight"], w[f"{at}attn.in_proj_bias"]
        if first_only and layer == tower.n_layers - 1:
            q = F.linear(h[:, :1], project[: tower.width], bias[: tower.width])
            k, v = F.linear(h, project[tower.width :], bias[tower.width :]).chunk(2, dim=-1)
            x, h = (
                x[:, :1],
                _join(_heads(tower, q), _heads(tower, k), _heads(tower, v), causal=False),
            )
        else:
            h = _attend(tower, F.linear(h, project, bias), causal)
        x = _finish_block(tower, x, h, at)
    return x


def _heads(tower: Tower, h: Tensor) -> Tensor:
    """``(N, L, W)`` → ``(N, H, L, W / H)``."""
    return h.view(h.shape[0], h.shape[1], tower.n_heads, -1).transpose(1, 2)


def _join(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Attention of ``(N, H, L, W / H)`` → ``(N, L, W)``."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)


def _attend(tower: Tower, h: Tensor, causal: bool) -> Tensor:
    """Queries, keys and values ``(N, L, 3 W)`` → what attention gives, ``(N, L, W)``."""
    q, k, v = (_heads(tower, part) for part in h.chunk(3, dim=-1))
    return _join(q, k, v, causal)


def _finish_block(tower: Tower, x: Tensor, h: Tensor, at: str) -> Tensor:
    """The rest of a block on tokens ``(..., W)`` after attention gave ``h``."""
    w = tower.weights
    x = x + F.linear(h, w[f"{at}attn.out_proj.weight"], w[f"{at}attn.out_proj.bias"])
    h = F.linear(
        _norm(x, w, f"{at}ln_2", tower.epsilon), w[f"{at}mlp.c_fc.weight"], w[f"{at}mlp.c_fc.bias"]
    )
    # Quick GELU, h * sigmoid(1.702 h), through SiLU: fewer passes over memory, forward and back.
    h = F.silu(1.702 * h) * (1 / 1.702) if tower.activation == "quick_gelu" else F.gelu(h)
    return x + F.linear(h, w[f"{at}mlp.c_proj.weight"], w[f"{at}mlp.c_proj.bias"])


def new_text_weights(
    n_vocabulary: int, width: int, n_layers: int, dim: int, context: int = 77, seed: int = 0
) -> dict[str, Tensor]:
    """Fresh weights of a text tower, at the published scales."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float) -> Tensor:
        return scale * torch.randn(*shape, generator=rng)

    found = {
        "token_embedding.weight": normal(n_vocabulary, width, scale=0.02),
        "positional_embedding": normal(context, width, scale=0.01),
        "ln_final.weight": torch.ones(width),
        "ln_final.bias": torch.zeros(width),
        "text_projection": normal(width, dim, scale=width**-0.5),
    }
    for layer in range(n_layers):
        at = f"transformer.resblocks.{layer}."
        deep = (2 * n_layers) ** -0.5
        shapes = {
            "attn.in_proj": (3 * width, width, width**-0.5),
            "attn.out_proj": (width, width, deep * width**-0.5),
            "mlp.c_fc": (4 * width, width, (2 * width) ** -0.5),
            "mlp.c_proj": (width, 4 * width, deep * width**-0.5),
        }
        for name, (n_out, n_in, scale) in shapes.items():
            joint = "_" if name == "attn.in_proj" else "."
            found[f"{at}{name}{joint}weight"] = normal(n_out, n_in, scale=scale)
            found[f"{at}{name}{joint}bias"] = torch.zeros(n_out)
        for name in ("ln_1", "ln_2"):
            found |= {
                f"{at}{name}.weight": torch.ones(width),
                f"{at}{name}.bias": torch.zeros(width),
            }
    return found


_RENAMED = (
    ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
    ("vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"),
    ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
    ("vision_model.pre_layrnorm.", "visual.ln_pre."),
    ("vision_model.post_layernorm.", "visual.ln_post."),
    ("vision_model.encoder.layers.", "visual.transformer.resblocks."),
    ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.final_layer_norm.", "ln_final."),
    ("text_model.encoder.layers.", "transformer.resblocks."),
)
_RENAMED_IN_BLOCK = (
    ("layer_norm1.", "ln_1."),
    ("layer_norm2.", "ln_2."),
    ("mlp.fc1.", "mlp.c_fc."),
    ("mlp.fc2.", "mlp.c_proj."),
    ("self_attn.out_proj.", "attn.out_proj."),
)


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of Hugging Face's ``CLIPModel`` under the names of the OpenAI release.

    Raises:
        BadInput: a weight has no counterpart.
    """
    found: dict[str, Tensor] = {}
    split: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        if name.endswith("position_ids") or name == "logit_scale":
            continue
        if name in ("visual_projection.weight", "text_projection.weight"):
            found["visual.proj" if name.startswith("visual") else "text_projection"] = (
                value.T.contiguous()
            )
            continue
        new = next((to + name[len(old) :] for old, to in _RENAMED if name.startswith(old)), "")
        if not new:
            raise BadInput(
                f"CLIP weights: {name!r} has no counterpart; expected those of transformers' "
                "CLIPModel"
            )
        for old, to in _RENAMED_IN_BLOCK:
            new = new.replace(old, to)
        if match := re.fullmatch(r"(.*)self_attn\.([qkv])_proj\.(weight|bias)", new):
            split.setdefault(f"{match[1]}attn.in_proj_{match[3]}", {})[match[2]] = value
        else:
            found[new] = value
    found |= {name: torch.cat([parts[letter] for letter in "qkv"]) for name, parts in split.items()}
    return found


def torch_images(tower: Tower) -> Callable[[np.ndarray], np.ndarray]:
    """The image tower on arrays: ``(n, 3, S, S)`` → ``(n, D)`` float32."""

    def images(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            rows: np.ndarray = image_features(tower, torch.from_numpy(pixels)).numpy()
        return rows

    return images

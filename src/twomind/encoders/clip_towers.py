"""The two towers of CLIP (Radford et al., ICML 2021) as plain functions of frozen weights.

One implementation for every source: weights keep the names of the OpenAI release (``visual.*``,
``transformer.*`` …), and :func:`from_transformers` renames those of Hugging Face. The text tower
takes prompt *embeddings* as well as token ids, is differentiable with respect to them, and computes
only the tokens that can reach the read-out: the mask is causal, so nothing after the end-of-text
token matters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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
_NEEDED_OF_TEXT = (
    "token_embedding.weight",
    "positional_embedding",
    "ln_final.weight",
    "text_projection",
)
_NEEDED_OF_IMAGES = (
    "visual.conv1.weight",
    "visual.class_embedding",
    "visual.positional_embedding",
    "visual.proj",
)


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
        matches = [pattern.match(name) for name in self.weights]
        return len({match[1] for match in matches if match})

    @property
    def width(self) -> int:
        return int(self.weights[f"{self.prefix}resblocks.0.ln_1.weight"].shape[0])

    @property
    def dim(self) -> int:
        """Length of an embedding in the joint space of pictures and text."""
        is_visual = self.prefix.startswith("visual")
        projection = self.weights["visual.proj" if is_visual else "text_projection"]
        return int(projection.shape[1])

    def block(self, layer: int) -> str:
        """What the names of a block's weights begin with."""
        return f"{self.prefix}resblocks.{layer}."

    def linear(self, x: Tensor, weight: str, bias: str) -> Tensor:
        """``x (..., I)`` through the layer of these weights, ``(..., O)``."""
        return F.linear(x, self.weights[weight], self.weights[bias])

    def norm(self, x: Tensor, name: str) -> Tensor:
        """``x (..., W)`` through a layer norm."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return F.layer_norm(x, weight.shape, weight, bias, self.epsilon)


def text_tower(
    weights: Mapping[str, Tensor], *, n_heads: int = 0, activation: str = "quick_gelu"
) -> Tower:
    """The text half of ``weights``, frozen.

    Args:
        weights: by their names in the OpenAI release.
        n_heads: attention heads; 0: width / 64, as in every published CLIP.
        activation: ``quick_gelu`` or ``gelu``.

    Raises:
        BadInput: a weight is absent, or there is no such activation.
    """
    own = {}
    for name, value in weights.items():
        if not name.startswith(("visual.", "logit_scale")):
            own[name] = value.detach().float()
    _need(own, _NEEDED_OF_TEXT)
    return Tower(own, n_heads or _usual_heads(own["ln_final.weight"]), activation)


def image_tower(
    weights: Mapping[str, Tensor], *, n_heads: int = 0, activation: str = "quick_gelu"
) -> Tower:
    """The image half of ``weights``, frozen.

    Args:
        weights: by their names in the OpenAI release.
        n_heads: attention heads; 0: width / 64, as in every published CLIP.
        activation: ``quick_gelu`` or ``gelu``.

    Raises:
        BadInput: a weight is absent, or there is no such activation.
    """
    own = {}
    for name, value in weights.items():
        if name.startswith("visual."):
            own[name] = value.detach().float()
    _need(own, _NEEDED_OF_IMAGES)
    heads = n_heads or _usual_heads(own["visual.ln_pre.weight"])
    return Tower(own, heads, activation, prefix="visual.transformer.")


def _usual_heads(norm: Tensor) -> int:
    """How many heads a tower of this width has in every published CLIP."""
    width = int(norm.shape[0])
    return max(1, width // HEAD_WIDTH)


def _need(weights: Mapping[str, Tensor], names: Sequence[str]) -> None:
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
    """Joint-space features ``(N, D)``, not normalised, of prompts.

    Args:
        tower: the frozen text tower.
        embeddings: tokens ``(N, L, W)``, without positional code.
        read_at: the token where each prompt is read out, ``(N,)``.
        truncate: False computes every token, as released implementations do: the same numbers,
            for comparison.
        same_start: promises that the first token is the same constant in every prompt, so that it
            is computed once; a gradient with respect to it would be wrong.

    Raises:
        BadInput: a prompt is longer than the tower's context, or is read beyond its end.
    """
    places = tower.weights["positional_embedding"]
    n_tokens, context = embeddings.shape[1], places.shape[0]
    last = int(read_at.max())
    if n_tokens > context or last >= n_tokens:
        raise BadInput(
            f"prompt: expected at most {context} tokens and a read-out inside them, got {n_tokens} "
            f"tokens read at {last}"
        )
    if truncate:
        x = _transform_packed(tower, embeddings, read_at, same_start)
    else:
        x = _transform(tower, embeddings + places[:n_tokens], causal=True)
        x = x[torch.arange(len(x)), read_at]
    return tower.norm(x, "ln_final") @ tower.weights["text_projection"]


def _transform_packed(
    tower: Tower, embeddings: Tensor, read_at: Tensor, same_start: bool
) -> Tensor:
    """The blocks' output at ``read_at``, ``(N, W)``, from the tokens up to there and no others.

    Every product with a weight runs on the prompts' tokens laid end to end, so a short prompt does
    not pay for a long one; only attention sees them padded. Of the last block, all but keys and
    values is needed at the read-out alone. The mask is causal, so a first token that all prompts
    share is the same in every block.
    """
    n, length = len(embeddings), int(read_at.max()) + 1
    kept = torch.arange(length) <= read_at[:, None]
    if same_start:
        kept[1:, 0] = False
    row, place = torch.nonzero(kept, as_tuple=True)
    # Where each place of the padded prompts is found. Beyond a read-out anything may stand; a
    # shared start lies first.
    laid = torch.zeros(n, length, dtype=torch.long)
    laid[row, place] = torch.arange(len(row))
    each = torch.arange(n)
    end = laid[each, read_at]
    back = row * length + place
    x = embeddings[row, place] + tower.weights["positional_embedding"][place]
    for layer in range(tower.n_layers):
        at = tower.block(layer)
        h = tower.norm(x, f"{at}ln_1")
        h = tower.linear(h, f"{at}attn.in_proj_weight", f"{at}attn.in_proj_bias")
        padded = h.index_select(0, laid.flatten()).view(n, length, -1)
        h = _attend(tower, padded, causal=True)
        if layer == tower.n_layers - 1:
            h, x = h[each, read_at], x[end]
        else:
            h = h.flatten(0, 1).index_select(0, back)
        x = _finish_block(tower, x, h, at)
    return x


def encode_ids(tower: Tower, ids: Tensor, read_at: Tensor | None = None) -> Tensor:
    """Features ``(N, D)`` of token ids, without gradient.

    Args:
        tower: the frozen text tower.
        ids: tokens ``(N, L)``.
        read_at: the token where each row is read out, ``(N,)``; the end of the text by default.
    """
    if read_at is None:
        read_at = end_of_text(ids)
    with torch.no_grad():
        return text_features(tower, embed_tokens(tower, ids), read_at)


def image_features(tower: Tower, pixels: Tensor, *, truncate: bool = True) -> Tensor:
    """Joint-space features ``(N, D)``, not normalised, of pictures.

    Args:
        tower: the frozen image tower.
        pixels: preprocessed, ``(N, 3, S, S)``.
        truncate: False computes the last block for every patch, as released implementations do,
            although the class token alone is read: the same numbers, for comparison.

    Raises:
        BadInput: the pictures are of another size than the tower's.
    """
    w = tower.weights
    patch = w["visual.conv1.weight"]
    side_px = patch.shape[-1]
    x = F.conv2d(pixels, patch, stride=side_px).flatten(2).transpose(1, 2)
    n = x.shape[0]  # len(x) would be a constant in an export
    first = w["visual.class_embedding"].expand(n, 1, -1)
    x = torch.cat([first, x], dim=1)
    place = w["visual.positional_embedding"]
    n_places, n_tokens = place.shape[0], x.shape[1]
    if n_places != n_tokens:
        raise BadInput(
            f"picture: expected {n_places - 1} patches of {side_px} px, got {n_tokens - 1}"
        )
    x = tower.norm(x + place, "visual.ln_pre")
    x = _transform(tower, x, causal=False, first_only=truncate)
    return tower.norm(x[:, 0], "visual.ln_post") @ w["visual.proj"]


def _transform(tower: Tower, x: Tensor, causal: bool, first_only: bool = False) -> Tensor:
    """All pre-norm blocks on ``x (N, L, W)``; ``first_only``: of the last one, the first token,
    ``(N, 1, W)``.

    Of the other tokens the last block needs keys and values, and nothing else.
    """
    for layer in range(tower.n_layers):
        at = tower.block(layer)
        weight, bias = f"{at}attn.in_proj_weight", f"{at}attn.in_proj_bias"
        h = tower.norm(x, f"{at}ln_1")
        if first_only and layer == tower.n_layers - 1:
            h = _attend_first(tower, h, tower.weights[weight], tower.weights[bias])
            x = x[:, :1]
        else:
            h = _attend(tower, tower.linear(h, weight, bias), causal)
        x = _finish_block(tower, x, h, at)
    return x


def _attend_first(tower: Tower, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What attention gives to the first token alone, ``(N, 1, W)``, of ``h (N, L, W)``."""
    width = tower.width
    query = F.linear(h[:, :1], weight[:width], bias[:width])
    key, value = F.linear(h, weight[width:], bias[width:]).chunk(2, dim=-1)
    q, k, v = (_heads(tower, part) for part in (query, key, value))
    return _join(q, k, v, causal=False)


def _heads(tower: Tower, h: Tensor) -> Tensor:
    """``(N, L, W)`` → ``(N, H, L, W / H)``."""
    n, length = h.shape[0], h.shape[1]
    return h.view(n, length, tower.n_heads, -1).transpose(1, 2)


def _join(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Attention of ``(N, H, L, W / H)`` → ``(N, L, W)``."""
    joined = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return joined.transpose(1, 2).flatten(2)


def _attend(tower: Tower, h: Tensor, causal: bool) -> Tensor:
    """Queries, keys and values ``(N, L, 3 W)`` → what attention gives, ``(N, L, W)``."""
    q, k, v = (_heads(tower, part) for part in h.chunk(3, dim=-1))
    return _join(q, k, v, causal)


def _finish_block(tower: Tower, x: Tensor, h: Tensor, at: str) -> Tensor:
    """The rest of a block on tokens ``(..., W)`` after attention gave ``h``."""
    x = x + tower.linear(h, f"{at}attn.out_proj.weight", f"{at}attn.out_proj.bias")
    h = tower.norm(x, f"{at}ln_2")
    h = tower.linear(h, f"{at}mlp.c_fc.weight", f"{at}mlp.c_fc.bias")
    if tower.activation == "quick_gelu":
        # h * sigmoid(1.702 h), through SiLU: fewer passes over memory, forward and back.
        h = F.silu(1.702 * h) * (1 / 1.702)
    else:
        h = F.gelu(h)
    return x + tower.linear(h, f"{at}mlp.c_proj.weight", f"{at}mlp.c_proj.bias")


def new_text_weights(
    n_vocabulary: int, width: int, n_layers: int, dim: int, context: int = 77, seed: int = 0
) -> dict[str, Tensor]:
    """Fresh weights of a text tower, at the published scales.

    Args:
        n_vocabulary: number of tokens.
        width: length of a token's row.
        n_layers: number of blocks.
        dim: dimensions of the joint space.
        context: most tokens of a prompt.
        seed: seed of the draw.
    """
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
    usual = width**-0.5
    deep = (2 * n_layers) ** -0.5 * width**-0.5
    shapes = {
        "attn.in_proj_": (3 * width, width, usual),
        "attn.out_proj.": (width, width, deep),
        "mlp.c_fc.": (4 * width, width, (2 * width) ** -0.5),
        "mlp.c_proj.": (width, 4 * width, deep),
    }
    for layer in range(n_layers):
        at = f"transformer.resblocks.{layer}."
        for name, (n_out, n_in, scale) in shapes.items():
            found[f"{at}{name}weight"] = normal(n_out, n_in, scale=scale)
            found[f"{at}{name}bias"] = torch.zeros(n_out)
        for name in ("ln_1.", "ln_2."):
            found[f"{at}{name}weight"] = torch.ones(width)
            found[f"{at}{name}bias"] = torch.zeros(width)
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


_PROJECTIONS = {
    "visual_projection.weight": "visual.proj",
    "text_projection.weight": "text_projection",
}
#: Queries, keys and values, which the OpenAI release keeps in one.
_OF_ATTENTION = re.compile(r"(?P<block>.*)self_attn\.(?P<part>[qkv])_proj\.(?P<kind>weight|bias)")


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
        if name in _PROJECTIONS:
            found[_PROJECTIONS[name]] = value.T.contiguous()
            continue
        new = _renamed(name)
        match = _OF_ATTENTION.fullmatch(new)
        if match:
            joined = f"{match['block']}attn.in_proj_{match['kind']}"
            split.setdefault(joined, {})[match["part"]] = value
        else:
            found[new] = value
    for name, parts in split.items():
        found[name] = torch.cat([parts[letter] for letter in "qkv"])
    return found


def _renamed(name: str) -> str:
    """The name of the OpenAI release, of a weight that is the same in both."""
    for old, new in _RENAMED:
        if not name.startswith(old):
            continue
        name = new + name[len(old) :]
        for old_in_block, new_in_block in _RENAMED_IN_BLOCK:
            name = name.replace(old_in_block, new_in_block)
        return name
    raise BadInput(
        f"CLIP weights: {name!r} has no counterpart; expected those of transformers' CLIPModel"
    )


def torch_images(tower: Tower) -> Callable[[np.ndarray], np.ndarray]:
    """The image tower on arrays: ``(n, 3, S, S)`` → ``(n, D)`` float32."""

    def images(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            rows: np.ndarray = image_features(tower, torch.from_numpy(pixels)).numpy()
        return rows

    return images

"""The arithmetic of CLIP-AU (arXiv 2603.27999) as plain functions of its weights.

Names and shapes of the weights are those of the published checkpoints: ``text_adapter.{0,2}``,
``temporal``, ``temporal_classifier.{0,2}``. Letters: ``N`` phrases, ``B`` clips, ``T`` frames,
``D`` dimension of CLIP's joint space.

The paper and the figure say GLU; the released code computes GELU, which is what is here.
"""

from __future__ import annotations

from collections.abc import Mapping

from twomind.core.errors import MissingExtra

try:
    import torch
    from torch import Tensor
    from torch.nn import functional as F
except ImportError as error:
    raise MissingExtra("torch", "CLIP-AU") from error

Weights = Mapping[str, Tensor]

#: A fixed factor on the cosines; not CLIP's logit scale.
SCALE = 5.0
#: Weights that are trained.
TRAINED = (
    "text_adapter.0.weight",
    "text_adapter.0.bias",
    "text_adapter.2.weight",
    "text_adapter.2.bias",
    "temporal.weight",
    "temporal.bias",
    "temporal_classifier.0.weight",
    "temporal_classifier.0.bias",
    "temporal_classifier.2.weight",
    "temporal_classifier.2.bias",
)


def unit(x: Tensor) -> Tensor:
    """Rows scaled to length 1."""
    length = x.norm(dim=-1, keepdim=True)
    return x / length.clamp_min(1e-12)


def _linear(w: Weights, at: str, x: Tensor) -> Tensor:
    weight = w[f"{at}.weight"]
    bias = w[f"{at}.bias"]
    return F.linear(x, weight, bias)


def adapt_text(w: Weights, features: Tensor) -> Tensor:
    """The text adapter: ``(N, D)`` → ``(N, D)``, not normalised."""
    h = F.relu(_linear(w, "text_adapter.0", features))
    return _linear(w, "text_adapter.2", h)


def phrase_rows(w: Weights, features: Tensor, normalise: bool = False) -> Tensor:
    """Unit rows ``(N, D)`` of phrases.

    Args:
        w: The weights.
        features: CLIP's text features ``(N, D)``.
        normalise: Bring those to length 1 first, as CLIP-AUTT does.
    """
    if normalise:
        features = unit(features)
    return unit(adapt_text(w, features))


def convolve(w: Weights, frames: Tensor) -> Tensor:
    """The convolution over time, before GELU: ``frames (B, T, D)`` → ``(B, D, T)``."""
    weight = w["temporal.weight"]
    bias = w["temporal.bias"]
    columns_first = frames.transpose(1, 2)
    return F.conv1d(columns_first, weight, bias, padding=1)


def pooled(w: Weights, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Mean over time of GELU of the convolution ``(B, D)``.

    Args:
        w: The weights.
        frames: ``(B, T, D)``.
        lengths: Frames that each clip has ``(B,)``; from there on they are zeros and not there.
    """
    y = F.gelu(convolve(w, frames))
    if lengths is None:
        return y.mean(dim=-1)
    n_frames = lengths[:, None]
    frame = torch.arange(y.shape[-1])
    there = frame < n_frames
    total = (y * there[:, None]).sum(dim=-1)
    return total / n_frames


def clip_rows(w: Weights, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Unit rows ``(B, D)`` of clips.

    Args:
        w: The weights.
        frames: ``(B, T, D)``; zero padding is the convolution's own.
        lengths: Frames that each clip has ``(B,)``; None: all have T.
    """
    return unit(pooled(w, frames, lengths))


def window_rows(w: Weights, frames: Tensor, k: int) -> Tensor:
    """Unit rows ``(B, n, D)`` of every window of ``k`` frames, ``n = T - k + 1``; one window when
    ``T <= k``.

    Each is what :func:`clip_rows` gives for the window alone, with its own zero padding, but the
    three taps of the convolution are multiplied once per frame, not once per window and frame.

    Args:
        w: The weights.
        frames: ``(B, T, D)``.
        k: Frames of a window.
    """
    n_frames = frames.shape[1]
    if n_frames <= k:
        return clip_rows(w, frames)[:, None]
    taps = w["temporal.weight"].unbind(dim=2)
    before = frames @ taps[0].T
    after = frames @ taps[2].T
    here = frames @ taps[1].T
    here = here + w["temporal.bias"]
    if k == 1:
        return unit(F.gelu(here))
    n = n_frames - k + 1
    n_inside = k - 2
    # The first frame of a window has none before it, the last none after it.
    with_after = here[:, :-1] + after[:, 1:]
    with_before = here[:, 1:] + before[:, :-1]
    first = F.gelu(with_after)
    last = F.gelu(with_before)
    last = last[:, n_inside : n_inside + n]
    total = first[:, :n] + last
    if n_inside:
        with_both = here[:, 1:-1] + before[:, :-2] + after[:, 2:]
        inside = F.gelu(with_both)
        windows = inside.unfold(1, n_inside, 1)
        sums = windows.sum(dim=-1)
        total = total + sums[:, :n]
    return unit(total / k)


def similarities(rows: Tensor, phrases: Tensor, scale: float = SCALE) -> Tensor:
    """``scale`` times the cosine of clips ``(..., D)`` and phrases ``(N, D)``: ``(..., N)``."""
    return scale * (rows @ phrases.T)


def hidden(w: Weights, sims: Tensor) -> Tensor:
    """What the last layer reads, ``(..., 256)``."""
    return F.relu(_linear(w, "temporal_classifier.0", sims))


def classify(w: Weights, sims: Tensor) -> Tensor:
    """Logits ``(..., C)`` from similarities."""
    h = hidden(w, sims)
    return _linear(w, "temporal_classifier.2", h)


def entropy(logits: Tensor, epsilon: float = 0.0) -> Tensor:
    """Entropy in nats of softmax rows; released code puts an ``epsilon`` inside the logarithm to
    choose windows.
    """
    p = logits.softmax(dim=-1)
    if epsilon:
        log_p = (p + epsilon).log()
    else:
        log_p = logits.log_softmax(dim=-1)
    return -(p * log_p).sum(dim=-1)


def new_weights(
    n_phrases: int, dim: int, n_classes: int, seed: int = 0, width: int = 512
) -> dict[str, Tensor]:
    """Fresh weights, initialised as torch initialises these layers.

    Args:
        n_phrases: N.
        dim: D.
        n_classes: C.
        seed: Of the draw.
        width: Hidden size of the text adapter.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = {
            "text_adapter.0": torch.nn.Linear(dim, width),
            "text_adapter.2": torch.nn.Linear(width, dim),
            "temporal": torch.nn.Conv1d(dim, dim, 3, padding=1),
            "temporal_classifier.0": torch.nn.Linear(n_phrases, 256),
            "temporal_classifier.2": torch.nn.Linear(256, n_classes),
        }
    found = {}
    for name, layer in layers.items():
        for k, v in layer.named_parameters():
            found[f"{name}.{k}"] = v.detach()
    return found

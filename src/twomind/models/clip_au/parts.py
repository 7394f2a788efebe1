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
    *(
        "text_adapter.0.weight",
        "text_adapter.0.bias",
        "text_adapter.2.weight",
        "text_adapter.2.bias",
    ),
    *("temporal.weight", "temporal.bias"),
    *("temporal_classifier.0.weight", "temporal_classifier.0.bias"),
    *("temporal_classifier.2.weight", "temporal_classifier.2.bias"),
)


def unit(x: Tensor) -> Tensor:
    """Rows at length 1."""
    return x / x.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def adapt_text(w: Weights, features: Tensor) -> Tensor:
    """The text adapter: ``(N, D)`` → ``(N, D)``, not normalised."""
    h = F.relu(F.linear(features, w["text_adapter.0.weight"], w["text_adapter.0.bias"]))
    return F.linear(h, w["text_adapter.2.weight"], w["text_adapter.2.bias"])


def phrase_rows(w: Weights, features: Tensor, normalise: bool = False) -> Tensor:
    """Unit rows ``(N, D)`` of phrases from CLIP's text features. ``normalise``: those first, as
    CLIP-AUTT does.
    """
    return unit(adapt_text(w, unit(features) if normalise else features))


def convolve(w: Weights, frames: Tensor) -> Tensor:
    """The convolution over time, before GELU: ``frames (B, T, D)`` → ``(B, D, T)``."""
    return F.conv1d(frames.transpose(1, 2), w["temporal.weight"], w["temporal.bias"], padding=1)


def pooled(w: Weights, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Mean over time of GELU of the convolution ``(B, D)``; frames from ``lengths (B,)`` on are
    zeros and not there.
    """
    y = F.gelu(convolve(w, frames))
    if lengths is None:
        return y.mean(dim=-1)
    there = torch.arange(y.shape[-1]) < lengths[:, None]
    return (y * there[:, None]).sum(dim=-1) / lengths[:, None]


def clip_rows(w: Weights, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Unit rows ``(B, D)`` of clips ``frames (B, T, D)``. Zero padding beyond ``lengths`` is the
    convolution's own.
    """
    return unit(pooled(w, frames, lengths))


def window_rows(w: Weights, frames: Tensor, k: int) -> Tensor:
    """Unit rows ``(B, n, D)`` of every window of ``k`` frames, ``n = T - k + 1``; one window when
    ``T <= k``.

    Each is what :func:`clip_rows` gives for the window alone, with its own zero padding, but the
    three taps of the convolution are multiplied once per frame, not once per window and frame.
    """
    n_frames = frames.shape[1]
    if n_frames <= k:
        return clip_rows(w, frames)[:, None]
    weight = w["temporal.weight"]
    before, after = frames @ weight[:, :, 0].T, frames @ weight[:, :, 2].T
    here = frames @ weight[:, :, 1].T + w["temporal.bias"]
    if k == 1:
        return unit(F.gelu(here))
    first = F.gelu(here[:, :-1] + after[:, 1:])  # of a window: no frame before it
    last = F.gelu(here[:, 1:] + before[:, :-1])  # no frame after it
    n = n_frames - k + 1
    total = first[:, :n] + last[:, k - 2 : k - 2 + n]
    if k > 2:
        inside = F.gelu(here[:, 1:-1] + before[:, :-2] + after[:, 2:])
        total = total + inside.unfold(1, k - 2, 1).sum(dim=-1)[:, :n]
    return unit(total / k)


def similarities(rows: Tensor, phrases: Tensor, scale: float = SCALE) -> Tensor:
    """``scale`` times the cosine of clips ``(..., D)`` and phrases ``(N, D)``: ``(..., N)``."""
    return scale * (rows @ phrases.T)


def hidden(w: Weights, sims: Tensor) -> Tensor:
    """What the last layer reads, ``(..., 256)``."""
    return F.relu(
        F.linear(sims, w["temporal_classifier.0.weight"], w["temporal_classifier.0.bias"])
    )


def classify(w: Weights, sims: Tensor) -> Tensor:
    """Logits ``(..., C)`` from similarities."""
    return F.linear(
        hidden(w, sims), w["temporal_classifier.2.weight"], w["temporal_classifier.2.bias"]
    )


def entropy(logits: Tensor, epsilon: float = 0.0) -> Tensor:
    """Entropy in nats of softmax rows; released code puts an ``epsilon`` inside the logarithm to
    choose windows.
    """
    if epsilon:
        p = logits.softmax(dim=-1)
        return -(p * (p + epsilon).log()).sum(dim=-1)
    return -(logits.softmax(dim=-1) * logits.log_softmax(dim=-1)).sum(dim=-1)


def fuse_class_prompts(
    logits: Tensor, rows: Tensor, class_text: Tensor, share: float = 0.3
) -> Tensor:
    """The released option of blending in class sentences, off in every released script.

    ``class_text (C, D)`` are CLIP's own text features, which the adapter does not see.
    """
    return (1 - share) * logits + share * similarities(rows, unit(class_text))


def new_weights(
    n_phrases: int, dim: int, n_classes: int, seed: int = 0, width: int = 512
) -> dict[str, Tensor]:
    """Fresh weights, initialised as torch initialises these layers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = {
            "text_adapter.0": torch.nn.Linear(dim, width),
            "text_adapter.2": torch.nn.Linear(width, dim),
            "temporal": torch.nn.Conv1d(dim, dim, 3, padding=1),
            "temporal_classifier.0": torch.nn.Linear(n_phrases, 256),
            "temporal_classifier.2": torch.nn.Linear(256, n_classes),
        }
    return {
        f"{name}.{k}": v.detach()
        for name, layer in layers.items()
        for k, v in layer.named_parameters()
    }

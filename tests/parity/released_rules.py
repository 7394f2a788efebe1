"""Rules of the released programs that the library does not follow: options that every released
script leaves off, and older forms. The recorded numbers hold them beside what is followed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from twomind.adaptation import divergences
from twomind.adaptation.clip_autt_parts import RELEASED
from twomind.adaptation.losses import unit
from twomind.encoders.clip_towers import Tower, embed_tokens, end_of_text
from twomind.models.clip_au import parts

Array = np.ndarray

# --- clips and prompts of CLIP-AU and CLIP-AUTT


def fuse_class_prompts(
    logits: Tensor, rows: Tensor, class_text: Tensor, share: float = 0.3
) -> Tensor:
    """The released option of blending in class sentences, off in every released script.

    Args:
        logits: ``(B, C)``.
        rows: Unit rows of the clips ``(B, D)``.
        class_text: CLIP's own text features ``(C, D)``, which the adapter does not see.
        share: Of the class sentences.
    """
    sentences = parts.similarities(rows, parts.unit(class_text))
    return (1 - share) * logits + share * sentences


def released_class_prompts(tower: Tower, ids: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """The released class sentences ``(C, L, W)`` with their (frozen) context, and where they are
    read.

    The template's placeholder is not stripped there: its bracket becomes the last context vector,
    and the token after it is pulled in front. Only for comparison; class sentences are off in every
    released script.

    Args:
        tower: the text tower.
        ids: tokens of the sentences ``(C, L)``.
        context: ``(M, W)``, the same for all.
    """
    base = embed_tokens(tower, ids)
    m = context.shape[0]
    context = context.expand(len(ids), -1, -1)
    start = base[:, :1]
    pulled = base[:, 1 + m : 2 + m]
    rest = base[:, 2 + m :]
    sentences = torch.cat([start, context[:, :-1], pulled, context[:, -1:], rest], dim=1)
    return sentences, end_of_text(ids)


def frame_entropies(w: parts.Weights, frames: Tensor, phrases: Tensor) -> Tensor:
    """Entropy of every single frame ``(B, T)``, without the convolution, for the older rules of the
    released code.
    """
    sims = parts.similarities(parts.unit(frames), phrases, RELEASED.select_scale)
    return parts.entropy(parts.classify(w, sims), RELEASED.select_epsilon)


def calmest_window(entropies: Tensor, k: int) -> Tensor:
    """An older rule: frames ``(B, k)`` of the window whose single frames have the lowest mean
    entropy.
    """
    means = entropies.unfold(1, k, 1).mean(dim=-1)
    start = means.argmin(dim=-1)
    return start[:, None] + torch.arange(k)


def calmest_frames(entropies: Tensor, k: int) -> Tensor:
    """An older rule: the ``k`` frames ``(B, k)`` of lowest entropy, in order of time."""
    lowest = entropies.topk(k, largest=False).indices
    return lowest.sort(dim=-1).values


# --- distances of two domains


def linear_mmd(x: Tensor, y: Tensor) -> Tensor:
    """Squared distance of the means."""
    apart = x.mean(0) - y.mean(0)
    return (apart**2).sum()


def coral(x: Tensor, y: Tensor, squared: bool = True) -> Tensor:
    """Deep CORAL (Sun and Saenko, 2016): ``|cov_x - cov_y|²_F / (4 D²)``.

    Args:
        x: rows ``(n, D)``.
        y: rows ``(m, D)``.
        squared: False is the released form, the norm itself over ``4 D²``; at equality its gradient
            is nan.
    """
    apart = divergences.covariance(x) - divergences.covariance(y)
    norm = (apart**2).sum()
    if not squared:
        norm = norm.sqrt()
    dim = x.shape[1]
    scale = 4 * dim**2
    return norm / scale


# --- prototypes of TTA-CaP


def cap(rows: Array, classes: Array, mean: Array, per_class: int) -> Array:
    """At most so many rows per class, by cosine to the person's mean, the largest first.

    Args:
        rows: prototypes ``(K, D)``.
        classes: their classes ``(K,)``.
        mean: of the person's embeddings ``(D,)``.
        per_class: how many; 0 is all.

    Returns:
        Indices of the rows that are kept.
    """
    if not per_class:
        return np.arange(len(rows))
    cosine = unit(rows) @ unit(mean[None])[0]
    found = [np.zeros(0, np.int64)]
    for c in np.unique(classes):
        own = np.flatnonzero(classes == c)
        order = np.argsort(-cosine[own], kind="stable")
        found.append(own[order[:per_class]])
    return np.concatenate(found)

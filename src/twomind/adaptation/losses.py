"""Pure functions that methods share: softmax, entropy, unit length. numpy in, numpy out; ``_t``
names are for torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from twomind.core.numbers import entropy as entropy
from twomind.core.numbers import softmax as softmax
from twomind.types.plain import Array

if TYPE_CHECKING:
    from torch import Tensor


def unit(rows: Array) -> Array:
    """Rows at length 1; a zero row stays zero."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    scaled: Array = rows / np.maximum(length, 1e-12)
    return scaled


def entropy_t(logits: Tensor) -> Tensor:
    """Entropy in nats of torch logits ``(..., C)`` → ``(...)``, differentiable."""
    logp = logits.log_softmax(-1)
    return -(logp.exp() * logp).sum(-1)


def marginal_entropy_t(logits: Tensor) -> Tensor:
    """Entropy in nats of the mean probability of torch logits ``(V, C)``: the loss of TPT
    and MEMO.
    """
    logp = logits.log_softmax(-1)
    mean = logp.logsumexp(0) - math.log(len(logp))
    return -(mean.exp() * mean).sum(-1)


def confident(logits: Array, share: float) -> Array:
    """Indices of the ``share`` of rows ``(V, C)`` with the lowest entropy, at least one, most
    confident first.
    """
    n = max(1, int(share * len(logits)))
    order = np.argsort(entropy(softmax(logits)), kind="stable")
    return order[:n]

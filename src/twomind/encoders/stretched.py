"""Tokens of a transcript, stretched evenly over the frames of its film: the text features of the BAH
baselines.

They are not aligned by time: each token occupies a block of frames of the same length, whenever it
was said. A token's row is the sum of the last four layers, its sentence read alone; tokens that only
mark beginning and end are dropped.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from twomind.encoders.pretrained import Encoder, network, tokenizer_of
from twomind.types import Track

#: Tokens of a sentence at most.
LONGEST = 256
#: Layers that are summed.
N_LAST_LAYERS = 4
_SENTENCES = re.compile(r"(?<=[.!?…])\s+")


def sentences_of(text: str) -> list[str]:
    """Sentences of a text, by their punctuation.

    >>> sentences_of("I would. But? no time")
    ['I would.', 'But?', 'no time']
    """
    return [part for part in _SENTENCES.split(text.strip()) if part]


def encode_stretched(encoder: Encoder, text: str, times_s: np.ndarray, model: Any = None) -> Track:
    """One row per moment: that of the token whose block it falls into.

    Args:
        encoder: one of text.
        text: what was said, whole.
        times_s: moments ``(T,)`` of the frames.
        model: the network, where it is loaded already.

    Returns:
        The track; without a token it is empty.
    """
    tokens = token_rows(encoder, text, model)
    n = len(times_s)
    if not len(tokens) or not n:
        return Track(np.empty((0, encoder.width), np.float32), np.empty(0), np.empty(0, bool))
    own = np.arange(n) * len(tokens) // n
    return Track(tokens[own], np.asarray(times_s, float), np.ones(n, bool))


def token_rows(encoder: Encoder, text: str, model: Any = None) -> np.ndarray:
    """A row per token of a text ``(n, D)``."""
    import torch

    rows = [np.zeros((0, encoder.width), np.float32)]
    sentences = sentences_of(text)
    if not sentences:
        return rows[0]
    model = model or network(encoder)
    tokenizer = tokenizer_of(encoder)
    for sentence in sentences:
        entry = tokenizer(
            sentence,
            truncation=True,
            max_length=LONGEST,
            return_tensors="pt",
            return_special_tokens_mask=True,
        )
        is_word = entry.pop("special_tokens_mask")[0].numpy() == 0
        with torch.no_grad():
            layers = model(**entry, output_hidden_states=True).hidden_states
        # Of fewer layers than that, all but the one before the first.
        last = layers[-N_LAST_LAYERS:] if len(layers) > N_LAST_LAYERS else layers[1:]
        rows.append(torch.stack(last).sum(dim=0)[0].numpy()[is_word])
    return np.concatenate(rows)


__all__ = ["encode_stretched", "sentences_of", "token_rows"]

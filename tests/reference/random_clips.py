"""CLIP-AU models with random weights, for comparison with the slow loops."""

from __future__ import annotations

import numpy as np
import torch

from twomind.models.clip_au.clips import ClipSettings
from twomind.models.clip_au.parts import new_weights
from twomind.models.clip_au.phrases import PHRASES
from twomind.models.clip_au.recogniser import PHRASE_FEATURES, ClipAu
from twomind.types import AMBIVALENCE

#: Width of the embeddings.
DIM = 6


def clip_model(
    rng: np.random.Generator, n_frames: int = 4, n_clips: int = 3
) -> tuple[ClipAu, dict[str, np.ndarray]]:
    weights = new_weights(5, DIM, 2, seed=int(rng.integers(1000)), width=7)
    weights = {k: 2 * v for k, v in weights.items()}
    weights[PHRASE_FEATURES] = torch.from_numpy(rng.normal(size=(5, DIM)).astype(np.float32))
    model = ClipAu(AMBIVALENCE, weights, PHRASES[:5], clips=ClipSettings(n_frames, 0.08, n_clips))
    return model, {k: v.numpy().astype(float) for k, v in weights.items()}

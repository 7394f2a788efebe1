"""Bounded caches per class, as small contiguous arrays: what TDA, TTA-CaP and their relatives
remember.

A cache is a plain dict, so it is a value that a state can hold: ``z (C, L, D)`` entries, ``entropy
(C, L)`` their sort keys in nats (nan: free), ``at (C, L)`` the number of the step that wrote them
(-1: free), ``count (C,)``. Within a class the entries lie by rising entropy, the earlier first
among equals. ``L`` is the capacity per class.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from twomind.adaptation.losses import unit
from twomind.core.errors import BadInput
from twomind.models.base import track_of
from twomind.types import Features, Prediction, Status

Cache = dict[str, np.ndarray]


def empty(n_classes: int, capacity: int, dim: int, **extra: int) -> Cache:
    """A cache without an entry; ``extra`` names more float rows to keep with each entry, with their
    width.
    """
    cache: Cache = {
        "z": np.zeros((n_classes, capacity, dim), np.float32),
        "entropy": np.full((n_classes, capacity), np.nan, np.float32),
        "at": np.full((n_classes, capacity), -1, np.int64),
        "count": np.zeros(n_classes, np.int64),
    }
    return cache | {
        k: np.zeros((n_classes, capacity, width), np.float32) for k, width in extra.items()
    }


def insert(
    cache: Cache, c: int, z: np.ndarray, entropy: float, at: int, **extra: np.ndarray
) -> Cache:
    """The cache with one more entry of class ``c``; of a full class, the entry of highest entropy
    goes.

    A candidate that is worse than a full class, or equal to its worst, changes nothing: the same
    cache comes back.
    """
    n, capacity = int(cache["count"][c]), cache["z"].shape[1]
    place = int(np.searchsorted(cache["entropy"][c, :n], np.float32(entropy), side="right"))
    if place >= capacity:
        return cache
    new = {k: v.copy() for k, v in cache.items()}
    end = min(n + 1, capacity)
    for name, value in {"z": z, "entropy": np.float32(entropy), "at": at, **extra}.items():
        new[name][c, place + 1 : end] = cache[name][c, place : end - 1]
        new[name][c, place] = value
    new["count"][c] = end
    return new


def weights_of(
    keys: np.ndarray, valid: np.ndarray, z: np.ndarray, k: int, beta: float
) -> np.ndarray:
    """``softmax(beta cos)`` over the ``k`` nearest valid keys of each query: ``(T, M)``, zero rows
    without a key.

    ``keys (T, M, D)`` or ``(M, D)`` for all, ``valid (T, M)``, ``z (T, D)``, all of length 1. Ties:
    the earlier key.
    """
    if keys.ndim == 2:
        cosine = z @ keys.T
    else:
        cosine = np.matmul(keys, z[:, :, None])[:, :, 0]
    cosine = np.where(valid, cosine, -np.inf)
    if k < cosine.shape[1]:
        order = np.argsort(-cosine, axis=1, kind="stable")[:, k:]
        np.put_along_axis(cosine, order, -np.inf, axis=1)
    top = cosine.max(axis=1, initial=-np.inf, keepdims=True)
    e = np.exp(beta * (cosine - np.where(np.isfinite(top), top, 0)))
    return e / np.maximum(e.sum(axis=1, keepdims=True), 1e-30)


def blend(weights: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """``l2n(sum_j w_j key_j)`` per query ``(T, D)``; zero where there is nothing to retrieve."""
    mixed = weights @ keys if keys.ndim == 2 else np.matmul(weights[:, None, :], keys)[:, 0]
    return unit(mixed)


def affinity(keys: np.ndarray, valid: np.ndarray, z: np.ndarray, beta: float) -> np.ndarray:
    """``exp(-beta (1 - cos))`` of each entry ``(C, L)``, 0 where there is none."""
    return np.where(valid, np.exp(-beta * (1 - keys @ z)), 0).astype(np.float32)


#: The scale of CLIP's logits, that published constants of cache terms are made for.
CLIP_SCALE = 100.0


def of_clip_scale(weight: np.ndarray, z: np.ndarray) -> float:
    """The scale of a window's logits over CLIP's: mean length of the head's rows ``(C, D)`` times
    that of ``z (D,)``.

    A term that is added to logits must grow and shrink with them: a constant made for ``100 cos``
    drowns a head whose logits span one or two.
    """
    return float(np.linalg.norm(weight, axis=1).mean() * np.linalg.norm(z)) / CLIP_SCALE


def widened(cache: Cache, extra: int) -> Cache:
    """A copy with ``extra`` more free places per class."""
    n_classes, _, _ = cache["z"].shape
    found = {}
    for name, rows in cache.items():
        if name == "count":
            found[name] = rows.copy()
            continue
        blank = {"entropy": np.nan, "at": -1}.get(name, 0)
        more = np.full((n_classes, extra, *rows.shape[2:]), blank, rows.dtype)
        found[name] = np.concatenate([rows, more], axis=1)
    return found


def size_bytes(state: Any) -> int:
    """Bytes of the arrays in a state, at any depth."""
    if isinstance(state, dict):
        return sum(size_bytes(v) for v in state.values())
    if isinstance(state, list | tuple):
        return sum(size_bytes(v) for v in state)
    return int(getattr(state, "nbytes", 0))


def read(model: Any, x: Features) -> tuple[np.ndarray, np.ndarray] | Prediction:
    """Embedding ``(D,)`` and logits ``(C,)`` of one window, float32; or the model's "not
    measured".
    """
    import torch

    try:
        with torch.no_grad():
            z, logits = model.run([x])
    except ValueError:
        prediction: Prediction = model.predict(x)
        if prediction.status is Status.NOT_MEASURED:
            return prediction
        raise
    return z[0].cpu().numpy().astype(np.float32), logits[0].cpu().numpy().astype(np.float32)


def head(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """``weight (C, D)`` and ``bias (C,)`` of the model as float32 arrays."""
    weight, bias = model.head()
    return weight.detach().cpu().numpy().astype(np.float32), bias.detach().cpu().numpy().astype(
        np.float32
    )


def frames(model: Any, x: Features) -> list[Features]:
    """One window per valid row of the model's track: what stands for the augmented views of a
    picture.
    """
    name = track_of(model)
    track = x.tracks.get(name)
    if track is None:
        return []
    assert track.reason_code is not None
    found = []
    for i in np.flatnonzero(track.valid):
        row = slice(i, i + 1)
        one = replace(
            track,
            values=track.values[row],
            times_s=track.times_s[row],
            valid=track.valid[row],
            reason_code=track.reason_code[row],
        )
        found.append(replace(x, tracks={**x.tracks, name: one}))
    return found


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise BadInput when a setting is not one of the allowed words."""
    if value not in allowed:
        raise BadInput(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")

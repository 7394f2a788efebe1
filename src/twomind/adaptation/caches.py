"""Bounded caches per class, as small contiguous arrays: what TDA, TTA-CaP and their relatives
remember.

A cache is a plain dict, so it is a value that a state can hold: ``z (C, L, D)`` entries, ``entropy
(C, L)`` their sort keys in nats (nan: free), ``at (C, L)`` the number of the step that wrote them
(-1: free), ``count (C,)``. Within a class the entries lie by rising entropy, the earlier first
among equals. ``L`` is the capacity per class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from twomind.adaptation.losses import unit
from twomind.core.errors import BadInput
from twomind.models.base import track_of
from twomind.types import Features, Prediction, State, Status, Trainable
from twomind.types.plain import Array

if TYPE_CHECKING:
    from torch import Tensor

Cache = dict[str, Array]

#: What stands in a free place, where it is not 0.
_BLANK = {"entropy": np.nan, "at": -1}


def empty(n_classes: int, capacity: int, dim: int, **extra: int) -> Cache:
    """A cache without an entry.

    Args:
        n_classes: number of classes ``C``.
        capacity: entries per class ``L``.
        dim: width of an entry ``D``.
        **extra: more float rows to keep with each entry, by name, with their width.
    """
    cache: Cache = {
        "z": np.zeros((n_classes, capacity, dim), np.float32),
        "entropy": np.full((n_classes, capacity), np.nan, np.float32),
        "at": np.full((n_classes, capacity), -1, np.int64),
        "count": np.zeros(n_classes, np.int64),
    }
    for name, width in extra.items():
        cache[name] = np.zeros((n_classes, capacity, width), np.float32)
    return cache


def positive_and_negative(model: Trainable, n_pos: int, n_neg: int) -> State:
    """The state of a method with two caches before its first window. The negative cache also keeps
    a mask over the classes with each entry.

    Args:
        model: says how many classes there are, and how wide an entry is.
        n_pos: entries per class of the positive cache.
        n_neg: entries per class of the negative cache.
    """
    n_classes, dim = head(model)[0].shape
    return {
        "positive": empty(n_classes, n_pos, dim),
        "negative": empty(n_classes, n_neg, dim, mask=n_classes),
        "n": 0,
    }


def insert(cache: Cache, c: int, z: Array, entropy: float, at: int, **extra: Array) -> Cache:
    """The cache with one more entry; of a full class, the entry of highest entropy goes.

    A candidate that is worse than a full class, or equal to its worst, changes nothing: the same
    cache comes back.

    Args:
        cache: what is there; it is not written to.
        c: class of the entry.
        z: the entry ``(D,)``.
        entropy: its sort key, in nats.
        at: number of the step that writes it.
        **extra: what else the cache keeps with an entry.
    """
    n = int(cache["count"][c])
    capacity = cache["z"].shape[1]
    sort_key = np.float32(entropy)
    place = int(np.searchsorted(cache["entropy"][c, :n], sort_key, side="right"))
    if place >= capacity:
        return cache
    new = {name: rows.copy() for name, rows in cache.items()}
    end = min(n + 1, capacity)
    entry = {"z": z, "entropy": sort_key, "at": at, **extra}
    for name, value in entry.items():
        new[name][c, place + 1 : end] = cache[name][c, place : end - 1]
        new[name][c, place] = value
    new["count"][c] = end
    return new


def weights_of(keys: Array, valid: Array, z: Array, k: int, beta: float) -> Array:
    """``softmax(beta cos)`` over the nearest valid keys of each query; ties: the earlier key.

    Args:
        keys: ``(T, M, D)``, or ``(M, D)`` for all queries, of length 1.
        valid: which keys may be looked up ``(T, M)``.
        z: queries ``(T, D)`` of length 1.
        k: keys that count per query.
        beta: sharpness.

    Returns:
        Weights ``(T, M)``; zero rows without a key.
    """
    if keys.ndim == 2:
        cosine = z @ keys.T
    else:
        cosine = np.matmul(keys, z[:, :, None])[:, :, 0]
    cosine = np.where(valid, cosine, -np.inf)
    if k < cosine.shape[1]:
        order = np.argsort(-cosine, axis=1, kind="stable")
        np.put_along_axis(cosine, order[:, k:], -np.inf, axis=1)
    top = cosine.max(axis=1, initial=-np.inf, keepdims=True)
    level = np.where(np.isfinite(top), top, 0)
    e = np.exp(beta * (cosine - level))
    total = e.sum(axis=1, keepdims=True)
    weights: Array = e / np.maximum(total, 1e-30)
    return weights


def blend(weights: Array, keys: Array) -> Array:
    """``l2n(sum_j w_j key_j)`` per query ``(T, D)``; zero where there is nothing to retrieve."""
    if keys.ndim == 2:
        return unit(weights @ keys)
    mixed = np.matmul(weights[:, None, :], keys)
    return unit(mixed[:, 0])


def affinity(keys: Array, valid: Array, z: Array, beta: float) -> Array:
    """``exp(-beta (1 - cos))`` of each entry ``(C, L)``, 0 where there is none.

    Args:
        keys: entries ``(C, L, D)`` of length 1.
        valid: which places hold one ``(C, L)``.
        z: the query ``(D,)`` of length 1.
        beta: sharpness.
    """
    near = np.exp(-beta * (1 - keys @ z))
    return np.where(valid, near, 0).astype(np.float32)


#: The scale of CLIP's logits, that published constants of cache terms are made for.
CLIP_SCALE = 100.0


def of_clip_scale(weight: Array, z: Array) -> float:
    """The scale of a window's logits over CLIP's: mean length of the head's rows ``(C, D)`` times
    that of ``z (D,)``.

    A term that is added to logits must grow and shrink with them: a constant made for ``100 cos``
    drowns a head whose logits span one or two.
    """
    rows = np.linalg.norm(weight, axis=1).mean()
    scale = float(rows * np.linalg.norm(z))
    return scale / CLIP_SCALE


def widened(cache: Cache, extra: int) -> Cache:
    """A copy with ``extra`` more free places per class."""
    n_classes = len(cache["z"])
    found = {}
    for name, rows in cache.items():
        if name == "count":
            found[name] = rows.copy()
            continue
        blank = _BLANK.get(name, 0)
        shape = (n_classes, extra, *rows.shape[2:])
        more = np.full(shape, blank, rows.dtype)
        found[name] = np.concatenate([rows, more], axis=1)
    return found


def size_bytes(state: object) -> int:
    """Bytes of the arrays in a state, at any depth."""
    if isinstance(state, dict):
        return sum(size_bytes(v) for v in state.values())
    if isinstance(state, list | tuple):
        return sum(size_bytes(v) for v in state)
    return int(getattr(state, "nbytes", 0))


def read(model: Trainable, x: Features) -> tuple[Array, Array] | Prediction:
    """Embedding ``(D,)`` and logits ``(C,)`` of one window, float32; or the model's "not
    measured".
    """
    import torch

    try:
        with torch.no_grad():
            z, logits = model.run([x])
    except ValueError:
        prediction = model.predict(x)
        if prediction.status is Status.NOT_MEASURED:
            return prediction
        raise
    return as_array(z[0]), as_array(logits[0])


def read_steps(model: Trainable, x: Features) -> tuple[Array, Array] | Prediction:
    """Embeddings ``(T, D)`` and logits ``(T, C)`` of the steps of one window, float32; or the
    model's "not measured". A model that answers by the frame has several steps (``step_rows``), any
    other one has one.
    """
    import torch

    by_frame = getattr(model, "step_rows", None)
    if by_frame is None:
        got = read(model, x)
        if isinstance(got, Prediction):
            return got
        z, logits = got
        return z[None], logits[None]
    prediction = _not_measured(model, x)
    if prediction is not None:
        return prediction
    with torch.no_grad():
        rows = by_frame(x)
        weight, bias = model.head()
        return as_array(rows), as_array(rows @ weight.T + bias)


def _not_measured(model: Trainable, x: Features) -> Prediction | None:
    """The answer of a model that knows without a look at the rows that it cannot measure."""
    absent = getattr(model, "absent", None)
    if absent is None or absent(x):
        prediction = model.predict(x)
    else:
        return None
    return prediction if prediction.status is Status.NOT_MEASURED else None


def prototype_rows(model: Trainable, x: Features) -> Array | Prediction:
    """What prototypes of one window are made of ``(T, D)``: the frames' own rows where the model has
    them (``frame_rows``), else the window's embedding; or the model's "not measured".
    """
    by_frame = getattr(model, "frame_rows", None)
    if by_frame is None:
        got = read(model, x)
        return got if isinstance(got, Prediction) else got[0][None]
    prediction = _not_measured(model, x)
    return np.asarray(by_frame(x), np.float32) if prediction is None else prediction


def readings(model: Trainable, xs: Sequence[Features]) -> list[tuple[Array, Array]]:
    """Embedding and logits of the windows that the model can measure."""
    found = []
    for x in xs:
        got = read(model, x)
        if not isinstance(got, Prediction):
            found.append(got)
    return found


def embeddings(model: Trainable, xs: Sequence[Features]) -> list[Array]:
    """Embeddings ``(D,)`` of the windows that the model can measure."""
    return [z for z, _ in readings(model, xs)]


def as_array(tensor: Tensor) -> Array:
    """A tensor's values as float32, on the processor."""
    return tensor.detach().cpu().numpy().astype(np.float32)


def head(model: Trainable) -> tuple[Array, Array]:
    """``weight (C, D)`` and ``bias (C,)`` of the model as float32 arrays."""
    weight, bias = model.head()
    return as_array(weight), as_array(bias)


def frames(model: Trainable, x: Features) -> list[Features]:
    """One window per valid row of the model's track: what stands for the augmented views of a
    picture.
    """
    name = track_of(model)
    track = x.tracks.get(name)
    if track is None:
        return []
    found = []
    for i in np.flatnonzero(track.valid):
        one = track.rows(np.array([i]))
        found.append(replace(x, tracks={**x.tracks, name: one}))
    return found


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise BadInput when a setting is not one of the allowed words."""
    if value not in allowed:
        raise BadInput(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")

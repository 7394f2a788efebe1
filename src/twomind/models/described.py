"""A small recogniser on what ``describe`` measures: window means, standardised, one linear head.

It is the plain model that adaptation methods are compared on where no image encoder is wanted:
every method that works on an embedding works on it. The embedding is one number per column of face
and voice, and words per second by category.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.models.embedding import EmbeddingRecogniser
from twomind.models.window_means import WindowMeans, window_means
from twomind.types import Example, Task

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["WindowMeans", "fit_described", "window_means"]

_MIN_SD = 1e-6


def fit_described(
    examples: Sequence[Example],
    task: Task,
    *,
    face: str = "face",
    strength: float = 0.02,
    affine: bool = True,
) -> EmbeddingRecogniser:
    """L2 logistic regression with balanced classes on the window means of source people.

    Args:
        examples: labelled windows.
        task: whose classes the labels count.
        face: the track ``face`` (raw) or ``face_relative``.
        strength: the inverse of the penalty.
        affine: the model has a layer normalisation's weight and bias (at one and zero), for
            methods that tune those.

    Raises:
        BadInput: fewer than two classes, or nothing was measured.
        MissingExtra: scikit-learn is not installed.
    """
    reader = _fit_reader(examples, face)
    rows, labels = _readable(examples, reader)
    weights: dict[str, Tensor] = {}
    if affine:
        # The head is fitted behind the normalisation, since that is where it is used.
        weights, rows = _normalised(rows)
    weights |= _fit_head(rows, labels, len(task.classes), strength)
    drawn = any(e.x.drawn for e in examples)
    return EmbeddingRecogniser(task, weights, track=face, reader=reader, drawn=drawn)


def _fit_reader(examples: Sequence[Example], face: str) -> WindowMeans:
    """Which columns there are and vary, with their mean and deviation."""
    means = [window_means(e.x, face) for e in examples]
    measured: set[str] = set()
    for row in means:
        measured |= {name for name, value in row.items() if np.isfinite(value)}
    names = sorted(measured)
    if not names or len({e.y for e in examples}) < 2:
        raise BadInput(
            f"expected labelled windows of at least two classes with measures, got {len(examples)} "
            "windows"
        )
    rows = []
    for row in means:
        rows.append([row.get(name, np.nan) for name in names])
    table = np.array(rows)
    mean = np.nanmean(table, axis=0)
    sd = np.nanstd(table, axis=0)
    keep = sd > _MIN_SD
    kept = tuple(name for name, varies in zip(names, keep, strict=True) if varies)
    return WindowMeans(kept, tuple(mean[keep].tolist()), tuple(sd[keep].tolist()), face)


def _readable(examples: Sequence[Example], reader: WindowMeans) -> tuple[np.ndarray, np.ndarray]:
    """Rows ``(N, D)`` and classes ``(N,)`` of the windows in which anything was measured."""
    rows, labels = [], []
    for example in examples:
        row = reader(example.x)
        if row is not None:
            rows.append(row)
            labels.append(example.y)
    return np.stack(rows), np.array(labels)


def _normalised(rows: np.ndarray) -> tuple[dict[str, Tensor], np.ndarray]:
    """A layer normalisation at one and zero, and the rows behind it."""
    import torch

    dim = rows.shape[1]
    weights = {"norm.weight": torch.ones(dim), "norm.bias": torch.zeros(dim)}
    z = torch.nn.functional.layer_norm(torch.from_numpy(rows), (dim,))
    return weights, z.numpy()


def _fit_head(
    rows: np.ndarray, labels: np.ndarray, n_classes: int, strength: float
) -> dict[str, Tensor]:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("train", "fitting a recogniser on described windows") from error
    import torch

    fitted = LogisticRegression(C=strength, class_weight="balanced", max_iter=3000)
    fitted.fit(rows, labels)
    weight, bias = fitted.coef_, fitted.intercept_
    if n_classes == 2:  # one row for two classes becomes one for each
        weight = np.concatenate([-weight / 2, weight / 2])
        bias = np.concatenate([-bias / 2, bias / 2])
    return {
        "head.weight": torch.from_numpy(weight.astype(np.float32)),
        "head.bias": torch.from_numpy(bias.astype(np.float32)),
    }

"""A small recogniser on what ``describe`` measures: window means, standardised, one linear head.

It is the plain model that adaptation methods are compared on where no image encoder is wanted:
every method that works on an embedding works on it. The embedding is one number per column of face
and voice, and words per second by category.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.models.embedding import EmbeddingRecogniser
from twomind.types import Example, Features, Task

#: Columns that say how well a face could be measured, not what it does.
_QUALITY = ("blur", "light", "occlusion", "quality", "face_size")
_MIN_SD = 1e-6


@dataclass(frozen=True)
class WindowMeans:
    """Features → ``(D,)``: the mean of every column, less the mean of the training windows, over
    their deviation.

    What was not measured in a window is 0, the training average. ``names`` are ``track.column``, in
    order; ``mean`` and ``sd`` belong to them.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    face: str = "face"

    def __call__(self, x: Features) -> np.ndarray | None:
        raw = window_means(x, self.face)
        if not any(np.isfinite(v) for v in raw.values()):
            return None
        row = np.array([raw.get(name, np.nan) for name in self.names])
        row = (row - np.array(self.mean)) / np.array(self.sd)
        return np.where(np.isfinite(row), np.clip(row, -8, 8), 0.0).astype(np.float32)


def window_means(x: Features, face: str = "face") -> dict[str, float]:
    """``track.column`` → mean over the window's valid rows (nan when there is none); words per
    second.
    """
    found: dict[str, float] = {}
    for name in (face, "voice"):
        track = x.tracks.get(name)
        if track is None:
            continue
        for column in track.names:
            if column in _QUALITY:
                continue
            values = track.column(column)
            if column == "pitch":
                values = 12 * np.log2(np.maximum(values, 1.0))
            known = values[np.isfinite(values)]
            found[f"{name}.{column}"] = float(known.mean()) if len(known) else float("nan")
    words = x.tracks.get("words")
    length_s = x.span_s[1] - x.span_s[0]
    if words is not None and length_s > 0:
        found["words.n"] = len(words) / length_s
        for k, column in enumerate(words.names):
            found[f"words.{column}"] = float(words.values[:, k].sum()) / length_s
    return found


def fit_described(
    examples: Sequence[Example],
    task: Task,
    *,
    face: str = "face",
    strength: float = 0.02,
    affine: bool = True,
) -> EmbeddingRecogniser:
    """L2 logistic regression with balanced classes on the window means of source people.

    ``face`` is the track ``face`` (raw) or ``face_relative``; ``strength`` the inverse of the
    penalty. With ``affine`` the model has a layer normalisation's weight and bias (at one and
    zero), for methods that tune those.

    Raises:
        BadInput: fewer than two classes, or nothing was measured.
        MissingExtra: scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("train", "fitting a recogniser on described windows") from error
    import torch

    means = [window_means(e.x, face) for e in examples]
    names = tuple(sorted({name for row in means for name, v in row.items() if np.isfinite(v)}))
    y = np.array([e.y for e in examples])
    if not names or len(set(y.tolist())) < 2:
        raise BadInput(
            f"expected labelled windows of at least two classes with measures, got {len(examples)} "
            "windows"
        )
    table = np.array([[row.get(name, np.nan) for name in names] for row in means])
    mean, sd = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    keep = sd > _MIN_SD
    names = tuple(n for n, k in zip(names, keep, strict=True) if k)
    reader = WindowMeans(names, tuple(mean[keep].tolist()), tuple(sd[keep].tolist()), face)
    rows = [reader(e.x) for e in examples]
    some = np.array([r is not None for r in rows])
    z = torch.from_numpy(np.stack([r for r in rows if r is not None]))
    weights = {}
    if affine:
        # The head is fitted behind the normalisation, since that is where it is used.
        weights = {"norm.weight": torch.ones(len(names)), "norm.bias": torch.zeros(len(names))}
        z = torch.nn.functional.layer_norm(z, z.shape[-1:])
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=3000).fit(
        z.numpy(), y[some]
    )
    coef, intercept = model.coef_, model.intercept_
    if len(task.classes) == 2:
        coef, intercept = (
            np.concatenate([-coef / 2, coef / 2]),
            np.concatenate([-intercept / 2, intercept / 2]),
        )
    weights["head.weight"] = torch.from_numpy(coef.astype(np.float32))
    weights["head.bias"] = torch.from_numpy(intercept.astype(np.float32))
    return EmbeddingRecogniser(
        task, weights, track=face, reader=reader, drawn=any(e.x.drawn for e in examples)
    )

"""What may leave the source site in place of windows: the mean embedding of each class."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from twomind.adaptation import caches
from twomind.types import Example, Prediction, Trainable
from twomind.types.plain import Array


def class_means(model: Trainable, source: Iterable[Example]) -> dict[str, Array]:
    """``class_mean (C, D)`` in the embedding space of ``model.run`` (nan where a class has no
    window), and ``class_count (C,)``."""
    n_classes, dim = caches.head(model)[0].shape
    total = np.zeros((n_classes, dim))
    count = np.zeros(n_classes, np.int64)
    for e in source:
        got = caches.read(model, e.x)
        if not isinstance(got, Prediction):
            total[e.y] += got[0]
            count[e.y] += 1
    with np.errstate(invalid="ignore"):
        mean = total / np.where(count, count, np.nan)[:, None]
    return {"class_mean": mean.astype(np.float32), "class_count": count}

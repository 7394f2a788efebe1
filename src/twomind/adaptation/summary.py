"""What may leave the source site in place of windows: the mean embedding of each class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from twomind.adaptation import caches
from twomind.types import Example, Prediction


def class_means(model: Any, source: Iterable[Example]) -> dict[str, np.ndarray]:
    """``class_mean (C, D)`` in the embedding space of ``model.run`` (nan where a class has no
    window), and ``class_count (C,)``."""
    n_classes, dim = caches.head(model)[0].shape
    total, count = np.zeros((n_classes, dim)), np.zeros(n_classes, np.int64)
    for e in source:
        got = caches.read(model, e.x)
        if not isinstance(got, Prediction):
            total[e.y] += got[0]
            count[e.y] += 1
    with np.errstate(invalid="ignore"):
        return {
            "class_mean": (total / np.where(count, count, np.nan)[:, None]).astype(np.float32),
            "class_count": count,
        }

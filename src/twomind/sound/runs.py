"""Spans of rows in which something holds."""

from __future__ import annotations

import numpy as np

from twomind.types.plain import Array


def runs(mask: Array) -> list[tuple[int, int]]:
    """Half-open spans of rows in which ``mask (T,)`` is true."""
    padded = np.concatenate(([0], mask.astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(padded))
    spans = edges.reshape(-1, 2)
    return [(int(a), int(b)) for a, b in spans]

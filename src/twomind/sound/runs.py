"""Spans of rows in which something holds."""

from __future__ import annotations

import numpy as np

from twomind.types.plain import Array


def runs(mask: Array) -> list[tuple[int, int]]:
    """Half-open spans of rows in which ``mask (T,)`` is true."""
    inside = mask.astype(np.int8)
    padded = np.concatenate(([0], inside, [0]))
    changes = np.diff(padded)
    edges = np.flatnonzero(changes)
    spans = edges.reshape(-1, 2)
    return [(int(a), int(b)) for a, b in spans]

"""The fewest changes that turn one row of words into another (Levenshtein 1966)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twomind.types.plain import Array


@dataclass(frozen=True)
class Edits:
    """How written words differ from said ones. ``same`` has the places ``(said, written)`` of the
    words that both have.
    """

    n_said: int
    n_substituted: int
    n_deleted: int
    n_inserted: int
    same: tuple[tuple[int, int], ...]

    @property
    def n_wrong(self) -> int:
        """Substituted, left out and invented words."""
        return self.n_substituted + self.n_deleted + self.n_inserted


def compared(said: Sequence[str], written: Sequence[str]) -> Edits:
    """The fewest changes from what was said to what was written.

    Args:
        said: Words in order.
        written: Words in order.
    """
    costs = _costs(said, written)
    k, n = len(said), len(written)
    same: list[tuple[int, int]] = []
    substituted = deleted = inserted = 0
    while k or n:
        equal = k > 0 and n > 0 and said[k - 1] == written[n - 1]
        diagonal = costs[k - 1, n - 1] if k and n else np.inf
        if k and n and costs[k, n] == diagonal + (not equal):
            k, n = k - 1, n - 1
            if equal:
                same.append((k, n))
            else:
                substituted += 1
        elif k and costs[k, n] == costs[k - 1, n] + 1:
            k -= 1
            deleted += 1
        else:
            n -= 1
            inserted += 1
    return Edits(len(said), substituted, deleted, inserted, tuple(reversed(same)))


def _costs(said: Sequence[str], written: Sequence[str]) -> Array:
    """Changes ``(K + 1, N + 1)`` between the first words of both."""
    costs = np.zeros((len(said) + 1, len(written) + 1), int)
    costs[:, 0] = np.arange(len(said) + 1)
    costs[0] = np.arange(len(written) + 1)
    for k, one in enumerate(said, 1):
        for n, other in enumerate(written, 1):
            replaced = costs[k - 1, n - 1] + (one != other)
            costs[k, n] = min(replaced, costs[k - 1, n] + 1, costs[k, n - 1] + 1)
    return costs

"""Synthetic faces to train and check DSFDA on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Faces:
    """Crops ``(n, P, P, 3)`` uint8 of synthetic people, classes ``(n,)``, drawn intensities ``(n, A)``,
    people ``(n,)``.
    """

    crops: np.ndarray
    y: np.ndarray
    aus: np.ndarray
    people: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, keep: np.ndarray) -> Faces:
        return Faces(self.crops[keep], self.y[keep], self.aus[keep], self.people[keep])

"""The linear part: numbers of a turn in, calibrated probabilities of change, sustain and neutral
out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twomind.core.numbers import ratio, softmax
from twomind.datasets.talk import CLASSES
from twomind.features.words import change_words
from twomind.models.calibration import sigmoid
from twomind.types.plain import Array

#: What a turn has besides its words: its length, and where in the conversation it stands.
LENGTH = "log words"
PLACE = ("place in the conversation", "its square")
#: Turns that count for the side of another: how far away → how much.
_NEIGHBOUR_WEIGHTS = {1: 1.0, 2: 0.6, 3: 0.3}


@dataclass(frozen=True)
class Risk:
    """Of held-out turns of the training people: how many are decided, and how many of these are
    wrong, by the sureness from which on one is decided; ``(Z,)`` each.
    """

    sureness: tuple[float, ...]
    coverage: tuple[float, ...]
    error: tuple[float, ...]

    def threshold(self, max_risk: float) -> float | None:
        """The least sureness from which on at most this share is wrong; None: none does."""
        for sureness, error in zip(self.sureness, self.error, strict=True):
            if error <= max_risk:
                return sureness
        return None


@dataclass(frozen=True)
class Head:
    """Standardised numbers, one weight per class and number, then a calibration.

    ``mean, scale (D,)``; ``weight (3, D)``; ``bias (3,)``; ``slope`` and ``shift (3,)`` take the
    log-odds of classes that are equally common to those of the training talk; ``run`` says how much
    the turns around count for the side, because sides come in runs.
    """

    names: tuple[str, ...]
    mean: Array
    scale: Array
    weight: Array
    bias: Array
    slope: float
    shift: Array
    run: float = 0.0

    def even(self, x: Array, talk: Array) -> Array:
        """Probabilities ``(N, 3)`` as if the classes were equally common; by them a class is said.

        Args:
            x: numbers ``(N, D)`` in the order of the talk; one that is not known (nan) counts as
                average.
            talk: which conversation each is of ``(N,)``.
        """
        return self.of_logits(self.logits(x), talk, np.zeros(len(CLASSES)))

    def probs(self, x: Array, talk: Array) -> Array:
        """Calibrated probabilities ``(N, 3)``, at the shares of the training talk.

        Args:
            x: numbers ``(N, D)`` in the order of the talk; nan counts as average.
            talk: which conversation each is of ``(N,)``.
        """
        return self.of_logits(self.logits(x), talk, self.shift)

    def of_logits(self, logits: Array, talk: Array, shift: Array) -> Array:
        """Probabilities ``(N, 3)`` of logits. What speaks for a side at all is judged alone; which
        side, together with the neighbours.

        Args:
            logits: before calibration ``(N, 3)``.
            talk: which conversation each is of ``(N,)``.
            shift: log-odds added to each class ``(3,)``.
        """
        scaled = self.slope * logits
        alone = softmax(scaled + shift)
        lean = scaled[:, 0] - scaled[:, 1]
        lean = lean + self.run * around(lean, talk) + shift[0] - shift[1]
        change = sigmoid(lean)
        sided = 1 - alone[:, 2]
        return np.stack([sided * change, sided * (1 - change), alone[:, 2]], axis=1)

    def logits(self, x: Array) -> Array:
        """Before calibration, ``(N, 3)``; nan counts as average."""
        z = (x - self.mean) / self.scale
        known = np.where(np.isfinite(z), z, 0.0)
        logits: Array = known @ self.weight.T + self.bias
        return logits

    def to_dict(self) -> dict[str, Any]:
        """As plain values: one entry per number, with its weight for each class."""
        rows = []
        for i, name in enumerate(self.names):
            weights = {c: float(w) for c, w in zip(CLASSES, self.weight[:, i], strict=True)}
            row = {"name": name, "mean": float(self.mean[i]), "scale": float(self.scale[i])}
            rows.append({**row, "weight": weights})
        return {
            "numbers": rows,
            "bias": _by_class(self.bias),
            "slope": self.slope,
            "shift": _by_class(self.shift),
            "run": self.run,
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Head:
        """Read back what :meth:`to_dict` gave."""
        rows: Sequence[Mapping[str, Any]] = entry["numbers"]
        weight = [[float(row["weight"][name]) for row in rows] for name in CLASSES]
        return cls(
            names=tuple(str(row["name"]) for row in rows),
            mean=np.array([float(row["mean"]) for row in rows]),
            scale=np.array([float(row["scale"]) for row in rows]),
            weight=np.array(weight),
            bias=_of_class(entry["bias"]),
            slope=float(entry["slope"]),
            shift=_of_class(entry["shift"]),
            run=float(entry["run"]),
        )


def around(lean: Array, talk: Array) -> Array:
    """The mean lean of the turns before and after each, the nearer the more ``(N,)``; 0 where a turn
    stands alone.

    Args:
        lean: of each turn, in the order of the talk ``(N,)``.
        talk: which conversation each is of ``(N,)``.
    """
    total = np.zeros(len(lean))
    weight = np.zeros(len(lean))
    for distance, share in _NEIGHBOUR_WEIGHTS.items():
        same = talk[distance:] == talk[:-distance]
        counted = np.where(same, share, 0.0)
        total[distance:] += counted * lean[:-distance]
        total[:-distance] += counted * lean[distance:]
        weight[distance:] += counted
        weight[:-distance] += counted
    return ratio(total, weight, 0.0)


def _by_class(values: Array) -> dict[str, float]:
    return {name: float(value) for name, value in zip(CLASSES, values, strict=True)}


def _of_class(entry: Mapping[str, Any]) -> Array:
    return np.array([float(entry[name]) for name in CLASSES])


def readable(texts: Sequence[str]) -> Array:
    """The numbers of the words of each text ``(N, D)``."""
    width = len(change_words.groups().names)
    found = [change_words.numbers(text) for text in texts]
    return np.array(found).reshape(len(texts), width)


def lengths(texts: Sequence[str]) -> Array:
    """Log of one plus the number of words ``(N, 1)``."""
    n_words = [change_words.n_words(text) for text in texts]
    return np.log1p(np.array(n_words, float))[:, None]


def place_columns(place: Array) -> Array:
    """Place in the conversation ``(N,)`` and its square ``(N, 2)``; nan where it is not known."""
    return np.stack([place, place**2], axis=1)

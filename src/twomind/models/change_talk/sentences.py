"""A sentence encoder: a local folder of a frozen text network, one row per text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from twomind.encoders.pretrained import Encoder, from_card, network, sentence_rows
from twomind.types.plain import Array


@dataclass(frozen=True)
class Sentences:
    """A frozen encoder of sentences: the mean of the last layer's tokens, at length 1."""

    encoder: Encoder

    @classmethod
    def of_folder(cls, folder: Path) -> Sentences:
        """
        Raises:
            MissingWeights: the folder lacks a file.
        """
        found = Encoder("text", str(folder), offline=True)
        assert found.folder
        return cls(found)

    @classmethod
    def of_card(cls, entry: Mapping[str, Any]) -> Sentences:
        """The encoder that a model was trained with.

        Raises:
            BadInput: the files under that name are others now.
            MissingWeights: they are not there any more.
        """
        return cls(from_card(entry, offline=True))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"sentence {i}" for i in range(self.encoder.width))

    def card(self) -> dict[str, Any]:
        return self.encoder.card()

    @cached_property
    def _network(self) -> Any:
        return network(self.encoder)

    def rows(self, texts: Sequence[str]) -> Array:
        """One row of length 1 per text ``(N, D)``."""
        found = sentence_rows(self.encoder, texts, self._network)
        return np.asarray(found, float)

"""No adaptation: the row every table shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twomind.types import Access, Features, Given, Prediction, State


@dataclass(frozen=True)
class SourceOnly:
    """Predicts with the shared model as it is."""

    @property
    def needs(self) -> Access:
        return Access.NOTHING

    def begin(self, model: Any, given: Given) -> State:
        return {}

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        return model.predict(x), state


PLUGIN = SourceOnly

"""No adaptation: the row every table shows."""

from __future__ import annotations

from dataclasses import dataclass

from twomind.types import Access, Features, Given, Prediction, Recogniser, State


@dataclass(frozen=True)
class SourceOnly:
    """Predicts with the shared model as it is."""

    @property
    def needs(self) -> Access:
        return Access.NOTHING

    def begin(self, model: Recogniser, given: Given) -> State:
        return {}

    def step(self, model: Recogniser, state: State, x: Features) -> tuple[Prediction, State]:
        return model.predict(x), state


PLUGIN = SourceOnly

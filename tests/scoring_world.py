"""A small data set in memory, a model and methods for tests of scoring: embeddings that follow a
known rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.types import (
    Access,
    Features,
    Fold,
    Given,
    Prediction,
    Recording,
    State,
    Task,
    Track,
    Word,
)

CLIP = Task("toy", ("absent", "present"), "clip")
FRAME = Task("toy_frames", ("absent", "present"), "frame")
#: Rate of "present" per question; question 5 is exactly one half in training (see ``labels``).
PRESENT = {"1": 1, "2": 2, "4": 5, "5": 3}


@dataclass(frozen=True)
class Toy:
    """Six training and four or more test people, four questions each, 8 s of embeddings at 4 Hz."""

    n_train: int = 6
    n_test: int = 4
    strength: float = 1.0
    name: str = "toy"
    tasks: tuple[Task, ...] = (CLIP, FRAME)
    extra: tuple[Recording, ...] = ()

    def people_ids(self) -> list[str]:
        return [f"a{i}" for i in range(self.n_train)] + [f"t{i}" for i in range(self.n_test)]

    def recordings(self) -> tuple[Recording, ...]:
        found = []
        for s in (*self.people_ids(), *(f"{t}n" for t in ())):
            for q in (*PRESENT, "neutral"):
                k = sum(map(ord, s + q))
                n_words = 14 + k % 9 + (6 if self.label("toy", f"{s}_{q}") else 0)
                words = tuple(
                    Word(f"w{(k * j) % 97}-{s}-{q}", 0.3 * j, 0.3 * j + 0.1) for j in range(n_words)
                )
                question = None if q == "neutral" else q
                found.append(
                    Recording(f"{s}_{q}", s, Path("none"), question, 8.0, words, drawn=True)
                )
        return (*found, *self.extra)

    def label(self, task: str, recording: str) -> int | None:
        s, q = recording.split("_", 1)
        if q == "neutral":
            return 0
        group, number = s[0], int(s[1:])
        # Training person i says "present" to question q when i < PRESENT[q]; test people are
        # shifted by one.
        return int(number < PRESENT[q]) if group == "a" else int((number + 1) % 6 < PRESENT[q])

    def frame_labels(self, task: str, recording: str, times_s: np.ndarray) -> np.ndarray:
        """Present from 4 to 6 s of the recordings that have it; the last half second is
        not coded.
        """
        inside = (times_s >= 4) & (times_s < 6) & bool(self.label("toy", recording))
        return np.where(times_s < 7.5, inside.astype(int), -1)

    def people(self) -> Mapping[str, Mapping[str, Any]]:
        return {
            s: {"sex": "f" if i % 2 else "m", "age": 20 + 3 * (i % 15)}
            for i, s in enumerate(self.people_ids())
        }

    def may_be_shown(self, subject: str) -> bool:
        return subject != "t0"

    def folds(self, protocol: str, seed: int) -> tuple[Fold, ...]:
        train = tuple(f"a{i}_{q}" for i in range(self.n_train) for q in PRESENT)
        if protocol == "all":
            return (self._fold("all", protocol, train, [f"t{i}" for i in range(self.n_test)]),)
        return tuple(self._fold(f"t{i}", protocol, train, [f"t{i}"]) for i in range(self.n_test))

    def _fold(self, name: str, protocol: str, train: tuple[str, ...], people: list[str]) -> Fold:
        test = tuple(f"{s}_{q}" for s in people for q in PRESENT)
        return Fold(name, protocol, train, test, neutral=tuple(f"{s}_neutral" for s in people))

    def features(self, recording: str) -> Features:
        """Dimension 0 says "present" where it is, plus the person's offset; the others
        are noise.
        """
        s, q = recording.split("_", 1)
        rng = np.random.default_rng(sum(ord(c) * 131**i for i, c in enumerate(recording)) % 2**32)
        times = np.arange(0.125, 8, 0.25)
        offset = 0.8 * np.sin(sum(map(ord, s)))
        signal = (
            2 * self.frame_labels("toy", recording, np.minimum(times, 7)) - 0.5
        ) * self.strength
        values = rng.normal(size=(32, 6)) * 0.5
        values[:, 0] += signal + offset
        track = Track(values.astype(np.float32), times, np.ones(32, bool))
        question = None if q == "neutral" else q
        return Features(recording, s, {"embedding": track}, (0.0, 8.0), question, drawn=True)


@dataclass(frozen=True)
class Model:
    """Says "present" where dimension 0 is high."""

    task: Task = CLIP
    weight: float = 2.0
    bias: float = 0.0

    def params(self) -> dict[str, Any]:
        return {"weight": np.array([self.weight]), "bias": np.array([self.bias])}

    def level(self, x: Features) -> float | None:
        track = x.tracks.get("embedding")
        return (
            None
            if track is None or not track.valid.any()
            else float(track.values[track.valid, 0].mean())
        )

    def predict(self, x: Features, shift: float = 0.0) -> Prediction:
        level = self.level(x)
        if level is None:
            return Prediction.not_measured(x.span_s, 2, "no face")
        z = self.weight * (level - shift) + self.bias
        p = 1 / (1 + np.exp(-z))
        return Prediction(x.span_s, np.array([1 - p, p]), logits=np.array([0.0, z]))


@dataclass(frozen=True)
class Offset:
    """Takes the person's neutral level off."""

    strength: float = 1.0

    @property
    def needs(self) -> Access:
        return Access.NEUTRAL

    def begin(self, model: Any, given: Given) -> State:
        assert given.neutral
        return {"shift": self.strength * float(np.mean([model.level(x) for x in given.neutral]))}

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        return model.predict(x, state["shift"]), state


@dataclass(frozen=True)
class Plain:
    """Base of test methods: no adaptation."""

    @property
    def needs(self) -> Access:
        return Access.NOTHING

    def begin(self, model: Any, given: Given) -> State:
        return {}

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        return model.predict(x), state


@dataclass(frozen=True)
class Harmful(Plain):
    """Turns the answers of some people round."""

    people: tuple[str, ...] = ("t1",)

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        found = model.predict(x)
        if x.subject in self.people:
            found = replace(found, probs=found.probs[::-1].copy(), logits=found.logits[::-1].copy())
        return found, state


@dataclass(frozen=True)
class Constant(Plain):
    """Says "present" whatever it sees."""

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        return Prediction(x.span_s, np.array([0.1, 0.9])), state


@dataclass(frozen=True)
class Reaches(Plain):
    """Touches a part of ``given`` that it did not declare."""

    part: str = "target"

    def begin(self, model: Any, given: Given) -> State:
        getattr(given, self.part)
        return {}


@dataclass(frozen=True)
class Records(Plain):
    """Keeps what it was shown, for a test to look at (not a method anybody could submit: it is no
    plain value).
    """

    shown: list[Any] = field(default_factory=list)

    def begin(self, model: Any, given: Given) -> State:
        self.shown.append(given)
        return {}

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        self.shown.append(x)
        return model.predict(x), state


def model_for(fold: Fold) -> Model:
    """For worker processes, which cannot be sent a lambda."""
    return Model()

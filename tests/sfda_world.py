"""A drawn world of embeddings with a planted shift of one person, for methods that adapt before
use.

Drawn: it proves the machinery, and says nothing about real faces. The recogniser is a logistic head
fitted on the source people, so its mistakes on the person come from the planted shift and nothing
else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from twomind.adaptation import load_method, stream
from twomind.adaptation.summary import class_means
from twomind.models.embedding import EmbeddingRecogniser
from twomind.types import Example, Features, Given, Task, Track

DIM = 12


@dataclass(frozen=True)
class World:
    model: Any
    given: Given
    test: tuple[Example, ...]


def windows(
    rows: np.ndarray, y: np.ndarray, person: str, recording: str, rng: np.random.Generator
) -> list[Example]:
    """One window of three noisy rows per row ``(N, D)``."""
    found = []
    for n, (row, c) in enumerate(zip(rows, y, strict=True)):
        values = (row + 0.2 * rng.normal(size=(3, len(row)))).astype(np.float32)
        track = Track(values, n + np.arange(3) / 3, np.ones(3, bool))
        found.append(
            Example(
                Features(recording, person, {"embedding": track}, (float(n), n + 1.0), drawn=True),
                int(c),
            )
        )
    return found


def head(rows: np.ndarray, y: np.ndarray) -> EmbeddingRecogniser:
    """The recogniser whose head is the logistic regression of the source rows."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(max_iter=500).fit(rows, y)
    half = np.concatenate([-fitted.coef_, fitted.coef_]) / 2
    bias = np.concatenate([-fitted.intercept_, fitted.intercept_]) / 2
    weights = {"head.weight": torch.from_numpy(half.astype(np.float32))}
    weights["head.bias"] = torch.from_numpy(bias.astype(np.float32))
    return EmbeddingRecogniser(
        Task("planted", ("neutral", "present"), "window"), weights, drawn=True
    )


def world(
    seed: int,
    kind: str = "shift",
    share: float = 0.5,
    n: int = 60,
    apart: float = 3.0,
    size: float = 1.0,
    n_people: int = 8,
) -> World:
    """``kind``: ``none``, ``shift`` (additive, partly towards the other class), ``stretch``
    (another covariance), or ``groups`` (half of the source people, and the person, carry the class
    on another axis).

    ``share`` of the person's windows are of class 1; ``apart``: distance of the classes; ``size``
    scales the shift.
    """
    rng = np.random.default_rng([seed, 7])
    eye = np.eye(DIM)
    axis, second = eye[0], eye[1]

    def person(
        name: str, recording: str, count: int, part: float, shift: np.ndarray, other: bool, mix: Any
    ) -> list:
        y = (rng.permutation(count) < part * count).astype(int)
        direction = second if other else axis
        rows = apart * (y - 0.5)[:, None] * direction + rng.normal(size=(count, DIM)) * 0.8
        return windows(rows @ mix + shift, y, name, recording, rng)

    source: list[Example] = []
    for k in range(n_people):
        own = 0.2 * rng.normal(size=DIM)
        if kind == "groups":
            own = own + (1.5 if k % 2 else -1.5) * eye[3]
        source += person(
            f"source{k}", f"source{k}", 40, 0.5, own, kind == "groups" and k % 2 == 1, eye
        )
    rows = np.stack([e.x.tracks["embedding"].values.mean(axis=0) for e in source])
    model = head(rows, np.array([e.y for e in source]))

    shift, mix = 0.2 * rng.normal(size=DIM), eye
    if kind == "shift":
        shift = shift + size * (1.3 * axis * rng.choice([-1, 1]) + 0.5 * rng.normal(size=DIM))
    if kind == "stretch":
        # noise of one direction leaks into the class axis: symmetric and positive, so re-colouring
        # can undo it
        along = eye[:4].sum(axis=0) / 2
        mix = eye + 12 * size * np.outer(along, along)
    if kind == "groups":
        shift = shift + 1.5 * eye[3]
    before = person("anna", "before", n, share, shift, kind == "groups", mix)
    test = person("anna", "test", 200, share, shift, kind == "groups", mix)
    neutral = tuple(e.x for e in person("anna", "clip", n, 0.0, shift, kind == "groups", mix))
    coded = tuple(person("anna", "coded", n, share, shift, kind == "groups", mix))
    target = tuple(e.x for e in before)
    given = Given(seed, tuple(source), class_means(model, source), target, neutral, coded)
    return World(model, given, tuple(test))


def answers(w: World, method: str, **settings: Any) -> np.ndarray:
    """Class per test window."""
    steps = stream(w.model, load_method(method, **settings), [e.x for e in w.test], given=w.given)
    return np.array([int(s.prediction.probs.argmax()) for s in steps])


def balanced(w: World, method: str, **settings: Any) -> float:
    """Balanced accuracy in percent on the person's test windows."""
    y, got = np.array([e.y for e in w.test]), answers(w, method, **settings)
    return 50 * float((got[y == 0] == 0).mean() + (got[y == 1] == 1).mean())

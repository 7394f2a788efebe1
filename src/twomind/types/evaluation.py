"""Folds, labels beside predictions, and runs: what evaluation hands out and keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from twomind.types.adaptation import Access
from twomind.types.plain import Array, Foreign
from twomind.types.prediction import Task


@dataclass(frozen=True)
class Fold:
    """One division of a data set's recordings, by id. Made by a protocol; checked at birth.

    ``train`` and ``val`` are recordings of source people (with labels); ``test`` of the target
    people, in stream order. ``neutral``, ``target`` and ``few`` are recordings of the target people
    that a method of that access may be handed before the stream. No recording is in two of train,
    val, test and the handed ones.

    ``transductive`` names the ones that are part of ``test`` all the same, because a published
    protocol does so; every table must say it. ``same_people`` is True where the people of ``test``
    are in ``train`` as well on purpose (another question, another room): such a fold says nothing
    about people never seen.
    """

    name: str
    protocol: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    val: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    few: tuple[str, ...] = ()
    transductive: tuple[str, ...] = ()
    same_people: bool = False

    def __post_init__(self) -> None:
        parts = {"train": self.train, "val": self.val, "test": self.test}
        handed = {"neutral": self.neutral, "target": self.target, "few": self.few}
        for name, ids in {**parts, **handed}.items():
            if len(set(ids)) != len(ids):
                raise ValueError(f"Fold {self.name!r}: a recording is twice in {name}")
        if not self.test:
            raise ValueError(f"Fold {self.name!r}: expected at least one test recording")
        allowed = set(self.transductive)
        for a, first in parts.items():
            for b, second in {**parts, **handed}.items():
                both = set(first) & set(second) - (
                    allowed if a == "test" and b in handed else set()
                )
                if a != b and both:
                    shown = ", ".join(sorted(both)[:3])
                    raise ValueError(
                        f"Fold {self.name!r}: {len(both)} recording(s) in both {a} and {b}: {shown}"
                    )


@dataclass(frozen=True)
class Rows:
    """Labels beside predictions at one level (recording, window, frame): ``N`` rows in stream
    order.

    ``recording, subject, question (N,)`` text ("" where no question is known); ``span_s (N, 2)``;
    ``y (N,)`` class index, -1 where nobody coded it; ``probs (N, C)``, all nan where not measured;
    ``reasons`` says why, per recording. ``beside`` holds what the same rows get from a shortcut or
    from no adaptation, ``(N, C)`` each.
    """

    recording: Array
    subject: Array
    question: Array
    span_s: Array
    y: Array
    probs: Array
    beside: Mapping[str, Array] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.y)
        if self.probs.ndim != 2 or self.probs.shape[0] != n or self.span_s.shape != (n, 2):
            raise ValueError(
                f"Rows: expected probs ({n}, C) and span_s ({n}, 2), got {self.probs.shape}, "
                f"{self.span_s.shape}"
            )
        for name in ("recording", "subject", "question"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"Rows: expected {name} ({n},), got {getattr(self, name).shape}")
        if n and (int(self.y.min()) < -1 or int(self.y.max()) >= self.probs.shape[1]):
            raise ValueError(f"Rows: expected y in -1 … {self.probs.shape[1] - 1}")
        for name, probs in self.beside.items():
            if probs.shape != self.probs.shape:
                raise ValueError(f"Rows: expected {name} {self.probs.shape}, got {probs.shape}")

    def __len__(self) -> int:
        return len(self.y)

    def take(self, keep: Array) -> Rows:
        """Some of the rows, by a mask or by indices."""
        parts = ("recording", "subject", "question", "span_s", "y", "probs")
        some = {name: getattr(self, name)[keep] for name in parts}
        return replace(self, **some, beside={k: v[keep] for k, v in self.beside.items()})


@dataclass(frozen=True)
class Run:
    """One method with one model on one fold, self-describing: whatever a table says can be computed
    from it again.

    ``rows`` maps a level (``recording``, ``window``, ``frame``) to :class:`Rows`. ``saw`` is what
    the method was handed before the stream, ``seen`` in how many recordings and windows. ``fill``
    names the row of ``Rows.beside`` that stands in, in figures only, where nothing was measured.
    ``people`` holds what is known of the test people, ``not_shown`` those who may not appear in a
    picture. ``seconds`` has ``begin`` (per person), ``step`` (per window) and ``total``, and the
    same of the processor's time with ``_cpu``; ``peak_mb`` is the high-water mark of the process's
    memory, nan where it could not be measured. ``events`` are what the states' log (a guard's) says
    happened, with subject, recording and time. ``place`` is the laboratory that a run came from,
    under a pseudonym; empty: this one. ``whose`` is a sum over the names of the test people and their
    recordings, where the names themselves are gone: two laboratories that hold the same data have the
    same, whatever was measured of them.
    """

    name: str
    dataset: str
    task: Task
    fold: Fold
    model: str
    method: str
    rows: Mapping[str, Rows]
    config: Mapping[str, Foreign] = field(default_factory=dict)
    saw: Access = Access.NOTHING
    seen: Mapping[str, Foreign] = field(default_factory=dict)
    reset: str = "person"
    seed: int = 0
    fill: str = "prevalence"
    windows: Mapping[str, Foreign] = field(default_factory=dict)
    people: Mapping[str, Mapping[str, Foreign]] = field(default_factory=dict)
    not_shown: tuple[str, ...] = ()
    drawn: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_mb: float = math.nan
    fingerprint: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    git: Mapping[str, Foreign] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    events: tuple[Mapping[str, Foreign], ...] = ()
    place: str = ""
    whose: str = ""

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError(f"Run {self.name!r}: expected rows at one level at least")
        for level, rows in self.rows.items():
            if rows.probs.shape[1] != len(self.task.classes):
                raise ValueError(
                    f"Run {self.name!r}: expected {len(self.task.classes)} classes at level "
                    f"{level}, "
                    f"got {rows.probs.shape[1]}"
                )

    @property
    def level(self) -> str:
        """The level at which the task is judged first: its grain, else the coarsest there is."""
        wanted = {"frame": "frame", "window": "window", "clip": "recording"}[self.task.grain]
        return next(
            level for level in (wanted, "recording", "window", "frame") if level in self.rows
        )

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
    """One division of a data set's recordings, by id. Made by a protocol, and checked when it is made.

    No recording is in two of train, val, test and those that are handed over.

    Args:
        name: of the fold.
        protocol: that made it.
        train: recordings of source people, with labels.
        test: recordings of the target people, in the order of the stream; at least one.
        val: recordings of source people, with labels, to choose by.
        neutral: neutral clips of the target people that a method may be handed before the stream.
        target: their recordings that a method may be handed without labels.
        few: their recordings that a method may be handed with labels.
        transductive: the handed ones that are part of ``test`` all the same, because a published
            protocol does so; every table must say it.
        same_people: the people of ``test`` are in ``train`` as well on purpose (another question,
            another room): such a fold says nothing about people never seen.

    Raises:
        ValueError: a recording is twice in one role, or in two that must be apart.

    Example:
        >>> from twomind.types import Fold
        >>> Fold("fold0", "people-2", train=("a1", "a2"), test=("b1",)).test
        ('b1',)
        >>> Fold("fold0", "people-2", train=("a1",), test=("a1",))
        Traceback (most recent call last):
        ...
        ValueError: Fold 'fold0': 1 recording(s) in both train and test: a1
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

    Args:
        recording: ``(N,)`` ids.
        subject: ``(N,)`` people.
        question: ``(N,)`` text, empty where no question is known.
        span_s: ``(N, 2)`` start and end in seconds.
        y: ``(N,)`` class index, -1 where nobody coded it.
        probs: ``(N, C)``, all nan where not measured.
        beside: what the same rows get from a shortcut or from no adaptation, ``(N, C)`` each.
        reasons: why a recording was not measured, by its id.

    Raises:
        ValueError: shapes that do not fit, or a class that there is not.

    Example:
        >>> import numpy as np
        >>> from twomind.types import Rows
        >>> names = np.array(["a1", "b1"])
        >>> probs = np.array([[0.4, 0.6], [0.9, 0.1]])
        >>> rows = Rows(names, np.array(["anna", "ben"]), np.array(["7", "7"]),
        ...             np.array([[0.0, 9.0], [0.0, 8.0]]), np.array([1, 0]), probs)
        >>> rows.take(rows.y == 1).recording.tolist()
        ['a1']
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
    """One method with one model on one fold: whatever a table says can be computed from it again.

    Args:
        name: of the run.
        dataset: the data set's name.
        task: the question.
        fold: who was trained on, and who is tested.
        model: the model's name.
        method: the adaptation method's name.
        rows: by level (``recording``, ``window``, ``frame``).
        config: every setting, as plain values.
        saw: what the method was handed before the stream.
        seen: in how many recordings and windows.
        reset: when the state started anew.
        seed: of everything that was drawn.
        fill: the row of ``Rows.beside`` that stands in, in figures only, where nothing was measured.
        windows: how recordings were cut.
        people: what is known of the test people, by person.
        not_shown: those who may not appear in a picture.
        drawn: whether they are synthetic.
        seconds: ``begin`` (per person), ``step`` (per window) and ``total``, and the same of the
            processor's time with ``_cpu``.
        peak_mb: the high-water mark of the process's memory in MB; nan where it was not measured.
        fingerprint: of everything that the run depends on.
        versions: of the libraries.
        git: the state of the code.
        notes: what a reader must know.
        events: what the log of the states (a guard's) says happened: subject, recording, time.
        place: the laboratory that it came from, under a pseudonym; empty: this one.

    Raises:
        ValueError: no rows, or another number of classes than the task has.

    Example:
        >>> import numpy as np
        >>> from twomind.types import AMBIVALENCE, Fold, Rows, Run
        >>> one = np.array(["b1"])
        >>> rows = Rows(one, one, one, np.array([[0.0, 9.0]]), np.array([1]), np.array([[0.4, 0.6]]))
        >>> fold = Fold("fold0", "people-2", train=("a1",), test=("b1",))
        >>> run = Run("mine", "own", AMBIVALENCE, fold, "words", "source-only", {"recording": rows})
        >>> run.level
        'recording'
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

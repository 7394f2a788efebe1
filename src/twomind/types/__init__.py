"""The floor: every noun of the project, as frozen dataclasses checked at construction. numpy only.

Letters in shapes, fixed here for the whole code base:
``B`` windows in a batch, ``T`` rows of a track (frames, hops or words), ``S`` shape of one row, ``D`` feature
dimension, ``C`` classes, ``H`` hidden width. Times are seconds on the recording's clock: zero is the earliest
presentation stamp of the container, as media players, ffmpeg and ELAN show it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Flag, StrEnum, auto
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

#: ``progress(what, done, total)``: one callback serves the command line, a web socket and debugging. ``total`` may be
#: ``nan`` when it is not known (a WebM without a duration).
Progress = Callable[[str, float, float], None]


class Status(StrEnum):
    """Whether a number stands behind a statement."""

    OK = "ok"
    NOT_MEASURED = "not_measured"
    ABSTAINED = "abstained"


class Timing(StrEnum):
    """Where the time of a word came from."""

    GIVEN = "given"  # the transcript carried a time for this very word
    SPREAD_CUE = "spread_in_cue"  # evenly within its subtitle or chunk
    SPREAD_ALL = "spread_over_recording"  # evenly over the whole recording: says nothing about when
    RECOGNISED = "recognised"  # by the speech recogniser


def _check_span(name: str, start_s: float, end_s: float) -> None:
    if not (math.isfinite(start_s) and math.isfinite(end_s) and start_s <= end_s):
        raise ValueError(f"{name}: expected finite start_s <= end_s, got start_s={start_s}, end_s={end_s}")


@dataclass(frozen=True)
class Word:
    """One spoken word (or filler) with its time in seconds. ``confidence`` is in [0, 1], or nan when unknown."""

    text: str
    start_s: float
    end_s: float
    confidence: float = math.nan
    timing: Timing = Timing.GIVEN

    def __post_init__(self) -> None:
        _check_span(f"Word {self.text!r}", self.start_s, self.end_s)
        if not self.text.strip():
            raise ValueError("Word: expected a non-empty text")
        if not math.isnan(self.confidence) and not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"Word {self.text!r}: expected confidence in [0, 1] or nan, got {self.confidence}")


@dataclass(frozen=True)
class Segment:
    """A labelled span: an annotated A/H segment, or one that a model located. ``score`` is nan when there is none."""

    start_s: float
    end_s: float
    label: str
    source: str
    score: float = math.nan

    def __post_init__(self) -> None:
        _check_span(f"Segment {self.label!r}", self.start_s, self.end_s)


@dataclass(frozen=True)
class Cue:
    """Something a coder would mark: a long pause, a filler, a brow raise. A cue is not A/H.

    ``kind`` is a name of ``twomind.features.cues.KINDS``; ``modality`` is ``face``, ``head``, ``voice`` or ``words``;
    ``value`` with ``unit`` says how strong (nan when the kind has no strength); ``detail`` is free text for a reader.
    """

    kind: str
    modality: str
    start_s: float
    end_s: float
    value: float = math.nan
    unit: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        _check_span(f"Cue {self.kind!r}", self.start_s, self.end_s)


@dataclass(frozen=True)
class Recording:
    """Where one take of one person lies, and what is known about it; no pixels, no samples.

    ``words`` is None when they are not measured, and then ``words_reason`` says why; an empty tuple means that the
    words are known and there are none. ``duration_s`` is nan until measured when the container does not declare it.
    ``drawn`` is True for the project's own synthetic people: numbers about them say nothing about real faces.
    """

    id: str
    subject: str
    media: Path
    question: str | None = None
    duration_s: float = math.nan
    words: tuple[Word, ...] | None = None
    words_reason: str = "no transcript was given"
    words_source: str = ""
    segments: tuple[Segment, ...] = ()
    drawn: bool = False

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("Recording: expected a non-empty id")
        if self.words is not None:
            starts = [w.start_s for w in self.words]
            if starts != sorted(starts):
                raise ValueError(f"Recording {self.id!r}: expected words in order of start_s")


@dataclass(frozen=True)
class Track:
    """One modality on a clock. Absence is ``valid=False`` (with a reason), never a magic zero.

    ``values (T, *S)`` float; ``times_s (T,)`` non-decreasing; ``valid (T,)`` bool. For tables, ``S = (D,)`` with one
    name and one unit per column. ``reason_code (T,)`` indexes ``reasons`` (entry 0 is the empty reason of valid rows).
    A single nan in a valid row means that only this measure could not be taken.
    """

    values: np.ndarray
    times_s: np.ndarray
    valid: np.ndarray
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ("",)
    reason_code: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.times_s)
        if self.times_s.ndim != 1 or self.valid.shape != (n,) or self.values.shape[:1] != (n,):
            raise ValueError(
                f"Track: expected values ({n}, ...), times_s ({n},), valid ({n},); got values {self.values.shape}, "
                f"times_s {self.times_s.shape}, valid {self.valid.shape}"
            )
        if self.valid.dtype != np.bool_:
            raise ValueError(f"Track: expected valid of dtype bool, got {self.valid.dtype}")
        if n and bool(np.any(np.diff(self.times_s) < 0)):
            raise ValueError("Track: expected non-decreasing times_s")
        if self.names:
            if self.values.ndim != 2 or self.values.shape[1] != len(self.names):
                raise ValueError(f"Track: expected values (T, {len(self.names)}), got {self.values.shape}")
            if len(set(self.names)) != len(self.names):
                raise ValueError("Track: expected unique names")
        if self.units and len(self.units) != len(self.names):
            raise ValueError(f"Track: expected {len(self.names)} units, got {len(self.units)}")
        if self.reason_code is None:
            object.__setattr__(self, "reason_code", np.zeros(n, np.uint8))
        elif self.reason_code.shape != (n,):
            raise ValueError(f"Track: expected reason_code ({n},), got {self.reason_code.shape}")
        elif n and int(self.reason_code.max()) >= len(self.reasons):
            raise ValueError(
                f"Track: expected reason_code below {len(self.reasons)}, got {int(self.reason_code.max())}"
            )

    def __len__(self) -> int:
        return len(self.times_s)

    def column(self, name: str) -> np.ndarray:
        """Values ``(T,)`` of one named measure, nan where the row is not valid. KeyError names what there is."""
        if name not in self.names:
            raise KeyError(f"no measure {name!r}; there is: {', '.join(self.names)}")
        return np.where(self.valid, self.values[:, self.names.index(name)], np.nan)

    def between(self, start_s: float, end_s: float) -> Track:
        """Rows with ``start_s <= time < end_s``."""
        keep = slice(*np.searchsorted(self.times_s, [start_s, end_s], side="left"))
        assert self.reason_code is not None
        return replace(
            self,
            values=self.values[keep],
            times_s=self.times_s[keep],
            valid=self.valid[keep],
            reason_code=self.reason_code[keep],
        )

    def on_grid(self, times_s: np.ndarray, max_gap_s: float) -> Track:
        """The nearest valid-or-not row for every asked time ``(N,)``; farther than ``max_gap_s`` is not valid."""
        times_s = np.asarray(times_s, float)
        reasons = (*self.reasons, "no sample near this time")
        far = len(reasons) - 1
        if not len(self):
            shape = (len(times_s), *self.values.shape[1:])
            return replace(
                self,
                values=np.full(shape, np.nan, np.float32),
                times_s=times_s,
                valid=np.zeros(len(times_s), bool),
                reasons=reasons,
                reason_code=np.full(len(times_s), far, np.uint8),
            )
        assert self.reason_code is not None
        right = np.clip(np.searchsorted(self.times_s, times_s), 1, max(len(self) - 1, 1))
        left = right - 1
        right = np.minimum(right, len(self) - 1)
        nearer_left = np.abs(times_s - self.times_s[left]) <= np.abs(self.times_s[right] - times_s)
        index = np.where(nearer_left, left, right)
        near = np.abs(self.times_s[index] - times_s) <= max_gap_s
        return replace(
            self,
            values=self.values[index],
            times_s=times_s,
            valid=self.valid[index] & near,
            reasons=reasons,
            reason_code=np.where(near, self.reason_code[index], far).astype(np.uint8),
        )


@dataclass(frozen=True)
class Features:
    """One window of one recording as models see it. There is no label field, on purpose.

    ``words`` is None when they are not measured. ``notes`` says per modality why it is absent.
    """

    recording: str
    subject: str
    tracks: Mapping[str, Track]
    span_s: tuple[float, float]
    question: str | None = None
    words: tuple[Word, ...] | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    drawn: bool = False

    def __post_init__(self) -> None:
        _check_span(f"Features of {self.recording!r}", *self.span_s)

    def between(self, start_s: float, end_s: float) -> Features:
        """The sub-window ``[start_s, end_s)``; a word belongs to the window in which it starts."""
        words = None if self.words is None else tuple(w for w in self.words if start_s <= w.start_s < end_s)
        tracks = {name: track.between(start_s, end_s) for name, track in self.tracks.items()}
        return replace(self, tracks=tracks, span_s=(start_s, end_s), words=words)

    def on_grid(self, hop_s: float) -> Features:
        """All tracks on one grid of ``hop_s`` seconds (nearest row; farther than one hop is not valid)."""
        if not hop_s > 0:
            raise ValueError(f"Features.on_grid: expected hop_s > 0, got {hop_s}")
        times_s = np.arange(self.span_s[0], self.span_s[1], hop_s)
        return replace(self, tracks={k: t.on_grid(times_s, hop_s) for k, t in self.tracks.items()})


@dataclass(frozen=True)
class Task:
    """The question a model answers, saved with the model. The order of ``classes`` is a contract."""

    name: str
    classes: tuple[str, ...]
    grain: str = "clip"

    def __post_init__(self) -> None:
        if self.grain not in ("frame", "window", "clip"):
            raise ValueError(f"Task {self.name!r}: expected grain frame, window or clip, got {self.grain!r}")
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"Task {self.name!r}: expected at least two different classes, got {self.classes}")


#: The video-level question of the BAH data set. Class 1 is "present".
AMBIVALENCE = Task("ambivalence_hesitancy", ("absent", "present"), "clip")


@dataclass(frozen=True)
class Example:
    """A window *with* its answer. Only training and ``score`` accept it."""

    x: Features
    y: int


@dataclass(frozen=True)
class Evidence:
    """Why a prediction came out as it did: one additive part of the score, with its time where it has one.

    ``kind`` is ``part`` (question, length, content), ``word``, ``cue`` …; ``value`` is in the unit named.
    """

    kind: str
    name: str
    value: float
    unit: str
    start_s: float = math.nan
    end_s: float = math.nan


@dataclass(frozen=True)
class Prediction:
    """One answer with its time span, or an honest "not measured": ``probs`` all nan, and ``reason`` says why."""

    span_s: tuple[float, float]
    probs: np.ndarray
    status: Status = Status.OK
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()
    logits: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check_span("Prediction", *self.span_s)
        if self.probs.ndim != 1 or len(self.probs) < 2:
            raise ValueError(f"Prediction: expected probs (C,) with C >= 2, got {self.probs.shape}")
        if self.status is Status.NOT_MEASURED:
            if not np.all(np.isnan(self.probs)):
                raise ValueError("Prediction: a not-measured answer carries no number; expected probs all nan")
        elif not (np.all(self.probs >= 0) and abs(float(self.probs.sum()) - 1) < 1e-6):
            raise ValueError(f"Prediction: expected finite non-negative probs that sum to 1, got {self.probs}")
        if self.status is not Status.OK and not self.reason:
            raise ValueError(f"Prediction: status {self.status} needs a reason")

    @classmethod
    def not_measured(cls, span_s: tuple[float, float], n_classes: int, reason: str) -> Prediction:
        """No number, and why."""
        return cls(span_s, np.full(n_classes, np.nan), Status.NOT_MEASURED, reason)


@runtime_checkable
class Recogniser(Protocol):
    """What every model of *estimate* is: a task, and one window in, one prediction out."""

    @property
    def task(self) -> Task: ...

    def predict(self, x: Features) -> Prediction: ...


@runtime_checkable
class Trainable(Recogniser, Protocol):
    """A recogniser with torch weights, which are an argument: nothing that adapts may touch the shared ones."""

    def params(self) -> Mapping[str, Any]:
        """Every weight and buffer by name, as torch tensors. Callers never write into them."""
        ...

    def run(self, xs: Sequence[Features], params: Mapping[str, Any] | None = None) -> tuple[Any, Any]:
        """Embedding ``(B, D)`` and logits ``(B, C)`` of ``B`` windows; ``params`` stands in for some of the weights."""
        ...

    def head(self, params: Mapping[str, Any] | None = None) -> tuple[Any, Any]:
        """``weight (C, D)`` and ``bias (C,)`` with ``logits = embedding @ weight.T + bias``.

        Of a CLIP-like model the embedding has length 1 and a row's length is the logit scale.
        """
        ...


class Access(Flag):
    """What a method may be handed about a person or the source before the stream begins. Labels only where named."""

    NOTHING = 0
    SOURCE = auto()  # labelled windows of source people
    SUMMARY = auto()  # statistics or prototypes that left the source site; no source window
    TARGET = auto()  # unlabelled windows of the target person
    NEUTRAL = auto()  # windows of a clip in which the target person is known to be neutral
    FEW = auto()  # k windows of the target person that a coder has labelled

    def words(self) -> str:
        """``nothing``, or the names joined with ``+``, for tables."""
        return "+".join(str(flag.name).lower() for flag in Access if flag in self) or "nothing"


@dataclass(frozen=True)
class Given:
    """What the protocol hands a method before the stream; None means not handed over.

    ``summary`` maps names to arrays. ``source`` and ``few`` carry labels, and nothing else does.
    """

    seed: int = 0
    source: tuple[Example, ...] | None = None
    summary: Mapping[str, np.ndarray] | None = None
    target: tuple[Features, ...] | None = None
    neutral: tuple[Features, ...] | None = None
    few: tuple[Example, ...] | None = None

    @property
    def access(self) -> Access:
        """What is in it."""
        found = Access.NOTHING
        for flag in Access:
            if getattr(self, str(flag.name).lower()) is not None:
                found |= flag
        return found

    def only(self, needs: Access) -> Given:
        """Exactly what a method declared.

        Raises:
            ValueError: something that the method needs is not there.
        """
        missing = needs & ~self.access
        if missing:
            raise ValueError(f"the method needs {needs.words()}, but the protocol does not hand over {missing.words()}")
        drop = {str(flag.name).lower(): None for flag in Access if flag not in needs}
        return replace(self, **drop)  # type: ignore[arg-type]


#: What a method remembers of one person: nested dicts, lists and plain values, with numpy arrays or torch tensors as
#: leaves. It is a value: a step returns a new one and leaves the old one as it was.
State = Mapping[str, Any]


class Adapter(Protocol):
    """The one interface of everything that adapts: configuration in frozen dataclass fields, memory in ``State``."""

    @property
    def needs(self) -> Access: ...

    def begin(self, model: Any, given: Given) -> State:
        """Once, before the stream; ``given`` holds exactly what ``needs`` names."""
        ...

    def step(self, model: Any, state: State, x: Features) -> tuple[Prediction, State]:
        """One window: its prediction (with logits), and the state after it. Causal; mutates nothing."""
        ...


@dataclass(frozen=True)
class Fold:
    """One division of a data set's recordings, by id. Made by a protocol; checked at birth.

    ``train`` and ``val`` are recordings of source people (with labels); ``test`` of the target people, in stream
    order. ``neutral``, ``target`` and ``few`` are recordings of the target people that a method of that access may be
    handed before the stream. No recording is in two of train, val, test and the handed ones.

    ``transductive`` names the ones that are part of ``test`` all the same, because a published protocol does so; every
    table must say it. ``same_people`` is True where the people of ``test`` are in ``train`` as well on purpose (another
    question, another room): such a fold says nothing about people never seen.
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
                both = set(first) & set(second) - (allowed if a == "test" and b in handed else set())
                if a != b and both:
                    shown = ", ".join(sorted(both)[:3])
                    raise ValueError(f"Fold {self.name!r}: {len(both)} recording(s) in both {a} and {b}: {shown}")


@dataclass(frozen=True)
class Rows:
    """Labels beside predictions at one level (recording, window, frame): ``N`` rows in stream order.

    ``recording, subject, question (N,)`` text ("" where no question is known); ``span_s (N, 2)``; ``y (N,)`` class
    index, -1 where nobody coded it; ``probs (N, C)``, all nan where not measured; ``reasons`` says why, per recording.
    ``beside`` holds what the same rows get from a shortcut or from no adaptation, ``(N, C)`` each.
    """

    recording: np.ndarray
    subject: np.ndarray
    question: np.ndarray
    span_s: np.ndarray
    y: np.ndarray
    probs: np.ndarray
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.y)
        if self.probs.ndim != 2 or self.probs.shape[0] != n or self.span_s.shape != (n, 2):
            raise ValueError(
                f"Rows: expected probs ({n}, C) and span_s ({n}, 2), got {self.probs.shape}, {self.span_s.shape}"
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

    def take(self, keep: np.ndarray) -> Rows:
        """Some of the rows, by a mask or by indices."""
        parts = ("recording", "subject", "question", "span_s", "y", "probs")
        some = {name: getattr(self, name)[keep] for name in parts}
        return replace(self, **some, beside={k: v[keep] for k, v in self.beside.items()})


@dataclass(frozen=True)
class Run:
    """One method with one model on one fold, self-describing: whatever a table says can be computed from it again.

    ``rows`` maps a level (``recording``, ``window``, ``frame``) to :class:`Rows`. ``saw`` is what the method was handed
    before the stream, ``seen`` in how many recordings and windows. ``fill`` names the row of ``Rows.beside`` that
    stands in, in figures only, where nothing was measured. ``people`` holds what is known of the test people,
    ``not_shown`` those who may not appear in a picture. ``seconds`` has ``begin`` (per person), ``step`` (per window)
    and ``total``, and the same of the processor's time with ``_cpu``; ``peak_mb`` is the high-water mark of the
    process's memory, nan where it could not be measured. ``events`` are what the states' log (a guard's) says
    happened, with subject, recording and time.
    """

    name: str
    dataset: str
    task: Task
    fold: Fold
    model: str
    method: str
    rows: Mapping[str, Rows]
    config: Mapping[str, Any] = field(default_factory=dict)
    saw: Access = Access.NOTHING
    seen: Mapping[str, Any] = field(default_factory=dict)
    reset: str = "person"
    seed: int = 0
    fill: str = "prevalence"
    windows: Mapping[str, Any] = field(default_factory=dict)
    people: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    not_shown: tuple[str, ...] = ()
    drawn: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_mb: float = math.nan
    fingerprint: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    git: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    events: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError(f"Run {self.name!r}: expected rows at one level at least")
        for level, rows in self.rows.items():
            if rows.probs.shape[1] != len(self.task.classes):
                raise ValueError(
                    f"Run {self.name!r}: expected {len(self.task.classes)} classes at level {level}, "
                    f"got {rows.probs.shape[1]}"
                )

    @property
    def level(self) -> str:
        """The level at which the task is judged first: its grain, else the coarsest there is."""
        wanted = {"frame": "frame", "window": "window", "clip": "recording"}[self.task.grain]
        return next(level for level in (wanted, "recording", "window", "frame") if level in self.rows)

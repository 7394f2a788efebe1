"""One fold as a method sees it: windows without labels, and exactly what was declared."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np

from twomind.core.errors import BadInput
from twomind.evaluation import leaks
from twomind.evaluation.windows import Labels, Reader, opaque
from twomind.types import (
    Access,
    Adapter,
    Example,
    Features,
    Fold,
    Given,
    Prediction,
    Recogniser,
    State,
)
from twomind.types.plain import Array, Plain

#: ``summary(source windows) -> {name: array}``: what leaves the source site where no source window
#: may.
Summary: TypeAlias = Callable[[tuple[Example, ...]], Mapping[str, Array]]

#: Parts of a fold that are handed over before the stream, by person.
_OF_PERSON = ("neutral", "target", "few")


class _Moment(NamedTuple):
    """Seconds of the clock and of the processor."""

    clock: float
    cpu: float

    @classmethod
    def now(cls) -> _Moment:
        return cls(time.perf_counter(), time.process_time())

    def passed(self) -> _Moment:
        """Seconds since this moment."""
        now = _Moment.now()
        return _Moment(now.clock - self.clock, now.cpu - self.cpu)


@dataclass
class Clock:
    """A method with a stop-watch."""

    inner: Adapter
    begins: list[_Moment] = field(default_factory=list)
    steps: list[_Moment] = field(default_factory=list)

    @property
    def needs(self) -> Access:
        return self.inner.needs

    def begin(self, model: Recogniser, given: Given) -> State:
        """Call the method's ``begin`` and keep how long it took."""
        start = _Moment.now()
        state = self.inner.begin(model, given)
        self.begins.append(start.passed())
        return state

    def step(self, model: Recogniser, state: State, x: Features) -> tuple[Prediction, State]:
        """Call the method's ``step`` and keep how long it took."""
        start = _Moment.now()
        found = self.inner.step(model, state, x)
        self.steps.append(start.passed())
        return found

    def seconds(self) -> dict[str, float]:
        """Mean of ``begin`` and ``step`` and their ``total``, by the clock and (``_cpu``) of the
        processor.
        """
        found = {}
        for ending, kind in (("", "clock"), ("_cpu", "cpu")):
            begin = [getattr(passed, kind) for passed in self.begins]
            step = [getattr(passed, kind) for passed in self.steps]
            found["begin" + ending] = _mean(begin)
            found["step" + ending] = _mean(step)
            found["total" + ending] = float(sum(begin) + sum(step))
        return found


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


@dataclass
class Harness:
    """One fold: reads features, keeps labels away from methods, and hands over what was
    declared.
    """

    fold: Fold
    reader: Reader
    labels: Labels
    seed: int
    summary: Summary | None
    _source: tuple[Example, ...] | None = None
    _left: Mapping[str, Array] | None = None

    def cut(self, recording: str) -> list[Features]:
        """Windows of one recording under names that say nothing."""
        windows = self.labels.windows.cut(self.reader(recording))
        return [opaque(x) for x in windows]

    def test_windows(self) -> list[tuple[str, Features]]:
        """All test windows in stream order, with the names of their recordings."""
        found = []
        for recording in self.fold.test:
            for window in self.cut(recording):
                found.append((recording, window))
        return found

    def labelled(self, recordings: Iterable[str]) -> tuple[Example, ...]:
        """Windows of some recordings with their labels."""
        return self.labels.examples(recordings, self.cut)

    def source(self) -> tuple[Example, ...]:
        """Labelled windows of the training recordings; read once."""
        if self._source is None:
            self._source = self.labelled(self.fold.train)
        return self._source

    def left_the_source(self) -> Mapping[str, Array] | None:
        """The summary of the source windows; made once."""
        if self._left is None and self.summary is not None:
            self._left = self.summary(self.source())
        return self._left

    def offered(self) -> Access:
        """What the fold has to hand over."""
        found = Access.NOTHING
        if self.fold.train:
            found |= Access.SOURCE
            if self.summary is not None:
                found |= Access.SUMMARY
        for name in _OF_PERSON:
            if getattr(self.fold, name):
                found |= Access[name.upper()]
        return found

    def given(self, subject: str, needs: Access) -> Given:
        """What this person's protocol offers, read only where the method needs it."""
        own = {}
        for name in _needed(needs):
            own[name] = self._recordings(name, subject)
            if not own[name]:
                raise BadInput(
                    f"fold {self.fold.name!r}: the person {subject!r} has no {name} recording to "
                    "hand over"
                )
        return leaks.Offer(
            seed=self.seed,
            source=self.source() if Access.SOURCE in needs else None,
            summary=self.left_the_source() if Access.SUMMARY in needs else None,
            target=self._windows(own.get("target")),
            neutral=self._windows(own.get("neutral")),
            few=self.labelled(own["few"]) if "few" in own else None,
        )

    def _recordings(self, part: str, subject: str) -> list[str]:
        """The person's recordings in a part of the fold."""
        found = []
        for recording in getattr(self.fold, part):
            if self.reader.recordings[recording].subject == subject:
                found.append(recording)
        return found

    def _windows(self, recordings: Sequence[str] | None) -> tuple[Features, ...] | None:
        if recordings is None:
            return None
        found: list[Features] = []
        for recording in recordings:
            found += self.cut(recording)
        return tuple(found)

    def seen(self, needs: Access, offered: Mapping[str, Given]) -> Plain:
        """How much was handed over: recordings and windows by part, over all people."""
        found: Plain = {}
        each = list(offered.values())
        for flag in Access:
            if flag not in needs:
                continue
            name = str(flag.name).lower()
            if flag is Access.SUMMARY:
                found[name] = {"arrays": sorted(each[0].summary or {})}
            elif flag is Access.SOURCE:
                n_windows = len(each[0].source or ())
                found[name] = {"recordings": len(self.fold.train), "windows": n_windows}
            else:
                n_windows = sum(len(getattr(given, name)) for given in each)
                n_recordings = len(getattr(self.fold, name))
                found[name] = {"recordings": n_recordings, "windows": n_windows}
        handed: set[str] = set()
        for name in _needed(needs):
            handed |= set(getattr(self.fold, name))
        both = handed & set(self.fold.test)
        if both:
            found["part_of_the_test"] = len(both)
        return found

    def fingerprint(self) -> str:
        """SHA-256 over ids, labels and content of everything in the fold."""
        digest = hashlib.sha256()
        everything: set[str] = set()
        for part in ("train", "val", "test", *_OF_PERSON):
            everything |= set(getattr(self.fold, part))
        for recording in sorted(everything):
            subject = self.reader.recordings[recording].subject
            label = self.labels.of_recording(recording)
            digest.update(f"{recording}|{subject}|{label}|".encode())
            digest.update(self.reader.code(recording).tobytes())
            if self.labels.task.grain != "clip":
                digest.update(self._frame_labels(recording).tobytes())
        return digest.hexdigest()

    def _frame_labels(self, recording: str) -> Array:
        times_s = self.labels.windows.frames(self.reader.span(recording))
        return self.labels.of_frames(recording, times_s).astype(np.int8)


def _needed(needs: Access) -> list[str]:
    """The parts by person that a method needs."""
    return [name for name in _OF_PERSON if Access[name.upper()] in needs]

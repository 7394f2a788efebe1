"""Recordings cut into windows, and the labels that belong to windows, frames and recordings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

import numpy as np

from twomind.core.errors import BadInput
from twomind.media.windows import n_windows, window_spans
from twomind.types import Example, Features, Fold, Recording, Task, Track
from twomind.types.plain import Array


class Dataset(Protocol):
    """What scoring asks of a data set (``twomind.datasets``)."""

    @property
    def name(self) -> str: ...

    def recordings(self) -> tuple[Recording, ...]: ...

    def label(self, task: str, recording: str) -> int | None: ...

    def frame_labels(self, task: str, recording: str, times_s: Array) -> Array: ...

    def people(self) -> Mapping[str, Mapping[str, object]]: ...

    def may_be_shown(self, subject: str) -> bool: ...

    def folds(self, protocol: str, seed: int) -> tuple[Fold, ...]: ...


#: ``features(recording id) -> Features`` of the whole recording, usually read from the store.
Reading: TypeAlias = Callable[[str], Features]


@dataclass(frozen=True)
class Windows:
    """How recordings become windows and frames."""

    #: of a window; None: a whole recording is one window
    length_s: float | None = None
    #: from window to window; None: the length. Never less: windows may not overlap
    hop_s: float | None = None
    #: the last window of a recording must be at least this share of a whole one
    min_share: float = 0.5
    #: from frame to frame, where moments are scored
    frame_hop_s: float = 0.25

    def __post_init__(self) -> None:
        if self.length_s is not None:
            n_windows(0.0, self.length_s, self.hop_s)
        elif self.hop_s is not None:
            raise BadInput(
                f"windows: expected length_s where there is hop_s={self.hop_s}, got None"
            )
        if not self.frame_hop_s > 0:
            raise BadInput(f"windows: expected frame_hop_s > 0, got {self.frame_hop_s}")

    def cut(self, x: Features) -> list[Features]:
        """The windows of one recording in order of time; a recording shorter than one window is one
        window.
        """
        if self.length_s is None:
            return [x]
        spans = window_spans(x.span_s, self.length_s, self.hop_s, self.min_share)
        return [x.between(start_s, end_s) for start_s, end_s in spans]

    def frames(self, span_s: tuple[float, float]) -> Array:
        """Times of the frames of one recording: the middles of equal steps; none where its length
        is not known.
        """
        if not np.isfinite(span_s[1]):
            return np.zeros(0)
        first_s = span_s[0] + self.frame_hop_s / 2
        return np.arange(first_s, span_s[1], self.frame_hop_s)


def _distinct(rows: Array) -> Array:
    """How many different finite values each row has ``(T,)``."""
    known = np.where(np.isfinite(rows), rows, np.inf)
    ordered = np.sort(known, axis=1)
    is_finite = np.asarray(np.isfinite(ordered))
    is_last_of_its_kind = ordered[:, 1:] != ordered[:, :-1]
    n = (is_last_of_its_kind & is_finite[:, :-1]).sum(axis=1)
    return np.asarray(n + is_finite[:, -1])


def _codes(rows: Array) -> Array:
    """A code per row ``(T,)``, the same for the same row in every run."""
    rng = np.random.default_rng(5)
    random = rng.integers(1, 2**63, rows.shape[1], dtype=np.uint64)
    odd = random | np.uint64(1)
    bits = rows.view(np.uint32).astype(np.uint64)
    return np.asarray((bits * odd).sum(axis=1, dtype=np.uint64))


def _telling(track: Track) -> Array:
    """Codes of the rows of a track that do not come about by chance."""
    values = np.ascontiguousarray(track.values[track.valid], np.float32)
    if not len(values):
        return np.zeros(0, np.uint64)
    rows = values.reshape(len(values), -1)
    if rows.shape[1] < 4:
        return np.zeros(0, np.uint64)
    step = max(rows.shape[1] // 4096, 1)
    rows = np.ascontiguousarray(rows[:, ::step])
    broken = np.where(rows != np.floor(rows), rows, np.nan)
    is_measured = _distinct(broken) >= 4
    is_picture = _distinct(rows) >= 16
    rows = rows[is_measured | is_picture]
    codes, n = np.unique(_codes(rows), return_counts=True)
    return np.asarray(codes[n == 1])


def content(x: Features) -> Array:
    """A code per telling row of every track, sorted and unique, ``uint64``.

    Two recordings that share codes share content, whatever they are called. A row is telling when
    equal ones do not come about by chance: it has four different numbers that are not whole, or
    sixteen different ones (pixels), and stands once in its recording. Tables of counts and flags,
    constant and empty rows are left out.
    """
    codes = [np.zeros(0, np.uint64)]
    for name in sorted(x.tracks):
        codes.append(_telling(x.tracks[name]))
    return np.unique(np.concatenate(codes))


@dataclass
class Reader:
    """Reads features and checks that they are the recording's own; remembers content codes and
    spans, not arrays.
    """

    features: Reading
    recordings: Mapping[str, Recording]
    codes: dict[str, Array] = field(default_factory=dict)
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    drawn: dict[str, bool] = field(default_factory=dict)
    clean: set[Fold] = field(default_factory=set)  # folds whose content was looked at

    def __call__(self, recording: str) -> Features:
        if recording not in self.recordings:
            raise BadInput(
                f"the fold names the recording {recording!r}, which the data set does not have"
            )
        x = self.features(recording)
        known = self.recordings[recording]
        if x.recording != recording or x.subject != known.subject:
            raise BadInput(
                f"features of {recording!r}: expected that recording of {known.subject!r}, got "
                f"{x.recording!r} of "
                f"{x.subject!r}; the features belong to something else"
            )
        if recording not in self.codes:
            self.codes[recording] = content(x)
            self.spans[recording] = x.span_s
            self.drawn[recording] = x.drawn or known.drawn
        return x

    def code(self, recording: str) -> Array:
        if recording not in self.codes:
            self(recording)
        return self.codes[recording]

    def span(self, recording: str) -> tuple[float, float]:
        if recording not in self.spans:
            self(recording)
        return self.spans[recording]


def opaque(x: Features) -> Features:
    """The same window under a name that says nothing: file names of several data sets hold the
    label.
    """
    digest = hashlib.sha256(f"window of {x.recording}".encode())
    name = digest.hexdigest()[:16]
    return replace(x, recording=name)


@dataclass(frozen=True)
class Labels:
    """The only reader of labels: of recordings, windows and frames of one task."""

    dataset: Dataset
    task: Task
    windows: Windows

    def of_recording(self, recording: str) -> int:
        """Class index, -1 where nobody coded it."""
        label = self.dataset.label(self.task.name, recording)
        return -1 if label is None else self._known(recording, int(label))

    def of_frames(self, recording: str, times_s: Array) -> Array:
        """Class index per time ``(T,)``, -1 where nobody coded it."""
        labels = self.dataset.frame_labels(self.task.name, recording, times_s)
        found = np.asarray(labels, int)
        if found.shape != times_s.shape:
            raise BadInput(f"{recording}: expected frame labels {times_s.shape}, got {found.shape}")
        for label in np.unique(found[found != -1]):
            self._known(recording, int(label))
        return found

    def of_window(self, recording: str, span_s: tuple[float, float]) -> int:
        """Of a clip task the recording's label; else the commonest known label of its frames (a
        tie: the later class), or the recording's where no frame of the recording is coded; -1 where
        there is neither."""
        if self.task.grain == "clip":
            return self.of_recording(recording)
        times_s = self.windows.frames(span_s)
        if not len(times_s):
            times_s = np.array([sum(span_s) / 2])
        found = self.of_frames(recording, times_s)
        found = found[found >= 0]
        if len(found):
            n = np.bincount(found)
            commonest = np.flatnonzero(n == n.max())
            return int(commonest[-1])
        return -1 if self.has_frames(recording, span_s) else self.of_recording(recording)

    def examples(
        self, recordings: Iterable[str], cut: Callable[[str], Iterable[Features]]
    ) -> tuple[Example, ...]:
        """The windows that ``cut`` makes of these recordings, with labels; those that nobody coded
        are left out.
        """
        found = []
        for recording in recordings:
            for window in cut(recording):
                label = self.of_window(recording, window.span_s)
                if label >= 0:
                    found.append(Example(window, label))
        return tuple(found)

    def has_frames(self, recording: str, around_s: tuple[float, float]) -> bool:
        """Whether any moment of the recording is coded; looked at from its start to well past
        ``around_s``.
        """
        until_s = around_s[1] + 60.0
        times_s = np.arange(0.0, until_s, self.windows.frame_hop_s)
        return bool((self.of_frames(recording, times_s) >= 0).any())

    def _known(self, recording: str, label: int) -> int:
        if not 0 <= label < len(self.task.classes):
            raise BadInput(
                f"{recording}: expected a label 0 … {len(self.task.classes) - 1} of "
                f"{self.task.classes}, got {label}"
            )
        return label

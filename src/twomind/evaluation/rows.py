"""Labels laid beside predictions, at every level that has labels, with the shortcut rows of that
level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np

import twomind.adaptation as adaptation
from twomind.core.errors import BadInput
from twomind.evaluation import baselines
from twomind.evaluation.windows import Labels, Reader
from twomind.types import Features, Fold, Prediction, Rows
from twomind.types.plain import Array

#: Begin and end in seconds.
_Span: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Answered:
    """Test windows in stream order, ``N`` of them, with what was said of each.

    ``ids`` names the recordings, ``spans_s (N, 2)`` are times; ``plain`` is without adaptation.
    ``whole`` has what was said of whole recordings, with and without adaptation, where that is not
    pooled from their windows.
    """

    ids: Sequence[str]
    spans_s: Array
    predictions: Sequence[Prediction]
    plain: Sequence[Prediction]
    whole: Mapping[str, tuple[Prediction, Prediction]] = field(default_factory=dict)


def _pooled(ids: Sequence[str], predictions: Sequence[Prediction]) -> dict[str, Prediction]:
    """One prediction per recording."""
    steps = []
    for recording, prediction in zip(ids, predictions, strict=True):
        window = Features(recording, "", {}, prediction.span_s)
        steps.append(adaptation.Step(window, prediction, {}))
    return adaptation.pool(steps)


def all_rows(
    fold: Fold, reader: Reader, labels: Labels, answered: Answered
) -> tuple[dict[str, Rows], list[str]]:
    """Rows at every level that has a label, with the shortcut rows of that level; and what to know
    about them.

    Args:
        fold: whose test recordings were walked.
        reader: of the features.
        labels: of the task.
        answered: the windows with their predictions.

    Raises:
        BadInput: no test recording has a label.
    """
    task = labels.task
    levels = {"recording": _recording_level(fold, reader, labels, answered)}
    several = len(answered.ids) > len(fold.test)
    has_windows = task.grain in ("window", "clip") and not answered.whole
    if several or has_windows:
        levels["window"] = _window_level(labels, answered)
    if task.grain != "clip":
        levels["frame"] = _frame_level(fold, reader, labels, answered)
    found = {}
    notes: list[str] = []
    for name, level in levels.items():
        if not (level.y >= 0).any():
            continue
        shortcuts = _Shortcuts(name, fold, reader, labels)
        found[name], absent = shortcuts.beside(level)
        notes += [f"{name}: {why}" for why in absent]
    if not found:
        raise BadInput(
            f"fold {fold.name!r}: no test recording has a label for the task {task.name!r}"
        )
    if task.grain != "clip" and "frame" not in found:
        notes.append(
            "no moment of the test recordings is coded; windows have the label of their recording"
        )
    return found, notes


@dataclass
class _Level:
    """Rows of one level: whose they are, when, what is true, and what was said with and without
    adaptation.
    """

    ids: list[str]
    spans_s: Array
    y: Array
    probs: Array
    plain: Array
    reasons: dict[str, str] = field(default_factory=dict)


def _probs(predictions: Sequence[Prediction]) -> Array:
    """``(N, C)``."""
    return np.array([prediction.probs for prediction in predictions])


def _recording_level(fold: Fold, reader: Reader, labels: Labels, answered: Answered) -> _Level:
    pooled = _pooled(answered.ids, answered.predictions)
    plain = _pooled(answered.ids, answered.plain)
    spans, y, said, said_plain = [], [], [], []
    reasons = {}
    for recording in fold.test:
        of_parts = (pooled[recording], plain[recording])
        prediction, unadapted = answered.whole.get(recording, of_parts)
        spans.append(reader.span(recording))
        y.append(labels.of_recording(recording))
        said.append(prediction)
        said_plain.append(unadapted)
        if prediction.reason:
            reasons[recording] = prediction.reason
    return _Level(
        ids=list(fold.test),
        spans_s=np.array(spans, float),
        y=np.array(y, int),
        probs=_probs(said),
        plain=_probs(said_plain),
        reasons=reasons,
    )


def _window_level(labels: Labels, answered: Answered) -> _Level:
    y = []
    for recording, (start_s, end_s) in zip(answered.ids, answered.spans_s, strict=True):
        span_s = (float(start_s), float(end_s))
        label = labels.of_window(recording, span_s)
        y.append(label)
    return _Level(
        ids=list(answered.ids),
        spans_s=answered.spans_s,
        y=np.array(y, int),
        probs=_probs(answered.predictions),
        plain=_probs(answered.plain),
    )


def _frame_level(fold: Fold, reader: Reader, labels: Labels, answered: Answered) -> _Level:
    """A frame has the probabilities of the window it lies in; in none, it is not measured."""
    n_classes = len(labels.task.classes)
    half = labels.windows.frame_hop_s / 2
    owner = np.array(answered.ids)
    all_probs = _probs(answered.predictions)
    all_plain = _probs(answered.plain)
    ids: list[str] = []
    spans, y, probs, plain = [], [], [], []
    for recording in fold.test:
        here = np.flatnonzero(owner == recording)
        times_s = labels.windows.frames(reader.span(recording))
        window = _window_of(times_s, answered.spans_s[here])
        ids += [recording] * len(times_s)
        starts_s = times_s - half
        ends_s = times_s + half
        spans.append(np.stack([starts_s, ends_s], axis=1))
        y.append(labels.of_frames(recording, times_s))
        probs.append(_spread(all_probs[here], window, n_classes))
        plain.append(_spread(all_plain[here], window, n_classes))
    return _Level(
        ids=ids,
        spans_s=np.concatenate(spans),
        y=np.concatenate(y),
        probs=np.concatenate(probs),
        plain=np.concatenate(plain),
    )


def _window_of(times_s: Array, spans_s: Array) -> Array:
    """Which window each frame lies in ``(T,)``, -1 where in none."""
    n_begun = np.searchsorted(spans_s[:, 0], times_s, side="right")
    at = n_begun - 1
    ends_s = spans_s[np.maximum(at, 0), 1]
    has_begun = at >= 0
    inside = has_begun & (times_s < ends_s + 1e-9)
    return np.where(inside, at, -1)


def _spread(probs: Array, window: Array, n_classes: int) -> Array:
    """The probabilities of each frame's window ``(T, C)``, nan in no window."""
    found = np.full((len(window), n_classes), np.nan)
    inside = window >= 0
    found[inside] = probs[window[inside]]
    return found


def _seen(
    ids: Sequence[str], spans: Array, reader: Reader, level: str, use_words: bool
) -> baselines.Seen:
    """What shortcuts may look at: question, length, and where in the recording a row lies."""
    start_s: dict[str, float] = {}
    whole_s: dict[str, float] = {}
    n_words: dict[str, float] = {}
    for one in dict.fromkeys(ids):
        first_s, last_s = reader.span(one)
        start_s[one] = first_s
        whole_s[one] = max(last_s - first_s, 1e-9)
        words = reader.recordings[one].words or ()
        n_words[one] = float(len(words))
    length_of = n_words if use_words else whole_s
    position = np.full(len(ids), np.nan)
    if level != "recording":
        middles_s = spans.mean(axis=1)
        for k, one in enumerate(ids):
            since_start_s = middles_s[k] - start_s[one]
            position[k] = since_start_s / whole_s[one]
    questions = [reader.recordings[one].question or "" for one in ids]
    question = np.array(questions, dtype=str)
    lengths = np.array([length_of[one] for one in ids])
    shares = np.clip(position, 0, 1)
    return baselines.Seen(question, lengths, shares)


@dataclass(frozen=True)
class _Coded:
    """Labelled rows of the training recordings."""

    ids: list[str]
    spans_s: Array
    y: Array


@dataclass(frozen=True)
class _Shortcuts:
    """Fits the shortcuts of one level on a fold's training recordings."""

    level: str
    fold: Fold
    reader: Reader
    labels: Labels

    def beside(self, level: _Level) -> tuple[Rows, list[str]]:
        """The rows of the level with the shortcuts beside them, and why one is absent."""
        use_words = self._all_have_words()
        coded = self._train_rows()
        seen = partial(_seen, reader=self.reader, level=self.level, use_words=use_words)
        train = seen(coded.ids, coded.spans_s)
        test = seen(level.ids, level.spans_s)
        n_classes = len(self.labels.task.classes)
        beside, absent = baselines.shortcut_rows(train, coded.y, n_classes, test)
        beside["no_adaptation"] = level.plain
        subjects = [self.reader.recordings[i].subject for i in level.ids]
        rows = Rows(
            recording=np.array(level.ids, dtype=str),
            subject=np.array(subjects, dtype=str),
            question=test.question,
            span_s=level.spans_s,
            y=level.y,
            probs=level.probs,
            beside=beside,
            reasons=level.reasons,
        )
        return rows, absent

    def _all_have_words(self) -> bool:
        used = (*self.fold.train, *self.fold.test)
        recordings = self.reader.recordings
        return all(recordings[i].words is not None for i in used)

    def _train_rows(self) -> _Coded:
        ids: list[str] = []
        spans: list[_Span] = []
        y: list[int] = []
        for recording in self.fold.train:
            for span, label in self._rows_of(recording):
                if label >= 0:
                    ids.append(recording)
                    spans.append(span)
                    y.append(int(label))
        spans_s = np.array(spans, float).reshape(-1, 2)
        labels = np.array(y, int)
        return _Coded(ids, spans_s, labels)

    def _rows_of(self, recording: str) -> list[tuple[_Span, int]]:
        """Spans and labels of one training recording at this level."""
        labels = self.labels
        span = self.reader.span(recording)
        if self.level == "recording":
            return [(span, labels.of_recording(recording))]
        if self.level == "frame":
            times_s = labels.windows.frames(span)
            half = labels.windows.frame_hop_s / 2
            frames = [(t - half, t + half) for t in times_s]
            told = labels.of_frames(recording, times_s)
            return list(zip(frames, told, strict=True))
        if not np.isfinite(span[1]):  # how long it is, nobody knows
            return [(span, labels.of_recording(recording))]
        # Only the spans are wanted: an empty window of the right length is cut, no array is read.
        subject = self.reader.recordings[recording].subject
        empty = Features(recording, subject, {}, span)
        found = []
        for window in labels.windows.cut(empty):
            label = labels.of_window(recording, window.span_s)
            found.append((window.span_s, label))
        return found

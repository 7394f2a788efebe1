"""Labels laid beside predictions, at every level that has labels, with the shortcut rows of that
level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from twomind import adaptation
from twomind.core.errors import BadInput
from twomind.evaluation import baselines
from twomind.evaluation.windows import Labels, Reader, Windows
from twomind.types import Features, Fold, Prediction, Rows, Task


def _pooled(tests: Sequence[str], predictions: Sequence[Prediction]) -> dict[str, Prediction]:
    steps = [
        adaptation.Step(Features(i, "", {}, p.span_s), p, {})
        for i, p in zip(tests, predictions, strict=True)
    ]
    return adaptation.pool(steps)


def all_rows(
    fold: Fold,
    reader: Reader,
    labels: Labels,
    task: Task,
    windows: Windows,
    ids: Sequence[str],
    spans: np.ndarray,
    predictions: Sequence[Prediction],
    plain: Sequence[Prediction],
) -> tuple[dict[str, Rows], list[str]]:
    """Rows at every level that has a label, with the shortcut rows of that level; and what to know
    about them.
    """
    levels = {}
    whole, whole_plain = _pooled(ids, predictions), _pooled(ids, plain)
    levels["recording"] = _Level(
        list(fold.test),
        np.array([reader.span(i) for i in fold.test], float),
        np.array([labels.of_recording(i) for i in fold.test], int),
        np.array([whole[i].probs for i in fold.test]),
        np.array([whole_plain[i].probs for i in fold.test]),
        {i: whole[i].reason for i in fold.test if whole[i].reason},
    )
    several = len(ids) > len(fold.test) or task.grain == "window"
    if several or task.grain == "clip":
        y = np.array(
            [
                labels.of_window(i, (float(a), float(b)))
                for i, (a, b) in zip(ids, spans, strict=True)
            ],
            int,
        )
        levels["window"] = _Level(
            list(ids),
            spans,
            y,
            np.array([p.probs for p in predictions]),
            np.array([p.probs for p in plain]),
        )
    if task.grain != "clip":
        levels["frame"] = _frame_level(
            fold, reader, labels, windows, ids, spans, predictions, plain
        )
    found, notes = {}, []
    for name, level in levels.items():
        if not (level.y >= 0).any():
            continue
        rows, absent = _with_shortcuts(
            name, level, fold, reader, labels, windows, len(task.classes)
        )
        found[name] = rows
        notes += [f"{name}: {a}" for a in absent]
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
    ids: list[str]
    spans: np.ndarray
    y: np.ndarray
    probs: np.ndarray
    plain: np.ndarray
    reasons: dict[str, str] = field(default_factory=dict)


def _frame_level(
    fold: Fold,
    reader: Reader,
    labels: Labels,
    windows: Windows,
    ids: Sequence[str],
    spans: np.ndarray,
    predictions: Sequence[Prediction],
    plain: Sequence[Prediction],
) -> _Level:
    """A frame has the probabilities of the window it lies in; in none, it is not measured."""
    c = len(labels.task.classes)
    owner = np.array(ids)
    parts: list[tuple[list[str], np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    for i in fold.test:
        here = np.flatnonzero(owner == i)
        times_s = windows.frames(reader.span(i))
        y = labels.of_frames(i, times_s)
        at = np.searchsorted(spans[here, 0], times_s, side="right") - 1
        inside = (at >= 0) & (times_s < spans[here[np.maximum(at, 0)], 1] + 1e-9)
        probs, base = np.full((len(times_s), c), np.nan), np.full((len(times_s), c), np.nan)
        for table, source in ((probs, predictions), (base, plain)):
            each = np.array([source[int(k)].probs for k in here])
            table[inside] = each[at[inside]]
        half = windows.frame_hop_s / 2
        parts.append(
            ([i] * len(times_s), np.stack([times_s - half, times_s + half], axis=1), y, probs, base)
        )
    return _Level(
        [i for p in parts for i in p[0]],
        *(np.concatenate([p[k] for p in parts]) for k in range(1, 5)),  # type: ignore[arg-type]
    )


def _seen(
    ids: Sequence[str], spans: np.ndarray, reader: Reader, level: str, use_words: bool
) -> baselines.Seen:
    """What shortcuts may look at: question, length, and where in the recording a row lies."""
    length = {}
    start, whole = {}, {}
    for i in dict.fromkeys(ids):
        r = reader.recordings[i]
        a, b = reader.span(i)
        start[i], whole[i] = a, max(b - a, 1e-9)
        length[i] = float(len(r.words or ())) if use_words else whole[i]
    middle = spans.mean(axis=1) if len(spans) else np.zeros(0)
    position = np.array([(m - start[i]) / whole[i] for i, m in zip(ids, middle, strict=True)])
    if level == "recording":
        position = np.full(len(ids), np.nan)
    return baselines.Seen(
        question=np.array([reader.recordings[i].question or "" for i in ids], dtype=str),
        length=np.array([length[i] for i in ids]),
        position=np.clip(position, 0, 1),
    )


def _train_rows(
    level: str, fold: Fold, reader: Reader, labels: Labels, windows: Windows
) -> tuple[list[str], np.ndarray, np.ndarray]:
    ids: list[str] = []
    spans: list[tuple[float, float]] = []
    y: list[int] = []
    for i in fold.train:
        span = reader.span(i)
        if level == "recording":
            mine, told = [span], [labels.of_recording(i)]
        elif level == "frame":
            times_s = windows.frames(span)
            half = windows.frame_hop_s / 2
            mine, told = [(t - half, t + half) for t in times_s], list(labels.of_frames(i, times_s))
        else:
            # Only the spans are wanted: an empty window of the right length is cut, no array is
            # read.
            r = reader.recordings[i]
            mine = [x.span_s for x in windows.cut(Features(i, r.subject, {}, span))]
            told = [labels.of_window(i, s) for s in mine]
        for s, label in zip(mine, told, strict=True):
            if label >= 0:
                ids.append(i)
                spans.append(s)
                y.append(int(label))
    return ids, np.array(spans, float).reshape(-1, 2), np.array(y, int)


def _with_shortcuts(
    name: str,
    level: _Level,
    fold: Fold,
    reader: Reader,
    labels: Labels,
    windows: Windows,
    n_classes: int,
) -> tuple[Rows, list[str]]:
    used = [reader.recordings[i] for i in (*fold.train, *fold.test)]
    use_words = all(r.words is not None for r in used)
    ids, spans, y = _train_rows(name, fold, reader, labels, windows)
    train = _seen(ids, spans, reader, name, use_words)
    test = _seen(level.ids, level.spans, reader, name, use_words)
    beside, absent = baselines.shortcut_rows(train, y, n_classes, test)
    records = [reader.recordings[i] for i in level.ids]
    rows = Rows(
        recording=np.array(level.ids, dtype=str),
        subject=np.array([r.subject for r in records], dtype=str),
        question=test.question,
        span_s=level.spans,
        y=level.y,
        probs=level.probs,
        beside={**beside, "no_adaptation": level.plain},
        reasons=level.reasons,
    )
    return rows, absent

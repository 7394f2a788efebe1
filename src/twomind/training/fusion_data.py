"""Labelled recordings for fusion training: from a data set's fold, described, on the recipe's grid;
and on disk.

Labels come from the data set and reach training and ``score`` only. A label of -1 means: nobody
coded it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from twomind.core.errors import BadInput
from twomind.core.store import read_arrays, settings_hash, write_arrays
from twomind.models.fusion.input import Grid, Recipe, grid_of, why_empty
from twomind.types import Features, Fold, Recording, Task
from twomind.types.plain import Array

FORMAT = "twomind.fusion-data/1"


class LabelledSet(Protocol):
    """What is needed of a data set (``twomind.datasets.open_dataset``)."""

    def recordings(self) -> Iterable[Recording]: ...

    def label(self, task_name: str, recording_id: str) -> int | None: ...

    def frame_labels(self, task_name: str, recording_id: str, times_s: Array) -> Array: ...


@dataclass(frozen=True)
class Item:
    """One recording of one person: its grid, the label of the whole (-1: none), labels per row
    ``(T,)`` (-1: none).
    """

    recording: str
    subject: str
    question: str | None
    grid: Grid
    y: int
    frame_y: Array
    drawn: bool = False

    def __post_init__(self) -> None:
        n = len(self.grid)
        if self.frame_y.shape != (n,):
            raise ValueError(
                f"Item {self.recording!r}: expected frame_y ({n},), got {self.frame_y.shape}"
            )


@dataclass(frozen=True)
class Skipped:
    """A recording that was left out, and why."""

    recording: str
    reason: str


def _class(value: float | None, n_classes: int, where: str) -> int:
    if value is None:
        return -1
    if isinstance(value, float) and np.isnan(value):
        return -1
    whole = int(value)
    if not -1 <= whole < n_classes or whole != value:
        raise BadInput(f"{where}: expected a class 0 … {n_classes - 1}, or none, got {value!r}")
    return whole


def item_of(
    x: Features, recipe: Recipe, y: float | None, frame_labels: ArrayLike | None, n_classes: int
) -> Item:
    """One labelled recording as the network reads it.

    Args:
        x: described.
        recipe: what the grid holds.
        y: class of the whole; None, nan or -1 where nobody coded it.
        frame_labels: classes at the middle of every row ``(T,)``, nan or -1 where not coded.
        n_classes: number of classes.

    Raises:
        BadInput: a label is none of the task's classes, or there are as many as rows not.
    """
    grid = grid_of(x, recipe)
    frame_y = np.full(len(grid), -1)
    if frame_labels is not None:
        given = np.asarray(frame_labels, float)
        if given.shape != frame_y.shape:
            raise BadInput(
                f"{x.recording}: expected {len(frame_y)} frame labels, got the shape {given.shape}"
            )
        frame_y = np.where(np.isnan(given), -1, given).astype(int)
        known = (frame_y >= -1) & (frame_y < n_classes)
        if not known.all():
            raise BadInput(
                f"{x.recording}: expected frame labels 0 … {n_classes - 1}, or -1 where not coded"
            )
    of_whole = _class(y, n_classes, x.recording)
    return Item(x.recording, x.subject, x.question, grid, of_whole, frame_y, x.drawn)


def middles(x: Features, recipe: Recipe) -> Array:
    """Middle of every row of the grid, where frame labels are asked ``(T,)``."""
    grid = grid_of(x, recipe)
    return np.asarray(grid.times_s + recipe.hop_s / 2)


def labelled(dataset: LabelledSet, task: Task, x: Features, recipe: Recipe) -> Item | Skipped:
    """One described recording with its labels, or why it is left out.

    Args:
        dataset: holds the labels.
        task: the question.
        x: the recording, described.
        recipe: what the grid holds.

    Raises:
        BadInput: a label is none of the task's classes.
    """
    y = dataset.label(task.name, x.recording)
    times_s = middles(x, recipe)
    frame_y = dataset.frame_labels(task.name, x.recording, times_s)
    item = item_of(x, recipe, y, frame_y, len(task.classes))
    reason = why_empty(x, item.grid, recipe)
    if reason:
        return Skipped(x.recording, reason)
    if item.y < 0 and (item.frame_y < 0).all():
        return Skipped(x.recording, "it has no label")
    return item


def apart(fold: Fold, subjects: Mapping[str, str]) -> None:
    """Check that no person is in two of train, val and test.

    Raises:
        BadInput: one is; a figure on "held-out people" would not be one.
    """
    parts = {"train": fold.train, "val": fold.val, "test": fold.test}
    people = {}
    for name, ids in parts.items():
        people[name] = {subjects[i] for i in ids if i in subjects}
    for a, b in combinations(parts, 2):
        both = sorted(people[a] & people[b])
        if both:
            raise BadInput(
                f"fold {fold.name!r}: {len(both)} person(s) in both {a} and {b}, for example "
                f"{both[0]}"
            )


# --- on disk, so that folds and seeds can be trained in processes of their own
# --------------------------------------


def write_items(path: Path, items: Sequence[Item], recipe: Recipe) -> Path:
    """All items as one safetensors file.

    Args:
        path: of the file.
        items: of one recipe.
        recipe: what their grids hold.
    """
    arrays: dict[str, Array] = {}
    for m in recipe.modalities:
        values = [i.grid.values[m] for i in items]
        mask = [i.grid.mask[m] for i in items]
        arrays[f"values/{m}"] = np.concatenate(values)
        arrays[f"mask/{m}"] = np.concatenate(mask)
    frame_y = np.concatenate([i.frame_y for i in items])
    arrays["frame_y"] = frame_y.astype(np.int64)
    rows = []
    for i in items:
        grid = i.grid
        row = {
            "recording": i.recording,
            "subject": i.subject,
            "question": i.question,
            "n": len(grid),
            "first": grid.first,
            "asked": grid.question,
            "y": i.y,
            "drawn": i.drawn,
        }
        rows.append(row)
    meta = {"format": FORMAT, "recipe": recipe.sha256, "hop_s": recipe.hop_s, "items": rows}
    return write_arrays(path, arrays, meta)


def read_items(path: Path, recipe: Recipe) -> list[Item]:
    """Items written by :func:`write_items`.

    Raises:
        BadInput: the file is damaged or of another recipe.
    """
    arrays, meta = read_arrays(path)
    if meta.get("format") != FORMAT or meta.get("recipe") != recipe.sha256:
        raise BadInput(f"{path}: expected training data of this recipe ({recipe.sha256[:12]})")
    items = []
    at = 0
    for row in meta["items"]:
        cut = slice(at, at + row["n"])
        values = {}
        mask = {}
        for m in recipe.modalities:
            values[m] = arrays[f"values/{m}"][cut]
            mask[m] = arrays[f"mask/{m}"][cut]
        grid = Grid(row["first"], meta["hop_s"], values, mask, row["asked"])
        item = Item(
            recording=row["recording"],
            subject=row["subject"],
            question=row["question"],
            grid=grid,
            y=row["y"],
            frame_y=arrays["frame_y"][cut],
            drawn=row["drawn"],
        )
        items.append(item)
        at += row["n"]
    return items


def data_mark(items: Sequence[Item]) -> str:
    """A hash of everything that training sees of the items."""
    digest = hashlib.sha256()
    for i in items:
        grid = i.grid
        text = f"{i.recording}|{i.subject}|{i.y}|{grid.question}|{len(grid)}"
        digest.update(text.encode())
        digest.update(np.ascontiguousarray(i.frame_y, np.int64).tobytes())
        for m in sorted(grid.values):
            values = np.ascontiguousarray(grid.values[m], np.float32)
            digest.update(values.tobytes())
            digest.update(np.ascontiguousarray(grid.mask[m]).tobytes())
    return settings_hash({"data": digest.hexdigest()})

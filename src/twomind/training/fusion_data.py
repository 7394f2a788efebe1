"""Labelled recordings for fusion training: from a data set's fold, described, on the recipe's grid;
and on disk.

Labels come from the data set and reach training and ``score`` only. A label of -1 means: nobody
coded it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from twomind.core.errors import BadInput, TwomindError
from twomind.core.store import read_arrays, settings_hash, write_arrays
from twomind.models.fusion.input import Grid, Recipe, grid_of, why_empty
from twomind.types import Features, Fold, Progress, Recording, Task

FORMAT = "twomind.fusion-data/1"


class LabelledSet(Protocol):
    """What is needed of a data set (``twomind.datasets.open_dataset``)."""

    def recordings(self) -> Iterable[Recording]: ...

    def label(self, task_name: str, recording_id: str) -> int | None: ...

    def frame_labels(
        self, task_name: str, recording_id: str, times_s: np.ndarray
    ) -> np.ndarray: ...


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
    frame_y: np.ndarray
    drawn: bool = False

    def __post_init__(self) -> None:
        if self.frame_y.shape != (len(self.grid),):
            raise ValueError(
                f"Item {self.recording!r}: expected frame_y ({len(self.grid)},), got "
                f"{self.frame_y.shape}"
            )


@dataclass(frozen=True)
class Skipped:
    """A recording that was left out, and why."""

    recording: str
    reason: str


def _class(value: Any, n_classes: int, where: str) -> int:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return -1
    if not -1 <= int(value) < n_classes or int(value) != value:
        raise BadInput(f"{where}: expected a class 0 … {n_classes - 1}, or none, got {value!r}")
    return int(value)


def item_of(x: Features, recipe: Recipe, y: Any, frame_labels: Any, n_classes: int) -> Item:
    """One labelled recording. ``frame_labels (T,)`` at the middle of every row, or None.

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
        if len(frame_y) and not (frame_y.min() >= -1 and frame_y.max() < n_classes):
            raise BadInput(
                f"{x.recording}: expected frame labels 0 … {n_classes - 1}, or -1 where not coded"
            )
    return Item(
        x.recording,
        x.subject,
        x.question,
        grid,
        _class(y, n_classes, x.recording),
        frame_y,
        x.drawn,
    )


def middles(x: Features, recipe: Recipe) -> np.ndarray:
    """Middle of every row of the grid, where frame labels are asked ``(T,)``."""
    return grid_of(x, recipe).times_s + recipe.hop_s / 2


def training_set(
    dataset: LabelledSet,
    ids: Sequence[str],
    task: Task,
    recipe: Recipe,
    describe: Callable[[Recording], Features],
    progress: Progress | None = None,
) -> tuple[list[Item], list[Skipped]]:
    """Described and labelled recordings of one part of a fold, in the order of ``ids``.

    Left out with their reason: recordings that cannot be described, have no label, or of which
    nothing that the recipe reads was measured.

    Raises:
        BadInput: an id is not in the data set.
    """
    known = {r.id: r for r in dataset.recordings()}
    if absent := [i for i in ids if i not in known]:
        raise BadInput(
            f"the fold names {len(absent)} recording(s) that the data set lacks: "
            f"{', '.join(absent[:3])}"
        )
    items: list[Item] = []
    skipped: list[Skipped] = []
    for n, name in enumerate(ids):
        if progress is not None:
            progress("describing", n, len(ids))
        try:
            found = labelled(dataset, task, describe(known[name]), recipe)
        except TwomindError as error:
            # One film that is absent or damaged costs itself, and is named.
            found = Skipped(name, str(error))
        if isinstance(found, Item):
            items.append(found)
        else:
            skipped.append(found)
    return items, skipped


def labelled(dataset: LabelledSet, task: Task, x: Features, recipe: Recipe) -> Item | Skipped:
    """One described recording with its labels, or why it is left out.

    Raises:
        BadInput: a label is none of the task's classes.
    """
    times_s = middles(x, recipe)
    y, frame_y = (
        dataset.label(task.name, x.recording),
        dataset.frame_labels(task.name, x.recording, times_s),
    )
    item = item_of(x, recipe, y, frame_y, len(task.classes))
    if reason := why_empty(x, item.grid, recipe):
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
    people = {name: {subjects[i] for i in ids if i in subjects} for name, ids in parts.items()}
    for a, b in (("train", "val"), ("train", "test"), ("val", "test")):
        if both := sorted(people[a] & people[b]):
            raise BadInput(
                f"fold {fold.name!r}: {len(both)} person(s) in both {a} and {b}, for example "
                f"{both[0]}"
            )


# --- on disk, so that folds and seeds can be trained in processes of their own
# --------------------------------------


def write_items(path: Path, items: Sequence[Item], recipe: Recipe) -> Path:
    """All items as one safetensors file."""
    arrays: dict[str, np.ndarray] = {}
    for m in recipe.modalities:
        arrays[f"values/{m}"] = np.concatenate([i.grid.values[m] for i in items])
        arrays[f"mask/{m}"] = np.concatenate([i.grid.mask[m] for i in items])
    arrays["frame_y"] = np.concatenate([i.frame_y for i in items]).astype(np.int64)
    rows = [
        {
            "recording": i.recording,
            "subject": i.subject,
            "question": i.question,
            "n": len(i.grid),
            "first": i.grid.first,
            "asked": i.grid.question,
            "y": i.y,
            "drawn": i.drawn,
        }
        for i in items
    ]
    return write_arrays(
        path,
        arrays,
        {"format": FORMAT, "recipe": recipe.sha256, "hop_s": recipe.hop_s, "items": rows},
    )


def read_items(path: Path, recipe: Recipe) -> list[Item]:
    """Items written by :func:`write_items`.

    Raises:
        BadInput: the file is damaged or of another recipe.
    """
    arrays, meta = read_arrays(path)
    if meta.get("format") != FORMAT or meta.get("recipe") != recipe.sha256:
        raise BadInput(f"{path}: expected training data of this recipe ({recipe.sha256[:12]})")
    items, at = [], 0
    for row in meta["items"]:
        cut = slice(at, at + row["n"])
        grid = Grid(
            row["first"],
            meta["hop_s"],
            {m: arrays[f"values/{m}"][cut] for m in recipe.modalities},
            {m: arrays[f"mask/{m}"][cut] for m in recipe.modalities},
            row["asked"],
        )
        items.append(
            Item(
                row["recording"],
                row["subject"],
                row["question"],
                grid,
                row["y"],
                arrays["frame_y"][cut],
                row["drawn"],
            )
        )
        at += row["n"]
    return items


def data_mark(items: Sequence[Item]) -> str:
    """A hash of everything that training sees of the items."""
    import hashlib

    digest = hashlib.sha256()
    for i in items:
        digest.update(f"{i.recording}|{i.subject}|{i.y}|{i.grid.question}|{len(i.grid)}".encode())
        digest.update(np.ascontiguousarray(i.frame_y, np.int64).tobytes())
        for m in sorted(i.grid.values):
            digest.update(np.ascontiguousarray(i.grid.values[m], np.float32).tobytes())
            digest.update(np.ascontiguousarray(i.grid.mask[m]).tobytes())
    return settings_hash({"data": digest.hexdigest()})

"""One trained model per fold, whatever its kind: made once, kept under a name that says what it was
made of.

A :class:`Recipe` trains and reads one kind of model. The name of a kept model is a hash of the rows,
labels and people of the fold's source, of the recipe, and of the code that trains it: folds with the
same source people share one, a killed run goes on, and changed code never reads an old model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from twomind.core.source_mark import source_mark
from twomind.core.store import settings_hash
from twomind.training.described import WindowLabels
from twomind.types import Example, Features, Fold, Progress, Task

#: Says that a model's folder is whole; written last.
_COMPLETE_MARK = "card.json"


class Recipe(Protocol):
    """How one kind of model is trained, and read back."""

    @property
    def module(self) -> str:
        """Name of the module whose code trains it."""

    def mark(self) -> dict[str, Any]:
        """Everything beside the data that decides the weights, as plain values."""

    def train(
        self,
        task: Task,
        source: Sequence[Example],
        held: Sequence[Example],
        folder: Path,
        progress: Progress | None,
    ) -> Any:
        """A trained model. ``folder`` keeps what an interrupted training goes on from."""

    def load(self, folder: Path) -> Any:
        """The model that lies in a folder."""


@dataclass(frozen=True)
class FoldModels:
    """fold → the model that was trained on its source people; picklable, for worker processes."""

    labels: WindowLabels
    reading: Callable[[str], Features]
    recipe: Recipe
    folder: Path
    allow_real: bool = False
    progress: Progress | None = None

    def __call__(self, fold: Fold) -> Any:
        source = self._examples(fold.train)
        held = self._examples(fold.val)
        place = self.folder / self._key(source, held)
        if not (place / _COMPLETE_MARK).is_file():
            task: Task = self.labels.task
            model = self.recipe.train(task, source, held, place, self.progress)
            model.save(place)
        return self.recipe.load(place).allowing_drawn(self.allow_real)

    def _examples(self, recordings: Sequence[str]) -> tuple[Example, ...]:
        return self.labels.examples(recordings, self._windows)

    def _windows(self, recording: str) -> Sequence[Features]:
        return self.labels.windows.cut(self.reading(recording))

    def _key(self, source: Sequence[Example], held: Sequence[Example]) -> str:
        digest = hashlib.sha256()
        for examples in (source, held):
            for example in examples:
                x = example.x
                digest.update(f"{x.subject}|{x.span_s}|{example.y}|".encode())
                for name in sorted(x.tracks):
                    track = x.tracks[name]
                    for part in (track.values, track.times_s, track.valid):
                        digest.update(np.ascontiguousarray(part).tobytes())
            digest.update(b"/")
        own = {
            "rows": digest.hexdigest(),
            "task": asdict(self.labels.task),
            "recipe": self.recipe.mark(),
            "code": source_mark(self.recipe.module),
        }
        return settings_hash(own)[:24]


def train_all(
    models: Callable[[Fold], Any], folds: Sequence[Fold], tell: Callable[[str, float, float], None]
) -> list[dict[str, Any]]:
    """Each distinct model of the folds, trained before any method asks for it.

    Args:
        models: fold → its model.
        folds: of the protocol.
        tell: is told how far it is.

    Returns:
        How each training went: the fold's name and the card's entry ``training``.
    """
    distinct = list({(fold.train, fold.val): fold for fold in folds}.values())
    found = []
    for n, fold in enumerate(distinct, 1):
        model = models(fold)
        found.append({"fold": fold.name, **dict(model.card).get("training", {})})
        tell(f"model of fold {fold.name}", n, len(distinct))
    return found


__all__ = ["FoldModels", "Recipe", "train_all"]

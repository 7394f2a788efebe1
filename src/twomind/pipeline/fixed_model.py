"""A trained model in a comparison of methods: the same for every fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.store import Store
from twomind.evaluation.runs import find_runs, load_run, save_run, stored_key
from twomind.models import load
from twomind.models.base import CARD, complete, is_trainable, read_card
from twomind.training import clip_au_folds
from twomind.types import Features, Fold

#: What every run of such a model says.
NOTE = (
    "the model is fixed: it was not fitted on the source people of the folds, and whether it was "
    "trained on test people was not checked"
)


@lru_cache(maxsize=1)
def opened(place: str) -> Any:
    """The model at a place, opened once per process.

    Raises:
        BadInput: there is none, or methods cannot work on it.
    """
    model = load(place)
    if not is_trainable(model):
        raise BadInput(
            f"--model {place}: this model has no embedding and weights that a method could work on"
        )
    return model


def kind_of(place: str) -> str:
    """The name of the model's plug-in."""
    folder = Path(place)
    if (folder / CARD).is_file():
        return str(read_card(folder)["recogniser"])
    return place


@dataclass(frozen=True)
class Fixed:
    """A fold → the model; picklable, for worker processes."""

    place: str

    def __call__(self, fold: Fold) -> Any:
        return opened(self.place)


@dataclass(frozen=True)
class Prepared:
    """recording id → features, with what the model reads and ``describe`` does not measure;
    picklable.
    """

    reading: Callable[[str], Features]
    place: str
    root: Path
    name: str | None
    store: Path

    def __call__(self, recording: str) -> Features:
        _, recordings = clip_au_folds.opened(self.root, self.name)
        x = self.reading(recording)
        model = complete(opened(self.place))
        return model.prepare(x, recordings[recording], Store(self.store))


def note_on_runs(folder: Path, model_name: str) -> None:
    """Let every run of the model below a folder say that the model is fixed.

    Args:
        folder: Of runs.
        model_name: The model's, as the runs have it.
    """
    for path in find_runs([folder]):
        run = load_run(path)
        if run.model == model_name and NOTE not in run.notes:
            save_run(replace(run, notes=(*run.notes, NOTE)), path, stored_key(path))

"""A trained model as it is, compared on the folds of a data set: nothing of it is trained there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.store import Store
from twomind.datasets import open_dataset
from twomind.evaluation import compare
from twomind.evaluation.runs import find_runs, load_run, save_run, stored_key
from twomind.evaluation.windows import Windows
from twomind.features.describe import describe
from twomind.models import load
from twomind.models.base import CARD, Model, bare, complete, is_trainable, read_card, track_of
from twomind.reporting.leaderboard import report
from twomind.training import clip_au_folds
from twomind.training.readable import OF_ONE_FILE
from twomind.types import Features, Fold, Recording, Task

#: What every run of such a model says.
NOTE = (
    "the model is fixed: it was not fitted on the source people of the folds, and whether it was "
    "trained on test people was not checked"
)
#: And of one that was trained on synthetic people, where real ones were allowed.
ALLOWED_NOTE = (
    "the model was trained on synthetic people and looks at real ones because that was allowed: "
    "these numbers show how the machinery works and say nothing about the people"
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


def allowed(place: str, allow_drawn: bool) -> Any:
    """The model at a place; with ``allow_drawn`` it may look at real people, though it was trained
    on synthetic ones.
    """
    model = opened(place)
    return bare(complete(model).allowing_drawn()) if allow_drawn else model


def notes_on(place: str, allow_drawn: bool) -> tuple[str, ...]:
    """What every run of the model at a place says."""
    if allow_drawn and complete(opened(place)).synthetic:
        return NOTE, ALLOWED_NOTE
    return (NOTE,)


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
    allow_drawn: bool = False

    def __call__(self, fold: Fold) -> Any:
        return allowed(self.place, self.allow_drawn)


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
    allow_drawn: bool = False

    def __call__(self, recording: str) -> Features:
        _, recordings = clip_au_folds.opened(self.root, self.name)
        x = self.reading(recording)
        model = complete(allowed(self.place, self.allow_drawn))
        model.refuse(x)
        try:
            return model.prepare(x, recordings[recording], Store(self.store))
        except OF_ONE_FILE as error:
            return replace(x, notes={**x.notes, track_of(model): str(error)})


def note_on_runs(folder: Path, model_name: str, notes: tuple[str, ...] = (NOTE,)) -> None:
    """Let every run of the model below a folder say that the model is fixed.

    Args:
        folder: Of runs.
        model_name: The model's, as the runs have it.
        notes: What they say.
    """
    for path in find_runs([folder]):
        run = load_run(path)
        new = tuple(note for note in notes if note not in run.notes)
        if run.model == model_name and new:
            save_run(replace(run, notes=(*run.notes, *new)), path, stored_key(path))


# --- one that is at hand as an object


@dataclass(frozen=True)
class Comparison:
    """What is compared on whom, and how."""

    data: Path
    protocol: str
    methods: tuple[str, ...]
    out: Path
    seed: int = 0
    resamples: int = 2000


def score_fixed(model: Model, asked: Comparison, store: Store) -> dict[str, Any]:
    """Every method with this model on every fold, beside no adaptation and the shortcuts.

    Runs lie in ``out/runs``, the page in ``out``. Asked again, whole runs are read back.

    Args:
        model: Is not trained and not changed.
        asked: What is compared.
        store: Of what was measured before.

    Returns:
        What stands in ``leaderboard.json``, with the paths of the page and with ``notes``.

    Raises:
        BadInput: no such data set, protocol or method; the data set does not ask what the model
            answers; the model refuses these people.
        Partial: some folds failed, the others are done and kept.
    """
    dataset = open_dataset(asked.data)
    task = _task(dataset.tasks, model)
    recordings = {one.id: one for one in dataset.recordings()}
    comparison = compare.Comparison(
        dataset=dataset,
        protocol=asked.protocol,
        model_for_fold=_Always(model),
        features=_Prepared(model, recordings, store),
        task=task,
        seeds=(asked.seed,),
        windows=Windows(complete(model).window_s),
        model_name=complete(model).name,
    )
    compare.compare(comparison, asked.methods, asked.out / "runs")
    runs = [asked.out / "runs"]
    note_on_runs(runs[0], complete(model).name)
    found = report(runs, asked.out, n_bootstrap=asked.resamples, seed=asked.seed)
    return {**found, "notes": [NOTE]}


def _task(tasks: tuple[Task, ...], model: Model) -> Task:
    for task in tasks:
        if task.name == model.task.name:
            return task
    names = ", ".join(task.name for task in tasks)
    raise BadInput(f"the model answers {model.task.name!r}; this data set asks: {names}")


@dataclass(frozen=True)
class _Always:
    """The same model for every fold."""

    model: Model

    def __call__(self, fold: Fold) -> Model:
        return self.model


@dataclass(frozen=True)
class _Prepared:
    """recording id → features with everything that the model reads; the store keeps them, and
    memory does not.
    """

    model: Model
    recordings: Mapping[str, Recording]
    store: Store

    def __call__(self, recording: str) -> Features:
        whole = complete(self.model)
        found = describe(self.recordings[recording], store=self.store)
        whole.refuse(found.features)
        return whole.prepare(found.features, found.recording, self.store)

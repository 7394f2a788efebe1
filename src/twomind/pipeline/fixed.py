"""A model as it is, compared on the folds of a data set: nothing of it is trained there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.store import Store
from twomind.datasets import open_dataset
from twomind.evaluation.compare import compare
from twomind.evaluation.windows import Windows
from twomind.features.describe import describe
from twomind.models.base import Model, complete
from twomind.reporting.leaderboard import report
from twomind.types import Features, Fold, Recording, Task

#: What a reader of the figures must know.
NOT_TRAINED_HERE = (
    "the model was taken as it is; whether people of the test were among those it was trained on "
    "cannot be seen from it"
)


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
    compare(
        dataset,
        asked.protocol,
        _Always(model),
        asked.methods,
        (asked.seed,),
        asked.out / "runs",
        features=_Prepared(model, recordings, store),
        task=task,
        windows=Windows(complete(model).window_s),
        model_name=complete(model).name,
    )
    runs = [asked.out / "runs"]
    found = report(runs, asked.out, n_bootstrap=asked.resamples, seed=asked.seed)
    return {**found, "notes": [NOT_TRAINED_HERE]}


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
    """recording id → features with everything that the model reads."""

    model: Model
    recordings: Mapping[str, Recording]
    store: Store
    _kept: dict[str, Features] = field(default_factory=dict, compare=False)

    def __call__(self, recording: str) -> Features:
        if recording not in self._kept:
            self._kept[recording] = self._read(self.recordings[recording])
        return self._kept[recording]

    def _read(self, recording: Recording) -> Features:
        whole = complete(self.model)
        found = describe(recording, store=self.store)
        whole.refuse(found.features)
        return whole.prepare(found.features, found.recording, self.store)

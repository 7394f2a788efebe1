"""Adaptation methods on people that the model has never seen, beside no adaptation: from a data set
to its pages.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from twomind.adaptation import traits
from twomind.core import device, synthetic
from twomind.core.errors import BadInput
from twomind.core.settings import FILE
from twomind.core.store import default_root
from twomind.datasets.protocols import rules
from twomind.evaluation.compare import Comparison, compare
from twomind.evaluation.leaks import check_task
from twomind.evaluation.orders import Order
from twomind.evaluation.summaries import people_summary
from twomind.evaluation.windows import Dataset, Labels, Reading, Windows
from twomind.pipeline import fixed_model
from twomind.pipeline.personalise_methods import chosen_methods, within_guard
from twomind.pipeline.personalise_settings import SCHEMA, PersonaliseSettings
from twomind.reporting.harm_page import HarmSettings, write_harm
from twomind.reporting.leaderboard import report
from twomind.reporting.leaderboard_top import Origin
from twomind.reporting.messages import Language, Texts
from twomind.training import clip_au_folds, dsfda_folds
from twomind.training.described import Described, fitted
from twomind.types import Access, Adapter, Fold, Run, Task

#: Models that are fitted on each fold's source people; any other one is trained before.
PER_FOLD = ("described", "clip-au")
#: Length of a window (s) where moments are labelled; whole clips otherwise. As in
#: ``experiments/study_gap.py``.
WINDOW_S = {"frame": 2.0, "window": 2.0}
_HEAD = "What `twomind score personalise` compared; give it back with --config."


@dataclass(frozen=True)
class Place:
    """Where everything is kept, and how many processes work; none of it changes a number."""

    out: Path
    store: Path = field(default_factory=default_root)
    workers: int = 0


@dataclass(frozen=True)
class Talk:
    """What is told while it works: ``progress(kind, what, done, total)``, and how training went."""

    progress: Callable[[str, str, float, float], None]
    trained: Callable[[Sequence[Mapping[str, Any]]], None]


@dataclass(frozen=True)
class Compared:
    """What came out: one board and one harm report per order of the stream."""

    n_runs: int
    left_out: Mapping[str, str]
    models: Sequence[Mapping[str, Any]]
    boards: Sequence[Mapping[str, Any]]
    harms: Sequence[Mapping[str, Any]]
    #: recordings of which nothing could be read, with the reason; they count as the training rate
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Comparison:
    """What is compared on which people; nothing of it is a model yet."""

    dataset: Dataset
    reading: Reading
    labels: Labels
    folds: Sequence[Fold]
    methods: Mapping[str, Adapter]


@dataclass(frozen=True)
class _Models:
    """How the folds' models are made, what they read, and how those that are there were trained."""

    name: str
    for_fold: Callable[[Fold], Any]
    reading: Reading
    cards: Sequence[Mapping[str, Any]] = ()
    fixed: bool = False
    unread: Mapping[str, str] = field(default_factory=dict)


def personalise(settings: PersonaliseSettings, place: Place, talk: Talk) -> Compared:
    """Compare adaptation methods on held-out people with one model, trained anew on each fold's
    source people, or trained before and the same for all.

    Runs lie in ``out/runs/ORDER``, pages in ``out/ORDER``, the settings in ``out/settings.toml``.
    Asked again, runs that are whole are read back.

    Args:
        settings: What is compared.
        place: Where results and computed features are kept.
        talk: What is told while it works.

    Returns:
        Boards and harm reports.

    Raises:
        BadInput: settings that do not fit together; no such data set, task, protocol or method; a
            model that cannot be trained.
        Partial: some folds failed, the others are done and kept.
    """
    _check_model(settings)
    dataset, reading = _data(settings, place.store)
    task = _task(dataset, settings.data.task)
    labels = Labels(dataset, task, Windows(_window_length_s(settings, task)))
    folds = dataset.folds(settings.data.protocol, 0)
    offered = _offered(settings.data.protocol, folds)
    kind = fixed_model.kind_of(settings.compare.model)
    methods, left_out = chosen_methods(settings.compare.methods, offered, kind)
    comparison = _Comparison(dataset, reading, labels, folds, methods)
    models = _models(settings, comparison, place, talk)
    SCHEMA.write(place.out / FILE, _from_anywhere(settings), _HEAD)
    boards: list[Mapping[str, Any]] = []
    harms: list[Mapping[str, Any]] = []
    n_runs = 0
    for order in dict.fromkeys(settings.compare.orders):
        runs = _compared(settings, comparison, models, order, place, talk)
        n_runs += len(runs)
        if models.fixed:
            notes = fixed_model.notes_on(settings.compare.model, settings.compare.allow_drawn)
            fixed_model.note_on_runs(_runs_of(place, order), models.name, notes)
        language = settings.report.language
        title = _title(dataset.name, settings.data.protocol, order, language)
        pages = place.out / order
        origin = Origin(_command(place), SCHEMA.changed(settings), "harm.html")
        folders = [_runs_of(place, order)]
        board = report(
            folders, pages, metric="macro_f1", title=title, origin=origin, language=language
        )
        boards.append(board)
        how = HarmSettings(title, board="leaderboard.html", language=language)
        harms.append(write_harm(runs, pages, how))
    return Compared(n_runs, left_out, models.cards, boards, harms, models.unread)


def _title(dataset: str, protocol: str, order: str, language: Language) -> str:
    """Of the pages of one order of the stream."""
    stream = Texts(language).name("stream", order)
    return f"{dataset}, {protocol}, {stream}"


def _command(place: Place) -> str:
    """What makes the pages again, from the settings beside them."""
    out = shlex.quote(str(place.out))
    return f"twomind score personalise --config {shlex.quote(str(place.out / FILE))} --out {out}"


def _from_anywhere(settings: PersonaliseSettings) -> PersonaliseSettings:
    """The same settings, to be given back in whatever folder one is."""
    data, compare = settings.data, settings.compare
    if data.folder is not None:
        data = replace(data, folder=data.folder.resolve())
    if _is_fixed(settings) and Path(compare.model).exists():
        compare = replace(compare, model=str(Path(compare.model).resolve()))
    return replace(settings, data=data, compare=compare)


def _is_fixed(settings: PersonaliseSettings) -> bool:
    """Whether the model was trained before."""
    return settings.compare.model not in PER_FOLD


def _runs_of(place: Place, kind: str) -> Path:
    return place.out / "runs" / kind


def _compared(
    settings: PersonaliseSettings,
    comparison: _Comparison,
    models: _Models,
    kind: str,
    place: Place,
    talk: Talk,
) -> list[Run]:
    """All methods on all folds, in one order of the stream."""
    methods = comparison.methods
    # Each once, whoever asks for it.
    asked_for = dict.fromkeys(traits.source_summary(method) for method in methods.values())
    summaries = tuple(summary for summary in asked_for if summary is not None)
    asked = Comparison(
        dataset=comparison.dataset,
        protocol=settings.data.protocol,
        model_for_fold=models.for_fold,
        features=models.reading,
        task=comparison.labels.task,
        seeds=range(settings.compare.seeds),
        windows=comparison.labels.windows,
        summary_for=partial(people_summary, more=summaries),
        model_name=models.name,
        order=Order(kind, comparison.dataset.label, comparison.labels.task),
    )
    chosen = within_guard(methods) if settings.compare.guard else methods
    progress = partial(talk.progress, kind)
    return compare(asked, chosen, _runs_of(place, kind), progress, workers=place.workers)


def _models(
    settings: PersonaliseSettings, comparison: _Comparison, place: Place, talk: Talk
) -> _Models:
    if settings.compare.model == "described":
        face = settings.described.face
        reading = comparison.reading
        fit = partial(fitted, comparison.labels, reading, face)
        return _Models(f"described ({face})", fit, reading)
    if _is_fixed(settings):
        return _fixed(settings, comparison, place)
    source = clip_au_folds.Source(
        comparison.dataset,
        place.store,
        settings.data.folder,
        settings.data.name,
        settings.synthetic.visits,
        settings.data.faces,
    )
    made = clip_au_folds.prepare(
        source,
        comparison.labels,
        comparison.folds,
        place.out,
        _clip_au(settings),
        place.workers,
        partial(talk.progress, "clip-au"),
    )
    talk.trained(made.cards)
    bits = device.label(clip_au_folds.encoder_of(made.encoder).runtime)
    name = f"clip-au ({made.encoder}, {bits})"
    return _Models(name, made.models, made.reading, made.cards, unread=made.unread)


def _clip_au(settings: PersonaliseSettings) -> clip_au_folds.Options:
    allow_drawn = settings.clip_au.allow_drawn or settings.compare.allow_drawn
    return replace(settings.clip_au, allow_drawn=allow_drawn)


def _fixed(settings: PersonaliseSettings, comparison: _Comparison, place: Place) -> _Models:
    """A trained model, opened, and what it reads."""
    name, allow_drawn = settings.compare.model, settings.compare.allow_drawn
    model = fixed_model.opened(name)
    check_task(model.task, comparison.labels.task)
    reading = comparison.reading
    data = settings.data
    crop_px = getattr(model, "crop_px", 0)
    if data.folder is not None and crop_px:
        # Pictures that are there need no film, and nothing measured of one.
        reading = dsfda_folds.Cropped(data.folder, data.name, crop_px, faces=data.faces)
    elif data.folder is not None:
        reading = fixed_model.Prepared(
            reading, name, data.folder, data.name, place.store, allow_drawn
        )
    label = f"{Path(name).name} (fixed)"
    return _Models(label, fixed_model.Fixed(name, allow_drawn), reading, fixed=True)


def _check_model(settings: PersonaliseSettings) -> None:
    """Settings of one model are not passed over in silence when another one is chosen.

    Raises:
        BadInput: one was given that the model does not have.
    """
    sections = {"described": settings.described, "clip-au": settings.clip_au}
    for model, values in sections.items():
        stray = _changed(model, values)
        if stray and settings.compare.model != model:
            raise BadInput(f"{', '.join(stray)}: goes with --model {model}")
    if settings.compare.allow_drawn and settings.compare.model == "described":
        raise BadInput(
            "--allow-drawn-model: goes with a model that was trained before, or with --model "
            "clip-au; `described` is trained on the people of each fold"
        )


def _changed(section: str, values: Any) -> list[str]:
    """Which settings of a section are not at their defaults."""
    usual = type(values)()
    names = [f.name for f in fields(values)]
    changed = [name for name in names if getattr(values, name) != getattr(usual, name)]
    return [f"{section}.{name}" for name in changed]


def _data(settings: PersonaliseSettings, store: Path) -> tuple[Any, Reading]:
    """The data set and how its features are read."""
    data, study = settings.data, settings.synthetic
    if (data.folder is None) == (study.layout is None):
        raise BadInput(
            "give either --data FOLDER (a data set) or --drawn LAYOUT (a synthetic study without "
            "pictures)"
        )
    if study.layout is not None:
        made = synthetic.studies().dataset(
            study.layout,
            people=study.people,
            seed=study.seed,
            visits=study.visits,
            knobs=study.knobs,
            control=study.control,
        )
        return made, made.features
    if study.visits > 1 or study.knobs or study.control != "none":
        raise BadInput(
            "synthetic.visits, synthetic.knobs, synthetic.control (--control): expected together "
            "with --drawn"
        )
    from twomind.datasets import open_dataset

    assert data.folder is not None
    return open_dataset(data.folder, data.name), Described(data.folder, data.name, store)


def _task(dataset: Any, asked: str | None) -> Task:
    tasks: Sequence[Task] = dataset.tasks
    if asked is None:
        return tasks[0]
    for task in tasks:
        if task.name == asked:
            return task
    raise BadInput(f"no task {asked!r}; there is: {', '.join(t.name for t in tasks)}")


def _window_length_s(settings: PersonaliseSettings, task: Task) -> float | None:
    """Length of a window; None: whole clips."""
    asked = settings.data.window_s
    if asked is None:
        return WINDOW_S.get(task.grain)
    return asked or None


def _offered(protocol: str, folds: Sequence[Fold]) -> Access:
    """What a protocol allows and every fold has."""
    offered = rules(protocol).access
    for name in ("neutral", "target", "few"):
        if not all(getattr(fold, name) for fold in folds):
            offered &= ~Access[name.upper()]
    return offered


__all__ = ["WINDOW_S", "Compared", "Place", "Talk", "personalise"]

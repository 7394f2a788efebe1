"""``twomind score personalise``: adaptation methods on people that the model has never seen, beside
no adaptation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from twomind.cli import personalise_clip_au
from twomind.cli.personalise_methods import chosen_methods, within_guard
from twomind.cli.verb import PATH, print_json, say, verb
from twomind.core import synthetic
from twomind.core.errors import BadInput
from twomind.core.synthetic import CONTROLS, LAYOUTS
from twomind.training import clip_au_folds
from twomind.types import Example, Features, Fold, Task

ORDERS = ("shuffled", "class_blocked", "recorded")
#: Length of a window (s) where moments are labelled; whole clips otherwise. As in
#: ``experiments/study_gap.py``.
WINDOW_S = {"frame": 2.0, "window": 2.0}
MODELS = ("described", "clip-au")


@dataclass(frozen=True)
class _Described:
    """recording id → Features, measured once and kept in the store; picklable, for worker
    processes.
    """

    root: Path
    name: str | None
    store: Path

    def __call__(self, recording: str) -> Features:
        from twomind.core.store import Store
        from twomind.features.describe import describe

        one = clip_au_folds.opened(self.root, self.name)[1].get(recording)
        if one is None:
            raise BadInput(f"{self.root}: no recording {recording!r}")
        return describe(one, store=Store(self.store)).features


@dataclass(frozen=True)
class Order:
    """Another order of a fold's test clips for each seed: shuffled, class by class, or as the
    protocol has them.

    ``class_blocked`` looks at labels, only to order the stream; within a class the clips are
    shuffled.
    """

    kind: str
    label: Callable[[str, str], int | None]
    task: Task

    def __call__(self, fold: Fold, seed: int) -> Fold:
        if self.kind == "recorded":
            return fold
        test = [fold.test[int(i)] for i in np.random.default_rng(seed).permutation(len(fold.test))]
        if self.kind == "class_blocked":
            test.sort(key=self._class)
        return replace(fold, test=tuple(test))

    def _class(self, recording: str) -> int:
        label = self.label(self.task.name, recording)
        return -1 if label is None else int(label)


def fitted(dataset: Any, reading: Any, task: Task, windows: Any, face: str, fold: Fold) -> Any:
    """The described recogniser of one fold: fitted on its source people alone, the same each time
    it is asked for.
    """
    from twomind.evaluation.windows import Labels
    from twomind.models.described import fit_described

    labels = Labels(dataset, task, windows)
    examples = labels.examples(
        (*fold.train, *fold.val), lambda recording: windows.cut(reading(recording))
    )
    return fit_described(examples, task, face=face)


def people_summary(model: Any, translator: bool = False) -> Any:
    """What may leave the source site: prototypes per source person and class, embedding statistics,
    SFDA-PFT's ``translator`` where it is asked for."""
    return partial(_summary, model, translator)


def _summary(model: Any, translator: bool, source: tuple[Example, ...]) -> dict[str, Any]:
    from twomind.adaptation import caches, prototypes
    from twomind.adaptation.summary import class_means
    from twomind.evaluation.run import embedding_summary
    from twomind.types import Prediction

    rows: dict[str, tuple[list[Any], list[int]]] = {}
    for example in source:
        got = caches.read(model, example.x)
        if not isinstance(got, Prediction):
            values, ys = rows.setdefault(example.x.subject, ([], []))
            values.append(got[0])
            ys.append(example.y)
    people = {person: (np.stack(values), np.array(ys)) for person, (values, ys) in rows.items()}
    # A model of clips has no pooled row of a window: its class means are in the space of ``run``,
    # as the prototypes.
    means = (
        embedding_summary(model)(source) if hasattr(model, "pooled") else class_means(model, source)
    )
    found = {**means, **prototypes.summary_of(people, len(model.task.classes))}
    if translator:
        from twomind.training.pft import source_summary

        found |= source_summary(model)(source)
    return found


def _dataset(
    data: Path | None, name: str | None, drawn: str | None, store: Path, **study: Any
) -> Any:
    """The data set and how its features are read; ``study`` is what
    :meth:`synthetic.Studies.dataset` takes.
    """
    if (data is None) == (drawn is None):
        raise BadInput(
            "give either --data FOLDER (a data set) or --drawn LAYOUT (a drawn study without "
            "pictures)"
        )
    if drawn is not None:
        made = synthetic.studies().dataset(drawn, **study)
        return made, made.features
    if study["visits"] > 1 or study["knobs"] or study["control"] != "none":
        raise BadInput("--visits, --knob, --control: expected together with --drawn")
    from twomind.datasets import open_dataset

    assert data is not None
    return open_dataset(data, name), _Described(data, name, store)


def _task(dataset: Any, asked: str | None) -> Task:
    if asked is None:
        return dataset.tasks[0]
    for task in dataset.tasks:
        if task.name == asked:
            return task
    raise BadInput(f"no task {asked!r}; there is: {', '.join(t.name for t in dataset.tasks)}")


def _tell(kind: str, what: str, done: float, total: float) -> None:
    say(f"[{done:g}/{total:g}] {kind}: {what}")


@click.command("personalise")
@click.option("--data", type=PATH, help="Folder of a data set (see `twomind data list`).")
@click.option("--name", help="The data set's name, where the folder does not say.")
@click.option("--drawn", type=click.Choice(LAYOUTS), help="A drawn study, without films.")
@click.option(
    "--people",
    type=click.IntRange(3),
    default=24,
    show_default=True,
    help="People of the drawn study.",
)
@click.option(
    "--study-seed", type=int, default=0, show_default=True, help="Seed of the drawn study."
)
@click.option(
    "--visits",
    type=click.IntRange(1, 5),
    default=1,
    show_default=True,
    help="Days per drawn person.",
)
@click.option(
    "--knob",
    "knobs",
    multiple=True,
    metavar="NAME=NUMBER",
    help="A setting of the drawn world; repeatable.",
)
@click.option(
    "--control",
    type=click.Choice(CONTROLS),
    default="none",
    show_default=True,
    help="A negative control (drawn).",
)
@click.option(
    "--protocol",
    default="targets-10",
    show_default=True,
    help="Who is held out (`twomind docs datasets`).",
)
@click.option("--task", help="The task [default: the data set's first].")
@click.option(
    "--methods",
    default="all",
    show_default=True,
    help="Names with commas, or all that fit model and protocol; NAME:setting=value is one of "
    "them, "
    "set differently.",
)
@click.option(
    "--model",
    type=click.Choice(MODELS),
    default="described",
    show_default=True,
    help="What is adapted: a linear head on measures, or a CLIP-AU on frame embeddings "
    "(`twomind docs clip-au`).",
)
@click.option(
    "--encoder",
    help="clip-au: face-text, vit-b-32, vit-b-16, vit-l-14, a hub id or folder  [default: "
    "face-text "
    "where everybody is "
    "drawn, else vit-b-32]",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="clip-au: the best on validation people is kept  [default: 30]",
)
@click.option(
    "--clip-hop-s",
    type=click.FloatRange(0, min_open=True),
    help="clip-au: seconds between the 20 frames of a clip  [default: 0.08; drawn: 20 frames over "
    "a "
    "window]",
)
@click.option(
    "--allow-drawn-model",
    is_flag=True,
    help="clip-au: let an encoder that knows drawn people only look at real ones.",
)
@click.option(
    "--face",
    type=click.Choice(["face", "face_relative"]),
    help="described: which track  [default: face]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Seeds 0 … N-1, of methods and order.",
)
@click.option(
    "--order",
    type=click.Choice(ORDERS),
    multiple=True,
    default=("shuffled",),
    help="Order of a person's test clips, drawn anew for each seed; repeatable.  [default: "
    "shuffled]",
)
@click.option(
    "--guard", is_flag=True, help="Also walk each method within the guard, for the harm report."
)
@click.option(
    "--window-s", type=float, help="Window length; 0 means whole clips [default: by the task]."
)
@click.option(
    "--out",
    type=PATH,
    required=True,
    help="Folder for runs and the leaderboard; goes on where it stopped.",
)
@click.option(
    "--store",
    type=PATH,
    default=None,
    help="Folder for computed features [default: the user's cache].",
)
@click.option("--workers", type=int, default=0, help="Processes [default: one per core].")
@verb
def score_personalise_verb(
    data: Path | None,
    name: str | None,
    drawn: str | None,
    people: int,
    study_seed: int,
    visits: int,
    knobs: tuple[str, ...],
    control: str,
    protocol: str,
    task: str | None,
    methods: str,
    model: str,
    encoder: str | None,
    epochs: int | None,
    clip_hop_s: float | None,
    allow_drawn_model: bool,
    face: str | None,
    seeds: int,
    order: Sequence[str],
    guard: bool,
    window_s: float | None,
    out: Path,
    store: Path | None,
    workers: int,
    as_json: bool,
    offline: bool,
) -> int:
    """Compare adaptation METHODS on held-out people with one model, trained anew on each fold's
    source people.

    `described` is a linear head on window means of what `describe` measures. `clip-au` is a CLIP-AU
    on frame embeddings of films or face crops, or of a drawn study's faces (drawn without films);
    it is kept under OUT/models, and the fold's validation people choose its epoch. Every line of
    the table says what the method saw.
    """
    from twomind.core.store import default_root
    from twomind.datasets.protocols import rules
    from twomind.evaluation.compare import compare
    from twomind.evaluation.windows import Labels, Windows
    from twomind.reporting.harm_page import write_harm
    from twomind.reporting.leaderboard import report

    options = clip_au_folds.Options(encoder, epochs, clip_hop_s, allow_drawn_model)
    personalise_clip_au.check_options(model, options, face)
    study = {
        "people": people,
        "seed": study_seed,
        "visits": visits,
        "knobs": knobs,
        "control": control,
    }
    dataset, reading = _dataset(data, name, drawn, store or default_root(), **study)
    chosen = _task(dataset, task)
    length_s = WINDOW_S.get(chosen.grain) if window_s is None else (window_s or None)
    windows = Windows(length_s)
    folds = dataset.folds(protocol, 0)
    offered = rules(protocol).access
    for flag in ("neutral", "target", "few"):
        if not all(getattr(f, flag) for f in folds):
            offered &= ~type(offered)[flag.upper()]
    chosen_ones, left = chosen_methods(methods, offered, model)
    kinds = list(dict.fromkeys(order))
    cards: list[dict[str, Any]] = []
    model_for_fold: Callable[[Fold], Any]
    if model == "clip-au":
        source = clip_au_folds.Source(dataset, store or default_root(), data, name, visits)
        labels = Labels(dataset, chosen, windows)
        reading, model_for_fold, encoder, cards = clip_au_folds.prepare(
            source, labels, folds, Path(out), options, workers, partial(_tell, "clip-au")
        )
        model_name = f"clip-au ({encoder})"
        personalise_clip_au.say_trained(cards)
    else:
        face = face or "face"
        model_name = f"described ({face})"
        model_for_fold = partial(fitted, dataset, reading, chosen, windows, face)
    boards, harms, n_runs = [], [], 0
    for kind in kinds:
        folder = Path(out) / "runs" / kind
        runs = compare(
            dataset,
            protocol,
            model_for_fold,
            within_guard(chosen_ones) if guard else chosen_ones,
            range(seeds),
            folder,
            partial(_tell, kind),
            features=reading,
            task=chosen,
            windows=windows,
            summary_for=partial(
                people_summary, translator=any(n.split(":")[0] == "sfda-pft" for n in chosen_ones)
            ),
            model_name=model_name,
            order=Order(kind, dataset.label, chosen),
            workers=workers,
        )
        n_runs += len(runs)
        title = f"{dataset.name}, {protocol}, {kind.replace('_', '-')} stream"
        boards.append(report([folder], Path(out) / kind, metric="macro_f1", title=title))
        harms.append(write_harm(runs, Path(out) / kind, title=title))
    for method, why in left.items():
        say(f"left out: {method}: {why}")
    found = {
        "n_runs": n_runs,
        "left_out": left,
        "models": cards,
        "boards": [b["html"] for b in boards],
        "harm": [h["html"] for h in harms],
    }
    if as_json:
        print_json(found)
    for board, harm in zip(boards, harms, strict=True):
        for one in board["boards"]:
            say(
                f"{one['dataset']}, {one['protocol']}:"
                + (f" {one['what_it_means']}" if one["drawn"] else "")
            )
            for sentence in one["findings"]:
                say(f"  {sentence}")
        say(f"page: {Path(board['html']).resolve()}")
        say(f"who was harmed, and what was changed: {Path(harm['html']).resolve()}")
    return 0

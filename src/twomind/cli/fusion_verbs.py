"""``twomind train fusion`` and ``twomind score submit``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from twomind.cli.verb import PATH, print_json, say, verb
from twomind.core.errors import BadInput
from twomind.types import Features, Recording, Task

_MODELS = ("conflict", "plain", "lfan", "can", "mt", "jmt")


@click.command("fusion")
@click.option("--data", type=PATH, required=True, help="A data set's folder, in its own layout.")
@click.option("--name", help="Which layout it is [default: found out].")
@click.option(
    "--protocol", required=True, help="How people are divided, for example official or people-5."
)
@click.option("--fold", help="One fold of the protocol [default: all].")
@click.option("--task", "task_name", help="Which of the data set's questions [default: its first].")
@click.option("--model", type=click.Choice(_MODELS), default="conflict", show_default=True)
@click.option(
    "--released",
    is_flag=True,
    help="mt, jmt: with the defects of the published code (cannot stream).",
)
@click.option(
    "--published", is_flag=True, help="Layer sizes of the BAH baselines instead of small ones."
)
@click.option(
    "--modalities", default="face,voice,words", show_default=True, help="Comma-separated."
)
@click.option("--audio-encoder", help="Add a frozen HuBERT/wav2vec2: hub id or folder.")
@click.option("--text-encoder", help="Add a frozen BERT-family model: hub id or folder.")
@click.option("--video-encoder", help="Add a frozen VideoMAE-family model: hub id or folder.")
@click.option(
    "--raw-face", is_flag=True, help="Face values as measured, not against the person's neutral."
)
@click.option("--no-question", is_flag=True, help="Never show the model which question was asked.")
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many, from --seed on.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--epochs", type=click.IntRange(1), help="At most [default: see docs/fusion.md].")
@click.option(
    "--imbalance",
    type=click.Choice(["weights", "focal", "none"]),
    default="weights",
    show_default=True,
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1 or auto.")
@click.option(
    "--workers", type=int, default=1, show_default=True, help="Processes [0: one per core]."
)
@click.option(
    "--bootstrap", type=click.IntRange(100), default=1000, show_default=True, help="Resamples."
)
@click.option(
    "--store", type=PATH, help="Folder for computed features [default: the user's cache]."
)
@click.option("--out", type=PATH, required=True, help="Folder for the models and study.json.")
@verb
def train_fusion_verb(as_json: bool, offline: bool, **options: Any) -> int:
    """Train a fusion of face, voice and words; people are kept apart between training, stopping and
    figures.

    Interrupt it at any time and run it again: it goes on to the same weights.
    """
    from twomind.cli.words_verbs import _bar
    from twomind.evaluation.fusion_folds import train_study

    dataset, folds, task = _opened(options)
    plan, encoders = _plan(options, task, dataset, offline)
    describe = partial(
        described,
        using=tuple(m for m in ("face", "voice", "words") if m in plan.recipe.modalities)
        or ("words",),
        store=options["store"],
        offline=offline,
        encoders=encoders,
    )
    with _bar() as progress:
        found = train_study(
            dataset,
            folds,
            plan,
            options["seeds"],
            options["out"],
            describe,
            workers=options["workers"],
            progress=progress,
        )
    if as_json:
        print_json(found)
    else:
        _print(found)
    for one in found["skipped"]:
        say(f"not used: {one['recording']}: {one['reason']}")
    for one in found["failures"]:
        say(f"failed: fold {one['fold']}, seed {one['seed']}: {one['error']}")
    if found["drawn"]:
        say(
            "drawn people: these figures show that the machinery works; they say nothing about "
            "real "
            "faces"
        )
    for folder in found["models"].values():
        say(f"model: {folder}; use it with: twomind predict --model {folder} answer.mp4")
    return 7 if found["failures"] else 0


def _opened(options: Mapping[str, Any]) -> tuple[Any, list[Any], Task]:
    from twomind.datasets import open_dataset

    dataset = open_dataset(options["data"], options["name"])
    folds = list(dataset.folds(options["protocol"]))
    if options["fold"]:
        chosen = [f for f in folds if f.name == options["fold"]]
        if not chosen:
            raise BadInput(
                f"no fold {options['fold']!r}; there is: {', '.join(f.name for f in folds)}"
            )
        folds = chosen
    tasks = {t.name: t for t in dataset.tasks}
    name = options["task_name"] or next(iter(tasks))
    if name not in tasks:
        raise BadInput(f"no task {name!r} in this data set; there is: {', '.join(tasks)}")
    return dataset, folds, tasks[name]


def _plan(
    options: Mapping[str, Any], task: Task, dataset: Any, offline: bool
) -> tuple[Any, tuple[Any, ...]]:
    from dataclasses import replace

    from twomind.encoders.pretrained import Encoder
    from twomind.evaluation.fusion_folds import Plan
    from twomind.models.fusion.input import default_recipe
    from twomind.models.fusion.net import FusionConfig, published
    from twomind.training.fusion import FitSettings, settings_for

    encoders = tuple(
        Encoder(kind, str(model), offline)
        for kind in ("audio", "text", "video")
        if (model := options[f"{kind}_encoder"])
    )
    widths = {e.track: e.width for e in encoders}
    modalities = [m.strip() for m in options["modalities"].split(",") if m.strip()]
    questions = () if options["no_question"] else default_recipe(("words",)).questions
    recipe = default_recipe(
        (*modalities, *widths), not options["raw_face"], questions=questions, embeddings=widths
    )
    config = (
        published(options["model"], recipe.modalities, options["released"])
        if options["published"]
        else FusionConfig(options["model"], options["released"])
    )
    train = settings_for(config, seed=options["seed"], device=options["device"])
    if options["epochs"]:
        train = replace(train, epochs=options["epochs"])
    plan = Plan(
        task,
        recipe,
        config,
        train,
        FitSettings(imbalance=options["imbalance"]),
        data_name=str(getattr(dataset, "name", options["data"])),
        protocol=options["protocol"],
        n_bootstrap=options["bootstrap"],
        extra=(("encoders", [e.card() for e in encoders]),) if encoders else (),
    )
    return plan, encoders


def described(
    recording: Recording,
    using: tuple[str, ...],
    store: Path | None,
    offline: bool,
    encoders: tuple[Any, ...] = (),
) -> Features:
    """Features of one recording, from the store where it was described before; embeddings added as
    tracks.
    """
    from twomind.core.store import Store, default_root
    from twomind.encoders.pretrained import with_embeddings
    from twomind.features.describe import Settings, describe

    place = Store(store or default_root())
    found = describe(recording, using, store=place, settings=Settings(offline=offline))
    return with_embeddings(found.features, found.recording, encoders, place)


def _print(found: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = (
        "fold",
        "seed",
        "validation",
        "AUC",
        "macro-F1",
        "AUC within questions",
        "question alone",
        "when",
        "s",
    )
    table = Table(
        *columns, title="on people never seen", title_justify="left", box=None, pad_edge=False
    )
    for run in found["runs"]:
        held, row, frames = (
            run["held_out"] or {},
            run["held_out_question_row"] or {},
            run["frames"] or {},
        )
        table.add_row(
            run["fold"],
            str(run["seed"]),
            f"{run['validation_score']:.3f}",
            _figure(held, "auc"),
            _figure(held, "macro_f1"),
            _figure(held, "within_question_auc"),
            _figure(row, "auc"),
            (
                f"{frames['model']['value']:.3f} against {frames['position']['value']:.3f} by "
                "position"
                if frames
                else "—"
            )
            + ("" if run["locates"] else "; shows no segments"),
            f"{run['seconds']:.0f}",
        )
    Console(width=200).print(table, highlight=False)


def _figure(row: Mapping[str, Any], metric: str) -> str:
    value, interval = row.get(metric), (row.get("ci") or {}).get(metric)
    if value is None:
        return "not measured"
    ends = f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval and None not in interval else ""
    return f"{value:.3f}{ends}"


@click.command("submit")
@click.argument("results", type=PATH)
@click.option("--out", type=PATH, required=True, help="The file to write.")
@click.option(
    "--videos",
    type=PATH,
    help="A list of video ids, one a line: every one must be there, in this order.",
)
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True)
@click.option(
    "--fill",
    type=click.FloatRange(0, 1),
    help="Probability for videos without a score [default: refuse].",
)
@click.option(
    "--id",
    "name_by",
    type=click.Choice(["recording", "file"]),
    default="recording",
    show_default=True,
)
@click.option("--no-header", is_flag=True, help="Only the lines.")
@verb
def submit_verb(
    results: Path,
    out: Path,
    videos: Path | None,
    threshold: float,
    fill: float | None,
    name_by: str,
    no_header: bool,
    as_json: bool,
    offline: bool,
) -> int:
    """Write the A/H challenge file (video_id,p0,p1,label) from the results folder of `twomind
    predict`.
    """
    from twomind.evaluation.submit import Form, submit

    expected = None
    if videos is not None:
        try:
            expected = [
                line.strip()
                for line in videos.read_text(encoding="utf-8").splitlines()
                if line.strip()
            ]
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(
                f"{videos}: expected a text file with one video id a line ({error})"
            ) from error
    found = submit(
        results,
        out,
        Form(threshold=threshold, fill=fill, header=not no_header),
        expected=expected,
        name_by=name_by,
    )
    if as_json:
        print_json(found)
    if found["filled"]:
        names = ", ".join(found["filled"][:5])
        say(f"{len(found['filled'])} line(s) carry the filled probability, not a score: {names}")
    say(f"{found['n']} lines, {found['n_present']} of them present: {out}")
    return 0

"""``twomind train fusion`` and ``twomind score submit``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from twomind.cli.moved import FUSION
from twomind.cli.screen import TABLE_WIDTH, screen
from twomind.cli.settings_options import (
    Command,
    asked_by,
    names,
    schema_at,
    settings_options,
)
from twomind.cli.verb import PATH, print_json, say, store_option, verb
from twomind.core.errors import BadInput
from twomind.core.files import text_of

_SCHEMA = "twomind.pipeline.fusion:SCHEMA"

_DATA = click.option("--data", type=PATH, help="A data set's folder, in its own layout.")
_PROTOCOL = click.option(
    "--protocol", help="How people are divided, for example official or people-5."
)
_FOLD = click.option("--fold", help="One fold of the protocol [default: all].")
_TASK = click.option("--task", help="Which of the data set's questions [default: its first].")
_MODEL = click.option(
    "--model",
    type=click.Choice(["conflict", "plain", "text-anchored", "lfan", "can", "mt", "jmt"]),
    help="[default: conflict]",
)
_MODALITIES = click.option(
    "--modalities", callback=names, help="Comma-separated.  [default: face,voice,words]"
)
_SEEDS = click.option(
    "--seeds", type=click.IntRange(1), help="How many, from --seed on.  [default: 1]"
)
_SEED = click.option("--seed", type=int, help="[default: 0]")
_EPOCHS = click.option(
    "--epochs", type=click.IntRange(1), help="At most [default: see `twomind docs fusion`]."
)
_DEVICE = click.option("--device", help="cpu, cuda, cuda:1 or auto.  [default: cpu]")
_BOOTSTRAP = click.option(
    "--bootstrap", type=click.IntRange(100), help="Resamples.  [default: 1000]"
)
_WORKERS = click.option(
    "--workers", type=int, default=1, show_default=True, help="Processes [0: one per core]."
)
_OUT = click.option(
    "--out", type=PATH, required=True, help="Folder for the models, study.json and settings.toml."
)


@click.command("fusion", cls=Command, schema=_SCHEMA, moved=FUSION)
@_DATA
@_PROTOCOL
@_FOLD
@_TASK
@_MODEL
@_MODALITIES
@_SEEDS
@_SEED
@_EPOCHS
@_DEVICE
@_BOOTSTRAP
@settings_options
@_WORKERS
@store_option
@_OUT
@verb
def train_fusion_verb(
    as_json: bool, offline: bool, out: Path, store: Path | None, workers: int, **options: Any
) -> int:
    """Train a fusion of face, voice and words; people are kept apart between training, stopping and
    figures.

    Interrupt it at any time and run it again: it goes on to the same weights.
    """
    from twomind.cli.words_verbs import _bar
    from twomind.pipeline.fusion import Place, train_fusion

    settings = asked_by(schema_at(_SCHEMA), options).settings
    _check_given(settings.data.folder, settings.data.protocol)
    place = Place(out, store, workers, offline)
    with _bar() as progress:
        found = train_fusion(settings, place, progress)
    if as_json:
        print_json(found)
    else:
        _print(found)
    _say_outcome(found)
    return 7 if found["failures"] else 0


def _check_given(folder: Path | None, protocol: str | None) -> None:
    """Without these two there is nothing to train: the command was misspelt."""
    for option, value in (("--data", folder), ("--protocol", protocol)):
        if value is None:
            raise click.UsageError(f"Missing option '{option}'.")


def _say_outcome(found: Mapping[str, Any]) -> None:
    for one in found["skipped"]:
        say(f"not used: {one['recording']}: {one['reason']}")
    for one in found["failures"]:
        say(f"failed: fold {one['fold']}, seed {one['seed']}: {one['error']}")
    if found["drawn"]:
        say(
            "synthetic people: these figures show that the machinery works; they say nothing about "
            "real "
            "faces"
        )
    for folder in found["models"].values():
        say(f"model: {folder}; use it with: twomind predict --model {folder} answer.mp4")


def _print(found: Mapping[str, Any]) -> None:
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
        table.add_row(*_row(run))
    screen(width=TABLE_WIDTH).print(table)


def _row(run: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of one fold and seed."""
    held = run["held_out"] or {}
    question = run["held_out_question_row"] or {}
    return (
        run["fold"],
        str(run["seed"]),
        f"{run['validation_score']:.3f}",
        _figure(held, "auc"),
        _figure(held, "macro_f1"),
        _figure(held, "within_question_auc"),
        _figure(question, "auc"),
        _when(run),
        f"{run['seconds']:.0f}",
    )


def _when(run: Mapping[str, Any]) -> str:
    """How well the model says when, against the position in the answer."""
    frames = run["frames"]
    if frames:
        model, position = frames["model"]["value"], frames["position"]["value"]
        words = f"{model:.3f} against {position:.3f} by position"
    else:
        words = "—"
    return words if run["locates"] else f"{words}; shows no segments"


def _figure(row: Mapping[str, Any], metric: str) -> str:
    value = row.get(metric)
    if value is None:
        return "not measured"
    intervals = row.get("ci") or {}
    interval = intervals.get(metric)
    if not interval or None in interval:
        return f"{value:.3f}"
    low, high = interval
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"


_SUBMIT_RESULTS = click.argument("results", type=PATH)
_SUBMIT_OUT = click.option("--out", type=PATH, required=True, help="The file to write.")
_SUBMIT_VIDEOS = click.option(
    "--videos",
    type=PATH,
    help="A list of video ids, one a line: every one must be there, in this order.",
)
_SUBMIT_THRESHOLD = click.option(
    "--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True
)
_SUBMIT_FILL = click.option(
    "--fill",
    type=click.FloatRange(0, 1),
    help="Probability for videos without a score [default: refuse].",
)
_SUBMIT_ID = click.option(
    "--id",
    "name_by",
    type=click.Choice(["recording", "file"]),
    default="recording",
    show_default=True,
)
_SUBMIT_NO_HEADER = click.option("--no-header", is_flag=True, help="Only the lines.")


@click.command("submit")
@_SUBMIT_RESULTS
@_SUBMIT_OUT
@_SUBMIT_VIDEOS
@_SUBMIT_THRESHOLD
@_SUBMIT_FILL
@_SUBMIT_ID
@_SUBMIT_NO_HEADER
@verb
def submit_verb(as_json: bool, offline: bool, **options: Any) -> int:
    """Write the A/H challenge file (video_id,p0,p1,label) from the results folder of `twomind
    predict`.
    """
    from twomind.evaluation.submit import Form, submit

    out, videos = options["out"], options["videos"]
    header = not options["no_header"]
    form = Form(threshold=options["threshold"], fill=options["fill"], header=header)
    found = submit(
        options["results"],
        out,
        form,
        expected=None if videos is None else _video_ids(videos),
        name_by=options["name_by"],
    )
    if as_json:
        print_json(found)
    filled = found["filled"]
    if filled:
        first = ", ".join(filled[:5])
        say(f"{len(filled)} line(s) carry the filled probability, not a score: {first}")
    say(f"{found['n']} lines, {found['n_present']} of them present: {out}")
    return 0


def _video_ids(path: Path) -> list[str]:
    """One id a line; empty lines do not count."""
    try:
        text = text_of(path)
    except OSError as error:
        raise BadInput(
            f"{path}: expected a text file with one video id a line ({error})"
        ) from error
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line]

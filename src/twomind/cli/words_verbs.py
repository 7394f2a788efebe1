"""``twomind train words`` and ``twomind score words``: no media, only labelled transcripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from twomind.cli.screen import TABLE_WIDTH, screen, text_column
from twomind.cli.screen import bar as screen_bar
from twomind.cli.verb import PATH, print_json, say, verb
from twomind.types import Progress

_DATA = click.option(
    "--data",
    type=PATH,
    required=True,
    help="A folder with BAH split files (train.txt, val.txt …: path,label,transcript), or your own "
    "CSV with the "
    "columns subject, question, label, transcript.",
)
_SEED = click.option("--seed", type=int, default=0, show_default=True)
_BOOTSTRAP = click.option(
    "--bootstrap", type=click.IntRange(100), default=2000, show_default=True, help="Resamples."
)


@click.command("words")
@_DATA
@click.option(
    "--splits",
    default="train",
    show_default=True,
    help="Comma-separated; all others stay held out.",
)
@click.option(
    "--variant",
    type=click.Choice(["lexicon", "ngram"]),
    default="lexicon",
    show_default=True,
    help="lexicon: what ships. ngram: adds word n-grams of your transcripts; keep such a model to "
    "yourself.",
)
@click.option(
    "--out", type=PATH, help="File or folder for the model [default: the user's data folder]."
)
@_SEED
@_BOOTSTRAP
@verb
def train_words_verb(
    data: Path,
    splits: str,
    variant: str,
    out: Path | None,
    seed: int,
    bootstrap: int,
    as_json: bool,
    offline: bool,
) -> int:
    """Train the words recogniser on labelled answers; participants are kept together in
    cross-validation.
    """
    from twomind.evaluation.words_card import train_words

    names = tuple(s.strip() for s in splits.split(",") if s.strip())
    try:
        with _bar() as progress:
            found = train_words(
                data,
                splits=names,
                variant=variant,
                out=out,
                seed=seed,
                n_bootstrap=bootstrap,
                progress=progress,
            )
    except KeyboardInterrupt:
        say("twomind: interrupted; no model was written")
        return 130
    found = _told_if_drawn(data, found)
    if as_json:
        print_json(found)
    else:
        card = found["card"]
        rows = {
            "words": card["held_out_people"]["words"],
            "length + question (shortcut)": card["held_out_people"]["length_question"],
            "question only (shortcut)": card["held_out_people"]["question_only"],
            "training rate for everybody (shortcut)": card["held_out_people"]["prevalence"],
            "commoner class for everybody (shortcut)": card["held_out_people"]["constant"],
            "prompt never seen": card["own_prompt"],
        }
        _print_rows(rows, f"cross-validation by person, {card['data']['answers']} answers")
    for problem in found["problems"]:
        say(f"not used: {problem}")
    say(
        f"model: {found['model']}; use it with: twomind predict --model {found['model']} answer.mp4"
    )
    return 0


@click.command("words")
@_DATA
@click.option("--split", default="test", show_default=True, help="Which split file of the folder.")
@click.option(
    "--model",
    type=PATH,
    help="A model made by `twomind train words` [default: the one that ships].",
)
@click.option(
    "--out",
    type=PATH,
    help="Keep the predictions as a run in this folder, for `twomind score report`.",
)
@click.option(
    "--name", help="What the data set is called in reports [default: the folder's or file's name]."
)
@_SEED
@_BOOTSTRAP
@verb
def score_words_verb(
    data: Path,
    split: str,
    model: Path | None,
    out: Path | None,
    name: str | None,
    seed: int,
    bootstrap: int,
    as_json: bool,
    offline: bool,
) -> int:
    """Score the words recogniser on labelled answers, beside its shortcuts, with
    participant-bootstrap intervals.
    """
    from twomind.evaluation.words import score_words

    found = _told_if_drawn(
        data, score_words(data, split=split, model=model, seed=seed, n_bootstrap=bootstrap)
    )
    if out is not None:
        from twomind.evaluation.words_run import store_words_run

        found |= store_words_run(data, out, split, model, name)
        say(
            f"run: {found['run']}; put it on a page with: twomind score report {found['run']} "
            "--out "
            "page"
        )
    if as_json:
        print_json(found)
        return 0
    rows = {
        "words (no adaptation)": found,
        "length + question (shortcut)": found["length_question"],
        "question only (shortcut)": found["question_only"],
        "training rate for everybody (shortcut)": found["prevalence_only"],
        "commoner class for everybody (shortcut)": found["constant"],
        "words, question withheld": found["question_withheld"],
    }
    _print_rows(
        rows,
        f"{split}: {found['n']} answers of {found['n_people']} people, {found['n_not_scored']} not "
        "scored",
    )
    if found["overlap_with_training"]:
        say(
            f"Warning: {found['overlap_with_training']} of {found['n_people']} people were in the "
            "training data; "
            "these figures are not of people never seen."
        )
    if found["model"]["trained_on"].get("drawn") and not found["drawn"]:
        say(
            "Warning: this model learnt from drawn people; on real ones its figures show the "
            "machinery, nothing else."
        )
    for problem in found["problems"]:
        say(f"not used: {problem}")
    return 0


def _told_if_drawn(data: Path, found: dict[str, Any]) -> dict[str, Any]:
    """``found`` with whether its people are drawn; where they are, what that means is said beside
    the figures.
    """
    from twomind.evaluation.words_run import is_drawn
    from twomind.reporting.leaderboard import DRAWN

    drawn = is_drawn(data)
    if drawn:
        say(DRAWN)
    return {**found, "drawn": drawn, "what_it_means": DRAWN if drawn else ""}


@contextmanager
def _bar() -> Iterator[Progress]:
    """A bar on a terminal; otherwise a line when another stage begins."""
    from rich.progress import BarColumn, TaskProgressColumn, TimeRemainingColumn

    console = screen(stderr=True)
    columns = (
        text_column("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    stages: set[str] = set()
    with screen_bar(console, *columns) as bar:
        task = bar.add_task("training", total=None)

        def progress(what: str, done: float, total: float) -> None:
            bar.update(task, description=what, completed=done, total=total)
            if not console.is_terminal and what not in stages:
                say(f"{what} ({done:.0f} of {total:.0f} steps)")
            stages.add(what)

        yield progress


def _print_rows(rows: Mapping[str, Mapping[str, Any]], title: str) -> None:
    from rich.table import Table

    metrics = ("macro_f1", "ap", "ap_bah", "auc", "within_question_auc", "ece", "brier")
    table = Table("", *metrics, title=title, title_justify="left", box=None, pad_edge=False)
    for name, row in rows.items():
        table.add_row(name, *(_cell(row, m) for m in metrics))
    screen(width=TABLE_WIDTH).print(table)


def _cell(row: Mapping[str, Any], metric: str) -> str:
    value, interval = row.get(metric), (row.get("ci") or {}).get(metric)
    if value is None:
        return "not measured"
    return f"{value:.3f}" + (f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else "")

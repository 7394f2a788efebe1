"""``twomind train words`` and ``twomind score words``: no media, only labelled transcripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from twomind.cli.progress import stages
from twomind.cli.screen import TABLE_WIDTH, screen
from twomind.cli.verb import PATH, Common, print_json, say, taking, verb

_DATA = click.option(
    "--data",
    type=PATH,
    required=True,
    help="A folder with BAH split files (train.txt, val.txt …: path,label,transcript), a labelled "
    "folder (recordings.csv), or a CSV with the columns subject, question, label, transcript.",
)
_SEED = click.option("--seed", type=int, default=0, show_default=True)
_BOOTSTRAP = click.option(
    "--bootstrap", type=click.IntRange(100), default=2000, show_default=True, help="Resamples."
)


#: Shortcuts in the tables: field of what was found → what it is called.
_SHORTCUTS = {
    "length_question": "length + question (shortcut)",
    "question_only": "question only (shortcut)",
    "prevalence": "training rate for everybody (shortcut)",
    "constant": "commoner class for everybody (shortcut)",
}
_METRICS = ("macro_f1", "ap", "ap_bah", "auc", "within_question_auc", "ece", "brier")
_bar = stages  # the name under which other verbs import it


@dataclass(frozen=True, kw_only=True)
class _Train(Common):
    data: Path
    splits: str
    variant: str
    out: Path | None
    seed: int
    bootstrap: int


@click.command("words")
@_DATA
@click.option(
    "--splits",
    default="train",
    show_default=True,
    help="Of a folder that has splits, comma-separated; all others stay held out.",
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
@taking(_Train)
def train_words_verb(asked: _Train) -> int:
    """Train the words recogniser on labelled answers; participants are kept together in
    cross-validation.
    """
    from twomind.evaluation.words_card import train_words

    names = [split.strip() for split in asked.splits.split(",")]
    try:
        with stages() as progress:
            found = train_words(
                asked.data,
                splits=tuple(name for name in names if name),
                variant=asked.variant,
                out=asked.out,
                seed=asked.seed,
                n_bootstrap=asked.bootstrap,
                progress=progress,
            )
    except KeyboardInterrupt:
        say("twomind: interrupted; no model was written")
        return 130
    found = _told_if_drawn(asked.data, found)
    if asked.as_json:
        print_json(found)
    else:
        _print_card(found["card"])
    for problem in found["problems"]:
        say(f"not used: {problem}")
    model = found["model"]
    say(f"model: {model}; use it with: twomind predict --model {model} answer.mp4")
    return 0


def _print_card(card: Mapping[str, Any]) -> None:
    held_out = card["held_out_people"]
    rows = {"words": held_out["words"]}
    rows |= {title: held_out[name] for name, title in _SHORTCUTS.items()}
    rows["prompt never seen"] = card["own_prompt"]
    _print_rows(rows, f"cross-validation by person, {card['data']['answers']} answers")


@dataclass(frozen=True, kw_only=True)
class _Score(Common):
    data: Path
    split: str
    model: Path | None
    out: Path | None
    name: str | None
    seed: int
    bootstrap: int


@click.command("words")
@_DATA
@click.option(
    "--split", default="test", show_default=True, help="Which split of a folder that has splits."
)
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
@taking(_Score)
def score_words_verb(asked: _Score) -> int:
    """Score the words recogniser on labelled answers, beside its shortcuts, with
    participant-bootstrap intervals.
    """
    from twomind.evaluation.words import score_words

    found = score_words(
        asked.data,
        split=asked.split,
        model=asked.model,
        seed=asked.seed,
        n_bootstrap=asked.bootstrap,
    )
    found = _told_if_drawn(asked.data, found)
    if asked.out is not None:
        from twomind.evaluation.words_run import store_words_run

        found |= store_words_run(asked.data, asked.out, asked.split, asked.model, asked.name)
        run = found["run"]
        say(f"run: {run}; put it on a page with: twomind score report {run} --out page")
    if asked.as_json:
        print_json(found)
        return 0
    _print_scores(found)
    _warn(found)
    for problem in found["problems"]:
        say(f"not used: {problem}")
    return 0


def _print_scores(found: Mapping[str, Any]) -> None:
    rows = {"words (no adaptation)": found}
    for name, title in _SHORTCUTS.items():
        rows[title] = found["prevalence_only" if name == "prevalence" else name]
    rows["words, question withheld"] = found["question_withheld"]
    answers = f"{found['n']} answers of {found['n_people']} people"
    _print_rows(rows, f"{found['split']}: {answers}, {found['n_not_scored']} not scored")
    for row in found.get("per_group", ()):
        say(f"{row['group']} {row['value']}: {_of_group(row)}")


def _of_group(row: Mapping[str, Any]) -> str:
    """How many they are, and their figures."""
    if "suppressed" in row:
        return str(row["suppressed"])
    figures = [f"{name} {_cell(row, name)}" for name in ("macro_f1", "auc")]
    return f"{row['n']} answers of {row['n_people']} people, {', '.join(figures)}"


def _warn(found: Mapping[str, Any]) -> None:
    """What the figures do not show."""
    overlap = found["overlap_with_training"]
    if overlap:
        say(
            f"Warning: {overlap} of {found['n_people']} people were in the training data; these "
            "figures are not of people never seen."
        )
    if found["model"]["trained_on"].get("drawn") and not found["drawn"]:
        say(
            "Warning: this model learnt from synthetic people; on real ones its figures show the "
            "machinery, nothing else."
        )


def _told_if_drawn(data: Path, found: dict[str, Any]) -> dict[str, Any]:
    """``found`` with whether its people are synthetic; where they are, what that means is said beside
    the figures.
    """
    from twomind.evaluation.words_run import is_drawn
    from twomind.reporting.leaderboard import DRAWN

    drawn = is_drawn(data)
    if drawn:
        say(DRAWN)
    return {**found, "drawn": drawn, "what_it_means": DRAWN if drawn else ""}


def _print_rows(rows: Mapping[str, Mapping[str, Any]], title: str) -> None:
    from rich.table import Table

    table = Table("", *_METRICS, title=title, title_justify="left", box=None, pad_edge=False)
    for name, row in rows.items():
        table.add_row(name, *(_cell(row, metric) for metric in _METRICS))
    # As wide as the table is: figures that wrap cannot be read.
    screen(width=TABLE_WIDTH).print(table)


def _cell(row: Mapping[str, Any], metric: str) -> str:
    value = row.get(metric)
    if value is None:
        return "not measured"
    interval = (row.get("ci") or {}).get(metric)
    if not interval:
        return f"{value:.3f}"
    low, high = interval
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"

"""``twomind train change-talk`` and ``twomind score change-talk``."""

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
    help="A folder of AnnoMI or MIBOT, or a CSV with the columns "
    "conversation,speaker,order,text,label.",
)
_LABELS = click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="CODE=CLASS",
    help="What a code of your code book stands for (change, sustain, neutral); repeat it.",
)
_SEED = click.option("--seed", type=int, default=0, show_default=True)
_BOOTSTRAP = click.option(
    "--bootstrap", type=click.IntRange(100), default=2000, show_default=True, help="Resamples."
)
_ROWS = {
    "majority": "commonest class for everybody",
    "length": "length alone",
    "length_position": "length + position",
    "model_without_position": "model, of the turn alone",
    "encoder_as_it_came": "the encoder as it came",
    "between_humans": "one human against another",
}
_METRICS = {
    "macro_f1": "macro-F1",
    "sustain_vs_change_auc": "AUC",
    "sustain_vs_change_auc_within_conversation": "AUC within a conversation",
    "ece": "ECE",
}


@dataclass(frozen=True, kw_only=True)
class _Train(Common):
    data: Path
    out: Path | None
    encoder: Path | None
    fine_tune: bool
    position: bool
    licence: str
    labels: tuple[str, ...]
    seed: int
    bootstrap: int


@click.command("change-talk")
@_DATA
@click.option("--out", type=PATH, help="Folder for the model [default: the user's data folder].")
@click.option(
    "--encoder",
    type=PATH,
    help="A local folder of a sentence encoder, whose rows are read beside the words.",
)
@click.option(
    "--fine-tune",
    is_flag=True,
    help="Fine-tune the encoder on the turns, each read with what was said before it.",
)
@click.option(
    "--position/--no-position",
    default=True,
    show_default=True,
    help="Whether the place of a turn in its conversation is read.",
)
@click.option(
    "--licence",
    default="not stated by whoever trained the model",
    help="Of the model, for its card.",
)
@_LABELS
@_SEED
@_BOOTSTRAP
@verb
@taking(_Train)
def train_change_talk_verb(asked: _Train) -> int:
    """Train the change-talk model on coded conversations; people or videos are kept together in
    cross-validation.

    The figures that it prints are of those held out.
    """
    from twomind.datasets.talk import codebook
    from twomind.evaluation.change_talk import Asked, Training, train_change_talk

    training = Training(asked.out, asked.encoder, asked.position, asked.licence, asked.fine_tune)
    how = Asked(asked.seed, asked.bootstrap, codebook(asked.labels))
    with stages() as progress:
        found = train_change_talk(asked.data, training, how, progress)
    _print(found, asked.as_json, found["protocol"])
    model = found["model"]
    say(f"model: {model}; judge it on others with: twomind score change-talk --model {model}")
    return 0


@dataclass(frozen=True, kw_only=True)
class _Score(Common):
    data: Path
    model: Path | None
    labels: tuple[str, ...]
    seed: int
    bootstrap: int


@click.command("change-talk")
@_DATA
@click.option(
    "--model",
    type=PATH,
    help="A model made by `twomind train change-talk` [default: the one that ships].",
)
@_LABELS
@_SEED
@_BOOTSTRAP
@verb
@taking(_Score)
def score_change_talk_verb(asked: _Score) -> int:
    """Score a change-talk model on coded conversations, beside length, position, and one human
    against another.
    """
    from twomind.datasets.talk import codebook
    from twomind.evaluation.change_talk import Asked, score_change_talk

    how = Asked(asked.seed, asked.bootstrap, codebook(asked.labels))
    found = score_change_talk(asked.data, asked.model, how)
    _print(found, asked.as_json, "the model as it is")
    overlap = found["overlap_with_training"]
    if overlap:
        say(
            f"Warning: {overlap} of {found['n_groups']} people or videos were in the training data; "
            "these are not figures of people never seen."
        )
    return 0


def _print(found: Mapping[str, Any], as_json: bool, protocol: str) -> None:
    if as_json:
        print_json(found)
    else:
        _print_table(found, protocol)
    for problem in found["problems"]:
        say(f"not used: {problem}")


def _print_table(found: Mapping[str, Any], protocol: str) -> None:
    from rich.table import Table

    n = f"{found['n']} turns of {found['n_conversations']} conversations"
    table = Table(
        "",
        *_METRICS.values(),
        title=f"{n}; {protocol}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    rows = {"change-talk": found}
    for name, title in _ROWS.items():
        if name in found["rows"]:
            rows[title] = found["rows"][name]
    for title, row in rows.items():
        table.add_row(title, *(_cell(row, metric) for metric in _METRICS))
    screen(width=TABLE_WIDTH).print(table)
    _print_gain("length + position", found["gain_over_length_position"])
    over_encoder = found.get("gain_over_encoder_as_it_came")
    if over_encoder:
        _print_gain("the encoder as it came", over_encoder)
    outcome = found["outcome"]
    if outcome:
        _print_outcome(outcome)


def _print_gain(over: str, gain: Mapping[str, Any]) -> None:
    low, high = gain["interval"]
    click.echo(f"gain of macro-F1 over {over}: {gain['value']:+.3f} [{low:+.3f}, {high:+.3f}]")


def _print_outcome(outcome: Mapping[str, Any]) -> None:
    click.echo(f"rho with {outcome['outcome']}, {outcome['n_people']} people:")
    for name, title in (
        ("soft_share_sustain", "soft share of sustain talk"),
        ("labels_share_sustain", "the labels' own share"),
        ("number_of_turns", "number of turns"),
    ):
        low, high = outcome[name]["interval"]
        click.echo(f"  {title}: {outcome[name]['rho']:+.2f} [{low:+.2f}, {high:+.2f}]")


def _cell(row: Mapping[str, Any], metric: str) -> str:
    value = row.get(metric)
    if value is None:
        return "–"
    interval = (row.get("ci") or {}).get(metric)
    if not interval:
        return f"{value:.3f}"
    low, high = interval
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"

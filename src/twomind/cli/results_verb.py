"""``twomind score results``: labels meet what any predictor wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twomind.cli.bundles import bundle_asked, bundle_options, tell_bundle
from twomind.cli.screen import TABLE_WIDTH, screen
from twomind.cli.verb import PATH, Common, page_language, print_json, say, taking, verb

if TYPE_CHECKING:
    from twomind.reporting.messages import Language

_METRICS = ("macro_f1", "war", "ap", "ap_bah", "auc", "within_question_auc", "ece", "brier")


@dataclass(frozen=True, kw_only=True)
class _Asked(Common):
    results: tuple[str, ...]
    data: Path
    data_name: str | None
    task: str
    protocol: str
    skip_unknown: bool
    level: str | None
    out: Path | None
    bundle: Path | None
    windows: bool
    groups: bool
    metric: str
    min_people: int
    bootstrap: int
    seed: int
    language: Language


@click.command("results")
@click.argument("results", nargs=-1, required=True)
@click.option("--data", type=PATH, required=True, help="The data set's folder, with its labels.")
@click.option("--data-name", help="Its layout [default: found out].")
@click.option("--task", default="", help="Which of its tasks [default: its first].")
@click.option(
    "--protocol",
    default="",
    help="Who is judged, and on whom shortcuts are fitted [default: official, else train-val, else "
    "groups of people].",
)
@click.option(
    "--skip-unknown", is_flag=True, help="Leave out rows of recordings that the data set lacks."
)
@click.option(
    "--level",
    type=click.Choice(["recording", "window", "frame"]),
    help="What is judged [default: the task's own].",
)
@click.option("--out", type=PATH, help="Folder for the runs and the page [default: none].")
@bundle_options
@click.option(
    "--metric",
    type=click.Choice(["macro_f1", "war", "uar"]),
    default="macro_f1",
    show_default=True,
    help="What is compared person by person.",
)
@click.option("--min-people", type=click.IntRange(2), default=5, show_default=True)
@click.option(
    "--bootstrap",
    type=click.IntRange(100),
    default=2000,
    show_default=True,
    help="Resamples of people.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the resamples.")
@page_language
@verb
@taking(_Asked)
def score_results_verb(asked: _Asked) -> int:
    """Lay labels beside RESULTS of any predictor: a folder that twomind wrote, or a CSV with
    id,score.

    The folder is one of `twomind predict` or `twomind train fusion`; NAME=PATH names a predictor.
    The same shortcuts, intervals, groups of people and board as for every other method.
    """
    bundle = bundle_asked(asked)
    from twomind.evaluation.results import Asked
    from twomind.pipeline.results import Wanted, score_results
    from twomind.reporting.leaderboard import PageSettings
    from twomind.reporting.messages import Texts

    page = PageSettings(
        asked.metric,
        Texts(asked.language)("board.results"),
        asked.bootstrap,
        asked.min_people,
        asked.seed,
        asked.level,
        language=asked.language,
    )
    which = Asked(asked.task, asked.protocol, asked.skip_unknown)
    wanted = Wanted(asked.results, asked.data, asked.data_name, which, page)
    judged = score_results(wanted, asked.out)
    found = judged.found
    if bundle is not None:
        from twomind.pipeline.bundle import bundle_of

        found["bundle"] = bundle_of(judged.runs, bundle)
        tell_bundle(found["bundle"])
    if asked.as_json:
        print_json(found)
    else:
        for board in found["boards"]:
            _print_board(board)
    for one in found["results"]:
        _tell_fit(one)
    if asked.out is not None:
        say(f"page: {found['html']}; runs: {asked.out / 'runs'}")
    return 0


def _print_board(board: Mapping[str, Any]) -> None:
    from rich.table import Table

    title = (
        f"{board['dataset']}, {board['protocol']}: {board['n_rows']} rows of {board['n_people']} "
        f"people, per {board['level']}"
    )
    columns = ("", *_METRICS, "coverage")
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False)
    for line in board["lines"]:
        cells = [_cell(line["figures"][metric]) for metric in _METRICS]
        table.add_row(line["name"], *cells, f"{100 * line['coverage']:.0f} %")
    screen(width=TABLE_WIDTH).print(table)
    if board["what_it_means"]:
        say(board["what_it_means"])
    _print_groups(board)


def _print_groups(board: Mapping[str, Any]) -> None:
    from rich.table import Table

    groups = board.get("groups") or []
    if not groups:
        return
    names = [line["name"] for line in board["lines"] if line["kind"] != "shortcut"]
    table = Table(
        "group",
        "people",
        *names,
        title="macro-F1 by group",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for group in groups:
        called = f"{group['group']}: {group['value']}"
        if not group["lines"]:
            table.add_row(called, group.get("suppressed", "too few"), *["" for _ in names])
            continue
        cells = []
        for name in names:
            value, low, high = group["lines"][name]["macro_f1"]
            cells.append(_cell({"value": value, "ci": [low, high]}))
        table.add_row(called, str(group["n_people"]), *cells)
    screen(width=TABLE_WIDTH).print(table)


def _cell(figure: Mapping[str, Any]) -> str:
    value, (low, high) = figure["value"], figure["ci"]
    if value is None:
        return "—"
    if low is None:
        return f"{value:.3f}"
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"


def _tell_fit(one: Mapping[str, Any]) -> None:
    """How the rows of one predictor fitted."""
    n_with = one["judged"] - one["without_a_row"]
    say(
        f"{one['name']}: {n_with} of {one['judged']} judged recordings have a row, coverage "
        f"{100 * one['coverage']:.0f} %; {one['not_judged']} rows are of people who are not judged"
    )
    if one["without_a_row"]:
        shown = ", ".join(one["without_a_row_examples"])
        say(f"  without a row, counted as the training rate: {shown}")
    if one["unknown"]:
        say(f"  {one['unknown']} unknown ids left out: {', '.join(one['unknown_examples'])}")
    if one["threshold"] is not None:
        say(f"  its own decisions are those above {one['threshold']:.3g}; they have a line")

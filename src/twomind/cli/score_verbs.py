"""``twomind score report``: runs to one leaderboard page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from twomind.cli.bundles import bundle_asked, bundle_options, tell_bundle
from twomind.cli.verb import PATH, Common, page_language, print_json, say, taking, verb


@dataclass(frozen=True, kw_only=True)
class _Report(Common):
    runs: tuple[Path, ...]
    out: Path | None
    bundle: Path | None
    windows: bool
    groups: bool
    metric: str
    level: str | None
    title: str
    min_people: int
    bootstrap: int
    seed: int
    language: str


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option("--out", type=PATH, help="Folder for leaderboard.html, .md, .json and figures.")
@bundle_options
@click.option(
    "--metric",
    type=click.Choice(["macro_f1", "war", "uar"]),
    default="macro_f1",
    show_default=True,
    help="What is compared person by person.",
)
@click.option(
    "--level",
    type=click.Choice(["recording", "window", "frame"]),
    help="What is judged: whole recordings, windows or moments [default: the task's own].",
)
@click.option("--title", default="", help="Of the page [default: Leaderboard].")
@page_language
@click.option(
    "--min-people",
    type=click.IntRange(2),
    default=5,
    show_default=True,
    help="Smallest group reported.",
)
@click.option(
    "--bootstrap",
    type=click.IntRange(100),
    default=2000,
    show_default=True,
    help="Resamples of people.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the resamples.")
@verb
@taking(_Report)
def score_report_verb(asked: _Report) -> int:
    """One page from RUNS (folders of runs, folders with runs below them, or bundles of
    laboratories).

    Table, shortcuts, figures, limits; and where runs of several laboratories meet, which ran where.
    """
    if asked.out is None and asked.bundle is None:
        raise click.UsageError("Missing option '--out' (or '--bundle').")
    bundle = bundle_asked(asked)
    if bundle is not None:
        from twomind.pipeline.bundle import bundle_of_folders

        about = bundle_of_folders(asked.runs, bundle)
        tell_bundle(about)
        if asked.out is None:
            if asked.as_json:
                print_json(about)
            return 0
    return _page(asked, asked.out or Path())


def _page(asked: _Report, out: Path) -> int:
    from twomind.evaluation.runs import not_named
    from twomind.reporting.leaderboard import report

    for told in not_named(asked.runs):
        say(f"Note: {told}")
    found = report(
        asked.runs,
        out,
        metric=asked.metric,
        level=asked.level,
        title=asked.title,
        n_bootstrap=asked.bootstrap,
        min_people=asked.min_people,
        seed=asked.seed,
        language=asked.language,
        progress=lambda what, done, total: say(what),
    )
    if asked.as_json:
        print_json(found)
    for board in found["boards"]:
        _tell(board)
    say(f"page: {Path(found['html']).resolve()}; as Markdown: {found['markdown']}")
    return 0


def _tell(board: Mapping[str, Any]) -> None:
    heading = f"{board['dataset']}, {board['protocol']}:"
    if board["drawn"]:
        heading += f" {board['what_it_means']}"
    say(heading)
    for sentence in board["findings"]:
        say(f"  {sentence}")

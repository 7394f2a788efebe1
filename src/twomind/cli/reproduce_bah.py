"""``twomind reproduce bah``: the published tables of BAH."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from twomind.cli.bundles import tell_bundle
from twomind.cli.verb import print_json, say, tell
from twomind.core.errors import BadInput

TABLES = ("zero-shot",)


@dataclass(frozen=True)
class BahAsked:
    """What the command was given."""

    folder: Path | None
    table: str
    out: Path | None
    sets: Sequence[str]
    config: Path | None
    quick: bool
    dry_run: bool
    offline: bool
    as_json: bool
    bundle: Path | None
    windows: bool


def made(asked: BahAsked) -> int:
    """Make a table of BAH.

    Raises:
        BadInput: there is no such table.
    """
    from twomind.pipeline.bah_zero_shot import SCHEMA, Place, cost, markdown, zero_shot

    if asked.table not in TABLES:
        raise BadInput(
            f"bah --table {asked.table}: there is no such table; there is: {', '.join(TABLES)}"
        )
    if asked.folder is None:
        raise click.UsageError("Missing argument 'FOLDER'.")
    options: dict[str, Any] = {"most": 8} if asked.quick else {}
    settings = SCHEMA.read(asked.config, asked.sets, options).settings
    place = Place(asked.folder.resolve(), asked.out or Path(f"bah-{asked.table}"), asked.offline)
    about = cost(settings, place)
    if asked.dry_run:
        print_json(about)
        return 0
    n_left = about["requests"] - about["recorded"]
    say(
        f"{about['requests']} requests about {about['answers']} answers, {n_left} not recorded yet; "
        f"about {about['tokens_read_about']} tokens read; cost: {about['cost_about']}"
    )
    table = zero_shot(settings, place, _tell)
    if asked.as_json:
        print_json(table)
    else:
        tell(markdown(table))
    say(f"table: {place.out / 'table.md'}, table.json; {place.out} holds prompts with transcripts")
    if asked.bundle is not None:
        from twomind.pipeline.bundle import bundle_of_runs_and_table

        tell_bundle(bundle_of_runs_and_table(place.out, table, asked.bundle, asked.windows))
    return 0


def _tell(what: str, done: float, total: float) -> None:
    say(f"[{100 * done / total:.0f} %] {what}")

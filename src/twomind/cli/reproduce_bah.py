"""``twomind reproduce bah``: the published tables of BAH that compare no methods of adaptation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twomind.cli.bundles import tell_bundle
from twomind.cli.verb import print_json, say, tell

if TYPE_CHECKING:
    from twomind.pipeline.bundle import Asked


@dataclass(frozen=True)
class BahAsked:
    """What the command was given."""

    folder: Path | None
    table: str
    out: Path | None
    store: Path | None
    sets: Sequence[str]
    config: Path | None
    quick: bool
    dry_run: bool
    offline: bool
    as_json: bool
    bundle: Asked | None

    @property
    def data(self) -> Path:
        """The folder of the data."""
        if self.folder is None:
            raise click.UsageError("Missing argument 'FOLDER'.")
        return self.folder.resolve()

    @property
    def where(self) -> Path:
        """The folder of results."""
        return self.out or Path(f"bah-{self.table}")


def _zero_shot(asked: BahAsked) -> int:
    from twomind.pipeline.bah_zero_shot import (
        SCHEMA,
        Place,
        cost,
        markdown,
        recipe_of,
        zero_shot,
    )

    options: dict[str, Any] = {"most": 8} if asked.quick else {}
    settings = SCHEMA.read(asked.config, asked.sets, options).settings
    place = Place(asked.data, asked.where, asked.offline)
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
    _told(asked, table, markdown, recipe_of(settings))
    say(f"{place.out} holds prompts with transcripts")
    return 0


def _supervised(asked: BahAsked) -> int:
    from twomind.core.store import default_root
    from twomind.pipeline.bah_cost import counted
    from twomind.pipeline.bah_supervised import SCHEMA, Place, markdown, opened, supervised

    options: dict[str, Any] = {}
    if asked.quick:
        options = {"seeds": 1, "epochs": 2, "cnn_epochs": 1, "per_recording": 4, "bootstrap": 100}
    settings = SCHEMA.read(asked.config, asked.sets, options).settings
    place = Place(asked.data, asked.where, asked.store or default_root(), asked.offline)
    if asked.dry_run:
        print_json(counted(opened(settings, place)))
        return 0
    table = supervised(settings, place, _tell)
    _told(asked, table, markdown, settings.told)
    return 0


#: What makes each table.
TABLES: Mapping[str, Callable[[BahAsked], int]] = {
    "supervised": _supervised,
    "zero-shot": _zero_shot,
}


def made(asked: BahAsked) -> int:
    """Make a table of BAH, one of :data:`TABLES`."""
    return TABLES[asked.table](asked)


def _told(
    asked: BahAsked,
    table: Mapping[str, Any],
    markdown: Callable[[Mapping[str, Any]], str],
    recipe: Mapping[str, Any],
) -> None:
    """The table on the screen, and its bundle with the settings behind it where one was asked for."""
    if asked.as_json:
        print_json(dict(table))
    else:
        tell(markdown(table))
    say(f"table: {asked.where / 'table.md'}, table.json")
    if asked.bundle is not None:
        from twomind.pipeline.bundle import bundle_of_runs_and_table

        more = {"recipe": dict(recipe)}
        tell_bundle(bundle_of_runs_and_table(asked.where, table, asked.bundle, more))


def _tell(what: str, done: float, total: float) -> None:
    say(f"[{100 * done / total:.0f} %] {what}")

"""``twomind reproduce``: a published table made again on one's own copy of the data."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twomind.cli.bundles import bundle_asked, bundle_options, tell_bundle, tell_verified
from twomind.cli.verb import (
    PATH,
    Common,
    device_options,
    engine_option,
    print_json,
    say,
    store_option,
    taking,
    tell,
    verb,
)

if TYPE_CHECKING:
    from twomind.pipeline.reproduce_recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class _Asked(Common):
    dataset: str
    folder: Path | None
    table: str
    recipe: Path | None
    write_recipe: Path | None
    out: Path | None
    store: Path | None
    source: Path | None
    faces: str
    quick: bool
    dry_run: bool
    allow_drawn_model: bool
    sets: tuple[str, ...]
    workers: int | None
    engine: str
    bundle: Path | None
    windows: bool
    groups: bool


@click.command("reproduce")
@click.argument("dataset")
@click.argument("folder", type=PATH, required=False)
@click.option("--table", default="clip-autt", show_default=True, help="Which table.")
@click.option("--recipe", type=PATH, help="Your own recipe, in place of the one that ships.")
@click.option("--write-recipe", type=PATH, help="Write the recipe to this file, and end.")
@click.option("--out", type=PATH, help="Folder for models, runs and the table; goes on there.")
@click.option("--source", type=PATH, help="Another data set that is trained on, whole.")
@click.option(
    "--faces",
    type=click.Choice(["auto", "crops", "film"]),
    default="auto",
    show_default=True,
    help="auto: crops where they are.",
)
@click.option("--quick", is_flag=True, help="One seed, two epochs: a look, not the table.")
@click.option("--dry-run", is_flag=True, help="Say as JSON what it would take, and end.")
@click.option(
    "--allow-drawn-model",
    is_flag=True,
    help="An encoder that knows synthetic people may see real ones.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change the recipe: models.epochs=1."
)
@click.option("--workers", type=int, help="Processes [default: 1; on a cluster, one per core].")
@engine_option
@bundle_options
@store_option
@verb
@device_options
@taking(_Asked)
def reproduce_verb(asked: _Asked) -> int:
    """Make a published TABLE again: DATASET is biovid, stressid, unbc or bah, FOLDER your copy of it.

    Two columns, label-free and as published (with its oracle choices named), stand beside the
    published number, with no adaptation, shortcuts, and the spread over people and training seeds.
    Interrupt it at any time and run it again: it goes on and ends at the same table.

    `twomind reproduce verify FILE.tar` checks a bundle that a laboratory sent.
    """
    if asked.dataset == "verify":
        if asked.folder is None:
            raise click.UsageError("Missing argument 'FILE.tar'.")
        return tell_verified(asked.folder, asked.as_json)
    from twomind.cli.reproduce_bah import TABLES
    from twomind.pipeline.reproduce_recipe import load_recipe, quick, recipe_text

    if asked.dataset == "bah" and asked.table in TABLES:
        return _bah(asked)
    if asked.write_recipe is not None:
        from twomind.core.store import write_text

        write_text(asked.write_recipe, recipe_text(asked.dataset, asked.table))
        say(f"recipe: {asked.write_recipe}; change it and give it back with --recipe")
        return 0
    recipe = load_recipe(asked.dataset, asked.table, asked.recipe, asked.sets)
    if asked.quick:
        recipe = quick(recipe)
    return _made(asked, recipe)


def _bah(asked: _Asked) -> int:
    from twomind.cli.reproduce_bah import BahAsked, made

    return made(
        BahAsked(
            folder=asked.folder,
            table=asked.table,
            out=asked.out,
            store=asked.store,
            sets=asked.sets,
            config=asked.recipe,
            quick=asked.quick,
            dry_run=asked.dry_run,
            offline=asked.offline,
            as_json=asked.as_json,
            bundle=bundle_asked(asked),
        )
    )


def _made(asked: _Asked, recipe: Recipe) -> int:
    from twomind.core import cluster
    from twomind.core.store import default_root
    from twomind.pipeline.reproduce import Place, Talk, opened, reproduce, steps_of
    from twomind.pipeline.reproduce_table import as_plain, markdown

    if asked.folder is None:
        raise click.UsageError("Missing argument 'FOLDER'.")
    bundle = bundle_asked(asked)
    out = asked.out or Path(f"{asked.dataset}-{asked.table}")
    place = Place(
        asked.folder.resolve(),
        out,
        asked.store or default_root(),
        None if asked.source is None else asked.source.resolve(),
        faces=asked.faces,
        workers=_workers(asked),
        allow_drawn=asked.allow_drawn_model,
    )
    if asked.dry_run:
        from twomind.pipeline.reproduce_cost import dry_run

        print_json(dry_run(recipe, opened(recipe, place)))
        return 0
    talk = Talk(_tell, len(steps_of(recipe)), time.monotonic)
    with cluster.standing(asked.engine, (place.out, place.store)):
        table = reproduce(recipe, place, talk)
    if asked.as_json:
        print_json(as_plain(table))
    else:
        tell(markdown(table))
    say(f"table: {out / 'table.md'}, table.tex, table.json, people.csv")
    if bundle is not None:
        from twomind.pipeline.bundle import bundle_of_table

        tell_bundle(bundle_of_table(out, as_plain(table), bundle))
    return 0


def _workers(asked: _Asked) -> int:
    if asked.workers is not None:
        return asked.workers
    return 1 if asked.engine == "local" else 0


def _tell(what: str, done: float, total: float, left_s: float) -> None:
    left = "" if not math.isfinite(left_s) else f", about {_duration(left_s)} left"
    say(f"[{100 * done / total:.0f} %{left}] {what}")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

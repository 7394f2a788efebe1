"""``twomind export crops``: aligned faces of films as pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from twomind.cli.verb import PATH, Common, engine_option, print_json, say, taking, verb
from twomind.core.errors import Partial


@click.group("export")
def export_group() -> None:
    """What other programs read: face crops of films."""


@dataclass(frozen=True, kw_only=True)
class _Crops(Common):
    films: tuple[Path, ...]
    out: Path
    px: int
    picture_format: str
    workers: int
    engine: str


@export_group.command("crops")
@click.argument("films", nargs=-1, type=PATH, required=True)
@click.option("--out", type=PATH, required=True, help="Gets a folder per film.")
@click.option(
    "--px", type=click.IntRange(16, 1024), default=224, show_default=True, help="Side of a crop."
)
@click.option(
    "--format",
    "picture_format",
    type=click.Choice(["jpg", "png"]),
    default="jpg",
    show_default=True,
)
@click.option("--workers", type=click.IntRange(0), default=1, help="Processes [0: one per core].")
@engine_option
@verb
@taking(_Crops)
def export_crops_verb(asked: _Crops) -> int:
    """Write the aligned face of every frame of FILMS, named by its time in milliseconds.

    The exact times, the parameters, and frames without a face stand in crops.json beside them. These
    are pictures of a person: keep them as you keep the film.
    """
    from twomind.core.cluster import standing
    from twomind.pipeline.export_crops import CropSettings, export_crops

    settings = CropSettings(asked.px, format=asked.picture_format)  # type: ignore[arg-type]

    def tell(what: str, done: float, total: float) -> None:
        say(f"[{done:g}/{total:g}] {what}")

    workers = asked.workers if asked.engine == "local" else 0
    with standing(asked.engine, (asked.out,)):
        found = export_crops(list(asked.films), asked.out, settings, tell, workers)
    if asked.as_json:
        print_json(found)
    for film, why in found["failed"].items():
        say(f"no crops: {film}: {why}")
    for one in found["films"]:
        say(f"{one['crops']} crops, {one['without_face']} frames without a face: {one['folder']}")
    return Partial.exit_code if found["failed"] else 0

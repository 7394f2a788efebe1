"""``twomind score faces``: how well the measures follow what people are known to have shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from twomind.cli.screen import TABLE_WIDTH, screen
from twomind.cli.settings_options import Command, asked_by, schema_at, settings_options
from twomind.cli.verb import PATH, print_json, say, store_option, verb

_SCHEMA = "twomind.pipeline.settings:DESCRIBE"


@click.command("faces", cls=Command, schema=_SCHEMA)
@click.argument("folder", type=PATH)
@settings_options
@store_option
@verb
def score_faces_verb(
    as_json: bool, offline: bool, folder: Path, store: Path | None, **options: Any
) -> int:
    """Score the face measures on posed expressions: pictures or clips in FOLDER called
    PERSON_EXPRESSION.ext, one expression normal or neutral.

    `--set features.face=landmarker` scores the other back end.
    """
    from twomind.core.store import Store, default_root
    from twomind.evaluation.faces import score_faces

    asked = asked_by(schema_at(_SCHEMA), options).settings
    found = score_faces(
        folder,
        settings=asked.describe,
        store=Store(store or default_root()),
        progress=lambda name, done, total: say(f"[{done + 1}/{total}] {name}"),
    )
    if as_json:
        print_json(found)
    else:
        _print_faces(found)
    for one in found["left_out"]:
        say(f"left out: {one['file']}: {one['reason']}")
    return 0


def _print_faces(found: Mapping[str, Any]) -> None:
    from rich.table import Table

    title = (
        f"{found['n_people']} people, back end {found['backend']}: share who raise it against "
        "their own neutral · AUC against all other expressions"
    )
    expressions = list(found["rises"])
    heads = [f"{name} ({found['n'][name]})" for name in expressions]
    table = Table(
        "unit", "measure", *heads, title=title, title_justify="left", box=None, pad_edge=False
    )
    for unit, column in found["measure"].items():
        cells = []
        for expression in expressions:
            rises = _figure(found["rises"][expression][unit])
            area = _figure(found["auc"][expression][unit])
            cells.append(f"{rises} · {area}")
        measure = "blendshape" if column.endswith("_blendshape") else "geometry"
        table.add_row(unit, measure, *cells)
    screen(width=TABLE_WIDTH).print(table)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"

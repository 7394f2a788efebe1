"""``twomind score faces`` and ``score voice``: how well the measures follow what people are known to
have shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from twomind.cli.screen import TABLE_WIDTH, screen
from twomind.cli.settings_options import Command, asked_by, schema_at, settings_options
from twomind.cli.verb import PATH, Common, print_json, say, store_option, taking, verb

_SCHEMA = "twomind.pipeline.settings:DESCRIBE"


@click.command("faces", cls=Command, schema=_SCHEMA)
@click.argument("folder", type=PATH)
@settings_options
@store_option
@verb
def score_faces_verb(
    as_json: bool, offline: bool, folder: Path, store: Path | None, **options: Any
) -> int:
    """Score face measures on posed expressions: pictures or clips called PERSON_EXPRESSION, one of
    them neutral.

    They lie in FOLDER (01_happy.png, 01_normal.png). `--set features.face=landmarker` scores the other back end.
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


_HEADS = {
    "raw": "raw",
    "neutral_1": "relative to one neutral clip",
    "neutral_3": "relative to three neutral clips",
    "own_stream": "relative to the own running median",
}


@dataclass(frozen=True, kw_only=True)
class _Voice(Common):
    folder: Path
    order: Path | None
    bootstrap: int
    seed: int
    store: Path | None


@click.command("voice")
@click.argument("folder", type=PATH)
@click.option(
    "--order",
    type=PATH,
    help="A text file with one file name a line: the order of each speaker's clips [default: their "
    "names'].",
)
@click.option(
    "--bootstrap",
    type=click.IntRange(100),
    default=2000,
    show_default=True,
    help="Resamples of speakers.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the resamples.")
@store_option
@verb
@taking(_Voice)
def score_voice_verb(asked: _Voice) -> int:
    """Score relative values of the voice on acted emotions, one speaker left out at a time.

    Sound files lie in FOLDER and are called as in the Berlin emotional speech (03a01Fa.wav) or
    PERSON_EMOTION_ANYTHING.wav.
    """
    from twomind.core.store import Store, default_root
    from twomind.evaluation.voices import score_voices

    found = score_voices(
        asked.folder,
        order=asked.order,
        store=Store(asked.store or default_root()),
        n_bootstrap=asked.bootstrap,
        seed=asked.seed,
        progress=lambda name, done, total: say(f"[{done + 1}/{total}] {name}"),
    )
    if asked.as_json:
        print_json(found)
    else:
        _print_voices(found)
    for one in found["left_out"]:
        say(f"left out: {one['file']}: {one['reason']}")
    return 0


def _print_voices(found: Mapping[str, Any]) -> None:
    from rich.table import Table

    title = (
        f"{found['n_speakers']} speakers, one left out at a time, {len(found['classes'])} classes "
        f"(chance {found['chance']:.2f}): unweighted accuracy"
    )
    heads = ("values", "clips", "accuracy", "raw, same clips", "gain [95 %]", "speakers worse")
    table = Table(*heads, title=title, title_justify="left", box=None, pad_edge=False)
    for name, row in found["rows"].items():
        if row["uar"] is None:
            table.add_row(_HEADS[name], str(row["n_clips"]), "–", "–", row["reason"], "–")
            continue
        low, high = row["gain_interval"]
        gain = f"{row['gain']:+.3f} [{low:+.3f}, {high:+.3f}]"
        figures = (f"{row['uar']:.3f}", f"{row['uar_raw_same_clips']:.3f}", gain)
        worse = str(row["n_speakers_worse"])
        table.add_row(_HEADS[name], str(row["n_clips"]), *figures, worse)
    screen(width=TABLE_WIDTH).print(table)

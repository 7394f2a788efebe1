"""``twomind data``: which data sets are known, and whether a download is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from twomind.cli.progress import stages
from twomind.cli.verb import PATH, print_json, say, verb
from twomind.core.errors import Partial

_SHOWN = 20


@click.group("data")
def data_group() -> None:
    """Data sets in their own folder layouts: list them, check a download."""


@data_group.command("list")
@verb
def data_list(as_json: bool, offline: bool) -> int:
    """Every data set: its licence, how to get it, its tasks and protocols, and what a folder must
    hold.
    """
    from twomind.datasets import dataset_names, load_dataset

    rows = [_about(load_dataset(name)) for name in dataset_names()]
    if as_json:
        print_json({"datasets": rows})
        return 0
    for row in rows:
        click.echo(f"{row['name']}")
        click.echo(f"  licence:   {row['licence']}")
        click.echo(f"  access:    {row['access']}")
        click.echo(f"  looks for: {row['looks_for']}")
        tasks = "; ".join(f"{task}: {', '.join(classes)}" for task, classes in row["tasks"].items())
        click.echo(f"  tasks:     {tasks}")
        click.echo(f"  protocols: {', '.join(row['protocols'])}")
    return 0


def _about(data: Any) -> dict[str, Any]:
    return {
        "name": data.name,
        "licence": data.licence,
        "access": data.access,
        "looks_for": data.looks_for,
        "tasks": {t.name: t.classes for t in data.tasks},
        "protocols": data.protocols,
    }


@data_group.command("check")
@click.argument("root", type=PATH)
@click.option("--name", help="Which data set it is [default: by its layout].")
@click.option("--deep", is_flag=True, help="Also open every film and look into every picture.")
@verb
def data_check(root: Path, name: str | None, deep: bool, as_json: bool, offline: bool) -> int:
    """Say what is missing, extra or corrupted in a data set's folder. Nothing is changed.

    Exit code 7 when something is missing or corrupted.
    """
    from twomind.datasets import open_dataset
    from twomind.datasets.checking import KINDS

    data = open_dataset(root, name)
    with stages() as progress:
        report = data.check(deep=deep, progress=progress)
    if as_json:
        print_json(report.as_json())
    else:
        click.echo(
            f"{report.name}: {report.n_recordings} recordings of {report.n_people} people in "
            f"{report.root}"
        )
        for kind in KINDS:
            found = getattr(report, kind)
            click.echo(f"{kind}: {len(found)}")
            for finding in found[:_SHOWN]:
                click.echo(f"  {finding.path}: {finding.reason}")
            if len(found) > _SHOWN:
                click.echo(f"  ... and {len(found) - _SHOWN} more; --json lists all")
        for note in report.notes:
            click.echo(f"note: {note}")
    if not report.complete:
        say(
            "twomind: the data set is not complete; what is missing or corrupted is listed above "
            "and is never guessed"
        )
        return Partial.exit_code
    return 0

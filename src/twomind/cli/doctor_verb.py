"""``twomind doctor``: what is installed and what works, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from twomind.cli.verb import print_json, verb


@click.command("doctor")
@verb
def doctor_verb(as_json: bool, offline: bool) -> int:
    """Say what is installed, which weights are present, and what works offline."""
    from twomind.pipeline.doctor import examine

    found = examine()
    if as_json:
        print_json(found)
    else:
        _print(found)
    return 0


def _print(found: Mapping[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    versions = f"twomind {found['twomind']}, Python {found['python']}, {found['platform']}"
    console.print(versions, highlight=False)
    if not found["python_supported"]:
        console.print("This Python is not supported; 3.11 or 3.12 is expected.")
    works = _table(("works offline", ""), found["works_offline"].items())
    console.print(works, highlight=False)
    console.print()
    parts = _table(("part", "version", "gives", "to install"), _parts(found))
    console.print(parts, highlight=False, markup=False)
    console.print()
    columns = ("name", "state", "licence", "what")
    rows = ([row[column] for column in columns] for row in found["weights"])
    weights = _table(("weights", *columns[1:]), rows)
    console.print(weights, highlight=False, markup=False)
    folders = f"\nfeatures: {found['store']}\nweights:  {found['weights_folder']}"
    console.print(folders, highlight=False, soft_wrap=True)


def _parts(found: Mapping[str, Any]) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for name, part in found["parts"].items():
        rows.append((name, part["version"] or "absent", part["gives"], part["how"]))
    for name, program in found["programs"].items():
        rows.append((name, "found" if program["path"] else "absent", program["gives"], ""))
    return rows


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Any:
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table

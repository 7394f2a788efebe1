"""What ``twomind doctor`` found, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twomind.cli.screen import screen


def print_report(found: Mapping[str, Any]) -> None:
    """Print what :func:`twomind.pipeline.doctor.examine` found."""
    from rich.table import Table

    console = screen()
    console.print(f"twomind {found['twomind']}, Python {found['python']}, {found['platform']}")
    if not found["python_supported"]:
        console.print("This Python is not supported; 3.11 or later is expected.")
    table = Table("works offline", "", box=None, pad_edge=False, title_justify="left")
    for what, answer in found["works_offline"].items():
        table.add_row(what, answer)
    console.print(table)
    table = Table("part", "version", "gives", box=None, pad_edge=False)
    # To be copied: never broken, however narrow the terminal.
    table.add_column("to install", no_wrap=True, overflow="ignore")
    for name, part in found["parts"].items():
        table.add_row(name, part["version"] or "absent", part["gives"], part["how"])
    for name, program in found["programs"].items():
        table.add_row(name, "found" if program["path"] else "absent", program["gives"], "")
    console.print()
    console.print(table)
    table = Table("weights", "state", "licence", "what", box=None, pad_edge=False)
    for row in found["weights"]:
        table.add_row(row["name"], row["state"], row["licence"], row["what"])
    console.print()
    console.print(table)
    console.print()
    console.print(
        f"features: {found['store']}\nweights:  {found['weights_folder']}", soft_wrap=True
    )

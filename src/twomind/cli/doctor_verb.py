"""``twomind doctor``: what is installed and what works, as tables."""

from __future__ import annotations

import click

from twomind.cli.verb import print_json, verb


@click.command("doctor")
@verb
def doctor_verb(as_json: bool, offline: bool) -> int:
    """Say what is installed, which weights are present, and what works offline."""
    from twomind.cli.doctor_report import print_report
    from twomind.pipeline.doctor import examine

    found = examine()
    if as_json:
        print_json(found)
    else:
        print_report(found)
    return 0

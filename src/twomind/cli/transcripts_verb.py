"""``twomind score transcripts``: recognised speech against recordings whose words are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from twomind.cli.screen import TABLE_WIDTH, screen
from twomind.cli.verb import PATH, Common, print_json, say, store_option, taking, verb


@dataclass(frozen=True, kw_only=True)
class _Transcripts(Common):
    data: Path
    speech_model: str
    language: str
    store: Path | None
    seed: int


@click.command("transcripts")
@click.argument("data", type=PATH)
@click.option(
    "--speech-model",
    required=True,
    help="A Whisper model: a folder, package:NAME, or a name on the Hugging Face hub.",
)
@click.option("--language", default="en", show_default=True, help="Code of the language spoken.")
@store_option
@click.option("--seed", type=int, default=0, show_default=True, help="Of the resamples.")
@verb
@taking(_Transcripts)
def score_transcripts_verb(asked: _Transcripts) -> int:
    """Recognise recordings whose words are known: word errors, fillers, word times, each with its
    interval.

    DATA is a folder with a manifest.csv: file, transcript, times, n_fillers, note.
    """
    from twomind.core.store import Store
    from twomind.evaluation.transcribed import score_transcripts
    from twomind.features.describe import Settings

    settings = Settings(
        speech_model=asked.speech_model, language=asked.language, offline=asked.offline
    )
    store = Store(asked.store) if asked.store is not None else None
    found = score_transcripts(asked.data, settings, store, tell=say, seed=asked.seed)
    if asked.as_json:
        print_json(found)
    else:
        _print(found)
    return 0


def _print(found: Mapping[str, Any]) -> None:
    from rich.table import Table

    from twomind.evaluation.transcribed import FIGURES

    title = f"{found['n_recordings']} recordings, {found['minutes']:.1f} min"
    table = Table(title=title)
    for name in ("figure", "value", "95 % interval", "of", "what it is"):
        table.add_column(name)
    for name, figure in found["figures"].items():
        span = figure["interval"]
        ends = f"{span[0]:.3f} to {span[1]:.3f}" if span else "too few to tell"
        value = "not measured" if figure["value"] is None else f"{figure['value']:.3f}"
        table.add_row(name, value, ends, str(figure["n"]), FIGURES[name])
    screen(width=TABLE_WIDTH).print(table)

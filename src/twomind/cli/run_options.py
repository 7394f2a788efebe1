"""Options of ``twomind predict`` and ``twomind describe``; each is called like its setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from twomind.cli.settings_options import settings_options
from twomind.cli.verb import ENGINE_HELP, PATH, store_option, study_option

_MEDIA = (
    click.argument("media", nargs=-1, type=PATH),
    click.option("--out", type=PATH, help="Folder for the results [default: results]."),
    click.option(
        "--transcript", type=PATH, help="SRT, WebVTT, Whisper JSON, BAH YAML or plain text."
    ),
    click.option(
        "--speaker",
        metavar="NAME",
        help="Who in a transcript of several people is the person: a name in it, or longest for "
        "whoever says most.",
    ),
    click.option(
        "--manifest",
        type=PATH,
        help="CSV with columns path, and any of id, subject, question, transcript, speaker.",
    ),
    click.option(
        "--person",
        help="Who speaks [default: the file's name]; with --profiles, an enrolled person.",
    ),
    click.option(
        "--neutral",
        type=PATH,
        help="A neutral clip of the same person; values are given relative to it.",
    ),
    click.option(
        "--profiles",
        type=PATH,
        help="Folder of enrolled people, whose values are given relative to their profile; or one "
        "person's profile (a file).",
    ),
)
_MODEL = (
    click.option(
        "--question",
        help="The question that was asked: its BAH number 1-7, its type (e.g. hesitant), its text, "
        "or from-name to read the number from the file's name [default: unknown].",
    ),
    click.option(
        "--model", help="A recogniser's name, or a file or folder trained here [default: words]."
    ),
    click.option(
        "--adapt",
        metavar="METHOD",
        help="Adapt the model to each person, e.g. tta-cap, guarded, clip-autt.",
    ),
)
_OTHER_OPTIONS = (
    click.option(
        "--speech-model",
        help="Recognise words where no transcript is given: a folder, or a model's name.",
    ),
    click.option("--workers", type=click.IntRange(0), help="Processes [default: 0, one per core]."),
    click.option("--engine", metavar="ENGINE", help=ENGINE_HELP),
    click.option("--redo", is_flag=True, help="Write results again that are already there."),
    click.option(
        "--purpose",
        type=click.Choice(["research", "medical", "quality", "demonstration"]),
        help="What the results are for; stamped on them [default: research].",
    ),
)


def describe_options(function: Callable[..., Any]) -> Callable[..., Any]:
    return _with((*_MEDIA, *_OTHER_OPTIONS), function)


def predict_options(function: Callable[..., Any]) -> Callable[..., Any]:
    return _with((*_MEDIA, *_MODEL, *_OTHER_OPTIONS), function)


def _with(options: tuple[Any, ...], function: Callable[..., Any]) -> Callable[..., Any]:
    function = settings_options(study_option(store_option(function)))
    for option in reversed(options):
        function = option(function)
    return function

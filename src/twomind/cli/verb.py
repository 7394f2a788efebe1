"""What every command has: ``--json``, ``--offline``, messages on standard error, an exit code by
class of failure.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from twomind.cli.interrupts import stop_at_once
from twomind.core.errors import TwomindError, Unsealed, of_system

PATH = click.Path(path_type=Path)
Options = TypeVar("Options", bound="Common")
#: What a terminal obeys, but tabs and ends of lines.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_DEVICE = click.option(
    "--device",
    help="Where networks compute: auto, cpu, cuda or cuda:N.  [default: $TWOMIND_DEVICE, else auto]",
)
_PRECISION = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    help="Of frame embeddings; auto takes the fastest that is close.  [default: "
    "$TWOMIND_PRECISION, else auto]",
)
_OFFLINE = ("TWOMIND_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True, kw_only=True)
class Common:
    """Options that every verb has."""

    as_json: bool
    offline: bool


ENGINE_HELP = (
    "Where work is done: local, ray (this machine), or ray:ADDRESS (the nodes of a cluster).  "
    "[default: local]"
)


def engine_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--engine``: where folds and films are worked."""
    return click.option("--engine", metavar="ENGINE", default="local", help=ENGINE_HELP)(function)


def page_language(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--language``: of a page that is written."""
    return click.option(
        "--language",
        type=click.Choice(["en", "fr"]),
        default="en",
        show_default=True,
        help="Of the page; JSON and CSV stay English.",
    )(function)


def study_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--study``: whose people are meant; two studies may both call somebody P1."""
    return click.option(
        "--study",
        help="The study whose people are meant, where several share names [default: "
        "$TWOMIND_STUDY, "
        "or none].",
    )(function)


def store_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--store``: where computed features are kept."""
    return click.option(
        "--store",
        type=PATH,
        default=None,
        help="Folder for computed features [default: the user's cache].",
    )(function)


def device_flag(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--device``, for a verb whose settings hold device and precision."""
    return _DEVICE(function)


def device_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--device`` and ``--precision``, for a verb that computes and has no setting for them: they
    stand while it runs.
    """

    @functools.wraps(function)
    def run(*args: Any, device: str | None, precision: str | None, **options: Any) -> Any:
        from twomind.core.device import standing

        with standing(device, precision):
            return function(*args, **options)

    return _DEVICE(_PRECISION(run))


def say(text: str) -> None:
    """For people; standard output is kept for results."""
    tell(text, err=True)


def tell(text: str, *, err: bool = False) -> None:
    """A line on a screen. Control characters of a file's name are shown, not obeyed."""
    click.echo(_CONTROLS.sub(lambda found: repr(found.group())[1:-1], text), err=err)


def print_json(value: Any) -> None:
    from twomind.reporting.tables import to_json

    click.echo(to_json(value))


def print_json_list(name: str, items: Iterable[Any], rest: Mapping[str, Any]) -> None:
    """One JSON object whose first field is a list, printed item by item, so that a long list is
    never held as a whole.
    """
    from twomind.reporting.tables import to_json

    click.echo(f'{{\n "{name}": [', nl=False)
    between = ""
    for item in items:
        click.echo(f"{between}\n  " + to_json(item).replace("\n", "\n  "), nl=False)
        between = ","
    end = "\n ]" if between else "]"
    click.echo(f"{end},{to_json(rest)[1:]}")


def taking(kind: type[Options]) -> Callable[..., Any]:
    """For a verb with many options: its function takes one value of ``kind``, a dataclass whose
    fields are called like the options.
    """

    def wrap(function: Callable[[Options], int]) -> Callable[..., int]:
        @functools.wraps(function)
        def run(**options: Any) -> int:
            return function(kind(**options))

        return run

    return wrap


def _fail(error: TwomindError, as_json: bool) -> NoReturn:
    if as_json:
        click.echo(json.dumps({"error": {"kind": error.kind, "message": str(error)}}))
    say(f"twomind: {error}")
    sys.exit(error.exit_code)


def _show_any_name() -> None:
    """Names of files that are no UTF-8 are shown with their bytes; they must not end a run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _warned(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning of ours is a sentence for people, without the place in the code."""
    say(f"Note: {message}")


@contextlib.contextmanager
def _our_warnings() -> Iterator[None]:
    """Within it, a warning about a file of ours is said once; others are shown as Python does."""
    shown = warnings.showwarning
    with warnings.catch_warnings():
        warnings.filterwarnings("once", category=Unsealed)

        def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            tells = _warned if issubclass(category, Unsealed) else shown
            tells(message, category, *rest, **more)

        warnings.showwarning = show
        yield


def verb(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that every verb has, and failures turned into a message and an exit code."""

    @click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object on standard output."
    )
    @click.option(
        "--offline",
        is_flag=True,
        envvar="TWOMIND_OFFLINE",
        help="Never use the network (also: TWOMIND_OFFLINE=1).",
    )
    @functools.wraps(function)
    def run(*args: Any, as_json: bool, offline: bool, **options: Any) -> None:
        before = {name: os.environ.get(name) for name in _OFFLINE}
        if offline:
            # Libraries that could fetch from a hub obey these.
            os.environ.update(dict.fromkeys(_OFFLINE, "1"))
        _show_any_name()
        try:
            with _our_warnings():
                code = function(*args, as_json=as_json, offline=offline, **options)
        except TwomindError as error:
            _fail(error, as_json)
        except BrokenPipeError:
            raise  # whoever reads the output has enough; click ends quietly
        except (OSError, MemoryError) as error:
            _fail(of_system(error), as_json)
        except KeyboardInterrupt:
            stop_at_once()
        finally:
            # A program that embeds the command line is not left offline for good.
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
        sys.exit(code or 0)

    return run

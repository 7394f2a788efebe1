"""Verbs whose options are settings: ``--config``, ``--set``, ``--set help``, and what became of
options that a verb once had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from twomind.cli.verb import PATH, print_json

if TYPE_CHECKING:
    from twomind.core.settings import Asked, Schema

#: What ``--set`` is given to list every key.
HELP = "help"


class Command(click.Command):
    """A verb that is told settings.

    Args:
        schema: ``module:name`` of its :class:`twomind.core.settings.Schema`, imported when it is
            needed.
        moved: Option that it had in version 0.1 → how it is written now.
    """

    def __init__(
        self, *args: Any, schema: str = "", moved: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.schema = schema
        self.moved = dict(moved or {})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Before anything is parsed: to ask for help, nothing else need be given.
        if _asks_for_help(args):
            print_settings(schema_at(self.schema), "--json" in args)
            ctx.exit()
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            message = self._written_now(error.option_name)
            if not message:
                raise
            raise click.UsageError(message, ctx) from error

    def _written_now(self, option: str) -> str:
        """How what an unknown option asks for is written; empty where nothing is called so."""
        now = self.moved.get(option)
        if now is not None:
            return f"{option} is written {now} since version 0.2."
        key = option.removeprefix("--").replace("-", "_")
        schema = schema_at(self.schema)
        if key in schema.keys or key in schema.short:
            return f"{option} is a setting of this command: --set {key}=VALUE."
        return ""


def schema_at(place: str) -> Schema[Any]:
    """Import the schema at ``module:name``."""
    module, _, name = place.partition(":")
    schema: Schema[Any] = getattr(import_module(module), name)
    return schema


def settings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options ``--config`` and ``--set`` to a verb."""
    config = click.option(
        "--config",
        type=PATH,
        help="Settings as TOML, e.g. the settings.toml beside earlier results.",
    )
    sets = click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="KEY=VALUE",
        help="Any other setting; repeatable. `--set help` lists all.",
    )
    return config(sets(function))


def asked_by(schema: Schema[Any], options: Mapping[str, Any]) -> Asked[Any]:
    """The settings that a command line asks for.

    Args:
        schema: What the verb can be told.
        options: ``config``, ``sets``, and options that are settings, by the parameters' names; an
            empty repeatable one and a flag that is not set are not given.

    Returns:
        The settings, and which of them were given.

    Raises:
        BadInput: an unknown key, or a value that cannot be one.
    """
    given = {}
    for name, value in options.items():
        if name not in ("config", "sets") and value != () and value is not False:
            given[name] = value
    return schema.read(options["config"], options["sets"], given)


def print_settings(schema: Schema[Any], as_json: bool) -> None:
    """Every key that ``--set`` and ``--config`` know, with its type and default."""
    rows = schema.listing()
    if as_json:
        columns = ("key", "expected", "default")
        print_json({"settings": [dict(zip(columns, row, strict=True)) for row in rows]})
        return
    for name, expected, default in rows:
        click.echo(f"{name}  {expected}  [{default}]")
    for short, name in schema.short.items():
        click.echo(f"{short}  short for {name}")


def names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """An option's ``a,b`` as names; None where it is not given."""
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    found = tuple(part for part in parts if part)
    if not found:
        raise click.BadParameter("expected one name or several, with commas")
    return found


def _asks_for_help(args: Sequence[str]) -> bool:
    following = pairwise(args)
    return f"--set={HELP}" in args or ("--set", HELP) in following

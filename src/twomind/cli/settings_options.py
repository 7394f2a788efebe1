"""Options of a verb whose settings stand in sections: ``--config``, ``--set``, and what became of
options that it once had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from twomind.cli.verb import PATH


def settings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--config`` and ``--set``."""
    config = click.option(
        "--config",
        type=PATH,
        help="A settings.toml, e.g. that of earlier results; options and --set go before it.",
    )
    sets = click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        help="Any setting; repeatable.",
    )
    return config(sets(function))


def given_by(options: Mapping[str, Any], table: Mapping[str, str]) -> dict[str, object]:
    """The settings that options give.

    Args:
        options: Parameter → its value; None, an empty repeatable one or a flag that is not set
            are not given.
        table: Parameter → ``section.key`` of the setting that it is.

    Returns:
        ``section.key`` → value.
    """
    found: dict[str, object] = {}
    for name, setting in table.items():
        value = options[name]
        if value is not None and value != () and value is not False:
            found[setting] = value
    return found


def names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """An option's ``a,b`` as names; None where it is not given."""
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    found = tuple(part for part in parts if part)
    if not found:
        raise click.BadParameter("expected one name or several, with commas")
    return found


class CommandWithOldOptions(click.Command):
    """A command that says how options are written now that it once had.

    ``old_options`` maps an option (``--knob``) to what stands in its place.
    """

    def __init__(
        self, *arguments: Any, old_options: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(*arguments, **more)
        self.old_options = dict(old_options or {})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            now = self.old_options.get(error.option_name)
            if now is None:
                raise
            message = f"{error.option_name} is no option any more; it is written {now}"
            raise click.UsageError(message, ctx) from error

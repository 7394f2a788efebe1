"""A group of verbs that imports a verb's module when the verb is asked for, not to list its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from twomind.cli.interrupts import second_interrupt_ends, stop_at_once
from twomind.core import registry


@dataclass(frozen=True)
class Later:
    """A verb that is not imported yet.

    Args:
        place: ``module:name`` of the command.
        help: The first sentence of its help, for the list of verbs.
    """

    place: str
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, name = self.place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


class LazyGroup(click.Group):
    """Verbs of which some are :class:`Later`, and those that other distributions bring.

    Args:
        later: Name → the verb that is imported when it is asked for.
        plugins: Plug-in group with more verbs; empty for none.
    """

    def __init__(
        self,
        *args: Any,
        later: Mapping[str, Later] | None = None,
        plugins: str = "",
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._later = dict(later or {})
        self._plugins = plugins

    def _brought(self) -> list[str]:
        return registry.names(self._plugins) if self._plugins else []

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._later, *self._brought()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = super().get_command(ctx, cmd_name)
        if found is None and cmd_name in self._later:
            found = self._later[cmd_name].load()
        if found is None and cmd_name in self._brought():
            found = registry.load(self._plugins, cmd_name)
        return found

    def main(self, *args: Any, **extra: Any) -> Any:
        """The whole command line; a second Ctrl-C ends it while it tidies up after the first."""
        with second_interrupt_ends():
            return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; Ctrl-C while its module is imported ends as within it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            stop_at_once()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, as click prints it, without importing those that are :class:`Later`."""
        rows = []
        names = self.list_commands(ctx)
        width = formatter.width - 6 - max(map(len, names), default=0)
        for name in names:
            command = (
                click.Command(name, help=self._later[name].help) if name in self._later else None
            )
            if command is None:
                command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(width)))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

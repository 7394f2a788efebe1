"""Pages of the reference as plain text: the site generates them from the library, and so does this.

A line ``::: twomind.types`` of a page stands for what a module or a name says of itself, and ``::: mkdocs-click`` with
the indented lines below it for the help of every verb.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import click

_GENERATED = re.compile(r"^::: (?P<name>\S+)\n(?:[ ]{4}:.*\n?)*", re.MULTILINE)
_VERBS = "mkdocs-click"
#: A type in a signature, which is a text there because annotations are not evaluated.
_QUOTED = re.compile(r"(: |-> )'([^']*)'")
#: As wide as the lines of a help text are when nobody says how wide the terminal is.
_WIDTH = 80


def written_out(text: str, main: click.Command) -> str:
    """A page with what it generates in place of the lines that say so.

    Args:
        text: the page, as Markdown.
        main: the whole command line, for the help of its verbs.
    """

    def generated(match: re.Match[str]) -> str:
        name = match["name"]
        parts = _helps(main) if name == _VERBS else _of_name(name)
        return "\n\n".join(parts) + "\n\n"

    return _GENERATED.sub(generated, text)


def verbs(command: click.Command, name: str = "twomind") -> Iterator[tuple[str, click.Command]]:
    """Every verb that is not hidden with its whole name, the command itself first.

    Args:
        command: a verb or a group of verbs.
        name: what it is called with all that stands before it.
    """
    yield name, command
    if not isinstance(command, click.Group):
        return
    context = click.Context(command, info_name=name)
    for below in command.list_commands(context):
        found = command.get_command(context, below)
        if found is not None and not found.hidden:
            yield from verbs(found, f"{name} {below}")


def _helps(main: click.Command) -> Iterator[str]:
    for name, command in verbs(main):
        context = click.Context(command, info_name=name, max_content_width=_WIDTH)
        yield f"## {name}"
        yield command.get_help(context)


def _of_name(name: str) -> Iterator[str]:
    """What a module, and each public name of it, or one name says of itself."""
    found = _found(name)
    if not isinstance(found, ModuleType):
        yield from _entry(name, found)
        return
    yield f"## {name}"
    yield inspect.getdoc(found) or ""
    for public in _public(found):
        yield from _entry(f"{name}.{public}", getattr(found, public))


def _found(name: str) -> object:
    """The module or the name in a module."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(import_module(module), attribute)


def _public(module: ModuleType) -> list[str]:
    """Names that a module offers: its ``__all__``, else the classes and functions made in it."""
    stated = getattr(module, "__all__", None)
    if stated is not None:
        return sorted(stated)
    names = []
    for name, value in vars(module).items():
        described = inspect.isclass(value) or inspect.isfunction(value)
        if described and value.__module__ == module.__name__ and not name.startswith("_"):
            names.append(name)
    return names


def _entry(name: str, value: object) -> Iterator[str]:
    """A public class or function: how it is called, and its docstring. Other values have none."""
    if not callable(value):
        return
    try:
        arguments = _QUOTED.sub(r"\1\2", str(inspect.signature(value)))
    except ValueError:  # some classes of the standard library do not say
        arguments = "(...)"
    yield f"### {name}{arguments}"
    yield inspect.getdoc(value) or ""

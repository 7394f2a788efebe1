"""The one place where texts reach rich, which would take ``[face]`` for a style and ``:smile:`` for
a picture: names of files and people, words that were said and messages of libraries are printed as
they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TextColumn

#: As wide as the widest table is: names that are cut and figures that wrap cannot be read.
TABLE_WIDTH = 200


def screen(*, stderr: bool = False, width: int | None = None) -> Console:
    """Where tables and lines are printed; nothing in a text is a style or a picture.

    Args:
        stderr: Standard error instead of standard output.
        width: Characters in a line; None for as many as the terminal has.
    """
    from rich.console import Console

    return Console(stderr=stderr, width=width, markup=False, highlight=False, emoji=False)


def text_column(field: str) -> TextColumn:
    """A column of a progress bar that shows a field of the task, ``{task.description}``, as it
    is.
    """
    from rich.progress import TextColumn

    return TextColumn(field, markup=False)


def bar(console: Console, *columns: ProgressColumn) -> Progress:
    """A progress bar on a terminal; nothing elsewhere."""
    from rich.progress import Progress

    return Progress(*columns, console=console, disable=not console.is_terminal)

"""Text in the cells of a CSV file, so that a spreadsheet shows it and does not run it.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-``, ``@`` (also in full width), a tab or
the end of a line for a formula. An apostrophe before it makes it a text.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

from twomind.core.errors import BadInput, shortened
from twomind.core.files import MOST_TABLE_BYTES, refuse_larger

T = TypeVar("T")
#: A formula, or one that was made a text already (so that reading gives back what was written).
#: Blanks, controls and signs without width before one do not count.
_FORMULA = re.compile(
    r"'*(?:[\t\r\n]|[\s\x00-\x1f\u200b-\u200f\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])"
)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf|[+-]?nan")


def cell(value: T) -> T | str:
    """A value as it is written; what is not text, or is a number, stays as it is.

    >>> cell("=1+1"), cell("-2.5"), cell(-2.5)
    ("'=1+1", '-2.5', -2.5)
    """
    if not isinstance(value, str) or not _FORMULA.match(value) or _NUMBER.fullmatch(value.strip()):
        return value
    return f"'{value}"


def text_of(cell: str) -> str:
    """The text that :func:`cell` wrote.

    >>> text_of("'=1+1"), text_of("'tis")
    ('=1+1', "'tis")
    """
    made_text = cell.startswith("'") and _FORMULA.match(cell)
    return cell[1:] if made_text else cell


def row_of(cells: Mapping[str, str | None]) -> dict[str, str]:
    """A row as :class:`csv.DictReader` gives it, with the texts that :func:`cell` wrote; empty
    where the line was too short.
    """
    found = {}
    for column, written in cells.items():
        found[column] = text_of(written) if isinstance(written, str) else ""
    return found


@contextmanager
def table(path: Path) -> Iterator[TextIO]:
    """A table that people made, open for the csv module.

    Raises:
        BadInput: It is larger than any, not UTF-8, or a cell is longer than any that people write.
        OSError: It cannot be opened.
    """
    refuse_larger(path, MOST_TABLE_BYTES)
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            yield file
        except (UnicodeDecodeError, csv.Error) as error:
            told = f"{path}: expected a CSV file in UTF-8: {shortened(error)}"
            raise BadInput(told) from error

"""Tables as CSV: the one reader of people's tables, and text in the cells of ours, so that a
spreadsheet shows it and does not run it.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-``, ``@`` (also in full width), a tab or
the end of a line for a formula. An apostrophe before it makes it a text.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

from twomind.core.errors import BadInput, quoted, shortened
from twomind.core.files import MOST_TABLE_BYTES, refuse_larger

T = TypeVar("T")
#: A formula, or one that was made a text already (so that reading gives back what was written).
#: Blanks, controls and signs without width before one do not count.
_FORMULA = re.compile(
    r"'*(?:[\t\r\n]|[\s\x00-\x1f\u200b-\u200f\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])"
)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf|[+-]?nan")
#: What may stand between cells, as people call it.
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS = "In a spreadsheet, save it as 'CSV UTF-8'"


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
    """A row by the names of its columns, with the texts that :func:`cell` wrote; empty where the
    line was too short.
    """
    found = {}
    for column, written in cells.items():
        found[column] = text_of(written) if isinstance(written, str) else ""
    return found


class Reader:
    """The rows of a table that people made, each by the names of the columns.

    ``columns`` are the names of the header without blanks around them; as many others may be put in
    their place. Nothing that somebody wrote
    is dropped without a word: a decimal comma would lose what stands behind it, and a column that is
    named twice one of its two cells. Empty cells behind the last column are none.
    """

    def __init__(
        self,
        file: TextIO,
        path: Path,
        delimiter: str = ",",
        problems: list[str] | None = None,
    ) -> None:
        """
        Args:
            file: an open table (:func:`table`), at its header.
            path: its name, for messages.
            delimiter: what stands between cells.
            problems: takes what is wrong with a row, which is left out; None: it is an error.

        Raises:
            BadInput: another sign stands between cells, it is UTF-16, or a column is named twice.
        """
        self.path = path
        self.delimiter = delimiter
        self.problems = problems
        # A quote that nobody closes would make one cell of the rest of the file.
        self._lines = csv.reader(file, delimiter=delimiter, strict=True)
        names = [name.strip() for name in next(self._lines, [])]
        while names and not names[-1]:
            names.pop()
        self.columns = tuple(names)
        self._check_header()

    @property
    def line_num(self) -> int:
        """The line that was read last; the header is line 1."""
        return self._lines.line_num

    def __iter__(self) -> Iterator[dict[str, str]]:
        """
        Raises:
            BadInput: a row has more cells than the header; the message names its line.
        """
        for cells in self._lines:
            if cells and self._is_within(cells):
                n_missing = max(0, len(self.columns) - len(cells))
                filled = [*cells[: len(self.columns)], *[""] * n_missing]
                yield row_of(dict(zip(self.columns, filled, strict=True)))

    def _check_header(self) -> None:
        head = self.delimiter.join(self.columns)
        if "\0" in head:
            raise BadInput(_about_utf_16(self.path))
        if len(self.columns) == 1:
            for sign, called in _SEPARATORS.items():
                if sign != self.delimiter and sign in head:
                    expected = _SEPARATORS[self.delimiter]
                    raise BadInput(
                        f"{self.path}: expected {expected} between the columns, got {called}. Write "
                        f"{expected} between cells, and numbers with a point (0.5)"
                    )
        twice = [name for name, n in Counter(self.columns).items() if n > 1 and name]
        if twice:
            raise BadInput(
                f"{self.path}: the column {quoted(twice[0])} is there twice; which one holds? Leave "
                "one out"
            )

    def _is_within(self, cells: list[str]) -> bool:
        """Whether no cell stands beyond the last column."""
        beyond = cells[len(self.columns) :]
        if not any(cell.strip() for cell in beyond):
            return True
        why = (
            f"line {self.line_num}: more cells than columns: expected at most {len(self.columns)}, "
            f"got {len(cells)}. Write a number with a point (0.5, not 0,5), and put a text that "
            "holds a comma in quotes"
        )
        if self.problems is None:
            raise BadInput(f"{self.path}, {why}")
        self.problems.append(why)
        return False


def _about_utf_16(path: Path) -> str:
    return f"{path}: expected a CSV file in UTF-8, got UTF-16. {_SAVE_AS}"


def _starts_as_utf_16(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) in _UTF_16_MARKS


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
        except UnicodeDecodeError as error:
            if _starts_as_utf_16(path):
                raise BadInput(_about_utf_16(path)) from error
            told = f"{path}: expected a CSV file in UTF-8: {shortened(error)}. {_SAVE_AS}"
            raise BadInput(told) from error
        except csv.Error as error:
            told = f"{path}: expected a CSV file in UTF-8: {shortened(error)}"
            raise BadInput(told) from error

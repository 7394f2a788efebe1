"""The codebook: a line per column of every table that was written, as CSV and as a page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from twomind.core.files import write_text
from twomind.core.version import __version__
from twomind.reporting import columns, page
from twomind.reporting.columns import CODEBOOK, Column, Table
from twomind.reporting.sheets import Book

PAGE = "codebook.html"
_STREAM = tuple(column.name for column in columns.MEASURES.columns if column.optional)
_INTRO = (
    "Every column of the tables in this folder and in the folders of the answers. An empty cell was "
    "not measured; it is never a zero."
)


def of_answers(files: Collection[str], with_stream: bool) -> list[Table]:
    """The tables in the folders of the answers, with their columns.

    Args:
        files: names of the files that the answers have.
        with_stream: the measures have the columns of a person's stream.
    """
    found = []
    for table in columns.OF_ANSWER:
        if table.file in files:
            optional = _STREAM if with_stream and table is columns.MEASURES else ()
            found.append(table.written(table.names(*optional)))
    return found


def write(book: Book, of_answer: Sequence[Table]) -> None:
    """``codebook.csv`` and ``codebook.html``.

    Args:
        book: the tables over all answers, of which the codebook is the last.
        of_answer: the tables in the folders of the answers.
    """
    sheet = book.begin(CODEBOOK)
    tables = [*book.written, *of_answer]
    for table in tables:
        for entry in _entries(table):
            sheet.append([table.file, *_line(entry)])
    _write_page(tables, book.out / PAGE)


def _entries(table: Table) -> list[Column]:
    further = [] if table.further is None else [table.further]
    return [*table.columns, *further]


def _line(entry: Column) -> tuple[str, ...]:
    """The fields of a line, behind the file's."""
    return (entry.name, entry.unit, entry.range, entry.meaning, entry.since)


def _write_page(tables: Sequence[Table], path: Path) -> None:
    head = CODEBOOK.names()[1:]
    blocks: list[page.Block] = [page.Text("Codebook", "h1"), page.Text(_INTRO)]
    for table in tables:
        rows = tuple(_line(entry) for entry in _entries(table))
        blocks.append(page.Text(table.file, "h2"))
        blocks.append(page.Text(table.meaning, "sub"))
        blocks.append(page.Table(head, rows, words=head))
    blocks.append(page.Text(f"twomind {__version__}", "sub"))
    write_text(path, page.html_of(blocks, "Codebook"))


__all__ = ["PAGE", "of_answers", "write"]

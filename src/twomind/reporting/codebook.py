"""The codebook: a line per column of every table that was written, as CSV and as a page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from twomind.core.files import write_text
from twomind.core.version import __version__
from twomind.reporting import columns, page
from twomind.reporting.columns import CODEBOOK, Column, Table
from twomind.reporting.messages import Language, Texts
from twomind.reporting.sheets import Book

PAGE = "codebook.html"
_STREAM = tuple(column.name for column in columns.MEASURES.columns if column.optional)
#: The columns of the page, by the keys of their titles: what is read first stands first.
_HEAD = ("name", "meaning", "unit", "range", "since")


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


def write(book: Book, of_answer: Sequence[Table], language: Language = "en") -> None:
    """``codebook.csv`` and ``codebook.html``.

    Args:
        book: the tables over all answers, of which the codebook is the last.
        of_answer: the tables in the folders of the answers.
        language: of the page; the table stays English, as the others.
    """
    sheet = book.begin(CODEBOOK)
    tables = [*book.written, *of_answer]
    for table in tables:
        for entry in _entries(table):
            line = (entry.name, entry.unit, entry.range, entry.meaning, entry.since)
            sheet.append([table.file, *line])
    _write_page(tables, book.out / PAGE, Texts(language))


def _entries(table: Table) -> list[Column]:
    further = [] if table.further is None else [table.further]
    return [*table.columns, *further]


def _write_page(tables: Sequence[Table], path: Path, t: Texts) -> None:
    title = t("codebook.title")
    head = tuple(t(f"codebook.{key}") for key in _HEAD)
    blocks: list[page.Block] = [page.Text(title, "h1"), page.Text(t("codebook.intro"))]
    blocks.append(page.Text(t("codebook.tables"), "sub"))
    for table in tables:
        rows = tuple(_row(entry, t) for entry in _entries(table))
        blocks.append(page.Text(table.file, "h2"))
        blocks.append(page.Text(t.said(table.meaning), "sub"))
        blocks.append(page.Table(head, rows, words=head))
    blocks.append(page.Text(f"twomind {__version__}", "sub"))
    write_text(path, page.html_of(blocks, title, t.language))


def _row(entry: Column, t: Texts) -> tuple[str, ...]:
    """An entry as the page shows it: the unit in words, and behind them as the tables have it."""
    unit = t.name("unit", entry.unit) if t.has("unit", entry.unit) else t.said(entry.unit)
    if unit != entry.unit:
        unit += f" ({entry.unit})"
    return (entry.name, t.said(entry.meaning), unit, t.said(entry.range), entry.since)


__all__ = ["PAGE", "of_answers", "write"]

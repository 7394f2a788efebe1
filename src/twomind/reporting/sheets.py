"""Tables over all answers, written row by row: CSV and, where it is asked for, one Excel workbook
with a sheet per table. All of them appear whole or not at all, and memory does not grow with the
rows.
"""

from __future__ import annotations

import csv
import math
import re
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from twomind.core import csv_text
from twomind.core.errors import MissingExtra
from twomind.core.files import encoded, replacing
from twomind.reporting.columns import Table

WORKBOOK = "tables.xlsx"
#: The time that a workbook carries: two runs with the same values make the same bytes.
_NO_TIME = b"1980-01-01T00:00:00Z"
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_TIMES = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")
_PROPERTIES = "docProps/core.xml"
#: What XML, and so a workbook, cannot carry.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class TableSettings:
    """How tables are written."""

    #: every CSV begins with a byte order mark, by which Excel knows UTF-8
    bom: bool = False
    #: the tables over all answers also as one Excel workbook, tables.xlsx
    xlsx: bool = False


def refuse_without_library(settings: TableSettings) -> None:
    """Say it before anything is read that a workbook cannot be written.

    Raises:
        MissingExtra: openpyxl is not installed.
    """
    if settings.xlsx:
        _openpyxl()


def _openpyxl() -> Any:
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtra("xlsx", "writing an Excel workbook (tables.xlsx)") from error
    return openpyxl


def encoding(bom: bool) -> str:
    """In which a CSV is written."""
    return "utf-8-sig" if bom else "utf-8"


@contextmanager
def opened(path: Path, bom: bool = False) -> Iterator[TextIO]:
    """A CSV to write, which appears when all of it is there. Bytes of a file's name that are no
    UTF-8 stand as ``\\udcXX``.

    Args:
        path: of the file.
        bom: begin with a byte order mark.
    """
    how = {"encoding": encoding(bom), "errors": "backslashreplace", "newline": ""}
    with replacing(path) as temporary, open(temporary, "w", **how) as file:  # type: ignore[call-overload]
        yield file


def shown(value: Any, exact: bool = False) -> Any:
    """A value as it stands in a table: nan and None are empty; a number has three decimals, or six
    significant digits where it is small or ``exact``.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, float):
        return value
    if math.isnan(value):
        return ""
    return f"{value:.6g}" if exact or abs(value) < 1e-3 else f"{value:.3f}"


@dataclass(frozen=True)
class Sheet:
    """One table that is being written."""

    table: Table
    names: tuple[str, ...]
    exact: bool
    csv: Any
    sheet: Any = None

    def append(self, row: Sequence[Any]) -> None:
        """Write one more row of the table, to the CSV and the workbook.

        Raises:
            ValueError: it has more or fewer values than the table has columns.
        """
        if len(row) != len(self.names):
            raise ValueError(
                f"{self.table.file}: expected {len(self.names)} values, got {len(row)}"
            )
        texts = [shown(value, self.exact) for value in row]
        self.csv.writerow([csv_text.cell(text) for text in texts])
        if self.sheet is not None:
            pairs = zip(row, texts, strict=True)
            self.sheet.append([_excel_cell(self.sheet, *pair) for pair in pairs])


@dataclass
class Book:
    """The tables of one folder of results."""

    out: Path
    settings: TableSettings
    stack: ExitStack
    workbook: Any = None
    written: list[Table] = field(default_factory=list)

    def begin(self, table: Table, optional: Sequence[str] = (), exact: bool = False) -> Sheet:
        """Begin a table: its CSV, and its sheet where a workbook is written.

        Args:
            table: which; its file and its headings.
            optional: columns that this run has besides.
            exact: numbers keep six significant digits.

        Raises:
            ValueError: an optional column has no entry in the codebook.
        """
        names = table.names(*optional)
        file = self.stack.enter_context(opened(self.out / table.file, self.settings.bom))
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        sheet = None
        if self.workbook is not None:
            sheet = self.workbook.create_sheet(table.name)
            sheet.append(list(names))
        self.written.append(table.written(names))
        return Sheet(table, names, exact, writer, sheet)


@contextmanager
def book(out: Path, settings: TableSettings) -> Iterator[Book]:
    """Tables over all answers. When the body has ended, each file is there whole; where it fails,
    none is touched. A workbook of an earlier run that is not asked for now is removed: its values
    would be old.

    Args:
        out: the folder of the results.
        settings: how tables are written.

    Raises:
        MissingExtra: a workbook is asked for, and openpyxl is not installed.
    """
    workbook = _openpyxl().Workbook(write_only=True) if settings.xlsx else None
    with ExitStack() as stack:
        made = Book(out, settings, stack, workbook)
        yield made
        if workbook is not None:
            _save(workbook, out / WORKBOOK)
    if workbook is None:
        (out / WORKBOOK).unlink(missing_ok=True)


# --- Excel


def _excel_cell(sheet: Any, value: Any, text: Any) -> Any:
    """A number as the number that stands in the CSV, a text as a text, whatever it looks like."""
    if text == "":
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(text) if math.isfinite(value) else _text_cell(sheet, str(text))
    if isinstance(value, int):
        return value
    return _text_cell(sheet, str(text))


def _text_cell(sheet: Any, text: str) -> Any:
    from openpyxl.cell import WriteOnlyCell

    whole = encoded(text).decode("utf-8")
    cell = WriteOnlyCell(sheet, _NO_XML.sub("�", whole))
    # What begins with = would be a formula, and #N/A an error.
    cell.data_type = "s"
    return cell


def _save(workbook: Any, path: Path) -> None:
    """Write a workbook without the time of day in it."""
    with replacing(path) as temporary:
        raw = temporary.with_name(f"{temporary.name}.raw")
        try:
            workbook.save(raw)
            _without_times(raw, temporary)
        finally:
            raw.unlink(missing_ok=True)


def _without_times(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            kept = zipfile.ZipInfo(entry.filename, _ZIP_TIME)
            kept.compress_type = zipfile.ZIP_DEFLATED
            if entry.filename == _PROPERTIES:
                new.writestr(kept, _TIMES.sub(rb"\g<1>" + _NO_TIME, old.read(entry)))
                continue
            with old.open(entry) as there, new.open(kept, "w", force_zip64=True) as here:
                shutil.copyfileobj(there, here)


__all__ = [
    "WORKBOOK",
    "Book",
    "Sheet",
    "TableSettings",
    "book",
    "encoding",
    "opened",
    "refuse_without_library",
    "shown",
]

"""Word files (``.docx``) → their text, line by line; the cells of a table's row with tabs between
them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from twomind.core.errors import BadInput, MissingExtra, shortened

#: Text of so many bytes is more than anybody says in a day; a file that unpacks to more is a trap.
_MOST_TEXT_BYTES = 32 << 20
_MOST_BYTES = 512 << 20
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
#: What stands in a paragraph without being its text: deleted, moved away, or told twice.
_NO_TEXT = {f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr"}
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_BREAKS = {f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}tab": "\t", f"{_W}noBreakHyphen": "-"}


def is_word_file(raw: bytes, suffix: str) -> bool:
    """Whether this is read as a Word file: by its name, or as a ZIP that is nothing else here."""
    return suffix == ".docx" or raw.startswith(b"PK\x03\x04")


def text_of_word_file(raw: bytes) -> str:
    """The text of a Word file.

    Raises:
        BadInput: it is none, or it unpacks to more than any transcript has.
        MissingExtra: python-docx is not installed.
    """
    _check_size(raw)
    try:
        import docx
    except ImportError as error:
        raise MissingExtra("docx", "reading a transcript in a Word file (.docx)") from error
    try:
        body = docx.Document(io.BytesIO(raw)).element.body
    except Exception as error:  # whatever it raises about a file that is broken
        raise BadInput(
            f"expected a Word file (.docx), but it cannot be read: {shortened(error)}"
        ) from error
    return "\n".join(_lines(body))


def _check_size(raw: bytes) -> None:
    try:
        parts = zipfile.ZipFile(io.BytesIO(raw)).infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise BadInput(f"expected a Word file (.docx), but it is none: {error}") from error
    n_text = sum(part.file_size for part in parts if part.filename.endswith((".xml", ".rels")))
    n_all = sum(part.file_size for part in parts)
    if n_text > _MOST_TEXT_BYTES or n_all > _MOST_BYTES:
        raise BadInput(
            f"expected a Word file with at most {_MOST_TEXT_BYTES >> 20} MB of text, got one that "
            f"unpacks to {n_all >> 20} MB"
        )


def _lines(parent: Any) -> Iterator[str]:
    """The lines of a body or a cell, in order."""
    for child in parent:
        if child.tag == f"{_W}p":
            yield from "".join(_texts(child)).split("\n")
        elif child.tag == f"{_W}tbl":
            for row in child.iter(f"{_W}tr"):
                yield _row(row)
        elif child.tag in _NO_TEXT or child.tag == _FALLBACK or not isinstance(child.tag, str):
            continue
        else:
            yield from _lines(child)


def _row(row: Any) -> str:
    """The cells of a row; of a table with one column the lines of its cell."""
    cells = ["\n".join(_lines(cell)).strip() for cell in row.iterchildren(f"{_W}tc")]
    if len(cells) == 1:
        return cells[0]
    return "\t".join(" ".join(cell.split()) for cell in cells)


def _texts(element: Any) -> Iterator[str]:
    """What is shown of a paragraph."""
    for child in element:
        if child.tag in _NO_TEXT or child.tag == _FALLBACK or not isinstance(child.tag, str):
            continue
        if child.tag == f"{_W}t":
            yield child.text or ""
        elif child.tag in _BREAKS:
            yield _BREAKS[child.tag]
        else:
            yield from _texts(child)

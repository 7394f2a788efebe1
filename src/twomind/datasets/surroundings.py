"""What the table of a study says of one of its films: who speaks, what was asked, what is said.

The table is the ``recordings.csv`` of the nearest folder around the film that has one
(:mod:`twomind.datasets.own` says what stands in it). Only what is needed to predict is read, so
that a label or a segment that cannot be used does not hide whose film it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.core.names import same
from twomind.datasets.people import read_people_table

#: How many folders above a film something may be stated of it. BAH:
#: data/Videos/<person>/<visit>/<film>.
LEVELS = 6
TABLE = "recordings.csv"
PEOPLE = "people.csv"
#: Where words come from that stand in the table itself.
TEXT_SOURCE = "the table (plain text, no times)"
#: A cell that ends like this is meant as a file's name; a longer one than this is a text.
_FILE_NAME = re.compile(r"\.\w{2,4}$")
_LONGEST_NAME = 500


@dataclass(frozen=True)
class Listed:
    """What a table says of one film. ``text`` are the words, where the cell holds them itself."""

    subject: str
    question: str | None = None
    transcript: Path | None = None
    text: str = ""


def table_around(media: Path) -> Path | None:
    """The table of the nearest folder around a film that has one; of a link, first of those around
    the link itself.
    """
    for way in (Path(os.path.abspath(media)), media.resolve()):
        for folder in way.parents[:LEVELS]:
            table = folder / TABLE
            if table.is_file():
                return table
    return None


def listed(table: Path) -> Mapping[Path, Listed]:
    """What a table says of each of its films, by the film's absolute path.

    Raises:
        BadInput: it cannot be read, or names two people for one film.
    """
    return _listed(table, stamp(table))


def lists_absent(table: Path) -> bool:
    """Whether a table lists a film that is not there.

    Raises:
        BadInput: it cannot be read.
    """
    return any(not film.is_file() for film in listed(table))


def check_people(table: Path) -> None:
    """Refuse a table of recordings beside which the table of people cannot be read.

    Raises:
        BadInput: that is so; what people consented to is then not known.
    """
    path = table.parent / PEOPLE
    if path.is_file():
        read_people_table(path)


def stamp(path: Path) -> tuple[int, int]:
    """What tells a file from an earlier one of its name."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=64)
def _listed(table: Path, stamp: tuple[int, int]) -> Mapping[Path, Listed]:
    found: dict[Path, Listed] = {}
    try:
        for line, cells in cells_of(table, ("path", "subject")):
            if not cells["path"]:
                continue
            film = _film(table.parent, cells["path"]).resolve()
            row = _row(table.parent, cells)
            before = found.setdefault(film, row)
            if before.subject != row.subject:
                raise BadInput(
                    f"{table}, line {line}: {cells['path']} is there twice, of {before.subject!r} "
                    f"and of {row.subject!r}; whose film is it?"
                )
    except OSError as error:
        raise BadInput(f"{table}: expected a CSV file in UTF-8 ({error})") from error
    return found


def _film(root: Path, cell: str) -> Path:
    """The film that a cell names: as it is written, else as another system writes it (``\\`` between
    folders, accents composed or not, capitals), where one file alone is called so.
    """
    path = root / cell
    if path.exists():
        return path
    place = root
    for part in cell.replace("\\", "/").split("/"):
        if part in ("", ".", "..") or (place / part).exists():
            place = place / part
            continue
        try:
            alike = [one for one in place.iterdir() if same(one.name) == same(part)]
        except OSError:
            return path
        if len(alike) != 1:
            return path
        place = alike[0]
    return place


def _row(root: Path, cells: Mapping[str, str]) -> Listed:
    question = cells.get("question") or None
    transcript, text = named_transcript(root, cells.get("transcript", ""))
    return Listed(cells["subject"], question, transcript, text)


# --- what stands in a cell


def cells_of(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of each line and its cells by column, without blanks around them.

    Raises:
        BadInput: a needed column is missing, or it is not a table.
    """
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        missing = [column for column in needed if column not in reader.columns]
        if missing:
            raise BadInput(
                f"{path}: expected the columns {', '.join(needed)}; missing: {', '.join(missing)}"
            )
        for row in reader:
            yield reader.line_num, {column: text.strip() for column, text in row.items()}


def named_transcript(root: Path, cell: str) -> tuple[Path | None, str]:
    """What a cell of the column ``transcript`` means: a file, which need not be there, or the words
    themselves.

    Args:
        root: the folder of the table.
        cell: the cell; empty: neither.
    """
    if not cell:
        return None, ""
    path = root / cell
    is_name = len(cell) < _LONGEST_NAME and (_FILE_NAME.search(cell) or path.is_file())
    return (path, "") if is_name else (None, cell)

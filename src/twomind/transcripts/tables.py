"""Tables of utterances: rows with columns for times, text and speaker, as NVivo, Whisper, Audacity
and spreadsheets write them.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from twomind.transcripts.clock_marks import MARKED, at_start, stamp_of
from twomind.transcripts.labels import is_name_alone, is_role, same_name
from twomind.transcripts.spans import Parsed, Span

#: Heads of columns → what stands in them.
_HEADS = {
    "times": ("timespan", "time", "timestamp", "timestamps", "timecode", "time span"),
    "start": ("start", "begin", "start time", "begin time", "start_time", "start_s", "in", "from"),
    "end": ("end", "stop", "end time", "end_time", "end_s", "out"),
    "text": ("content", "text", "transcript", "utterance", "speech", "sentence", "words", "said"),
    "speaker": ("speaker", "name", "speaker name", "participant", "who", "role", "person", "tier"),
}
_COMMA = re.compile(r"(-?\d+),(\d+)")
_DELIMITERS = ("\t", ";", ",")


@dataclass(frozen=True)
class _Columns:
    """Where in a row what stands; -1 where it does not."""

    times: int = -1
    start: int = -1
    end: int = -1
    text: int = -1
    speaker: int = -1


def table(text: str, duration_s: float) -> Parsed | None:
    """The rows of a table as spans; None where the text is not a table.

    Args:
        text: The whole text.
        duration_s: Length of the recording; nan where it is not known.
    """
    for delimiter in _DELIMITERS:
        read = _rows(text, delimiter)
        if read is None:
            continue
        before, rows = read
        named = _named_columns(rows[0])
        columns = named or (_guessed_columns(rows) if delimiter == "\t" else None)
        if columns is None:
            continue
        body = rows[1:] if named else rows
        spans = [Span(line) for line in before] + [_span(row, columns) for row in body]
        said = tuple(span for span in spans if span.text)
        return Parsed(said, "table", unit_known=columns.times >= 0, carries=True)
    return None


def _rows(text: str, delimiter: str) -> tuple[list[str], list[list[str]]] | None:
    """Lines before the table, and its rows with text; None where the text has no such table."""
    lines = [line for line in text.splitlines() if line.strip()]
    n_before = 0
    while n_before < len(lines) and delimiter not in lines[n_before]:
        n_before += 1
    if 2 * n_before >= len(lines):
        return None
    body = lines[n_before:]
    try:
        if delimiter == "\t":
            read = [line.split(delimiter) for line in body]
        else:
            read = list(csv.reader(body, delimiter=delimiter))
    except csv.Error:
        return None
    rows = [[cell.strip() for cell in row] for row in read]
    filled = [row for row in rows if any(row)]
    return (lines[:n_before], filled) if filled else None


def _named_columns(head: Sequence[str]) -> _Columns | None:
    """The columns that a row of heads names; None where it is none."""
    found: dict[str, int] = {}
    for k, cell in enumerate(head):
        name = cell.casefold().strip("\"' #").removesuffix(" (s)").removesuffix(" [s]")
        for what, heads in _HEADS.items():
            if name in heads:
                found.setdefault(what, k)
    if "text" not in found or len(found) < 2:
        return None
    return _Columns(**found)


def _guessed_columns(rows: Sequence[Sequence[str]]) -> _Columns | None:
    """The columns of a table without heads: times, numbers, names, and one of text."""
    width = len(rows[0])
    if width < 2 or any(len(row) != width for row in rows):
        return None
    kinds = [_kind([row[k] for row in rows]) for k in range(width)]
    numbers = [k for k, kind in enumerate(kinds) if kind == "number"]
    start, end = numbers if len(numbers) == 2 else (-1, -1)
    text = _place(kinds, "text")
    times = _place(kinds, "time")
    speaker = _place(kinds, "name")
    only_times = width == 2 and times >= 0  # a time before each text is not a table yet
    if kinds.count("text") != 1 or only_times or max(start, times, speaker) < 0:
        return None
    return _Columns(times, start, end, text, speaker)


def _place(kinds: Sequence[str], kind: str) -> int:
    """The first column of a kind; -1 where there is none."""
    return kinds.index(kind) if kind in kinds else -1


def _kind(cells: Sequence[str]) -> str:
    """What stands in a column, where all its cells agree."""
    if not any(cells):
        return "empty"
    if all(_is_number(cell) for cell in cells):
        return "number"
    if all(_is_time(cell) for cell in cells):
        return "time"
    cells = [cell.rstrip(": ") for cell in cells]
    names = [same_name(cell) for cell in cells]
    if all(map(is_name_alone, cells)) and (
        any(map(is_role, cells)) or len(set(names)) < len(names)
    ):
        return "name"
    return "text"


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(_number(cell))
    except ValueError:
        return False


def _number(cell: str) -> float:
    """A number with a point or, as spreadsheets of many countries write it, a comma."""
    found = _COMMA.fullmatch(cell)
    return float(f"{found[1]}.{found[2]}" if found else cell)


def _is_time(cell: str) -> bool:
    whole = at_start(cell)
    return bool(MARKED.fullmatch(cell)) or (whole is not None and not whole[1])


def _span(row: Sequence[str], columns: _Columns) -> Span:
    """One row; without text where it has none."""
    start_s = _time_s(_cell(row, columns.start))
    end_s = _time_s(_cell(row, columns.end))
    times = _cell(row, columns.times)
    marked = MARKED.fullmatch(times)
    free = at_start(times)
    if marked:
        stamp = stamp_of(marked, sure=True)
        start_s, end_s = stamp.start_s, stamp.end_s
    elif free is not None and not free[1]:
        start_s, end_s = free[0].start_s, free[0].end_s
    elif times:
        start_s = _time_s(times)
    speaker = _cell(row, columns.speaker).rstrip(":")
    return Span(_cell(row, columns.text), start_s, end_s, speaker=speaker)


def _cell(row: Sequence[str], k: int) -> str:
    """A cell; empty where the row has none there."""
    return row[k] if 0 <= k < len(row) else ""


def _time_s(cell: str) -> float:
    """Seconds of a number or of a time on a clock; nan where it is neither."""
    if _is_number(cell):
        return _number(cell)
    free = at_start(cell)
    return free[0].start_s if free is not None else math.nan

"""Tables of utterances: rows with columns for times, text and speaker, as NVivo, Whisper, Audacity
and spreadsheets write them.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from twomind.core.errors import BadInput, shortened
from twomind.transcripts.clock_marks import MARKED, at_start, stamp_of
from twomind.transcripts.labels import is_name_alone, same_name
from twomind.transcripts.roles import is_role
from twomind.transcripts.spans import Parsed, Span

#: Heads of columns → what stands in them.
_HEADS = {
    "times": ("timespan", "time", "timestamp", "timestamps", "timecode", "time span"),
    "start": ("start", "begin", "start time", "begin time", "in", "from", "onset", "tmin", "t0"),
    "end": ("end", "stop", "end time", "out", "to", "offset", "tmax", "t1"),
    "length": ("duration", "length", "dur"),
    "text": (
        *("content", "text", "transcript", "transcription", "utterance", "speech", "sentence"),
        *("words", "said", "word", "token", "segment text", "caption", "subtitle", "phrase"),
    ),
    "speaker": (
        *("speaker", "name", "speaker name", "participant", "who", "role", "person", "tier"),
        *("speaker label", "speaker id", "tier name"),
    ),
}
#: The unit that a head tells after the name of its column: ``start_ms``, ``Begin Time - msec``.
_IN_UNIT = re.compile(
    r"(.*?[^\W_])(?:[ _]*-[ ]*|[ _]+|[ ]*[(\[])(ms|msec|milliseconds|s|sec|secs|seconds|ss\.msec|"
    r"hh:mm:ss\.ms|hh:mm:ss)[)\]]?"
)
_MILLISECONDS = ("ms", "msec", "milliseconds")
_COMMA = re.compile(r"(-?\d+),(\d+)")
_DELIMITERS = ("\t", ";", ",")
_CALLED = {"\t": "tab", ";": "semicolon", ",": "comma"}
#: Fewer rows may be lines of text with as many commas.
_FEWEST_ROWS = 3


@dataclass(frozen=True)
class _Columns:
    """Where in a row what stands; -1 where it does not."""

    times: int = -1
    start: int = -1
    end: int = -1
    length: int = -1
    text: int = -1
    speaker: int = -1
    milliseconds: bool = False  # the heads say so of their times


def table(text: str, duration_s: float) -> Parsed | None:
    """The rows of a table as spans; None where the text is not a table.

    Args:
        text: The whole text.
        duration_s: Length of the recording; nan where it is not known.

    Raises:
        BadInput: A row has more cells than the heads, and it cannot be told what belongs together.
    """
    for delimiter in _DELIMITERS:
        read = _rows(text, delimiter)
        if read is None:
            continue
        before, rows = read
        named = _named_columns(rows[0])
        found = (named, _within(rows, named, delimiter)) if named else None
        if delimiter == "\t":
            found = found or _guessed(rows)
        if found is not None:
            return _parsed(before, *found)
    return None


def unnamed_table(text: str) -> Parsed | None:
    """The rows of a file that is called a table, whatever parts its columns, where no row names them;
    None where it is none.

    Raises:
        BadInput: it is one, and it cannot be told what stands in its columns: the signs and the
            numbers between them would be words.
    """
    for delimiter in _DELIMITERS:
        read = _rows(text, delimiter)
        if read is None or read[0]:
            continue
        rows = read[1]
        found = _guessed(rows)
        if found is not None:
            return _parsed([], *found)
        if len(rows) >= _FEWEST_ROWS and len({len(row) for row in rows}) == 1:
            raise BadInput(
                "expected a table with a column of text and one of times or speakers, named in its "
                f"first row (start, end, speaker, text), got the first row {shortened(rows[0])}"
            )
    return None


def _within(rows: Sequence[list[str]], columns: _Columns, delimiter: str) -> list[list[str]]:
    """The rows below the heads, none with more cells: what a text in the last column says behind a
    comma is its own, also without quotes.

    Raises:
        BadInput: the text is not last, or it would begin with a number, as behind a decimal comma.
    """
    heads = [k for k, head in enumerate(rows[0]) if head]
    n_columns = heads[-1] + 1
    found = []
    for row in rows[1:]:
        if any(row[n_columns:]):
            last = row[n_columns - 1 :]
            if columns.text != n_columns - 1 or _is_number(last[0]):
                sign = _CALLED[delimiter]
                raise BadInput(
                    f"a row has {len(row)} cells, and the first row names {n_columns}: "
                    f"{shortened(delimiter.join(row))}. Put a text that holds a {sign} in quotes, and "
                    "write numbers with a point (0.5)"
                )
            row = [*row[: n_columns - 1], f"{delimiter} ".join(last).strip(f"{delimiter} ")]
        found.append(row)
    return found


def _guessed(rows: list[list[str]]) -> tuple[_Columns, list[list[str]]] | None:
    """The columns of a table whose heads are not known, and its rows without the heads; None where
    they cannot be told.
    """
    for body in (rows, rows[1:]):
        columns = _guessed_columns(body) if body else None
        if columns is not None:
            return columns, body
    return None


def _parsed(before: Sequence[str], columns: _Columns, rows: Sequence[Sequence[str]]) -> Parsed:
    """Lines above a table, and its rows, as spans."""
    spans = [Span(line) for line in before] + [_span(row, columns) for row in rows]
    said = tuple(span for span in spans if span.text)
    unit_known = columns.times >= 0 or columns.milliseconds
    return Parsed(said, "table", unit_known=unit_known, carries=True)


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
    units: set[str] = set()
    for k, cell in enumerate(head):
        name, unit = _name_and_unit(cell)
        for what, heads in _HEADS.items():
            if name in heads and what not in found:
                found[what] = k
                units.add(unit)
    if "text" not in found or len(found) < 2:
        return None
    return _Columns(**found, milliseconds=any(unit in _MILLISECONDS for unit in units))


def _name_and_unit(cell: str) -> tuple[str, str]:
    """What a head calls its column, and the unit that it tells; empty where it tells none."""
    plain = cell.casefold().strip("\"' #\ufeff")
    told = _IN_UNIT.fullmatch(plain)
    name, unit = (told[1], told[2]) if told else (plain, "")
    return " ".join(name.replace("_", " ").split()), unit


def _guessed_columns(rows: Sequence[Sequence[str]]) -> _Columns | None:
    """The columns of a table without heads: times, numbers, names, and one of text."""
    width = len(rows[0])
    if width < 2 or any(len(row) != width for row in rows):
        return None
    kinds = [_kind([row[k] for row in rows]) for k in range(width)]
    if kinds.count("text") != 1:
        return None
    start, end = _two_times(kinds)
    times = _place(kinds, "time") if start < 0 else -1
    speaker = _place(kinds, "name")
    only_times = width == 2 and times >= 0  # a time before each text is not a table yet
    if only_times or max(start, times, speaker) < 0:
        return None
    return _Columns(times, start, end, text=_place(kinds, "text"), speaker=speaker)


def _two_times(kinds: Sequence[str]) -> tuple[int, int]:
    """The two columns of numbers, or else of times, which are starts and ends; -1 where there are no
    two.
    """
    for kind in ("number", "time"):
        found = [k for k, other in enumerate(kinds) if other == kind]
        if len(found) == 2:
            return found[0], found[1]
    return -1, -1


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
    per_s = 1000 if columns.milliseconds else 1
    start_s = _time_s(_cell(row, columns.start), per_s)
    end_s = _time_s(_cell(row, columns.end), per_s)
    times = _cell(row, columns.times)
    marked = MARKED.fullmatch(times)
    free = at_start(times)
    if marked:
        stamp = stamp_of(marked, sure=True)
        start_s, end_s = stamp.start_s, stamp.end_s
    elif free is not None and not free[1]:
        start_s, end_s = free[0].start_s, free[0].end_s
    elif times:
        start_s = _time_s(times, per_s)
    if math.isnan(end_s):
        end_s = start_s + _time_s(_cell(row, columns.length), per_s)
    speaker = _cell(row, columns.speaker).rstrip(":")
    return Span(_cell(row, columns.text), start_s, end_s, speaker=speaker)


def _cell(row: Sequence[str], k: int) -> str:
    """A cell; empty where the row has none there."""
    return row[k] if 0 <= k < len(row) else ""


def _time_s(cell: str, per_s: int) -> float:
    """Seconds of a number, of which so many are a second, or of a time on a clock; nan where it is
    neither.
    """
    if _is_number(cell):
        return _number(cell) / per_s
    free = at_start(cell)
    return free[0].start_s if free is not None else math.nan

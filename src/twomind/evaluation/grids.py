"""Praat's TextGrids, long and short: tiers of intervals with their texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from twomind.core.errors import BadInput

#: A number, or a text in quotes (a quote within it is doubled), or a flag; the labels of the long
#: form (``xmin =``, ``intervals [3]:``) are none of these.
_VALUE = re.compile(r'"(?:[^"]|"")*"|<\w+>|(?<![\w\[])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w\]])')


@dataclass(frozen=True)
class Interval:
    """A stretch of a tier in seconds, with its text; empty where nothing is said."""

    start_s: float
    end_s: float
    text: str


def read_grid(path: Path) -> dict[str, list[Interval]]:
    """Interval tiers by name; tiers of points are left out.

    Raises:
        BadInput: not a TextGrid.
    """
    raw = path.read_bytes()
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        values = _VALUE.findall(raw.decode(encoding))
        return _tiers(values)
    except (UnicodeDecodeError, ValueError, IndexError, StopIteration) as error:
        raise BadInput(f"{path}: expected a TextGrid of Praat: {error}") from error


def _tiers(values: list[str]) -> dict[str, list[Interval]]:
    """Tiers from the values of the file, in order: kind, name, begin, end, size, items."""
    if len(values) < 6 or values[1] != '"TextGrid"':
        raise ValueError("it does not start as one")
    at = 6  # file type, class, begin, end, <exists>, number of tiers
    tiers: dict[str, list[Interval]] = {}
    for _ in range(int(values[5])):
        kind, name = values[at], _text(values[at + 1])
        size = int(values[at + 4])
        at += 5
        width = 3 if kind == '"IntervalTier"' else 2
        if width == 3:
            tiers[name] = [_interval(values[at + 3 * k : at + 3 * k + 3]) for k in range(size)]
        at += width * size
    return tiers


def _interval(values: list[str]) -> Interval:
    start_s, end_s, text = values
    return Interval(float(start_s), float(end_s), _text(text))


def _text(quoted: str) -> str:
    return quoted[1:-1].replace('""', '"').strip()

"""What the face columns are: name, unit, formula and limits of every measure, and why some action
units are not here; read from ``measures.toml`` beside this file.

The order of ``MEASURES`` is the order of the columns of the face track.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measure:
    """One column. ``kind`` is ``action unit``, ``head``, ``gaze``, ``eyes``, ``mouth`` or
    ``quality``.
    """

    name: str
    unit: str
    kind: str
    meaning: str
    formula: str
    limits: str


@cache
def _file() -> dict[str, dict[str, Any]]:
    text = Path(__file__).with_name("measures.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


MEASURES = tuple(Measure(name, **entry) for name, entry in _file()["measures"].items())
NAMES = tuple(m.name for m in MEASURES)
UNITS = tuple(m.unit for m in MEASURES)

#: Columns that have no neutral: they stay raw in the relative track.
ABSOLUTE = (*(m.name for m in MEASURES if m.kind == "quality"), "blink", "mouth_motion")

#: Action units that landmarks cannot carry, and why.
UNSUPPORTED: dict[str, str] = _file()["unsupported"]

"""What the columns of the body track are: name, unit, formula and limits, read from
``measures.toml`` beside this file; then the points that they were made of.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class BodyMeasure:
    """A column of the body's track: name, unit, formula and limits, for the manual."""

    name: str
    unit: str
    meaning: str
    formula: str
    limits: str


@cache
def _file() -> dict[str, dict[str, Any]]:
    text = Path(__file__).with_name("measures.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


MEASURES = tuple(BodyMeasure(name, **entry) for name, entry in _file()["measures"].items())
#: Points that stand in the track as ``NAME_x`` and ``NAME_y``.
POINTS: tuple[str, ...] = tuple(_file()["points"]["names"])
_POINT_COLUMNS = tuple(f"{name}_{axis}" for name in POINTS for axis in "xy")
NAMES = (*(measure.name for measure in MEASURES), *_POINT_COLUMNS)
UNITS = (*(measure.unit for measure in MEASURES), *("share" for _ in _POINT_COLUMNS))

#: Columns that shoulders are needed for.
OF_SHOULDERS = (
    "left_shoulder_raise",
    "right_shoulder_raise",
    "shoulder_x",
    "shoulder_y",
    "shoulder_width",
    "body_motion",
)
#: Why a row, or a group of its columns, is not measured.
NO_BODY = "no body"
OUTSIDE = "shoulders are outside the picture"

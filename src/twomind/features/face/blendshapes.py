"""The 52 blendshapes of the back end ``landmarker``, which action units they stand for, and which
measure of each action unit is taken: ``blendshapes.toml`` beside this file says both.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from twomind.types import Track


@cache
def _file() -> dict[str, Any]:
    text = Path(__file__).with_name("blendshapes.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


#: In the order of the network.
BLENDSHAPES: tuple[str, ...] = tuple(_file()["names"])
N_BLENDSHAPES = len(BLENDSHAPES)
#: Action unit → the blendshapes whose mean stands for it.
OF_UNITS: dict[str, list[str]] = _file()["units"]
#: Action unit → ``blendshape`` or ``geometry``: the measure that is taken where both are there.
PREFERRED_SOURCE: dict[str, str] = _file()["taken"]

_PLACE = {name: k for k, name in enumerate(BLENDSHAPES)}
_UNIT_COLUMNS = tuple(f"{unit}_blendshape" for unit in OF_UNITS)
_SHAPE_COLUMNS = tuple(f"blendshape_{name}" for name in BLENDSHAPES)
#: Columns that the landmarker has beside those of every back end; all are shares, 0 to 1.
COLUMNS = (*_UNIT_COLUMNS, *_SHAPE_COLUMNS)


def columns_of(shapes: np.ndarray) -> np.ndarray:
    """The columns of :data:`COLUMNS` for rows of blendshapes.

    Args:
        shapes: blendshapes ``(n, 52)``, 0 to 1; nan where a face has none.

    Returns:
        ``(n, len(COLUMNS))``.
    """
    units = []
    for members in OF_UNITS.values():
        places = [_PLACE[name] for name in members]
        units.append(shapes[:, places].mean(axis=1))
    return np.column_stack([*units, shapes])


def taken_columns(names: tuple[str, ...]) -> dict[str, str]:
    """The column that is taken for each action unit, among the columns of a face track.

    An action unit is taken from its blendshape where :data:`PREFERRED_SOURCE` says so and the track has it,
    else from the geometry.
    """
    found = {}
    for name in names:
        is_unit = name.startswith("AU") and "_" not in name
        if not is_unit:
            continue
        other = f"{name}_blendshape"
        by_shape = PREFERRED_SOURCE.get(name) == "blendshape" and other in names
        found[name] = other if by_shape else name
    return found


def taken(track: Track, unit: str) -> np.ndarray:
    """The values ``(T,)`` of an action unit by the measure that is taken; nan where the track does
    not have it.
    """
    column = taken_columns(track.names).get(unit)
    if column is None:
        return np.full(len(track), np.nan)
    return track.column(column)

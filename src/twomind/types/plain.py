"""Names for what has no narrower type: arrays of any numbers, and what JSON can hold.

Only these may stand for ``Any`` in :mod:`twomind.types` and :mod:`twomind.core`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from os import PathLike, fspath
from typing import Any, TypeAlias

import numpy as np

#: An array of any shape and any numbers; shapes and units stand in the docstrings.
Array: TypeAlias = "np.ndarray[tuple[Any, ...], np.dtype[Any]]"  # type: ignore[explicit-any]
#: What was read from JSON, YAML or TOML, or made by another library.
Foreign: TypeAlias = Any  # type: ignore[explicit-any]
#: An object of JSON: text, numbers, lists and objects by name.
Plain: TypeAlias = dict[str, Foreign]


class ToDict:
    """Gives a dataclass ``to_dict``: itself as values that JSON can hold."""

    def to_dict(self) -> Plain:
        """All fields by name, as texts, numbers, lists and dictionaries; ready for ``json.dumps``.

        A number that is not known (nan) is None, an array is a list, a path is a text.
        """
        found = to_plain(self)
        assert isinstance(found, dict)
        return found


def to_plain(value: object) -> Foreign:
    """A value as JSON can hold it: dataclasses by their fields, arrays as lists, nan as None.

    >>> to_plain({"p": np.array([0.25, np.nan])})
    {'p': [0.25, None]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, Set):
        return sorted(map(to_plain, value))
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, PathLike):
        return fspath(value)
    return value

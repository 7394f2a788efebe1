"""When two values are the same although a number in them is not known."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def same_values(self: DataclassInstance, other: object) -> bool:
    """The ``__eq__`` of a dataclass whose numbers may be nan: both unknown is the same.

    From Python 3.13 on, a dataclass compares field by field, and nan is not equal to itself.
    """
    if type(self) is not type(other):
        return False
    names = [field.name for field in fields(self) if field.compare]
    own = tuple(getattr(self, name) for name in names)
    theirs = tuple(getattr(other, name) for name in names)
    return own == theirs

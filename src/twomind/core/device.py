"""Where networks compute, and with how many bits: one place decides for all of them.

A verb's device and precision stand here for the time that it runs (in the environment, so
that worker processes know them too). Code that moves a network asks :func:`chosen`; nobody else
looks for a GPU. Precision is a property of numbers: it is written into models and runs
(:func:`label`), and rows of two precisions never stand in one line of a table.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from twomind.core.errors import BadInput, MissingExtra

if TYPE_CHECKING:
    import torch

AUTO = "auto"
#: Says the device, or the precision, where a caller leaves it open.
DEVICE_VARIABLE = "TWOMIND_DEVICE"
PRECISION_VARIABLE = "TWOMIND_PRECISION"
PRECISIONS = (AUTO, "float32", "bfloat16")
_NAMES = re.compile(r"auto|cpu|cuda(:\d+)?")


def checked(asked: str) -> str:
    """The name of a device, if it is one.

    Raises:
        BadInput: it is not.
    """
    if not _NAMES.fullmatch(asked):
        raise BadInput(f"device: expected auto, cpu, cuda or cuda:N, got {asked!r}")
    return asked


def name_of(asked: str | None = None) -> str:
    """The device that is meant, as ``cpu``, ``cuda`` or ``cuda:1``.

    Args:
        asked: ``auto`` takes a GPU where there is one; None reads ``$TWOMIND_DEVICE``, else
            ``auto``.

    Raises:
        BadInput: no such device, or none of this number here.
        MissingExtra: a GPU was asked for, and torch is not installed.
    """
    wanted = checked(asked or os.environ.get(DEVICE_VARIABLE) or AUTO)
    if wanted == "cpu":
        return wanted
    try:
        import torch
    except ImportError as error:
        if wanted == AUTO:
            return "cpu"
        raise MissingExtra("torch", f"the device {wanted}") from error
    there = torch.cuda.is_available()
    if wanted == AUTO:
        return "cuda" if there else "cpu"
    if not there:
        raise BadInput(
            f"device {wanted}: torch sees no GPU here; ask for the device cpu, or install a "
            "torch built for your GPU"
        )
    _, _, number = wanted.partition(":")
    n_there = torch.cuda.device_count()
    if number and int(number) >= n_there:
        raise BadInput(
            f"device {wanted}: expected a number below {n_there}, as torch sees {n_there}"
        )
    return wanted


def chosen(asked: str | None = None) -> torch.device:
    """As :func:`name_of`, as torch's own value."""
    import torch

    return torch.device(name_of(asked))


def used() -> str:
    """The device of whatever has run in this process; ``cpu`` where no network has."""
    return name_of() if "torch" in sys.modules else "cpu"


def precision(asked: str | None = None) -> str:
    """The precision that is meant: ``auto``, ``float32`` or ``bfloat16``.

    Args:
        asked: None reads ``$TWOMIND_PRECISION``, else ``auto``.

    Raises:
        BadInput: no such precision.
    """
    wanted = asked or os.environ.get(PRECISION_VARIABLE) or AUTO
    if wanted not in PRECISIONS:
        raise BadInput(f"precision: expected one of {', '.join(PRECISIONS)}, got {wanted!r}")
    return wanted


def label(runtime: str) -> str:
    """The precision of an encoder's numbers, by the runtime that made them."""
    return "bfloat16" if "bfloat16" in runtime else "float32"


@contextmanager
def standing(device: str | None = None, bits: str | None = None) -> Iterator[None]:
    """Device and precision for as long as the block runs, here and in processes started by it.

    Args:
        device: as :func:`name_of` takes it; None leaves it as it is.
        bits: as :func:`precision` takes it; None leaves it as it is.

    Raises:
        BadInput: one of them is not there.
    """
    meant = {}
    if device is not None:
        meant[DEVICE_VARIABLE] = name_of(device)
    if bits is not None:
        meant[PRECISION_VARIABLE] = precision(bits)
    before = {name: os.environ.get(name) for name in meant}
    os.environ.update(meant)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


__all__ = [
    "AUTO",
    "PRECISIONS",
    "checked",
    "chosen",
    "label",
    "name_of",
    "precision",
    "standing",
    "used",
]

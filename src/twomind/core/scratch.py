"""Unnamed files for what is too much for arrays: on the disk, or in memory where nothing of a person
may lie on a disk unencrypted.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from twomind.core.errors import BadInput


@dataclass
class _Switch:
    """Of the whole process: a thread that somebody else starts must not fall back to the disk."""

    in_memory: bool = False


_SWITCH = _Switch()


def can_be_in_memory() -> bool:
    """Whether this system has files that lie in memory alone (Linux)."""
    return hasattr(os, "memfd_create")


@contextmanager
def in_memory() -> Iterator[None]:
    """Within the block, files of :func:`scratch_file` lie in memory, in every thread.

    Raises:
        BadInput: This system has no such files.
    """
    _refuse_without_memory()
    before = _SWITCH.in_memory
    _SWITCH.in_memory = True
    try:
        yield
    finally:
        _SWITCH.in_memory = before


def scratch_file(prefix: str) -> IO[bytes]:
    """A new file without a name, which is gone when it is closed, however the process ends.

    Args:
        prefix: What it holds, for whoever lists open files.
    """
    return memory_file(prefix) if _SWITCH.in_memory else tempfile.TemporaryFile(prefix=prefix)


def memory_file(name: str) -> IO[bytes]:
    """A new file in memory alone.

    Raises:
        BadInput: This system has no such files.
    """
    _refuse_without_memory()
    return open(os.memfd_create(name, os.MFD_CLOEXEC), "w+b")


def path_of(file: IO[bytes]) -> Path:
    """A path under which this process opens a file of :func:`memory_file` again."""
    return Path(f"/proc/self/fd/{file.fileno()}")


def _refuse_without_memory() -> None:
    if not can_be_in_memory():
        raise BadInput("this system has no files in memory (memfd_create, Linux has it)")

"""Bytes on the disk: what was written stays, also when the power fails a moment later.

A file is written under another name, flushed, renamed, and then its folder is flushed; without the
last step the name may be gone after a crash.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

PART = ".part"


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a private folder and those above it, and flush each new name."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    sync_folder(folder.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a private file so that it is there whole, or not at all.

    When this returns, bytes and name are on the disk.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PART}")
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Delete a file, if it is there, and flush its folder."""
    if path.exists():
        path.unlink()
        sync_folder(path.parent)

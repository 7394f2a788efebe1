"""Backup, restore and another main key."""

from __future__ import annotations

import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from sqlalchemy import select

from twomind.core.errors import BadInput
from twomind.core.files import alone_in, replacing
from twomind.server import codebook, durable, withdrawal
from twomind.server.database import SQLITE
from twomind.server.keys import Keys
from twomind.server.making import refuse_keys_inside
from twomind.server.place import BACKUP, DATA, open_place
from twomind.server.study import FILE, load_study
from twomind.server.tables import Person

_DATABASE = f"{DATA}/{SQLITE}"
#: Nothing else is taken from a backup: no path that leads elsewhere, no link, no device.
_RESTORED_FILES = (FILE, codebook.FILE, DATA)
_SHEETS = "data-flow*.md"


@dataclass(frozen=True)
class Kept:
    """How many files a backup holds, and their size in bytes."""

    files: int
    size: int


def rotate_key(folder: Path, say: Callable[[str], None]) -> int:
    """Wrap every participant's key with a new main key.

    Args:
        folder: The study's folder. While a server runs in it, the rotation waits.
        say: Takes the sentence about waiting.

    Returns:
        How many.
    """
    study = load_study(folder)
    with alone_in(folder / DATA, say):
        return Keys.at(Path(study.server.keys)).rotate()


def backup(folder: Path, file: Path) -> Kept:
    """Everything of a study in one tar file, but the keys: without them it says nothing.

    The database is copied as it is at one moment. Chunks are never changed, so those that its
    manifest names are whole, also while the server runs. With PostgreSQL, take its own dump besides.

    Raises:
        BadInput: There is no study, or the file exists.
    """
    study = load_study(folder)
    if file.exists():
        raise BadInput(f"{file}: it exists already; give another name")
    refuse_keys_inside(folder, Path(study.server.keys))
    with tempfile.TemporaryDirectory(dir=folder / DATA, prefix=BACKUP) as near:
        copy = Path(near) / SQLITE
        if (folder / _DATABASE).exists():
            _copy_database(folder / _DATABASE, copy)
        # The database first: what came since then is surplus, never missing.
        return _write(folder, copy, file, Path(near))


def _copy_database(source: Path, copy: Path) -> None:
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(copy)) as there:
        here.backup(there)


def _write(folder: Path, copy: Path, file: Path, near: Path) -> Kept:
    files = size = 0
    with replacing(file) as temporary, tarfile.open(temporary, "w") as archive:
        temporary.chmod(0o600)
        for path, name in _contents(folder, copy, near):
            try:
                archive.add(path, name, recursive=False)
            except FileNotFoundError:
                continue  # erased meanwhile
            files += 1
            size += path.stat().st_size if path.exists() else 0
    return Kept(files, size)


def _contents(folder: Path, copy: Path, near: Path) -> Iterator[tuple[Path, str]]:
    for name in (FILE, codebook.FILE):
        if (folder / name).exists():
            yield folder / name, name
    for path in sorted(folder.glob(_SHEETS)):
        yield path, path.name
    if copy.exists():
        yield copy, _DATABASE
    for path in sorted((folder / DATA).rglob("*")):
        ours = path.is_relative_to(near) or path.parent == folder / DATA
        if path.is_file() and not ours and not path.name.endswith(durable.PART):
            yield path, path.relative_to(folder).as_posix()


def restore(file: Path, folder: Path) -> Kept:
    """Make a new folder from a backup. The keys stay where they are.

    Whoever has no key any more withdrew after the backup was made: they are erased again.

    Raises:
        BadInput: The folder exists, or the file is no backup of a study.
    """
    if folder.exists():
        raise BadInput(f"{folder}: it exists already; give a new folder")
    try:
        with tarfile.open(file) as archive:
            members = [one for one in archive.getmembers() if _may_be_taken(one)]
            if FILE not in [one.name for one in members]:
                raise BadInput(f"{file}: it is no backup of a study: there is no {FILE} in it")
            durable.make_folder(folder)
            archive.extractall(folder, members=members, filter="data")
    except tarfile.TarError as error:
        raise BadInput(f"{file}: it cannot be read as a backup ({error})") from error
    _erase_again(folder)
    return Kept(len(members), sum(one.size for one in members))


def _may_be_taken(member: tarfile.TarInfo) -> bool:
    first = member.name.partition("/")[0]
    is_sheet = first == member.name and fnmatch(first, _SHEETS)
    return member.isfile() and (first in _RESTORED_FILES or is_sheet)


def _erase_again(folder: Path) -> None:
    place = open_place(folder)
    with place.database.reading() as reading:
        people = list(reading.scalars(select(Person.id)))
    for person in people:
        if not place.keys.has(person):
            withdrawal.erase(place, person)
    # A database of its own already knows nothing of them, and their files came back.
    withdrawal.forget_strays(place)

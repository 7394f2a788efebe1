"""Everything that one running study consists of. Nothing is global: two studies may run in one
process.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twomind.core import names
from twomind.server.codebook import Codebook, load_codebook
from twomind.server.database import Database
from twomind.server.keys import Keys
from twomind.server.making import refuse_keys_inside
from twomind.server.sealed import seal, unseal
from twomind.server.study import Study, load_study

DATA = "data"
#: How names of folders begin in which a backup is prepared.
BACKUP = "backup-"
_PEOPLE = "people"
_LOCKS = 64


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """A time as the protocol writes it.

    >>> from datetime import datetime, UTC
    >>> stamp(datetime(2026, 11, 29, 4, 30, tzinfo=UTC))
    '2026-11-29T04:30:00.000Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Place:
    """One study: its file, folder, database and keys.

    Args:
        study: What ``study.toml`` says.
        folder: The study's folder.
        database: Open.
        keys: Of participants; outside the folder.
        codebook: What coders mark.
        now: The clock; tests give their own.
    """

    study: Study
    folder: Path
    database: Database
    keys: Keys
    codebook: Codebook
    now: Callable[[], datetime] = now
    _locks: list[threading.RLock] = field(
        default_factory=lambda: [threading.RLock() for _ in range(_LOCKS)]
    )

    @property
    def people(self) -> Path:
        """Folder of sealed recordings, one folder for each person."""
        return self.folder / DATA / _PEOPLE

    def folder_of(self, person: str, *more: str) -> Path:
        """A person's folder, or one below it."""
        return names.inside(self.people, person, *more)

    @contextmanager
    def alone_with(self, person: str) -> Iterator[None]:
        """One request at a time changes what is a person's: nothing is written after an erasure."""
        with self._locks[hash(person) % _LOCKS]:
            yield

    def sealed(self, person: str, value: Mapping[str, Any], label: str) -> bytes:
        """A value under a person's key."""
        # Plain ASCII: also halves of characters, which JSON may hold, are kept as they came.
        return seal(self.keys.of(person), json.dumps(value).encode("ascii"), label)

    def opened(self, person: str, blob: bytes | None, label: str) -> dict[str, Any]:
        """What :meth:`sealed` sealed; nothing for nothing."""
        if blob is None:
            return {}
        found: dict[str, Any] = json.loads(unseal(self.keys.of(person), blob, label))
        return found


def open_place(folder: Path, clock: Callable[[], datetime] = now) -> Place:
    """Open a study's folder.

    Raises:
        BadInput: ``study.toml``, ``codebook.toml``, the database or the folder of keys cannot be used.
    """
    study = load_study(folder)
    keys = Path(study.server.keys)
    refuse_keys_inside(folder, keys)
    codebook = load_codebook(folder)
    database = Database.at(study.server.database, folder / DATA)
    return Place(study, folder, database, Keys.at(keys), codebook, clock)

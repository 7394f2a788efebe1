"""Keys outside the study's folder: one for each participant, wrapped with a main key, and the secret
that signs links.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from twomind.core import names
from twomind.core.errors import BadInput
from twomind.server import durable
from twomind.server.sealed import KEY_BYTES, seal, unseal

_MAIN = "main.key"
_NEXT = "next.key"
_SECRET = "signing.key"
_PEOPLE = "people"
_ENDING = ".key"


class NoKey(BadInput):
    """There is no key for this person: erased, or the folder of keys is not that of this study."""


@dataclass(frozen=True)
class Keys:
    """The keys of a study's participants, in a folder outside the study's own."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> Keys:
        """Open the folder, and make what is missing in a new one.

        Raises:
            BadInput: Others than its owner may look into it.
        """
        place = folder.expanduser()
        durable.make_folder(place / _PEOPLE)
        if place.stat().st_mode & 0o077:
            raise BadInput(f"{place}: others may read this folder of keys; chmod 700 {place}")
        keys = cls(place)
        for name in (_MAIN, _SECRET):
            if not (place / name).exists():
                durable.write_bytes(place / name, os.urandom(KEY_BYTES))
        if (place / _NEXT).exists():
            keys._finish_rotation()
        return keys

    def secret(self) -> bytes:
        """The secret that signs links and sessions."""
        return (self.folder / _SECRET).read_bytes()

    def make(self, person: str) -> None:
        """A new key for a person."""
        durable.write_bytes(self._path(person), self._wrapped(person, os.urandom(KEY_BYTES)))

    def of(self, person: str) -> bytes:
        """A person's key.

        Raises:
            NoKey: There is none.
        """
        try:
            wrapped = self._path(person).read_bytes()
        except FileNotFoundError as error:
            raise NoKey(f"no key for participant {person}: what was theirs is erased") from error
        return unseal(self._main(), wrapped, person)

    def has(self, person: str) -> bool:
        """Whether there is a key for this person."""
        return self._path(person).exists()

    def destroy(self, person: str) -> None:
        """Overwrite and delete a person's key; when this returns, it is gone from the disk."""
        path = self._path(person)
        if not path.exists():
            return
        with open(path, "rb+") as file:
            size = path.stat().st_size
            file.write(os.urandom(size))
            file.flush()
            os.fsync(file.fileno())
        durable.remove(path)

    def rotate(self) -> int:
        """Wrap every key with a new main key; the old one is gone afterwards.

        A rotation that was interrupted is finished when the folder is opened again.

        Returns:
            How many people's keys were wrapped again.
        """
        durable.write_bytes(self.folder / _NEXT, os.urandom(KEY_BYTES))
        return self._finish_rotation()

    def _finish_rotation(self) -> int:
        old = self._main()
        new = (self.folder / _NEXT).read_bytes()
        paths = sorted((self.folder / _PEOPLE).glob(f"*{_ENDING}"))
        for path in paths:
            person = path.name.removesuffix(_ENDING)
            wrapped = path.read_bytes()
            try:
                key = unseal(old, wrapped, person)
            except BadInput:
                # Wrapped anew before the interruption; another failure is one of this line.
                key = unseal(new, wrapped, person)
            durable.write_bytes(path, seal(new, key, person))
        os.replace(self.folder / _NEXT, self.folder / _MAIN)
        durable.sync_folder(self.folder)
        return len(paths)

    def _main(self) -> bytes:
        return (self.folder / _MAIN).read_bytes()

    def _wrapped(self, person: str, key: bytes) -> bytes:
        return seal(self._main(), key, person)

    def _path(self, person: str) -> Path:
        return names.inside(self.folder, _PEOPLE, f"{person}{_ENDING}")

"""The key of a laboratory, under which names of people and recordings become pseudonyms that nobody
outside can undo, not even by trying all names.

A plain hash of a name is not a secret: there are few names, and trying them takes seconds. HMAC-SHA-256
under a random key of 32 bytes is, as long as the key stays. The key is a file that only its owner
can read, made on first use. With the same key, the same person has the same pseudonym everywhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from twomind.core.errors import BadInput

_BYTES = 32
#: Letters of a pseudonym. It has no digit, so that no name made of digits can stand in it.
_LETTERS = "abcdefghijklmnop"
_LENGTH = 24
VARIABLE = "TWOMIND_LAB_KEY"


@dataclass(frozen=True)
class LabKey:
    """The key. It is not shown."""

    secret: bytes = field(repr=False)
    path: Path

    def name(self, kind: str, text: str) -> str:
        """The pseudonym of a name.

        Args:
            kind: of what, for example ``person``: one name of two kinds has two pseudonyms.
            text: the name.

        Returns:
            24 letters.
        """
        digest = self._digest(f"name\0{kind}\0{text}")
        return "".join(_LETTERS[number] for number in _halves(digest))[:_LENGTH]

    @property
    def laboratory(self) -> str:
        """A pseudonym of the laboratory: the same for everything under this key."""
        return self.name("laboratory", "")[:8]

    def seal(self, content: bytes) -> str:
        """What only this key makes of a content, in hex."""
        return self._digest("seal\0" + hashlib.sha256(content).hexdigest()).hex()

    def _digest(self, text: str) -> bytes:
        return hmac.new(self.secret, text.encode("utf-8", "surrogateescape"), "sha256").digest()


def _halves(digest: bytes) -> list[int]:
    """The half bytes of a digest."""
    found = []
    for byte in digest:
        found += [byte >> 4, byte & 15]
    return found


def default_path() -> Path:
    """``$TWOMIND_LAB_KEY``, else a file in the user's data folder."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("twomind", appauthor=False) / "laboratory.key"


def lab_key(path: Path | None = None) -> LabKey:
    """The laboratory's key; made where there is none yet.

    Args:
        path: its file; None: :func:`default_path`.

    Raises:
        BadInput: the file holds no key, or others than its owner may read it.
        OSError: it cannot be made or read.
    """
    path = path or default_path()
    if not path.exists():
        _make(path)
    return read_key(path)


def read_key(path: Path) -> LabKey:
    """Read the laboratory's key from its file.

    Raises:
        BadInput: the file holds no key, or others than its owner may read it.
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise BadInput(f"{path}: expected the file of a laboratory's key")
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise BadInput(
            f"{path}: others than its owner may read the laboratory's key (mode {mode:o}); run "
            f"chmod 600 {path}"
        )
    text = path.read_bytes().strip()
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError as error:
        raise BadInput(f"{path}: expected a laboratory's key, 64 hex digits") from error
    if len(secret) != _BYTES:
        raise BadInput(f"{path}: expected a laboratory's key, 64 hex digits, got {len(text)}")
    return LabKey(secret, path)


def _make(path: Path) -> None:
    """Write a new key. Of two who do so at once, one makes it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(secrets.token_hex(_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


__all__ = ["LabKey", "default_path", "lab_key", "read_key"]

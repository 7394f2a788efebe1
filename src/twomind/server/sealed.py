"""Encrypted bytes that can be read from any place without decrypting what stands before.

A sealed piece is a head (magic, size of the content, 16 random bytes) and blocks of 64 KiB, each under
AES-256-GCM. The key of a piece is derived from the participant's key and the random bytes, so a nonce,
the block's number, is never used twice under a key. The head and what the piece is are bound into
every block: blocks cannot be exchanged, cut off or moved to another piece.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from twomind.core.errors import BadInput

_MAGIC = b"TMS1"
_HEAD = struct.Struct("<4sQ16s")
BLOCK = 1 << 16
_TAG = 16
KEY_BYTES = 32


class Unreadable(BadInput):
    """Bytes that this key does not open: another key, or they were changed."""


@dataclass(frozen=True)
class _Cipher:
    """The blocks of one piece."""

    cipher: AESGCM
    head: bytes
    label: bytes

    @classmethod
    def of(cls, key: bytes, head: bytes, label: str) -> _Cipher:
        salt = head[-16:]
        derived = HKDF(SHA256(), KEY_BYTES, salt, b"twomind sealed piece").derive(key)
        return cls(AESGCM(derived), head, label.encode())

    def bound(self) -> bytes:
        return self.head + self.label

    def seal(self, number: int, block: bytes) -> bytes:
        return self.cipher.encrypt(number.to_bytes(12, "big"), block, self.bound())

    def open(self, number: int, block: bytes) -> bytes:
        try:
            return self.cipher.decrypt(number.to_bytes(12, "big"), block, self.bound())
        except InvalidTag as error:
            raise Unreadable("encrypted bytes do not open: another key, or changed") from error


def seal(key: bytes, content: bytes, label: str) -> bytes:
    """Encrypt a piece.

    Args:
        key: 32 bytes, a participant's.
        content: What to encrypt.
        label: What it is; the same is needed to open it.
    """
    head = _HEAD.pack(_MAGIC, len(content), os.urandom(16))
    cipher = _Cipher.of(key, head, label)
    sealed = [head]
    for number, start in enumerate(range(0, len(content), BLOCK)):
        sealed.append(cipher.seal(number, content[start : start + BLOCK]))
    if not content:
        # An empty piece has one empty block, so that it is proved as well.
        sealed.append(cipher.seal(0, b""))
    return b"".join(sealed)


def unseal(key: bytes, sealed: bytes, label: str) -> bytes:
    """The content of a piece.

    Raises:
        Unreadable: Another key or label, or changed bytes.
    """
    piece = Piece(io.BytesIO(sealed), key, label)
    return piece.read(0, piece.size)


def sealed_size(file: BinaryIO) -> int:
    """How long the content of a sealed piece is.

    Raises:
        Unreadable: It is no sealed piece.
    """
    head = file.read(_HEAD.size)
    if len(head) != _HEAD.size or not head.startswith(_MAGIC):
        raise Unreadable("these bytes are no encrypted piece of a study")
    size: int = _HEAD.unpack(head)[1]
    return size


class Piece:
    """A sealed piece in an open file.

    Args:
        file: Open for reading bytes; it is not closed.
        key: The participant's key.
        label: What the piece is.

    Raises:
        Unreadable: It is no sealed piece.
    """

    def __init__(self, file: BinaryIO, key: bytes, label: str) -> None:
        head = file.read(_HEAD.size)
        if len(head) != _HEAD.size or not head.startswith(_MAGIC):
            raise Unreadable("these bytes are no encrypted piece of a study")
        self.size: int = _HEAD.unpack(head)[1]
        self._file = file
        self._cipher = _Cipher.of(key, head, label)

    def read(self, start: int, size: int) -> bytes:
        """Bytes ``start`` to ``start + size``; fewer at the end."""
        end = min(start + size, self.size)
        if start >= end:
            self._block(0)
            return b""
        first = start // BLOCK
        last = (end - 1) // BLOCK
        whole = b"".join(self._block(number) for number in range(first, last + 1))
        offset = start - first * BLOCK
        return whole[offset : offset + end - start]

    def _block(self, number: int) -> bytes:
        length = max(min(BLOCK, self.size - number * BLOCK), 0)
        self._file.seek(_HEAD.size + number * (BLOCK + _TAG))
        return self._cipher.open(number, self._file.read(length + _TAG))


@dataclass(frozen=True)
class Part:
    """One file of a sealed film: where it lies, what it is, how long its content is."""

    path: Path
    label: str
    size: int


class Film(io.RawIOBase):
    """Sealed pieces read as one file, from any place, without a decrypted copy on the disk.

    Args:
        parts: In order.
        key: The participant's key.
    """

    def __init__(self, parts: Sequence[Part], key: bytes) -> None:
        super().__init__()
        self._parts = list(parts)
        self._key = key
        self._starts = [0]
        for part in self._parts:
            self._starts.append(self._starts[-1] + part.size)
        self._at = 0

    @property
    def size(self) -> int:
        """Bytes of the whole film."""
        return self._starts[-1]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}
        self._at = max(bases[whence] + offset, 0)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._some(len(buffer))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def _some(self, size: int) -> bytes:
        """At most ``size`` bytes of the part that holds the current place."""
        for part, start in zip(self._parts, self._starts, strict=False):
            if start <= self._at < start + part.size:
                with open(part.path, "rb") as file:
                    piece = Piece(file, self._key, part.label)
                    return piece.read(self._at - start, size)
        return b""

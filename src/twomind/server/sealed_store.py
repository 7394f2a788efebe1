"""A store of measured features in which every entry is under the key of the person whom it is of."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from twomind.core.store import Store
from twomind.server import durable
from twomind.server.sealed import Unreadable, seal, unseal
from twomind.types.plain import Array, Plain

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class SealedStore(Store):
    """One person's features: in their own folder, which goes when they withdraw.

    Args:
        root: A folder of this person.
        study: Nothing: the folder says whose they are.
        secret: The person's key.
    """

    study: str = ""
    secret: bytes = field(default=b"", repr=False)

    def note(self, person: str, content: str) -> None:
        """Nothing: the folder says whose they are."""

    def note_states(self, person: str, folder: Path) -> None:
        """Do nothing: a study keeps no state of a person here."""

    def path(self, kind: str, key: str) -> Path:
        """Where an entry lies."""
        return self.root / f"{kind}-{key}.sealed"

    def get(self, kind: str, key: str) -> tuple[dict[str, Array], Plain] | None:
        """The entry, or None when it is absent or does not open."""
        from safetensors.numpy import load

        try:
            content = unseal(self.secret, self.path(kind, key).read_bytes(), _label(kind, key))
        except (FileNotFoundError, Unreadable):
            return None
        (length,) = _LENGTH.unpack_from(content)
        end = _LENGTH.size + length
        meta: Plain = json.loads(content[_LENGTH.size : end])
        return load(content[end:]), meta

    def put(
        self, kind: str, key: str, arrays: Mapping[str, Array], meta: Mapping[str, object]
    ) -> Path:
        """Keep an entry; nothing of somebody who is gone.

        Raises:
            OSError: It cannot be written.
        """
        import numpy as np
        from safetensors.numpy import save

        path = self.path(kind, key)
        if not self.root.parent.is_dir():
            return path
        solid = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
        plain = json.dumps(dict(meta), default=str).encode("ascii")
        content = _LENGTH.pack(len(plain)) + plain + save(solid)
        durable.make_folder(self.root)
        durable.write_bytes(path, seal(self.secret, content, _label(kind, key)))
        return path


def _label(kind: str, key: str) -> str:
    return f"features {kind} {key}"

"""What earlier processes found in source files, so that a fresh one need not read their syntax trees
again: that takes a quarter of what it takes to the first picture.

It lies in the user's cache. A record counts only while the very bytes are there that it was made
from. Without the file, and where it cannot be read or written, all is found out anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from functools import cache
from pathlib import Path

from twomind.core.files import make_private, write_text
from twomind.core.store import default_root
from twomind.types.plain import Plain

_NAME = "marks.json"


def digest_of(path: Path) -> str:
    """SHA-256 of a file; empty where there is none."""
    if not path.is_file():
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class KeptMarks:
    """Records by label, in one file.

    Args:
        path: The file.
        maker: What made the records; those of another maker do not count.
    """

    def __init__(self, path: Path, maker: str) -> None:
        self._path = path
        self._maker = maker
        self._is_new = False
        self._records: dict[str, Plain] = {}
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            whole = json.loads(path.read_text(encoding="utf-8"))
            if whole["maker"] == maker:
                self._records = dict(whole["records"])

    def get(self, label: str, folder: Path, source: str) -> Plain | None:
        """A record.

        Args:
            label: What it is of.
            folder: Where the tables lie that it was made from too.
            source: Hash of what it must have been made from.

        Returns:
            It; None where there is none, or it was made from something else.
        """
        record = self._records.get(label)
        try:
            if record is None or record["source"] != source:
                return None
            for name, digest in record["tables"].items():
                if digest_of(folder / name) != digest:
                    return None
        except (LookupError, TypeError, AttributeError, OSError):
            return None
        return record

    def put(self, label: str, record: Plain) -> None:
        """Keep a record, with ``source`` and ``tables`` (name → hash) among it."""
        self._records[label] = record
        self._is_new = True

    def save(self) -> None:
        """Write what is new; where that fails, nothing is lost but time."""
        if not self._is_new:
            return
        self._is_new = False
        whole = {"maker": self._maker, "records": dict(self._records)}
        with contextlib.suppress(OSError):
            # It may be the first file in the folder of the store, whose measures are of people.
            make_private(self._path.parent)
            write_text(self._path, json.dumps(whole))


@cache
def kept_marks(maker: Path) -> KeptMarks:
    """Those of this user that the code in ``maker`` made, under this Python."""
    made_by = f"{digest_of(maker)} {sys.version}"
    return KeptMarks(default_root() / _NAME, made_by)

"""One directory for everything computed: features by content hash and settings, and ledgers of what
happened.

Every write goes to a temporary file in the same folder, is flushed to disk, and is renamed: after
``kill -9`` there is either the whole entry or none. A damaged entry counts as absent and is made
again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput
from twomind.types.plain import Array, Plain

#: Raised when the layout of stored entries changes; older entries are then made again, never
#: misread.
SCHEMA = "2"
_CONTENT_DIGITS = 16
#: A study's name; ``profiles/@<study>`` is the folder of its people.
_STUDY = re.compile(r"\w[\w.-]*")


def default_root() -> Path:
    """``$TWOMIND_STORE``, else the user's cache folder."""
    given = os.environ.get("TWOMIND_STORE")
    if given:
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("twomind", appauthor=False)


def default_study() -> str:
    """``$TWOMIND_STUDY``: whose people are meant where no study is named; empty: people of no
    study.
    """
    return os.environ.get("TWOMIND_STUDY", "")


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex. The name of the file does not count."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def settings_hash(settings: Mapping[str, object]) -> str:
    """SHA-256 of plain settings (JSON with sorted keys), in hex."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success flush it to disk and rename it over
    ``path``.

    On any failure, the temporary file is removed and ``path`` keeps its old content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_arrays(
    path: Path, arrays: Mapping[str, Array], meta: Mapping[str, object] | None = None
) -> Path:
    """One safetensors file with ``arrays`` and JSON ``meta``, written atomically.

    Arrays are made contiguous first: safetensors 0.8.0 stores strided ones with wrong values and no
    error.
    """
    from safetensors.numpy import save_file

    solid = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    with replacing(path) as temporary:
        save_file(solid, str(temporary), {"twomind": json.dumps(dict(meta or {}), allow_nan=True)})
    return path


def read_arrays(path: Path) -> tuple[dict[str, Array], Plain]:
    """Arrays and meta of one file written by :func:`write_arrays`.

    Raises:
        BadInput: the file is damaged or was not written here.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:  # type: ignore[no-untyped-call]
            meta = json.loads((file.metadata() or {})["twomind"])
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118 - not a dict
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise BadInput(
            f"{path}: expected a file written by twomind, but it cannot be read: {error}"
        ) from error


def read_meta(path: Path) -> Plain:
    """Meta of one safetensors file, without its arrays; empty where it was not written here.

    Raises:
        BadInput: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:  # type: ignore[no-untyped-call]
            found = json.loads((file.metadata() or {}).get("twomind", "{}"))
    except (SafetensorError, ValueError, OSError) as error:
        raise BadInput(
            f"{path}: expected a safetensors file, but it cannot be read: {error}"
        ) from error
    return found if isinstance(found, dict) else {}


def _mark(content: str) -> str:
    """The digits with which every entry made from this content begins."""
    return settings_hash({"content": content})[:_CONTENT_DIGITS]


@dataclass(frozen=True)
class Store:
    """Feature entries under one root: ``features/<kind>/<ab>/<key>.safetensors``.

    ``people/<hash of a name>/`` says whose they are: an empty file per content, named by the digits
    with which its entries begin, and one ``.folder`` file per folder in which states of the person
    were kept. With a ``study``, names are that study's own: its P1 is not the P1 of another.
    ``studies/`` holds the names of studies, as empty files.

    Raises:
        BadInput: ``study`` cannot be the name of one.
    """

    root: Path
    study: str = field(default_factory=default_study)

    def __post_init__(self) -> None:
        if self.study and not _STUDY.fullmatch(self.study):
            raise BadInput(
                f"study {self.study!r}: expected letters, digits, '_', '-' and '.', as in pain-2026"
            )

    def key(self, content: str, settings: Mapping[str, object]) -> str:
        """Name of an entry: what was read, with which settings, under which schema.

        Its first digits depend on the content alone, so that all that was ever computed from a file
        can be found (:meth:`made_from`) and erased.
        """
        own = settings_hash({"settings": dict(settings), "schema": SCHEMA})
        return _mark(content) + own[: 40 - _CONTENT_DIGITS]

    def made_from(self, contents: Iterable[str], marks: Iterable[str] = ()) -> list[Path]:
        """Every entry, of any kind and settings, made from files with these content hashes, or with
        these marks.
        """
        wanted = {_mark(content) for content in contents} | set(marks)
        # The first star also finds what a killed process left half-written, ".<key>…part".
        found = [
            p for mark in sorted(wanted) for p in self.root.glob(f"features/*/{mark[:2]}/*{mark}*")
        ]
        return sorted(found)

    def note(self, person: str, content: str) -> None:
        """Keep that ``content`` is a recording of ``person``. Call it before :meth:`put`, so that
        none is unclaimed.
        """
        self._note(person, _mark(content), "")

    def note_states(self, person: str, folder: Path) -> None:
        """Keep that states of ``person`` lie below ``folder``."""
        where = str(folder.resolve())
        self._note(person, f"{settings_hash({'folder': where})[:_CONTENT_DIGITS]}.folder", where)

    def _note(self, person: str, name: str, text: str) -> None:
        path = self._person(person) / name
        if path.exists():
            return
        try:
            if self.study and not (self.root / "studies" / self.study).exists():
                write_text(self.root / "studies" / self.study, "")
            write_text(path, text)
        except OSError:
            if self.root.exists() and not os.access(self.root, os.W_OK):
                return  # a store that can only be read gains no entry of the person either
            raise

    def _person(self, person: str) -> Path:
        whose = {"person": person, "study": self.study} if self.study else {"person": person}
        return self.root / "people" / settings_hash(whose)[:_CONTENT_DIGITS]

    def studies(self) -> list[str]:
        """Names of the studies in which anything was ever noted."""
        return sorted(p.name for p in self.root.glob("studies/*") if not p.name.startswith("."))

    def noted(self, person: str) -> tuple[set[str], list[Path]]:
        """Marks of the contents that are known to be of ``person``, and the folders with their
        states.
        """
        names = [p for p in self._person(person).glob("*") if not p.name.startswith(".")]
        folders = [Path(p.read_text(encoding="utf-8")) for p in names if p.suffix == ".folder"]
        return {p.name for p in names if not p.suffix}, sorted(folders)

    def unclaimed(self, kind: str = "*") -> list[Path]:
        """Entries of which nobody noted whose they are: those of earlier versions."""
        claimed = {p.name for p in self.root.glob("people/*/*")}
        entries = self.root.glob(f"features/{kind}/*/*")
        return sorted(p for p in entries if p.name.lstrip(".")[:_CONTENT_DIGITS] not in claimed)

    def forget(
        self, contents: Iterable[str], marks: Iterable[str] = (), person: str | None = None
    ) -> None:
        """Drop the notes about these contents, whoever they are noted for; of ``person`` all, where
        one is given.
        """
        if person is not None and self._person(person).is_dir():
            shutil.rmtree(self._person(person))
        for mark in {_mark(content) for content in contents} | set(marks):
            for path in self.root.glob(f"people/*/{mark}"):
                path.unlink(missing_ok=True)
        for folder in self.root.glob("people/*"):
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()

    def path(self, kind: str, key: str) -> Path:
        return self.root / "features" / kind / key[:2] / f"{key}.safetensors"

    def get(self, kind: str, key: str) -> tuple[dict[str, Array], Plain] | None:
        """The entry, or None when it is absent or damaged (a damaged one is made again)."""
        path = self.path(kind, key)
        if not path.exists():
            return None
        try:
            return read_arrays(path)
        except BadInput:
            return None

    def put(
        self, kind: str, key: str, arrays: Mapping[str, Array], meta: Mapping[str, object]
    ) -> Path:
        return write_arrays(self.path(kind, key), arrays, meta)


class Ledger:
    """What happened to each item, one JSON object a line, appended and flushed at once.

    A line that a killed process left half-written is ignored on reading and closed off on the next
    append.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[Plain]:
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                found.append(entry)
        return found

    def latest(self) -> dict[str, Plain]:
        """The last entry per item (by its ``item`` field)."""
        return {str(entry["item"]): entry for entry in self.entries() if "item" in entry}

    def append(self, item: str, **fields: object) -> Plain:
        entry = {"item": item, **fields}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(entry, default=str).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return entry

"""One directory for everything computed: features by content hash and settings, and ledgers of what
happened.

Every write goes to a temporary file in the same folder, is flushed to disk, and is renamed: after
``kill -9`` there is either the whole entry or none. Each entry carries a checksum: a damaged one
counts as absent and is made again. Only its owner can look into a store.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from twomind.core import names
from twomind.core.below import Below, Reading
from twomind.core.errors import UNREADABLE, BadInput, quoted, shortened
from twomind.core.files import content_hash, make_private, naming, replacing, write_text
from twomind.types.plain import Array, Plain

#: Raised when the layout of stored entries changes; older entries are then made again, never
#: misread.
SCHEMA = "3"
_CONTENT_DIGITS = 16
#: A study's name; ``profiles/@<study>`` is the folder of its people.
_STUDY = re.compile(r"\w[\w.-]*")
#: Where safetensors keeps our meta, and where that keeps its checksums.
_META, _SUMS = "twomind", "sha256 of"


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


def settings_hash(settings: Mapping[str, object]) -> str:
    """SHA-256 of plain settings (JSON with sorted keys), in hex."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


def write_arrays(
    path: Path, arrays: Mapping[str, Array], meta: Mapping[str, object] | None = None
) -> Path:
    """One safetensors file with ``arrays`` and JSON ``meta``, written atomically, with checksums of
    both.

    Arrays are made contiguous first: safetensors 0.8.0 stores strided ones with wrong values and no
    error.

    Raises:
        OSError: It cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    solid = {name: _solid(value) for name, value in arrays.items()}
    # As it is read back: keys are texts, tuples are lists.
    plain: Plain = json.loads(json.dumps(dict(meta or {})))
    whole = {**plain, _SUMS: {"meta": _meta_sum(plain), "arrays": _arrays_sum(solid)}}
    with replacing(path) as temporary:
        try:
            save_file(solid, str(temporary), {_META: json.dumps(whole)})
        except SafetensorError as error:
            raise _of_system(error) from error
    return path


def _solid(value: Array) -> Array:
    """Contiguous, in the byte order of this machine."""
    return np.ascontiguousarray(value, np.asarray(value).dtype.newbyteorder("="))


def _of_system(error: Exception) -> Exception:
    """What the system said, of which safetensors keeps only the words."""
    code = re.search(r"\(os error (\d+)\)", str(error))
    if code is None:
        return error
    number = int(code.group(1))
    return OSError(number, os.strerror(number))


def read_arrays(path: Path, *, need_sums: bool = False) -> tuple[dict[str, Array], Plain]:
    """Arrays and meta of one file written by :func:`write_arrays`.

    Args:
        path: The file.
        need_sums: Refuse one without checksums, as 0.1 wrote them.

    Raises:
        BadInput: the file is damaged or was not written here.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:  # type: ignore[no-untyped-call]
            meta, sums = _meta_of((file.metadata() or {})[_META])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, KeyError, *UNREADABLE, OSError, TypeError) as error:
        raise BadInput(
            f"{path}: expected a file written by twomind, but it cannot be read: {shortened(error)}"
        ) from error
    wanted = {"meta": _meta_sum(meta), "arrays": _arrays_sum(arrays)}
    if sums != wanted and (sums or need_sums):
        raise BadInput(f"{path}: it cannot be read: damaged, its checksum does not match")
    return arrays, meta


def has_sums(path: Path) -> bool:
    """Whether one safetensors file carries checksums, as those of 0.1 do not."""
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:  # type: ignore[no-untyped-call]
        _, sums = _meta_of((file.metadata() or {}).get(_META, "{}"))
    return bool(sums)


def read_meta(path: Path) -> Plain:
    """Meta of one safetensors file, without its arrays; empty where it was not written here.

    Raises:
        BadInput: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:  # type: ignore[no-untyped-call]
            found, sums = _meta_of((file.metadata() or {}).get(_META, "{}"))
    except (SafetensorError, *UNREADABLE, OSError, TypeError) as error:
        raise BadInput(
            f"{path}: expected a safetensors file, but it cannot be read: {shortened(error)}"
        ) from error
    if sums and sums.get("meta") != _meta_sum(found):
        raise BadInput(f"{path}: it cannot be read: damaged, its checksum does not match")
    return found


def _meta_of(text: str) -> tuple[Plain, Plain]:
    """Meta and the checksums that were written with it."""
    found = json.loads(text)
    if not isinstance(found, dict):
        return {}, {}
    sums = found.pop(_SUMS, {})
    return found, sums if isinstance(sums, dict) else {}


def _meta_sum(meta: Plain) -> str:
    return hashlib.sha256(json.dumps(meta).encode()).hexdigest()


def _arrays_sum(arrays: Mapping[str, Array]) -> str:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _mark(content: str) -> str:
    """The digits with which every entry made from this content begins."""
    return settings_hash({"content": content})[:_CONTENT_DIGITS]


@dataclass(frozen=True)
class Store:
    """Feature entries under one root: ``features/<kind>/<ab>/<key>.safetensors``.

    ``people/<hash of a name>/`` says whose they are: an empty file per content, named by the digits
    with which its entries begin, and one ``.folder`` file per folder in which states of the person
    were kept. With a ``study``, names are that study's own: its P1 is not the P1 of another.
    ``studies/`` holds the names of studies, as empty files; ``index/`` what :meth:`below` remembers.

    Raises:
        BadInput: ``study`` cannot be the name of one.
    """

    root: Path
    study: str = field(default_factory=default_study)

    def __post_init__(self) -> None:
        if not self.study:
            return
        if not _STUDY.fullmatch(self.study):
            raise BadInput(
                f"study {quoted(self.study)}: expected letters, digits, '_', '-' and '.', as in "
                "pain-2026"
            )
        names.refuse(self.study, "study")

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
            self._make_folder("people")
            if self.study and not (self.root / "studies" / self.study).exists():
                self._make_folder("studies")
                write_text(self.root / "studies" / self.study, "")
            write_text(path, text)
        except OSError:
            if not self._can_only_be_read:
                raise  # else it gains no entry of the person either

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

    def unclaimed(self, kind: str = "") -> list[Path]:
        """Entries of which nobody noted whose they are: those of earlier versions.

        Args:
            kind: Of one kind alone.
        """
        claimed: set[str] = set()
        for marks in self._people().values():
            claimed.update(marks)
        found = []
        for name, files in self.below(self.root / "features").names().items():
            if not name.startswith(kind):
                continue
            folder = self.root / "features" / name
            others = [f for f in files if f.lstrip(".")[:_CONTENT_DIGITS] not in claimed]
            found += [folder / file for file in others]
        return sorted(found)

    def forget(
        self, contents: Iterable[str], marks: Iterable[str] = (), person: str | None = None
    ) -> None:
        """Drop the notes about these contents, whoever they are noted for; of ``person`` all, where
        one is given.
        """
        if person is not None and self._person(person).is_dir():
            shutil.rmtree(self._person(person))
        gone = {_mark(content) for content in contents} | set(marks)
        for name, files in self._people().items():
            folder = self.root / "people" / name
            for mark in gone.intersection(files):
                (folder / mark).unlink(missing_ok=True)
            if gone.issuperset(files):
                with contextlib.suppress(OSError):  # not empty
                    folder.rmdir()
        # What is remembered of the notes holds them no longer either.
        self._people()

    def _people(self) -> dict[str, list[str]]:
        """The notes of each person, by the folder's name."""
        found = self.below(self.root / "people").names()
        found.pop("", None)
        return found

    def below(
        self, folder: Path, read: Reading | None = None, endings: tuple[str, ...] = ()
    ) -> Below:
        """What lies below a folder, anywhere; this store remembers it.

        Args:
            folder: Where to look.
            read: See :class:`~twomind.core.below.Below`.
            endings: Likewise.
        """
        whole = folder.resolve()
        name = settings_hash({"folder": str(whole)})[:_CONTENT_DIGITS]
        return Below(whole, self.root / "index" / f"{name}.json", read, endings).look()

    def path(self, kind: str, key: str) -> Path:
        return self.root / "features" / kind / key[:2] / f"{key}.safetensors"

    def get(self, kind: str, key: str) -> tuple[dict[str, Array], Plain] | None:
        """The entry, or None when it is absent or damaged (a damaged one is made again)."""
        path = self.path(kind, key)
        if not path.exists():
            return None
        try:
            return read_arrays(path, need_sums=True)
        except BadInput:
            return None

    def put(
        self, kind: str, key: str, arrays: Mapping[str, Array], meta: Mapping[str, object]
    ) -> Path:
        """Keep an entry; a store that can only be read gains none.

        Raises:
            OSError: It cannot be written.
        """
        path = self.path(kind, key)
        try:
            self._make_folder("features")
            write_arrays(path, arrays, meta)
        except OSError:
            if not self._can_only_be_read:
                raise
        return path

    @property
    def _can_only_be_read(self) -> bool:
        return self.root.exists() and not os.access(self.root, os.W_OK)

    def _make_folder(self, name: str) -> None:
        make_private(self.root)
        make_private(self.root / name)


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
        with naming(self.path), open(self.path, "ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(entry, default=str).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return entry


__all__ = [
    "SCHEMA",
    "Ledger",
    "Store",
    "content_hash",
    "default_root",
    "default_study",
    "has_sums",
    "read_arrays",
    "read_meta",
    "replacing",
    "settings_hash",
    "write_arrays",
    "write_text",
]

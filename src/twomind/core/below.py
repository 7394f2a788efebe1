"""What lies below a folder, remembered from one look to the next.

A look asks the system when each folder and file was last changed, and reads only what is new: nothing
has to be told of a change, whoever made it. What is remembered is a hint. Where it is missing, damaged
or of another version, everything is read, and it is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from twomind.core.files import write_text
from twomind.types.plain import Foreign, Plain

#: Raised when what is remembered of a file changes.
_VERSION = 1
#: What was changed so short a time before it was looked at may change again without its time being
#: another one, nanoseconds. It is read again next time.
_FRESH_NS = 2_000_000_000

#: Says something of a file, as JSON can hold it.
Reading = Callable[[Path], Foreign]


@dataclass
class _Folder:
    """A folder: when it was changed, its folders, and its files with what was read of each."""

    stamp: list[int] | None
    folders: list[str]
    files: dict[str, list[Foreign]]


@dataclass(frozen=True)
class Found:
    """One file below the folder, and what was read of it; None of one that nobody asked about."""

    path: Path
    fact: Foreign


@dataclass
class Below:
    """What lies below a folder.

    Args:
        root: The folder; links to folders in it are not followed.
        memory: The file of what is remembered; None: nothing is.
        read: Says something of each file whose name ends with one of ``endings``.
        endings: Of the names of files that are read.
    """

    root: Path
    memory: Path | None = None
    read: Reading | None = None
    endings: tuple[str, ...] = ()
    _known: dict[str, _Folder] = field(default_factory=dict)
    _now: dict[str, _Folder] = field(default_factory=dict)
    _is_new: bool = False
    _begun_ns: int = 0

    def look(self) -> Below:
        """Look; what was found is remembered."""
        self._known = self._remembered()
        self._now = {}
        self._is_new = False
        self._begun_ns = time.time_ns()
        waiting = [""]
        while waiting:
            name = waiting.pop()
            folder = self._folder(name)
            if folder is None:
                continue
            self._now[name] = folder
            waiting += [f"{name}{inner}/" for inner in folder.folders]
        self._is_new |= set(self._now) != set(self._known)
        self._remember()
        return self

    def files(self, wanted: Callable[[str], bool]) -> list[Found]:
        """Files with a name that is ``wanted``, in the order of their paths."""
        found = []
        for name, folder in self._now.items():
            for file, (_, fact) in folder.files.items():
                if wanted(file):
                    found.append(Found(self.root / name / file, fact))
        return sorted(found, key=lambda one: one.path)

    def folders(self, name: str) -> list[Path]:
        """Folders below the root that are called so, in the order of their paths."""
        ending = f"/{name}/"
        return sorted(self.root / where for where in self._now if f"/{where}".endswith(ending))

    def names(self) -> dict[str, list[str]]:
        """Names of the files of each folder, by its path below the root."""
        return {name.rstrip("/"): list(folder.files) for name, folder in self._now.items()}

    # --- one folder

    def _folder(self, name: str) -> _Folder | None:
        place = os.path.join(self.root, name)
        before = self._known.get(name)
        try:
            stamp = self._stamp(os.stat(place))
            if before is None or before.stamp is None or stamp != before.stamp:
                self._is_new = True
                before = self._listed(place, stamp, before)
        except OSError:
            return None  # it has gone meanwhile
        files = {}
        for file, remembered in before.files.items():
            known = self._file(place, file, remembered)
            if known is not None:
                files[file] = known
        return _Folder(before.stamp, before.folders, files)

    def _listed(self, place: str, stamp: list[int] | None, before: _Folder | None) -> _Folder:
        """A folder as it stands; what is known of its files stays."""
        known = {} if before is None else before.files
        folders = []
        files = {}
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                else:
                    files[entry.name] = known.get(entry.name, [None, None])
        return _Folder(stamp, sorted(folders), dict(sorted(files.items())))

    def _file(self, place: str, name: str, remembered: list[Foreign]) -> list[Foreign] | None:
        """A file's stamp and what is read of it; None where it has gone."""
        if self.read is None or not name.endswith(self.endings):
            return remembered
        path = os.path.join(place, name)
        try:
            entry = os.stat(path)
        except OSError:
            self._is_new = True
            return None
        stamp = self._stamp(entry)
        if stamp is not None and stamp == remembered[0]:
            return remembered
        self._is_new = True
        fact = self.read(Path(path)) if stat.S_ISREG(entry.st_mode) else None
        return [stamp, fact]

    def _stamp(self, entry: os.stat_result) -> list[int] | None:
        """When and what it was; None where it was changed only now."""
        if entry.st_mtime_ns > self._begun_ns - _FRESH_NS:
            return None
        return [entry.st_mtime_ns, entry.st_ctime_ns, entry.st_ino, entry.st_size]

    # --- what is remembered

    def _remembered(self) -> dict[str, _Folder]:
        if self.memory is None:
            return {}
        try:
            whole = json.loads(self.memory.read_bytes())
            if (whole["version"], whole["root"]) != (_VERSION, self._mark()):
                return {}
            return {name: _Folder(*entry) for name, entry in whole["folders"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _mark(self) -> str:
        """The root, not in clear: its path may name somebody."""
        return hashlib.sha256(os.fsencode(self.root)).hexdigest()

    def _remember(self) -> None:
        if self.memory is None or not self._is_new:
            return
        with suppress(OSError):  # of what can only be read nothing is remembered
            if not any(folder.files for folder in self._now.values()):
                self.memory.unlink(missing_ok=True)
                return
            folders = {}
            for name, folder in self._now.items():
                folders[name] = [folder.stamp, folder.folders, folder.files]
            whole: Plain = {"version": _VERSION, "root": self._mark(), "folders": folders}
            write_text(self.memory, json.dumps(whole))


__all__ = ["Below", "Found"]

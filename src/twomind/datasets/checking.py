"""What a check of a downloaded data set found, and the small looks at files that all data sets
share.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from twomind.core.errors import BadInput
from twomind.core.files import read_json
from twomind.datasets.images import IMAGE_SUFFIXES, picture_fault
from twomind.media.endings import missing_bytes
from twomind.media.opening import open_media
from twomind.media.probe import declared_s, is_tagged_drawn, origin_s, probe, video_stream
from twomind.types import Progress

Item = TypeVar("Item")

#: Files that systems leave behind; neither expected nor reported.
_LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as the data set promises: ``path`` relative to its root, and what is
    wrong with it.
    """

    path: str
    reason: str


#: The lists of findings in a report, in the order in which they are told.
KINDS = ("missing", "extra", "corrupted", "conflicts", "remarks")


@dataclass(frozen=True)
class Report:
    """What lies in a data set's folder against what its lists promise. Nothing is guessed or
    repaired.

    ``missing`` is listed and absent; ``extra`` is there and not listed; ``corrupted`` is there and
    cannot be used; ``conflicts`` are statements of the data set that contradict each other;
    ``remarks`` are what was odd about a recording's transcript, or why its words are not measured:
    nothing is lost, and the data set is whole; ``notes`` are for a reader.
    """

    name: str
    root: Path
    n_recordings: int
    n_people: int
    missing: tuple[Finding, ...] = ()
    extra: tuple[Finding, ...] = ()
    corrupted: tuple[Finding, ...] = ()
    conflicts: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    deep: bool = False
    remarks: tuple[Finding, ...] = ()

    @property
    def complete(self) -> bool:
        """Nothing is missing and nothing is corrupted."""
        return not (self.missing or self.corrupted)

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": self.name,
            "root": str(self.root),
            "recordings": self.n_recordings,
            "people": self.n_people,
            "complete": self.complete,
            "deep": self.deep,
        }
        for kind in KINDS:
            findings = getattr(self, kind)
            found[kind] = [{"path": f.path, "reason": f.reason} for f in findings]
        found["notes"] = list(self.notes)
        return found


class _Checked(Protocol):
    """What a report says of the data set that was checked."""

    @property
    def name(self) -> str: ...

    @property
    def root(self) -> Path: ...


@dataclass
class Found:
    """What a check has found so far; :meth:`report` closes it."""

    missing: list[Finding] = field(default_factory=list)
    extra: list[Finding] = field(default_factory=list)
    corrupted: list[Finding] = field(default_factory=list)
    conflicts: list[Finding] = field(default_factory=list)
    remarks: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def report(self, data: _Checked, n_recordings: int, n_people: int, deep: bool) -> Report:
        """The report of a finished check.

        Args:
            data: the data set.
            n_recordings: how many recordings its lists name.
            n_people: how many people they are of.
            deep: whether every film was opened and every picture looked into.
        """
        return Report(
            name=data.name,
            root=data.root,
            n_recordings=n_recordings,
            n_people=n_people,
            missing=tuple(self.missing),
            extra=tuple(self.extra),
            corrupted=tuple(self.corrupted),
            conflicts=tuple(self.conflicts),
            notes=tuple(self.notes),
            deep=deep,
            remarks=tuple(self.remarks),
        )


def counted(items: Collection[Item], what: str, progress: Progress | None) -> Iterator[Item]:
    """The items one by one, telling ``progress`` how far it has come.

    Args:
        items: what is gone through.
        what: what is being done, for the person who waits.
        progress: told before each item, and at the end.
    """
    for done, item in enumerate(items):
        if progress:
            progress(what, done, len(items))
        yield item
    if progress:
        progress(what, len(items), len(items))


def study(root: Path) -> dict[str, Any]:
    """What ``study.json`` at the root says; empty when there is none (or it is not a JSON object)."""
    try:
        found = read_json(root / "study.json")
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_drawn(root: Path) -> bool:
    """Whether the folder says that its people are synthetic: a file ``DRAWN``, or ``"drawn": true`` in
    ``study.json``.

    Args:
        root: folder of the data set.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets.checking import is_drawn
        >>> from twomind.datasets.fakes import mark_drawn
        >>> with TemporaryDirectory() as folder:
        ...     _ = mark_drawn(Path(folder), "own", seed=1)
        ...     is_drawn(Path(folder))
        True
    """
    return (root / "DRAWN").exists() or study(root).get("drawn") is True


def shown(path: Path, root: Path) -> str:
    """``path`` relative to ``root`` with forward slashes, or as it is when it lies elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def film_fault(path: Path, deep: bool) -> str:
    """Why a film cannot be used; "" when nothing was found. ``deep`` opens it and decodes its first
    picture.
    """
    if not path.stat().st_size:
        return "the file is empty (0 bytes)"
    lacking = missing_bytes(path)
    if lacking:
        return f"truncated: {lacking} bytes of the declared content are missing"
    if not deep:
        return ""
    try:
        info = probe(path)
    except BadInput as error:
        return str(error).removeprefix(f"{path}: ")
    if not info.has_video:
        return "it has no moving pictures"
    return "; ".join(problem for problem in info.problems if "decoded" in problem)


def picture_faults(folder: Path, deep: bool) -> Iterator[tuple[Path, str]]:
    """Pictures of a folder that cannot be used: empty ones, and with ``deep`` those that are cut
    off.
    """
    with os.scandir(folder) as entries:
        files = sorted((e.name, e.stat().st_size) for e in entries if e.is_file())
    for name, size in files:
        if not name.lower().endswith(IMAGE_SUFFIXES):
            continue
        if not size:
            fault = picture_fault(b"")
        elif deep:
            fault = picture_fault((folder / name).read_bytes())
        else:
            fault = ""
        if fault:
            yield folder / name, fault


def not_listed(folder: Path, known: Iterable[Path], root: Path, reason: str) -> list[Finding]:
    """Files below ``folder`` that are neither known nor below a known folder.

    Args:
        folder: where to look.
        known: files and folders that may be there.
        root: folder of the data set, to which the findings' paths are relative.
        reason: what a finding says.
    """
    kept = set(known)
    found: list[Finding] = []
    for here, folders, files in os.walk(folder):
        at = Path(here)
        folders[:] = sorted(name for name in folders if at / name not in kept)
        for name in sorted(files):
            path = at / name
            if path not in kept and name not in _LITTER:
                found.append(Finding(shown(path, root), reason))
    return found


def gaps(numbers: Iterable[int], expected: Iterable[int], most: int = 5) -> str:
    """Which expected frame numbers are absent, in words; "" when none is.

    Args:
        numbers: the numbers that are there.
        expected: the numbers that are labelled.
        most: how many absent ones are named.
    """
    wanted = set(expected)
    absent = sorted(wanted - set(numbers))
    if not absent:
        return ""
    more = f" and {len(absent) - most} more" if len(absent) > most else ""
    return (
        f"{len(absent)} of {len(wanted)} labelled frames are not there: "
        f"{', '.join(map(str, absent[:most]))}{more}"
    )


@dataclass(frozen=True)
class FilmHeader:
    """What a film's container declares.

    Args:
        length_s: its end; nan when it is not declared.
        drawn: whether the film says that its person is synthetic.
    """

    length_s: float = math.nan
    drawn: bool = False


def film_header(path: Path | None) -> FilmHeader:
    """What a film declares, without decoding; nothing when it is absent or unreadable.

    A data set's recording is of a synthetic person where the folder says so (:func:`is_drawn`) or
    the film.

    Args:
        path: the film; None where there is none.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets.checking import film_header
        >>> from twomind.datasets.fakes import tiny_film
        >>> with TemporaryDirectory() as folder:
        ...     film_header(tiny_film(Path(folder) / "a1.mp4"))
        FilmHeader(length_s=0.5, drawn=True)
    """
    if path is None or not path.is_file():
        return FilmHeader()
    try:
        with open_media(path) as container:
            return FilmHeader(declared_s(container), is_tagged_drawn(container))
    except BadInput:
        return FilmHeader()


def film_length_s(path: Path) -> float:
    """Declared end of a film in seconds, without decoding; nan when undeclared, absent or
    unreadable.

    Args:
        path: the film.

    Example:
        >>> from pathlib import Path
        >>> from twomind.datasets.checking import film_length_s
        >>> film_length_s(Path("absent.mp4"))
        nan
    """
    return film_header(path).length_s


def film_stamps_s(path: Path) -> np.ndarray:
    """Presentation times ``(T,)`` of a film's pictures on the recording's clock, in order, without
    decoding them.

    Raises:
        BadInput: the file is not a film.
    """
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None or stream.time_base is None:
            raise BadInput(f"{path}: expected moving pictures, found none")
        stamps = [p.pts for p in container.demux(stream) if p.pts is not None and p.size]
        return np.sort(np.array(stamps, float) * float(stream.time_base)) - origin_s(container)

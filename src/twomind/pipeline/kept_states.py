"""States of people on disk: which files hold something of a person, wherever they were kept."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.store import read_meta

#: Instead of a person's name, where one state learns from everybody (``states.reset=never``).
EVERYONE = "everyone"
#: A file of a chain: the state after a recording, which went on from that of the file before.
_LINK = re.compile(r"\d{5,}-")


def folder_name(key: str, study: str = "") -> str:
    """Name of the folder with the states of one person of a study, or of :data:`EVERYONE` in it."""
    key = f"{study}/{key}" if study else key
    safe = re.sub(r"[^\w.-]+", "_", key)[:60]
    # Two names that read the same after cleaning must not share a state.
    return f"{safe}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Kept:
    """One saved state; ``meta`` is None where the file cannot be read."""

    path: Path
    meta: Mapping[str, Any] | None

    @property
    def study(self) -> str:
        return "" if self.meta is None else str(self.meta.get("study", ""))

    def names(self, person: str, study: str = "") -> bool:
        """Whether it says that it is of this person of this study."""
        if self.meta is None or self.study != study:
            return False
        return person in (self.meta.get("person"), self.meta.get("subject"))

    def saw(self, contents: Collection[str]) -> bool:
        """Whether it is the state after one of these recordings, or was begun with one as the
        neutral clip.
        """
        return self.meta is not None and not {
            self.meta.get("content"),
            self.meta.get("neutral"),
        }.isdisjoint(contents)

    @property
    def tells(self) -> bool:
        """Whether it says all that it learnt from; older files are silent about the
        neutral clip.
        """
        return self.meta is not None and {"content", "neutral"} <= set(self.meta)

    @property
    def linked(self) -> bool:
        return _LINK.match(self.path.name) is not None and (
            self.meta is None or "content" in self.meta
        )


@dataclass(frozen=True)
class Found:
    """Files to be removed; and those that cannot be read, of which nobody can say whose
    they are.
    """

    states: tuple[Path, ...] = ()
    unreadable: tuple[Path, ...] = ()


def kept_below(folders: Iterable[Path]) -> list[Kept]:
    """Every saved state below some folders, in the order of their names; other safetensors files
    are passed over.
    """
    found = []
    for path in sorted({p.resolve() for folder in folders for p in folder.rglob("*.safetensors")}):
        if path.name.startswith("."):
            continue
        try:
            whole = read_meta(path)
        except BadInput:
            found.append(Kept(path, None))
            continue
        if isinstance(whole.get("meta"), dict):
            found.append(Kept(path, whole["meta"]))
    return found


def contents_of(kept: Iterable[Kept], person: str, study: str = "") -> set[str]:
    """Contents of the person's recordings from which states were learnt."""
    mine = [k.meta for k in kept if k.meta is not None and k.names(person, study)]
    return {str(meta[name]) for meta in mine for name in ("content", "neutral") if meta.get(name)}


def derived(
    kept: Iterable[Kept], person: str, contents: Collection[str], everything: bool, study: str = ""
) -> Found:
    """States that learnt from these contents and, with ``everything``, all that name the person of
    the study.

    States of a chain go on from each other: with one go all after it, whosever recordings those
    saw.

    Args:
        kept: saved states.
        person: the name.
        contents: SHA-256 of recordings.
        everything: also what names the person and learnt from other recordings.
        study: whose person it is.
    """
    by_folder: dict[Path, list[Kept]] = {}
    for one in kept:
        by_folder.setdefault(one.path.parent, []).append(one)
    states: list[Path] = []
    unreadable: list[Path] = []
    for folder, files in by_folder.items():
        own = folder.name == folder_name(person, study) != folder_name(EVERYONE, study)
        broken = False
        for one in files:
            goes = one.saw(contents) or (one.names(person, study) and (everything or not one.tells))
            goes |= one.meta is None and own and everything
            if one.linked:
                broken |= goes
                goes = broken
            if goes:
                states.append(one.path)
            elif one.meta is None:
                unreadable.append(one.path)
    return Found(tuple(states), tuple(unreadable))


def remove(
    folders: Collection[Path],
    person: str,
    states: Collection[Path],
    everything: bool,
    study: str = "",
) -> None:
    """Remove states, what killed processes left half-written beside any, and folders that are then
    empty.

    Args:
        folders: where states are kept.
        person: whose they are.
        states: the files.
        everything: also the person's own folders, with whatever is in them.
        study: whose person it is.
    """
    for path in states:
        path.unlink(missing_ok=True)
    for folder in folders:
        for part in folder.rglob(".*.safetensors.*.part"):
            part.unlink(missing_ok=True)
        if everything and person != EVERYONE:
            for own in [p for p in folder.rglob(folder_name(person, study)) if p.is_dir()]:
                shutil.rmtree(own)
    for parent in {path.parent for path in states}:
        if (
            parent.is_dir()
            and not any(parent.iterdir())
            and parent not in {f.resolve() for f in folders}
        ):
            parent.rmdir()

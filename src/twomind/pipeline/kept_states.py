"""States of people on disk: which files hold something of a person, wherever they were kept."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind.core.below import Below
from twomind.core.errors import BadInput
from twomind.core.store import Store, read_meta
from twomind.features.profile import read_profile

#: Instead of a person's name, where one state learns from everybody (``states.reset=never``).
EVERYONE = "everyone"
#: A file of a chain: the state after a recording, which went on from that of the file before.
_LINK = re.compile(r"\d{5,}-")
#: Of the names of files with a state, and the name of one that is half-written.
ENDING = ".safetensors"
PROFILE = "profile.json"
_PART = re.compile(r"\..*\.safetensors\..*\.part")


def folder_name(key: str, study: str = "") -> str:
    """Name of the folder with the states of one person of a study, or of :data:`EVERYONE` in it."""
    key = f"{study}/{key}" if study else key
    safe = re.sub(r"[^\w.-]+", "_", key)[:60]
    # Two names that read the same after cleaning must not share a state.
    return f"{safe}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Kept:
    """One saved state; ``fact`` is what :func:`fact_of` says of it, None where it cannot be read."""

    path: Path
    fact: Mapping[str, Any] | None

    @property
    def study(self) -> str:
        return "" if self.fact is None else str(self.fact["study"])

    def names(self, person: str, study: str = "") -> bool:
        """Whether it says that it is of this person of this study."""
        if self.fact is None or self.study != study:
            return False
        return _who(person) in self.fact["who"]

    @property
    def contents(self) -> set[str]:
        """Recordings that it learnt from: the one it is the state after, and the neutral clip."""
        if self.fact is None:
            return set()
        return {content for content in self.fact["contents"].values() if content}

    def saw(self, contents: Collection[str]) -> bool:
        """Whether it is the state after one of these recordings, or was begun with one as the
        neutral clip.
        """
        return not self.contents.isdisjoint(contents)

    @property
    def tells(self) -> bool:
        """Whether it says all that it learnt from; older files are silent about the
        neutral clip.
        """
        return self.fact is not None and {"content", "neutral"} == set(self.fact["contents"])

    @property
    def linked(self) -> bool:
        return _LINK.match(self.path.name) is not None and (
            self.fact is None or "content" in self.fact["contents"]
        )


def _who(person: str) -> str:
    """A name as it is remembered: not in clear."""
    return hashlib.sha256(person.encode()).hexdigest()[:16]


def fact_of(path: Path) -> Any:
    """What erasing has to know of a file: of a profile the contents of its visits; of a state whose it
    is and what it learnt from; False of another safetensors file; None of one that cannot be read.
    """
    try:
        if path.name == PROFILE:
            return [visit.content for visit in read_profile(path).visits]
        meta = read_meta(path).get("meta")
    except BadInput:
        return None
    if not isinstance(meta, dict):
        return False
    named = {str(meta[key]) for key in ("person", "subject") if key in meta}
    contents = {key: str(meta[key] or "") for key in ("content", "neutral") if key in meta}
    who = sorted(_who(person) for person in named)
    return {"study": str(meta.get("study", "")), "who": who, "contents": contents}


@dataclass(frozen=True)
class Found:
    """Files to be removed; and those that cannot be read, of which nobody can say whose
    they are.
    """

    states: tuple[Path, ...] = ()
    unreadable: tuple[Path, ...] = ()


def _is_state(name: str) -> bool:
    return name.endswith(ENDING) and not name.startswith(".")


def _is_half_written(name: str) -> bool:
    return _PART.fullmatch(name) is not None


def look_below(folders: Iterable[Path], store: Store) -> list[Below]:
    """What lies below folders of profiles and states. The store remembers it: what did not change since
    it was looked at last is not read again.

    Args:
        folders: those that are not there are forgotten.
        store: any of the people's.
    """
    whole = dict.fromkeys(folder.resolve() for folder in folders)
    return [store.below(folder, fact_of, (PROFILE, ENDING)) for folder in whole]


def kept_in(found: Iterable[Below]) -> list[Kept]:
    """Every saved state that lies there, in the order of their names; other safetensors files are
    passed over.

    Args:
        found: what was read by :func:`fact_of`.
    """
    kept: dict[Path, Kept] = {}
    for below in found:
        for one in below.files(_is_state):
            if one.fact is not False:
                kept[one.path] = Kept(one.path, one.fact)
    return [kept[path] for path in sorted(kept)]


def kept_below(folders: Iterable[Path]) -> list[Kept]:
    """Every saved state below some folders, each of which is read."""
    looks = [Below(folder.resolve(), None, fact_of, (ENDING,)) for folder in folders]
    return kept_in(look.look() for look in looks)


def contents_of(kept: Iterable[Kept], person: str, study: str = "") -> set[str]:
    """Contents of the person's recordings from which states were learnt."""
    found: set[str] = set()
    for one in kept:
        if one.names(person, study):
            found |= one.contents
    return found


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
            goes |= one.fact is None and own and everything
            if one.linked:
                broken |= goes
                goes = broken
            if goes:
                states.append(one.path)
            elif one.fact is None:
                unreadable.append(one.path)
    return Found(tuple(states), tuple(unreadable))


def remove(
    found: Collection[Below],
    person: str,
    states: Collection[Path],
    everything: bool,
    study: str = "",
) -> None:
    """Remove states, what killed processes left half-written beside any, and folders that are then
    empty.

    Args:
        found: what lies where states are kept.
        person: whose they are.
        states: the files.
        everything: also the person's own folders, with whatever is in them.
        study: whose person it is.
    """
    for path in states:
        path.unlink(missing_ok=True)
    own = folder_name(person, study)
    for below in found:
        for half in below.files(_is_half_written):
            half.path.unlink(missing_ok=True)
        if everything and person != EVERYONE:
            for folder in below.folders(own):
                if folder.is_dir():
                    shutil.rmtree(folder)
    roots = {below.root for below in found}
    for parent in {path.parent for path in states}:
        if parent.is_dir() and not any(parent.iterdir()) and parent not in roots:
            parent.rmdir()

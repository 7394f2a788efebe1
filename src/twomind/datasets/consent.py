"""Whether a person agreed to be shown: asked of the folders around a film, before a report takes
the film in.

What is stated in the files that the library knows (:mod:`twomind.datasets.people`) is read as it
is, and no data set's reader is loaded for it. A reader is asked only where another file of a
folder may state something of people by its name, or where somebody is not to be shown and neither
the film's name nor its folders say whose it is.
"""

from __future__ import annotations

import csv
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from twomind.core.errors import BadInput, TwomindError
from twomind.core.names import safe, spoken
from twomind.datasets.checking import is_drawn
from twomind.datasets.people import (
    CONSENT,
    METADATA,
    may_be_shown,
    read_metadata,
    read_people_table,
)
from twomind.datasets.surroundings import LEVELS, TABLE, listed, lists_absent, stamp

#: Tables of people that the library knows.
TABLES = ("people.csv", "participants.csv")
_KNOWN = {*TABLES, *METADATA}
#: How a file fails that is not a table of people.
_UNREADABLE = (TwomindError, OSError, ValueError, csv.Error)
#: Words in the name of a file that may state something of people.
_OF_PEOPLE = re.compile("people|person|participant|subject|meta|consent", re.IGNORECASE)
#: How much of a file is searched for that word.
_MOST_LOOKED_AT = 1 << 20
#: A folder that was changed less than this ago may be changed once more at the same time of its
#: clock.
_SETTLED_NS = 3_000_000_000


class Consent(StrEnum):
    """Whether a person may be shown to whoever gets a report."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"  # nothing is stated
    UNREADABLE = "unreadable"  # something is stated, and cannot be read


def refused(media: Path, subject: str) -> bool:
    """Whether the folders around ``media`` say of its person anything but a plain yes to
    publication, or cannot be read.

    Args:
        media: the film.
        subject: the person, if that is known.
    """
    return publication(media, subject) in (Consent.NO, Consent.UNREADABLE)


def publication(media: Path, subject: str) -> Consent:
    """Whether the folders around ``media`` say that its person may be shown.

    Whose film it is says ``subject``, where that is more than the film's own name, or the table of
    recordings: everybody who is named there must have agreed. Where nobody is named, the beginning of
    the film's name and the folders on the way to it tell, as the layouts have it, or else the data
    set's own list. A refusal of anybody of these counts however the name is written; an agreement
    as it is written. The nearest folder that states something of the person decides, and in one
    folder a refusal. Of a link, the folders around it and around what it leads to are asked.

    Where nothing is stated, synthetic people may be shown, and of others it is not known.

    Args:
        media: the film.
        subject: the person, if that is known.
    """
    file = media.resolve()
    ways = [Path(os.path.abspath(media)).parents[:LEVELS], file.parents[:LEVELS]]
    try:
        owners, listed_all = _owners(file, ways)
    except BadInput:
        return Consent.UNREADABLE
    guesses = {name.split("_")[0] for name in (media.stem, file.stem)}
    if subject and not _is_of_name(subject, media):
        owners.add(subject)
    found = [_along(way, _Whose(file, owners, guesses | {subject})) for way in dict.fromkeys(ways)]
    for worst in (Consent.UNREADABLE, Consent.NO):
        if worst in found:
            return worst
    if Consent.YES not in found:
        return Consent.UNKNOWN
    return Consent.YES if listed_all else Consent.UNKNOWN


@dataclass(frozen=True)
class _Whose:
    """A film, who is named as its person, and who may be."""

    file: Path
    owners: set[str]
    guesses: set[str]


def _along(folders: Sequence[Path], whose: _Whose) -> Consent:
    """What is stated on one way up from a film."""
    names = set(whose.guesses)
    decided: set[str] = set()
    drawn = False
    for folder in folders:
        stated = _stated(folder, _stamps(folder))
        if stated is None:
            return Consent.UNREADABLE
        if _refusing(names | whose.owners, stated) - decided:
            return Consent.NO
        decided |= stated.keys()
        asked = (whose.owners or names) & stated.keys()
        if not (asked or names & stated.keys() or all(stated.values())):
            # Somebody here may not be shown, and the film's name does not say whose it is.
            asked = _films(folder).get(whose.file, set()) & stated.keys()
        if asked and not all(stated[name] for name in asked):
            return Consent.NO
        if asked and whose.owners <= asked:
            return Consent.YES
        names.add(folder.name)
        drawn = drawn or is_drawn(folder)
    return Consent.YES if drawn else Consent.UNKNOWN


def _refusing(names: set[str], stated: Mapping[str, bool]) -> set[str]:
    """Who refused, of people who are called like these in whatever spelling."""
    alike = {spoken(name) for name in names}
    return {name for name, may in stated.items() if not may and spoken(name) in alike}


def _is_of_name(subject: str, media: Path) -> bool:
    """Whether a person is called as the film is, as somebody is of whom nothing was said."""
    return safe(media.stem) in subject


def _owners(file: Path, ways: Iterable[Sequence[Path]]) -> tuple[set[str], bool]:
    """Whose film it is, as tables of recordings on the ways up say; and whether every film that such a
    table lists is there: else a row that leads nowhere may be meant for this one.

    Raises:
        BadInput: there is a table, and it cannot be read.
    """
    owners: set[str] = set()
    is_whole = True
    for folder in dict.fromkeys(folder for way in ways for folder in way):
        table = folder / TABLE
        if not table.is_file():
            continue
        row = listed(table).get(file)
        if row is not None:
            owners.add(row.subject)
        elif lists_absent(table):
            is_whole = False
    return owners - {""}, is_whole or bool(owners)


#: Name, time and size of the files of a folder that may state something of people.
_Stamps = tuple[tuple[str, int, int], ...]


def _stamps(folder: Path) -> _Stamps:
    found = []
    try:
        for name in _of_people(folder):
            file = folder / name
            if file.is_file():
                found.append((name, *stamp(file)))
            elif _is_known(name):
                found.append((name, 0, 0))  # a link that leads nowhere, or no file
    except OSError:
        return ()
    return tuple(found)


def _of_people(folder: Path) -> tuple[str, ...]:
    """Names in a folder that may state something of people. A folder of many films is not gone
    through for each of them: what is in it is asked again when it was changed.
    """
    changed_ns = folder.stat().st_mtime_ns
    if time.time_ns() - changed_ns < _SETTLED_NS:
        return _looked_up(folder)
    return _remembered(folder, changed_ns)


@lru_cache(maxsize=256)
def _remembered(folder: Path, changed_ns: int) -> tuple[str, ...]:
    return _looked_up(folder)


def _looked_up(folder: Path) -> tuple[str, ...]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return tuple(sorted(name for name in names if name in _KNOWN or _OF_PEOPLE.search(name)))


@lru_cache(maxsize=256)
def _stated(folder: Path, stamps: _Stamps) -> Mapping[str, bool] | None:
    """Whether a person may be shown, for everybody of whom a file in this folder says something;
    None where something is stated and cannot be read.
    """
    files = {name for name, _, _ in stamps}
    known = {name for name in files if _is_known(name)}
    others = files - known
    doubtful: set[str] = set()
    try:
        found = _of_known_files(folder, known)
    except _UNREADABLE:
        found = {}
        # A file of this name may be something else; a data set's reader knows.
        doubtful = known
    of_reader = _of_reader(folder) if others or doubtful else {}
    if of_reader is None:
        return None
    if of_reader:
        doubtful = set()
    elif not found:
        doubtful = doubtful | {name for name in others if _is_table(name)}
    if any(_on_consent(folder / name) for name in doubtful | _nobody_reads(others)):
        return None
    return {
        name: of_reader.get(name, True) and found.get(name, True) for name in {*of_reader, *found}
    }


def _nobody_reads(names: set[str]) -> set[str]:
    """Tables that say in their very names that they are of consent."""
    return {name for name in names if _is_table(name) and "consent" in name.casefold()}


def _is_table(name: str) -> bool:
    return name.casefold().endswith((".csv", ".tsv"))


def _is_known(name: str) -> bool:
    return name.casefold() in _KNOWN


def _on_consent(file: Path) -> bool:
    """Whether a file that cannot be read as a table of people may state their consent: it has the word,
    in whatever encoding and with whatever between its cells, or cannot be opened.
    """
    try:
        with open(file, "rb") as opened:
            content = opened.read(_MOST_LOOKED_AT)
    except OSError:
        return True
    return b"consent" in content.replace(b"\0", b"").lower()


def _of_known_files(folder: Path, names: set[str]) -> dict[str, bool]:
    """What the files that the library knows say; ``names`` are those that are there."""
    drawn = is_drawn(folder)
    found: dict[str, bool] = {}
    for name in sorted(names):
        is_metadata = name.casefold() in METADATA
        told = read_metadata(folder / name) if is_metadata else read_people_table(folder / name)
        for person, row in told.items():
            if row.get(CONSENT, ""):
                # Of BAH's people, synthetic ones too, only a plain yes counts.
                may = may_be_shown(row, drawn and not is_metadata)
                found[person] = may and found.get(person, True)
    return found


def _of_reader(folder: Path) -> dict[str, bool] | None:
    """What the data set that lies in this folder says; None where it says something that cannot be
    read.
    """
    from twomind.datasets import open_dataset

    try:
        data = open_dataset(folder)
    except (TwomindError, OSError):
        return {}  # no data set, or not one alone: nothing is known here
    try:
        people = data.people()
    except _UNREADABLE:
        return None
    found = {}
    for person, known in people.items():
        if str(known.get(CONSENT, "")).strip():
            found[person] = data.may_be_shown(person)
    return found


@lru_cache(maxsize=16)
def _films(folder: Path) -> Mapping[Path, set[str]]:
    """Whose films these are, as the reader of the data set in this folder says."""
    from twomind.datasets import open_dataset

    found: dict[Path, set[str]] = {}
    try:
        for recording in open_dataset(folder).recordings():
            found.setdefault(recording.media.resolve(), set()).add(recording.subject)
    except _UNREADABLE:
        return {}
    return found

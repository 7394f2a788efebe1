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
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from twomind.core.errors import BadInput, TwomindError
from twomind.datasets.checking import is_drawn
from twomind.datasets.people import METADATA, may_be_shown, read_metadata, read_people_table
from twomind.datasets.surroundings import LEVELS, TABLE, listed, stamp

#: Tables of people that the library knows; a later one goes before an earlier one.
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

    The person is ``subject``, whom the table of recordings names, a folder on the way to the film,
    or the beginning of its name, as the layouts have it; else the one whose film it is by the data
    set's own list. All of them must have agreed. A refusal counts however its person's name is
    written, in capitals or not; an agreement as it is written. The nearest folder that states something
    of the person decides. Where nothing is stated, synthetic people may be shown, and of others it is
    not known.

    Args:
        media: the film.
        subject: the person, if that is known.
    """
    file = media.resolve()
    names = {subject, file.stem.split("_")[0]}
    drawn = False
    for folder in file.parents[:LEVELS]:
        stated = _stated(folder, _stamps(folder))
        if stated is None:
            return Consent.UNREADABLE
        try:
            names |= _owner(folder, file)
        except BadInput:
            return Consent.UNREADABLE
        asked = (names & stated.keys()) | _refusing(names, stated)
        if not asked and not all(stated.values()):
            # Somebody here may not be shown, and the film's name does not say whose it is.
            asked = _films(folder).get(file, set()) & stated.keys()
        if asked:
            may = all(stated[name] for name in asked)
            return Consent.YES if may else Consent.NO
        names.add(folder.name)
        drawn = drawn or is_drawn(folder)
    return Consent.YES if drawn else Consent.UNKNOWN


def _refusing(names: set[str], stated: Mapping[str, bool]) -> set[str]:
    """Who refused, of people who are called like these but for capitals."""
    alike = {name.casefold() for name in names}
    return {name for name, may in stated.items() if not may and name.casefold() in alike}


def _owner(folder: Path, file: Path) -> set[str]:
    """Whose film it is, as the table of recordings in this folder says.

    Raises:
        BadInput: there is one, and it cannot be read.
    """
    table = folder / TABLE
    if not table.is_file():
        return set()
    found = listed(table).get(file)
    return {found.subject} if found is not None else set()


#: Name, time and size of the files of a folder that may state something of people.
_Stamps = tuple[tuple[str, int, int], ...]


def _stamps(folder: Path) -> _Stamps:
    found = []
    try:
        for name in _of_people(folder):
            file = folder / name
            if file.is_file():
                found.append((name, *stamp(file)))
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
    known = files & _KNOWN
    ask_reader = bool(files - known)
    is_read = True
    try:
        found = _of_known_files(folder, known)
    except _UNREADABLE:
        found = {}
        # A file of this name may be something else; a data set's reader knows.
        ask_reader = True
        is_read = False
    of_reader = _of_reader(folder) if ask_reader else {}
    if of_reader is None:
        return None
    if not is_read and not of_reader and any(_on_consent(folder / name) for name in known):
        return None
    return {**of_reader, **found}


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
    stated: dict[str, dict[str, str]] = {}
    for name in TABLES:
        if name in names:
            for person, row in read_people_table(folder / name).items():
                stated.setdefault(person, {}).update(row)
    drawn = is_drawn(folder)
    found = {}
    for person, row in stated.items():
        if row.get("consent_publication", ""):
            found[person] = may_be_shown(row, drawn)
    for name in METADATA:
        if name in names:
            for person, row in read_metadata(folder / name).items():
                # Of BAH's people, synthetic ones too, only a plain yes counts.
                if row.get("consent_publication", ""):
                    found[person] = may_be_shown(row, drawn=False)
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
        if str(known.get("consent_publication", "")).strip():
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

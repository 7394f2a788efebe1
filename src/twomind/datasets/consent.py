"""Who refused to be shown: asked of the folders around a film, before a report takes the film in.

What is stated in the files that the library knows (:mod:`twomind.datasets.people`) is read as it
is, and no data set's reader is loaded for it. A reader is asked only where another file of a
folder may state something of people by its name, or where somebody is not to be shown and neither
the film's name nor its folders say whose it is.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from twomind.core.errors import TwomindError
from twomind.datasets.checking import is_drawn
from twomind.datasets.people import METADATA, may_be_shown, read_metadata, read_people_table

#: How many folders above a film something may be stated of its person. BAH:
#: data/Videos/<person>/<visit>/<film>.
LEVELS = 6
#: Tables of people that the library knows; a later one goes before an earlier one.
TABLES = ("people.csv", "participants.csv")
#: How a file fails that is no table of people.
_UNREADABLE = (TwomindError, OSError, ValueError, csv.Error)
#: Words in the name of a file that may state something of people.
_OF_PEOPLE = re.compile("people|person|participant|subject|meta|consent", re.IGNORECASE)


def refused(media: Path, subject: str) -> bool:
    """Whether the folders around ``media`` say of its person anything but a plain yes to
    publication.

    The person is ``subject``, a folder on the way to the film, or the beginning of its name, as the
    layouts have it; else the one whose film it is by the data set's own list. The nearest folder
    that states something of the person decides. Where nothing is stated this is False: whether a
    person may then be shown is for the reader of the report to know.
    """
    file = media.resolve()
    names = {subject, file.stem.split("_")[0]}
    for folder in file.parents[:LEVELS]:
        stated = _stated(folder)
        if stated is None:
            return True
        asked = names & stated.keys()
        if not asked and not all(stated.values()):
            # Somebody here may not be shown, and the film's name does not say whose it is.
            asked = _films(folder).get(file, set()) & stated.keys()
        if asked:
            return not all(stated[name] for name in asked)
        names.add(folder.name)
    return False


@lru_cache(maxsize=256)
def _stated(folder: Path) -> Mapping[str, bool] | None:
    """Whether a person may be shown, for everybody of whom a file in this folder says something;
    None where something is stated and cannot be read.
    """
    try:
        files = {entry.name for entry in os.scandir(folder) if entry.is_file()}
    except OSError:
        return {}
    known = files & {*TABLES, *METADATA}
    others = {name for name in files - known if _OF_PEOPLE.search(name)}
    try:
        found = _of_known_files(folder, known)
        ask_reader = bool(others)
    except _UNREADABLE:
        found = {}
        ask_reader = True  # a file of this name may be something else; a data set's reader knows
    if ask_reader:
        of_reader = _of_reader(folder)
        return None if of_reader is None else {**of_reader, **found}
    return found


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
                # Of BAH's people, drawn ones too, only a plain yes counts.
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

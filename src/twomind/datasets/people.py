"""What is known of the people of a data set, and whether a picture of one may be shown.

Known are the files in which it is stated: a table ``people.csv`` (or ``participants.csv``) with the
columns ``subject`` and ``consent_publication``, and the ``meta_data.yml`` of BAH.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twomind.core import csv_text
from twomind.core.errors import BadInput
from twomind.core.files import text_of
from twomind.core.yaml_files import load_yaml

#: Names of BAH's file of participants.
METADATA = ("meta_data.yml", "meta_data.yaml")
_YES = ("yes", "y", "true", "1", "agree", "agreed", "oui")
_NO = ("no", "n", "false", "0", "disagree", "refused", "refuse", "non")
CONSENT = "consent_publication"
#: How a column is called that is meant as that one.
_OF_CONSENT = re.compile(
    r"consent|consent[\W_]*(?:to|for|of)?[\W_]*publi\w*|publi\w*[\W_]*consent", re.IGNORECASE
)
#: Keys under which an entry of a list names its participant.
_ID_KEYS = ("id", "pid", "participant", "participant_id", "subject")


def may_be_shown(person: Mapping[str, str], drawn: bool) -> bool:
    """Only a stated yes is a yes; synthetic people may be shown unless they are drawn as refusing."""
    stated = person.get(CONSENT, "").lower()
    return stated == "yes" or (drawn and stated != "no")


def consent(value: object) -> str:
    """yes, no, or unknown: only a plain yes is a yes."""
    text = str(value).strip().lower()
    if text in _YES:
        return "yes"
    return "no" if text in _NO else "unknown"


# --- tables
# ----------------------------------------------------------------------------------------------------


def read_people_table(path: Path) -> dict[str, dict[str, str]]:
    """A CSV of people with the column ``subject`` and any of sex, age, ethnicity, language,
    consent_publication.

    Raises:
        BadInput: it is not a CSV in UTF-8, there is no column ``subject``, or somebody is there twice
            with two consents.
    """
    found: dict[str, dict[str, str]] = {}
    with csv_text.table(path) as file:
        reader = csv_text.Reader(file, path)
        if "subject" not in reader.columns:
            got = ", ".join(reader.columns) or "an empty file"
            raise BadInput(f"{path}: expected a column subject, got {got}")
        _check_column(path, reader.columns)
        for row in reader:
            subject = row.pop("subject").strip()
            if subject:
                known = {k: v.strip() for k, v in row.items() if k and v}
                _check_consent(path, subject, found.get(subject, known), known)
                found[subject] = known
    return found


def _check_column(path: Path, columns: Sequence[str]) -> None:
    """Refuse a column that is meant as the one of consent and is called otherwise: it would be
    overlooked.
    """
    meant = [column for column in columns if _OF_CONSENT.fullmatch(column.strip())]
    if meant not in ([], [CONSENT]):
        raise BadInput(
            f"{path}: expected one column {CONSENT}, got {', '.join(meant)}; who may be shown is not "
            f"known. Call it {CONSENT}"
        )


def joined(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """What two files say of one person, the later one where they differ; but of two consents, one
    that is no yes holds.
    """
    found = {**before, **now}
    consents = [row[CONSENT] for row in (before, now) if row.get(CONSENT)]
    refusals = [one for one in consents if one.lower() != "yes"]
    if refusals:
        found[CONSENT] = refusals[0]
    return found


def _check_consent(
    path: Path, subject: str, before: Mapping[str, str], now: Mapping[str, str]
) -> None:
    """Refuse a second row of a person that says something else of their consent."""
    consents = [row.get(CONSENT, "").lower() for row in (before, now)]
    if consents[0] != consents[1]:
        raise BadInput(
            f"{path}: {subject} is there twice, with the consents {consents[0]!r} and "
            f"{consents[1]!r}; which one holds?"
        )


def people_of(subjects: Iterable[str], *tables: Path) -> dict[str, dict[str, str]]:
    """What the tables that are there say of each of these people; a later table goes before an
    earlier one.
    """
    found: dict[str, dict[str, str]] = {subject: {} for subject in subjects}
    for path in tables:
        if not path.is_file():
            continue
        for subject, known in read_people_table(path).items():
            if subject in found:
                found[subject] = joined(found[subject], known)
    return found


#: Names of the tables of people that may lie in a data set's folder.
TABLES = ("people.csv", "participants.csv")


def people_around(
    data: Path, subjects: Iterable[str], names: Sequence[str]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """What is known of the people of labelled answers: from the table of answers itself, and from
    the files of people in its folder and the one above.

    Args:
        data: a folder, or a table with the column ``subject``.
        subjects: whom it is asked about.
        names: what is asked, such as ``sex``; nothing else is taken over.

    Returns:
        By person, and what could not be read, in a sentence each.
    """
    found: dict[str, dict[str, str]] = {subject: {} for subject in subjects}
    problems: list[str] = []
    own = [data] if data.is_file() else []
    for path in [*files_around(data if data.is_dir() else data.parent), *own]:
        try:
            told = read_people(path)
        except BadInput as error:
            problems.append(f"people are not told apart by {path.name}: {error}")
            continue
        for subject, known in told.items():
            if subject in found:
                asked = {name: text for name, text in known.items() if name.lower() in names}
                found[subject].update(asked)
    return found, problems


def files_around(*folders: Path) -> list[Path]:
    """Files of people in a data set's folders and in the one above each, the nearer ones last.

    Args:
        folders: The innermost one last.
    """
    places: dict[Path, None] = {}
    for folder in folders:
        places[folder.resolve().parent] = None
        places[folder.resolve()] = None
    found = []
    for place in sorted(places, key=lambda place: len(place.parts)):
        paths = [place / name for name in (*METADATA, *TABLES)]
        found += [path for path in paths if path.is_file()]
    return found


def read_people(path: Path) -> dict[str, dict[str, str]]:
    """One file of people, of either form.

    Raises:
        BadInput: It cannot be read.
    """
    return read_metadata(path) if path.name in METADATA else read_people_table(path)


# --- BAH's meta_data.yml
# ---------------------------------------------------------------------------------------


def read_metadata(path: Path) -> dict[str, dict[str, str]]:
    """``meta_data.yml``: participant → sex, age, ethnicity ..., and the consents as yes, no or
    unknown.

    Raises:
        BadInput: the file is not a mapping by participant, or a list of entries with an id.
    """
    try:
        data = load_yaml(text_of(path, "utf-8-sig"))
    except ValueError as error:
        raise BadInput(f"{path}: not YAML: {error}") from error
    data = _unwrapped(data)
    if isinstance(data, list):
        data = _by_participant(data)
    if not isinstance(data, dict) or not data:
        raise BadInput(f"{path}: expected the data of each participant by id")
    if not all(isinstance(entry, dict) for entry in data.values()):
        raise BadInput(f"{path}: expected the data of each participant by id")
    return {str(pid): _person(raw) for pid, raw in data.items()}


def _unwrapped(data: Any) -> Any:
    """The participants of a file that names them once more under one key of its own."""
    if not isinstance(data, dict) or len(data) != 1:
        return data
    inner = next(iter(data.values()))
    if isinstance(inner, list):
        return inner
    if isinstance(inner, dict) and all(isinstance(entry, dict) for entry in inner.values()):
        return inner
    return data


def _by_participant(entries: list[Any]) -> dict[str, Any]:
    found = {}
    for entry in entries:
        ids = [entry[key] for key in entry if _word(key) in _ID_KEYS]
        if ids and ids[0] is not None:
            found[str(ids[0])] = entry
    return found


def _word(key: object) -> str:
    return re.sub(r"[^a-z0-9]+", "_", str(key).lower()).strip("_")


def _person(raw: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in raw.items():
        name = _name_of(_word(key))
        text = "" if value is None else str(value).strip()
        if name in ("consent_publication", "consent_challenges"):
            text = consent(value)
        elif name == "sex":
            text = text.lower()
        found[name] = text
    if "ethnicity" not in found and "ethnicity_detailed" in found:
        found["ethnicity"] = found["ethnicity_detailed"]
    return found


def _name_of(word: str) -> str:
    """What this project calls the field that the release calls ``word``."""
    if "consent" in word and "publ" in word:
        return "consent_publication"
    if "consent" in word and "chall" in word:
        return "consent_challenges"
    if "ethnic" in word:
        return "ethnicity" if "simpl" in word else "ethnicity_detailed"
    return "sex" if word == "gender" else word

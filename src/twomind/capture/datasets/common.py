"""What the data sets share: their folds, made and guarded in one place."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from twomind.capture.datasets import guards, protocols
from twomind.errors import BadInput
from twomind.types import Fold, Recording, Task

#: Protocols of any data set with people.
GENERAL = ("targets-N", "people-K", "leave-one-person-out")
#: Of those with questions or tasks too.
WITH_QUESTIONS = (*GENERAL, "leave-one-question-out", "leave-one-person-and-question-out")


def guarded_folds(
    offered: Sequence[str],
    protocol: str,
    seed: int,
    recordings: Sequence[Recording],
    takes: Sequence[protocols.Take],
    targets: Sequence[str] = (),
    folders: Mapping[str, Path] | None = None,
) -> tuple[Fold, ...]:
    """The folds of a protocol, each checked by :func:`guards.check_fold`. ``folders`` are crops by recording.

    Raises:
        BadInput: the data set does not offer the protocol or its recordings do not allow it; a guard found something.
    """
    rules = protocols.rules(protocol)
    if not any(protocols.PROTOCOLS[o] is rules for o in offered):
        raise BadInput(f"this data set has no protocol {protocol!r}; it has: {', '.join(offered)}")
    made = protocols.make(protocol, takes, seed, targets)
    by_id = {r.id: r for r in recordings}
    content = guards.contents(recordings, folders)
    for fold in made:
        guards.check_fold(fold, by_id, content)
    return made


def known_task(tasks: Sequence[Task], name: str) -> Task:
    """The task of that name.

    Raises:
        BadInput: the data set has no such task; the message lists what it has.
    """
    for task in tasks:
        if task.name == name:
            return task
    raise BadInput(f"no task {name!r} in this data set; there is: {', '.join(t.name for t in tasks)}")


def read_people_table(path: Path) -> dict[str, dict[str, str]]:
    """A CSV of people with the column ``subject`` and any of sex, age, ethnicity, language, consent_publication.

    Raises:
        BadInput: there is no column ``subject``.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if "subject" not in (reader.fieldnames or ()):
            raise BadInput(f"{path}: expected a column subject, got {', '.join(reader.fieldnames or ())}")
        return {
            row["subject"].strip(): {k: v.strip() for k, v in row.items() if k and k != "subject" and v}
            for row in reader
            if row["subject"]
        }


def may_be_shown(person: Mapping[str, str], drawn: bool) -> bool:
    """Only a stated yes is a yes; drawn people may be shown unless they are drawn as refusing."""
    stated = person.get("consent_publication", "").lower()
    return stated == "yes" or (drawn and stated != "no")

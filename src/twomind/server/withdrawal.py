"""Withdrawal: the key first, then the bytes, then what a database remembers of deleted rows.

It goes on where it stopped: who is being erased is marked before anything is touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from twomind.server import audit, consent, durable, people
from twomind.server.place import Place
from twomind.server.refused import Refused, withdrawn
from twomind.server.tables import (
    Assignment,
    Chunk,
    Coding,
    CodingVersion,
    ConsentGiven,
    Decision,
    Gold,
    Person,
    Recording,
    Session,
    Transcript,
)


@dataclass(frozen=True)
class Withdrawn:
    """What a withdrawal did, or when it will."""

    erased: bool
    at: datetime | None


def withdraw(place: Place, person_id: str, items: Collection[str]) -> Withdrawn:
    """Take back a participant's consent, all of it or some of its items.

    Args:
        place: The study.
        person_id: Who.
        items: Which items were taken back; with none of the needed ones, the rest stays. Empty:
            everything.
    """
    known = {item.id for item in place.study.consent.items}
    unknown = sorted(set(items) - known)
    if unknown:
        raise Refused(422, "invalid", "There is no such item.", where="items")
    if items and not set(items) & place.study.consent.required():
        consent.take_back(place, person_id, set(items))
        return Withdrawn(False, None)
    days = place.study.retention.second_thoughts_days
    if not days:
        erase(place, person_id)
        return Withdrawn(True, place.now())
    with place.alone_with(person_id), place.database.writing() as writing:
        person = people.find(writing, person_id)
        if person.erase_at is None:
            person.erase_at = place.now() + timedelta(days=days)
            person.state = "withdrawing"
            audit.note(place, writing, f"participant {person.mark}", "withdraws")
        return Withdrawn(False, person.erase_at)


def cancel(place: Place, person_id: str) -> None:
    """Take a withdrawal back in time."""
    with place.alone_with(person_id), place.database.writing() as writing:
        person = people.find(writing, person_id)
        if person.erase_at is not None and person.erase_at <= place.now():
            raise withdrawn()
        if person.erase_at is not None:
            person.erase_at = None
            done = person.finished is not None
            begun = consent.last(writing, person_id) is not None
            person.state = "finished" if done else ("begun" if begun else "invited")
            audit.note(place, writing, f"participant {person.mark}", "stays")


def erase(place: Place, person_id: str) -> None:
    """Erase a person. When this returns, nothing of theirs can be read, and nothing is left."""
    with place.alone_with(person_id):
        with place.database.writing() as writing:
            person = writing.get(Person, person_id)
            if person is None:
                return
            person.state = "erasing"
            writing.execute(delete(Session).where(Session.subject == person_id))
        place.keys.destroy(person_id)
        folder = place.folder_of(person_id)
        if folder.exists():
            shutil.rmtree(folder)
            durable.sync_folder(place.people)
        _delete_rows(place, person_id)
    place.database.forget()


def _delete_rows(place: Place, person_id: str) -> None:
    own = select(Recording.id).where(Recording.person == person_id)
    with place.database.writing() as writing:
        person = writing.get_one(Person, person_id)
        audit.note(place, writing, f"participant {person.mark}", "erased")
        for table in (Chunk, Transcript, Decision, Assignment, Coding, CodingVersion, Gold):
            writing.execute(delete(table).where(table.recording.in_(own)))
        writing.execute(delete(Recording).where(Recording.person == person_id))
        writing.execute(delete(ConsentGiven).where(ConsentGiven.person == person_id))
        writing.execute(delete(Person).where(Person.id == person_id))


def sweep(place: Place) -> int:
    """Erase who is due: withdrawn and past second thoughts, never finished for too long, invited
    and never begun while the link was good, kept for as long as was promised, or half-erased when
    the server stopped.

    Returns:
        How many people.
    """
    kept = place.study.retention
    partial = place.now() - timedelta(days=kept.partial_days)
    media = place.now() - timedelta(days=kept.media_days)
    invited = place.now() - timedelta(days=place.study.recruiting.link_days)
    with place.database.reading() as reading:
        due = (
            (Person.state == "erasing")
            | (Person.erase_at <= place.now())
            | ((Person.state == "invited") & (Person.seen < invited))
            | ((Person.state == "begun") & (Person.seen < partial))
            | ((Person.state == "finished") & (Person.finished < media))
        )
        found = list(reading.scalars(select(Person.id).where(due)))
    for person in found:
        erase(place, person)
    forget_strays(place)
    return len(found)


def forget_strays(place: Place) -> None:
    """Remove folders of nobody: what was being written while its person was erased. No key opens it."""
    if not place.people.is_dir():
        return
    for folder in place.people.iterdir():
        with place.database.reading() as reading:
            known = reading.get(Person, folder.name) is not None
        if not known and not place.keys.has(folder.name):
            shutil.rmtree(folder, ignore_errors=True)

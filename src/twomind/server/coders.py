"""Coders: who they are, and which recordings each may see. They see nothing of anybody else's work, and
nothing that says who somebody is.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Transaction

from twomind.server import access, admission, audit, coding, coding_work, consent, reviewing
from twomind.server.place import Place, stamp
from twomind.server.refused import Refused, not_found
from twomind.server.tables import Assignment, Coder, Coding, Person, Recording, Session


def make(place: Place, by: str, name: str, outside: bool = False) -> dict[str, Any]:
    """A new coder with a link.

    Args:
        place: The study.
        by: The researcher.
        name: What the coder is called.
        outside: Not of the team: sees recordings only of people who agreed to that.

    Raises:
        Refused: There is one of this name.
    """
    with place.database.writing() as writing:
        if writing.scalars(select(Coder).where(Coder.name == name)).first() is not None:
            raise Refused(409, "taken", "There is a coder of this name.", where="name")
        coder = Coder(id=secrets.token_hex(6), name=name, created=place.now())
        coder.outside = outside
        writing.add(coder)
        audit.note(place, writing, f"researcher {by}", "made a coder", coder.id)
    return {"id": coder.id, "name": name, "link": link(place, coder.id)}


def link(place: Place, coder: str) -> str:
    """A coder's own link."""
    token = access.link_token(place, "coder", coder)
    return f"{place.study.server.public_url}/code#{token}"


def link_again(place: Place, by: str, coder_id: str) -> dict[str, Any]:
    """A coder's link, once more."""
    with place.database.writing() as writing:
        coder = _known(writing, coder_id)
        audit.note(place, writing, f"researcher {by}", "coder's link again", coder.id)
    return {"id": coder.id, "name": coder.name, "link": link(place, coder.id)}


def _known(reading: Transaction, coder_id: str) -> Coder:
    coder = reading.get(Coder, coder_id)
    if coder is None or coder.revoked:
        raise not_found()
    return coder


def listed(place: Place) -> list[dict[str, Any]]:
    """All coders who may come, with how many recordings are theirs."""
    counts = select(Assignment.coder, func.count()).group_by(Assignment.coder)
    with place.database.reading() as reading:
        n_of = {coder: number for coder, number in reading.execute(counts)}  # noqa: C416 - rows
        current = select(Coder).where(Coder.revoked.is_(False)).order_by(Coder.created)
        found = list(reading.scalars(current))
    return [
        {
            "id": coder.id,
            "name": coder.name,
            "created": stamp(coder.created),
            "recordings": n_of.get(coder.id, 0),
        }
        for coder in found
    ]


def revoke(place: Place, by: str, coder_id: str) -> None:
    """Let a coder in no more; their sessions end."""
    with place.database.writing() as writing:
        coder = _known(writing, coder_id)
        coder.revoked = True
        of_them = (Session.role == "coder") & (Session.subject == coder_id)
        writing.execute(delete(Session).where(of_them))
        writing.execute(delete(Assignment).where(Assignment.coder == coder_id))
        audit.note(place, writing, f"researcher {by}", "revoked a coder", coder_id)


def assign(place: Place, by: str, coder_id: str, recording_id: str) -> None:
    """Let a coder see a recording.

    Raises:
        Refused: It is not complete, of somebody who tries the study, or of somebody who did not
            agree to be shown to this coder.
    """
    with place.database.writing() as writing:
        coder = _known(writing, coder_id)
        recording, person = reviewing.here(place, writing, recording_id)
        if person.kind == "test":
            raise Refused(409, "test", "What a test participant recorded is never coded.")
        if recording.state == "open":
            raise Refused(409, "open", "This recording is not complete.")
        if not may_see(place, writing, coder, person.id):
            raise Refused(409, "no_consent", "This person did not agree to be shown to this coder.")
        if writing.get(Assignment, (coder_id, recording_id)) is None:
            row = Assignment(coder=coder.id, recording=recording.id, at=place.now())
            writing.add(row)
            audit.note(place, writing, f"researcher {by}", f"assigned to {coder.id}", person.mark)


def unassign(place: Place, by: str, coder_id: str, recording_id: str) -> None:
    """Let a coder see a recording no more."""
    with place.database.writing() as writing:
        coder = _known(writing, coder_id)
        found = writing.get(Assignment, (coder_id, recording_id))
        if found is None:
            raise not_found()
        writing.delete(found)
        _recording, person = reviewing.here(place, writing, recording_id)
        audit.note(place, writing, f"researcher {by}", f"taken from {coder.id}", person.mark)


# --- what a coder asks for


def enter(place: Place, token: str) -> str:
    """The coder of a link.

    Raises:
        Refused: Forged, too old, or revoked.
    """
    coder_id = access.read_token(place, "coder", token)
    with place.database.reading() as reading:
        coder = reading.get(Coder, coder_id)
    if coder is None or coder.revoked:
        raise access.bad_link()
    return coder_id


def may_see(place: Place, reading: Transaction, coder: Coder, person_id: str) -> bool:
    """Whether a person agreed to be shown to this coder; what was taken back counts.

    Args:
        place: The study.
        reading: The transaction.
        coder: Who would see it.
        person_id: Who would be seen.
    """
    wish = place.study.coding
    needed = {*wish.needs, *(wish.outside_needs if coder.outside else ())}
    return _agreed(reading, person_id, needed)


def _agreed(reading: Transaction, person_id: str, items: set[str]) -> bool:
    if not items:
        return True
    given = consent.last(reading, person_id)
    return given is not None and all(given.answers.get(name) is True for name in items)


def may_take_along(place: Place, reading: Transaction, person_id: str) -> bool:
    """Whether a coder may keep the film, to go on in ELAN."""
    wish = place.study.coding
    return wish.downloads and _agreed(reading, person_id, {*wish.needs, *wish.outside_needs})


def assigned(place: Place, coder_id: str) -> dict[str, Any]:
    """The recordings of a coder: what was asked and the film, nothing of who it is. Before admission,
    these are the gold clips.
    """
    joined = select(Recording, Person).join(Person, Person.id == Recording.person)
    own = select(Assignment.recording).where(Assignment.coder == coder_id)
    with place.database.reading() as reading:
        coder = reading.get_one(Coder, coder_id)
        inside = admission.is_in(place, reading, coder)
        wanted = list(reading.scalars(own.order_by(Assignment.at, Assignment.recording)))
        if not inside:
            wanted = admission.practice(place, reading)
        rows = {one.id: (one, whose) for one, whose in reading.execute(joined)}
        told = []
        for name in wanted:
            recording, person = rows.get(name, (None, None))
            if recording is None or person is None:
                continue
            if _is_open_to(place, reading, coder, person):
                told.append(_shown(place, reading, recording, coder_id))
    return {"recordings": told, "admission": admission.standing(place, coder_id)}


def _is_open_to(place: Place, reading: Transaction, coder: Coder, person: Person) -> bool:
    goes = person.state in ("withdrawing", "erasing")
    return not goes and may_see(place, reading, coder, person.id)


def _shown(
    place: Place, reading: Transaction, recording: Recording, coder_id: str
) -> dict[str, Any]:
    item = place.study.item(recording.item)
    found = reading.get(Coding, (recording.id, coder_id))
    state = "new"
    if found is not None and found.done is not None:
        state = "done"
    elif found is not None and found.revision:
        state = "begun"
    return {
        "id": recording.id,
        "item": recording.item,
        "prompt": {} if item is None else item.text,
        "mime": recording.mime,
        "state": state,
    }


def recording_of(place: Place, coder_id: str, recording_id: str) -> Recording:
    """A recording that this coder may see now.

    Raises:
        Refused: It is not theirs, its person withdraws or did not agree, or the gold clips come
            first.
    """
    with place.database.reading() as reading:
        coder = reading.get_one(Coder, coder_id)
        theirs = reading.get(Assignment, (coder_id, recording_id)) is not None
        if not admission.is_in(place, reading, coder):
            theirs = recording_id in admission.practice(place, reading)
        if not theirs:
            raise not_found()
        recording, person = reviewing.here(place, reading, recording_id)
        if not _is_open_to(place, reading, coder, person):
            raise not_found()
    return recording


def hand(place: Place, coder_id: str, recording_id: str) -> coding_work.Hand:
    """A coder's own hand on a recording that they may see.

    Args:
        place: The study.
        coder_id: Who.
        recording_id: Which.
    """
    recording_of(place, coder_id, recording_id)
    with place.database.reading() as reading:
        name = coding.pseudonyms(reading)[coder_id]
    return coding_work.Hand(coder_id, f"coder {coder_id}", name)


def film_of(place: Place, recording_id: str) -> bool:
    """Whether a coder may keep the film of a recording."""
    with place.database.reading() as reading:
        _recording, person = reviewing.here(place, reading, recording_id)
        return may_take_along(place, reading, person.id)

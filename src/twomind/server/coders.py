"""Coders: who they are, and which recordings each may see. They see nothing of anybody else's work, and
nothing that says who somebody is.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Transaction

from twomind.server import access, audit, reviewing
from twomind.server.place import Place, stamp
from twomind.server.refused import Refused, not_found
from twomind.server.tables import Assignment, Coder, Person, Recording, Session


def make(place: Place, by: str, name: str) -> dict[str, Any]:
    """A new coder with a link.

    Raises:
        Refused: There is one of this name.
    """
    with place.database.writing() as writing:
        if writing.scalars(select(Coder).where(Coder.name == name)).first() is not None:
            raise Refused(409, "taken", "There is a coder of this name.", where="name")
        coder = Coder(id=secrets.token_hex(6), name=name, created=place.now())
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
        Refused: It is not complete, or of somebody who tries the study.
    """
    with place.database.writing() as writing:
        coder = _known(writing, coder_id)
        recording, person = reviewing.here(place, writing, recording_id)
        if person.kind == "test":
            raise Refused(409, "test", "What a test participant recorded is never coded.")
        if recording.state == "open":
            raise Refused(409, "open", "This recording is not complete.")
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


def assigned(place: Place, coder_id: str) -> list[dict[str, Any]]:
    """The recordings of a coder: what was asked and the film, nothing of who it is."""
    joined = select(Recording).join(Assignment, Assignment.recording == Recording.id)
    people = joined.join(Person, Person.id == Recording.person)
    theirs = (Assignment.coder == coder_id) & Person.state.not_in(("withdrawing", "erasing"))
    with place.database.reading() as reading:
        found = list(reading.scalars(people.where(theirs).order_by(Assignment.at, Recording.id)))
    return [_shown(place, recording) for recording in found]


def _shown(place: Place, recording: Recording) -> dict[str, Any]:
    item = place.study.item(recording.item)
    return {
        "id": recording.id,
        "item": recording.item,
        "prompt": {} if item is None else item.text,
        "mime": recording.mime,
    }


def recording_of(place: Place, coder_id: str, recording_id: str) -> Recording:
    """A recording that is assigned to this coder.

    Raises:
        Refused: It is not, or its person withdraws.
    """
    with place.database.reading() as reading:
        assignment = reading.get(Assignment, (coder_id, recording_id))
        if assignment is None:
            raise not_found()
        recording, person = reviewing.here(place, reading, recording_id)
    if person.state == "withdrawing":
        raise not_found()
    return recording

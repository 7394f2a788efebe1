"""Inviting people, and who is where."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Transaction

from twomind.server import access, audit, consent, people
from twomind.server.place import Place, stamp
from twomind.server.refused import not_found
from twomind.server.tables import Audit, Invitation, Person

_SHOWN = 1000


def invite(place: Place, by: str, names: Sequence[str]) -> list[dict[str, str]]:
    """A link for each name of the researcher's list; the same name is the same person."""
    links = []
    with place.database.writing() as writing:
        for name in names:
            mark = access.external_mark(place, name)
            person = writing.scalars(select(Person).where(Person.external == mark)).first()
            if person is None:
                person = people.make(place, writing, people.New(external=name))
                audit.note(place, writing, f"researcher {by}", "invited", person.mark)
            links.append({"name": name, "person": person.id, "link": _link(place, person.id)})
    return links


def _link(place: Place, person: str) -> str:
    return access.link(place, access.link_token(place, "person", person))


def test_participant(place: Place, by: str) -> dict[str, str]:
    """Somebody who tries the study."""
    with place.database.writing() as writing:
        person = people.make(place, writing, people.New(kind="test"))
        audit.note(place, writing, f"researcher {by}", "test participant", person.mark)
    return {"person": person.id, "link": _link(place, person.id)}


def link_again(place: Place, by: str, person_id: str) -> dict[str, str]:
    """Somebody's own link, once more."""
    with place.database.writing() as writing:
        person = writing.get(Person, person_id)
        if person is None:
            raise not_found()
        audit.note(place, writing, f"researcher {by}", "link again", person.mark)
    return {"person": person_id, "link": _link(place, person_id)}


def panel(place: Place, by: str, label: str) -> dict[str, str]:
    """A link for many people."""
    invitation = Invitation(id=secrets.token_hex(6), label=label, created=place.now())
    with place.database.writing() as writing:
        writing.add(invitation)
        audit.note(place, writing, f"researcher {by}", "opened a panel link", label)
    return _told(place, invitation)


def _told(place: Place, invitation: Invitation) -> dict[str, Any]:
    parameter = place.study.recruiting.external_id_parameter
    token = access.link_token(place, "panel", invitation.id)
    address = f"{place.study.server.public_url}/join?{parameter}={{ID}}#{token}"
    return {
        "id": invitation.id,
        "label": invitation.label,
        "created": stamp(invitation.created),
        "revoked": bool(invitation.revoked),
        "link": address,
    }


def panels(place: Place) -> list[dict[str, Any]]:
    """All links for many people."""
    with place.database.reading() as reading:
        found = list(reading.scalars(select(Invitation).order_by(Invitation.created)))
    return [_told(place, invitation) for invitation in found]


def revoke(place: Place, by: str, invitation: str) -> None:
    """Let nobody new in by this link."""
    with place.database.writing() as writing:
        found = writing.get(Invitation, invitation)
        if found is None:
            raise not_found()
        found.revoked = True
        audit.note(place, writing, f"researcher {by}", "revoked a panel link", found.label)


def overview(place: Place) -> dict[str, Any]:
    """Who is where, and how many count."""
    with place.database.reading() as reading:
        everybody = list(reading.scalars(select(Person).order_by(Person.created)))
        told = [_person(place, reading, person) for person in everybody if _is_there(person)]
        counted = people.counted(place, reading)
        quotas = place.study.recruiting.language_quotas
        of_language = {
            language: {"counted": people.counted(place, reading, language), "quota": quota}
            for language, quota in quotas.items()
        }
    return {
        "counted": counted,
        "quota": place.study.recruiting.quota,
        "languages": of_language,
        "people": [one for one in told if one["kind"] == "participant"],
        "tests": [one for one in told if one["kind"] == "test"],
    }


def _is_there(person: Person) -> bool:
    return person.state != "erasing"


def _person(place: Place, reading: Transaction, person: Person) -> dict[str, Any]:
    private = place.opened(person.id, person.private, people.PRIVATE)
    given = consent.last(reading, person.id)
    items = people.items(place, reading, person)
    recordings = people.of_person(reading, person.id)
    return {
        "id": person.id,
        "kind": person.kind,
        "state": person.state,
        "external_id": private["external_id"],
        "language": person.language,
        "consent": {} if given is None else given.answers,
        "consent_current": consent.is_current(place, given),
        "items": {item.prompt.id: item.state for item in items},
        "done": sum(not item.open for item in items),
        "days": sorted({stamp(one.created)[:10] for one in recordings}),
        "created": stamp(person.created),
        "seen": stamp(person.seen),
        "finished": None if person.finished is None else stamp(person.finished),
        "withdrawing": None if person.erase_at is None else stamp(person.erase_at),
    }


def person(place: Place, person_id: str) -> dict[str, Any]:
    """Where one person is, with their recordings."""
    with place.database.reading() as reading:
        found = reading.get(Person, person_id)
        if found is None or not _is_there(found):
            raise not_found()
        recordings = people.of_person(reading, person_id)
        told = _person(place, reading, found)
    told["recordings"] = [
        {
            "id": one.id,
            "item": one.item,
            "state": one.state,
            "quality": one.quality,
            "proposal": one.proposal,
            "bytes": one.size,
            "at": stamp(one.created),
        }
        for one in recordings
    ]
    return told


def log(place: Place) -> dict[str, Any]:
    """The audit log, the newest first."""
    with place.database.reading() as reading:
        lines = list(reading.scalars(select(Audit).order_by(Audit.id.desc()).limit(_SHOWN)))
        broken = audit.first_broken(reading)
    told = [
        {"id": line.id, "at": line.at, "who": line.who, "what": line.what, "about": line.about}
        for line in lines
    ]
    return {"whole": broken is None, "broken_at": broken, "lines": told}

"""What a researcher asks for: signing in, invitations, who is where, erasing, the audit log."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi import Path as InPath
from pydantic import Field

from twomind.core.errors import BadInput
from twomind.server import access, audit, recruiting, withdrawal
from twomind.server.participant_api import Body
from twomind.server.place import stamp
from twomind.server.refused import Refused, not_found
from twomind.server.tables import Person
from twomind.server.visitors import ResearcherHere, ThePlace, drop_cookie, set_cookie

router = APIRouter(prefix="/api/researcher", tags=["researcher"])
Name = Annotated[str, Field(pattern=r"^[\w.@-]{1,60}$")]
PersonId = Annotated[str, InPath(pattern=r"^[0-9a-f]{12}$")]
InvitationId = Annotated[str, InPath(pattern=r"^[0-9a-f]{12}$")]


class PasswordBody(Body):
    token: str = Field(max_length=400)
    name: Name
    password: str = Field(max_length=200)


@router.post("/password", status_code=204)
def first_password(body: PasswordBody, place: ThePlace) -> Response:
    """Set the first researcher's password with the link that the server printed; only once."""
    access.read_token(place, "setup", body.token)
    if access.any_researcher(place):
        raise access.bad_link()
    try:
        access.set_password(place, body.name, body.password)
    except BadInput as error:
        raise Refused(422, "invalid", str(error), where="password") from error
    return Response(status_code=204)


class SignInBody(Body):
    name: str = Field(max_length=60)
    password: str = Field(max_length=200)


@router.post("/session")
def sign_in(body: SignInBody, response: Response, place: ThePlace) -> dict[str, Any]:
    """Sign in by name and password."""
    opened = access.sign_in(place, body.name, body.password)
    set_cookie(response, place, "researcher", opened)
    return {"csrf": opened.csrf, "expires": stamp(opened.expires)}


@router.get("/session")
def session(visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """The session after a reload."""
    return {"csrf": access.csrf_of(place, visitor.hash), "name": visitor.subject}


@router.get("/study")
def study(visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """What the pages need to know of the study, and what to know before the first invitation."""
    study = place.study
    return {
        "id": study.id,
        "title": study.title,
        "languages": study.languages,
        "items": [item.model_dump(include={"id", "response", "text"}) for item in study.items()],
        "warnings": [asdict(warning) for warning in study.warnings()],
        "measuring": study.measuring.model_dump(include={"enabled", "model", "speech_model"}),
    }


@router.delete("/session", status_code=204)
def sign_out(visitor: ResearcherHere, place: ThePlace) -> Response:
    """End the researcher's session."""
    access.end_session(place, visitor)
    response = Response(status_code=204)
    drop_cookie(response, "researcher")
    return response


@router.get("/people")
def people(visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """Who is where. Test participants stand apart and are not counted."""
    return recruiting.overview(place)


@router.get("/people/{person}")
def one_person(person: PersonId, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """Where one person is, with their recordings."""
    return recruiting.person(place, person)


class InviteBody(Body):
    names: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        min_length=1, max_length=1000
    )


@router.post("/invitations/people", status_code=201)
def invite(body: InviteBody, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """Links for the people of a list, one each; somebody who was invited gets the same person."""
    return {"links": recruiting.invite(place, visitor.subject, body.names)}


class PanelBody(Body):
    label: str = Field(pattern=r"^[^\x00-\x1f]+$", max_length=100)


@router.post("/invitations/panels", status_code=201)
def panel(body: PanelBody, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """One link for many people, whom a panel tells apart."""
    return recruiting.panel(place, visitor.subject, body.label)


@router.get("/invitations/panels")
def panels(visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """The links for many people."""
    return {"panels": recruiting.panels(place)}


@router.delete("/invitations/panels/{invitation}", status_code=204)
def revoke(invitation: InvitationId, visitor: ResearcherHere, place: ThePlace) -> Response:
    """The link lets nobody new in."""
    recruiting.revoke(place, visitor.subject, invitation)
    return Response(status_code=204)


@router.post("/test-participants", status_code=201)
def test_participant(visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """A link with which to try the study; nothing of it counts."""
    return recruiting.test_participant(place, visitor.subject)


@router.post("/people/{person}/link")
def link_again(person: PersonId, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """The link of somebody who lost it."""
    return recruiting.link_again(place, visitor.subject, person)


@router.delete("/people/{person}", status_code=204)
def erase(person: PersonId, visitor: ResearcherHere, place: ThePlace) -> Response:
    """Erase somebody who asked for it by other means than their link."""
    with place.database.writing() as writing:
        found = writing.get(Person, person)
        if found is None:
            raise not_found()
        audit.note(place, writing, f"researcher {visitor.subject}", "erases", found.mark)
    withdrawal.erase(place, person)
    return Response(status_code=204)


@router.get("/audit")
def log(visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """The audit log, the newest first, and whether it is whole."""
    return recruiting.log(place)

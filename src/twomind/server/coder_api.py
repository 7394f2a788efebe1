"""What coders ask for, and what researchers ask about coders."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse
from pydantic import Field

from twomind.server import access, coders
from twomind.server.participant_api import Body
from twomind.server.place import stamp
from twomind.server.recordings_api import RecordingId, played
from twomind.server.visitors import CoderHere, ResearcherHere, ThePlace, drop_cookie, set_cookie

router = APIRouter(prefix="/api/coder", tags=["coder"])
team = APIRouter(prefix="/api/researcher/coders", tags=["coders"])
CoderId = Annotated[str, InPath(pattern=r"^[0-9a-f]{12}$")]


class EnterBody(Body):
    token: str = Field(max_length=400)


@router.post("/session")
def enter(body: EnterBody, response: Response, place: ThePlace) -> dict[str, Any]:
    """Exchange a coder's link for a session."""
    coder = coders.enter(place, body.token)
    opened = access.open_session(place, "coder", coder)
    set_cookie(response, place, "coder", opened)
    return {"csrf": opened.csrf, "expires": stamp(opened.expires)}


@router.get("/session")
def session(visitor: CoderHere, place: ThePlace) -> dict[str, Any]:
    """The session after a reload."""
    return {"csrf": access.csrf_of(place, visitor.hash)}


@router.delete("/session", status_code=204)
def leave(visitor: CoderHere, place: ThePlace) -> Response:
    """End the session."""
    access.end_session(place, visitor)
    response = Response(status_code=204)
    drop_cookie(response, "coder")
    return response


@router.get("/recordings")
def recordings(visitor: CoderHere, place: ThePlace) -> dict[str, Any]:
    """What is assigned to this coder."""
    return {"recordings": coders.assigned(place, visitor.subject)}


@router.get("/recordings/{recording}/media")
def media(
    recording: RecordingId,
    visitor: CoderHere,
    place: ThePlace,
    range: Annotated[str, Header(max_length=60)] = "",
) -> StreamingResponse:
    """A recording that is assigned to this coder."""
    return played(place, coders.recording_of(place, visitor.subject, recording), range)


class CoderBody(Body):
    name: str = Field(pattern=r"^[^\x00-\x1f]+$", max_length=60)


@team.post("", status_code=201)
def make(body: CoderBody, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """A new coder with a link of their own."""
    return coders.make(place, visitor.subject, body.name)


@team.get("")
def listed(visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """All coders."""
    return {"coders": coders.listed(place)}


@team.post("/{coder}/link")
def link_again(coder: CoderId, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """The link of a coder who lost it."""
    return coders.link_again(place, visitor.subject, coder)


@team.delete("/{coder}", status_code=204)
def revoke(coder: CoderId, visitor: ResearcherHere, place: ThePlace) -> Response:
    """Let a coder in no more."""
    coders.revoke(place, visitor.subject, coder)
    return Response(status_code=204)


@team.put("/{coder}/recordings/{recording}", status_code=204)
def assign(
    coder: CoderId, recording: RecordingId, visitor: ResearcherHere, place: ThePlace
) -> Response:
    """Let a coder see a recording."""
    coders.assign(place, visitor.subject, coder, recording)
    return Response(status_code=204)


@team.delete("/{coder}/recordings/{recording}", status_code=204)
def unassign(
    coder: CoderId, recording: RecordingId, visitor: ResearcherHere, place: ThePlace
) -> Response:
    """Let a coder see it no more."""
    coders.unassign(place, visitor.subject, coder, recording)
    return Response(status_code=204)

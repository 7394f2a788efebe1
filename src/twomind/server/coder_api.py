"""What coders ask for, and what researchers ask about coders."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from twomind.server import access, admission, coders, coding_media, coding_work
from twomind.server.coding import Made
from twomind.server.participant_api import Body
from twomind.server.place import stamp
from twomind.server.recordings_api import RecordingId, streamed
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
    """End the coder's session."""
    access.end_session(place, visitor)
    response = Response(status_code=204)
    drop_cookie(response, "coder")
    return response


@router.get("/recordings")
def recordings(visitor: CoderHere, place: ThePlace) -> dict[str, Any]:
    """What is assigned to this coder, and how far their admission is."""
    return coders.assigned(place, visitor.subject)


@router.get("/study")
def study(visitor: CoderHere, place: ThePlace) -> dict[str, Any]:
    """What the page needs: the title, and what is to be marked."""
    return {
        "title": place.study.title,
        "languages": place.study.languages,
        "codebook": place.codebook.model_dump(exclude={"admission"}),
    }


@router.get("/recordings/{recording}/media")
def media(
    recording: RecordingId,
    visitor: CoderHere,
    place: ThePlace,
    range: Annotated[str, Header(max_length=60)] = "",
) -> StreamingResponse:
    """A recording that is assigned to this coder."""
    found = coders.recording_of(place, visitor.subject, recording)
    return streamed(coding_media.film(place, found), found.mime, range)


@router.get("/recordings/{recording}")
def clip(recording: RecordingId, visitor: CoderHere, place: ThePlace) -> dict[str, Any]:
    """A recording to code: when each picture is shown, how loud it is, words, and one's own marks."""
    hand = coders.hand(place, visitor.subject, recording)
    told = coding_work.page(place, hand, recording)
    return {**told, "film": coders.film_of(place, recording)}


class MarkBody(Body):
    tier: str = Field(max_length=40)
    start_ms: int = Field(ge=0, le=100_000_000)
    end_ms: int = Field(ge=0, le=100_000_000)
    label: str = Field(default="", pattern=r"^[^\x00-\x1f]*$", max_length=80)
    certainty: str = Field(default="", pattern=r"^[^\x00-\x1f]*$", max_length=80)


class AfterBody(Body):
    #: The version that was looked at.
    after: int = Field(ge=0, le=10_000_000)


class MarksBody(AfterBody):
    marks: list[MarkBody] = Field(max_length=coding_work.MOST_MARKS)

    def made(self) -> list[Made]:
        """The marks as the rest of the server has them."""
        return [Made(**mark.model_dump()) for mark in self.marks]


@router.put("/recordings/{recording}/marks")
def mark(
    recording: RecordingId, body: MarksBody, visitor: CoderHere, place: ThePlace
) -> dict[str, Any]:
    """One action: all marks as they are after it; answered when it is safe on the disk."""
    hand = coders.hand(place, visitor.subject, recording)
    return coding_work.save(place, hand, recording, body.after, body.made())


@router.post("/recordings/{recording}/undo")
def undo(
    recording: RecordingId, body: AfterBody, visitor: CoderHere, place: ThePlace
) -> dict[str, Any]:
    """Undo the last action."""
    hand = coders.hand(place, visitor.subject, recording)
    return coding_work.undo(place, hand, recording, body.after)


@router.post("/recordings/{recording}/redo")
def redo(
    recording: RecordingId, body: AfterBody, visitor: CoderHere, place: ThePlace
) -> dict[str, Any]:
    """Do once more what was undone."""
    hand = coders.hand(place, visitor.subject, recording)
    return coding_work.redo(place, hand, recording, body.after)


@router.post("/recordings/{recording}/done")
def done(
    recording: RecordingId, body: AfterBody, visitor: CoderHere, place: ThePlace
) -> dict[str, Any]:
    """The recording is coded to the end."""
    hand = coders.hand(place, visitor.subject, recording)
    told = coding_work.finish(place, hand, recording, body.after)
    admission.judge(place, visitor.subject)
    return told


@router.get("/recordings/{recording}/eaf")
def eaf(recording: RecordingId, visitor: CoderHere, place: ThePlace) -> Response:
    """One's own marks as a file of ELAN."""
    hand = coders.hand(place, visitor.subject, recording)
    return eaf_answer(coding_work.to_eaf(place, hand, recording), recording)


def eaf_answer(text: str, name: str) -> Response:
    """A file of ELAN as an answer."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.eaf"'}
    return Response(text, media_type="application/xml", headers=headers)


@router.put("/recordings/{recording}/eaf")
async def take_eaf(
    recording: RecordingId,
    request: Request,
    visitor: CoderHere,
    place: ThePlace,
    after: Annotated[int, Query(ge=0, le=10_000_000)],
) -> dict[str, Any]:
    """A file of ELAN in place of one's own marks."""
    content = await request.body()
    hand = await run_in_threadpool(coders.hand, place, visitor.subject, recording)
    return await run_in_threadpool(coding_work.from_eaf, place, hand, recording, after, content)


class CoderBody(Body):
    name: str = Field(pattern=r"^[^\x00-\x1f]+$", max_length=60)
    #: Not of the team.
    outside: bool = False


@team.post("", status_code=201)
def make(body: CoderBody, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """A new coder with a link of their own."""
    return coders.make(place, visitor.subject, body.name, body.outside)


@team.get("")
def listed(visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """List all coders of the study."""
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

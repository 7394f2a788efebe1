"""What the team asks about coding: sharing out, gold clips, agreement, agreeing on one coding, files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from twomind.server import (
    admission,
    coding_agreement,
    coding_media,
    coding_team,
    coding_work,
    reviewing,
)
from twomind.server.coder_api import AfterBody, CoderId, MarksBody, eaf_answer
from twomind.server.participant_api import Body
from twomind.server.recordings_api import RecordingId, streamed
from twomind.server.visitors import ResearcherHere, ThePlace

router = APIRouter(prefix="/api/researcher/coding", tags=["coding"])


@router.get("")
def overview(visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """Coders, their admission and drift, and how far each recording is."""
    return coding_team.overview(place)


@router.get("/agreement")
def agreement(
    visitor: ResearcherHere,
    place: ThePlace,
    tier: Annotated[str, Query(pattern=r"^[a-z:]{0,20}$")] = "",
) -> dict[str, Any]:
    """What ``twomind agree`` says of all that is coded by now."""
    return coding_agreement.agreement(place, tier)


@router.get("/table.csv")
def table(visitor: ResearcherHere, place: ThePlace) -> Response:
    """All that was coded, as one table."""
    headers = {"Content-Disposition": 'attachment; filename="coded.csv"'}
    return Response(coding_team.table_of(place), media_type="text/csv", headers=headers)


class PlanBody(Body):
    coders: int = Field(default=2, ge=1, le=20)
    #: Of how many recordings; the others get one coder.
    share: float = Field(default=1.0, ge=0, le=1)
    seed: int = Field(default=0, ge=0, le=1_000_000)


@router.post("/assignments")
def share_out(body: PlanBody, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """Give every usable recording its coders."""
    plan = coding_team.Plan(body.coders, body.share, body.seed)
    return coding_team.share_out(place, visitor.subject, plan)


@router.put("/gold/{recording}", status_code=204)
def gold(recording: RecordingId, visitor: ResearcherHere, place: ThePlace) -> Response:
    """Measure coders by the agreed coding of a recording."""
    admission.make_gold(place, visitor.subject, recording)
    return Response(status_code=204)


@router.delete("/gold/{recording}", status_code=204)
def no_gold(recording: RecordingId, visitor: ResearcherHere, place: ThePlace) -> Response:
    """Measure nobody by it any more."""
    admission.drop_gold(place, visitor.subject, recording)
    return Response(status_code=204)


@router.put("/admission/{coder}", status_code=204)
def admit(coder: CoderId, visitor: ResearcherHere, place: ThePlace) -> Response:
    """Let a coder in without the gold clips, or in spite of them."""
    admission.admit(place, f"researcher {visitor.subject}", coder, True)
    return Response(status_code=204)


@router.delete("/admission/{coder}", status_code=204)
def not_admit(coder: CoderId, visitor: ResearcherHere, place: ThePlace) -> Response:
    """Send a coder back to the gold clips."""
    admission.admit(place, f"researcher {visitor.subject}", coder, False)
    return Response(status_code=204)


@router.delete("/recordings/{recording}/done/{coder}", status_code=204)
def reopen(
    recording: RecordingId, coder: CoderId, visitor: ResearcherHere, place: ThePlace
) -> Response:
    """Let a coder go on with a recording that was done."""
    coding_work.reopen(place, f"researcher {visitor.subject}", coder, recording)
    return Response(status_code=204)


# --- agreeing on one coding


@router.get("/recordings/{recording}")
def clip(recording: RecordingId, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """A recording with the codings of all who have done it, and the agreed one."""
    return coding_team.side_by_side(place, visitor.subject, recording)


@router.get("/recordings/{recording}/media")
def media(
    recording: RecordingId,
    visitor: ResearcherHere,
    place: ThePlace,
    range: Annotated[str, Header(max_length=60)] = "",
) -> StreamingResponse:
    """The same film that coders see."""
    found = reviewing.watched(place, visitor.subject, recording)
    return streamed(coding_media.film(place, found), found.mime, range)


@router.put("/recordings/{recording}/marks")
def mark(
    recording: RecordingId, body: MarksBody, visitor: ResearcherHere, place: ThePlace
) -> dict[str, Any]:
    """One action on the agreed coding."""
    hand = coding_team.hand(visitor.subject)
    return coding_work.save(place, hand, recording, body.after, body.made())


@router.post("/recordings/{recording}/undo")
def undo(
    recording: RecordingId, body: AfterBody, visitor: ResearcherHere, place: ThePlace
) -> dict[str, Any]:
    """Undo the last action on the agreed coding."""
    return coding_work.undo(place, coding_team.hand(visitor.subject), recording, body.after)


@router.post("/recordings/{recording}/redo")
def redo(
    recording: RecordingId, body: AfterBody, visitor: ResearcherHere, place: ThePlace
) -> dict[str, Any]:
    """Do once more what was undone."""
    return coding_work.redo(place, coding_team.hand(visitor.subject), recording, body.after)


@router.post("/recordings/{recording}/done")
def done(
    recording: RecordingId, body: AfterBody, visitor: ResearcherHere, place: ThePlace
) -> dict[str, Any]:
    """Finish the coding that the team agreed on."""
    told = coding_work.finish(place, coding_team.hand(visitor.subject), recording, body.after)
    admission.judge_all(place)
    return told


@router.delete("/recordings/{recording}/done", status_code=204)
def go_on(recording: RecordingId, visitor: ResearcherHere, place: ThePlace) -> Response:
    """Go on with the agreed coding."""
    coding_work.reopen(place, f"researcher {visitor.subject}", coding_team.TEAM, recording)
    return Response(status_code=204)


@router.get("/recordings/{recording}/eaf")
def eaf(recording: RecordingId, visitor: ResearcherHere, place: ThePlace) -> Response:
    """All codings of a recording as one file of ELAN."""
    return eaf_answer(coding_team.eaf_of(place, recording), recording)

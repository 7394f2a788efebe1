"""What researchers ask for about recordings: the queue, one of them, its words, what a model said."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from twomind.server import reviewing, scripts
from twomind.server.participant_api import Body
from twomind.server.recordings_api import RecordingId, played
from twomind.server.visitors import ResearcherHere, ThePlace

router = APIRouter(prefix="/api/researcher", tags=["review"])


@router.get("/queue")
def queue(
    visitor: ResearcherHere,
    place: ThePlace,
    show: reviewing.Shown = "waiting",
    start: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> dict[str, Any]:
    """Recordings, by what was decided on them, with what the quality control found and proposes."""
    return reviewing.queue(place, show, start)


@router.get("/recordings/{recording}")
def recording(recording: RecordingId, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """One recording: manifest, findings, decisions, other takes."""
    return reviewing.detail(place, recording)


@router.get("/recordings/{recording}/media")
def media(
    recording: RecordingId,
    visitor: ResearcherHere,
    place: ThePlace,
    range: Annotated[str, Header(max_length=60)] = "",
) -> StreamingResponse:
    """The recording as a film."""
    found = reviewing.watched(place, visitor.subject, recording)
    return played(place, found, range)


class DecisionBody(Body):
    verdict: reviewing.Verdict
    reason: str = Field(default="", max_length=2000)


@router.post("/recordings/{recording}/decisions", status_code=201)
def decide(
    recording: RecordingId, body: DecisionBody, visitor: ResearcherHere, place: ThePlace
) -> dict[str, Any]:
    """Usable, ask again, or exclude; all decisions are kept, and the last one counts."""
    return reviewing.decide(place, visitor.subject, recording, body.verdict, body.reason)


@router.post("/recordings/{recording}/measure", status_code=202)
def measure(recording: RecordingId, visitor: ResearcherHere, place: ThePlace) -> Response:
    """Measure a recording once more."""
    reviewing.measure_again(place, visitor.subject, recording)
    return Response(status_code=202)


@router.get("/recordings/{recording}/transcript")
def transcript(recording: RecordingId, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """Every version of what was said, the newest first."""
    return reviewing.transcript(place, recording)


class CorrectionBody(Body):
    after: int = Field(ge=0, le=1_000_000)
    text: str = Field(max_length=scripts.MOST_TEXT)


@router.post("/recordings/{recording}/transcript", status_code=201)
def correct(
    recording: RecordingId, body: CorrectionBody, visitor: ResearcherHere, place: ThePlace
) -> dict[str, Any]:
    """A corrected version; words that stay keep their times."""
    return reviewing.correct(place, visitor.subject, recording, body.after, body.text)


@router.get("/recordings/{recording}/result")
def result(recording: RecordingId, visitor: ResearcherHere, place: ThePlace) -> dict[str, Any]:
    """What a model said, with its limits. No participant and no coder is told."""
    return reviewing.result(place, visitor.subject, recording)

"""The part of the protocol about recordings: chunks, events, end, state, and playing one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from twomind.server import people, uploads
from twomind.server.participant_api import Body, Scalar, Sha256
from twomind.server.place import Place
from twomind.server.refused import Refused
from twomind.server.sealed import Film
from twomind.server.tables import Recording
from twomind.server.visitors import Participant, ThePlace

router = APIRouter(prefix="/api/recordings", tags=["recordings"])
RecordingId = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$")]
Number = Annotated[int, InPath(ge=0, lt=uploads.MOST_CHUNKS)]
Moment = Annotated[str, Field(pattern=r"^[0-9][0-9T:.Z+-]{0,39}$")]
_PIECE = 1 << 18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class BeginBody(Body):
    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    item: str = Field(max_length=40)
    mime: str = Field(pattern=r"^video/(webm|mp4)(;[ -~]*)?$", max_length=100)
    started_at: Moment


@router.post("", status_code=201)
def begin(body: BeginBody, visitor: Participant, place: ThePlace) -> JSONResponse:
    """Announce a recording before its first chunk."""
    asked = uploads.Begin(body.id, body.item, body.mime, body.started_at)
    state, new = uploads.begin(place, visitor.subject, asked)
    return JSONResponse(state, 201 if new else 200)


@router.put(
    "/{recording}/chunks/{number}",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def put_chunk(
    recording: RecordingId,
    number: Number,
    request: Request,
    visitor: Participant,
    place: ThePlace,
    x_chunk_sha256: Annotated[str, Header(pattern=r"^[0-9a-f]{64}$")],
) -> JSONResponse:
    """One chunk; the answer comes when it is safe on the disk."""
    if "content-length" not in request.headers:
        raise Refused(411, "no_length", "The header Content-Length is needed.")
    content = await request.body()
    chunk = uploads.Incoming(number, x_chunk_sha256, content)
    kept, new = await run_in_threadpool(uploads.put, place, visitor.subject, recording, chunk)
    told = {"n": kept.number, "sha256": kept.sha256, "bytes": kept.size}
    return JSONResponse(told, 201 if new else 200)


class Event(Body):
    seq: int = Field(ge=0, le=1_000_000)
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    media_ms: float | None = Field(allow_inf_nan=False)
    at: Moment
    detail: dict[str, Scalar] = Field(default={}, max_length=20)


class EventsBody(Body):
    events: list[Event] = Field(max_length=5000)


@router.put("/{recording}/events", status_code=204)
def events(
    recording: RecordingId, body: EventsBody, visitor: Participant, place: ThePlace
) -> Response:
    """What happened so far, on the recording's clock."""
    plain = [event.model_dump() for event in body.events]
    uploads.note_events(place, visitor.subject, recording, plain)
    return Response(status_code=204)


StopReason = Literal["button", "time_limit", "track_ended", "tab_closed", "error"]


class DoneBody(Body):
    chunks: list[Sha256] = Field(min_length=1, max_length=uploads.MOST_CHUNKS)
    bytes: int = Field(ge=0)
    duration_ms: float = Field(ge=0, le=1e9, allow_inf_nan=False)
    stop_reason: StopReason
    events: list[Event] = Field(default=[], max_length=5000)


@router.post("/{recording}/done")
def done(
    recording: RecordingId, body: DoneBody, visitor: Participant, place: ThePlace
) -> dict[str, Any]:
    """The recording is complete, if every chunk of the list is here."""
    plain = [event.model_dump() for event in body.events]
    asked = uploads.End(body.chunks, body.bytes, body.duration_ms, body.stop_reason, plain)
    return uploads.end(place, visitor.subject, recording, asked)


@router.get("/{recording}")
def state(recording: RecordingId, visitor: Participant, place: ThePlace) -> dict[str, Any]:
    """What the server has of it."""
    with place.database.reading() as reading:
        people.find(reading, visitor.subject)
        return uploads.state(reading, people.own_recording(reading, visitor.subject, recording))


@router.get("/{recording}/media")
def media(
    recording: RecordingId,
    visitor: Participant,
    place: ThePlace,
    range: Annotated[str, Header(max_length=60)] = "",
) -> StreamingResponse:
    """One's own recording, to see it again."""
    with place.database.reading() as reading:
        people.find(reading, visitor.subject)
        found = people.own_recording(reading, visitor.subject, recording)
    return played(place, found, range)


def played(place: Place, recording: Recording, asked: str) -> StreamingResponse:
    """A complete recording, or a part of it, decrypted while it is sent.

    Args:
        place: The study.
        recording: Which.
        asked: The header ``Range``.

    Raises:
        Refused: It is not complete, or there is no such part.
    """
    if recording.state == "open":
        raise Refused(409, "open", "This recording is not complete.")
    with place.database.reading() as reading:
        film = uploads.film(place, reading, recording)
    return streamed(film, recording.mime, asked)


def streamed(film: Film, mime: str, asked: str) -> StreamingResponse:
    """A film, or a part of it, decrypted while it is sent.

    Args:
        film: The film.
        mime: What it is.
        asked: The header ``Range``.

    Raises:
        Refused: There is no such part.
    """
    start, end = _part(asked, film.size)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
    status = 200
    if asked:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{film.size}"
        status = 206
    kind = mime.partition(";")[0]
    return StreamingResponse(_pieces(film, start, end), status, headers, media_type=kind)


def _part(asked: str, size: int) -> tuple[int, int]:
    if not asked:
        return 0, size
    found = _RANGE.fullmatch(asked)
    if found is None or found.groups() == ("", ""):
        raise _no_part(size)
    first, last = found.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start = int(first)
        end = min(int(last) + 1, size) if last else size
    if start >= end:
        raise _no_part(size)
    return start, end


def _no_part(size: int) -> Refused:
    return Refused(416, "no_part", "The recording has no such part.", size=size)


def _pieces(film: Film, start: int, end: int) -> Iterator[bytes]:
    film.seek(start)
    while start < end:
        piece = film.read(min(_PIECE, end - start))
        if not piece:
            return
        start += len(piece)
        yield piece

"""The addresses of the live service: files, jobs, states, models, health, and the WebSocket."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Query, Request, Response, WebSocket
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect, WebSocketState

from twomind.core.errors import BadInput, TwomindError
from twomind.core.version import __version__
from twomind.pipeline.live import LiveSession
from twomind.pipeline.live_events import Event
from twomind.server import durable
from twomind.server.live_jobs import Worker
from twomind.server.live_place import LivePlace
from twomind.server.live_policy import KINDS, Purpose
from twomind.server.live_running import Running, Sessions
from twomind.server.live_wire import (
    CHUNK,
    PICTURE,
    Begin,
    Export,
    Finish,
    Pictures,
    PurposeBody,
    Sent,
    Words,
    read_binary,
    samples_of,
)
from twomind.server.refused import Refused
from twomind.types import Timing, Word

router = APIRouter(prefix="/api/live", tags=["live"])
Id = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$")]
_EVENTS: TypeAdapter[Any] = TypeAdapter(Event)
_SENT: TypeAdapter[Any] = TypeAdapter(Sent)
#: After so many messages the client is told that they are here.
_RECEIVED_EVERY = 20
_BINARY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string"}}},
    }
}


@dataclass(frozen=True)
class Live:
    """The state behind the addresses of the live service."""

    place: LivePlace
    sessions: Sessions
    worker: Worker

    @classmethod
    def of(cls, place: LivePlace) -> Live:
        return cls(place, Sessions(place.settings), Worker(place))


def live_of(request: Request) -> Live:
    """The live service of this application."""
    return cast(Live, request.app.state.live)


TheLive = Annotated[Live, Depends(live_of)]


def _owner(request: Request, live: TheLive) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return live.place.owner(token.strip() if kind.lower() == "bearer" else "")


Owner = Annotated[str, Depends(_owner)]


def allowed(live: Live, declared: PurposeBody | None) -> None:
    """Let a declared purpose pass the policy.

    Raises:
        Refused: It does not, with the reason.
    """
    purpose = Purpose("", "") if declared is None else Purpose(declared.kind, declared.text)
    if why := live.place.policy(purpose):
        raise Refused(403, "purpose", f"{why}.", kinds=list(KINDS))


def _known_model(live: Live, model: str | None) -> str | None:
    if model and model not in live.place.settings.models:
        known = list(live.place.settings.models)
        raise Refused(422, "no_model", "This server does not offer this model.", models=known)
    return model or None


# --- what anybody may see


@router.get("/health")
def health(live: TheLive) -> dict[str, Any]:
    """Whether the service takes new work."""
    try:
        live.place.refuse_full()
    except Refused as refused:
        room = str(refused)
    else:
        room = ""
    most = live.place.settings.most_sessions
    running = live.sessions.n
    return {
        "version": __version__,
        "sessions": running,
        "most_sessions": most,
        "takes_work": not room and running < most,
        "reason": room,
    }


@router.get("/events.schema.json")
def events_schema() -> dict[str, Any]:
    """JSON Schema of every event that a session sends, and of every message that it takes."""
    return {"events": _EVENTS.json_schema(), "messages": _SENT.json_schema()}


@router.get("/openapi.json")
def openapi(request: Request) -> dict[str, Any]:
    """The description of these addresses."""
    return cast(dict[str, Any], request.app.openapi())


# --- models


@router.get("/models")
def models(live: TheLive, owner: Owner) -> dict[str, Any]:
    """The models that may be asked for, with their cards."""
    from twomind.models import load
    from twomind.models.base import complete

    found = []
    for name in live.place.settings.models:
        model = complete(load(name))
        window_s = model.window_s
        told = {"name": name, "classes": list(model.task.classes), "window_s": window_s}
        found.append({**told, "card": dict(model.card), "inputs": list(model.inputs)})
    return {"models": found}


# --- states


@router.get("/states")
def states(live: TheLive, owner: Owner) -> dict[str, Any]:
    """The states that are kept for this token."""
    return {"states": live.place.states(owner)}


@router.post("/states", status_code=201, openapi_extra=_BINARY)
async def import_state(request: Request, live: TheLive, owner: Owner) -> dict[str, Any]:
    """Keep a state that another server exported; its checksum must hold."""
    content = await request.body()

    def keep() -> dict[str, Any]:
        from twomind.pipeline.live_state import read_state

        try:
            read_state(content)
        except TwomindError as error:
            raise Refused(422, "damaged", "These bytes are no whole state of a session.") from error
        return live.place.put_state(owner, content)

    return await run_in_threadpool(keep)


@router.get("/states/{number}")
def export_state(number: Id, live: TheLive, owner: Owner) -> Response:
    """A state, for another server."""
    content = live.place.get_state(owner, number)
    digest = live.place.state_entry(owner, number)["sha256"]
    return Response(content, media_type="application/octet-stream", headers={"X-SHA256": digest})


@router.delete("/states/{number}", status_code=204)
def erase_state(number: Id, live: TheLive, owner: Owner) -> Response:
    """Erase a state."""
    live.place.erase_state(owner, number)
    return Response(status_code=204)


# --- files


@router.post("/jobs", status_code=201, openapi_extra=_BINARY)
async def add_job(
    request: Request,
    live: TheLive,
    owner: Owner,
    purpose: Annotated[str, Query(max_length=40)],
    purpose_text: Annotated[str, Query(max_length=2000)],
    model: Annotated[str, Query(max_length=400)] = "",
    question: Annotated[str, Query(max_length=400)] = "",
    synthetic: bool = False,
) -> dict[str, Any]:
    """A film or a sound, as the body; it is measured when its turn comes."""
    allowed(live, PurposeBody(kind=purpose, text=purpose_text))
    _known_model(live, model)
    most = live.place.settings.most_file_bytes
    length = request.headers.get("content-length", "")
    if length and int(length) > most:
        raise Refused(413, "too_large", "The file is larger than it may be.", limit=most)
    live.place.refuse_full(int(length or 0))
    number = secrets.token_hex(16)
    path = live.place.film_path(owner, number)
    durable.make_folder(path.parent)
    size = await _received(request.stream(), path, most)
    about = {"model": model, "question": question, "drawn": int(synthetic), "bytes": size}
    await run_in_threadpool(live.place.add_job, owner, number, about)
    live.worker.wake()
    return live.place.job(owner, number)


async def _received(stream: AsyncIterator[bytes], path: Path, most: int) -> int:
    """Write a body to the disk as it comes; its size. Nothing is left of one that breaks off."""
    part = path.with_name(f"{path.name}{durable.PART}")
    size = 0
    handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with open(handle, "wb") as file:
            async for block in stream:
                size += len(block)
                if size > most:
                    raise Refused(413, "too_large", "The file is larger than it may be.")
                await run_in_threadpool(file.write, block)
            if not size:
                raise Refused(422, "empty", "The body is empty; expected a film or a sound.")
            file.flush()
            await run_in_threadpool(os.fsync, file.fileno())
        part.rename(path)
        durable.sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)
    return size


@router.get("/jobs")
def jobs(live: TheLive, owner: Owner) -> dict[str, Any]:
    """The jobs of this token."""
    return {"jobs": live.place.jobs(owner)}


@router.get("/jobs/{number}")
def job(number: Id, live: TheLive, owner: Owner) -> dict[str, Any]:
    """Where a job stands: waiting, running, done or failed."""
    return live.place.job(owner, number)


@router.get("/jobs/{number}/result")
def result(number: Id, live: TheLive, owner: Owner) -> JSONResponse:
    """What a finished job found in its film, as JSON."""
    return JSONResponse(live.place.result(owner, number))


@router.delete("/jobs/{number}", status_code=204)
def erase_job(number: Id, live: TheLive, owner: Owner) -> Response:
    """Erase a job, its film and its result."""
    live.place.erase_job(owner, number)
    return Response(status_code=204)


# --- the line


@router.websocket("/ws")
async def line(socket: WebSocket) -> None:
    """A live session: the first message begins it, events come back."""
    live = cast(Live, socket.app.state.live)
    await socket.accept()
    try:
        begun = await asyncio.wait_for(socket.receive_text(), 20.0)
        asked = _read_text(begun)
        if not isinstance(asked, Begin):
            raise Refused(400, "begin", "The first message must be 'begin'.")
        owner = await run_in_threadpool(live.place.owner, asked.token)
        running = await run_in_threadpool(_begun, live, owner, asked)
    except (WebSocketDisconnect, KeyError, TimeoutError):
        await _close(socket, 1002)
        return
    except Refused as refused:
        await _refuse(socket, refused)
        return
    except TwomindError as error:
        await _refuse(socket, Refused(422, error.kind, str(error)))
        return
    await _Line(live, socket, running).run(asked.after)


async def _refuse(socket: WebSocket, refused: Refused) -> None:
    told = {"event": "refused", "status": refused.status, **refused.body()}
    await socket.send_json(told)
    await _close(socket, 1008)


async def _close(socket: WebSocket, code: int) -> None:
    if socket.client_state is not WebSocketState.CONNECTED:
        return
    with suppress(WebSocketDisconnect):  # the client was faster
        await socket.close(code)


def _read_text(text: str) -> Begin | Words | Finish | Export:
    """A message of a client.

    Raises:
        Refused: It is none.
    """
    try:
        return Sent.model_validate({"message": json.loads(text)}).message
    except (ValueError, RecursionError) as error:
        where = ""
        if isinstance(error, ValidationError):
            steps = error.errors()[0]["loc"]
            where = ".".join(str(step) for step in steps[1:])
        raise Refused(422, "invalid", "No message of this protocol.", where=where) from error


def _begun(live: Live, owner: str, asked: Begin) -> Running:
    """The session that a client begins, or goes on with."""
    if asked.resume is not None:
        found = live.sessions.find(owner, asked.resume)
        if found is None:
            raise Refused(404, "gone", "This session is over; begin another.")
        return found
    allowed(live, asked.purpose)
    model = _known_model(live, asked.model)
    live.place.refuse_full()
    state = None if asked.state is None else live.place.get_state(owner, asked.state)

    def make() -> LiveSession:
        return LiveSession(
            model,
            asked.adapt,
            state,
            using=asked.using,
            question=asked.question,
            drawn=asked.synthetic,
            allow_synthetic=live.place.settings.allow_synthetic,
            keep=False,
        )

    running = live.sessions.add(owner, make)
    if running is None:
        raise Refused(503, "busy", "As many sessions run as this server takes; try again later.")
    return running


class _Line:
    """One connection of a session."""

    def __init__(self, live: Live, socket: WebSocket, running: Running) -> None:
        self._live = live
        self._socket = socket
        self._running = running
        self._pictures = Pictures()
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._told: Callable[[], None] = self._tell

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._news.set)

    async def run(self, after: int) -> None:
        """Until the client goes or the session is over."""
        running = self._running
        running.listener = self._told
        resume_s = self._live.place.settings.resume_s
        ready: dict[str, Any] = {"event": "ready", "session": running.id, "resume_s": resume_s}
        ready["received"] = running.n_received
        sending = None
        try:
            await self._socket.send_json(ready)
            sending = asyncio.create_task(self._send(after))
            taking = asyncio.create_task(self._take())
            await asyncio.wait({sending, taking}, return_when=asyncio.FIRST_COMPLETED)
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
            # Another connection may have taken the session over.
            if running.listener is self._told:
                self._live.sessions.left(running)
            await _close(self._socket, 1000)

    async def _send(self, seq: int) -> None:
        while True:
            self._news.clear()
            is_over = self._running.over
            for event in self._running.after(seq):
                await self._socket.send_json(event)
                seq = event["seq"]
            if is_over:
                return
            await self._news.wait()

    async def _take(self) -> None:
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                try:
                    await self._one(message)
                except (BadInput, Refused) as error:
                    told = {"event": "trouble", "code": "message", "message": str(error)}
                    self._running.tell(told)
                await self._received()
                while self._running.is_full and not self._running.over:
                    await asyncio.sleep(0.05)
        except WebSocketDisconnect:
            return

    async def _received(self) -> None:
        """Tell the client now and then what it need not keep."""
        self._running.n_received += 1
        n = self._running.n_received
        if n % _RECEIVED_EVERY == 0:
            await self._socket.send_json({"event": "received", "n": n})

    async def _one(self, message: Any) -> None:
        running = self._running
        content = message.get("bytes")
        if content is not None:
            self._binary(content)
            return
        asked = _read_text(message.get("text") or "")
        if isinstance(asked, Words):
            running.words([_word(one) for one in asked.words], asked.until_s)
        elif isinstance(asked, Finish):
            running.finish()
        elif isinstance(asked, Export):
            self._export()
        else:
            raise Refused(409, "begun", "This session has begun.")

    def _binary(self, content: bytes) -> None:
        one = read_binary(content)
        running = self._running
        if one.kind == PICTURE:
            pictures = self._pictures
            running.picture(one.time_s, lambda: pictures.rgb(one.content))
        elif one.kind == CHUNK:
            running.chunk(one.content)
        else:
            running.sound(one.time_s, samples_of(one), max(one.rate_hz, 1))

    def _export(self) -> None:
        running, place = self._running, self._live.place

        def task(session: LiveSession) -> list[Event]:
            try:
                entry = place.put_state(running.owner, session.export())
            except Refused as refused:
                running.tell({"event": "refused", "status": refused.status, **refused.body()})
                return []
            running.tell({"event": "exported", "state": entry["id"], "sha256": entry["sha256"]})
            running.end()
            return []

        running.do(task)


def _word(one: Any) -> Word:
    confidence = float("nan") if one.confidence is None else one.confidence
    try:
        return Word(one.text, one.start_s, one.end_s, confidence, Timing.RECOGNISED)
    except ValueError as error:
        raise BadInput("a word that ends before it begins, or has no text") from error

"""The part of the protocol that a participant's page speaks, but for recordings."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from twomind.server import access, consent, export, people, withdrawal
from twomind.server.guard import asker_of
from twomind.server.limits import Limiter
from twomind.server.place import Place, stamp
from twomind.server.study import Prompt, Study
from twomind.server.visitors import Participant, ThePlace, drop_cookie, known, set_cookie

router = APIRouter(prefix="/api", tags=["participant"])
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Scalar = str | float | int | bool | None


class Body(BaseModel):
    """A JSON body: no field but those that it names, and text that can be written as text."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_halves(cls, values: Any) -> Any:
        # JSON may hold halves of characters; no file, database or page can.
        try:
            json.dumps(values, ensure_ascii=False, default=str).encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError("it holds half a character") from error
        return values


# --- sessions


class EnterBody(Body):
    token: str = Field(max_length=400)
    external_id: str = Field(default="", max_length=200)
    bearer: bool = False


@router.post("/session")
def enter(body: EnterBody, request: Request, response: Response, place: ThePlace) -> dict[str, Any]:
    """Exchange a link's token for a session."""
    before = known(request, place, "participant")
    newcomers: Limiter = request.app.state.newcomers
    entry = people.Entry(
        body.token, body.external_id, lambda: newcomers.wait_s(asker_of(request.scope))
    )
    person = people.enter(place, entry, None if before is None else before.subject)
    opened = access.open_session(place, "participant", person)
    told = {
        "csrf": opened.csrf,
        "expires_s": round(place.study.server.session_hours * 3600),
        "personal_token": access.link_token(place, "person", person),
    }
    if body.bearer:
        return {**told, "bearer": opened.token}
    # What the page asks for next: a telephone far away is spared a round trip.
    told |= {"study": _study_of(place, person), "me": _me_of(place, person)}
    set_cookie(response, place, "participant", opened)
    return told


@router.get("/session")
def session(visitor: Participant, place: ThePlace) -> dict[str, Any]:
    """The session after a reload."""
    left = (visitor.expires - place.now()).total_seconds()
    return {"csrf": access.csrf_of(place, visitor.hash), "expires_s": round(left)}


@router.delete("/session", status_code=204)
def leave(visitor: Participant, place: ThePlace) -> Response:
    """End the participant's session."""
    access.end_session(place, visitor)
    response = Response(status_code=204)
    drop_cookie(response, "participant")
    return response


# --- the study


@router.get("/public")
def public(place: ThePlace) -> dict[str, Any]:
    """What anybody may know of the study, without a link."""
    study = place.study
    return {
        "title": study.title,
        "languages": study.languages,
        "external_id_parameter": study.recruiting.external_id_parameter,
    }


@router.get("/study")
def study(visitor: Participant, place: ThePlace) -> dict[str, Any]:
    """What this person reads and answers, in their own order."""
    return _study_of(place, visitor.subject)


def _study_of(place: Place, person_id: str) -> dict[str, Any]:
    with place.database.reading() as reading:
        person = people.find(reading, person_id)
    return described(place.study, person.order, person.kind == "test")


def described(study: Study, order: list[str], test: bool) -> dict[str, Any]:
    """A study as a participant's page is told; what prompts are meant to bring out is left out."""
    prompts = [study.item(name) for name in order]
    return {
        "title": study.title,
        "languages": study.languages,
        "contact": study.contact,
        "consent": _consent_text(study),
        "checks": study.checks.model_dump(),
        "neutral": None if study.neutral is None else _shown(study.neutral),
        "prompts": [_shown(prompt) for prompt in prompts if prompt is not None],
        "metadata": [question.model_dump() for question in study.metadata],
        "recording": study.recording.model_dump(),
        "debriefing": study.debriefing,
        "payment": study.payment,
        "test": test,
    }


def _shown(prompt: Prompt) -> dict[str, Any]:
    return prompt.model_dump(exclude={"response"})


def _consent_text(study: Study) -> dict[str, Any]:
    hashes = {language: study.consent.sha256(language) for language in study.languages}
    return {**study.consent.model_dump(), "sha256": hashes}


@router.get("/me")
def me(visitor: Participant, place: ThePlace) -> dict[str, Any]:
    """How far this participant has come."""
    return _me_of(place, visitor.subject)


def _me_of(place: Place, person_id: str) -> dict[str, Any]:
    with place.database.reading() as reading:
        person = people.find(reading, person_id)
        given = consent.last(reading, person.id)
        items = people.items(place, reading, person)
        recordings = people.of_person(reading, person.id)
    return {
        "person": person.id,
        "language": person.language,
        "consent": {
            "current": consent.is_current(place, given),
            "may_record": consent.may_record(place, given),
            "version": None if given is None else given.version,
            "at": None if given is None else stamp(given.at),
            "answers": {} if given is None else given.answers,
        },
        "step": _step(place, consent.may_record(place, given), person.checked, items),
        "checked": person.checked,
        "items": [item.told() for item in items],
        "recordings": [
            {
                "id": one.id,
                "item": one.item,
                "state": one.state,
                "bytes": one.size,
                "at": stamp(one.created),
            }
            for one in recordings
        ],
        "withdrawing": None if person.erase_at is None else stamp(person.erase_at),
        "finished": person.state == "finished",
    }


def _step(place: Place, agreed: bool, checked: bool, items: list[people.Item]) -> str:
    if not agreed:
        return "consent"
    unfinished = [item for item in items if item.open]
    if not unfinished:
        return "end"
    if not checked:
        return "check"
    neutral = place.study.neutral
    first = unfinished[0].prompt.id
    return "neutral" if neutral is not None and first == neutral.id else "prompts"


class MetadataBody(Body):
    answers: dict[str, Scalar] = Field(max_length=200)


@router.put("/me/metadata", status_code=204)
def metadata(body: MetadataBody, visitor: Participant, place: ThePlace) -> Response:
    """Answers to the form; all of them may be left empty."""
    kept = people.checked_answers(place.study, body.answers)
    _refuse_before_consent(place, visitor)
    people.tell(place, visitor.subject, "metadata", kept)
    return Response(status_code=204)


class CheckBody(Body):
    passed: bool
    values: dict[str, Scalar] = Field(default={}, max_length=20)


@router.put("/me/check", status_code=204)
def check(body: CheckBody, visitor: Participant, place: ThePlace) -> Response:
    """What the device check found."""
    _refuse_before_consent(place, visitor)
    people.tell(place, visitor.subject, "check", body.model_dump())
    return Response(status_code=204)


def _refuse_before_consent(place: Place, visitor: access.Visitor) -> None:
    with place.database.reading() as reading:
        people.acting(reading, visitor.subject)
        consent.refuse_without(place, reading, visitor.subject)


@router.post("/finish")
def finish(visitor: Participant, place: ThePlace) -> dict[str, Any]:
    """All is there: where to go."""
    return people.finish(place, visitor.subject)


# --- consent


class ConsentBody(Body):
    version: int
    sha256: Sha256
    language: str = Field(max_length=16)
    answers: dict[str, bool] = Field(max_length=50)


@router.post("/consent", status_code=201)
def agree(body: ConsentBody, visitor: Participant, place: ThePlace) -> JSONResponse:
    """Keep what this person says to the text."""
    said = consent.Said(body.version, body.sha256, body.language, body.answers)
    given, new = consent.give(place, visitor.subject, said)
    with place.database.reading() as reading:
        copy = consent.copy(place, reading, visitor.subject)
    told = {"at": stamp(given.at), "may_record": consent.may_record(place, given), "copy": copy}
    return JSONResponse(told, 201 if new else 200)


@router.get("/consent/copy")
def consent_copy(visitor: Participant, place: ThePlace) -> PlainTextResponse:
    """The text and the answers, as a file to keep."""
    with place.database.reading() as reading:
        people.find(reading, visitor.subject)
        text = consent.copy(place, reading, visitor.subject)
    headers = {"Content-Disposition": 'attachment; filename="consent.txt"'}
    return PlainTextResponse(text, headers=headers)


class WithdrawBody(Body):
    items: list[str] = Field(default=[], max_length=50)
    all: bool = False


@router.post("/withdraw")
def withdraw(body: WithdrawBody, visitor: Participant, place: ThePlace) -> dict[str, Any]:
    """Take back some of what was agreed to, or everything."""
    items = [] if body.all else body.items
    if not items and not body.all:
        return {"erased": False, "at": None}
    done = withdrawal.withdraw(place, visitor.subject, items)
    return {"erased": done.erased, "at": None if done.at is None else stamp(done.at)}


@router.post("/withdraw/cancel", status_code=204)
def cancel(visitor: Participant, place: ThePlace) -> Response:
    """Take a withdrawal back, in time."""
    withdrawal.cancel(place, visitor.subject)
    return Response(status_code=204)


@router.get("/me/download")
def download(visitor: Participant, place: ThePlace) -> StreamingResponse:
    """Everything that is this person's, as a zip file."""
    with place.database.reading() as reading:
        people.find(reading, visitor.subject)
    headers = {"Content-Disposition": 'attachment; filename="my-data.zip"'}
    pieces = export.download(place, visitor.subject)
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)

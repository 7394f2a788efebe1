"""What is answered where a request is refused, is no request of the protocol, or breaks off."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from twomind.server.refused import Refused

#: A client that went away gets no answer; logs of proxies call it so.
_GONE = 499


def answer_faults(app: FastAPI) -> None:
    """Let an application answer every fault as JSON, with a code and a sentence."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(ClientDisconnect, _gone)


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return JSONResponse(error.body(), error.status, error.headers())


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = [str(step) for step in first["loc"] if step != "body"]
    if first["type"] == "json_invalid":
        refused = Refused(400, "bad_request", "The body is no JSON.")
    else:
        refused = Refused(422, "invalid", f"{first['msg']}.", where=".".join(place))
    return await _refused(_request, refused)


async def _plain(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    codes = {400: "bad_request", 404: "not_found", 405: "not_allowed", 413: "too_large"}
    code = codes.get(error.status_code, "error")
    refused = Refused(error.status_code, code, f"{error.detail}.")
    answer = await _refused(_request, refused)
    answer.headers.update(error.headers or {})
    return answer


async def _gone(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"error": "gone", "message": "The connection broke."}, _GONE)

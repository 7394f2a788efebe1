"""The application of one study."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from twomind.core.version import __version__
from twomind.server import (
    coder_api,
    coding_api,
    consent,
    oidc,
    oidc_api,
    pages,
    participant_api,
    recordings_api,
    researcher_api,
    review_api,
    uploads,
    withdrawal,
)
from twomind.server.guard import Guard
from twomind.server.limits import Limiter
from twomind.server.place import Place
from twomind.server.refused import Refused

_HOUR_S = 3600.0
#: A client that went away gets no answer; logs of proxies call it so.
_GONE = 499


def create_app(place: Place, web: Path | None = None) -> FastAPI:
    """The application of one study; two may run in one process.

    Args:
        place: The study, open. Its texts are kept, and who is due is erased, before the first
            request.
        web: Folder of the built pages; the one that is installed if left out.

    Raises:
        BadInput: A consent text was changed and its version was not raised.
        MissingExtra: Researchers sign in by OpenID Connect, and the extra for it is absent.
    """
    consent.keep_texts(place)
    uploads.tidy(place)
    withdrawal.sweep(place)
    app = FastAPI(
        title=f"Study {place.study.id}",
        version=__version__,
        lifespan=_sweeping(place),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        separate_input_output_schemas=False,
    )
    app.state.place = place
    newcomers = place.study.server.newcomers_per_minute
    app.state.oidc = oidc.provider_of(place)
    app.state.newcomers = Limiter(newcomers / 60, newcomers)
    app.include_router(participant_api.router)
    app.include_router(recordings_api.router)
    app.include_router(researcher_api.router)
    app.include_router(oidc_api.router)
    app.include_router(review_api.router)
    app.include_router(coder_api.router)
    app.include_router(coder_api.team)
    app.include_router(coding_api.router)
    app.include_router(pages.router(web))
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_middleware(Guard, place=place)
    return app


def _sweeping(place: Place) -> Callable[[FastAPI], Any]:
    """Once an hour, erase who is due."""

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()

        def sweep() -> None:
            while not stop.wait(_HOUR_S):
                withdrawal.sweep(place)

        thread = threading.Thread(target=sweep, name="sweep", daemon=True)
        thread.start()
        yield
        stop.set()

    return running


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

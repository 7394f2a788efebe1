"""The application of one study."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI

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
from twomind.server.faults import answer_faults
from twomind.server.guard import Guard, Rules
from twomind.server.limits import Limiter
from twomind.server.live_api import Live
from twomind.server.live_app import add_live, with_files
from twomind.server.place import Place

_HOUR_S = 3600.0


def create_app(place: Place, web: Path | None = None, live: Live | None = None) -> FastAPI:
    """The application of one study; two may run in one process.

    Args:
        place: The study, open. Its texts are kept, and who is due is erased, before the first
            request.
        web: Folder of the built pages; the one that is installed if left out.
        live: A live service beside the study; its jobs are done while its worker runs.

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
    answer_faults(app)
    rules = Rules.of(place.study)
    if live is not None:
        add_live(app, live)
        rules = with_files(rules, live)
    app.add_middleware(Guard, rules=rules)
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

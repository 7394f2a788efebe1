"""The live service as an application of its own, or within that of a study."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from twomind.core.files import alone_in
from twomind.core.version import __version__
from twomind.server import faults, live_api
from twomind.server.guard import Guard, Rules
from twomind.server.listening import Address, listen
from twomind.server.live_api import Live
from twomind.server.live_place import LivePlace, open_live
from twomind.server.pages import client_page


def create_live_app(place: LivePlace, web: Path | None = None) -> FastAPI:
    """The application of a live service alone.

    Args:
        place: The service, open.
        web: Folder of the built client, whose example page is at ``/``; the one that is installed
            if left out.
    """
    live = Live.of(place)
    app = FastAPI(
        title="twomind live",
        version=__version__,
        lifespan=_working(live),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        separate_input_output_schemas=False,
    )
    add_live(app, live)
    faults.answer_faults(app)
    app.include_router(client_page(web))
    of_every = Rules(requests_per_second=place.settings.requests_per_second)
    app.add_middleware(Guard, rules=with_files(of_every, live))
    return app


def with_files(rules: Rules, live: Live) -> Rules:
    """Rules that let films and states pass."""
    most = live.place.settings.most_file_bytes
    return replace(rules, most_body=most, large=("/api/live/jobs", "/api/live/states"))


def add_live(app: FastAPI, live: Live) -> None:
    """Let an application have the addresses of a live service."""
    app.state.live = live
    app.include_router(live_api.router)


def _working(live: Live) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        with live.worker:
            yield
        live.sessions.close()

    return running


def serve_live(folder: Path, address: Address, say: Callable[[str], None]) -> None:
    """Serve a live service until the process is stopped.

    Args:
        folder: Of the service; made where there is none. One server at a time.
        address: Where to listen.
        say: Takes the address and, the first time, a token.

    Raises:
        BadInput: The folder cannot be used, or the address is taken.
    """
    with alone_in(folder / "data", say):
        place = open_live(folder)
        app = create_live_app(place)
        listening = listen(address.host, address.port or 8100)
        host, port = listening.getsockname()[:2]
        say(f"live service at http://{host}:{port}, settings in {folder / 'live.toml'}")
        if not place.has_tokens():
            say(f"a token, shown once: {place.new_token()}")
        config = uvicorn.Config(app, **address.for_uvicorn(), ws_max_size=9 << 20)
        uvicorn.Server(config).run(sockets=[listening])

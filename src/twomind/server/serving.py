"""Running the server of a study."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from twomind.core.files import alone_in
from twomind.server import access, pages
from twomind.server.app import create_app
from twomind.server.listening import Address, listen
from twomind.server.live_api import Live
from twomind.server.live_place import open_live
from twomind.server.live_settings import FILE
from twomind.server.place import DATA, Place, open_place
from twomind.server.worker import Keeper


def serve(folder: Path, address: Address, say: Callable[[str], None]) -> None:
    """Serve a study until the process is stopped.

    Args:
        folder: The study's folder. One server at a time.
        address: Where to listen.
        say: Takes what the researcher should know: the address, the first link, remarks.

    Raises:
        BadInput: The study cannot be opened, or the address is taken.
    """
    options = address.for_uvicorn()
    with alone_in(folder / DATA, say):
        place = open_place(folder)
        live = Live.of(open_live(folder)) if (folder / FILE).exists() else None
        app = create_app(place, live=live)
        listening = listen(address.host, address.port or _port(place))
        for line in greeting(place):
            say(line)
        config = uvicorn.Config(app, **options)
        with ExitStack() as running:
            if place.study.measuring.enabled:
                running.enter_context(Keeper(place))
            if live is not None:
                running.enter_context(live.worker)
                running.callback(live.sessions.close)
            uvicorn.Server(config).run(sockets=[listening])


def _port(place: Place) -> int:
    parts = urlsplit(place.study.server.public_url)
    standard = 443 if parts.scheme == "https" else 80
    return parts.port or standard


def greeting(place: Place) -> list[str]:
    """What a researcher reads when the server starts."""
    public = place.study.server.public_url
    lines = list(place.study.remarks())
    lines += pages.remarks()
    lines.append(f"participants come to {public}/join with a link of `twomind study invite`")
    lines.append(f"researchers sign in at {public}/researcher")
    provider = place.study.server.oidc
    if provider is not None:
        names = ", ".join(provider.researchers)
        lines.append(f"by {provider.name} may sign in: {names}")
    elif not access.any_researcher(place):
        lines.append("nobody can sign in yet: `twomind study password` sets a password")
    return lines

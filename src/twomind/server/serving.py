"""Running the server of a study."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from twomind.core.errors import BadInput, of_system
from twomind.core.files import alone_in
from twomind.server import access
from twomind.server.app import create_app
from twomind.server.place import DATA, Place, open_place
from twomind.server.worker import Keeper


@dataclass(frozen=True)
class Address:
    """Where to listen, and with which certificate.

    Args:
        host: Address of this machine; only itself by default.
        port: 0: that of ``server.public_url``.
        certificate: File of the certificate chain; None: no TLS (or a proxy's).
        key: File of its key.
        proxy: Addresses of a proxy whose ``X-Forwarded-For`` is believed; empty: none.
    """

    host: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None
    key: Path | None = None
    proxy: str = ""


def serve(folder: Path, address: Address, say: Callable[[str], None]) -> None:
    """Serve a study until the process is stopped.

    Args:
        folder: The study's folder. One server at a time.
        address: Where to listen.
        say: Takes what the researcher should know: the address, the first link, remarks.

    Raises:
        BadInput: The study cannot be opened, or the address is taken.
    """
    if (address.certificate is None) != (address.key is None):
        raise BadInput("a certificate needs its key: give --certificate and --key, or neither")
    with alone_in(folder / DATA, say):
        place = open_place(folder)
        app = create_app(place)
        listening = _listen(address.host, address.port or _port(place))
        for line in greeting(place):
            say(line)
        # No log of requests: it would say who was there when.
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=bool(address.proxy),
            forwarded_allow_ips=address.proxy or None,
            ssl_certfile=None if address.certificate is None else str(address.certificate),
            ssl_keyfile=None if address.key is None else str(address.key),
            timeout_keep_alive=30,
            h11_max_incomplete_event_size=64 << 10,
        )
        with ExitStack() as running:
            if place.study.measuring.enabled:
                running.enter_context(Keeper(place))
            uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        told = OSError(error.errno, error.strerror, f"{host}:{port}")
        raise of_system(told) from error
    return listening


def _port(place: Place) -> int:
    parts = urlsplit(place.study.server.public_url)
    standard = 443 if parts.scheme == "https" else 80
    return parts.port or standard


def greeting(place: Place) -> list[str]:
    """What a researcher reads when the server starts."""
    public = place.study.server.public_url
    lines = list(place.study.remarks())
    lines.append(f"participants come to {public}/join with a link of `twomind study invite`")
    lines.append(f"researchers sign in at {public}/researcher")
    provider = place.study.server.oidc
    if provider is not None:
        names = ", ".join(provider.researchers)
        lines.append(f"by {provider.name} may sign in: {names}")
    elif not access.any_researcher(place):
        lines.append("nobody can sign in yet: `twomind study password` sets a password")
    return lines

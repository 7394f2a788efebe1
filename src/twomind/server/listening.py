"""Where a server listens."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twomind.core.errors import BadInput, of_system


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

    def for_uvicorn(self) -> dict[str, Any]:
        """The options of the program that serves.

        Raises:
            BadInput: A certificate without its key, or a key without its certificate.
        """
        if (self.certificate is None) != (self.key is None):
            raise BadInput("a certificate needs its key: give --certificate and --key, or neither")
        # No log of requests: it would say who was there when.
        return {
            "log_level": "warning",
            "access_log": False,
            "server_header": False,
            "proxy_headers": bool(self.proxy),
            "forwarded_allow_ips": self.proxy or None,
            "ssl_certfile": None if self.certificate is None else str(self.certificate),
            "ssl_keyfile": None if self.key is None else str(self.key),
            "timeout_keep_alive": 30,
            "h11_max_incomplete_event_size": 64 << 10,
            # The answer to a ping stands behind all that a client has sent, and of a live session no
            # more is read while a minute of its sound waits: 20 s would end a line that is whole.
            "ws_ping_timeout": 120.0,
        }


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound; 0 takes any free port.

    Raises:
        BadInput: The address is taken, or none of this machine.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        told = OSError(error.errno, error.strerror, f"{host}:{port}")
        raise of_system(told) from error
    return listening

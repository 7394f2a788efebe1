"""Whether an address is this machine, and whether a person's frames and words may go there.

Only addresses that cannot leave the machine count as local: a literal loopback address, or a
plain-http name of which *every* address is loopback; that name is then replaced by the literal
address, so that it cannot lead elsewhere later.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit, urlunsplit

from twomind.core.errors import BadInput, Offline


@dataclass(frozen=True)
class Address:
    """Where requests go: ``url`` to connect to, ``shown`` for people and records, and whether it is
    this machine.
    """

    url: str
    shown: str
    local: bool
    host: str


def check_url(url: str) -> SplitResult:
    """The parts of an endpoint's address, checked without any look-up.

    Raises: BadInput: not http(s), no host, or something in it that could be a secret (which is not
        repeated).
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise BadInput("endpoint: expected an address such as http://127.0.0.1:11434/v1") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise BadInput(
            "endpoint: expected an address without user, password, ? or #: keys belong in an "
            "environment variable "
            "(llm.key_env), where no record, log or result can repeat them"
        )
    if parts.scheme not in ("http", "https") or not host:
        raise BadInput(f"endpoint {url!r}: expected an address such as http://127.0.0.1:11434/v1")
    return parts


def locate(url: str, *, offline: bool = False) -> Address:
    """Look up where an endpoint is.

    Raises:
        BadInput: the address cannot be used, or its name cannot be resolved.
        Offline: it is not this machine, and the network is not allowed.
    """
    parts = check_url(url)
    host = parts.hostname or ""
    literal = _literal(host)
    shown = urlunsplit(parts).rstrip("/")
    if literal is not None:
        local = literal.is_loopback
        if offline and not local:
            raise Offline(
                f"{shown} is not this machine, and the network is not allowed (--offline)"
            )
        return Address(shown, shown, local, host)
    # The resolver answers for localhost itself (RFC 6761); for any other name, asking is already
    # using the network.
    if offline and host != "localhost":
        raise Offline(
            f"{host} would have to be looked up, and the network is not allowed (--offline)"
        )
    try:
        found = {
            str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        }
    except (OSError, UnicodeError):
        raise BadInput(f"endpoint {shown}: the name {host!r} cannot be resolved") from None
    addresses = sorted(
        (ipaddress.ip_address(a.partition("%")[0]) for a in found), key=lambda a: (a.version, a)
    )
    local = bool(addresses) and all(a.is_loopback for a in addresses) and parts.scheme == "http"
    if not local:
        if offline:
            raise Offline(
                f"{shown} is not this machine, and the network is not allowed (--offline)"
            )
        return Address(shown, shown, False, host)
    pinned = str(addresses[0]) if addresses[0].version == 4 else f"[{addresses[0]}]"
    port = f":{parts.port}" if parts.port else ""
    return Address(urlunsplit(parts._replace(netloc=pinned + port)).rstrip("/"), shown, True, host)


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def require(
    address: Address, *, pictures: bool, text: bool, send_video: bool, send_text: bool
) -> str:
    """A warning to print when something of a person leaves the machine; "" when nothing does.

    Raises: BadInput: something would leave and was not allowed to; the message says which flag
        allows it.
    """
    if address.local:
        return ""
    missing = [
        flag
        for flag, goes, may in _flags(pictures, text, send_video, send_text)
        if goes and not may
    ]
    what = " and ".join(
        name for name, goes in (("frames of the person", pictures), ("their words", text)) if goes
    )
    if missing:
        raise BadInput(
            f"{address.shown} is not this machine: {what} would leave it. If the person agreed to "
            "that and the "
            f"receiver may have them, say so with {' and '.join(missing)}; otherwise use a local model"
        )
    open_ = " The connection is not encrypted (http)." if address.url.startswith("http:") else ""
    return f"Warning: {what} are sent to {address.host}.{open_}" if what else ""


def _flags(
    pictures: bool, text: bool, send_video: bool, send_text: bool
) -> list[tuple[str, bool, bool]]:
    return [("llm.send_video=true", pictures, send_video), ("llm.send_text=true", text, send_text)]

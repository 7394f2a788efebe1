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

_IP = ipaddress.IPv4Address | ipaddress.IPv6Address


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

    Raises:
        BadInput: not http(s), no host, or something in it that could be a secret (which is not
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
    shown = urlunsplit(parts).rstrip("/")
    literal = _literal(host)
    if literal is not None:
        if not literal.is_loopback:
            return _elsewhere(shown, host, offline)
        return Address(shown, shown, True, host)
    # The resolver answers for localhost itself (RFC 6761); for any other name, asking is already
    # using the network.
    if offline and host != "localhost":
        raise Offline(
            f"{host} would have to be looked up, and the network is not allowed (--offline)"
        )
    addresses = _resolved(host, shown)
    loopback = [a for a in addresses if a.is_loopback]
    if not addresses or len(loopback) < len(addresses) or parts.scheme != "http":
        return _elsewhere(shown, host, offline)
    first = addresses[0]
    pinned = str(first) if first.version == 4 else f"[{first}]"
    if parts.port:
        pinned += f":{parts.port}"
    url = urlunsplit(parts._replace(netloc=pinned))
    return Address(url.rstrip("/"), shown, True, host)


def _elsewhere(shown: str, host: str, offline: bool) -> Address:
    """An address that is not this machine, where the network is allowed."""
    if offline:
        raise Offline(f"{shown} is not this machine, and the network is not allowed (--offline)")
    return Address(shown, shown, False, host)


def _resolved(host: str, shown: str) -> list[_IP]:
    """Every address of a name, those of version 4 first."""
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise BadInput(f"endpoint {shown}: the name {host!r} cannot be resolved") from None
    found = set()
    for entry in entries:
        address = str(entry[4][0])
        found.add(ipaddress.ip_address(address.partition("%")[0]))
    return sorted(found, key=lambda a: (a.version, a))


def _literal(host: str) -> _IP | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def require(
    address: Address,
    *,
    pictures: bool,
    text: bool,
    send_video: bool,
    send_text: bool,
    send_sound: bool | None = None,
) -> str:
    """A warning to print when something of a person leaves the machine; "" when nothing does.

    Args:
        address: Where it would go.
        pictures: Whether frames of the person would be sent.
        text: Whether their words would be.
        send_video: Whether frames may leave.
        send_text: Whether words may.
        send_sound: Whether their voice may leave; None where none would be sent.

    Raises:
        BadInput: something would leave and was not allowed to; the message says which flag
            allows it.
    """
    if address.local:
        return ""
    what = []
    missing = []
    if pictures:
        what.append("frames of the person")
        if not send_video:
            missing.append("llm.send_video=true")
    if text:
        what.append("their words")
        if not send_text:
            missing.append("llm.send_text=true")
    if send_sound is not None:
        what.append("their voice")
        if not send_sound:
            missing.append("llm.send_sound=true")
    if not what:
        return ""
    leaving = " and ".join(what)
    if missing:
        flags = " and ".join(missing)
        raise BadInput(
            f"{address.shown} is not this machine: {leaving} would leave it. If the person agreed "
            f"to that and the receiver may have them, say so with {flags}; otherwise use a local "
            "model"
        )
    warning = f"Warning: {leaving} are sent to {address.host}."
    if address.url.startswith("http:"):
        warning += " The connection is not encrypted (http)."
    return warning

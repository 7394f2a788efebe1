"""What holds for every request, whatever it asks: rate, size of the body, headers of the answer."""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twomind.server.limits import Limiter, network_of
from twomind.server.refused import Refused, too_many
from twomind.server.study import Study

_LOG = logging.getLogger("twomind.server")
#: Bytes of a body that is no chunk: the list of hashes of an hour fits in.
MOST_JSON = 2 << 20
#: What signed links open. A right one costs nothing, so that a class behind one address comes in
#: together; a forged one is counted, and is told nothing once there were too many.
_LINKS = ("/api/session", "/api/coder/session")
#: What passwords open. Every try is counted before it is looked at; a right one is given back.
_PASSWORDS = ("/api/researcher/session", "/api/researcher/password")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HSTS = "max-age=31536000; includeSubDomains"


@dataclass(frozen=True)
class _Body:
    """Lets a body pass up to a length."""

    receive: Receive
    most: int
    seen: list[int]

    async def __call__(self) -> Message:
        message = await self.receive()
        self.seen[0] += len(message.get("body", b""))
        if self.seen[0] > self.most:
            raise HTTPException(413, "The body is longer than it may be")
        return message


@dataclass(frozen=True)
class Rules:
    """Limits of requests: sizes, and how many in a time.

    Args:
        most_chunk: Bytes of a chunk of a recording.
        most_body: Bytes of a body that is sent to one of ``large``.
        large: Addresses that take files.
        https: The pages are reached by https alone.
        requests_per_second: Of one address.
        sign_ins_per_minute: Of one address.
    """

    most_chunk: int = MOST_JSON
    most_body: int = MOST_JSON
    large: tuple[str, ...] = ()
    https: bool = False
    requests_per_second: float = 50.0
    sign_ins_per_minute: float = 10.0

    @classmethod
    def of(cls, study: Study) -> Rules:
        """The limits that a study's settings state."""
        serving = study.server
        return cls(
            most_chunk=study.recording.chunk_max_bytes,
            https=serving.public_url.startswith("https://"),
            requests_per_second=serving.requests_per_second,
            sign_ins_per_minute=serving.sign_ins_per_minute,
        )


class Guard:
    """ASGI middleware around the whole application.

    Args:
        app: What it guards.
        rules: What it holds requests to.
    """

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules
        rate = rules.requests_per_second
        # A class that opens the pages in one moment asks some ten times each.
        self._every = Limiter(rate, 8 * rate)
        self._openings = Limiter(rules.sign_ins_per_minute / 60, rules.sign_ins_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        held_back = False

        async def sending(message: Message) -> None:
            nonlocal started, held_back
            if held_back:
                return
            if message["type"] == "http.response.start" and not started:
                started = True
                wait = self._judge_opening(scope, message["status"])
                if wait:
                    await _answer(sending, too_many(wait))
                    held_back = True
                    return
            if message["type"] == "http.response.start":
                self._add_headers(scope, message)
            await send(message)

        refused = self._refused(scope)
        if refused is not None:
            await _answer(sending, refused)
            return
        body = _Body(receive, self._most(scope), [0])
        try:
            await self._app(scope, body, sending)
        except Exception as error:
            # What failed and where, never its message: it may hold what a participant said.
            places = "".join(traceback.format_tb(error.__traceback__))
            _LOG.error(
                "a request failed: %s, %s\n%s", scope["method"], type(error).__name__, places
            )
            if not started:
                trouble = Refused(500, "trouble", "The server is in trouble; try again later.")
                await _answer(sending, trouble)

    def _most(self, scope: Scope) -> int:
        rules = self._rules
        if scope["method"] == "POST" and scope["path"] in rules.large:
            return rules.most_body
        is_chunk = scope["method"] == "PUT" and "/chunks/" in scope["path"]
        return rules.most_chunk if is_chunk else MOST_JSON

    def _judge_opening(self, scope: Scope, status: int) -> float:
        """Count links that open nothing; do not count passwords that are right.

        Args:
            scope: Of the request.
            status: What is going to be answered.

        Returns:
            How many seconds the asker has to wait for an answer; 0: none.
        """
        if scope["method"] != "POST":
            return 0.0
        if scope["path"] in _LINKS and status == 403:
            return self._openings.wait_s(asker_of(scope))
        if scope["path"] in _PASSWORDS and status < 300:
            self._openings.give_back(asker_of(scope))
        return 0.0

    def _refused(self, scope: Scope) -> Refused | None:
        asker = asker_of(scope)
        wait = self._every.wait_s(asker)
        if not wait and scope["method"] == "POST" and scope["path"] in _PASSWORDS:
            wait = self._openings.wait_s(asker)
        if wait:
            return too_many(wait)
        length = Headers(scope=scope).get("content-length", "0")
        most = self._most(scope)
        if not length.isascii() or not length.isdigit():
            return Refused(400, "bad_request", "Content-Length is no number.")
        return _too_large(most) if int(length) > most else None

    def _add_headers(self, scope: Scope, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        if self._rules.https:
            headers["Strict-Transport-Security"] = _HSTS
        if not scope["path"].startswith("/static/"):
            headers["Cache-Control"] = "no-store"


def asker_of(scope: Scope) -> str:
    """From where a request comes."""
    client = scope.get("client") or ("", 0)
    return network_of(client[0])


def _too_large(most: int) -> Refused:
    return Refused(413, "too_large", "The body is longer than it may be.", limit=most)


async def _answer(send: Send, refused: Refused) -> None:
    headers = [(b"content-type", b"application/json")]
    for name, value in refused.headers().items():
        headers.append((name.lower().encode(), value.encode()))
    if refused.status == 413:
        headers.append((b"connection", b"close"))
    body = json.dumps(refused.body()).encode()
    start = {"type": "http.response.start", "status": refused.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})

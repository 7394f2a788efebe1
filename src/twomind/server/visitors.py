"""Who sends a request: sessions in cookies or headers, and proof that our own page sent it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Response

from twomind.server import access
from twomind.server.place import Place
from twomind.server.refused import Refused

COOKIES: dict[access.Role, str] = {
    "participant": "twomind_session",
    "researcher": "twomind_researcher",
    "coder": "twomind_coder",
}
CSRF = "X-CSRF-Token"
_HARMLESS = ("GET", "HEAD", "OPTIONS")


def place_of(request: Request) -> Place:
    """The study that this application serves."""
    return cast(Place, request.app.state.place)


ThePlace = Annotated[Place, Depends(place_of)]


@dataclass(frozen=True)
class _Shown:
    """What a request shows: the token of a session, and whether the browser sent it by itself."""

    token: str
    by_itself: bool


def _shown(request: Request, role: access.Role) -> _Shown:
    kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and bearer and role == "participant":
        return _Shown(bearer.strip(), False)
    return _Shown(request.cookies.get(COOKIES[role], ""), True)


def known(request: Request, place: Place, role: access.Role) -> access.Visitor | None:
    """Who is in this browser, if anybody is."""
    return access.find_session(place, role, _shown(request, role).token)


def required(request: Request, place: Place, role: access.Role) -> access.Visitor:
    """Who sends a request.

    Raises:
        Refused: Nobody of this role; or another site's page let the browser send a change.
    """
    shown = _shown(request, role)
    visitor = access.find_session(place, role, shown.token)
    if visitor is None:
        raise Refused(401, "no_session", "Your session is over. Open your link again.")
    if shown.by_itself and request.method not in _HARMLESS:
        token = request.headers.get(CSRF, "")
        if not access.same_text(token, access.csrf_of(place, visitor.hash)):
            raise Refused(403, "csrf", f"The header {CSRF} is missing or wrong.")
    return visitor


def _participant(request: Request, place: ThePlace) -> access.Visitor:
    return required(request, place, "participant")


def _researcher(request: Request, place: ThePlace) -> access.Visitor:
    return required(request, place, "researcher")


def _coder(request: Request, place: ThePlace) -> access.Visitor:
    return required(request, place, "coder")


Participant = Annotated[access.Visitor, Depends(_participant)]
ResearcherHere = Annotated[access.Visitor, Depends(_researcher)]
CoderHere = Annotated[access.Visitor, Depends(_coder)]


def set_cookie(response: Response, place: Place, role: access.Role, opened: access.Opened) -> None:
    """Give the browser its session; no script can read it, and no other site makes it be sent."""
    response.set_cookie(
        COOKIES[role],
        opened.token,
        max_age=round(place.study.server.session_hours * 3600),
        httponly=True,
        samesite="strict",
        secure=place.study.server.public_url.startswith("https://"),
    )


def drop_cookie(response: Response, role: access.Role) -> None:
    """Take the session from the browser."""
    response.delete_cookie(COOKIES[role], httponly=True, samesite="strict")

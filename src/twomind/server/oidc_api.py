"""Addresses at which a researcher signs in by OpenID Connect."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from twomind.server import access, audit, oidc
from twomind.server.place import Place
from twomind.server.refused import Refused, not_found
from twomind.server.visitors import ThePlace, set_cookie

router = APIRouter(prefix="/api/researcher/oidc", tags=["researcher"])
_COOKIE = "twomind_openid"
_PAGE = "/researcher"


def _provider(request: Request) -> oidc.Provider:
    found: oidc.Provider | None = request.app.state.oidc
    if found is None:
        raise not_found()
    return found


@router.get("")
def about(place: ThePlace) -> dict[str, Any]:
    """Whether there is a provider, and what it is called."""
    settings = place.study.server.oidc
    return {"name": None if settings is None else settings.name}


@router.get("/start", status_code=303)
def start(request: Request, place: ThePlace) -> Response:
    """Go to the provider."""
    provider = _provider(request)
    try:
        started = provider.start()
    except Refused as error:
        return _failed(place, error)
    response = RedirectResponse(started.address, 303)
    response.set_cookie(
        _COOKIE,
        started.kept,
        max_age=oidc.STARTED_S,
        path=oidc.BACK,
        httponly=True,
        # The provider leads back: a stricter cookie would not come along.
        samesite="lax",
        secure=place.study.is_https,
    )
    return response


@router.get("/back", status_code=303)
def back(
    request: Request,
    place: ThePlace,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
) -> Response:
    """End the sign-in when the provider sends the browser back."""
    provider = _provider(request)
    try:
        name = provider.finish(request.cookies.get(_COOKIE, ""), state, code)
    except Refused as error:
        return _failed(place, error)
    opened = access.open_session(place, "researcher", name)
    with place.database.writing() as writing:
        audit.note(place, writing, f"researcher {name}", "signed in by OpenID Connect")
    response = RedirectResponse(_PAGE, 303)
    response.delete_cookie(_COOKIE, path=oidc.BACK)
    set_cookie(response, place, "researcher", opened)
    return response


def _failed(place: Place, error: Refused) -> Response:
    """Back to the page, which says so; why stands in the audit log, for whoever runs the server."""
    with place.database.writing() as writing:
        audit.note(place, writing, "somebody", "sign-in refused", str(error))
    response = RedirectResponse(f"{_PAGE}#refused", 303)
    response.delete_cookie(_COOKIE, path=oidc.BACK)
    return response

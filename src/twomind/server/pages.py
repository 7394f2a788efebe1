"""The built pages of participants, researchers and coders, and the files that they load."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, PlainTextResponse, Response

from twomind.core import names
from twomind.core.errors import BadInput
from twomind.server.refused import not_found

_PAGE = "index.html"
#: Folder of a page → where it is opened; with ``/fr`` before it, in French.
PAGES = {"participant": "/join", "researcher": "/researcher", "coder": "/code"}
_ABSENT = (
    "The pages are not built in this installation: run `make web`, "
    "or install twomind from a wheel. The protocol under /api works.\n"
)
_KINDS = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
_FOREVER = "public, max-age=31536000, immutable"


def built() -> Path:
    """Where the built pages lie: in the installed package, or in the clone."""
    installed = Path(str(files("twomind"))) / "web"
    clone = Path(__file__).parents[3] / "web" / "dist"
    return clone if clone.is_dir() and not installed.is_dir() else installed


def router(web: Path | None) -> APIRouter:
    """Routes of the pages.

    Args:
        web: Folder with a folder for each of :data:`PAGES`; where it is installed if left out.
    """
    routes = APIRouter(tags=["pages"], include_in_schema=False)

    def robots() -> Response:
        return PlainTextResponse("User-agent: *\nDisallow: /\n")

    for name, address in PAGES.items():
        _add_page(routes, name, address, (web or built()) / name)
    routes.add_api_route("/robots.txt", robots, name="robots")
    return routes


def _add_page(routes: APIRouter, name: str, address: str, folder: Path) -> None:
    def page() -> Response:
        path = folder / _PAGE
        if not path.is_file():
            return PlainTextResponse(_ABSENT, 503)
        return FileResponse(path, media_type="text/html")

    def asset(path: str) -> Response:
        found = _below(folder, path)
        kind = _KINDS.get(found.suffix, "application/octet-stream")
        # Their names hold a hash of their content.
        lasting = found.parent.name == "assets"
        headers = {"Cache-Control": _FOREVER if lasting else "no-cache"}
        return FileResponse(found, media_type=kind, headers=headers)

    routes.add_api_route(address, page, name=name)
    routes.add_api_route(f"/fr{address}", page, name=f"{name}_fr")
    routes.add_api_route(f"/static/{name}/{{path:path}}", asset, name=f"{name}_asset")


def client_page(web: Path | None = None) -> APIRouter:
    """The example page of the live client, at ``/``, and the client itself.

    Args:
        web: Folder of the built pages; where it is installed if left out.
    """
    routes = APIRouter(tags=["pages"], include_in_schema=False)
    _add_page(routes, "client", "/", (web or built()) / "client")
    return routes


def _below(folder: Path, path: str) -> Path:
    try:
        found = names.inside(folder, *path.split("/"))
    except BadInput as error:
        raise not_found() from error
    if not found.is_file():
        raise not_found()
    return found

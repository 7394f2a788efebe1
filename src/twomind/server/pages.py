"""The built pages of participants, researchers and coders, and the files that they load."""

from __future__ import annotations

import gzip
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
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
#: What is text, and travels packed: a third of the bytes.
_PACKED = frozenset({".js", ".mjs", ".css", ".html", ".json", ".svg", ".webmanifest"})
_FOREVER = "public, max-age=31536000, immutable"


def built() -> Path:
    """Where the built pages lie: in the installed package, or in the clone."""
    installed = Path(str(files("twomind"))) / "web"
    clone = Path(__file__).parents[3] / "web" / "dist"
    return clone if clone.is_dir() and not installed.is_dir() else installed


def remarks() -> list[str]:
    """That the pages are not built, where that is so: nobody could open the study."""
    there = [(built() / name / _PAGE).is_file() for name in PAGES]
    return [] if all(there) else [_ABSENT.strip()]


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
    def page(request: Request) -> Response:
        path = folder / _PAGE
        if not path.is_file():
            return PlainTextResponse(_ABSENT, 503)
        return _sent(request, path, {})

    def asset(request: Request, path: str) -> Response:
        found = _below(folder, path)
        # Their names hold a hash of their content.
        lasting = found.parent.name == "assets"
        return _sent(request, found, {"Cache-Control": _FOREVER if lasting else "no-cache"})

    routes.add_api_route(address, page, name=name)
    routes.add_api_route(f"/fr{address}", page, name=f"{name}_fr")
    routes.add_api_route(f"/static/{name}/{{path:path}}", asset, name=f"{name}_asset")


def _sent(request: Request, path: Path, headers: dict[str, str]) -> Response:
    """A file of the pages, packed where the browser can unpack it. They hold no secret."""
    kind = _KINDS.get(path.suffix, "application/octet-stream")
    if path.suffix not in _PACKED:
        return FileResponse(path, media_type=kind, headers=headers)
    headers = {**headers, "Vary": "Accept-Encoding"}
    if not _unpacks(request):
        return FileResponse(path, media_type=kind, headers=headers)
    packed = _packed(path, path.stat().st_mtime_ns)
    return Response(packed, media_type=kind, headers={**headers, "Content-Encoding": "gzip"})


def _unpacks(request: Request) -> bool:
    """Whether the browser says that it takes gzip."""
    for part in request.headers.get("accept-encoding", "").split(","):
        name, _, weight = part.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


@lru_cache(maxsize=64)
def _packed(path: Path, _changed: int) -> bytes:
    return gzip.compress(path.read_bytes(), 9, mtime=0)


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

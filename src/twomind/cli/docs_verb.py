"""``twomind docs``: where the manual lies on the web, and its pages as they came with this
version.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import click

from twomind.cli.verb import print_json, verb
from twomind.core.errors import BadInput

_PACKAGE = Path(__file__).parent.parent
#: In an installed package, and beside the source tree.
_FOLDERS = (_PACKAGE / "docs", _PACKAGE.parent.parent / "docs")


@click.command("docs")
@click.argument("page", required=False)
@verb
def docs_verb(page: str | None, as_json: bool, offline: bool) -> int:
    """List the pages of the manual, or show one with its address on the web."""
    pages = _pages()
    if page is None:
        _list(pages, as_json)
        return 0
    path = pages.get(page.removesuffix(".md"))
    if path is None:
        raise BadInput(f"no page {page!r}; there is: {', '.join(pages) or 'none'}")
    address = _address(path)
    text = path.read_text(encoding="utf-8")
    if as_json:
        print_json({"page": page, "address": address, "text": text})
    else:
        click.echo(f"{address}\n\n{text}")
    return 0


def _list(pages: dict[str, Path], as_json: bool) -> None:
    rows = [
        {"page": name, "title": _title(path), "address": _address(path)}
        for name, path in pages.items()
    ]
    if as_json:
        print_json({"address": _site(), "pages": rows})
        return
    click.echo(_site())
    width = max((len(name) for name in pages), default=0)
    for row in rows:
        click.echo(f"  {row['page']:{width}}  {row['title']}")


def _pages() -> dict[str, Path]:
    """Name → file of every page that lies on this machine, in order of the names."""
    folder = _folder()
    paths = sorted(folder.rglob("*.md")) if folder is not None else []
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}


def _folder() -> Path | None:
    return next((folder for folder in _FOLDERS if folder.is_dir()), None)


def _title(path: Path) -> str:
    """The first heading of a page."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            return line.lstrip("#").strip()
    return ""


def _address(path: Path) -> str:
    folder = _folder()
    assert folder is not None
    return f"{_site()}/{path.relative_to(folder).as_posix()}"


def _site() -> str:
    """The address of the manual, as the package's metadata give it."""
    try:
        links = metadata("twomind").get_all("Project-URL") or []
    except PackageNotFoundError:
        links = []
    for link in links:
        name, _, address = link.partition(", ")
        if name == "Documentation":
            return str(address)
    return "the folder docs of the source"

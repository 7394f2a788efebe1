"""``twomind docs``: where the manual lies on the web, and its pages as they came with this
version.
"""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import click

from twomind.cli.docs_reference import written_out
from twomind.cli.verb import print_json, verb
from twomind.core.errors import BadInput

_PACKAGE = Path(__file__).parent.parent
#: In an installed package, and beside the source tree.
_FOLDERS = (_PACKAGE / "docs", _PACKAGE.parent.parent / "docs")


@click.command("docs")
@click.argument("page", required=False)
@verb
def docs_verb(page: str | None, as_json: bool, offline: bool) -> int:
    """List the pages of the manual, or show one with its address on the web.

    PAGE is a name of the list, or the page's place in the manual (how-to/release).
    """
    pages = _pages()
    if page is None:
        _list(pages, as_json)
        return 0
    path = _page(page, pages)
    address = _address(path)
    text = written_out(
        path.read_text(encoding="utf-8"), click.get_current_context().find_root().command
    )
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
    """Name → file of every page that lies on this machine, in order of the names.

    A page is called like its file; pages of one name in several folders by their place.
    """
    folder = _folder()
    if folder is None:
        return {}
    paths = list(folder.rglob("*.md"))
    n_called = Counter(path.stem for path in paths)
    pages = {}
    for path in paths:
        name = path.stem if n_called[path.stem] == 1 else _place(path)
        pages[name] = path
    return dict(sorted(pages.items()))


def _page(asked: str, pages: dict[str, Path]) -> Path:
    """The page of a name, or of a place in the manual.

    Raises:
        BadInput: there is none, or several are called so.
    """
    name = asked.removesuffix(".md").removeprefix("docs/")
    if name in pages:
        return pages[name]
    called = [known for known, path in pages.items() if name in (path.stem, _place(path))]
    if len(called) == 1:
        return pages[called[0]]
    if called:
        raise BadInput(f"several pages are called {asked!r}; say which: {', '.join(called)}")
    raise BadInput(f"no page {asked!r}; there is: {', '.join(pages) or 'none'}")


def _place(path: Path) -> str:
    """The place of a page in the manual, without its ending."""
    folder = _folder()
    assert folder is not None
    return path.relative_to(folder).with_suffix("").as_posix()


def _folder() -> Path | None:
    return next((folder for folder in _FOLDERS if folder.is_dir()), None)


def _title(path: Path) -> str:
    """The first heading of a page."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            return line.lstrip("#").strip()
    return ""


def _address(path: Path) -> str:
    return f"{_site()}/{_place(path)}.md"


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

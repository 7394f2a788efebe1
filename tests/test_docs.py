"""What the documents say is what the program does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from twomind.reporting.tables import COLUMNS

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("maker", ["make_measures", "make_tables"])
def test_a_page_that_is_written_from_the_code_is_the_code(maker: str) -> None:
    spec = importlib.util.spec_from_file_location(maker, ROOT / "docs" / f"{maker}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.PAGE.read_text(encoding="utf-8")
    assert page == module.page(), f"run: python docs/{maker}.py"


def test_the_columns_in_the_readme_are_the_columns_of_the_table() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "`" + ", ".join(COLUMNS) + "`" in readme


def test_links_between_documents_lead_somewhere() -> None:
    pages = ("*.md", "docs/**/*.md", "experiments/**/*.md", "benchmarks/*.md", "packages/*/*.md")
    documents = [path for pattern in pages for path in ROOT.glob(pattern)]
    assert len(documents) > 40
    for document in documents:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_site_names_every_page() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    named = set(re.findall(r"[\w/-]+\.md", nav))
    folder = ROOT / "docs"
    assert named == {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")}


def test_the_readme_is_short() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 150


def test_the_notice_names_every_file_under_another_licence() -> None:
    """A bundled file of others lies beside a NOTICE of its own; the one at the root names it."""
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    beside = list((ROOT / "src").rglob("NOTICE"))
    assert beside
    for one in beside:
        place = one.parent.relative_to(ROOT).as_posix()
        assert place in notice, place


def test_every_exit_code_is_documented() -> None:
    from twomind.core import errors

    page = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    classes = [
        c
        for c in vars(errors).values()
        if isinstance(c, type) and issubclass(c, errors.TwomindError)
    ]
    for one in classes:
        assert f"| {one.exit_code} |" in page, one


#: A file or folder of the repository that a page names, and perhaps a test in it.
_PLACE = re.compile(
    r"(?<![\w/.-])((?:tests|src/twomind|benchmarks|experiments|packages|\.ci|\.github)/[\w./-]*[\w/])(?:::(\w+))?"
)


def test_files_and_tests_that_the_documents_name_are_there() -> None:
    named = 0
    for pattern in ("*.md", "docs/**/*.md", ".github/**/*.yml"):
        for document in ROOT.glob(pattern):
            if document.name == "CHANGELOG.md":  # it tells what was, too
                continue
            for place, test in _PLACE.findall(document.read_text(encoding="utf-8")):
                named += 1
                path = ROOT / place
                assert path.exists() or path.with_suffix(".py").exists(), f"{document}: {place}"
                if test:
                    assert f"def {test}(" in path.read_text(encoding="utf-8"), f"{document}: {test}"
    assert named > 100

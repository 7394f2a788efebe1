"""Every name that users import shows what it takes and how it is used, and the example does what it shows."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import public_examples
from public_examples import Public

NAMES = public_examples.names()
#: Those whose examples import nothing heavy run with the quick tests, the others with the slow ones.
LIGHT = (
    "twomind.types.recording",
    "twomind.types.features",
    "twomind.types.evaluation",
    "twomind.core.errors",
)


def test_the_list_holds_what_users_import() -> None:
    names = {public.name for public in NAMES}
    assert len(names) > 100
    assert {
        "twomind.pipeline.python.predict",  # of twomind.__all__
        "twomind.encoders.measured.measured_windows",  # of the README
        "twomind.models.base.write_card",  # of a page
        "twomind.adaptation.check.check_causal",  # of the reference
    } <= names


def test_every_public_name_has_an_example_and_says_what_it_takes() -> None:
    wanting = []
    for public in NAMES:
        wanting += [f"{public.name}: {why}" for why in _wanting(public)]
    assert not wanting, "\n".join(wanting)


def _wanting(public: Public) -> Iterator[str]:
    """What is not there in a docstring, in words."""
    text = public.text
    if ">>>" not in text.partition("\nExample:\n")[2]:
        yield "expected a section Example with >>>"
    if "+SKIP" in text:
        yield "its example is not run"
    if public.has_parameters and not public.has("Args"):
        yield "expected a section Args"
    there = [name for name in public_examples.SECTIONS if public.has(name)]
    if there != sorted(there, key=lambda name: text.index(f"\n{name}:\n")):
        yield f"expected its sections in the order {', '.join(public_examples.SECTIONS)}"


@pytest.mark.parametrize(
    "public",
    [
        pytest.param(one, marks=() if one.module in LIGHT else pytest.mark.slow, id=one.name)
        for one in NAMES
    ],
)
def test_the_example_does_what_it_shows(
    public: Public, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing but what it imports, as a user copies it; it leaves no file behind."""
    monkeypatch.chdir(tmp_path)
    _run(public.text, public.name, {})
    assert not list(tmp_path.iterdir()), "the example leaves files behind"


def _run(text: str, name: str, known: dict[str, object]) -> None:
    told: list[str] = []
    parsed = doctest.DocTestParser().get_doctest(text, known, name, None, None)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    failed, _ = runner.run(parsed, out=told.append)
    assert not failed, "".join(told)


@pytest.mark.slow
def test_every_other_example_in_the_library_does_what_it_shows() -> None:
    """Those may use the names of their module."""
    shown = {public.name for public in NAMES}
    n_run = 0
    for path in sorted((public_examples.SRC / "twomind").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if ">>>" not in source:
            continue
        place = path.relative_to(public_examples.SRC).with_suffix("").as_posix()
        name = place.replace("/", ".").removesuffix(".__init__")
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                continue
            text = ast.get_docstring(node) or ""
            if ">>>" not in text or f"{name}.{getattr(node, 'name', '')}" in shown:
                continue
            _run(text, name, dict(vars(importlib.import_module(name))))
            n_run += 1
    assert n_run > 5


def test_a_section_of_a_docstring_stands_on_a_line_of_its_own() -> None:
    """What follows its name on the same line is no section for the reference."""
    header = re.compile(rf"^\s*({'|'.join(public_examples.SECTIONS)}): \S", re.MULTILINE)
    for path in sorted((public_examples.SRC / "twomind").rglob("*.py")):
        found = header.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.name}: {found and found.group().strip()}"

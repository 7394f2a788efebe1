"""Where things may be imported from: the library and its tests know neither experiments nor
benchmarks.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OUTSIDE = {"experiments", "benchmarks"}


def files_of(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(tree: ast.AST) -> Iterator[str]:
    """Names of the modules that a file imports, also by ``import_module`` of a text; relative ones
    left out.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else getattr(node.func, "id", "")
            )
            if called in ("import_module", "__import__", "importorskip"):
                yield str(node.args[0].value)


def touches_the_path(tree: ast.AST) -> bool:
    """Whether a file reads or changes ``sys.path``, by whatever name it calls ``sys``."""
    names = {"sys"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {name.asname for name in node.names if name.name == "sys" and name.asname}
        elif (
            isinstance(node, ast.ImportFrom)
            and node.module == "sys"
            and any(n.name == "path" for n in node.names)
        ):
            return True
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "path"
        and isinstance(node.value, ast.Name)
        and node.value.id in names
        for node in ast.walk(tree)
    )


def naming(paths: list[Path], *words: str) -> Iterator[tuple[Path, ast.AST]]:
    """The files in which one of the words stands, parsed: the others cannot import it, and parsing all
    takes seconds.
    """
    assert paths
    for path in paths:
        content = path.read_bytes()
        if any(word.encode() in content for word in words):
            yield path, ast.parse(content)


def outsiders(tree: ast.AST) -> set[str]:
    return {name.split(".")[0] for name in imported(tree)} & OUTSIDE


def test_the_library_and_its_tests_import_no_experiment_and_no_benchmark() -> None:
    files = files_of("src", "packages", "tests")
    found = {str(path.relative_to(ROOT)): outsiders(tree) for path, tree in naming(files, *OUTSIDE)}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_benchmark_imports_no_experiment() -> None:
    files = naming(files_of("benchmarks"), "experiments")
    assert [path.name for path, tree in files if "experiments" in outsiders(tree)] == []


def test_no_experiment_and_no_benchmark_touches_the_import_path() -> None:
    files = naming(files_of("experiments", "benchmarks"), "path")
    assert [str(path.relative_to(ROOT)) for path, tree in files if touches_the_path(tree)] == []


@pytest.mark.parametrize("text", [
    "import experiments.guard",
    "def f():\n    from benchmarks import record",
    "import importlib\nimportlib.import_module('experiments.guard')",
])  # fmt: skip
def test_an_import_is_seen(text: str) -> None:
    assert outsiders(ast.parse(text))


@pytest.mark.parametrize("text", [
    "import sys\nsys.path.insert(0, '.')",
    "import sys as s\ns.path[:0] = ['.']",
    "from sys import path",
])  # fmt: skip
def test_a_patched_path_is_seen(text: str) -> None:
    assert touches_the_path(ast.parse(text))


@pytest.mark.parametrize(
    "text", ["from .experiments import x", "import os\nos.path.join('a')", "import sys\nsys.argv"]
)
def test_other_lines_are_not_taken_for_one(text: str) -> None:
    assert not outsiders(ast.parse(text))
    assert not touches_the_path(ast.parse(text))


def test_the_library_imports_nothing_of_synthetic_people() -> None:
    """Not even inside functions; what they bring comes by entry points."""
    files = naming(files_of("src"), "twomind_synth")
    found = [
        path.name
        for path, tree in files
        if "twomind_synth" in {name.split(".")[0] for name in imported(tree)}
    ]
    assert found == []


def test_tests_lie_in_folders_named_as_the_packages_they_test() -> None:
    packages = {
        p.name
        for p in (ROOT / "src" / "twomind").iterdir()
        if p.is_dir() and p.name != "__pycache__"
    }
    shared = {"reference", "parity", "freeze", "fixtures", "mutation", "pythons", "attacks", "web"}
    shared |= {"container", "__pycache__"}
    folders = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir()}
    assert folders - shared == packages


@pytest.mark.slow
def test_the_wheel_holds_no_synthetic_people_and_no_weights_made_from_drawings(
    tmp_path: Path,
) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if "No matching distribution" in done.stderr or "Could not find a version" in done.stderr:
        pytest.skip("needs the package index, for the build back end")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("twomind-*.whl"))) as wheel:
        names = wheel.namelist()
    assert "twomind/models/words/weights/words.json" in names
    assert "twomind/features/words/lexicon.toml" in names
    assert "twomind/reporting/web/report/page.html" in names
    assert [n for n in names if n.endswith(".safetensors")] == []
    assert [n for n in names if not n.startswith(("twomind/", "twomind-"))] == []


def test_every_slow_test_that_is_listed_is_there() -> None:
    lines = (ROOT / "tests" / "slow.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if not line or line.startswith("#"):
            continue
        path, _, name = line.partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        own = re.split(r"[*?]", name)[0]
        assert f"def {own}" in text or not own, line

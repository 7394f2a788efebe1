"""Where things may be imported from: the library and its tests know neither experiments nor benchmarks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OUTSIDE = {"experiments", "benchmarks"}


def files_of(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(tree: ast.AST) -> Iterator[str]:
    """Names of the modules that a file imports, also by ``import_module`` of a text; relative ones left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__", "importorskip"):
                yield str(node.args[0].value)


def touches_the_path(tree: ast.AST) -> bool:
    """Whether a file reads or changes ``sys.path``, by whatever name it calls ``sys``."""
    names = {"sys"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {name.asname for name in node.names if name.name == "sys" and name.asname}
        elif isinstance(node, ast.ImportFrom) and node.module == "sys" and any(n.name == "path" for n in node.names):
            return True
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "path"
        and isinstance(node.value, ast.Name)
        and node.value.id in names
        for node in ast.walk(tree)
    )


def outsiders(tree: ast.AST) -> set[str]:
    return {name.split(".")[0] for name in imported(tree)} & OUTSIDE


def test_the_library_and_its_tests_import_no_experiment_and_no_benchmark() -> None:
    files = files_of("src", "packages", "tests")
    assert files
    found = {str(path.relative_to(ROOT)): outsiders(ast.parse(path.read_bytes())) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_benchmark_imports_no_experiment() -> None:
    found = [path.name for path in files_of("benchmarks") if "experiments" in outsiders(ast.parse(path.read_bytes()))]
    assert found == []


def test_no_experiment_and_no_benchmark_touches_the_import_path() -> None:
    files = files_of("experiments", "benchmarks")
    assert files
    assert [str(path.relative_to(ROOT)) for path in files if touches_the_path(ast.parse(path.read_bytes()))] == []


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


@pytest.mark.parametrize("text", ["from .experiments import x", "import os\nos.path.join('a')", "import sys\nsys.argv"])
def test_other_lines_are_not_taken_for_one(text: str) -> None:
    assert not outsiders(ast.parse(text))
    assert not touches_the_path(ast.parse(text))

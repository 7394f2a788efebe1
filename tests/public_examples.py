"""The names that users import, each with the docstring that its example stands in.

They are: ``twomind.__all__``, what Python blocks of the README and the manual import from the library, and what pages
of the reference show (``:::``). All is read from the files; nothing is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src"
_PYTHON = re.compile(r"```py(?:thon)?\n(.*?)```", re.DOTALL)
_SHOWN = re.compile(r"^::: (twomind[\w.]*)$", re.MULTILINE)
#: Sections of a docstring in the order in which they stand.
SECTIONS = ("Args", "Yields", "Returns", "Raises", "Warns", "Example")

Definition = ast.ClassDef | ast.FunctionDef


@dataclass(frozen=True)
class Public:
    """One public class or function."""

    module: str
    node: Definition

    @property
    def name(self) -> str:
        return f"{self.module}.{self.node.name}"

    @property
    def text(self) -> str:
        return ast.get_docstring(self.node) or ""

    @property
    def has_parameters(self) -> bool:
        """Of a function; a dataclass says what its fields are in its own way."""
        if isinstance(self.node, ast.ClassDef):
            return False
        of = self.node.args
        return bool([*of.posonlyargs, *of.args, *of.kwonlyargs])

    def has(self, section: str) -> bool:
        return f"\n{section}:\n" in self.text


def names() -> list[Public]:
    """Every public class and function, once, in order of their names."""
    found: dict[str, Public] = {}
    for module, name in _imported():
        for public in _of(module, name):
            found[public.name] = public
    return [found[name] for name in sorted(found)]


def _imported() -> Iterator[tuple[str, str]]:
    """Pairs of a module and a name in it; of a module that is shown as a whole, an empty name."""
    for name in _exported("twomind"):
        yield "twomind", name
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for block in _PYTHON.findall(text):
            yield from _imports_of(block)
        for place in _SHOWN.findall(text):
            module, _, name = place.rpartition(".")
            yield (place, "") if _file(place) else (module, name)


def _imports_of(block: str) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(block)
    except SyntaxError:  # a line that stands for several
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "twomind":
            for alias in node.names:
                yield str(node.module), alias.name


def _of(module: str, name: str) -> Iterator[Public]:
    """What a name of a module stands for; of a module, all that it offers."""
    if not name:
        for own in _exported(module):
            yield from _of(module, own)
        return
    tree = _tree(module)
    for node in tree.body:
        if isinstance(node, Definition) and node.name == name:
            yield Public(module, node)
            return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module != module:
            for alias in node.names:
                if (alias.asname or alias.name) == name and _file(node.module):
                    yield from _of(node.module, alias.name)
                    return


def _exported(module: str) -> list[str]:
    """``__all__``, else the classes and functions without an underscore."""
    tree = _tree(module)
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    defined = [node.name for node in tree.body if isinstance(node, Definition)]
    return [name for name in defined if not name.startswith("_")]


def _file(module: str) -> Path | None:
    inside = SRC / module.replace(".", "/")
    for path in (inside.with_suffix(".py"), inside / "__init__.py"):
        if path.is_file():
            return path
    return None


def _tree(module: str) -> ast.Module:
    path = _file(module)
    assert path is not None, f"the manual imports {module}, which does not exist"
    return ast.parse(path.read_text(encoding="utf-8"))

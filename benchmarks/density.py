"""How dense the code is: syntax nodes per statement and functions of many branches, by package.

python -m benchmarks.density [FOLDER]

Docstrings count neither as nodes nor as statements, so that the figure hangs on neither line length nor comments.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

_LIBRARY = Path(__file__).parent.parent / "src" / "twomind"
_BRANCHES = (ast.If, ast.For, ast.While, ast.IfExp, ast.ExceptHandler, ast.comprehension)
_MOST_BRANCHES = 15
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Counts:
    """What stands in the files of one package."""

    files: int = 0
    statements: int = 0
    nodes: int = 0
    functions: int = 0
    branching: int = 0  # functions with more than 15 ways through them

    def add(self, tree: ast.Module) -> None:
        """Count one file.

        Args:
            tree: its syntax.
        """
        nodes = list(ast.walk(tree))
        n_docstrings = sum(_is_text(node) for node in nodes)
        self.files += 1
        self.nodes += len(nodes) - 2 * n_docstrings
        self.statements += sum(isinstance(node, ast.stmt) for node in nodes) - n_docstrings
        functions = [node for node in nodes if isinstance(node, _Function)]
        self.functions += len(functions)
        self.branching += sum(ways(function) > _MOST_BRANCHES for function in functions)

    @property
    def density(self) -> float:
        """Syntax nodes per statement."""
        return self.nodes / max(self.statements, 1)


def ways(function: ast.AST) -> int:
    """Cyclomatic complexity: one, and one more for each branch and each further condition.

    Args:
        function: its syntax.
    """
    nodes = list(ast.walk(function))
    n_branches = sum(isinstance(node, _BRANCHES) for node in nodes)
    n_conditions = sum(len(n.values) - 1 for n in nodes if isinstance(n, ast.BoolOp))
    return 1 + n_branches + n_conditions


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def measured(folder: Path) -> dict[str, Counts]:
    """The counts of each package below a folder, and of all together under ``all``.

    Args:
        folder: of Python files.
    """
    found: dict[str, Counts] = {}
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = path.relative_to(folder).parts
        package = inside[0] if len(inside) > 1 else "(top)"
        for name in (package, "all"):
            found.setdefault(name, Counts()).add(tree)
    return found


def main() -> None:
    """Print the table as Markdown."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _LIBRARY
    print("| package | files | statements | nodes per statement | over 15 branches |")
    print("|---|---|---|---|---|")
    for name, one in sorted(measured(folder).items()):
        cells = (name, one.files, one.statements, f"{one.density:.1f}", one.branching)
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()

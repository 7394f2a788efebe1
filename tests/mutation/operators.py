"""The faults that can be made in one Python file, each a replacement of a piece of its text.

Left out on purpose, because a fault there says nothing about a number: doc strings, annotations,
f-strings and other texts, whole ``raise`` statements and the name given a value just before,
assertions, ``__all__``, what stands under ``if TYPE_CHECKING`` and ``if __name__ == "__main__"``,
decorators, ``__repr__`` and ``__str__``, and calls that only report (progress, logs, warnings).
Floats below 1e-6 are left alone: they keep a division from being by zero, and ten times as little
keeps it just as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<",)),
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">",)),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
}
ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
}
TWINS = (
    ("min", "max"),
    ("minimum", "maximum"),
    ("nanmin", "nanmax"),
    ("argmin", "argmax"),
    ("nanargmin", "nanargmax"),
    ("mean", "median"),
    ("nanmean", "nanmedian"),
    ("any", "all"),
    ("floor", "ceil"),
)
TWIN = {a: b for pair in TWINS for a, b in (pair, pair[::-1])}
#: Arguments by keyword that a call can mostly do without, and then means something else.
DROPPED = frozenset(
    {
        "weights",
        "weight",
        "sample_weight",
        "ddof",
        "axis",
        "dim",
        "keepdims",
        "keepdim",
        "side",
        "reduction",
        "unbiased",
        "minlength",
        "correction",
        "momentum",
        "weight_decay",
        "label_smoothing",
        "base",
        "default",
        "key",
        "reverse",
        "kind",
        "p",
        "q",
    }
)
#: What goes along the last axis where none is named.
LAST_AXIS = frozenset({"sort", "argsort", "partition", "argpartition", "topk", "diff"})
#: Calls that tell somebody something, and change no result.
TELLS = re.compile(r"^(progress|_?log|logger|logging|warn|warnings|print|echo|secho)$")
#: What makes a ``/`` the joining of a path.
FOLDERS = re.compile(r"folder|path|root|[A-Z]_FILE|^out ")
SMALLEST = 1e-6


@dataclass(frozen=True)
class Fault:
    """``old``, the bytes ``start:end`` of the file, becomes ``new``. The statement spans
    ``first_line … last_line``.
    """

    kind: str
    start: int
    end: int
    old: str
    new: str
    line: int
    first_line: int
    last_line: int
    #: The name that a statement outside functions gives a value to, or the function whose default
    #: it is.
    defines: str | None = None


def faults(source: str) -> list[Fault]:
    """Every fault in this source, in the order of the text. Ask :func:`changes` of those that are
    taken.
    """
    finder = _Finder(source)
    finder.walk(ast.parse(source), statement=None, place=None)
    return sorted(set(finder.found), key=lambda one: (one.start, one.end, one.kind, one.new))


def changes(source: str, fault: Fault) -> bool:
    """Whether the text with the fault is still Python, and another program than without."""
    try:
        return ast.dump(ast.parse(apply(source, fault))) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


def apply(source: str, fault: Fault) -> str:
    data = source.encode()
    return (data[: fault.start] + fault.new.encode() + data[fault.end :]).decode()


@dataclass(frozen=True)
class _Place:
    """Where a statement stands: inside a function, or outside and then giving a value to
    this name.
    """

    in_function: bool
    defines: str | None = None


class _Finder:
    def __init__(self, source: str) -> None:
        self.data = source.encode()
        self.starts = [0]
        for line in self.data.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.found: list[Fault] = []

    # Positions.

    def _begin(self, node: ast.AST) -> int:
        return self.starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]

    def _end(self, node: ast.AST) -> int:
        return self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def _text(self, node: ast.AST) -> str:
        return self.data[self._begin(node) : self._end(node)].decode()

    def _add(self, kind: str, start: int, end: int, new: str, span: ast.AST, place: _Place) -> None:
        line = self.data.count(b"\n", 0, start) + 1
        first, last = span.lineno, span.end_lineno  # type: ignore[attr-defined]
        old = self.data[start:end].decode()
        self.found.append(Fault(kind, start, end, old, new, line, first, last, place.defines))

    # The walk. ``statement`` is the simple statement (or the head of a compound one) around the
    # node.

    def walk(self, node: ast.AST, statement: ast.AST | None, place: _Place | None) -> None:
        place = place or _Place(in_function=False)
        if _is_left_out(node):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            outer = _Place(in_function=False, defines=node.name)
            for default in (
                *node.args.defaults,
                *(one for one in node.args.kw_defaults if one is not None),
            ):
                self.walk(default, statement=default, place=outer)
            for at, child in enumerate(node.body):
                if not _only_for_a_message(node.body, at):
                    self.walk(child, statement=child, place=_Place(in_function=True))
            return
        if isinstance(node, ast.stmt):
            statement = node
            if not place.in_function and not isinstance(node, ast.ClassDef):
                place = _Place(in_function=False, defines=_assigned(node))
            self._whole_statement(node, place)
        self._here(node, statement, place)
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list", "type_comment"):
                continue
            children = value if isinstance(value, list) else [value]
            for at, child in enumerate(children):
                if _only_for_a_message(children, at):
                    continue
                if isinstance(child, ast.AST):
                    span = (
                        child
                        if _is_head(node, field) and isinstance(child, ast.expr)
                        else statement
                    )
                    self.walk(child, span, place)

    def _whole_statement(self, node: ast.stmt, place: _Place) -> None:
        if not place.in_function:
            return
        start, end = self._begin(node), self._end(node)
        if _does_something(node):
            self._add("statement", start, end, "pass", node, place)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Compare | ast.BoolOp):
            for new in ("True", "False"):
                self._add(
                    "return", self._begin(node.value), self._end(node.value), new, node, place
                )

    def _here(self, node: ast.AST, span: ast.AST | None, place: _Place) -> None:
        if span is None:
            return
        if isinstance(node, ast.Compare):
            self._comparison(node, span, place)
        elif isinstance(node, ast.BinOp):
            self._arithmetic(node, span, place)
        elif isinstance(node, ast.BoolOp):
            self._boolean(node, span, place)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            if not isinstance(node.operand, ast.Constant):
                kind = "not" if isinstance(node.op, ast.Not) else "sign"
                self._add(
                    kind,
                    self._begin(node),
                    self._end(node),
                    f"({self._text(node.operand)})",
                    span,
                    place,
                )
        elif isinstance(node, ast.Constant):
            self._constant(node, span, place)
        elif isinstance(node, ast.Slice):
            self._slice(node, span, place)
        elif isinstance(node, ast.Call):
            self._call(node, span, place)

    def _between(self, left: ast.AST, right: ast.AST, operator: str) -> tuple[int, int] | None:
        """Where the operator stands between two operands; comments and brackets may stand there
        too.
        """
        start, end = self._end(left), self._begin(right)
        word = operator.replace(" ", r"\s+")
        pattern = rf"\b{word}\b" if operator[0].isalpha() else re.escape(operator)
        hit = re.search(pattern, self.data[start:end].decode())
        return (start + hit.start(), start + hit.end()) if hit else None

    def _comparison(self, node: ast.Compare, span: ast.AST, place: _Place) -> None:
        operands = [node.left, *node.comparators]
        for at, operator in enumerate(node.ops):
            old, others = COMPARISONS[type(operator)]
            where = self._between(operands[at], operands[at + 1], old)
            for new in others if where else ():
                self._add("comparison", *where, new, span, place)  # type: ignore[misc]

    def _arithmetic(self, node: ast.BinOp, span: ast.AST, place: _Place) -> None:
        if type(node.op) not in ARITHMETIC or _is_text(node.left) or _is_text(node.right):
            return
        if isinstance(node.op, ast.Div) and FOLDERS.search(
            f"{self._text(node.left)} {self._text(node.right)}"
        ):
            return
        old, new = ARITHMETIC[type(node.op)]
        where = self._between(node.left, node.right, old)
        if where:
            self._add("arithmetic", *where, new, span, place)

    def _boolean(self, node: ast.BoolOp, span: ast.AST, place: _Place) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            where = self._between(left, right, old)
            if where:
                self._add("boolean", *where, new, span, place)

    def _constant(self, node: ast.Constant, span: ast.AST, place: _Place) -> None:
        value = node.value
        if isinstance(value, bool):
            news = [str(not value)]
        elif isinstance(value, int):
            news = {0: ["1"], 1: ["0", "2"]}.get(value, [str(value + 1), str(value - 1)])
        elif isinstance(value, float) and abs(value) >= SMALLEST:
            news = [repr(value * 10), repr(value + 1)] if value < 1e6 else []
        elif isinstance(value, float) and value == 0:
            news = ["1.0"]
        else:
            news = []
        for new in news:
            self._add("constant", self._begin(node), self._end(node), new, span, place)

    def _slice(self, node: ast.Slice, span: ast.AST, place: _Place) -> None:
        for bound, shift in ((node.upper, "- 1"), (node.lower, "+ 1")):
            if bound is not None:
                self._add(
                    "slice",
                    self._begin(bound),
                    self._end(bound),
                    f"({self._text(bound)}) {shift}",
                    span,
                    place,
                )

    def _call(self, node: ast.Call, span: ast.AST, place: _Place) -> None:
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        if name in TWIN:
            end = self._end(node.func)
            self._add("twin", end - len(name), end, TWIN[name], span, place)
        arguments: list[ast.AST] = sorted([*node.args, *node.keywords], key=self._begin)
        for before, keyword in zip([None, *arguments], arguments, strict=False):
            usual = (
                name in LAST_AXIS
                and isinstance(keyword, ast.keyword)
                and keyword.arg in ("axis", "dim")
            )
            if (
                isinstance(keyword, ast.keyword)
                and keyword.arg in DROPPED
                and before is not None
                and not usual
            ):
                self._add("keyword", self._end(before), self._end(keyword), "", span, place)
            if (
                isinstance(keyword, ast.keyword)
                and keyword.arg == "side"
                and isinstance(keyword.value, ast.Constant)
            ):
                new = '"left"' if keyword.value.value == "right" else '"right"'
                self._add(
                    "keyword",
                    self._begin(keyword.value),
                    self._end(keyword.value),
                    new,
                    span,
                    place,
                )


def _does_something(node: ast.stmt) -> bool:
    """Statements that can be taken away without a name missing: calls, jumps, ``a += b``, ``a[i] =
    b``, ``a.b = c``.
    """
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    if isinstance(node, ast.Assign):
        return all(isinstance(one, ast.Attribute | ast.Subscript) for one in node.targets)
    return isinstance(node, ast.AugAssign | ast.Continue | ast.Break)


def _is_left_out(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.FunctionDef) and node.name in ("__repr__", "__str__"):
        return True
    if isinstance(node, ast.If) and re.search("TYPE_CHECKING|__main__", ast.dump(node.test)):
        return True
    if isinstance(node, ast.Assign | ast.AnnAssign) and _assigned(node) == "__all__":
        return True
    if isinstance(node, ast.Call):
        parts = [part.attr for part in ast.walk(node.func) if isinstance(part, ast.Attribute)]
        parts += [part.id for part in ast.walk(node.func) if isinstance(part, ast.Name)]
        return any(TELLS.match(part) for part in parts)
    # ``if progress is not None: progress(...)`` and the like.
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _is_left_out(node.value)
    return isinstance(node, ast.If) and all(_is_left_out(one) for one in (*node.body, *node.orelse))


def _only_for_a_message(statements: list, at: int) -> bool:
    """Whether this gives a value to a name just before something is raised."""
    after = statements[at + 1] if at + 1 < len(statements) else None
    return isinstance(statements[at], ast.Assign) and isinstance(after, ast.Raise)


def _is_head(node: ast.AST, field: str) -> bool:
    """Whether this is the test, the items or the iterable of a statement with a body, which spans
    too many lines.
    """
    return isinstance(node, ast.If | ast.While | ast.For | ast.With) and field in (
        "test",
        "iter",
        "items",
        "target",
    )


def _is_text(node: ast.AST) -> bool:
    """Operands with which other arithmetic is a type error: texts, and literal lists and tuples."""
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | bytes)
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple | ast.ListComp | ast.Dict)


def _assigned(node: ast.AST) -> str | None:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [one.id for one in targets if isinstance(one, ast.Name)]
    return names[0] if names else None


def in_functions(source: str) -> Iterator[int]:
    """The numbers of the lines that stand in the bodies of functions."""
    seen: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            seen.update(range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1))
    return iter(sorted(seen))

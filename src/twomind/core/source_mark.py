"""What made an entry of the store: a hash of the code that really ran, and of the libraries it used.

An entry may be read back only while the same code would make it again. :func:`source_mark` walks
the imports of a measure from its own modules on, reads the syntax trees of the files it meets, and
leaves out what cannot change a value: comments, docstrings, line numbers, and imports that only a
type checker sees. Nothing is imported for it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from twomind.core.kept_marks import digest_of, kept_marks
from twomind.types.plain import Plain

_PACKAGE = "twomind"
_SELF = Path(__file__)
#: These find and keep, and make nothing; how entries are laid out has a number of its own
#: (``store.SCHEMA``).
_KEEPERS = frozenset(
    {
        "twomind.core.files",
        "twomind.core.kept_marks",
        "twomind.core.names",
        "twomind.core.registry",
        "twomind.core.source_mark",
        "twomind.core.store",
        "twomind.core.weights",
    }
)
#: Libraries whose distributions are called otherwise. Any other is looked for in all that is
#: installed, which takes long.
_DISTRIBUTIONS = {
    "PIL": ("pillow",),
    # The search for who brings a name reads what every installed distribution says of itself.
    "docx": ("python-docx",),
    "cv2": ("opencv-contrib-python", "opencv-python", "opencv-python-headless"),
    "sklearn": ("scikit-learn",),
    "yaml": ("PyYAML",),
}
#: Endings of tables that lie beside a module.
_DATA = (".toml", ".json", ".csv")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def source_mark(*entries: str) -> str:
    """Hash of everything that decides what a measure gives, but its settings and its weights.

    Two processes give the same mark where the modules of ``entries``, all modules that these import
    (those of this library and of the entries' own packages) and the versions of all other libraries
    that they import are the same. An import inside a function counts. So does what importing a
    module runs besides: the ``__init__`` of its packages. A table that lies beside a module and is
    named in it counts with what it holds.

    Args:
        *entries: Names of modules (``"twomind.features.face.reader"``), or of one function or class
            in a module whose other parts do not count (``"twomind.features.one_pass:run_pass"``;
            what that one imports is not followed).

    Returns:
        16 hexadecimal digits.

    Raises:
        ModuleNotFoundError: an entry is not there as a source file, so that a change would go
            unseen.
    """
    return _source_mark(entries)


def has_source(module: str) -> bool:
    """Whether a module is there as a source file, as :func:`source_mark` needs it."""
    return bool(module) and _file(module) is not None


def weights_mark(paths: tuple[Path, ...]) -> str:
    """Hash of the content of model files; their names do not count, their order does.

    Args:
        paths: The files that a measure reads. A file is read once in a process, and again when its
            size or its date changed.

    Returns:
        16 hexadecimal digits.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        state = path.stat()
        digest.update(_content(path, state.st_size, state.st_mtime_ns).encode())
    return digest.hexdigest()[:16]


@cache
def _content(path: Path, size: int, changed_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _source_mark(entries: tuple[str, ...]) -> str:
    walk = _Walk(frozenset({_PACKAGE, *(entry.split(".")[0] for entry in entries)}))
    lines = []
    for entry in entries:
        module, _, name = entry.partition(":")
        if not has_source(module):
            raise ModuleNotFoundError(
                f"expected the module {module!r} as a source file, found none"
            )
        if name:
            lines.append(f"{entry} {_part_mark(module, name)}")
        else:
            walk.call(module)
    lines += [f"{name} {_module(name).mark}" for name in sorted(walk.modules)]
    lines += [f"{name} {_version(name)}" for name in sorted(walk.libraries)]
    kept_marks(_SELF).save()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _part_mark(module: str, name: str) -> str:
    """Hash of one function or class of a module."""
    return _found(module, name).mark


# --- the walk along imports


@dataclass
class _Walk:
    """Follows imports inside the packages ``roots``; all else are libraries."""

    roots: frozenset[str]
    #: Names of the modules that are run.
    modules: set[str] = field(default_factory=set)
    #: Top-level names of what other distributions bring.
    libraries: set[str] = field(default_factory=set)
    #: Modules of which also the functions are asked for.
    _called: set[str] = field(default_factory=set)

    def call(self, module: str) -> None:
        """Count a module, what is run when it is imported, and what its functions import."""
        if module in self._called:
            return
        self._called.add(module)
        self._run(module)
        if module in self.modules:
            for target in _module(module).late:
                self._follow(target)

    def _run(self, module: str) -> None:
        """Count a module with its packages, and what these import when they are run."""
        if module in self.modules or module in _KEEPERS:
            return
        package, _, _ = module.rpartition(".")
        if package:
            self._run(package)
        if _file(module) is None:
            return  # a folder without __init__.py runs nothing
        self.modules.add(module)
        for target in _module(module).early:
            self._follow(target)

    def _follow(self, target: _Import) -> None:
        root = target.module.split(".")[0]
        if root in sys.stdlib_module_names:
            return
        if root not in self.roots:
            self.libraries.add(root)
            return
        for name in target.names:
            submodule = f"{target.module}.{name}"
            if _file(submodule) is not None:
                self.call(submodule)
            elif name.startswith("__"):
                self._run(target.module)
            else:
                self.call(target.module)


# --- one file


@dataclass(frozen=True)
class _Import:
    """``from module import names``; a plain ``import module`` takes all names, ``*``."""

    module: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Module:
    """A file without what cannot change a value: its hash, and what it imports when it is run
    (``early``) and when its functions are called (``late``).
    """

    mark: str
    early: tuple[_Import, ...]
    late: tuple[_Import, ...]


@cache
def _module(name: str) -> _Module:
    return _found(name)


def _found(module: str, part: str = "") -> _Module:
    """What is in a file, or in one function or class of it; read anew where no earlier process
    kept it.
    """
    path = _file(module)
    assert path is not None
    if module.split(".")[0] != _PACKAGE:
        return _read(module, part).found()
    kept = kept_marks(_SELF)
    label = f"{module}:{part}" if part else module
    source = digest_of(path)
    record = kept.get(label, path.parent, source)
    if record is not None:
        imports = (_imports_of(record[when]) for when in ("early", "late"))
        return _Module(record["mark"], *imports)
    reading = _read(module, part)
    found = reading.found()
    kept.put(label, {**asdict(found), "source": source, "tables": reading.tables})
    return found


def _imports_of(kept: list[Plain]) -> tuple[_Import, ...]:
    return tuple(_Import(one["module"], tuple(one["names"])) for one in kept)


def _read(module: str, part: str) -> _Reading:
    """Read a file, or one function or class of it."""
    reading = _Reading(module)
    tree = _tree(module)
    if not part:
        reading.read(tree)
        return reading
    for statement in tree.body:
        if isinstance(statement, _Definition) and statement.name == part:
            reading.read(statement)
            return reading
    raise ModuleNotFoundError(f"{module}: expected a function or class {part!r} in it")


def _tree(module: str) -> ast.Module:
    path = _file(module)
    assert path is not None
    return _parsed(path.read_bytes())


@lru_cache(maxsize=2)
def _parsed(source: bytes) -> ast.Module:
    """Kept a while: of some files, one function after the other is asked for."""
    return ast.parse(source)


@cache
def _file(module: str) -> Path | None:
    """The source file of a module, found without importing its packages; None where it has none."""
    root, _, rest = module.partition(".")
    folder = _folder(root)
    if folder is None:
        return None
    place = folder.joinpath(*rest.split(".")) if rest else folder
    for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if path.is_file():
            return path
    return None


@cache
def _folder(root: str) -> Path | None:
    """The folder of a top-level package, or where that of a single file would be."""
    try:
        spec = importlib.util.find_spec(root)
    except ValueError:  # of a module that was not found by its name, as __main__
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0])
    return Path(spec.origin).with_suffix("") if spec.origin else None


class _Reading:
    """Writes the syntax tree of one file down, and notes the imports in it."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._written: list[str] = []
        self._depth = 0
        self.early: list[_Import] = []
        self.late: list[_Import] = []
        #: Tables beside the file that it names: name → hash, empty where there is none.
        self.tables: dict[str, str] = {}

    def read(self, node: ast.AST) -> None:
        """Take in a tree, without positions, docstrings, and what only a type checker sees."""
        self._write_node(node)

    def found(self) -> _Module:
        """What was read so far."""
        mark = hashlib.sha256("\n".join(self._written).encode()).hexdigest()
        return _Module(mark, tuple(self.early), tuple(self.late))

    def _write_node(self, node: ast.AST) -> None:
        self._written.append(type(node).__name__)
        inside = isinstance(node, _FUNCTIONS)
        self._depth += inside
        # Empty fields say nothing; newer Pythons have more of them.
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None or value == []:
                continue
            self._written.append(name)
            self._write_value(value)
        self._depth -= inside
        for target in _imports(node, self._module):
            (self.late if self._depth else self.early).append(target)

    def _write_value(self, value: object) -> None:
        if isinstance(value, ast.expr_context):
            return
        if isinstance(value, ast.AST):
            self._write_node(value)
        elif isinstance(value, list):
            counting = [item for item in value if not _says_nothing(item)]
            self._written.append(str(len(counting)))
            for item in counting:
                self._write_value(item)
        else:
            self._written.append(repr(value))
            if isinstance(value, str) and value.endswith(_DATA):
                self._write_data(value)

    def _write_data(self, name: str) -> None:
        """A table that lies beside the module and that the module names is read by it."""
        path = _file(self._module)
        assert path is not None
        beside = path.with_name(Path(name).name)
        self.tables[beside.name] = digest_of(beside)
        if not beside.is_file():
            return
        if beside.suffix == ".toml":
            self._written.append(repr(tomllib.loads(beside.read_text(encoding="utf-8"))))
        else:
            self._written.append(beside.read_bytes().hex())


def _says_nothing(item: object) -> bool:
    """Whether an item of a list changes no value: a text that stands alone, a block for the type
    checker, or the number of a release.
    """
    if isinstance(item, ast.Expr):
        return isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)
    if isinstance(item, ast.If):
        return not item.orelse and _name_of(item.test) == "TYPE_CHECKING"
    if isinstance(item, ast.Assign):
        return [_name_of(target) for target in item.targets] == ["__version__"]
    return False


def _name_of(node: ast.AST) -> str:
    """The last name of ``name`` or ``some.name``; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return ""


def _imports(node: ast.AST, module: str) -> Iterator[_Import]:
    """What one node imports: a statement, or a call of ``import_module`` with a text."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield _Import(alias.name, ("*",))
    elif isinstance(node, ast.ImportFrom):
        names = tuple(alias.name for alias in node.names)
        yield _Import(_absolute(node, module), names)
    elif isinstance(node, ast.Call) and _name_of(node.func) == "import_module" and node.args:
        [first, *_] = node.args
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield _Import(first.value, ("*",))


def _absolute(node: ast.ImportFrom, module: str) -> str:
    """The module of ``from … import``, with the dots of a relative one resolved."""
    named = node.module or ""
    if not node.level:
        return named
    path = _file(module)
    is_package = path is not None and path.name == "__init__.py"
    parts = module.split(".")
    n_dropped = node.level - 1 if is_package else node.level
    base = parts[: len(parts) - n_dropped]
    return ".".join([*base, named] if named else base)


# --- libraries


@cache
def _version(library: str) -> str:
    """Versions of the distributions that bring a top-level name; ``absent`` where none does."""
    found = _installed(_DISTRIBUTIONS.get(library, (library,)))
    if not found and importlib.util.find_spec(library) is not None:
        brought_by = sorted(set(packages_distributions().get(library, ())))
        found = _installed(tuple(brought_by)) or ["present"]
    return ", ".join(found) or "absent"


def _installed(distributions: tuple[str, ...]) -> list[str]:
    found = []
    for name in distributions:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found

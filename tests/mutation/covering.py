"""Which tests run which line: recorded once for every test file, and kept until that file or the
library changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from . import operators
from .draw import Mutant
from .settings import Settings

HERE = Path(__file__).parent
#: What a private copy of the tree goes without.
LEFT_OUT = shutil.ignore_patterns(
    ".git",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    "demo",
    "results",
    ".*_cache",
    ".hypothesis",
    "*.egg-info",
)


def copy_tree(settings: Settings, to: Path) -> Path:
    """A copy of the tree, in which faults may be made."""
    shutil.copytree(settings.root, to, ignore=LEFT_OUT, symlinks=True)
    return to


class Children:
    """One process for every copy, in which tests are run one after the other, and that all end
    together.

    They have imported what is slow to import already: see ``plugin/mutation_server.py``.
    """

    def __init__(self, preload: list[str], environment: Mapping[str, str]) -> None:
        self._preload = preload
        self._environment = {**os.environ, **environment}
        self._servers: dict[Path, subprocess.Popen[str]] = {}
        self._lock = threading.Lock()
        self.stopped = False

    def run(
        self, arguments: list[str], tree: Path, more: Mapping[str, str], log: Path, seconds: float
    ) -> int | None:
        """The exit status of pytest in this copy, or None where it took too long; what it has
        started ends with it.
        """
        server = self._server(tree)
        order = {
            "arguments": [*ALWAYS, *arguments],
            "folder": str(tree),
            "environment": dict(more),
            "log": str(log),
        }
        try:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(json.dumps({**order, "seconds": seconds}) + "\n")
            server.stdin.flush()
            answer = server.stdout.readline()
        except (BrokenPipeError, ValueError):
            answer = ""
        if self.stopped:
            raise KeyboardInterrupt
        if not answer:
            raise RuntimeError(
                f"the process that runs tests has ended (exit {server.poll()}); see {log}"
            )
        return json.loads(answer)

    def _server(self, tree: Path) -> subprocess.Popen[str]:
        with self._lock:
            if self.stopped:
                raise KeyboardInterrupt
            if tree not in self._servers:
                self._servers[tree] = subprocess.Popen(
                    [sys.executable, str(HERE / "plugin" / "mutation_server.py"), *self._preload],
                    cwd=tree,
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            return self._servers[tree]

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            for server in self._servers.values():
                server.terminate()
            for server in self._servers.values():
                server.wait()


#: Arguments of every pytest.
ALWAYS = ["-q", "--rootdir=.", "-p", "mutation_watch", "-p", "no:cacheprovider", "-p", "no:xdist"]


def surroundings(settings: Settings, tree: Path) -> dict[str, str]:
    """The environment of a test process in a copy: the copy's library, and nothing that a bare
    clone has not.
    """
    first = (tree / settings.source).parent
    return {
        **settings.environment,
        "PYTHONPATH": f"{first}{os.pathsep}{HERE / 'plugin'}",
        "MUTATION_SOURCE": str(tree / settings.source),
    }


@dataclass
class Covering:
    """Tests by line. A test is its node id; ``seconds`` is how long it took."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    def add(self, record: dict) -> None:
        tests = record["tests"]
        self.seconds.update(zip(tests, record["seconds"], strict=True))
        for file, by_line in record["lines"].items():
            here = self.lines.setdefault(file, {})
            for line, numbers in by_line.items():
                here.setdefault(int(line), set()).update(tests[at] for at in numbers)

    def of(self, settings: Settings, mutant: Mutant) -> list[str]:
        """The tests that could notice this fault, the likeliest and fastest first.

        Inside a function: those that run a line of the statement. A value given outside functions
        is read only once, at import, and no test runs it: those that run a line with its name or
        stand in a file that names it, then all that run anything in its own file.
        """
        file = Path(mutant.file).relative_to(settings.source).as_posix()
        here = self.lines.get(file, {})
        source = (settings.root / mutant.file).read_text(encoding="utf-8")
        bodies = set(operators.in_functions(source))
        fault = mutant.fault
        if fault.line in bodies:
            span = range(fault.first_line, fault.last_line + 1)
            return self._fastest(set().union(*(here.get(line, set()) for line in span)))
        likely: set[str] = set()
        if fault.defines is not None:
            word = re.compile(rf"\b{re.escape(fault.defines)}\b")
            for other, by_line in self.lines.items():
                text = (settings.root / settings.source / other).read_text(encoding="utf-8")
                within = set(operators.in_functions(text)) if word.search(text) else set()
                if other == file and fault.defines in _functions(source):
                    first, last = _functions(source)[fault.defines]
                    within &= set(range(first, last + 1))
                    likely = likely.union(*(by_line.get(line, set()) for line in within))
                    continue
                for line in within:
                    if word.search(text.splitlines()[line - 1]):
                        likely |= by_line.get(line, set())
            likely |= self._naming(settings, word)
        rest = set().union(*(tests for line, tests in here.items() if line in bodies)) - likely
        return self._fastest(likely) + self._fastest(rest)

    def _naming(self, settings: Settings, word: re.Pattern[str]) -> set[str]:
        """All tests of the test files that name it: one that looks at a default runs nothing of the
        library.
        """
        files = {test.partition("::")[0] for test in self.seconds}
        files = {
            file
            for file in files
            if word.search((settings.root / file).read_text(encoding="utf-8"))
        }
        return {test for test in self.seconds if test.partition("::")[0] in files}

    def _fastest(self, tests: set[str]) -> list[str]:
        return sorted(tests, key=lambda test: (self.seconds[test], test))


def _functions(source: str) -> dict[str, tuple[int, int]]:
    import ast

    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = (node.lineno, node.end_lineno or node.lineno)
    return found


def fingerprint(settings: Settings) -> str:
    """Of the library and of what every test has: the environment and the outer ``conftest.py``."""
    digest = hashlib.sha256(json.dumps(settings.environment, sort_keys=True).encode())
    for path in sorted(
        [*(settings.root / settings.source).rglob("*"), settings.root / "conftest.py"]
    ):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(settings.root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def helpers(settings: Settings, file: Path) -> list[Path]:
    """What a test file shares with others: the files beside the tests that it names, and those that
    these name.
    """
    folder = settings.root / settings.tests
    others = [
        path
        for path in folder.rglob("*.py")
        if not path.name.startswith("test_") and HERE not in path.parents
    ]
    found: list[Path] = []
    todo = [file, *(path for path in others if path.stem == "conftest")]
    while todo:
        path = todo.pop()
        found.append(path)
        words = set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
        for other in others:
            # In a package, the packages around it are named as well, unless from inside.
            start = (
                path.parent if path.parent in other.parents and path.parent != folder else folder
            )
            names = set(other.relative_to(start).with_suffix("").parts) - {"__init__"}
            if names <= words and other not in found and other not in todo:
                todo.append(other)
    return sorted(found)


def test_files(settings: Settings) -> list[Path]:
    return sorted((settings.root / settings.tests).rglob("test_*.py"))


def record(
    settings: Settings,
    trees: list[Path],
    children: Children,
    say: Callable[[str], None],
    make: bool = True,
) -> Covering:
    """The record of every test file, made where there is none yet for it and the library as they
    are now.
    """
    folder = settings.work / "covering"
    folder.mkdir(parents=True, exist_ok=True)
    shared = fingerprint(settings)
    wanted: dict[Path, Path] = {}
    for file in test_files(settings):
        own = hashlib.sha256(
            shared.encode() + b"".join(path.read_bytes() for path in helpers(settings, file))
        )
        wanted[file] = folder / f"{file.stem}-{own.hexdigest()[:16]}.json"
    absent = [file for file in wanted if not wanted[file].is_file()]
    for old in set(folder.glob("*.json")) - set(wanted.values()):
        old.unlink()
    # First what took little last time, so that an interruption loses little.
    known = settings.work / "seconds.json"
    seconds: dict[str, float] = json.loads(known.read_text()) if known.is_file() else {}
    absent.sort(key=lambda file: (seconds.get(file.name, 30.0), file))
    free = list(trees)

    def one(file: Path) -> tuple[Path, dict | None]:
        tree = free.pop()
        out = wanted[file].with_suffix(".part")
        log = wanted[file].with_suffix(".log")
        name = file.relative_to(settings.root).as_posix()
        more = {**surroundings(settings, tree), "MUTATION_RECORD": str(out)}
        status = children.run(["-m", "not slow", name], tree, more, log, seconds=3600)
        free.append(tree)
        if children.stopped:
            return file, None
        # 1: some tests fail; they are simply not used. 5: no test is left.
        if status not in (0, 1, 5) or not out.is_file():
            say(f"  {name}: could not be recorded (exit {status}), see {log}")
            return file, None
        out.replace(wanted[file])
        return file, json.loads(wanted[file].read_text())

    def note(file: Path, made: dict) -> None:
        # By one thread alone, and whole: of two that write a file at once, neither's is left.
        name = file.relative_to(settings.root).as_posix()
        seconds[file.name] = round(sum(made["seconds"]), 1)
        part = known.with_suffix(".part")
        part.write_text(json.dumps(seconds))
        part.replace(known)
        say(f"  {name}: {len(made['tests'])} tests, {seconds[file.name]:.0f} s")

    if absent and not make:
        say(
            f"no record of {len(absent)} of {len(wanted)} test files; what only they notice "
            "survives"
        )
        absent = []
    if absent:
        say(f"recording what {len(absent)} test files cover")
    with ThreadPoolExecutor(len(trees)) as pool:
        try:
            for done in as_completed([pool.submit(one, file) for file in absent]):
                file, made = done.result()
                if made is not None:
                    note(file, made)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise
    covering = Covering()
    for path in wanted.values():
        if path.is_file():
            covering.add(json.loads(path.read_text()))
    return covering

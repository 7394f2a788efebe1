"""The tool behind ``make mutants``, on a package of a few lines whose tests notice some faults and
not others.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # each test runs pytest in processes of its own

pytest.importorskip("coverage")

operators = importlib.import_module("mutation.operators")
draw = importlib.import_module("mutation.draw")
covering = importlib.import_module("mutation.covering")
settings = importlib.import_module("mutation.settings")
trial = importlib.import_module("mutation.trial")
tool: ModuleType = importlib.import_module("mutation.__main__")

SUMS = '''
"""Sums, at most 3 + 4."""

LIMIT = 3
FACTOR = 2
SHOWN = 7


def clipped(x: float, most: float = LIMIT) -> float:
    """At most 3."""
    if x > most:
        return most
    return x


def scaled(x: float) -> float:
    return x * FACTOR


def shifted(x: float, by: float = 5.0) -> float:
    return x + by


def slow_table() -> list[int]:
    return [7, 8, 9][:2]


def cached_table() -> list[int]:
    return [1, 2, 3][:2]


def nobody_asks(x: float) -> float:
    return x - 11


def loose(x: float) -> float:
    return x - 12


def once_broken(x: float) -> float:
    return x - 13
'''
TESTS = """
import pytest
from toy import sums


@pytest.fixture(scope="module")
def table():
    return sums.slow_table()


def test_clipped():
    assert sums.clipped(2) == 2
    assert sums.clipped(9) == 3


def test_scaled():
    assert sums.scaled(2) == 4


def test_shown():
    assert sums.SHOWN == 7


def test_shifted():
    assert sums.shifted(1) == 6


# The first makes what the second looks at.
def test_table_is_there(table):
    assert table


def test_table(table):
    assert table == [7, 8]


def test_loose():
    assert sums.loose(1) < 100


def test_that_fails_anyway():
    assert sums.once_broken(1) == 17
"""
CACHED_TESTS = """
from functools import cache

from toy import sums


@cache
def table():
    return sums.cached_table()


def test_table_is_there():
    assert table()


def test_table():
    assert table() == [1, 2]
"""
#: Name of the fault → (old text, new text, what comes of it).
FAULTS = {
    "comparison": ("if x > most", "if x < most", "a test failed"),
    "constant outside functions": ("FACTOR = 2", "FACTOR = 3", "a test failed"),
    "constant that no function reads": ("SHOWN = 7", "SHOWN = 8", "a test failed"),
    "default": ("by: float = 5.0", "by: float = 50.0", "a test failed"),
    "made in a fixture of the module": ("[7, 8, 9][:2]", "[7, 8, 9][:1]", "a test failed"),
    "made in a cached helper": ("[1, 2, 3][:2]", "[1, 2, 3][:1]", "a test failed"),
    "not importable": ("LIMIT = 3", "LIMIT = nothing", "does not import"),
    "uncovered": ("x - 11", "x + 11", "no test covers it"),
    "noticed by no test": ("x - 12", "x + 12", "no test failed"),
    "covered by a failing test only": ("x - 13", "x + 13", "no test covers it"),
}


def _settings(named: dict[str, tuple[str, str, str]], **given: Any) -> str:
    values = {"source": "src/toy", "tests": "tests", "draw": 0, "seed": 1, "at_least": 0.9}
    values |= {"seconds_per_fault": 60, "equivalent_at_most": 0.5} | given
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    lines += ["[groups]", 'sums = ["src/toy/sums.py"]']
    for name, (old, new, _) in named.items():
        lines += ["[[named]]", f"name = {json.dumps(name)}", 'file = "src/toy/sums.py"']
        lines += [f"old = {json.dumps(old)}", f"new = {json.dumps(new)}"]
    return "\n".join(lines)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    root = tmp_path / "toy"
    (root / "src" / "toy").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\n'
    )
    (root / "conftest.py").write_text("")
    (root / "src" / "toy" / "__init__.py").write_text("")
    (root / "src" / "toy" / "sums.py").write_text(SUMS.lstrip())
    (root / "tests" / "test_sums.py").write_text(TESTS.lstrip())
    (root / "tests" / "test_cached.py").write_text(CACHED_TESTS.lstrip())
    return root


@pytest.fixture
def run(toy: Path) -> Callable[..., tuple[int, dict]]:
    def run(text: str, *more: str) -> tuple[int, dict]:
        (toy / "mutants.toml").write_text(text)
        status = tool.main(["--root", str(toy), "--settings", str(toy / "mutants.toml"), *more])
        return status, json.loads((toy / "build" / "mutants" / "summary.json").read_text())

    return run


def _outcomes(summary: dict) -> dict[str, str]:
    return {one["name"]: one["outcome"] for one in summary["each"]}


def test_each_fault_meets_the_tests_that_run_its_line(
    toy: Path, run: Callable[..., tuple[int, dict]], capfd: pytest.CaptureFixture[str]
) -> None:
    before = (toy / "src" / "toy" / "sums.py").read_bytes()
    status, summary = run(_settings(FAULTS))
    assert _outcomes(summary) == {name: outcome for name, (_, _, outcome) in FAULTS.items()}
    by_name = {one["name"]: one for one in summary["each"]}
    assert by_name["comparison"]["test"] == "tests/test_sums.py::test_clipped"
    assert by_name["comparison"]["tests_run"] == 1
    assert by_name["made in a fixture of the module"]["test"] == "tests/test_sums.py::test_table"
    assert by_name["made in a cached helper"]["test"] == "tests/test_cached.py::test_table"
    # 7 of 10 are fewer than 90 %, and the page lists the others with what was changed.
    assert status == 1
    assert summary["share"] == pytest.approx(7 / 10)
    page = (toy / "build" / "mutants" / "summary.md").read_text()
    assert "| all | 10 | 7 | 70.0% |" in page
    assert "src/toy/sums.py:" in page.partition("## Survived")[2]
    assert "+    return x + 12" in page
    assert "+    if x < most" not in page
    assert (toy / "src" / "toy" / "sums.py").read_bytes() == before
    # The same once more makes nothing again; a lower bar is reached.
    capfd.readouterr()
    status, again = run(_settings(FAULTS, at_least=0.6))
    assert status == 0
    assert again["each"] == summary["each"]
    assert "0 faults to make" in capfd.readouterr().err


def test_files_recorded_at_the_same_time_are_all_noted(toy: Path) -> None:
    """Eight copies whose tests end at once."""

    class AtOnce:
        stopped = False

        def stop(self) -> None:
            self.stopped = True

        def run(
            self, arguments: list[str], tree: Path, more: dict, log: Path, seconds: float
        ) -> int:
            record = {"tests": [f"{arguments[-1]}::test"], "seconds": [1.0], "lines": {}}
            Path(more["MUTATION_RECORD"]).write_text(json.dumps(record))
            return 0

    for at in range(200):
        (toy / "tests" / f"test_{at}.py").write_text(f"at = {at}\n")
    (toy / "mutants.toml").write_text(_settings({}))
    given = settings.read(toy / "mutants.toml", toy)
    covered = covering.record(given, [toy] * 8, AtOnce(), lambda _: None)
    noted = json.loads((given.work / "seconds.json").read_text())
    assert noted == {file.name: 1.0 for file in covering.test_files(given)}
    assert len(covered.seconds) == len(noted) == 202


def test_what_a_better_test_changes(toy: Path, run: Callable[..., tuple[int, dict]]) -> None:
    only = {"noticed by no test": FAULTS["noticed by no test"]}
    assert run(_settings(only))[0] == 1
    tests = toy / "tests" / "test_sums.py"
    tests.write_text(tests.read_text().replace("sums.loose(1) < 100", "sums.loose(1) == -11"))
    status, summary = run(_settings(only))
    assert (status, summary["share"]) == (0, 1.0)


def test_a_test_that_fails_without_a_fault_notices_nothing(
    toy: Path, run: Callable[..., tuple[int, dict]], capfd: pytest.CaptureFixture[str]
) -> None:
    """It passes when it is recorded, and fails ever after."""
    mark = toy / "was_recorded"
    (toy / "tests" / "test_sums.py").write_text(
        dedent(f"""
        from pathlib import Path
        from toy import sums

        def test_scaled():
            assert sums.scaled(2)
            assert not Path({str(mark)!r}).exists()
            Path({str(mark)!r}).touch()
        """)
    )
    status, summary = run(_settings({"factor": ("FACTOR = 2", "FACTOR = 3", "")}))
    assert _outcomes(summary) == {"factor": "a test failed"}
    assert status == 1
    assert "test_scaled" in capfd.readouterr().out.partition("fail without any fault")[2]


def test_equivalent_faults_are_few_and_do_not_count(
    toy: Path, run: Callable[..., tuple[int, dict]]
) -> None:
    loose = FAULTS["noticed by no test"]
    named = {"comparison": FAULTS["comparison"], "loose": loose}
    entry = ["", "[[equivalent]]", 'file = "src/toy/sums.py"', f"old = {json.dumps(loose[0])}"]
    entry += [f"new = {json.dumps(loose[1])}", 'reason = "nobody can tell"']
    status, summary = run(_settings(named) + "\n".join(entry))
    assert (status, summary["share"], summary["faults"]) == (0, 1.0, 1)
    with pytest.raises(SystemExit, match="too many"):
        run(_settings(named, equivalent_at_most=0.05) + "\n".join(entry))


@pytest.mark.parametrize("old", ["return x", "return x - 2"])
def test_a_named_fault_stands_exactly_once(run: Callable[..., tuple[int, dict]], old: str) -> None:
    with pytest.raises(SystemExit, match=r"stands [06] times"):
        run(_settings({"one": (old, "return", "")}))


def test_what_takes_too_long_is_ended_with_all_that_it_started(toy: Path) -> None:
    started = toy / "started"
    (toy / "tests" / "test_sums.py").write_text(
        dedent(f"""
        import subprocess
        from pathlib import Path

        def test_that_never_ends():
            child = subprocess.Popen(["sleep", "1000"])
            Path({str(started)!r}).write_text(str(child.pid))
            child.wait()
        """)
    )
    (toy / "mutants.toml").write_text(_settings({}))
    given = settings.read(toy / "mutants.toml", toy)
    children = covering.Children([], {})
    more = covering.surroundings(given, toy)
    seconds = 1.0
    while not started.is_file():  # a slow machine had not come to the test
        seconds *= 2
        assert children.run(["tests/test_sums.py"], toy, more, toy / "log", seconds) is None
    process = Path("/proc") / started.read_text()
    while process.exists() and ") Z " not in (process / "stat").read_text():
        time.sleep(0.01)
    # The process goes on to serve.
    assert children.run(["--version"], toy, more, toy / "log", 600.0) == 0
    children.stop()


def test_an_endless_loop_is_noticed(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no patience at all, every test takes too long."""
    (toy / "mutants.toml").write_text(_settings({"one": FAULTS["comparison"]}))
    given = settings.read(toy / "mutants.toml", toy)
    covered = covering.Covering(
        {"tests/test_sums.py::test_clipped": 0.0},
        {"sums.py": {11: {"tests/test_sums.py::test_clipped"}}},
    )
    children = covering.Children([], {})
    tree = covering.copy_tree(given, toy.parent / "copy")
    monkeypatch.setattr(trial, "START_S", 0.01)
    given.work.mkdir(parents=True)
    mutant = draw.named(given)[0]
    covered.lines["sums.py"] = {mutant.fault.line: {"tests/test_sums.py::test_clipped"}}
    verdict = trial.run(given, mutant, covered, tree, children)
    assert verdict.outcome == "took too long"
    assert verdict.killed
    assert (tree / mutant.file).read_bytes() == (toy / mutant.file).read_bytes()
    children.stop()


def _changed(source: str) -> set[tuple[str, str, str]]:
    found = operators.faults(source)
    return {
        (fault.kind, fault.old, fault.new) for fault in found if operators.changes(source, fault)
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x = a > b", {("comparison", ">", ">="), ("comparison", ">", "<")}),
        (
            "return a or b",
            {("boolean", "or", "and"), ("return", "a or b", "True"), ("return", "a or b", "False")},
        ),
        ("x = a <= b", {("comparison", "<=", "<")}),
        ("x = a + b", {("arithmetic", "+", "-")}),
        ("x = a / b", {("arithmetic", "/", "*")}),
        ("x = a and b", {("boolean", "and", "or")}),
        ("x = not a", {("not", "not a", "(a)")}),
        ("x = -a", {("sign", "-a", "(a)")}),
        ("x = 0", {("constant", "0", "1")}),
        ("x = 4", {("constant", "4", "5"), ("constant", "4", "3")}),
        ("x = 0.5", {("constant", "0.5", "5.0"), ("constant", "0.5", "1.5")}),
        ("x = True", {("constant", "True", "False")}),
        ("x = a[:b]", {("slice", "b", "(b) - 1")}),
        ("x = a[b:]", {("slice", "b", "(b) + 1")}),
        ("x = np.median(a)", {("twin", "median", "mean")}),
        ("x = min(a)", {("twin", "min", "max")}),
        ("x = a.argmax(b)", {("twin", "argmax", "argmin")}),
        ("x = f(a, weights=b)", {("keyword", ", weights=b", "")}),
        ("a.b = c", {("statement", "a.b = c", "pass")}),
        ("a += b", {("statement", "a += b", "pass")}),
        ("f(a)", {("statement", "f(a)", "pass")}),
        # Nothing that only speaks to people, and nothing of types.
        ("'a text, 3 > 2'", set()),
        ("raise ValueError(a + b)", set()),
        ("told = a[:3]; raise ValueError(told)", set()),
        ("x = np.sort(a, axis=1)", {("constant", "1", "0"), ("constant", "1", "2")}),
        ("x: int | None = a", set()),
        ("x = f'{a + 1} words'", set()),
        ("x = a / 'name'", set()),
        ("if progress: progress(a, 1, 2)", set()),
        ("logging.info(1)", set()),
        ("x = a / (b + 1e-12)", {("arithmetic", "/", "*"), ("arithmetic", "+", "-")}),
    ],
)
def test_faults_of_a_line(line: str, expected: set[tuple[str, str, str]]) -> None:
    assert _changed(f"def g(a, b, c):\n    {line}\n") == expected


def test_a_fault_knows_its_statement_and_what_it_gives_a_value_to() -> None:
    source = "LIMIT = 3\n\n\ndef g(a=4):\n    return f(\n        a,\n        7,\n    )\n"
    found = {fault.old: fault for fault in operators.faults(source)}
    assert (found["3"].defines, found["3"].line) == ("LIMIT", 1)
    assert (found["4"].defines, found["4"].line) == ("g", 4)
    assert found["7"].defines is None
    assert (found["7"].first_line, found["7"].line, found["7"].last_line) == (5, 7, 8)


def test_bytes_before_a_fault_may_be_more_than_characters() -> None:
    source = "x = 'ä…é' if a > b else 0\n"
    fault = next(one for one in operators.faults(source) if one.new == ">=")
    assert operators.apply(source, fault) == "x = 'ä…é' if a >= b else 0\n"


def test_the_draw_is_by_the_seed_and_from_every_file(toy: Path) -> None:
    for name in ("one", "two", "three"):
        text = "".join(f"def f{i}(a, b):\n    return a + b * {i + 2}\n\n\n" for i in range(20))
        (toy / "src" / "toy" / f"{name}.py").write_text(text)
    files = {
        "left": ["src/toy/one.py", "src/toy/sums.py"],
        "right": ["src/toy/two.py", "src/toy/three.py"],
    }
    text = _settings({}).partition("[groups]")[0] + "[groups]\n"
    (toy / "mutants.toml").write_text(
        text + "\n".join(f"{name} = {json.dumps(some)}" for name, some in files.items())
    )
    given = settings.read(toy / "mutants.toml", toy)
    first = draw.drawn(given, 20, seed=1)
    assert first == draw.drawn(given, 20, seed=1)
    assert {one.key for one in first} != {one.key for one in draw.drawn(given, 20, seed=2)}
    assert [sum(one.group == group for one in first) for group in files] == [10, 10]
    assert {one.file for one in first} == {file for several in files.values() for file in several}
    assert len({(one.file, one.fault.line) for one in first}) == 20
    # Kinds take turns.
    assert {one.name for one in first if one.file == "src/toy/two.py"} == {"arithmetic", "constant"}
    # A change in one file leaves what is drawn from the others.
    (toy / "src" / "toy" / "one.py").write_text(
        (toy / "src" / "toy" / "one.py").read_text().replace("a + b", "b + a")
    )
    elsewhere = [one for one in draw.drawn(given, 20, seed=1) if one.file != "src/toy/one.py"]
    assert elsewhere == [one for one in first if one.file != "src/toy/one.py"]

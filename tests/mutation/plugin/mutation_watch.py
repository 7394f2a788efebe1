"""A pytest plug-in (``-p mutation_watch``): which test runs which line, or only these tests, in
this order.

It is told what to do by the environment, and imports nothing of this package, because it is loaded
by name from its own folder. ``MUTATION_RECORD``: the file to write; ``MUTATION_SOURCE``: the folder
whose lines count; ``MUTATION_PICK``: a file with the node ids to run, one a line;
``MUTATION_FAILED``: where failed ones are written.

A fixture with a wider scope than a test runs once, in the first test that asks for it. What it runs
therefore counts for every test that uses it. The same goes for a test file's own cached helpers:
where a file has one, each of its tests gets the lines of all.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest


class Recorder:
    def __init__(self, out: Path, source: Path) -> None:
        import coverage

        self.out = out
        self.source = source
        self.cover = coverage.Coverage(data_file=None, config_file=False, include=[f"{source}/*"])
        self.cover.start()
        self.contexts: list[str] = [""]
        self.seconds: dict[str, float] = {}
        self.bad: set[str] = set()
        self.uses: dict[str, set[str]] = {}
        self.caching: set[str] = set()

    def _enter(self, context: str) -> None:
        self.contexts.append(context)
        self.cover.switch_context(context)

    def _leave(self) -> None:
        self.contexts.pop()
        self.cover.switch_context(self.contexts[-1])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        info = getattr(item, "_fixtureinfo", None)
        named = info.name2fixturedefs if info is not None else {}
        self.uses[item.nodeid] = {_fixture(one) for several in named.values() for one in several}
        module = getattr(item, "module", None)
        own = vars(module).values() if module is not None else ()
        if any(hasattr(one, "cache_clear") and one.__module__ == module.__name__ for one in own):
            self.caching.add(item.nodeid)
        self._enter(f"test {item.nodeid}")
        try:
            return (yield)
        finally:
            self._leave()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, object, object]:
        if fixturedef.scope == "function":
            return (yield)
        self._enter(f"fixture {_fixture(fixturedef)}")
        try:
            return (yield)
        finally:
            self._leave()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if not report.passed:
            self.bad.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self.cover.stop()
        data = self.cover.get_data()
        passed = [name for name in self.seconds if name not in self.bad]
        numbers = {name: at for at, name in enumerate(passed)}
        by_fixture: dict[str, list[int]] = {}
        for name in passed:
            for fixture in self.uses[name]:
                by_fixture.setdefault(fixture, []).append(numbers[name])
        caching = [numbers[name] for name in passed if name in self.caching]
        lines: dict[str, dict[int, list[int]]] = {}
        for file in data.measured_files():
            here = lines.setdefault(Path(file).relative_to(self.source).as_posix(), {})
            for line, contexts in data.contexts_by_lineno(file).items():
                tests: set[int] = set()
                for context in contexts:
                    what, _, name = context.partition(" ")
                    if what == "test" and name in numbers:
                        tests.update(caching if name in self.caching else [numbers[name]])
                    elif what == "fixture":
                        tests.update(by_fixture.get(name, []))
                if tests:
                    here[line] = sorted(tests)
        record = {
            "tests": passed,
            "seconds": [round(self.seconds[name], 3) for name in passed],
            "lines": lines,
        }
        record["not_passed"] = sorted(self.bad)
        self.out.write_text(json.dumps(record))


class Picker:
    """Only the listed tests, in the listed order."""

    def __init__(self, listed: list[str]) -> None:
        self.rank = {name: at for at, name in enumerate(listed)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        rest = [item for item in items if item.nodeid not in self.rank]
        items[:] = sorted(
            (item for item in items if item.nodeid in self.rank),
            key=lambda one: self.rank[one.nodeid],
        )
        config.hook.pytest_deselected(items=rest)
        for item in items:
            _do_not_shrink(getattr(item, "obj", None))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and os.environ.get("MUTATION_FAILED"):
            with open(os.environ["MUTATION_FAILED"], "a") as out:
                out.write(f"{report.nodeid}\n")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A library from elsewhere would let every fault survive: that is no verdict."""
        source = Path(os.environ["MUTATION_SOURCE"])
        loaded = sys.modules.get(source.name)
        file = getattr(loaded, "__file__", None)
        if file is not None and source not in Path(file).parents:
            session.exitstatus = 4


def _do_not_shrink(test: Any) -> None:
    """A Hypothesis test that fails has noticed the fault; looking for a smaller example takes the
    longest.
    """
    test = getattr(test, "__func__", test)
    own = getattr(test, "_hypothesis_internal_use_settings", None)
    if own is not None:
        from hypothesis import Phase, settings

        phases = [phase for phase in own.phases if phase not in (Phase.shrink, Phase.explain)]
        test._hypothesis_internal_use_settings = settings(own, phases=phases, database=None)


def _fixture(definition: Any) -> str:
    return f"{definition.baseid}::{definition.argname}"


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("MUTATION_RECORD"):
        recorder = Recorder(
            Path(os.environ["MUTATION_RECORD"]), Path(os.environ["MUTATION_SOURCE"])
        )
        config.pluginmanager.register(recorder, "mutation-recorder")
    if os.environ.get("MUTATION_PICK"):
        listed = Path(os.environ["MUTATION_PICK"]).read_text().splitlines()
        config.pluginmanager.register(Picker(listed), "mutation-picker")

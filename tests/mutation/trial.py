"""One fault at a time: made in a private copy of the tree, where the tests that cover it run until
one fails.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from .covering import Children, Covering, surroundings
from .draw import Mutant
from .settings import Settings

#: So many tests are tried first; most faults are noticed by one of them, and few files are then
#: imported.
FIRST = 20
#: A process may take this many times as long as its tests took when recorded, plus what starting it
#: may take.
PATIENCE = 10.0
START_S = 120.0

_later = itertools.count(1)

KILLED = ("a test failed", "took too long", "does not import", "crashed")


@dataclass(frozen=True)
class Verdict:
    key: str
    #: One of ``KILLED``, or ``no test covers it`` or ``no test failed``.
    outcome: str
    test: str | None = None
    tests_run: int = 0

    @property
    def killed(self) -> bool:
        return self.outcome in KILLED

    def as_dict(self) -> dict:
        return asdict(self)


def run(
    settings: Settings, mutant: Mutant, covering: Covering, tree: Path, children: Children
) -> Verdict:
    """The verdict on one fault. The copy's file is as before when this returns, by
    whichever way.
    """
    tests = _within(covering, covering.of(settings, mutant), settings.seconds_per_fault)
    if not tests:
        return Verdict(mutant.key, "no test covers it")
    target = tree / mutant.file
    original = (settings.root / mutant.file).read_text(encoding="utf-8")
    stamp = target.stat().st_mtime_ns
    target.write_text(mutant.mutated(original), encoding="utf-8")
    # Compiled files go by time and size: no two states of a file may have the same time.
    os.utime(target, ns=(stamp, stamp + next(_later) * 10_000_000_000))
    try:
        for several in (tests[:FIRST], tests[FIRST:]):
            if several:
                outcome, test = run_tests(
                    settings, several, covering, tree, children, name=mutant.key
                )
                if outcome != "no test failed":
                    return Verdict(mutant.key, outcome, test, len(several))
        return Verdict(mutant.key, "no test failed", None, len(tests))
    finally:
        target.write_text(original, encoding="utf-8")
        os.utime(target, ns=(stamp, stamp))


def run_tests(
    settings: Settings,
    tests: list[str],
    covering: Covering,
    tree: Path,
    children: Children,
    name: str,
) -> tuple[str, str | None]:
    """What came of these tests in this copy: an outcome, and the first test that failed."""
    folder = settings.work / "trials"
    folder.mkdir(parents=True, exist_ok=True)
    pick, failed, log = (folder / f"{name}.{end}" for end in ("pick", "failed", "log"))
    pick.write_text("\n".join(tests))
    failed.unlink(missing_ok=True)
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    more = {
        **surroundings(settings, tree),
        "MUTATION_PICK": str(pick),
        "MUTATION_FAILED": str(failed),
    }
    patience = START_S + PATIENCE * sum(covering.seconds[test] for test in tests)
    status = children.run(["-x", "--tb=short", *files], tree, more, log, patience)
    test = failed.read_text().splitlines()[0] if failed.is_file() else None
    pick.unlink()
    failed.unlink(missing_ok=True)
    if status == 0:
        log.unlink()
        return "no test failed", None
    if status is None:
        return "took too long", test
    if status in (1, 2):
        return ("does not import" if test is None else "a test failed"), test
    if status < 0 or status > 5:
        return "crashed", test
    raise RuntimeError(f"pytest ended with {status}, see {log}")


def _within(covering: Covering, tests: list[str], seconds: float) -> list[str]:
    """As many of the tests, from the first on, as took this long altogether; at least one."""
    total, kept = 0.0, []
    for test in tests:
        total += covering.seconds[test]
        if kept and total > seconds:
            break
        kept.append(test)
    return kept

"""What ``mutants.toml`` says, checked."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Named:
    """One fault given by its text: ``old`` stands exactly once in ``file``. With a reason, it is an
    equivalent one.
    """

    name: str
    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Settings:
    root: Path
    #: The folder of the package whose lines count, and the folder of the tests.
    source: str
    tests: str
    #: How many faults are drawn, by which seed, and the share that must be noticed.
    draw: int
    seed: int
    at_least: float
    #: Tests that took longer than this altogether are not run for one fault: it then counts as
    #: survived.
    seconds_per_fault: float
    #: Equivalent faults may be at most this share of all.
    equivalent_at_most: float
    environment: dict[str, str]
    #: Modules that are imported once for all runs of tests; none of the package itself.
    preload: list[str]
    groups: dict[str, list[str]]
    named: list[Named]
    #: A fault that leaves the program the same: (file, old text, new text) and why.
    equivalent: list[tuple[Named, str]]

    @property
    def work(self) -> Path:
        return self.root / "build" / "mutants"

    def group(self, file: str) -> str:
        return next(name for name, files in self.groups.items() if file in files)


def read(path: Path, root: Path) -> Settings:
    given = tomllib.loads(path.read_text(encoding="utf-8"))
    groups = given["groups"]
    files = [file for several in groups.values() for file in several]
    absent = [file for file in files if not (root / file).is_file()]
    twice = sorted({file for file in files if files.count(file) > 1})
    if absent or twice:
        raise SystemExit(f"{path}: no such files {absent}; in two groups {twice}")
    named = [Named(**one) for one in given.get("named", [])]
    equivalent = []
    for one in given.get("equivalent", []):
        reason = one.pop("reason")
        equivalent.append((Named(name="equivalent", **one), reason))
    for one in named:
        if one.file not in files:
            raise SystemExit(f"{path}: {one.name!r} is in {one.file}, which is in no group")
    return Settings(
        root=root,
        source=given["source"],
        tests=given["tests"],
        draw=given["draw"],
        seed=given["seed"],
        at_least=given["at_least"],
        seconds_per_fault=given["seconds_per_fault"],
        equivalent_at_most=given["equivalent_at_most"],
        environment=given.get("environment", {}),
        preload=given.get("preload", []),
        groups=groups,
        named=named,
        equivalent=equivalent,
    )

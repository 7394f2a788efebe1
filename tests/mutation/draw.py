"""Which faults are made: some drawn by a seed, evenly over groups and files, and the named ones."""

from __future__ import annotations

import ast
import difflib
import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

from . import operators
from .operators import Fault
from .settings import Named, Settings


@dataclass(frozen=True)
class Mutant:
    file: str
    group: str
    fault: Fault
    #: The name of a named one; of a drawn one, what kind of fault it is.
    name: str
    is_named: bool = False

    @property
    def key(self) -> str:
        text = f"{self.file}\0{self.fault.start}\0{self.fault.old}\0{self.fault.new}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def where(self) -> str:
        return f"{self.file}:{self.fault.line}"

    def mutated(self, source: str) -> str:
        return operators.apply(source, self.fault)

    def difference(self, source: str) -> str:
        """The changed lines, as ``-`` and ``+``."""
        lines = difflib.unified_diff(
            source.splitlines(), self.mutated(source).splitlines(), lineterm="", n=0
        )
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def drawn(settings: Settings, number: int, seed: int) -> list[Mutant]:
    """``number`` faults, as many from every group; within a group every file gives one, and long
    files more.

    Each file is drawn from by a generator of its own, so that a change in one file leaves the
    others' draws alone. In a file, kinds of faults take turns, so that the many constants do not
    drown the rest; a line is drawn at most once.
    """
    found: list[Mutant] = []
    for at, (group, files) in enumerate(settings.groups.items()):
        share = number // len(settings.groups) + (at < number % len(settings.groups))
        possible = {file: operators.faults(_text(settings, file)) for file in files}
        possible = {file: several for file, several in possible.items() if several}
        for file, wanted in _quotas(possible, share, seed).items():
            found += [
                Mutant(file, group, fault, fault.kind)
                for fault in _some(_text(settings, file), possible[file], wanted, f"{seed} {file}")
            ]
    return found


def named(settings: Settings) -> list[Mutant]:
    return [
        Mutant(one.file, settings.group(one.file), by_text(settings, one), one.name, True)
        for one in settings.named
    ]


def by_text(settings: Settings, one: Named) -> Fault:
    """The fault that a named one describes. The run fails where its text does not stand exactly
    once in the file.
    """
    source = _text(settings, one.file)
    times = source.count(one.old)
    if times != 1 or one.old == one.new:
        raise SystemExit(
            f"named fault {one.name!r}: {one.old!r} stands {times} times in {one.file}, expected "
            "once"
        )
    start = len(source[: source.index(one.old)].encode())
    line = source[: source.index(one.old)].count("\n") + 1
    last = line + one.old.rstrip("\n").count("\n")
    defines = None if line in set(operators.in_functions(source)) else _name_at(source, line)
    return Fault(
        "named", start, start + len(one.old.encode()), one.old, one.new, line, line, last, defines
    )


def _text(settings: Settings, file: str) -> str:
    return Path(settings.root / file).read_text(encoding="utf-8")


def _name_at(source: str, line: int) -> str | None:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.lineno <= line <= (
            node.end_lineno or node.lineno
        ):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            return next((one.id for one in targets if isinstance(one, ast.Name)), None)
    return None


def _quotas(possible: dict[str, list[Fault]], share: int, seed: int) -> dict[str, int]:
    """How many faults each file gives: one first (drawn, where that is too many), then by how many
    it could have.
    """
    files = list(possible)
    random.Random(f"{seed} files").shuffle(files)
    quotas = dict.fromkeys(files[:share], 1)
    for _ in range(share - len(quotas)):
        least = min(quotas, key=lambda file: (quotas[file] / len(possible[file]), file))
        quotas[least] += 1
    return quotas


def _some(source: str, possible: list[Fault], wanted: int, seed: str) -> list[Fault]:
    chance = random.Random(seed)
    by_kind: dict[str, list[Fault]] = {}
    for fault in possible:
        by_kind.setdefault(fault.kind, []).append(fault)
    for several in by_kind.values():
        chance.shuffle(several)
    kinds = sorted(by_kind)
    chance.shuffle(kinds)
    chosen: list[Fault] = []
    lines: set[int] = set()
    while len(chosen) < wanted and any(by_kind.values()):
        for kind in kinds:
            while by_kind[kind]:
                fault = by_kind[kind].pop()
                if fault.line not in lines and operators.changes(source, fault):
                    chosen.append(fault)
                    lines.add(fault.line)
                    break
            if len(chosen) == wanted:
                break
    return chosen

"""``lock.txt``: the exact version of every package of the development environment, what packages bring along too.

``python -m tests.lock`` writes it from the environment that it runs in (`make lock`). A line holds for the Python and
the system that it was made on; elsewhere `constraints.txt` and pyproject.toml decide.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "lock.txt"
HEAD = """\
# Every package of the development environment, made by `make lock`; not written by hand.
# What is chosen, and why: constraints.txt.
"""
#: Asked for: these, and all that they need.
ROOTS = ("twomind[dev,demo,docs]", "twomind-synth", "build", "cyclonedx-bom")
#: Our own, and what a fresh environment brings.
OWN = ("twomind", "twomind-synth", "pip", "setuptools")


def lines() -> list[str]:
    """One line per package that is needed here."""
    there = {canonicalize_name(one.metadata["Name"]): one for one in _nearest_first()}
    holds = f'python_version == "{sys.version_info[0]}.{sys.version_info[1]}"'
    found = []
    for name in sorted(_needed(there)):
        if name not in OWN:
            version = there[name].version.partition("+")[0]
            found.append(f'{name}=={version} ; {holds} and sys_platform == "{sys.platform}"')
    return found


def _nearest_first() -> Iterator[Distribution]:
    """What is installed; of two of one name, the one that is imported comes last."""
    yield from reversed(list(distributions()))


def _needed(there: dict[str, Distribution]) -> set[str]:
    """Names of all that the roots need, where it is installed."""
    waiting = [Requirement(root) for root in ROOTS]
    seen: set[tuple[str, str]] = set()
    while waiting:
        asked = waiting.pop()
        name = canonicalize_name(asked.name)
        for extra in ("", *sorted(asked.extras)):
            if (name, extra) in seen or name not in there:
                continue
            seen.add((name, extra))
            for text in there[name].requires or ():
                further = Requirement(text)
                if further.marker is None or further.marker.evaluate({"extra": extra}):
                    waiting.append(further)
    return {name for name, _ in seen}


if __name__ == "__main__":
    LOCK.write_text(HEAD + "\n".join(lines()) + "\n", encoding="utf-8")

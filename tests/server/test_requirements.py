"""The table of requirements names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "study" / "requirements.md"
NONE = "no test: "


def rows() -> list[list[str]]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0].isdigit()]


def test_every_requirement_has_a_line_and_tests_or_a_reason() -> None:
    found = rows()
    assert [int(row[0]) for row in found] == list(range(1, 34))
    for number, what, tests in found:
        assert what, number
        assert tests.startswith(NONE) or re.findall(r"`([^`]+)`", tests), number


def test_the_named_tests_exist() -> None:
    named = {name for row in rows() for name in re.findall(r"`([^`]+)`", row[2])}
    assert len(named) > 50
    for name in sorted(named):
        file, _, test = name.partition("::")
        path = ROOT / file
        assert path.is_file(), name
        if test:
            source = path.read_text(encoding="utf-8")
            assert re.search(rf"^def {re.escape(test)}\(", source, re.MULTILINE), name

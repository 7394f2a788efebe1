"""No pattern of a reader takes long on a line of one thing, however that line begins.

Two parts of a pattern that both take blanks share a run of them in every way there is: a hundred
blanks take no time, five thousand take hours.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from itertools import product

import pytest

from processor_time import TooLong, at_most

PACKAGES = ("twomind.transcripts", "twomind.annotations", "twomind.models.llm")
OPENINGS = ("", "(", "[", "<", "{", "*", "- ", "Q", "A a", "00:00", '"', "&", "(a ", "<c.")
REPEATED = (" ", "a", "a ", "1", ":", "-", ".", "(", "<", "0:", "\n", ",", " :", "a: ")
N_CHARACTERS = 400
#: A run shared by two parts takes a thousandth of this, by three parts all of it.
MOST_S = 0.05


def _patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for package in PACKAGES:
        root = importlib.import_module(package)
        for found in pkgutil.iter_modules(root.__path__, f"{package}."):
            for name, value in vars(importlib.import_module(found.name)).items():
                if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                    yield f"{found.name.removeprefix('twomind.')}.{name}", value


PATTERNS = dict(_patterns())


@pytest.mark.parametrize("name", PATTERNS)
def test_a_long_line_of_one_thing_takes_no_time(name: str) -> None:
    pattern = PATTERNS[name]
    for opening, piece in product(OPENINGS, REPEATED):
        text = opening + piece * (N_CHARACTERS // len(piece)) + "\0"
        with at_most(MOST_S):
            pattern.search(text)


def test_a_slow_pattern_is_found() -> None:
    slow = re.compile(r"\(\s*([^)]{1,60}?)\s*:?\s*\)\s*!")
    with pytest.raises(TooLong), at_most(MOST_S):
        slow.match("(" + " " * 3_000)

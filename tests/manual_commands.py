"""Commands that the manual and the README show, taken apart as a shell would."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: A fenced block with its language, and code inside a line.
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SHELL = ("", "sh", "bash", "console", "text")
_INLINE = re.compile(r"`(twomind [^`]+)`")
_CONTINUED = re.compile(r"\\\n\s*")


@dataclass(frozen=True)
class Shown:
    """One command of a page. ``words`` are what follows ``twomind``."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: twomind {' '.join(self.words)}"


def pages() -> list[Path]:
    """Whatever a user reads: the files at the root, the manual, and the READMEs of the packages."""
    patterns = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "packages/*/README.md")
    return [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def commands() -> Iterator[Shown]:
    """Every ``twomind …`` in blocks and inside lines."""
    for path in pages():
        text = path.read_text(encoding="utf-8")
        page = path.relative_to(ROOT).as_posix()
        blocks = "\n".join(block for language, block in _BLOCK.findall(text) if language in _SHELL)
        lines = _CONTINUED.sub(" ", blocks).splitlines()
        for line in [*lines, *_INLINE.findall(text)]:
            words = _words(line)
            if words:
                yield Shown(page, words)


def _words(line: str) -> tuple[str, ...]:
    """What follows ``twomind`` on a line; empty where it is no such command."""
    started = re.match(r"\s*(?:\$ |TWOMIND_\w+=\S+ )?twomind (.*)", line)
    if not started:
        return ()
    try:
        words = shlex.split(started[1], comments=True)
    except ValueError:  # an apostrophe in a sentence
        return ()
    for end in ("|", "&&", ">", ";"):
        if end in words:
            words = words[: words.index(end)]
    return tuple(words)

"""The facial movements that CLIP-AU asks about: one short phrase each, with its number in FACS.

The wording is this project's own. The order is a contract: the recogniser's head reads the
similarities by position.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

from twomind.core.errors import BadInput


@dataclass(frozen=True)
class Phrase:
    """One movement: its FACS numbers (one, but for the fused phrase of ``released``), words, and
    how it is measured.

    ``measure`` is the column of the ``face`` track that measures it, ``sign`` -1 where it measures
    the opposite; empty where landmarks cannot.
    """

    facs: tuple[int, ...]
    text: str
    measure: str = ""
    sign: int = 1

    @property
    def name(self) -> str:
        """``AU12 lip corners pulled up, a smile``."""
        numbers = "+".join(f"AU{n}" for n in self.facs)
        words = self.text.replace("_", " ")
        return f"{numbers} {words}"


def _read_all() -> tuple[Phrase, ...]:
    path = Path(__file__).with_name("phrases.csv")
    found = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            facs = (int(row["facs"]),)
            sign = int(row["sign"])
            found.append(Phrase(facs, row["text"], row["measure"], sign))
    return tuple(found)


#: Every phrase of ``phrases.csv``, in its order.
_ALL = _read_all()

#: The 46 that are asked by default, each a movement of its own. The 47th, AU19, is left out, so
#: that a head of the published size fits.
PHRASES = _ALL[:46]


def released_phrases() -> tuple[Phrase, ...]:
    """The list as the released code has it: words joined by underscores, and the last two phrases
    run together.

    A comma is missing there, so two string literals became one. The wording is ours all the same:
    for a checkpoint trained elsewhere, give the very phrases it was trained with.
    """
    last, more = _ALL[45:]
    fused = Phrase(last.facs + more.facs, last.text + more.text)
    found = []
    for phrase in (*_ALL[:45], fused):
        joined = phrase.text.replace(" ", "_")
        found.append(replace(phrase, text=joined))
    return tuple(found)


def read_phrases(lines: list[str]) -> tuple[Phrase, ...]:
    """Phrases from lines ``<FACS number><TAB><words>``; the order counts.

    Raises:
        BadInput: a line is not of that form.
    """
    found = []
    for number, line in enumerate(lines, 1):
        phrase = _phrase_of(line)
        if phrase is None:
            raise BadInput(
                f"phrases, line {number}: expected <FACS number><TAB><words>, got {line!r}"
            )
        found.append(phrase)
    return tuple(found)


def _phrase_of(line: str) -> Phrase | None:
    """The phrase of one line, measured as ours of the same number; None: not of that form."""
    numbers, _, words = line.partition("\t")
    parts = numbers.split("+")
    text = words.strip()
    if not text or not all(part.isdigit() for part in parts):
        return None
    facs = tuple(int(part) for part in parts)
    for known in _ALL:
        if known.facs == facs:
            return replace(known, text=text)
    return Phrase(facs, text)

"""A person's words in clauses, each with its quote and its times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from twomind.types import Timing, Word

#: A clause ends where so long a silence follows, if the words have times of their own.
PAUSE_S = 1.0
#: Words that a clause has at least, where a conjunction or a silence would divide it.
MIN_WORDS = 3
#: A longer clause is divided at the next "and", "so" or "because".
LONG_CLAUSE_WORDS = 25
_CONTRASTS = frozenset({"but", "however", "although", "though"})
_JOINS = frozenset({"and", "so", "because", "cause", "or", "then"})
_OWN_TIMES = (Timing.ALIGNED, Timing.GIVEN, Timing.RECOGNISED)
_END = re.compile(r"[.!?…][\"')\]”]*$")
_EDGES = re.compile(r"^[^\w]+|[^\w]+$")


@dataclass(frozen=True)
class Clause:
    """Words ``first`` to ``last`` of an answer, inclusive. ``timed``: the times are the words' own."""

    text: str
    start_s: float
    end_s: float
    first: int
    last: int
    timed: bool


def clauses(words: Sequence[Word]) -> tuple[Clause, ...]:
    """The clauses of an answer, in order; every word is in one of them.

    They end at the end of a sentence, before "but" and its like, at a silence of a second, and,
    where they are long, before "and", "so" or "because".
    """
    if not words:
        return ()
    starts = [0]
    for i, (before, word) in enumerate(pairwise(words), 1):
        n_so_far = i - starts[-1]
        if _divides(before, word, n_so_far, len(words) - i):
            starts.append(i)
    ends = [*starts[1:], len(words)]
    return tuple(_clause(words, a, b) for a, b in zip(starts, ends, strict=True))


def clause_texts(said: str) -> tuple[str, ...]:
    """The same of a text without times."""
    words = [Word(text, 0.0, 0.0, timing=Timing.SPREAD_ALL) for text in said.split()]
    return tuple(clause.text for clause in clauses(words))


def _divides(before: Word, word: Word, n_so_far: int, n_left: int) -> bool:
    if _END.search(before.text):
        return True
    if n_so_far < MIN_WORDS or n_left < MIN_WORDS:
        return False
    plain = _EDGES.sub("", word.text.lower())
    if plain in _CONTRASTS or (n_so_far >= LONG_CLAUSE_WORDS and plain in _JOINS):
        return True
    own = before.timing in _OWN_TIMES and word.timing in _OWN_TIMES
    return own and word.start_s - before.end_s >= PAUSE_S


def _clause(words: Sequence[Word], first: int, end: int) -> Clause:
    some = words[first:end]
    return Clause(
        text=" ".join(word.text for word in some),
        start_s=some[0].start_s,
        end_s=max(word.end_s for word in some),
        first=first,
        last=end - 1,
        timed=all(word.timing in _OWN_TIMES for word in some),
    )

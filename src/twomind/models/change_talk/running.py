"""Change talk while somebody speaks: clause by clause, each as soon as it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from twomind.models.change_talk.clauses import MIN_WORDS, Clause, clauses
from twomind.models.change_talk.recogniser import ChangeTalk, Side
from twomind.types import Features, Word

#: Clauses before one that have a say in which side it speaks for.
_N_CONTEXT_CLAUSES = 3


@dataclass
class RunningSides:
    """Words of one answer in, sides of whole clauses out.

    The clauses are those of :func:`~twomind.models.change_talk.clauses.clauses`, whatever the pieces
    in which the words come. Each is told once, when it is known where it ends: that takes three
    words of the next. Which side it speaks for is judged with the clauses before it; those after it
    are not known yet, so that the whole answer, judged at its end, may tell some of them otherwise.
    """

    model: ChangeTalk
    _words: list[Word] = field(default_factory=list)
    #: Words that stand in clauses that were told.
    _n_told: int = 0
    _last: list[Clause] = field(default_factory=list)

    def push(self, words: Sequence[Word]) -> tuple[Side, ...]:
        """Take the words that were said since the last call; gives the clauses that are over."""
        self._words.extend(words)
        last_settled = len(self._words) - MIN_WORDS
        return self._told([one for one in self._open()[:-1] if one.last <= last_settled])

    def close(self) -> tuple[Side, ...]:
        """Nothing more is said: gives the clauses that were still open."""
        return self._told(self._open())

    def why_not(self) -> str:
        """Why nothing is told of what was said so far; empty where something is."""
        said = Features("", "", {}, (0.0, 0.0), words=tuple(self._words))
        return self.model.why_not(said)

    def _open(self) -> list[Clause]:
        """The clauses that were not told, with their places among all words of the answer."""
        n = self._n_told
        untold = clauses(self._words[n:])
        return [replace(one, first=one.first + n, last=one.last + n) for one in untold]

    def _told(self, some: Sequence[Clause]) -> tuple[Side, ...]:
        if some and self.why_not():
            some = ()
        found = []
        for clause in some:
            found.append(self.model.sides([*self._last, clause])[-1])
            self._last = [*self._last, clause][-_N_CONTEXT_CLAUSES:]
            self._n_told = clause.last + 1
        return tuple(found)

"""The two sides of what is said in a live session, clause by clause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from twomind.models.change_talk.recogniser import ChangeTalk, plain_side, two_sides
from twomind.models.change_talk.running import RunningSides
from twomind.pipeline.live_events import Event, NotMeasured, SideTold
from twomind.types import Features, Word


@dataclass(eq=False)
class LiveSides:
    """All words so far in, events out.

    Words are taken one at a time, in whatever pieces they came: a clause is told at the end of the
    word that settled where it ends. When all is said every clause is told once more, as ``predict``
    says it.
    """

    model: ChangeTalk
    _running: RunningSides = field(init=False)
    _n_words: int = 0
    _n_told: int = 0
    _reached_s: float = 0.0

    def __post_init__(self) -> None:
        self._running = RunningSides(self.model)

    def heard(self, words: Sequence[Word]) -> list[Event]:
        """Clauses that are over, and were not told.

        Args:
            words: all that were said since the beginning.
        """
        told: list[Event] = []
        for word in words[self._n_words :]:
            self._n_words += 1
            self._reached_s = max(self._reached_s, word.end_s)
            for side in self._running.push([word]):
                told.append(self._event(self._n_told, plain_side(side), settled=False))
                self._n_told += 1
        return told

    def finish(self, x: Features) -> tuple[list[Event], dict[str, Any]]:
        """Every clause, now that all is said, and the same as ``summary.json`` has it.

        Args:
            x: the whole answer, with its words.
        """
        found = two_sides(self.model, x)
        self._reached_s = max(self._reached_s, x.span_s[1])
        if found["status"] == "ok":
            rows: list[dict[str, Any]] = found["clauses"]
            return [self._event(n, row, settled=True) for n, row in enumerate(rows)], found
        if not x.words:
            return [], found
        return [NotMeasured(self._reached_s, "change_talk", found["reason"])], found

    def _event(self, index: int, row: dict[str, Any], settled: bool) -> SideTold:
        return SideTold(at_s=self._reached_s, index=index, settled=settled, **row)

"""Rows of a sound that is still coming in, each computed once.

What a row of 10 ms tells of its own surroundings does not change when more is heard. A look at the last
20 seconds, a second after the one before, needs a second of new rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast

import numpy as np

from twomind.sound.rows import HOP_S, Piece, Sound, n_rows

#: A function of a sound, its first row, the row after its last one, and settings, which gives an array
#: ``(T, ...)`` or several. It may look at :data:`CONTEXT_ROWS` on both sides of a row, no farther.
Local = Callable[..., np.ndarray | tuple[np.ndarray, ...]]
Given = TypeVar("Given")

#: A quarter of a second for a filter to settle, and half of the longest window.
CONTEXT_ROWS = 32
#: Rows that are computed together once all that they depend on is there.
_BLOCK_ROWS = 50
#: So much of the sound must be kept from before the last seconds, in seconds.
BEFORE_S = 1.0


def local(compute: Callable[..., Given]) -> Callable[..., Given]:
    """Mark a function as one that gives rows which depend on their surroundings alone. Of a sound that
    is coming in (:class:`LastSeconds`) it is then asked for new rows only.
    """

    def asked(sound: Sound, first: int, last: int, *settings: object) -> Given:
        if isinstance(sound, LastSeconds):
            rows = sound.memory.rows(cast(Local, compute), sound, first, last, settings)
            return cast(Given, rows)
        return compute(sound, first, last, *settings)

    return asked


@dataclass(frozen=True)
class LastSeconds:
    """The end of a sound that is coming in, up to a moment; a :class:`~twomind.sound.rows.Sound`.

    ``first`` is the number of its first sample since the beginning. ``before`` are samples from before
    it, as far as they are kept: :data:`BEFORE_S`, or all that there was.
    """

    values: np.ndarray
    sample_rate_hz: int
    start_s: float
    gaps: Sequence[tuple[float, float]]
    first: int
    before: np.ndarray
    memory: RowMemory


class GoingOn(Protocol):
    """What goes through a sound from its beginning, with a state of its own."""

    def go_on(self, sound: LastSeconds) -> None:
        """Take what is new."""
        ...


Running = TypeVar("Running", bound=GoingOn)


@dataclass(eq=False)
class RowMemory:
    """The rows of one sound that are known.

    Rows are computed in blocks that begin at whole multiples since the beginning of the sound, each
    when all is there that it depends on: what is known never depends on when it was asked for.
    """

    #: By function and settings, phase of the rows, and number of the block.
    _blocks: dict[tuple[object, ...], tuple[np.ndarray, ...]] = field(default_factory=dict)
    _asked: dict[tuple[Local, tuple[object, ...]], None] = field(default_factory=dict)
    _going_on: dict[type, GoingOn] = field(default_factory=dict)

    def listen(self, sound: LastSeconds) -> None:
        """Compute what can be known by now of what was asked before.

        Args:
            sound: what came last.
        """
        grid = _Grid.of(sound)
        for compute, settings in self._asked:
            for number in grid.whole_blocks(0, grid.total):
                self._block(compute, sound, grid, number, settings)
        for running in self._going_on.values():
            running.go_on(sound)

    def going_on(self, kind: type[Running]) -> Running:
        """The one of its kind that goes through this sound; it is made where there is none yet."""
        found = self._going_on.get(kind)
        if found is None:
            found = self._going_on[kind] = kind()
        return cast(Running, found)

    def rows(
        self,
        compute: Local,
        sound: LastSeconds,
        first: int,
        last: int,
        settings: tuple[object, ...],
    ) -> np.ndarray | tuple[np.ndarray, ...]:
        """The rows from ``first`` to ``last`` of a function.

        Args:
            compute: the function.
            sound: up to the moment.
            first: first row, from the beginning of ``sound`` on.
            last: row after the last one.
            settings: of the function.
        """
        self._asked[compute, settings] = None
        grid = _Grid.of(sound)
        parts = []
        begin = first
        for number in grid.whole_blocks(first, last):
            block_first = number * _BLOCK_ROWS - grid.first
            block = self._block(compute, sound, grid, number, settings)
            inside = slice(max(0, first - block_first), last - block_first)
            parts.append(tuple(rows[inside] for rows in block))
            begin = block_first + _BLOCK_ROWS
        if begin < last:
            parts.append(_computed(compute, sound, max(begin, first), last, settings))
        self._forget(grid)
        joined = tuple(np.concatenate(rows) for rows in zip(*parts, strict=True))
        return joined if len(joined) > 1 else joined[0]

    def _block(
        self,
        compute: Local,
        sound: LastSeconds,
        grid: _Grid,
        number: int,
        settings: tuple[object, ...],
    ) -> tuple[np.ndarray, ...]:
        key = (compute, settings, grid.phase, number)
        found = self._blocks.get(key)
        if found is None:
            first = number * _BLOCK_ROWS - grid.first
            found = _computed(compute, sound, first, first + _BLOCK_ROWS, settings)
            self._blocks[key] = found
        return found

    def _forget(self, grid: _Grid) -> None:
        """Drop what lies before all that is kept of the sound."""
        oldest = grid.oldest // _BLOCK_ROWS
        for key in [key for key in self._blocks if cast(int, key[-1]) < oldest]:
            del self._blocks[key]


@dataclass(frozen=True)
class _Grid:
    """Where the rows of the last seconds lie since the beginning of the sound: the number of the first
    one and of the oldest that is kept, by how many samples rows are shifted, and how many there are.
    """

    first: int
    oldest: int
    phase: int
    total: int

    @classmethod
    def of(cls, sound: LastSeconds) -> _Grid:
        hop = round(sound.sample_rate_hz * HOP_S)
        first, phase = divmod(sound.first, hop)
        return cls(first, first - len(sound.before) // hop, phase, n_rows(sound))

    def whole_blocks(self, first: int, last: int) -> range:
        """Blocks of the rows from ``first`` to ``last`` of which all is there."""
        heard = self.first + self.total - CONTEXT_ROWS
        until = min(heard // _BLOCK_ROWS, -(-(self.first + last) // _BLOCK_ROWS))
        return range((self.first + first) // _BLOCK_ROWS, until)


def _computed(
    compute: Local, sound: LastSeconds, first: int, last: int, settings: tuple[object, ...]
) -> tuple[np.ndarray, ...]:
    """Rows from the samples that they depend on; ``first`` may lie before the sound's beginning."""
    hop = round(sound.sample_rate_hz * HOP_S)
    n_before = len(sound.before) // hop
    lo = max(first - CONTEXT_ROWS, -n_before)
    until = (last + CONTEXT_ROWS) * hop
    kept = sound.values[max(0, lo) * hop : until]
    if lo < 0:
        kept = np.concatenate([sound.before[len(sound.before) + lo * hop :], kept])
    piece = Piece(kept, 0.0, sound.sample_rate_hz)
    rows = compute(piece, first - lo, last - lo, *settings)
    return rows if isinstance(rows, tuple) else (rows,)

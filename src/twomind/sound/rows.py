"""A waveform cut into 10-ms rows, in blocks of fixed position: memory stays flat, and results do
not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

#: One row of every voice measure. Row ``k`` covers ``start_s + [k, k + 1) * HOP_S``; windows are
#: centred on its middle.
HOP_S = 0.01
#: A value per row ``(T,)``, and levels of frequency bands in dB ``(T, B)``.
Rows = np.ndarray
Levels = np.ndarray
#: Rows computed at a time. Part of the result's definition only for the pitch tracker, which
#: settles each block alone.
BLOCK_ROWS = 2000


class Sound(Protocol):
    """What the voice measures need of ``media.stream.Waveform``: ``values (n,)`` may be a memory
    map.
    """

    @property
    def values(self) -> np.ndarray: ...
    @property
    def sample_rate_hz(self) -> int: ...
    @property
    def start_s(self) -> float: ...
    @property
    def gaps(self) -> Sequence[tuple[float, float]]: ...


@dataclass(frozen=True)
class OnePerson:
    """A sound of which only one person is heard: what others say in it is a gap."""

    values: np.ndarray
    sample_rate_hz: int
    start_s: float
    gaps: Sequence[tuple[float, float]]

    @classmethod
    def of(cls, sound: Sound, others: Sequence[tuple[float, float]]) -> OnePerson:
        """The sound without the spans, in seconds, in which others speak."""
        gaps = [*sound.gaps, *others]
        return cls(sound.values, sound.sample_rate_hz, sound.start_s, gaps)


@dataclass(frozen=True)
class Piece:
    """A waveform without gaps: samples ``(n,)`` whose first one lies at ``start_s``."""

    values: np.ndarray
    start_s: float = 0.0
    sample_rate_hz: int = 16000
    gaps: Sequence[tuple[float, float]] = ()


def n_rows(sound: Sound) -> int:
    """Number of rows; a last one that is less than half filled does not count."""
    hop = sound.sample_rate_hz * HOP_S
    n = len(sound.values) / hop
    return int(n + 0.5)


def blocks(total: int) -> Iterator[tuple[int, int]]:
    """First and last-but-one row of every block."""
    for first in range(0, total, BLOCK_ROWS):
        yield first, min(total, first + BLOCK_ROWS)


def windows(
    sound: Sound,
    first: int,
    last: int,
    length: int,
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
    margin: int = 0,
) -> np.ndarray:
    """Windows ``(last - first, length)`` float32 centred on the middles of the rows; zeros beyond
    the ends.

    Args:
        sound: the waveform.
        first: first row.
        last: row after the last one.
        length: of a window, in samples.
        prepare: filters the samples before they are cut.
        margin: how many more samples ``prepare`` is given on both sides.
    """
    hop = sound.sample_rate_hz * HOP_S
    middles = (np.arange(first, last) + 0.5) * hop
    edges = middles - length / 2
    nearest = np.floor(edges + 0.5)
    starts = nearest.astype(int)
    lo = starts[0] - margin
    hi = starts[-1] + length + margin
    piece = _samples(sound, lo, hi)
    if prepare is not None:
        piece = prepare(piece).astype(np.float32)
    at_every_sample = np.lib.stride_tricks.sliding_window_view(piece, length)
    return at_every_sample[starts - lo]


def _samples(sound: Sound, lo: int, hi: int) -> np.ndarray:
    """Samples ``(hi - lo,)``, zeros beyond the ends of the sound."""
    piece = np.zeros(hi - lo, np.float32)
    start = max(lo, 0)
    stop = min(hi, len(sound.values))
    n = max(0, stop - start)
    at = start - lo
    piece[at : at + n] = sound.values[start:stop]
    return piece


def gap_rows(sound: Sound, total: int) -> Rows:
    """Rows ``(total,)`` that overlap a gap of the recording."""
    return rows_of(sound.gaps, sound, total)


def rows_of(spans: Iterable[tuple[float, float]], sound: Sound, total: int) -> Rows:
    """Rows ``(total,)`` that overlap one of the spans in seconds."""
    inside = np.zeros(total, bool)
    for start_s, end_s in spans:
        first = (start_s - sound.start_s) / HOP_S
        last = (end_s - sound.start_s) / HOP_S
        a = int(np.floor(first + 1e-6))
        b = int(np.ceil(last - 1e-6))
        inside[max(a, 0) : max(b, 0)] = True
    return inside


def decibels(power: Rows) -> np.ndarray:
    """Power (full-scale square = 1) in dBFS, not below -120."""
    return 10 * np.log10(np.maximum(power, 1e-12))

"""Where sound goes whose packets were stamped when they came.

A recorder that is kept from its work for a moment stamps the sound of that moment late, loses none
of it, and is in time again a packet later. By the stamps alone there would be a hole before such a
packet and an overlap behind it. So a late stamp waits: when a later one is in time, the sound is
whole; when none is, sound is missing, as much as the least late of them tells.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

#: A stamp may stray this far from where the samples before it end. Containers round stamps
#: (Matroska to 1 ms); what strays farther, and is not late for a moment only, is a real gap, an
#: overlap, or a clock that drifted.
JITTER_S = 0.010
_ROUNDED_S = 0.001
#: So much sound behind the least late stamp tells that none will be earlier: four packets of a
#: browser, which last 60 ms.
WAIT_S = 0.25
#: Nothing waits for longer, nor behind more pieces, whatever the stamps are.
MOST_S = 1.0
MOST_PIECES = 64

#: So much too late stands all sound of Chromium's recordings, whose packets last 60 ms: 43 to 46 ms were
#: measured for sound that a page made, 45 to 47 from when a page got a microphone's
#: (``benchmarks/browser_sound.py``).
_ENCODED_LATE_S = 0.045
_ENCODED_PACKET_S = 0.06
#: A recording's first packet of sound that is later than this is late for another reason, and one
#: that is earlier was not stamped when it was encoded.
_MOST_LATE_S = 0.1
_LEAST_LATE_S = 0.02

Item = TypeVar("Item")


@dataclass(frozen=True)
class Arrival(Generic[Item]):
    """A piece of sound: its stamp, None without one, and its length, in seconds; pieces of another
    ``kind`` (rate, channels) are no continuation.
    """

    item: Item
    time_s: float | None
    length_s: float
    kind: Hashable = None

    def earlier(self, by_s: float) -> Arrival[Item]:
        """The piece with an earlier stamp."""
        return self if self.time_s is None else replace(self, time_s=self.time_s - by_s)


class Arrivals(Generic[Item]):
    """Pieces of sound in the order in which they stand in a file; out they come when it is known where
    they go, each with its time, None where it follows the one before without a seam.

    Args:
        stamped_when_encoded: the recorder stamped sound when it had encoded it, all of it too late.
    """

    def __init__(self, stamped_when_encoded: bool = False) -> None:
        self._stamped_when_encoded = stamped_when_encoded
        self._waiting: list[Arrival[Item]] = []
        self._kind: Hashable = None
        self._end_s = math.nan
        #: By how much all sound was stamped too late; known with the first piece that comes out.
        self.late_s = 0.0

    def push(self, one: Arrival[Item]) -> Iterator[Arrival[Item]]:
        """The next piece."""
        if self._waiting and one.kind != self._waiting[0].kind:
            yield from self._settle(last=True)
        self._waiting.append(one.earlier(self.late_s))
        yield from self._settle()

    def flush(self) -> Iterator[Arrival[Item]]:
        """What waits: nothing more comes."""
        yield from self._settle(last=True)

    def _settle(self, last: bool = False) -> Iterator[Arrival[Item]]:
        """What waits, as far as its place is known."""
        while self._waiting:
            is_first = math.isnan(self._end_s)
            if is_first and self._stamped_when_encoded:
                begin_s = first_s(self._waiting, last)
                if begin_s is None:
                    return
                known = [self._begin(begin_s)]
            elif is_first or self._waiting[0].kind != self._kind:
                known = [self._waiting[0]]
            else:
                known = place(self._waiting, self._end_s, last)
            if not known:
                return
            del self._waiting[: len(known)]
            for one in known:
                self._note(one)
                yield one

    def _begin(self, begin_s: float) -> Arrival[Item]:
        """The very first piece, at its time; those that wait are as much earlier as all sound is late."""
        self.late_s = encoder_late_s(begin_s, self._waiting)
        self._waiting = [one.earlier(self.late_s) for one in self._waiting]
        # No trace of what floating numbers cannot say: 0 is 0.
        return replace(self._waiting[0], time_s=round(begin_s - self.late_s, 9))

    def _note(self, one: Arrival[Item]) -> None:
        if one.time_s is not None:
            self._end_s = one.time_s
        elif math.isnan(self._end_s):
            self._end_s = 0.0
        self._end_s += one.length_s
        self._kind = one.kind


def place(
    waiting: Sequence[Arrival[Item]], end_s: float, last: bool = False
) -> list[Arrival[Item]]:
    """Those of the waiting pieces, from the first on, of which it is known where they go.

    Args:
        waiting: at least one piece of unbroken sound.
        end_s: where the sound before them ends.
        last: nothing more comes.

    Returns:
        The pieces with the time at which each is to stand, None where it follows the one before.
        Nothing while that is not known.
    """
    strays_s = _strays(waiting, end_s)
    if abs(strays_s[0]) <= JITTER_S:
        return [replace(waiting[0], time_s=None)]
    if strays_s[0] < 0:
        return [waiting[0]]
    least = _least(strays_s)
    least_s = strays_s[least]
    if least_s <= JITTER_S:
        return [replace(one, time_s=None) for one in waiting[:least]]
    if not last and not _is_told(waiting, least):
        return []
    first, *others = waiting[: least + 1]
    late_s = strays_s[0] - least_s
    if late_s > JITTER_S:
        first = first.earlier(late_s)
    return [first, *(replace(one, time_s=None) for one in others)]


def first_s(waiting: Sequence[Arrival[Item]], last: bool = False) -> float | None:
    """When the first of all sound begins, which is not before the recording; None while that is not
    known.

    Args:
        waiting: the first pieces.
        last: nothing more comes.
    """
    start_s = waiting[0].time_s or 0.0
    strays_s = _strays(waiting, start_s)
    least = _least(strays_s)
    if not last and not _is_told(waiting, least):
        return None
    return max(0.0, start_s + strays_s[least]) if strays_s[least] < -JITTER_S else start_s


def encoder_late_s(begin_s: float, waiting: Sequence[Arrival[Item]]) -> float:
    """By how much all sound is stamped too late of a recorder that stamps when it has encoded.

    Args:
        begin_s: when the sound begins, by its stamps.
        waiting: the first pieces.
    """
    if not 0 <= begin_s <= _MOST_LATE_S:
        return 0.0
    packet_s = max(one.length_s for one in waiting)
    is_measured = abs(packet_s - _ENCODED_PACKET_S) < _ROUNDED_S and begin_s >= _LEAST_LATE_S
    return _ENCODED_LATE_S if is_measured else begin_s


def _strays(waiting: Sequence[Arrival[Item]], end_s: float) -> list[float]:
    """By how much each stamp is later than where the sound before it ends."""
    strays_s, stray_s = [], 0.0
    for one in waiting:
        if one.time_s is not None:
            stray_s = one.time_s - end_s
        strays_s.append(stray_s)
        end_s += one.length_s
    return strays_s


def _least(strays_s: Sequence[float]) -> int:
    """The first stamp of which no other is less late, as far as containers tell times apart."""
    most_s = min(strays_s) + _ROUNDED_S
    return next((n for n, stray_s in enumerate(strays_s) if stray_s <= most_s), 0)


def _is_told(waiting: Sequence[Arrival[Item]], least: int) -> bool:
    lengths_s = [one.length_s for one in waiting]
    waited_s = sum(lengths_s[least + 1 :])
    return waited_s >= WAIT_S or sum(lengths_s) >= MOST_S or len(waiting) >= MOST_PIECES

"""From a decoded picture's stamps to its time on the clock."""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

#: A stamp this far past the one before it, or past the declared end, is taken for damage: the frame
#: is left out.
MAX_JUMP_S = 600.0
MAX_PAST_END_S = 10.0
#: A stretch without pictures worth telling.
PICTURE_GAP_S = 1.0


#: Stamps that step back further than this, to within as much of where they began, began anew.
_ANEW_S = 0.5


class Restart:
    """Whether the stamps of a file have begun anew: behind one film stands another, where no byte of
    the container tells it (MPEG streams that were joined).

    Told stream by stream, by the stamps of decoding, which never step back within a film.
    """

    def __init__(self) -> None:
        self._first_s: dict[int, float] = {}
        self._last_s: dict[int, float] = {}
        self._again: set[int] = set()

    def is_past(self, packet: av.Packet) -> bool:
        """Whether a packet, the next of its stream, belongs to another film than the first packet."""
        index = packet.stream.index
        if index in self._again or packet.dts is None or packet.time_base is None:
            return index in self._again
        time_s = float(packet.dts * packet.time_base)
        first_s = self._first_s.setdefault(index, time_s)
        last_s = self._last_s.get(index, time_s)
        if last_s - time_s > _ANEW_S and abs(time_s - first_s) < _ANEW_S:
            self._again.add(index)
            return True
        self._last_s[index] = max(last_s, time_s)
        return False

    @property
    def n_streams(self) -> int:
        """How many streams have begun anew."""
        return len(self._again)


class PictureClock:
    """Turns a decoded picture's stamps into its time, or into None when it has no usable one.

    Times never decrease: a picture stamped before the one given out last is left out, not moved,
    for a moved time would be invented. A missing stamp is derived from the decoding stamp, else
    from the median step, and counted.
    """

    def __init__(self, origin_s: float, end_s: float) -> None:
        self._origin_s, self._end_s = origin_s, end_s
        self.first_s = self.last_s = math.nan
        self._steps: deque[float] = deque(maxlen=31)
        self._last_length_s = 0.0
        self.n_derived = self.n_backward = self.n_absurd = self.n_unstamped = self.n_corrupt = 0
        self.holes: list[tuple[float, float]] = []

    @property
    def step_s(self) -> float:
        return median(self._steps) if self._steps else self._last_length_s

    @property
    def end_s(self) -> float:
        return self.last_s + (self._last_length_s or self.step_s)

    @property
    def n_left_out(self) -> int:
        return self.n_backward + self.n_absurd + self.n_unstamped

    def time(self, frame: av.VideoFrame, unit_s: float) -> float | None:
        derived = frame.pts is None
        if frame.pts is not None:
            time_s = frame.pts * unit_s - self._origin_s
        elif frame.dts is not None and not frame.dts * unit_s - self._origin_s <= self.last_s:
            time_s = frame.dts * unit_s - self._origin_s
        elif self.step_s > 0 and not math.isnan(self.last_s):
            time_s = self.last_s + self.step_s
        else:
            self.n_unstamped += 1
            return None
        if time_s < self.last_s:
            self.n_backward += 1
            return None
        if time_s - self.last_s > MAX_JUMP_S or time_s > self._end_s + MAX_PAST_END_S:
            self.n_absurd += 1
            return None
        self.n_derived += derived
        self._advance(time_s, (frame.duration or 0) * unit_s)
        self.n_corrupt += bool(frame.is_corrupt)
        return time_s

    def _advance(self, time_s: float, length_s: float) -> None:
        step_s = time_s - self.last_s
        if math.isnan(step_s):
            self.first_s = time_s
        else:
            self._steps.append(step_s)
            if step_s > PICTURE_GAP_S:
                self.holes.append((self.last_s, time_s))
        self.last_s, self._last_length_s = time_s, length_s

    def problems(self) -> list[str]:
        counts = (
            (
                self.n_derived,
                "{n} picture(s) without a presentation stamp: time derived from their neighbours",
            ),
            (self.n_backward, "{n} picture(s) left out: stamped before the picture shown last"),
            (self.n_absurd, "{n} picture(s) left out: stamped far outside the recording"),
            (self.n_unstamped, "{n} picture(s) left out: no stamp at all"),
            (self.n_corrupt, "{n} picture(s) marked damaged by the decoder"),
        )
        holes = [f"no picture from {start:.2f} s to {end:.2f} s" for start, end in self.holes[:10]]
        if len(self.holes) > 10:
            holes.append(f"and {len(self.holes) - 10} more stretches without a picture")
        return [what.format(n=n) for n, what in counts if n] + holes

"""Packets of a recording for a copy of it: sound with the times at which it sounds, where a recorder
stamped it late. A copy does not say any more which program recorded it, so what is known of that
program's stamps must be in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from twomind.media.arrivals import Arrival, Arrivals
from twomind.media.probe import is_stamped_when_encoded, origin_s

if TYPE_CHECKING:
    import av


def timely(
    container: av.container.InputContainer, packets: Iterable[av.Packet]
) -> Iterator[av.Packet]:
    """The packets of a recording, those of its sound at their true times.

    Pictures come out as they go in. Where sound began before the recording, its first packet, which can
    not be cut, does not come out: some 50 ms. Only recordings of a program that stamps too late are
    changed (:func:`~twomind.media.probe.is_stamped_when_encoded`).

    Args:
        container: from which they are read.
        packets: of it, in its order.
    """
    if not is_stamped_when_encoded(container):
        yield from packets
        return
    sounds: dict[int, _Sound] = {}
    for packet in packets:
        if packet.stream.type != "audio" or not packet.size:
            yield packet
            continue
        sound = sounds.setdefault(packet.stream.index, _Sound(origin_s(container)))
        yield from sound.push(packet)
    for sound in sounds.values():
        yield from sound.flush()


class _Sound:
    """The packets of one stream of sound, on a clock that begins at ``origin_s`` of the stamps."""

    def __init__(self, origin_s: float) -> None:
        self._origin_s = origin_s
        self._arrivals: Arrivals[av.Packet] = Arrivals(stamped_when_encoded=True)
        self._end = 0
        self._last = -(1 << 62)

    def push(self, packet: av.Packet) -> Iterator[av.Packet]:
        unit_s = float(packet.time_base)
        time_s = None if packet.pts is None else packet.pts * unit_s - self._origin_s
        one = Arrival(packet, time_s, (packet.duration or 0) * unit_s)
        yield from self._stamped(self._arrivals.push(one))

    def flush(self) -> Iterator[av.Packet]:
        yield from self._stamped(self._arrivals.flush())

    def _stamped(self, found: Iterator[Arrival[av.Packet]]) -> Iterator[av.Packet]:
        for one in found:
            packet, begin = one.item, round(self._origin_s / float(one.item.time_base))
            time = self._end
            if one.time_s is not None:
                time = begin + round(one.time_s / float(packet.time_base))
            self._end = time + (packet.duration or 0)
            if self._arrivals.late_s and time < begin:
                continue
            # No container takes stamps that go back.
            self._last = max(time, self._last)
            packet.pts = packet.dts = self._last
            yield packet

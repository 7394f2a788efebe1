"""A film of the study as a file for others: the streams as they were recorded, with a length and an
index, sound that the browser stamped too late at its true times, and nothing else that the browser wrote
into the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av

from twomind.media.packets import timely
from twomind.media.probe import DRAWN_COMMENT, is_tagged_drawn
from twomind.server.sealed import Film

_FORMATS = {".webm": "webm", ".mp4": "mp4"}
_KINDS = ("video", "audio")
_BUFFER = 1 << 20
#: Stamps of two containers may differ by what rounding takes.
_SLACK_S = 0.002


def write(film: Film, path: Path) -> None:
    """Write a film. Where its streams would not keep their times in a new container, the bytes are as
    they were recorded.

    Args:
        film: Decrypted while it is read.
        path: ``.webm`` or ``.mp4``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _remux(film, path)
        same = _same_times(film, path)
    except (av.error.FFmpegError, ValueError, OverflowError):
        same = False
    if not same:
        film.seek(0)
        with open(path, "wb") as file:
            while piece := film.read(_BUFFER):
                file.write(piece)


def _remux(film: Film, path: Path) -> None:
    """The same packets in a new container, sound at its true times; the same bytes whenever it is made."""
    film.seek(0)
    options = {"fflags": "+bitexact"}
    format = _FORMATS[path.suffix]
    with (
        av.open(film, "r") as source,
        av.open(str(path), "w", format=format, container_options=options) as target,
    ):
        if is_tagged_drawn(source):
            # Synthetic people stay told apart; nothing else of what the browser wrote is kept.
            target.metadata["comment"] = DRAWN_COMMENT
        streams = {}
        for stream in source.streams:
            if stream.type in _KINDS:
                streams[stream.index] = target.add_stream_from_template(stream)
        for packet in timely(source, source.demux()):
            if packet.dts is None or packet.stream.index not in streams:
                continue
            packet.stream = streams[packet.stream.index]
            target.mux(packet)


def _same_times(film: Film, path: Path) -> bool:
    film.seek(0)
    with av.open(film, "r") as source:
        before = _times_s(source, timely(source, source.demux()))
    with av.open(str(path), "r") as target:
        after = _times_s(target, target.demux())
    if len(before) != len(after):
        return False
    pairs = zip(before, after, strict=True)
    return all(abs(one - other) <= _SLACK_S for one, other in pairs)


def _times_s(container: av.container.InputContainer, packets: Iterable[av.Packet]) -> list[float]:
    """When each packet is shown or heard, counted from the earliest; pictures first."""
    found: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    for packet in packets:
        if packet.pts is not None and packet.size and packet.stream.type in _KINDS:
            found[packet.stream.type].append(float(packet.pts * packet.time_base))
    times = [sorted(found[kind]) for kind in _KINDS]
    start_s = min((of_kind[0] for of_kind in times if of_kind), default=0.0)
    return [time_s - start_s for of_kind in times for time_s in of_kind]

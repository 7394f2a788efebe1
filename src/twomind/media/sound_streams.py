"""Which sound stream of a file is heard, where it has several.

Recorders of screens and some phones write a stream for each source: a microphone that was switched
off is a stream of silence, and may be the first. So streams are judged before one is chosen, as
channels are before they are mixed: the first that carries sound is heard. What carries sound is known
as soon as it sounds, so that only silence is decoded for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twomind.media.opening import open_media

if TYPE_CHECKING:
    import av

#: Up to this level (root mean square of a piece, four steps of 16 bits: −78 dB under full scale) a
#: stream carries nothing beyond dither and what an encoder makes of it.
_DITHER = 4 / (1 << 15)
#: Files of which the choice is kept.
_KEPT = 64


@dataclass(frozen=True)
class SoundStream:
    """The sound that is heard: ``index`` is the number of its stream in the container, None without
    sound; ``remarks`` tell of the others.
    """

    index: int | None
    remarks: tuple[str, ...] = ()


def sound_stream(path: Path, container: av.container.InputContainer) -> SoundStream:
    """The sound stream of a file that is heard: the first that carries sound, the first of all where
    none does.

    Args:
        path: the file; with several sound streams it is opened again.
        container: the same file, open. It is not read.
    """
    streams = container.streams.audio
    usable = usable_streams(container)
    index = _index_of(path) if len(usable) > 1 else next(iter(usable), None)
    if index is None or len(streams) == 1:
        return SoundStream(index)
    number = 1 + [stream.index for stream in streams].index(index)
    if number == 1:
        return SoundStream(index, (f"{len(streams)} sound streams; the first one is used",))
    told = f"{len(streams)} sound streams; number {number} is used, the first that carries sound"
    return SoundStream(index, (told,))


def usable_streams(container: av.container.InputContainer) -> list[int]:
    """The numbers, in the container, of the sound streams that can be decoded."""
    return [s.index for s in container.streams.audio if s.codec_context is not None]


def first_heard(container: av.container.InputContainer) -> int | None:
    """The number, in the container, of the first sound stream that carries sound; of the first of all
    where none does; None where there is none.

    Args:
        container: with several streams it is read, as far as it takes: what it holds is then to be
            read from another.
    """
    usable = usable_streams(container)
    if not usable:
        return None
    found = usable[0]
    waiting = usable if len(usable) > 1 else []
    for index, samples in _decoded(container, waiting):
        if index not in waiting or not _sounds(samples):
            continue
        # Only one that comes before it could take its place now.
        found, waiting = index, waiting[: waiting.index(index)]
        if not waiting:
            break
    return found


def _index_of(path: Path) -> int | None:
    about = path.stat()
    state = (about.st_size, about.st_mtime_ns, about.st_ino, about.st_dev)
    return _kept_index(os.path.abspath(path), state)


@lru_cache(maxsize=_KEPT)
def _kept_index(path: str, state: tuple[int, ...]) -> int | None:
    """A file is opened several times on its way to an answer; it is listened to once."""
    with open_media(Path(path)) as container:
        return first_heard(container)


def _decoded(
    container: av.container.InputContainer, indices: list[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Pieces ``(n, C)`` of sound in [-1, 1] with the number of their stream, to the first place that
    cannot be read.
    """
    import av

    streams = [container.streams[index] for index in indices]
    if not streams:
        return
    try:
        for packet in container.demux(streams):
            for frame in _frames(packet):
                yield packet.stream.index, _as_float(frame)
    except av.error.FFmpegError:
        return


def _frames(packet: av.Packet) -> list[av.AudioFrame]:
    """What a packet holds; nothing where it is damaged."""
    import av

    try:
        frames: Sequence[object] = packet.decode()
    except av.error.FFmpegError:
        return []
    return [frame for frame in frames if isinstance(frame, av.AudioFrame)]


def _as_float(frame: av.AudioFrame) -> np.ndarray:
    """Samples ``(n, C)`` of a frame in [-1, 1]; those that are no numbers are silence."""
    values = frame.to_ndarray()
    n_channels = len(frame.layout.channels)
    by_channel = values.T if frame.format.is_planar else values.reshape(-1, n_channels)
    if values.dtype.kind == "f":
        return np.nan_to_num(by_channel, nan=0.0, posinf=0.0, neginf=0.0)
    # Those without a sign, of 8 bits, lie around the middle.
    n_bits = 8 * values.dtype.itemsize
    full_scale = float(1 << (n_bits - 1))
    scaled: np.ndarray = by_channel / full_scale
    return scaled


def _sounds(samples: np.ndarray) -> bool:
    """Whether a channel of a piece ``(n, C)`` moves more than dither does; a constant is none."""
    return len(samples) > 0 and bool(samples.std(axis=0).max() > _DITHER)

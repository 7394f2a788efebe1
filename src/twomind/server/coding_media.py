"""What a coder's page plays: a copy of a recording in which every picture can be found, when each picture
is shown, and how loud it is. A browser writes recordings without a length and without an index.

The copy holds the same packets (:mod:`twomind.media.packets` puts sound at its true times), is made in
memory, and is sealed with the person's key.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from twomind.media.packets import timely
from twomind.media.sound_streams import first_heard
from twomind.server import durable, uploads
from twomind.server.export import ending
from twomind.server.place import Place
from twomind.server.refused import Refused
from twomind.server.sealed import Film, Part, seal, sealed_size
from twomind.server.sealed_store import SealedStore
from twomind.server.tables import Recording

FOLDER = "coding"
#: Loudness values a second.
PEAKS_PER_S = 100
_KIND = "clip"
_VERSION = {"clip": 2}
_LOUDEST = 255


@dataclass(frozen=True)
class Clip:
    """What a page needs beside the bytes: when each picture begins (ms), and loudness, 0 to 255."""

    times_ms: list[float]
    peaks: list[int]
    length_ms: float


def clip(place: Place, recording: Recording) -> Clip:
    """Everything about a recording that a coder's page needs; made when it is first asked for.

    Args:
        place: The study.
        recording: A complete one.

    Raises:
        Refused: It cannot be read as a film.
    """
    store = _store(place, recording)
    key = store.key(recording.id, _VERSION)
    with place.alone_with(recording.person):
        kept = store.get(_KIND, key)
        if kept is None or not _path(place, recording).exists():
            kept = _made(place, recording), {}
            store.put(_KIND, key, *kept)
    arrays = kept[0]
    (length_ms,) = arrays["length_ms"].tolist()
    return Clip(arrays["times_ms"].tolist(), arrays["peaks"].tolist(), length_ms)


def film(place: Place, recording: Recording) -> Film:
    """The copy that was made with :func:`clip`; the recording itself where there is none."""
    path = _path(place, recording)
    key = place.keys.of(recording.person)
    if not path.exists():
        with place.database.reading() as reading:
            return uploads.film(place, reading, recording)
    return Film([Part(path, _label(recording.id), _size(path))], key)


def _store(place: Place, recording: Recording) -> SealedStore:
    folder = place.folder_of(recording.person, FOLDER)
    return SealedStore(folder, secret=place.keys.of(recording.person))


def _path(place: Place, recording: Recording) -> Path:
    return place.folder_of(recording.person, FOLDER, f"{recording.id}.film.sealed")


def _label(recording: str) -> str:
    return f"film for coders {recording}"


def _size(path: Path) -> int:
    with open(path, "rb") as file:
        return sealed_size(file)


def _made(place: Place, recording: Recording) -> dict[str, Any]:
    with place.database.reading() as reading:
        source = uploads.film(place, reading, recording)
    try:
        content = remuxed(source, ending(recording.mime))
        times_ms, length_ms = picture_times_ms(content)
        peaks = loudness(content, length_ms)
    except (FFmpegError, ValueError, EOFError) as error:
        raise Refused(422, "unreadable", "This recording cannot be read as a film.") from error
    path = _path(place, recording)
    durable.make_folder(path.parent)
    sealed = seal(place.keys.of(recording.person), content, _label(recording.id))
    durable.write_bytes(path, sealed)
    return {
        "times_ms": times_ms,
        "peaks": peaks,
        "length_ms": np.array([length_ms]),
    }


def remuxed(source: Any, kind: str) -> bytes:
    """The same packets in a container with a length and an index; sound that a browser stamped too late
    at its true times.

    Args:
        source: A file of bytes that can be sought in.
        kind: ``webm`` or ``mp4``.
    """
    with av.open(source, "r") as listened:
        heard = first_heard(listened)
    source.seek(0)
    target = io.BytesIO()
    with av.open(source, "r") as before, av.open(target, "w", format=kind) as after:
        sound = [stream for stream in before.streams.audio if stream.index == heard]
        taken = [*before.streams.video[:1], *sound]
        new = {one.index: after.add_stream_from_template(one) for one in taken}
        for packet in timely(before, before.demux(taken)):
            if packet.dts is None:
                continue
            packet.stream = new[packet.stream.index]
            after.mux(packet)
    return target.getvalue()


def picture_times_ms(content: bytes) -> tuple[np.ndarray, float]:
    """When each picture begins, and how long the film is, in ms.

    Args:
        content: A film.
    """
    times: list[float] = []
    ends = [0.0]
    with av.open(io.BytesIO(content), "r") as film:
        for packet in film.demux(*film.streams.video[:1], *film.streams.audio[:1]):
            if packet.pts is None or packet.time_base is None:
                continue
            begins_ms = float(packet.pts * packet.time_base) * 1000
            lasts_ms = float((packet.duration or 0) * packet.time_base) * 1000
            ends.append(begins_ms + lasts_ms)
            if packet.stream.type == "video":
                times.append(begins_ms)
    times_ms = np.unique(np.array(times, float))
    return times_ms, max(ends)


def loudness(content: bytes, length_ms: float) -> np.ndarray:
    """The largest value of the sound in each hundredth of a second, 0 to 255.

    Args:
        content: A film.
        length_ms: How long it is.
    """
    n_bins = int(np.ceil(length_ms / 1000 * PEAKS_PER_S))
    found = np.zeros(n_bins)
    with av.open(io.BytesIO(content), "r") as film:
        if not film.streams.audio or not n_bins:
            return np.zeros(n_bins, np.uint8)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=8000)
        for frame in film.decode(audio=0):
            for piece in resampler.resample(frame):
                _note_loudest(found, piece)
    return np.clip(np.round(found * _LOUDEST), 0, _LOUDEST).astype(np.uint8)


def _note_loudest(found: np.ndarray, piece: av.AudioFrame) -> None:
    values = np.abs(piece.to_ndarray().ravel())
    first_s = piece.time or 0.0
    times_s = first_s + np.arange(len(values)) / piece.sample_rate
    bins = (times_s * PEAKS_PER_S).astype(int)
    inside = (bins >= 0) & (bins < len(found))
    np.maximum.at(found, bins[inside], values[inside])

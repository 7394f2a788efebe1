"""One pass over a media file: pictures and sound with their container presentation times, on one
clock.

The clock: zero is the container's own start (its earliest stream start), as players, ffmpeg and
ELAN show it. Times come from presentation stamps, never from a frame count. Damage costs the
packets it hits, not the rest of the file.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from twomind.core.errors import BadInput
from twomind.media.audio import AudioSpool, Resampling, Samples, Waveform
from twomind.media.clock import MAX_JUMP_S, MAX_PAST_END_S, PictureClock, Restart
from twomind.media.endings import ending
from twomind.media.opening import open_media
from twomind.media.probe import (
    JOINED,
    STAMPED,
    MediaInfo,
    Orientation,
    as_shown_px,
    is_stamped_when_encoded,
    orientation,
    origin_s,
    pixel_shape,
    probe,
    video_stream,
)

if TYPE_CHECKING:
    import av

__all__ = [
    "AudioSpool",
    "Frame",
    "MediaInfo",
    "MediaStream",
    "Samples",
    "StreamReport",
    "Waveform",
    "prefetch",
    "probe",
    "stream",
]

Item = TypeVar("Item")

#: Missing at the end against the declared duration before a file counts as truncated: longer than
#: any stream's tail.
TRUNCATED_S = 0.5
#: Read errors in a row, without one good packet between them, after which the rest of the file is
#: given up.
MAX_READ_ERRORS = 50
#: Pictures up to this size are decoded and converted by one thread: sharing them out costs more
#: processor time than it saves, and the colours are read from the cache of the core that decoded.
_ONE_THREAD_PX = 1280 * 720


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture: ``rgb (H, W, 3)`` uint8 as shown (rotation applied), at ``time_s`` on the clock;
    ``index`` from 0.

    ``damaged``: the decoder had to guess part of it.
    """

    index: int
    time_s: float
    rgb: np.ndarray
    damaged: bool = False


@dataclass(frozen=True)
class StreamReport:
    """What one pass found. Times on the clock, nan where there is nothing. ``gaps`` are spans
    without sound.

    ``duration_s`` is measured: the end of the last picture or of the sound, whichever is later.
    ``n_bad_packets`` could not be decoded. ``n_left_out`` pictures were decoded but have no usable
    time (see ``problems``).
    """

    n_frames: int
    n_bad_packets: int
    first_frame_s: float
    last_frame_s: float
    n_samples: int
    audio_start_s: float
    audio_end_s: float
    truncated: bool
    gaps: tuple[tuple[float, float], ...]
    problems: tuple[str, ...]
    duration_s: float
    n_left_out: int = 0


class MediaStream:
    """One pass over a file: iterate it once for :class:`Frame` and :class:`Samples` in the order of
    the file.

    ``info`` is what :func:`probe` says. ``report`` tells what the pass has found, up to where it
    has come. Stopping early closes the file; so does leaving a ``with`` block.
    """

    def __init__(self, path: Path, video: bool, audio: bool, sample_rate_hz: int) -> None:
        from av.video.reformatter import VideoReformatter

        self.info = probe(path)
        self.sample_rate_hz = sample_rate_hz
        self._container = open_media(path)
        self._video = video_stream(self._container) if video else None
        self._n_threads = 0
        self._audio: av.AudioStream | None = None
        if audio and self.info.sound_index is not None:
            self._audio = _sound_of(self._container, self.info.sound_index)
        if self._video is None and self._audio is None:
            self._container.close()
            asked = (
                " or ".join(
                    word for word, flag in (("moving pictures", video), ("sound", audio)) if flag
                )
                or "nothing"
            )
            raise BadInput(f"{path}: asked for {asked}, and the file has none.")
        # Streams beside the two that can be read; their ends are not known.
        self._has_more = _n_timed(self._container) > self.info.has_video + self.info.has_audio
        if self._video is not None:
            # Frame threads would hold back errors and pictures to later packets; slices keep them
            # where they belong.
            self._video.thread_type = "SLICE"
            self._n_threads = _threads_for(self._video)
            self._video.codec_context.thread_count = self._n_threads
        self._origin_s = origin_s(self._container)
        self._declared_s = self.info.duration_s
        self._pictures = PictureClock(
            self._origin_s, math.inf if math.isnan(self._declared_s) else self._declared_s
        )
        self._restart = Restart()
        self._sound = Resampling(sample_rate_hz, is_stamped_when_encoded(self._container))
        self._reformatter = VideoReformatter()
        self._pixel = 1.0 if self._video is None else pixel_shape(self._video)
        self._rotation: int | None = None
        self._turn = Orientation()
        self._items = self._run()
        self._started = self._done = self._broke_off = False
        self._n_frames = self._n_samples = self._n_bad = self._n_read_errors = (
            self._n_sound_left_out
        ) = 0
        self._sound_start_s = self._sound_end_s = self._sound_taken_s = math.nan
        self._sizes: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[Frame | Samples]:
        if self._started:
            raise RuntimeError("a MediaStream is one pass; call stream() again for another")
        self._started = True
        return self._items

    def __enter__(self) -> MediaStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what has been read stays in ``report``."""
        self._items.close()
        self._container.close()

    def _run(self) -> Generator[Frame | Samples, None, None]:
        try:
            for packet in self._of_first_film(self._packets()):
                yield from self._decode(packet.stream, packet)
            for stream in (self._video, self._audio):
                if stream is not None:
                    yield from self._decode(stream, None)
            yield from self._count(self._sound.flush())
            self._done = True
        finally:
            self._container.close()

    def _packets(self) -> Iterator[av.Packet]:
        """Packets to the end of the file; a read error ends the library's own loop, which is then
        started again.
        """
        import av

        streams = [s for s in (self._video, self._audio) if s is not None]
        errors_in_row = 0
        while errors_in_row < MAX_READ_ERRORS:
            try:
                for packet in self._container.demux(streams):
                    errors_in_row = 0
                    # The empty ones at the end ask for a flush, which is done by _run.
                    if packet.size:
                        yield packet
                self._broke_off = errors_in_row > 0
                return
            except av.error.FFmpegError:
                errors_in_row += 1
                self._n_read_errors += 1
        self._broke_off = True

    def _of_first_film(self, packets: Iterable[av.Packet]) -> Iterator[av.Packet]:
        """Packets to where another film begins, as far as stamps alone tell it."""
        n_streams = (self._video is not None) + (self._audio is not None)
        is_stamped = self._container.format.name in STAMPED
        for packet in packets:
            if not is_stamped or not self._restart.is_past(packet):
                yield packet
            elif self._restart.n_streams == n_streams:
                return

    def _decode(
        self, stream: av.VideoStream | av.AudioStream, packet: av.Packet | None
    ) -> Iterator[Frame | Samples]:
        import av

        try:
            frames = stream.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            self._n_bad += 1
            return
        for frame in frames:
            if isinstance(frame, av.VideoFrame):
                yield from self._picture(frame)
            elif isinstance(frame, av.AudioFrame):
                yield from self._count(self._hear(frame))

    def _picture(self, frame: av.VideoFrame) -> Iterator[Frame]:
        assert self._video is not None
        assert self._video.time_base is not None
        time_s = self._pictures.time(frame, float(self._video.time_base))
        if time_s is None:
            return
        rgb = self._orientation(frame).apply(self._to_rgb(frame))
        if rgb.shape[:2] not in self._sizes[-1:]:
            self._sizes.append((rgb.shape[0], rgb.shape[1]))
        self._n_frames += 1
        yield Frame(self._n_frames - 1, time_s, rgb, bool(frame.is_corrupt))

    def _orientation(self, frame: av.VideoFrame) -> Orientation:
        # Reading side data ties the frame into a reference cycle, which keeps pictures alive until
        # the next collection of garbage; the rotation alone does not, so the whole matrix is read
        # only when that changes.
        if frame.rotation != self._rotation:
            self._rotation, self._turn = frame.rotation, orientation(frame)
        return self._turn

    def _to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        # Kept between pictures: the one that a frame makes for itself sets the colour conversion up
        # anew each time.
        width_px, height_px = as_shown_px(frame.width, frame.height, self._pixel)
        shown = self._reformatter.reformat(
            frame, width_px, height_px, "rgb24", threads=self._n_threads
        )
        return shown.to_ndarray()

    def _hear(self, frame: av.AudioFrame) -> Iterator[Samples]:
        assert self._audio is not None
        assert self._audio.time_base is not None
        time_s = (
            None if frame.pts is None else frame.pts * float(self._audio.time_base) - self._origin_s
        )
        if time_s is not None:
            end_s = math.inf if math.isnan(self._declared_s) else self._declared_s + MAX_PAST_END_S
            if time_s > end_s or time_s - self._sound_taken_s > MAX_JUMP_S:
                self._n_sound_left_out += 1
                return
        # Not where what has come out ends: some of it waits.
        length_s = frame.samples / frame.sample_rate
        if time_s is not None:
            self._sound_taken_s = max(time_s + length_s, self._sound_taken_s)
        elif not math.isnan(self._sound_taken_s):
            self._sound_taken_s += length_s
        yield from self._sound.push(frame, time_s)

    def _count(self, runs: Iterator[Samples]) -> Iterator[Samples]:
        for samples in runs:
            end_s = samples.time_s + len(samples.values) / self.sample_rate_hz
            if math.isnan(self._sound_start_s):
                self._sound_start_s, self._sound_end_s = samples.time_s, end_s
            self._sound_end_s = max(self._sound_end_s, end_s)
            self._n_samples += len(samples.values)
            yield samples

    @property
    def report(self) -> StreamReport:
        """What has been found so far; whole once the iteration has ended."""
        ends = [t for t in (self._pictures.end_s, self._sound_end_s) if not math.isnan(t)]
        duration_s = max(ends) if ends else math.nan
        missing = self._missing(duration_s) if self._done else ""
        problems = [*self.info.problems, *self._pictures.problems(), *self._problems()]
        if missing and missing not in problems:  # probe may have said it already
            problems.append(missing)
        if not self._done:
            problems.append("reading was stopped before the end of the file")
        return StreamReport(
            n_frames=self._n_frames,
            n_bad_packets=self._n_bad,
            first_frame_s=self._pictures.first_s,
            last_frame_s=self._pictures.last_s,
            n_samples=self._n_samples,
            audio_start_s=self._sound_start_s,
            audio_end_s=self._sound_end_s,
            truncated=bool(missing),
            gaps=tuple(self._sound.gaps),
            problems=tuple(problems),
            duration_s=duration_s,
            n_left_out=self._pictures.n_left_out,
        )

    def _problems(self) -> list[str]:
        gaps, found = self._sound.gaps, []
        if self._restart.n_streams:
            found.append(JOINED)
        if self._n_bad:
            found.append(f"{self._n_bad} damaged packet(s) could not be decoded")
        if self._n_read_errors:
            found.append(f"{self._n_read_errors} stretch(es) of the file could not be read")
        if gaps:
            found.append(
                f"{len(gaps)} gap(s) in the sound, {sum(e - s for s, e in gaps):.2f} s in all"
            )
        found += self._sound.problems()
        if self._n_sound_left_out:
            found.append(
                f"{self._n_sound_left_out} piece(s) of sound left out: stamped far outside the "
                "recording"
            )
        if len(self._sizes) > 1:
            found.append(f"the picture changes its size {len(self._sizes) - 1} time(s)")
        if self._video is not None and not self._n_frames and self._done:
            found.append("no picture could be decoded")
        if self._audio is not None and not self._n_samples and self._done:
            found.append("no sound could be decoded")
        return found

    def _missing(self, duration_s: float) -> str:
        """A sentence when the file ends before its declared end, else nothing."""
        if told := ending(self.info.path).sentence:
            return told
        if self._broke_off:
            return "truncated: the end of the file could not be read"
        # A stream that is not read may be the longer one, so only a full pass can be held to the
        # declaration.
        has_seen = self._video is not None or not self.info.has_video
        has_heard = self._audio is not None or not self.info.has_audio
        full = has_seen and has_heard and not self._has_more
        if full and not math.isnan(duration_s) and self._declared_s - duration_s > TRUNCATED_S:
            return (
                f"truncated: ends at {duration_s:.2f} s, its container declares "
                f"{self._declared_s:.2f} s"
            )
        return ""


def _sound_of(container: av.container.InputContainer, index: int) -> av.AudioStream:
    return next(stream for stream in container.streams.audio if stream.index == index)


def _n_timed(container: av.container.InputContainer) -> int:
    """How many streams have a length: all but cover art and attached files."""
    import av

    picture = av.stream.Disposition.attached_pic
    timed = [s for s in container.streams if s.type != "attachment" and not s.disposition & picture]
    return len(timed)


def _threads_for(video: av.VideoStream) -> int:
    """How many threads decode and convert pictures of this size; 0: as many as there are cores."""
    context = video.codec_context
    return 1 if context.width * context.height <= _ONE_THREAD_PX else 0


def stream(
    path: Path, video: bool = True, audio: bool = True, sample_rate_hz: int = 16000
) -> MediaStream:
    """Open a file for one pass of :class:`Frame` and :class:`Samples` (mono float32 at
    ``sample_rate_hz``).

    Memory does not grow with the length of the file. To decode while you work on the items, wrap it
    in :func:`prefetch`.

    Raises:
        BadInput: the file cannot be used, or has nothing of what was asked for.
    """
    return MediaStream(Path(path), video, audio, sample_rate_hz)


_END = object()


def prefetch(items: Iterable[Item], n: int = 8) -> Iterator[Item]:
    """The same items in the same order, made in a thread up to ``n`` ahead of the consumer.

    Decoding releases the interpreter lock, so it overlaps with work on the items. An error of the
    source is raised here, after the items before it. Stopping early stops the thread.
    """
    if n < 1:
        raise ValueError(f"prefetch: expected n >= 1, got {n}")
    # Two queues without a limit, of items and of room for items: a queue with a limit is written
    # in Python, and takes several times the processor time.
    ready: queue.SimpleQueue[object] = queue.SimpleQueue()
    room: queue.SimpleQueue[None] = queue.SimpleQueue()
    for _ in range(n):
        room.put(None)
    stop = threading.Event()

    def work() -> None:
        source = iter(items)
        try:
            for item in source:
                room.get()
                if stop.is_set():
                    return
                ready.put((item,))
            ready.put(_END)
        except BaseException as error:
            ready.put(error)
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name="twomind-prefetch", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            assert isinstance(item, tuple)
            room.put(None)
            yield item[0]
    finally:
        stop.set()
        room.put(None)
        thread.join()

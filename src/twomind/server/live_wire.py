"""What goes over the wire of a live session: messages of the client, and MediaRecorder's chunks as
pictures and sound.
"""

from __future__ import annotations

import math
import queue
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field

from twomind.core.errors import BadInput
from twomind.media.audio import Resampling, Samples
from twomind.media.clock import PictureClock
from twomind.media.probe import is_stamped_when_encoded
from twomind.media.stream import Frame
from twomind.server.participant_api import Body

if TYPE_CHECKING:
    import av

#: A binary message: kind, a time in seconds, samples per second (of sound), then the bytes.
HEAD = struct.Struct("<BdI")
PICTURE, PCM16, PCM32, CHUNK = 1, 2, 3, 4
#: Bytes of one binary message at most: a picture of a camera, or a second of film.
MOST_MESSAGE = 8 << 20
_RATE_HZ = 16000


class _Message(Body):
    model_config = ConfigDict(extra="forbid", strict=False)


class PurposeBody(_Message):
    """What a session or job is for."""

    kind: str = Field(max_length=40)
    text: str = Field(max_length=2000)


class Begin(_Message):
    """The first message of a client: begin a session, or go on with one after a lost line."""

    type: Literal["begin"]
    token: str = Field(max_length=400)
    purpose: PurposeBody | None = None
    model: str | None = Field(default=None, max_length=400)
    adapt: str | None = Field(default=None, max_length=60)
    using: tuple[Literal["face", "voice", "words"], ...] = ("face", "voice", "words")
    question: str | None = Field(default=None, max_length=400)
    synthetic: bool = False
    state: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    resume: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    after: int = Field(default=0, ge=0)


class WordBody(_Message):
    text: str = Field(min_length=1, max_length=200)
    start_s: float = Field(ge=0, le=1e6, allow_inf_nan=False)
    end_s: float = Field(ge=0, le=1e6, allow_inf_nan=False)
    confidence: float | None = Field(default=None, ge=0, le=1)


class Words(_Message):
    """Words that were recognised, in order."""

    type: Literal["words"]
    words: list[WordBody] = Field(max_length=1000)
    until_s: float | None = Field(default=None, ge=0, le=1e6, allow_inf_nan=False)


class Finish(_Message):
    """The client sends nothing more, and the session ends."""

    type: Literal["finish"]


class Export(_Message):
    """Keep the session's state on this server; the answer names it. The session ends."""

    type: Literal["export"]


class Sent(_Message):
    """Any message of a client, for :func:`read_text`."""

    message: Begin | Words | Finish | Export = Field(discriminator="type")


@dataclass(frozen=True)
class Binary:
    """One binary message."""

    kind: int
    time_s: float
    rate_hz: int
    content: bytes


def read_binary(message: bytes) -> Binary:
    """A binary message.

    Raises:
        BadInput: It is too short, too long, or of no kind.
    """
    if not HEAD.size < len(message) <= MOST_MESSAGE:
        raise BadInput(f"a binary message of {len(message)} bytes")
    kind, time_s, rate_hz = HEAD.unpack_from(message)
    if kind not in (PICTURE, PCM16, PCM32, CHUNK) or not math.isfinite(time_s):
        raise BadInput(f"a binary message of kind {kind} at {time_s} s")
    return Binary(kind, time_s, rate_hz, message[HEAD.size :])


def samples_of(binary: Binary) -> np.ndarray:
    """The sound of a message, ``(n,)`` float32 in [-1, 1].

    Raises:
        BadInput: It holds no whole number of samples, or some that are no numbers.
    """
    width = 2 if binary.kind == PCM16 else 4
    if len(binary.content) % width:
        raise BadInput(f"sound of {len(binary.content)} bytes: no whole number of samples")
    if binary.kind == PCM16:
        return np.frombuffer(binary.content, "<i2").astype(np.float32) / 32768
    values = np.frombuffer(binary.content, "<f4").astype(np.float32)
    if not np.isfinite(values).all():
        raise BadInput("sound with values that are no numbers")
    return np.clip(values, -1, 1)


class Pictures:
    """JPEG pictures, one by one."""

    def __init__(self) -> None:
        import av

        self._av = av
        self._decoder: Any = av.CodecContext.create("mjpeg", "r")

    def rgb(self, content: bytes) -> np.ndarray:
        """A picture ``(H, W, 3)`` uint8.

        Raises:
            BadInput: It is no JPEG.
        """
        try:
            frames = self._decoder.decode(self._av.Packet(content))
            if not frames:
                frames = self._decoder.decode(None)
                self._decoder = self._av.CodecContext.create("mjpeg", "r")
        except (self._av.error.FFmpegError, ValueError) as error:
            raise BadInput("a picture that is no JPEG") from error
        if not frames:
            raise BadInput("a picture that is no JPEG")
        found: np.ndarray = frames[0].to_ndarray(format="rgb24")
        return found


class _Pipe:
    """Bytes as a file that waits for more."""

    def __init__(self) -> None:
        self._chunks: queue.Queue[bytes | None] = queue.Queue()
        self._left = b""
        self._ended = False

    def feed(self, chunk: bytes | None) -> None:
        self._chunks.put(chunk)

    def read(self, size: int) -> bytes:
        while not self._left and not self._ended:
            chunk = self._chunks.get()
            self._ended = chunk is None
            self._left = chunk or b""
        found, self._left = self._left[:size], self._left[size:]
        return found


class Chunks:
    """MediaRecorder's chunks in (WebM, or fragmented MP4), pictures and sound out, in a thread of
    their own.

    Args:
        picture: Takes each picture.
        sound: Takes each run of sound.
        over: Is called when the stream has ended, with the reason where it broke.
    """

    def __init__(
        self,
        picture: Callable[[Frame], None],
        sound: Callable[[Samples], None],
        over: Callable[[str], None],
    ) -> None:
        self._pipe = _Pipe()
        self._picture = picture
        self._sound = sound
        self._over = over
        self._thread = threading.Thread(target=self._run, name="live-chunks", daemon=True)
        self._thread.start()

    def feed(self, chunk: bytes) -> None:
        """Take in the next chunk that MediaRecorder made."""
        self._pipe.feed(chunk)

    def end(self) -> None:
        """No more chunks come."""
        self._pipe.feed(None)

    def _run(self) -> None:
        import av

        reason = ""
        try:
            self._decode()
        except (av.error.FFmpegError, ValueError, OSError) as error:
            reason = f"the film could not be read on: {type(error).__name__}"
        self._over(reason)

    def _decode(self) -> None:
        import av

        options = {"probesize": "65536", "analyzeduration": "500000"}
        with av.open(self._pipe, "r", options=options) as container:
            resampling = Resampling(_RATE_HZ, is_stamped_when_encoded(container))
            try:
                self._read(container, resampling)
            finally:
                # What waited for more sound is heard, also of a film that breaks off.
                for samples in resampling.flush():
                    self._sound(samples)

    def _read(self, container: av.container.InputContainer, resampling: Resampling) -> None:
        import av

        origin_s: float | None = None
        clock = PictureClock(0.0, math.inf)
        n = 0
        # Of several sound streams the first is heard: of what is still to come nobody knows
        # which of them will carry sound (:mod:`twomind.media.sound_streams`).
        streams = container.streams
        taken = [*streams.video[:1], *streams.audio[:1]]
        for packet in container.demux(taken):
            for frame in _decoded(packet):
                unit_s = float(packet.stream.time_base or 0)
                if origin_s is None and frame.pts is not None:
                    origin_s = frame.pts * unit_s
                    clock = PictureClock(origin_s, math.inf)
                if isinstance(frame, av.VideoFrame):
                    time_s = clock.time(frame, unit_s)
                    if time_s is None or time_s < 0:
                        continue
                    self._picture(Frame(n, time_s, frame.to_ndarray(format="rgb24")))
                    n += 1
                elif isinstance(frame, av.AudioFrame) and frame.pts is not None:
                    at_s = frame.pts * unit_s - (origin_s or 0.0)
                    for samples in resampling.push(frame, at_s):
                        self._sound(samples)


def _decoded(packet: Any) -> Iterator[Any]:
    """The frames of a packet; nothing of one that is damaged."""
    import av

    try:
        yield from packet.decode()
    except av.error.FFmpegError:
        return

"""A piece of a drawn film as a browser would have recorded it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

_RATE_HZ = 48_000
_MS = Fraction(1, 1000)


def webm(film: Path, start_s: float, length_s: float) -> bytes:
    """A piece of a film as WebM without a length, VP8 and Opus, pictures at their own times.

    Args:
        film: With sound.
        start_s: Where it begins in the film, in seconds.
        length_s: How long it is, in seconds.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm", options={"live": "1"}) as out:
        fast = {"deadline": "realtime", "cpu-used": "8"}
        video: Any = out.add_stream("libvpx", rate=25, options=fast)
        video.pix_fmt, video.bit_rate = "yuv420p", 600_000
        video.time_base = video.codec_context.time_base = _MS
        sound: Any = out.add_stream("libopus", rate=_RATE_HZ, layout="mono")
        packets: list[Any] = []
        for frame in _pictures(film, start_s, length_s):
            if not packets:
                video.width, video.height = frame.width, frame.height
            packets += video.encode(frame)
        for heard in _sound(film, start_s, length_s):
            packets += sound.encode(heard)
        packets += [*video.encode(None), *sound.encode(None)]
        packets.sort(key=lambda one: float(one.dts * one.time_base))
        for packet in packets:
            out.mux(packet)
    return buffer.getvalue()


def _time_s(frame: Any) -> float:
    return float(frame.time)


def _pictures(film: Path, start_s: float, length_s: float) -> Iterator[av.VideoFrame]:
    with av.open(str(film)) as opened:
        for frame in opened.decode(video=0):
            at_s = _time_s(frame) - start_s
            if not -1e-6 <= at_s < length_s - 1e-6:
                continue
            picture = frame.reformat(format="yuv420p")
            picture.pts, picture.time_base = round(at_s * 1000), _MS
            yield picture


def _sound(film: Path, start_s: float, length_s: float) -> Iterator[av.AudioFrame]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE_HZ)
    with av.open(str(film)) as opened:
        n_sent = 0
        for frame in opened.decode(audio=0):
            at_s = _time_s(frame) - start_s
            if not -1e-6 <= at_s < length_s - 1e-6:
                continue
            for heard in resampler.resample(frame):
                heard.pts, heard.time_base = n_sent, Fraction(1, _RATE_HZ)
                n_sent += heard.samples
                yield heard

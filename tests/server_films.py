"""Small films as a browser records them, for the server's tests."""

from __future__ import annotations

import io
from fractions import Fraction
from functools import cache

import av
import numpy as np


@cache
def webm(seconds: float = 2.0, level: float = 0.3, grey: int = 120, rate: int = 10) -> bytes:
    """A room without anybody in it, and a tone; live, as a browser writes it.

    Args:
        seconds: Length.
        level: Amplitude of the tone; 0: silence.
        grey: Brightness of the picture, 0 to 255.
        rate: Pictures a second.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm", options={"live": "1"}) as out:
        video = out.add_stream("libvpx", rate=rate, options={"deadline": "realtime"})
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        sound = out.add_stream("libopus", rate=48000, layout="mono")
        packets = []
        noise = np.random.default_rng(0).integers(-6, 7, (120, 160, 3))
        for number in range(round(seconds * rate)):
            shade = np.clip(grey + np.roll(noise, number, axis=1), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(shade, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            packets += video.encode(frame)
        times = np.arange(round(seconds * 48000)) / 48000
        values = level * np.sin(2 * np.pi * 220 * times)
        samples = np.round(values * 32767).astype(np.int16)[None, :]
        heard = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        heard.sample_rate, heard.pts = 48000, 0
        packets += sound.encode(heard)
        packets += [*video.encode(None), *sound.encode(None)]
        packets.sort(key=lambda one: float(one.dts * one.time_base))
        for packet in packets:
            out.mux(packet)
    return buffer.getvalue()


def pieces(content: bytes, size: int = 30_000) -> list[bytes]:
    """A film in chunks."""
    return [content[at : at + size] for at in range(0, len(content), size)]

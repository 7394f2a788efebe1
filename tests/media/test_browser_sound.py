"""A browser's recording: its sound is stamped too late, by the stamp of its first packet."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from twomind.media.stream import AudioSpool, Frame, stream

RATE = 48_000
FLASH_S = 1.0


def write(path: Path, late_ms: int, made_by: str) -> None:
    """Two seconds whose picture turns white at 1 s, with a tone at the same moment; all sound is
    stamped so much later."""
    with av.open(str(path), "w") as film:
        pictures = film.add_stream("libvpx", rate=30)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = film.add_stream("libopus", rate=RATE)
        for n in range(60):
            picture = np.full((48, 64, 3), 255 if n >= 30 else 0, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 30)
            film.mux(pictures.encode(frame))
        film.mux(pictures.encode())
        times = np.arange(2 * RATE) / RATE
        tone = np.where(times >= FLASH_S, 0.5 * np.sin(2 * np.pi * 1000 * times), 0)
        for start in range(0, len(tone), 960):
            piece = (tone[None, start : start + 960] * 32767).astype(np.int16)
            samples = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            samples.rate = RATE
            samples.pts, samples.time_base = start + late_ms * RATE // 1000, Fraction(1, RATE)
            film.mux(sound.encode(samples))
        film.mux(sound.encode())
    # The program that wrote the file is named in it; FFmpeg lets nobody else be named.
    content = path.read_bytes()
    name = re.search(rb"Lavf[\d.]+", content)
    assert name is not None
    path.write_bytes(content.replace(name[0], made_by.encode().ljust(len(name[0]), b"\0")))


def tone_after_flash_ms(path: Path) -> float:
    white, spool = [], AudioSpool()
    for item in stream(path):
        if isinstance(item, Frame):
            white += [item.time_s] * bool(item.rgb.mean() > 128)
        else:
            spool.push(item)
    wave = spool.waveform()
    loud = np.flatnonzero(np.abs(wave.values) > 0.1)[0]
    return 1000 * (wave.start_s + loud / wave.sample_rate_hz - white[0])


@pytest.mark.parametrize(
    ("made_by", "late_ms", "want_ms"),
    [("Chrome", 0, 0), ("Chrome", 40, 0), ("Chrome", 300, 300), ("Other", 40, 40)],
)
def test_what_is_heard_is_where_it_is_seen(
    tmp_path: Path, made_by: str, late_ms: int, want_ms: int
) -> None:
    path = tmp_path / "answer.webm"
    write(path, late_ms, made_by)
    assert tone_after_flash_ms(path) == pytest.approx(want_ms, abs=10)

"""Makes media files whose true clock is known: the frame number is burnt in, a beep sounds at a
known time.

Tests find it by ``pythonpath`` in pyproject.toml, ``python -m benchmarks.clock`` as
``tests.media_files``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

CELL_PX, COLUMNS, ROWS = 32, 8, 4
WIDTH_PX, HEIGHT_PX = CELL_PX * COLUMNS, CELL_PX * ROWS
N_BITS = 16
BEEP_HZ, BEEP_S = 1000.0, 0.25


@dataclass(frozen=True)
class Truth:
    """What a written file shows and when: stamps as written, in container time (not yet minus the
    start).
    """

    path: Path
    stamps_s: np.ndarray  # (T,) of frame 0, 1, ...
    beeps: tuple[int, ...]  # a beep starts exactly at the stamp of each of these frames
    audio_start_s: float
    audio_end_s: float


def draw_number(number: int) -> np.ndarray:
    """Picture ``(H, W, 3)``: 16 bits as black and white cells, then the same bits inverted."""
    bits = np.array([(number >> i) & 1 for i in range(N_BITS)], np.uint8)
    cells = np.concatenate([bits, 1 - bits]).reshape(ROWS, COLUMNS)
    grey = np.kron(cells, np.ones((CELL_PX, CELL_PX), np.uint8)) * 200 + 28
    return np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)


def read_number(rgb: np.ndarray) -> int | None:
    """The number of a picture ``(H, W, 3)``, or None when the cells do not agree with their
    inverted copy.
    """
    if rgb.shape[:2] != (HEIGHT_PX, WIDTH_PX):
        return None
    cells = (
        rgb[..., 1]
        .reshape(ROWS, CELL_PX, COLUMNS, CELL_PX)[:, 8:-8, :, 8:-8]
        .mean(axis=(1, 3))
        .ravel()
        > 128
    )
    if not np.array_equal(cells[:N_BITS], ~cells[N_BITS:]):
        return None
    return int(sum(1 << i for i in range(N_BITS) if cells[i]))


def onsets_s(values: np.ndarray, rate_hz: int, start_s: float) -> list[float]:
    """Times at which a tone starts after at least 0.1 s of quiet; level over 2 ms against a tenth
    of the loudest.
    """
    window = max(1, rate_hz // 500)
    level = np.sqrt(
        np.convolve(np.square(values, dtype=float), np.ones(window) / window, "full")[: len(values)]
    )
    loud = np.flatnonzero(level > max(0.1 * level.max(), 0.01))
    if not len(loud):
        return []
    first = np.concatenate([[True], np.diff(loud) > 0.1 * rate_hz])
    return [start_s + float(i) / rate_hz for i in loud[first]]


def jittered(n: int, seed: int = 0) -> list[Fraction]:
    """Stamps of a webcam in bad light: 33 to 120 ms apart, whole milliseconds."""
    rng, now, found = random.Random(seed), 0, []
    for _ in range(n):
        found.append(Fraction(now, 1000))
        now += rng.choice((33, 34, 33, 66, 67, 50, 120))
    return found


def constant(
    n: int, rate: Fraction = Fraction(30000, 1001), start: Fraction = Fraction(0)
) -> list[Fraction]:
    return [start + k / rate for k in range(n)]


def _tone(
    stamps: list[Fraction], beeps: tuple[int, ...], start_s: Fraction, n: int, rate_hz: int
) -> np.ndarray:
    times = float(start_s) + np.arange(n) / rate_hz
    values = np.zeros(n)
    for k in beeps:
        since = times - float(stamps[k])
        values += np.where(
            (since >= 0) & (since < BEEP_S), 0.5 * np.sin(2 * np.pi * BEEP_HZ * since), 0.0
        )
    return values


def write(
    path: Path,
    stamps: list[Fraction] | None,
    *,
    codec: str = "libx264",
    video_options: dict[str, str] | None = None,
    audio_codec: str | None = "aac",
    audio_rate_hz: int = 48000,
    audio_layout: str = "stereo",
    audio_start: Fraction = Fraction(0),
    audio_s: Fraction | None = None,
    drop_audio: tuple[tuple[float, float], ...] = (),
    beeps: tuple[int, ...] = (),
    time_base: Fraction = Fraction(1, 90000),
    rotation_deg: int = 0,
    format: str | None = None,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    cover: bool = False,
) -> Truth:
    """Write one file. ``stamps`` None means no video; ``audio_codec`` None means no audio.

    ``drop_audio``: spans (container time) whose encoded packets are thrown away, as a lossy
    recorder would.
    """
    clock = stamps if stamps is not None else constant(90)
    audio_s = (
        audio_s if audio_s is not None else clock[-1] - min(clock[0], audio_start) + Fraction(1, 2)
    )
    with av.open(str(path), "w", format=format, options=options or {}) as out:
        out.metadata.update(metadata or {})
        packets: list[av.Packet] = []
        video = None
        if stamps is not None:
            video = out.add_stream(codec, rate=30, options=video_options or {})
            video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
            video.time_base = video.codec_context.time_base = time_base
            if rotation_deg:
                video.set_display_rotation(rotation_deg)
        audio = None
        if audio_codec is not None:
            audio = out.add_stream(audio_codec, rate=audio_rate_hz, layout=audio_layout)
        if cover:
            picture = out.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            still = av.VideoFrame.from_ndarray(
                np.full((64, 64, 3), 90, np.uint8), "rgb24"
            ).reformat(format="yuvj420p")
            still.pts = 0
            packets += [*picture.encode(still), *picture.encode(None)]
        if video is not None and stamps is not None:
            packets += _encode_video(video, stamps, time_base, rotation_deg)
        if audio is not None:
            n = int(audio_s * audio_rate_hz)
            values = _tone(clock, beeps, audio_start, n, audio_rate_hz)
            encoded = _encode_audio(audio, values, audio_start, audio_rate_hz, audio_layout)
            packets += [p for p in encoded if not _inside(p, drop_audio)]
        # Stable: a packet without a dts does not exist here, and ties keep the order of the
        # streams.
        packets.sort(key=lambda p: float((p.dts if p.dts is not None else 0) * p.time_base))
        for packet in packets:
            out.mux(packet)
    start = float(audio_start)
    return Truth(
        path, np.array([float(t) for t in stamps or ()]), beeps, start, start + float(audio_s)
    )


def _inside(packet: av.Packet, spans: tuple[tuple[float, float], ...]) -> bool:
    at = float(packet.pts * packet.time_base)
    return any(start <= at < end for start, end in spans)


def _encode_video(
    stream: av.VideoStream, stamps: list[Fraction], time_base: Fraction, turn: int
) -> list[av.Packet]:
    packets = []
    for number, stamp in enumerate(stamps):
        # The display matrix will turn the picture counter-clockwise by `turn`; store it turned
        # back.
        rgb = np.ascontiguousarray(np.rot90(draw_number(number), -turn // 90))
        if number == 0:
            stream.height, stream.width = rgb.shape[:2]
        frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = round(stamp / time_base), time_base
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)]


def _encode_audio(
    stream: av.AudioStream, values: np.ndarray, start: Fraction, rate_hz: int, layout: str
) -> list[av.Packet]:
    context = stream.codec_context
    context.open()
    step = context.frame_size or 1024
    n_channels = 1 if layout == "mono" else 2
    packets, offset = [], round(start * rate_hz)
    for at in range(0, len(values), step):
        piece = values[at : at + step]
        if context.format.name.startswith("s16"):
            data = np.round(piece * 32767).astype(np.int16)
        else:
            data = piece.astype(np.float32)
        if context.format.is_planar:
            data = np.ascontiguousarray(np.repeat(data[None], n_channels, axis=0))
        else:
            data = np.ascontiguousarray(np.repeat(data, n_channels)[None])
        frame = av.AudioFrame.from_ndarray(data, format=context.format.name, layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, offset + at, Fraction(1, rate_hz)
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)]


def cut(source: Path, to: Path, share: float) -> Path:
    """The first ``share`` of a file's bytes, as after a full disk or a lost connection."""
    data = source.read_bytes()
    to.write_bytes(data[: int(len(data) * share)])
    return to


def damage(
    source: Path, to: Path, n_bytes: int, start: float = 0.4, end: float = 0.6, seed: int = 0
) -> Path:
    """``n_bytes`` bytes between two shares of the file replaced by random ones."""
    data, rng = bytearray(source.read_bytes()), random.Random(seed)
    for _ in range(n_bytes):
        data[rng.randrange(int(len(data) * start), int(len(data) * end))] = rng.randrange(256)
    to.write_bytes(bytes(data))
    return to


N_FRAMES, BEEPS = 90, (20, 60)
B_FRAMES = {"preset": "veryfast", "bf": "3"}
FAST = {"preset": "ultrafast"}
VPX = {"deadline": "realtime", "cpu-used": "8"}
HEVC = {"preset": "ultrafast", "x265-params": "log-level=0"}


@dataclass(frozen=True)
class Kind:
    """One kind of file: how to write it, and to what its container rounds stamps (worst error,
    seconds).
    """

    name: str
    arguments: dict[str, Any]
    rounding_s: float


def _live_webm(codec: str) -> Kind:
    """As a browser's MediaRecorder: whole milliseconds, no duration, no frame rate, no index."""
    arguments = {
        "codec": codec,
        "audio_codec": "libopus",
        "video_options": VPX,
        "options": {"live": "1"},
    }
    return Kind("a.webm", {"stamps": jittered(N_FRAMES), **arguments}, 0.0011)


_STEADY = constant(N_FRAMES)
_PCM = {"audio_codec": "pcm_s16le", "audio_rate_hz": 44100, "audio_layout": "mono"}

#: The kinds of file that the clock is tested and measured on.
KINDS: dict[str, Kind] = {
    "mp4 29.97 fps": Kind(
        "a.mp4",
        {"stamps": _STEADY, "time_base": Fraction(1, 30000), "video_options": B_FRAMES},
        1e-6,
    ),
    "mp4 variable rate": Kind(
        "a.mp4", {"stamps": jittered(N_FRAMES), "video_options": B_FRAMES}, 1e-6
    ),
    "mp4 fragmented": Kind(
        "a.mp4",
        {
            "stamps": _STEADY,
            "video_options": FAST,
            "options": {"movflags": "frag_keyframe+delay_moov"},
        },
        1e-6,
    ),
    "mov hevc": Kind(
        "a.mov", {"stamps": jittered(N_FRAMES), "codec": "libx265", "video_options": HEVC}, 1e-6
    ),
    "mov pcm 44.1 kHz mono": Kind(
        "a.mov", {"stamps": _STEADY, "video_options": FAST, **_PCM}, 1e-6
    ),
    "webm vp8 live": _live_webm("libvpx"),
    "webm vp9 live": _live_webm("libvpx-vp9"),
    "mkv starts late, sound later": Kind(
        "a.mkv",
        {
            "stamps": constant(N_FRAMES, start=Fraction(5)),
            "video_options": B_FRAMES,
            "audio_start": Fraction(21, 4),
        },
        0.0011,
    ),
    "mkv sound earlier": Kind(
        "a.mkv",
        {
            "stamps": constant(N_FRAMES, start=Fraction(1)),
            "video_options": FAST,
            "audio_start": Fraction(1, 4),
        },
        0.0011,
    ),
    "ts with a start stamp": Kind("a.ts", {"stamps": _STEADY, "video_options": B_FRAMES}, 1e-6),
}


def write_kind(folder: Path, kind: str) -> Truth:
    """Write one of :data:`KINDS`, with a beep at the frames :data:`BEEPS`."""
    return write(folder / KINDS[kind].name, beeps=BEEPS, **KINDS[kind].arguments)

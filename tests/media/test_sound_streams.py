"""A film with several sound streams: the first that carries sound is heard, everywhere, and it is told."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from twomind.media import sound_streams
from twomind.media.probe import probe
from twomind.media.stream import Samples, stream
from twomind.models.llm.hearing import heard_in
from twomind.server.coding_media import loudness, remuxed

RATE_HZ, LENGTH_S = 48000, 3.0
_TIMES_S = np.arange(int(RATE_HZ * LENGTH_S)) / RATE_HZ
_RNG = np.random.default_rng(0)
_STEP = 1 / (1 << 15)
SOUNDS = {
    "silence": np.zeros(len(_TIMES_S)),
    "dither": (_RNG.random(len(_TIMES_S)) - _RNG.random(len(_TIMES_S))) * _STEP,
    "speech": 0.3 * np.sin(2 * np.pi * 440 * _TIMES_S) * (_TIMES_S > 2.0),
    "short speech": 0.3 * np.sin(2 * np.pi * 440 * _TIMES_S[: RATE_HZ // 2]),
    "whisper": 0.001 * np.sin(2 * np.pi * 440 * _TIMES_S) * (_TIMES_S > 2.5),
    "constant": np.full(len(_TIMES_S), 0.1),
    "no numbers": np.full(len(_TIMES_S), np.nan),
}


def film(
    path: Path, sounds: tuple[str, ...], codec: str = "pcm_s16le", pictures_s: float = LENGTH_S
) -> Path:
    """A film with these sounds, each in a stream of two channels."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        streams = [out.add_stream(codec, rate=RATE_HZ, layout="stereo") for _ in sounds]
        packets: list[av.Packet] = []
        for k in range(int(10 * pictures_s)):
            picture = np.full((64, 64, 3), 3 * k, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = k, Fraction(1, 10)
            packets += video.encode(frame)
        packets += video.encode(None)
        for stream_, name in zip(streams, sounds, strict=True):
            packets += encoded(stream_, SOUNDS[name])
        packets.sort(key=lambda packet: float((packet.dts or 0) * packet.time_base))
        for packet in packets:
            out.mux(packet)
    return path


def test_a_longer_stream_that_is_not_heard_is_no_missing_end(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", ("silence", "short speech"), pictures_s=1.0)
    source = stream(path)
    assert sum(1 for _ in source) > 10
    assert source.info.sound_index == 2
    assert not source.report.truncated


def encoded(stream_: av.AudioStream, values: np.ndarray) -> list[av.Packet]:
    context = stream_.codec_context
    context.open()
    step = context.frame_size or 4800
    packets: list[av.Packet] = []
    for at in range(0, len(values), step):
        piece = np.repeat(values[None, at : at + step], 2, axis=0)
        if context.format.name.startswith("s16"):
            data = np.round(piece * 32767).astype(np.int16)
        else:
            data = piece.astype(np.float32)
        if not context.format.is_planar:
            data = np.ascontiguousarray(data.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(data, format=context.format.name, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, at, Fraction(1, RATE_HZ)
        packets += stream_.encode(frame)
    return [*packets, *stream_.encode(None)]


def loudest(path: Path) -> float:
    sound = [item.values for item in stream(path, video=False) if isinstance(item, Samples)]
    return float(np.abs(np.concatenate(sound)).max())


#: Sounds in their order, and which of them is heard, from 1.
ORDERS = {
    ("silence", "speech"): 2,
    ("dither", "speech"): 2,
    ("constant", "speech"): 2,
    ("silence", "dither", "whisper", "speech"): 3,
    ("speech", "silence"): 1,
    ("whisper", "speech"): 1,
    ("silence", "dither"): 1,
}


@pytest.mark.parametrize(("sounds", "number"), ORDERS.items(), ids=str)
def test_the_first_stream_that_carries_sound_is_heard(
    sounds: tuple[str, ...], number: int, tmp_path: Path
) -> None:
    path = film(tmp_path / "a.mkv", sounds)
    n = len(sounds)
    first = f"{n} sound streams; the first one is used"
    other = f"{n} sound streams; number {number} is used, the first that carries sound"
    assert probe(path).problems == ((first if number == 1 else other),)
    expected = np.abs(SOUNDS[sounds[number - 1]]).max()
    assert loudest(path) == pytest.approx(expected, abs=0.01 * expected + 2 * _STEP)


@pytest.mark.parametrize(
    ("codec", "ending"), [("aac", "mp4"), ("libopus", "mkv"), ("pcm_f32le", "mkv")]
)
def test_whatever_wrote_the_silence(codec: str, ending: str, tmp_path: Path) -> None:
    empty = "no numbers" if codec == "pcm_f32le" else "dither"
    path = film(tmp_path / f"a.{ending}", (empty, "speech"), codec)
    assert loudest(path) > 0.25


def test_every_reader_hears_the_same_stream(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", ("silence", "speech"), "aac")
    assert loudest(path) > 0.25
    assert np.abs(heard_in(path).values).max() > 0.25
    copy = remuxed(io.BytesIO(path.read_bytes()), "mp4")
    assert loudness(copy, 1000 * LENGTH_S).max() > 50
    with av.open(io.BytesIO(copy)) as opened:
        assert [one.type for one in opened.streams] == ["video", "audio"]


def test_a_stream_that_cannot_be_read_gives_way_too(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", ("speech", "speech"), "flac")
    path = tmp_path / "b.mkv"
    with av.open(str(source)) as before, av.open(str(path), "w") as after:
        new = {one.index: after.add_stream_from_template(one) for one in before.streams}
        for packet in before.demux():
            if packet.dts is None:
                continue
            written = packet
            if packet.stream.index == 1:
                written = av.Packet(b"\0" * packet.size)
                written.pts, written.dts = packet.pts, packet.dts
                written.time_base = packet.time_base
            written.stream = new[packet.stream.index]
            after.mux(written)
    assert probe(path).sound_index == 2
    assert loudest(path) > 0.25


def test_a_film_with_one_stream_is_not_listened_to_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listen(_: object) -> int:
        raise AssertionError("it was listened to")

    monkeypatch.setattr(sound_streams, "first_heard", listen)
    assert loudest(film(tmp_path / "a.mkv", ("speech",))) > 0.25
    with pytest.raises(AssertionError):
        probe(film(tmp_path / "b.mkv", ("silence", "speech")))


def test_a_file_that_is_read_again_is_listened_to_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "a.mkv", ("silence", "speech"))
    assert probe(path).sound_index == 2
    with monkeypatch.context() as patched:
        patched.setattr(sound_streams, "first_heard", None)
        assert probe(path).sound_index == 2
    film(path, ("speech", "silence", "silence"))
    assert probe(path).sound_index == 1

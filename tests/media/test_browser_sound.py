"""A browser's recording: all its sound is stamped too late, and some of it later still."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from twomind.media.packets import timely
from twomind.media.stream import AudioSpool, Frame, Waveform, stream

RATE = 48_000
RATE_OUT = 16_000
FLASH_S = 1.0


PACKET_MS = 60
#: What was measured of Chromium.
LATE_MS = 45


def always(late_ms: int) -> Callable[[int], int]:
    return lambda n: late_ms


def write(
    path: Path,
    late_ms: Callable[[int], int],
    made_by: str,
    packet_ms: int = PACKET_MS,
    pictures_ms: int = 0,
) -> None:
    """Two seconds whose picture turns white at 1 s, with a tone at the same moment; the n-th packet
    of sound is stamped so much later, and so is each picture."""
    with av.open(str(path), "w") as film:
        pictures = film.add_stream("libvpx", rate=30)
        pictures.codec_context.time_base = Fraction(1, 1000)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = film.add_stream(
            "libopus", rate=RATE, layout="mono", options={"frame_duration": str(packet_ms)}
        )
        for n in range(60):
            picture = np.full((48, 64, 3), 255 if n >= 30 else 0, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = 100 * n // 3 + pictures_ms, Fraction(1, 1000)
            film.mux(pictures.encode(frame))
        film.mux(pictures.encode())
        times = np.arange(2 * RATE) / RATE
        tone = np.where(times >= FLASH_S, 0.5 * np.sin(2 * np.pi * 1000 * times), 0)
        packets = []
        for start in range(0, len(tone), 960):
            piece = (tone[None, start : start + 960] * 32767).astype(np.int16)
            samples = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            samples.rate = RATE
            samples.pts, samples.time_base = start, Fraction(1, RATE)
            packets += sound.encode(samples)
        packets += sound.encode()
        for n, packet in enumerate(packets):
            packet.pts = packet.dts = packet.pts + late_ms(n) * RATE // 1000
            film.mux(packet)
    # The program that wrote the file is named in it; FFmpeg lets nobody else be named.
    content = path.read_bytes()
    name = re.search(rb"Lavf[\d.]+", content)
    assert name is not None
    path.write_bytes(content.replace(name[0], made_by.encode().ljust(len(name[0]), b"\0")))


def heard(path: Path) -> tuple[float, Waveform]:
    """When the picture turns white, in seconds, and the sound."""
    white, spool = [], AudioSpool()
    for item in stream(path):
        if isinstance(item, Frame):
            white += [item.time_s] * bool(item.rgb.mean() > 128)
        else:
            spool.push(item)
    return white[0], spool.waveform()


def tone_after_flash_ms(path: Path) -> float:
    white_s, wave = heard(path)
    loud = np.flatnonzero(np.abs(wave.values) > 0.1)[0]
    return 1000 * (wave.start_s + loud / wave.sample_rate_hz - white_s)


@pytest.mark.parametrize(
    ("made_by", "late_ms", "want_ms"),
    [("Chrome", 0, 0), ("Chrome", 40, 0), ("Chrome", 300, 300), ("Other", 40, 40)],
)
def test_what_is_heard_is_where_it_is_seen(
    tmp_path: Path, made_by: str, late_ms: int, want_ms: int
) -> None:
    path = tmp_path / "answer.webm"
    write(path, always(late_ms), made_by)
    assert tone_after_flash_ms(path) == pytest.approx(want_ms, abs=10)


@pytest.mark.parametrize("begins_ms", [-20, 0, 30])
def test_sound_that_began_before_or_after_the_pictures_is_as_late(
    tmp_path: Path, begins_ms: int
) -> None:
    path = tmp_path / "answer.webm"
    write(path, always(LATE_MS + begins_ms), "Chrome")
    assert tone_after_flash_ms(path) == pytest.approx(begins_ms, abs=3)
    _, wave = heard(path)
    assert wave.start_s >= 0
    assert wave.start_s == round(wave.start_s, 9)


def test_short_packets_begin_with_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "answer.webm"
    write(path, always(40), "Chrome", packet_ms=20)
    assert tone_after_flash_ms(path) == pytest.approx(0, abs=3)


@pytest.mark.parametrize(
    ("made_by", "late"),
    [
        ("Chrome", [0]),
        ("Chrome", [16]),
        ("Chrome", [0, 9, 12, 15, 16, 17]),
        ("Other", [15]),
        ("Other", [9, 12, 15, 16, 17]),
    ],
)
def test_packets_that_came_late_tear_no_hole(tmp_path: Path, made_by: str, late: list[int]) -> None:
    in_time, path = tmp_path / "time.webm", tmp_path / "late.webm"
    write(in_time, always(40), made_by)
    # Of packets that were held together each is less late than the one before.
    late_ms = {n: 35 if n - 1 in late else 55 for n in late}
    write(path, lambda n: 40 + late_ms.get(n, 0), made_by)
    _, wave = heard(path)
    _, whole = heard(in_time)
    assert wave.gaps == ()
    assert wave.start_s == pytest.approx(whole.start_s, abs=0.001)
    # Stamps are whole milliseconds, and the first samples may be before the recording.
    n = min(len(wave.values), len(whole.values))
    assert n / RATE_OUT == pytest.approx(len(whole.values) / RATE_OUT, abs=0.001)
    assert np.array_equal(wave.values[-n:], whole.values[-n:])
    assert stream_problems(path) == stream_problems(in_time)


def stream_problems(path: Path) -> list[str]:
    reading = stream(path)
    for _ in reading:
        pass
    return [problem for problem in reading.report.problems if "sound" in problem]


def test_sound_that_is_missing_stays_a_gap_behind_packets_that_came_late(tmp_path: Path) -> None:
    path = tmp_path / "answer.webm"
    # 200 ms are missing from the tenth packet on, which itself came 50 ms late.
    write(path, lambda n: 40 + (0 if n < 10 else 250 if n == 10 else 200), "Chrome")
    _, wave = heard(path)
    (gap,) = wave.gaps
    assert gap[1] - gap[0] == pytest.approx(0.2, abs=0.002)
    assert gap[0] == pytest.approx(0.6, abs=0.012)
    assert tone_after_flash_ms(path) == pytest.approx(200, abs=10)


def test_a_late_stamp_at_the_end_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "answer.webm"
    write(path, lambda n: 40 + 100 * (n >= 33), "Chrome")
    _, wave = heard(path)
    (gap,) = wave.gaps
    assert gap[1] - gap[0] == pytest.approx(0.1, abs=0.002)


def write_copy(path: Path, copy: Path) -> None:
    with av.open(str(path)) as before, av.open(str(copy), "w") as after:
        new = {one.index: after.add_stream_from_template(one) for one in before.streams}
        for packet in timely(before, before.demux()):
            if packet.dts is not None:
                packet.stream = new[packet.stream.index]
                after.mux(packet)


def differ_most(one: Waveform, other: Waveform) -> float:
    """How far two sounds lie apart where both are whole, at the shift of less than 2 ms (what stamps are
    rounded to) at which they fit best."""
    first = round((other.start_s - one.start_s + 0.3) * RATE_OUT)
    of_other = other.values[round(0.3 * RATE_OUT) :][: round(1.3 * RATE_OUT)]
    return min(
        float(np.abs(one.values[first + shift :][: len(of_other)] - of_other).max())
        for shift in range(-32, 33)
    )


@pytest.mark.parametrize("begins_ms", [-15, 0, 30])
@pytest.mark.parametrize("late", [[], [0, 9, 12, 15, 16, 17]])
def test_a_copy_says_itself_when_its_sound_sounds(
    tmp_path: Path, begins_ms: int, late: list[int]
) -> None:
    path, copy = tmp_path / "answer.webm", tmp_path / "copy.webm"
    late_ms = {n: 35 if n - 1 in late else 55 for n in late}
    write(path, lambda n: LATE_MS + begins_ms + late_ms.get(n, 0), "Chrome")
    write_copy(path, copy)
    with av.open(str(copy)) as film:
        assert film.metadata["ENCODER"] != "Chrome"
    assert tone_after_flash_ms(copy) == pytest.approx(tone_after_flash_ms(path), abs=2)
    (_, wave), (_, of_copy) = heard(path), heard(copy)
    assert of_copy.gaps == wave.gaps == ()
    assert differ_most(wave, of_copy) < 0.02
    # A packet that begins before the recording is left out whole.
    assert of_copy.start_s - wave.start_s <= (PACKET_MS + 2) / 1000


def test_a_copy_of_another_recording_keeps_its_stamps(tmp_path: Path) -> None:
    path = tmp_path / "answer.webm"
    write(path, lambda n: 40 + 55 * (n == 9), "Other")
    with av.open(str(path)) as one, av.open(str(path)) as other:
        stamps = [packet.pts for packet in one.demux()]
        assert [packet.pts for packet in timely(other, other.demux())] == stamps


@pytest.mark.parametrize("late_ms", [0, 55, 110])
def test_sound_before_the_pictures_begins_with_the_recording(tmp_path: Path, late_ms: int) -> None:
    path, copy = tmp_path / "answer.webm", tmp_path / "copy.webm"
    # The first packet, which is the first of all, came late; the pictures come after it.
    write(path, lambda n: late_ms if n == 0 else max(0, late_ms - 55), "Chrome", pictures_ms=150)
    write_copy(path, copy)
    (white_s, wave), (of_copy_s, of_copy) = heard(path), heard(copy)
    assert wave.start_s >= 0
    # Up to what the encoder of this test delays, and Chromium's does not say.
    assert of_copy_s == pytest.approx(white_s, abs=0.009)
    assert tone_after_flash_ms(copy) == pytest.approx(tone_after_flash_ms(path), abs=9)
    assert len(of_copy.values) == pytest.approx(len(wave.values), abs=0.01 * RATE_OUT)


@pytest.mark.parametrize("damaged", [1, 2, 3, 10])
def test_a_stamp_far_away_is_left_out_also_while_pieces_wait(tmp_path: Path, damaged: int) -> None:
    path = tmp_path / "answer.webm"
    write(path, lambda n: 40 + (2_000_000_000 if n >= damaged else 0), "Chrome")
    reading = stream(path)
    ends_s = [item.time_s for item in reading]
    assert max(ends_s) < 3
    assert "sound left out" in str(reading.report.problems)


def test_a_long_gap_costs_no_sound_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "answer.webm"
    write(path, lambda n: 599_900 if n >= 10 else 0, "Other")
    _, wave = heard(path)
    (gap,) = wave.gaps
    assert gap[1] - gap[0] == pytest.approx(599.9, abs=0.01)
    assert wave.end_s - gap[1] == pytest.approx(1.4, abs=0.05)
    assert stream_problems(path) == ["1 gap(s) in the sound, 599.90 s in all"]


def test_stamps_of_a_copy_never_go_back(tmp_path: Path) -> None:
    path, copy = tmp_path / "answer.webm", tmp_path / "copy.webm"
    write(path, lambda n: 100 + {10: -9, 11: -67}.get(n, -67 if n > 11 else 0), "Chrome")
    write_copy(path, copy)
    with av.open(str(copy)) as film:
        stamps = [packet.pts for packet in film.demux(audio=0) if packet.pts is not None]
    assert stamps == sorted(stamps)
    assert len(stamps) >= 33

"""Containers, sound and one pass over a file against slow references."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.media.test_reference_clocks import QUICK, nan, picture, ref

from twomind.media import stream as media
from twomind.media.arrivals import JITTER_S
from twomind.media.audio import AudioSpool, Resampling, Samples, Waveform
from twomind.media.clock import PictureClock, Restart
from twomind.media.endings import missing_bytes
from twomind.media.probe import Orientation, declared_s, orientation, origin_s
from twomind.media.stream import MediaStream

# --- containers
# -----------------------------------------------------------------------------------------------------


def test_the_origin_is_the_containers_start_and_some_declare_an_end() -> None:
    def held(names: str, start: int | None, duration: int | None) -> Any:
        return SimpleNamespace(
            start_time=start, duration=duration, format=SimpleNamespace(name=names)
        )

    assert origin_s(held("mov", 1_500_000, None)) == 1.5
    assert origin_s(held("mov", -250_000, None)) == -0.25
    assert origin_s(held("mov", None, None)) == 0.0
    assert declared_s(held("mov,mp4,m4a", 0, 2_500_000)) == 2.5
    assert declared_s(held("mov,mp4,m4a", 1_000_000, 2_500_000)) == 2.5, "of an MP4 it is a length"
    assert declared_s(held("matroska,webm", 1_000_000, 2_500_000)) == 1.5, (
        "of a Matroska it is an end stamp"
    )
    assert declared_s(held("matroska,webm", -1_000_000, 2_500_000)) == 2.5
    assert math.isnan(declared_s(held("matroska,webm", 0, None)))
    assert math.isnan(declared_s(held("mp3", 0, 2_500_000))), "guessed from the bit rate"


def test_missing_bytes_of_a_wave_and_of_an_mp4(tmp_path: Path) -> None:
    path = tmp_path / "x"

    def lacks(content: bytes) -> int:
        path.write_bytes(content)
        return missing_bytes(path)

    assert lacks(b"RIFF" + (20).to_bytes(4, "little") + b"x" * 20) == 0
    assert lacks(b"RIFF" + (20).to_bytes(4, "little") + b"x" * 17) == 3
    assert lacks(b"RIFF" + (20).to_bytes(4, "little") + b"x" * 30) == 0
    assert lacks(b"RIFF" + b"\xff" * 4 + b"x" * 8) == 0, "written live: the size is not known"
    assert lacks(b"RIFF") == 0
    box = (16).to_bytes(4, "big") + b"ftyp" + b"x" * 8
    assert lacks(box) == 0
    assert lacks(box + (40).to_bytes(4, "big") + b"mdat" + b"x" * 10) == 22
    assert lacks(box + (0).to_bytes(4, "big") + b"mdat" + b"x" * 10) == 0, (
        "0: to the end of the file"
    )
    long = (1).to_bytes(4, "big") + b"mdat" + (50).to_bytes(8, "big") + b"x" * 4
    assert lacks(box + long) == 30
    assert lacks(b"just text, no boxes") == 0


def test_turned_pictures_say_how_far() -> None:
    degrees = {
        (False, False, False): 0,
        (False, True, True): 180,
        (True, False, True): 90,
        (True, True, False): 270,
    }
    picture_px = np.arange(18).reshape(2, 3, 3)
    for flags, turn in degrees.items():
        one = Orientation(*flags)
        assert one.rotation_deg == turn
        assert np.array_equal(one.apply(picture_px), np.rot90(picture_px, turn // 90)), flags


# --- sound
# ----------------------------------------------------------------------------------------------------------


@QUICK
@given(
    st.lists(st.tuples(st.integers(-30, 30), st.integers(0, 20)), min_size=1, max_size=8),
    st.sampled_from([0, 4, 8]),
)
def test_the_spool_lays_samples_at_their_stamps(
    runs: list[tuple[int, int]], tolerance: int
) -> None:
    """Stamps in whole samples of 1/64 s, so that a stray of exactly the tolerance is exact."""
    rate, at, pushed = 64, 320, []
    for k, (stray, n) in enumerate(runs):
        pushed.append(((at + stray * (k > 0)) / rate, [k + 1.0 + i / 100 for i in range(n)]))
        at += n
    spool = AudioSpool(rate, tolerance / rate)
    for time_s, values in pushed:
        spool.push(Samples(time_s, np.array(values, np.float32)))
    sound, holes = ref.spool(pushed, rate, tolerance / rate)
    wave = spool.waveform()
    assert len(spool) == len(sound)
    assert np.array_equal(wave.values, np.array(sound, np.float32))
    start_s = next((t for t, v in pushed if v), nan)
    assert wave.start_s == pytest.approx(start_s, nan_ok=True)
    expected = [(start_s + a / rate, start_s + b / rate) for a, b in holes]
    assert np.allclose(np.ravel(wave.gaps), np.ravel(expected))
    spool.close()


def test_the_end_of_a_waveform() -> None:
    assert Waveform(np.zeros(32), 16, 1.5).end_s == 3.5


def sound_frame(n: int, rate: int = 8000, level: float = 0.5) -> Any:
    av = pytest.importorskip("av")
    frame = av.AudioFrame.from_ndarray(
        np.full((1, n), level, np.float32), format="flt", layout="mono"
    )
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    return frame


def hear(stamps: list[tuple[int, float | None]]) -> tuple[Resampling, list[Samples]]:
    """Frames of n samples at their times, resampled from and to 8000 Hz."""
    sound = Resampling(8000)
    out: list[Samples] = []
    for n, time_s in stamps:
        out += sound.push(sound_frame(n), time_s)
    out += sound.flush()
    return sound, out


def test_sound_within_the_jitter_is_one_run_and_beyond_it_a_gap_or_an_overlap() -> None:
    assert JITTER_S == 0.010
    within, out = hear([(800, 1.0), (800, 1.1 + 0.0099), (800, 1.2 - 0.0099)])
    assert (within.gaps, within.n_overlaps) == ([], 0)
    assert out[0].time_s == 1.0
    assert sum(len(s.values) for s in out) == 2400
    times = [s.time_s for s in out]
    assert times == pytest.approx(
        [1.0 + sum(len(s.values) for s in out[:k]) / 8000 for k in range(len(out))]
    )
    late, out = hear([(800, 1.0), (800, 1.1 + 0.0101)])
    assert late.gaps == [(pytest.approx(1.1), pytest.approx(1.1101))]
    assert late.n_overlaps == 0
    assert any(s.time_s == pytest.approx(1.1101) for s in out)
    early, _ = hear([(800, 1.0), (800, 1.1 - 0.0101)])
    assert (early.gaps, early.n_overlaps) == ([], 1)


def test_sound_without_a_stamp_follows_what_was_before_and_empty_frames_count_for_nothing() -> None:
    sound, out = hear([(800, 2.0), (800, None), (800, 2.2)])
    assert (sound.n_without_stamp, sound.gaps, sound.n_overlaps) == (1, [], 0)
    assert sum(len(s.values) for s in out) == 2400
    silent = Resampling(8000)
    assert list(silent.push(SimpleNamespace(samples=0), 1.0)) == []  # type: ignore[arg-type]
    assert silent.n_without_stamp == 0
    assert list(silent.flush()) == []


def test_another_sample_rate_begins_a_new_run_at_its_stamp() -> None:
    sound = Resampling(8000)
    out = list(sound.push(sound_frame(800, 8000), 0.0))
    out += list(sound.push(sound_frame(1600, 16000), 0.1))
    out += list(sound.flush())
    assert (sound.gaps, sound.n_overlaps) == ([], 0)
    assert sum(len(s.values) for s in out) == pytest.approx(1600, abs=20)
    assert any(s.time_s == 0.1 for s in out)


# --- one pass over a file
# -------------------------------------------------------------------------------------------


def heard_at(
    stamps: list[float | None], origin: float, declared: float
) -> tuple[list[float | None], int]:
    """The times that sound packets of an eighth of a second are pushed at, and how many are left
    out.
    """
    pushed: list[float | None] = []

    class Sound:
        def push(self, frame: Any, time_s: float | None) -> list[Any]:
            pushed.append(time_s)
            return []

    one: Any = SimpleNamespace(
        _audio=SimpleNamespace(time_base=Fraction(1, 8)),
        _origin_s=origin,
        _declared_s=declared,
        _sound_taken_s=nan,
        _n_sound_left_out=0,
        _sound=Sound(),
    )
    for at in stamps:
        pts = None if at is None else round(at * 8)
        frame: Any = SimpleNamespace(pts=pts, samples=1000, sample_rate=8000)
        list(MediaStream._hear(one, frame))
    return pushed, one._n_sound_left_out


def test_sound_far_past_the_declared_end_or_far_ahead_is_left_out() -> None:
    assert heard_at([2.0, None, 2.5], 2.0, 20.0) == ([0.0, None, 0.5], 0), (
        "zero is the container's start"
    )
    assert heard_at([30.0], 0.0, 20.0) == ([30.0], 0), "10 s past the end is still taken"
    assert heard_at([30.125], 0.0, 20.0) == ([], 1)
    assert heard_at([0.0, 600.125], 0.0, nan) == ([0.0, 600.125], 0), (
        "600 s after the end of what was heard"
    )
    assert heard_at([0.0, 600.25], 0.0, nan) == ([0.0], 1)
    assert heard_at([0.0, None, 600.25], 0.0, nan) == ([0.0, None, 600.25], 0), (
        "sound without a stamp goes on"
    )
    assert heard_at([5000.0], 0.0, nan) == ([5000.0], 0), "the first sound may begin anywhere"


def test_samples_are_counted_and_the_sound_ends_with_the_latest() -> None:
    one: Any = SimpleNamespace(sample_rate_hz=8, _sound_start_s=nan, _sound_end_s=nan, _n_samples=0)
    runs = [Samples(1.0, np.zeros(8)), Samples(2.0, np.zeros(4)), Samples(1.5, np.zeros(2))]
    assert list(MediaStream._count(one, iter(runs))) == runs
    assert (one._sound_start_s, one._sound_end_s, one._n_samples) == (1.0, 2.5, 14)


def missing_of(tmp_path: Path, measured: float, declared: float, **change: Any) -> str:
    path = tmp_path / "whole"
    path.write_bytes(b"no container")
    values: dict[str, Any] = {
        "info": SimpleNamespace(path=path, has_video=True, has_audio=True),
        "_broke_off": False,
        "_video": object(),
        "_audio": object(),
        "_declared_s": declared,
        "_has_more": False,
        **change,
    }
    return MediaStream._missing(SimpleNamespace(**values), measured)  # type: ignore[arg-type]


def test_a_file_is_truncated_when_more_than_half_a_second_of_it_is_missing(tmp_path: Path) -> None:
    assert media.TRUNCATED_S == 0.5
    assert missing_of(tmp_path, 9.5, 10.0) == ""
    assert (
        missing_of(tmp_path, 9.25, 10.0)
        == "truncated: ends at 9.25 s, its container declares 10.00 s"
    )
    assert missing_of(tmp_path, 9.0, nan) == ""
    assert missing_of(tmp_path, nan, 10.0) == ""
    assert missing_of(tmp_path, 9.0, 10.0, _audio=None) == "", (
        "the sound, which was not asked for, may be the longer"
    )
    assert missing_of(tmp_path, 9.0, 10.0, _video=None) == ""
    assert missing_of(tmp_path, 9.0, 10.0, _has_more=True) == "", "so may another stream"
    silent = SimpleNamespace(path=tmp_path / "whole", has_video=True, has_audio=False)
    assert missing_of(tmp_path, 9.0, 10.0, _audio=None, info=silent).startswith("truncated")
    assert "could not be read" in missing_of(tmp_path, 10.0, 10.0, _broke_off=True)


def test_the_report_ends_with_the_later_of_pictures_and_sound(tmp_path: Path) -> None:
    def report(last_picture: float | None, sound_end: float) -> Any:
        one: Any = MediaStream.__new__(MediaStream)
        clock = PictureClock(0.0, math.inf)
        if last_picture is not None:
            clock.time(picture(0.0, length=0.25), 0.25)
            clock.time(picture(last_picture, length=0.25), 0.25)
        path = tmp_path / "whole"
        path.write_bytes(b"no container")
        one.info = SimpleNamespace(
            path=path, has_video=True, has_audio=True, problems=("said before",)
        )
        one._pictures, one._sound, one._declared_s, one._origin_s = (
            clock,
            Resampling(8000),
            nan,
            0.0,
        )
        one._restart, one._has_more = Restart(), False
        one._video = one._audio = object()
        one._done, one._broke_off = True, False
        one._n_frames, one._n_samples = 2, 8
        one._n_bad = one._n_read_errors = one._n_sound_left_out = 0
        one._sound_start_s, one._sound_end_s, one._sizes = 0.0, sound_end, [(4, 4)]
        return one.report

    assert report(1.0, 5.0).duration_s == 5.0
    assert report(1.0, nan).duration_s == 1.25
    assert report(8.0, 5.0).duration_s == 8.25
    assert math.isnan(report(None, nan).duration_s)
    found = report(1.0, 5.0)
    assert (found.first_frame_s, found.last_frame_s, found.audio_start_s, found.audio_end_s) == (
        0.0,
        1.0,
        0.0,
        5.0,
    )
    assert found.problems == ("said before",)
    assert not found.truncated


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), Orientation()),
        ((0, 1, -1, 0), Orientation(True, True, False)),
        ((0, -1, 1, 0), Orientation(True, False, True)),
        ((-1, 0, 0, -1), Orientation(False, True, True)),
        ((-1, 0, 0, 1), Orientation(False, True, False)),
    ],
)
def test_the_display_matrix_turns_the_picture(
    matrix: tuple[int, int, int, int], expected: Orientation
) -> None:
    """Shown x' = a x + c y, y' = b x + d y: a pixel at (x, y) off the middle comes to lie at (x',
    y') off it.
    """
    a, b, c, d = matrix
    one = 1 << 16
    data = np.array([a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30], np.int32).tobytes()
    frame: Any = SimpleNamespace(side_data={"DISPLAYMATRIX": data})
    found = orientation(frame)
    assert found == expected
    stored = np.arange(9 * 3).reshape(3, 3, 3)
    shown = found.apply(stored)
    for x, y in itertools.product((-1, 0, 1), repeat=2):
        assert np.array_equal(shown[1 + b * x + d * y, 1 + a * x + c * y], stored[1 + y, 1 + x])
    assert orientation(SimpleNamespace(side_data={})) == Orientation()  # type: ignore[arg-type]

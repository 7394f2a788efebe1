"""Parts of the clock that no file shows by itself: the spool, stamps that jump, read errors."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twomind.media.clock import PictureClock
from twomind.media.probe import Orientation
from twomind.media.stream import AudioSpool, Frame, MediaStream, Samples, stream

RATE = 16000


@settings(deadline=None, max_examples=60)
@given(
    runs=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 3000)), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 700), min_size=1, max_size=40),
    start_s=st.floats(-3, 100),
)
def test_the_waveform_does_not_depend_on_the_chunks(
    runs: list[tuple[int, int]], cuts: list[int], start_s: float
) -> None:
    whole, pieces, expected, gaps = AudioSpool(RATE), AudioSpool(RATE), [], []
    at = 0
    for k, (hole, n) in enumerate(runs):
        # The first run defines the start; holes within the tolerance of 16 samples close up and are
        # no gaps.
        hole = 0 if k == 0 or hole <= 16 else hole
        expected.append(np.zeros(hole, np.float32))
        if hole:
            gaps.append((start_s + at / RATE, start_s + (at + hole) / RATE))
        at += hole
        values = np.random.default_rng(k).uniform(0.1, 1, n).astype(np.float32)
        expected.append(values)
        whole.push(Samples(start_s + at / RATE, values))
        done = 0
        while done < n:
            step = cuts[(k + done) % len(cuts)]
            pieces.push(Samples(start_s + (at + done) / RATE, values[done : done + step]))
            done += step
        at += n
    truth = np.concatenate(expected)
    for spool in (whole, pieces):
        wave = spool.waveform()
        assert np.array_equal(wave.values, truth)
        assert wave.start_s == start_s
        assert np.allclose(np.ravel(wave.gaps), np.ravel(gaps), atol=1e-9)
        spool.close()


def test_overlap_keeps_what_came_first() -> None:
    spool = AudioSpool(RATE)
    spool.push(Samples(1.0, np.full(1600, 0.1, np.float32)))
    spool.push(Samples(1.05, np.full(1600, 0.2, np.float32)))
    spool.push(Samples(1.0, np.full(100, 0.9, np.float32)))
    wave = spool.waveform()
    assert len(wave.values) == 2400
    assert wave.end_s == pytest.approx(1.15)
    assert wave.gaps == ()
    assert np.all(wave.values[:1600] == np.float32(0.1))
    assert np.all(wave.values[1600:] == np.float32(0.2))


def test_jittering_stamps_make_no_seam_and_do_not_drift() -> None:
    spool, rng = AudioSpool(RATE, tolerance_s=0.01), np.random.default_rng(0)
    for k in range(500):
        spool.push(
            Samples(k * 0.02 + rng.uniform(-0.004, 0.004) * (k > 0), np.full(320, 0.5, np.float32))
        )
    wave = spool.waveform()
    assert len(wave.values) == 500 * 320
    assert wave.gaps == ()
    assert wave.values.min() == np.float32(0.5)


def test_spool_grows_after_reading_and_refuses_nonsense() -> None:
    spool = AudioSpool(RATE)
    assert len(spool.waveform().values) == 0
    assert math.isnan(spool.waveform().start_s)
    spool.push(Samples(0.0, np.ones(10, np.float32)))
    first = spool.waveform()
    spool.push(Samples(1.0, np.ones(10, np.float32)))
    assert len(first.values) == 10
    assert len(spool.waveform().values) == RATE + 10
    with pytest.raises(ValueError, match="finite time"):
        spool.push(Samples(math.nan, np.ones(3, np.float32)))
    with pytest.raises(ValueError, match=r"\(n,\)"):
        spool.push(Samples(0.0, np.ones((3, 2), np.float32)))


def _shown(*stamps: tuple[int | None, int | None]) -> tuple[list[float | None], PictureClock]:
    clock = PictureClock(0.0, math.inf)
    return [
        clock.time(SimpleNamespace(pts=p, dts=d, duration=40, is_corrupt=False), 0.001)  # type: ignore[arg-type]
        for p, d in stamps
    ], clock


def test_a_stamp_that_goes_back_is_left_out_not_moved() -> None:
    times, clock = _shown((0, 0), (40, 40), (20, 80), (40, 100), (80, 120))
    assert times == pytest.approx([0, 0.04, None, 0.04, 0.08])
    assert clock.n_left_out == 1
    assert "before the picture" in clock.problems()[0]


def test_a_missing_stamp_is_derived_and_told() -> None:
    times, clock = _shown((None, None), (0, 0), (40, 40), (None, 80), (None, None), (160, 160))
    assert times == pytest.approx([None, 0, 0.04, 0.08, 0.12, 0.16])
    assert clock.n_unstamped == 1
    assert clock.n_derived == 2
    assert len(clock.problems()) == 2


def test_one_absurd_stamp_does_not_swallow_the_rest() -> None:
    times, clock = _shown((0, 0), (40, 40), (9_000_000, 80), (120, 120))
    assert times == pytest.approx([0, 0.04, None, 0.12])
    assert clock.n_absurd == 1


def test_a_long_hole_between_pictures_is_told() -> None:
    _, clock = _shown((0, 0), (40, 40), (5040, 5040))
    assert clock.problems() == ["no picture from 0.04 s to 5.04 s"]


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip_x", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
def test_orientation_turns_and_mirrors(transpose: bool, flip_x: bool, flip_y: bool) -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    turn = Orientation(transpose, flip_x, flip_y)
    shown = turn.apply(picture)
    assert shown.flags.c_contiguous
    assert shown.shape == ((4, 2, 3) if transpose else (2, 4, 3))
    # A mirrored picture counts its turn before the mirroring along x.
    turned = np.rot90(picture, turn.rotation_deg // 90)
    assert np.array_equal(shown, turned) or np.array_equal(shown, turned[:, ::-1])


class _Faulty:
    """A container whose reading fails again and again, with packets between the failures."""

    def __init__(self, script: list[Any]) -> None:
        self.script = script

    def demux(self, _streams: Any) -> Any:
        while self.script:
            item = self.script.pop(0)
            if isinstance(item, Exception):
                raise item
            yield item


def _read(script: list[Any]) -> tuple[list[Any], Any]:
    reader: Any = SimpleNamespace(
        _container=_Faulty(script), _video=object(), _audio=None, _n_read_errors=0, _broke_off=False
    )
    return list(MediaStream._packets(reader)), reader


def test_reading_goes_on_after_errors_and_gives_up_in_the_end() -> None:
    import av

    def bad() -> Exception:
        return av.error.InvalidDataError(1, "bad")

    good = SimpleNamespace(size=3)
    packets, reader = _read([good, bad(), bad(), good, SimpleNamespace(size=0)])
    assert packets == [good, good]
    assert reader._n_read_errors == 2
    assert not reader._broke_off
    packets, reader = _read([good, bad()])
    assert packets == [good]
    assert reader._broke_off
    packets, reader = _read([good, *(bad() for _ in range(500)), good])
    assert packets == [good]
    assert reader._broke_off


@pytest.mark.parametrize(("shape", "seen"), [((2, 1), (48, 128)), ((1, 2), (96, 64))])
def test_pixels_that_are_not_square_are_made_so(
    tmp_path: Path, shape: tuple[int, int], seen: tuple[int, int]
) -> None:
    path = tmp_path / "wide.avi"
    with av.open(str(path), "w") as film:
        pictures = film.add_stream("mpeg4", rate=10)
        pictures.width, pictures.height = 64, 48
        pictures.codec_context.sample_aspect_ratio = Fraction(*shape)
        for _ in range(2):
            grey = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, np.uint8), format="rgb24")
            film.mux(pictures.encode(grey.reformat(format="yuv420p")))
        film.mux(pictures.encode())
    read = stream(path)
    frames = [item for item in read if isinstance(item, Frame)]
    assert {frame.rgb.shape[:2] for frame in frames} == {seen}
    assert (read.info.height_px, read.info.width_px) == seen
    assert any("pixels are not square" in problem for problem in read.report.problems)


def test_samples_that_are_no_numbers_are_silence_and_told(tmp_path: Path) -> None:
    path = tmp_path / "nan.wav"
    values = np.full(1600, 0.25, np.float32)
    values[::100] = np.nan
    head = struct.pack("<IHHIIHH", 16, 3, 1, 16000, 64000, 4, 32)
    data = b"data" + struct.pack("<I", values.nbytes) + values.tobytes()
    path.write_bytes(b"RIFF" + struct.pack("<I", 28 + len(data)) + b"WAVEfmt " + head + data)
    read = stream(path)
    heard = np.concatenate([item.values for item in read if isinstance(item, Samples)])
    assert np.isfinite(heard).all()
    assert (heard == 0).sum() == 16
    assert (
        "16 sample(s) of the sound are no numbers; they were taken as silence"
        in read.report.problems
    )

"""The one true clock: every burnt-in number comes out at its own time, beside its beep, whatever
the container does.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import media_files as make
from patience import HANG_S
from twomind.core.errors import BadInput
from twomind.media.recording import find_media
from twomind.media.stream import (
    AudioSpool,
    Frame,
    MediaStream,
    Samples,
    StreamReport,
    Waveform,
    prefetch,
    probe,
    stream,
)

F = Fraction
FAST, B_FRAMES, VPX = make.FAST, make.B_FRAMES, make.VPX
KINDS = make.KINDS
N, BEEPS = make.N_FRAMES, make.BEEPS


def read(path: Path, **kwargs: Any) -> tuple[list[Frame], Waveform, StreamReport]:
    source, spool, frames = stream(path, **kwargs), AudioSpool(), []
    for item in source:
        if isinstance(item, Frame):
            frames.append(item)
        else:
            spool.push(item)
    return frames, spool.waveform(), source.report


def written(folder: Path, kind: str) -> tuple[Any, float]:
    return make.write_kind(folder, kind), KINDS[kind].rounding_s


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole MP4 with its index in front."""
    path = tmp_path_factory.mktemp("plain") / "whole.mp4"
    make.write(
        path,
        make.constant(N),
        video_options=B_FRAMES,
        beeps=BEEPS,
        options={"movflags": "faststart"},
    )
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_at_its_time_and_the_beep_beside_it(kind: str, tmp_path: Path) -> None:
    truth, tolerance_s = written(tmp_path, kind)
    frames, sound, report = read(truth.path)
    assert [make.read_number(f.rgb) for f in frames] == list(range(N))
    assert [f.index for f in frames] == list(range(N))
    assert report.n_frames == N
    assert report.n_left_out == report.n_bad_packets == 0

    times = np.array([f.time_s for f in frames])
    # The container may shift everything by one constant; the distances are the truth, to what it
    # rounds to.
    error = (times - times[0]) - (truth.stamps_s - truth.stamps_s[0])
    assert np.abs(error).max() <= tolerance_s
    heard = make.onsets_s(sound.values, sound.sample_rate_hz, sound.start_s)
    assert len(heard) == len(BEEPS)
    for at, beep in zip(heard, BEEPS, strict=True):
        assert at == pytest.approx(times[beep], abs=0.005)
    assert not report.truncated


@pytest.mark.parametrize(
    ("kind", "first_frame_s", "sound_start_s"),
    [
        ("mp4 29.97 fps", 0.0, 0.0),
        ("webm vp8 live", 0.0, 0.0),
        ("mkv starts late, sound later", 0.0, 0.25),
        ("mkv sound earlier", 0.75, 0.0),
    ],
)
def test_zero_is_the_earliest_stream(
    kind: str, first_frame_s: float, sound_start_s: float, tmp_path: Path
) -> None:
    truth, _ = written(tmp_path, kind)
    _, sound, report = read(truth.path)
    assert report.first_frame_s == pytest.approx(first_frame_s, abs=0.001)
    assert sound.start_s == pytest.approx(sound_start_s, abs=0.008)
    assert probe(truth.path).origin_s == pytest.approx(
        min(truth.stamps_s[0], truth.audio_start_s), abs=0.008
    )


def test_browser_webm_has_no_duration_until_measured(tmp_path: Path) -> None:
    truth, _ = written(tmp_path, "webm vp8 live")
    assert math.isnan(probe(truth.path).duration_s)
    _, _, report = read(truth.path)
    assert report.duration_s == pytest.approx(truth.audio_end_s, abs=0.03)
    cut = make.cut(truth.path, tmp_path / "cut.webm", 0.6)
    frames, sound, _ = read(cut)
    assert 20 < len(frames) < N
    assert [make.read_number(f.rgb) for f in frames] == list(range(len(frames)))
    assert [f.time_s for f in frames] == pytest.approx(truth.stamps_s[: len(frames)], abs=0.0011)
    assert make.onsets_s(sound.values, 16000, sound.start_s)[0] == pytest.approx(
        truth.stamps_s[20], abs=0.005
    )


def test_negative_first_stamp(tmp_path: Path) -> None:
    truth = make.write(
        tmp_path / "a.mkv",
        make.constant(N),
        audio_codec="libopus",
        audio_start=F(-1, 4),
        video_options=FAST,
        beeps=BEEPS,
        options={"avoid_negative_ts": "disabled"},
    )
    info = probe(truth.path)
    assert info.origin_s == pytest.approx(-0.25, abs=0.01)
    frames, sound, _ = read(truth.path)
    assert frames[0].time_s == pytest.approx(-info.origin_s, abs=0.001)
    assert make.onsets_s(sound.values, 16000, sound.start_s)[1] == pytest.approx(
        frames[60].time_s, abs=0.005
    )


def test_edit_list_cuts_pictures_and_sound_before_zero(tmp_path: Path) -> None:
    truth = make.write(
        tmp_path / "a.mp4",
        make.constant(N, start=F(-1, 2)),
        audio_start=F(-1, 4),
        video_options=FAST,
        beeps=BEEPS,
        options={"avoid_negative_ts": "disabled"},
    )
    frames, sound, report = read(truth.path)
    numbers = [make.read_number(f.rgb) for f in frames]
    assert numbers == list(range(15, N))
    assert report.n_frames == N - 15
    assert [f.time_s for f in frames] == pytest.approx(truth.stamps_s[15:], abs=0.001)
    assert make.onsets_s(sound.values, 16000, sound.start_s) == pytest.approx(
        [truth.stamps_s[k] for k in BEEPS], abs=0.005
    )


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_rotation_is_applied(turn: int, ending: str, tmp_path: Path) -> None:
    truth = make.write(
        tmp_path / f"a.{ending}",
        make.constant(12),
        rotation_deg=turn,
        audio_codec=None,
        video_options=FAST,
    )
    info = probe(truth.path)
    assert (info.rotation_deg, info.width_px, info.height_px) == (
        turn,
        make.WIDTH_PX,
        make.HEIGHT_PX,
    )
    frames, _, _ = read(truth.path)
    assert [make.read_number(f.rgb) for f in frames] == list(range(12))
    assert all(f.rgb.flags.c_contiguous and f.rgb.dtype == np.uint8 for f in frames)


def test_no_sound(tmp_path: Path) -> None:
    truth = make.write(tmp_path / "a.mp4", make.constant(12), audio_codec=None, video_options=FAST)
    info = probe(truth.path)
    assert info.has_video
    assert not info.has_audio
    frames, sound, report = read(truth.path)
    assert len(frames) == 12
    assert len(sound.values) == 0
    assert math.isnan(sound.start_s)
    assert math.isnan(report.audio_start_s)
    with pytest.raises(BadInput, match="sound"):
        stream(truth.path, video=False)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.m4a", {"format": "mp4"}),
        ("a.wav", {"audio_codec": "pcm_s16le"}),
        ("cover.mp4", {"cover": True}),
    ],
)
def test_no_moving_pictures(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    truth = make.write(tmp_path / name, None, beeps=BEEPS, **arguments)
    info = probe(truth.path)
    assert info.has_audio
    assert not info.has_video
    assert (info.width_px, info.height_px) == (0, 0)
    frames, sound, report = read(truth.path)
    assert not frames
    assert math.isnan(report.first_frame_s)
    heard = make.onsets_s(sound.values, 16000, sound.start_s)
    assert heard == pytest.approx([float(make.constant(N)[k]) for k in BEEPS], abs=0.005)
    if name == "a.wav":  # no codec delay or padding: every sample must come through
        assert len(sound.values) == pytest.approx(truth.audio_end_s * 16000, abs=2)
    with pytest.raises(BadInput, match="pictures"):
        stream(truth.path, audio=False)


def test_lost_sound_is_a_gap_and_moves_nothing(tmp_path: Path) -> None:
    truth = make.write(
        tmp_path / "a.mkv",
        make.constant(N),
        video_options=FAST,
        beeps=BEEPS,
        drop_audio=((1.0, 1.2), (1.5, 1.6)),
    )
    frames, sound, report = read(truth.path)
    assert len(report.gaps) == len(sound.gaps) == 2
    for (start_s, end_s), lost in zip(sound.gaps, ((1.0, 1.2), (1.5, 1.6)), strict=True):
        assert (start_s, end_s) == pytest.approx(lost, abs=0.03)
        first, last = (round((t - sound.start_s) * 16000) for t in (start_s, end_s))
        assert not sound.values[first:last].any()
    assert make.onsets_s(sound.values, 16000, sound.start_s)[-1] == pytest.approx(
        frames[60].time_s, abs=0.005
    )


def test_truncated_file_gives_its_beginning_and_says_so(plain: Path, tmp_path: Path) -> None:
    assert not read(plain)[2].truncated
    frames, _, report = read(make.cut(plain, tmp_path / "cut.mp4", 0.6))
    assert report.truncated
    assert any("truncated" in p for p in report.problems)
    assert 20 < len(frames) < N
    true = {k: f.time_s for k, f in enumerate(read(plain)[0])}
    # The cut may fall between a picture and those that are shown before it but stored after it.
    assert {make.read_number(f.rgb): f.time_s for f in frames}.items() <= true.items()


def test_truncation_shows_without_any_missing_byte_count(tmp_path: Path) -> None:
    truth = make.write(
        tmp_path / "a.flv", make.constant(N), audio_rate_hz=44100, video_options=FAST
    )
    assert not read(truth.path)[2].truncated
    report = read(make.cut(truth.path, tmp_path / "cut.flv", 0.5))[2]
    assert report.truncated
    assert any("declares" in p for p in report.problems)


def test_a_late_start_is_no_cut(tmp_path: Path) -> None:
    truth = make.write(
        tmp_path / "a.mkv", make.constant(N, start=F(3)), audio_start=F(3), video_options=FAST
    )
    assert not read(truth.path)[2].truncated
    assert probe(truth.path).duration_s == pytest.approx(truth.audio_end_s - 3, abs=0.05)
    report = read(make.cut(truth.path, tmp_path / "cut.mkv", 0.5))[2]
    assert report.truncated
    assert report.duration_s < 2


def test_damage_costs_only_what_it_hits(shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "faces" / "WolfgangLanger_Pexels.mp4"
    true_times = {f.time_s for f in stream(source, audio=False) if isinstance(f, Frame)}
    frames, sound, report = read(make.damage(source, tmp_path / "hit.mp4", 400, 0.1, 0.9))
    assert len(true_times) == 472
    assert len(frames) >= 465
    assert report.n_bad_packets > 0
    assert {f.time_s for f in frames} <= true_times
    assert any(f.damaged for f in frames)
    assert sound.end_s == pytest.approx(19.69, abs=0.05)


def test_damage_in_the_middle_of_a_made_file(plain: Path, tmp_path: Path) -> None:
    true = {k: f.time_s for k, f in enumerate(read(plain)[0])}
    frames, sound, report = read(make.damage(plain, tmp_path / "hit.mp4", 20))
    assert len(frames) >= N - 8
    assert report.problems
    readable = {
        n: f.time_s for f in frames if (n := make.read_number(f.rgb)) is not None and not f.damaged
    }
    assert len(readable) > 20
    shown_late = [n for n, t in readable.items() if abs(t - true[n]) > 1 / 29]
    # A picture that the decoder froze shows an older number; those before the damage must all be
    # right.
    assert not [n for n in shown_late if n < 30]
    assert sound.end_s == pytest.approx(3.47, abs=0.05)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.mp4", b"", "empty"),
        ("text.mp4", b"this is not a film\n" * 40, "text"),
        ("notes.txt", b"this is not a film\n" * 40, "text"),
        ("words.srt", b"1\n00:00:01,000 --> 00:00:02,000\none\n\n" * 4, "text"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:3.0,\n/etc/passwd\n#EXT-X-ENDLIST\n", "text"),
        ("zeros.mp4", bytes(50_000), "zeros"),
        ("noise.webm", bytes(range(255, 0, -1)) * 300, "not one"),
    ],
)
def test_what_is_no_media_is_named(
    name: str, content: bytes, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for opening in (probe, stream):
        with pytest.raises(BadInput, match=expected) as caught:
            opening(path)
        assert str(path) in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        probe(tmp_path / "nowhere.mp4")
    with pytest.raises(BadInput, match="folder"):
        probe(tmp_path)


@pytest.mark.parametrize("ending", ["mp4", "mov"])
def test_recording_without_its_index_is_explained(ending: str, tmp_path: Path) -> None:
    truth = make.write(tmp_path / f"a.{ending}", make.constant(N), video_options=FAST)
    for share in (0.3, 0.98):
        cut = make.cut(truth.path, tmp_path / f"cut.{ending}", share)
        with pytest.raises(BadInput, match="no index"):
            probe(cut)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_still_picture_is_one_frame_and_has_no_length(ending: str, tmp_path: Path) -> None:
    import av

    path = tmp_path / f"photo.{ending}"
    drawn = make.draw_number(5)
    av.VideoFrame.from_ndarray(drawn, "rgb24").save(str(path))
    info = probe(path)
    assert info.has_video
    assert not info.has_audio
    assert not info.problems
    (frame,) = stream(path, audio=False)
    assert isinstance(frame, Frame)
    assert frame.time_s == 0.0
    assert np.abs(frame.rgb.astype(int) - drawn).mean() < 12
    # What a picture is, its bytes say.
    other = tmp_path / "photo.gif"
    path.rename(other)
    assert probe(other).width_px == info.width_px


def test_pictures_of_a_folder_count_where_it_holds_nothing_else(tmp_path: Path) -> None:
    picture = tmp_path / "P1_happy.PNG"
    picture.write_bytes(b"any")
    assert find_media([tmp_path]) == [picture]
    (tmp_path / "P1.wav").write_bytes(b"any")
    assert find_media([tmp_path]) == [tmp_path / "P1.wav"]


def test_drawn_people_are_marked(tmp_path: Path) -> None:
    for name, comment, codec, sound in (
        ("a.mp4", "twomind drawn person", "libx264", "aac"),
        ("b.webm", "twomind drawn person", "libvpx", "libopus"),
        ("c.mp4", "holiday", "libx264", "aac"),
    ):
        options = VPX if codec == "libvpx" else FAST
        make.write(
            tmp_path / name,
            make.constant(5),
            codec=codec,
            audio_codec=sound,
            video_options=options,
            metadata={"comment": comment},
        )
        assert probe(tmp_path / name).drawn is (comment != "holiday")


@pytest.mark.parametrize(
    ("name", "n_frames"),
    [
        ("WolfgangLanger_Pexels.mp4", 472),
        ("single_face.mp4", 72),
        ("no_face.mp4", 95),
        ("face_noface.mov", 169),
    ],
)
def test_real_files(name: str, n_frames: int, shared: Path) -> None:
    source = stream(shared / "data" / "faces" / name)
    spool = AudioSpool()
    times = []
    for item in prefetch(source):
        if isinstance(item, Frame):
            times.append(item.time_s)
        else:
            spool.push(item)
    assert len(times) == n_frames == source.report.n_frames
    assert times[0] == 0
    assert np.all(np.diff(times) > 0)
    assert not source.report.truncated
    assert not source.report.problems
    if name == "face_noface.mov":
        assert spool.waveform().start_s == pytest.approx(107164 / 44100, abs=0.001)
        assert source.report.audio_start_s == pytest.approx(107164 / 44100, abs=0.001)


def test_prefetch_gives_the_same_items(plain: Path) -> None:
    def facts(items: Any) -> list[tuple[str, float, float]]:
        return [
            ("frame", i.time_s, float(i.rgb.sum()))
            if isinstance(i, Frame)
            else ("sound", i.time_s, float(i.values.sum()))
            for i in items
        ]

    assert facts(prefetch(stream(plain), 3)) == facts(stream(plain))


def test_prefetch_passes_errors_on() -> None:
    def broken() -> Any:
        yield 1
        raise KeyError("inside")

    items = prefetch(broken())
    assert next(items) == 1
    with pytest.raises(KeyError, match="inside"):
        next(items)


@pytest.mark.parametrize("n", [1, 2])
def test_prefetch_stops_a_source_that_waits_for_room(n: int) -> None:
    import threading

    ended = threading.Event()

    def endless() -> Any:
        try:
            while True:
                yield 0
        finally:
            ended.set()

    items = prefetch(endless(), n)
    next(items)
    items.close()
    assert ended.is_set()
    assert not [t for t in threading.enumerate() if t.name == "twomind-prefetch"]


def test_small_pictures_are_decoded_by_one_thread(plain: Path) -> None:
    with stream(plain) as small:
        assert small._video is not None
        assert small._video.codec_context.thread_count == 1


def test_prefetch_runs_ahead_of_the_consumer() -> None:
    import threading

    made = threading.Semaphore(0)

    def source() -> Any:
        for i in range(4):
            made.release()
            yield i

    items = prefetch(source(), 8)
    assert next(items) == 0
    # While the consumer holds the first item, the thread makes all others.
    for _ in range(4):
        assert made.acquire(timeout=HANG_S)
    assert list(items) == [1, 2, 3]


def test_one_pass_only_and_a_report_that_says_how_far(plain: Path) -> None:
    source: MediaStream = stream(plain)
    for item in source:
        if isinstance(item, Frame) and item.index == 9:
            break
    source.close()
    assert source.report.n_frames == 10
    assert any("stopped before the end" in p for p in source.report.problems)
    with pytest.raises(RuntimeError, match="one pass"):
        iter(source)


def test_pictures_are_freed_at_once(plain: Path) -> None:
    import gc

    gc.collect()
    gc.disable()
    try:
        n_frames = sum(isinstance(item, Frame) for item in stream(plain))
        # Pictures held in reference cycles would wait for the collector, by the hundred.
        assert gc.collect() < n_frames // 2
    finally:
        gc.enable()


def test_samples_are_mono_float(plain: Path) -> None:
    for item in stream(plain, video=False, sample_rate_hz=8000):
        assert isinstance(item, Samples)
        assert item.values.dtype == np.float32
        assert item.values.ndim == 1
        assert np.abs(item.values).max() <= 1

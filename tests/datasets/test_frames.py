"""Folders of crops: order, times, damage; windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.datasets.fakes import tiny_crop, tiny_film
from twomind.datasets.frames import MILLISECONDS, Clock, FrameFolder, read_frame_list, read_segments
from twomind.datasets.images import encode_picture, read_picture
from twomind.media.windows import n_windows, window_spans
from twomind.types import Features, Track, Word


def write_picture(path: Path, rgb: np.ndarray) -> Path:
    path.write_bytes(encode_picture(rgb, path.suffix))
    return path


def test_a_picture_comes_back_as_it_was(tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:48, 0:64]
    rgb = np.stack([rows * 5, columns * 4, 255 - rows * 5], axis=2).astype(np.uint8)
    png = read_picture(write_picture(tmp_path / "a.png", rgb))
    assert np.array_equal(png, rgb)
    jpeg = read_picture(write_picture(tmp_path / "a.jpg", rgb))
    assert np.abs(jpeg.astype(int) - rgb.astype(int)).mean() < 3


def test_jpeg_colours_are_those_of_an_independent_reader(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    rgb = np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    path = tmp_path / "b.jpg"
    image.fromarray(rgb).save(path, quality=95)
    theirs = np.asarray(image.open(path).convert("RGB")).astype(int)
    difference = np.abs(read_picture(path).astype(int) - theirs)
    assert np.median(difference) <= 2
    assert difference.mean() < 4


@pytest.mark.parametrize("keep", [0, 40, 0.5, 0.95])
def test_a_picture_that_is_cut_off_is_refused_not_half_grey(tmp_path: Path, keep: float) -> None:
    whole = write_picture(
        tmp_path / "c.jpg", np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    )
    data = whole.read_bytes()
    whole.write_bytes(data[: int(keep if keep > 1 else keep * len(data))])
    with pytest.raises(BadInput, match=r"c\.jpg"):
        read_picture(whole)


def test_a_picture_whose_data_stop_early_is_refused(tmp_path: Path) -> None:
    """By default FFmpeg hands out the upper half over grey, and the file ends as a whole
    one does.
    """
    path = write_picture(
        tmp_path / "d.jpg", np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    )
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2] = b"\xff\xd9"
    path.write_bytes(bytes(data))
    with pytest.raises(BadInput, match="damaged"):
        read_picture(path)


def test_frames_are_in_order_of_their_number_with_bad_ones_marked(tmp_path: Path) -> None:
    for number in (0, 5, 10, 15, 100):
        tiny_crop(tmp_path / f"image_{number}.jpg", number)
    (tmp_path / "image_10.jpg").write_bytes(b"no picture")
    (tmp_path / "image_15.jpg").write_bytes(b"")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    folder = FrameFolder(tmp_path, Clock(5.0, "nominal"))
    assert [n for n, _ in folder.files] == [0, 5, 10, 15, 100]
    track = folder.track()
    assert track.values.shape == (5, 16, 16, 3)
    assert track.values.dtype == np.uint8
    assert track.times_s.tolist() == [0, 1, 2, 3, 20]
    assert track.valid.tolist() == [True, True, False, False, True]
    assert track.reason_code is not None
    assert [track.reasons[c] for c in track.reason_code] == [
        "",
        "",
        "not a JPEG or PNG",
        "the file is empty",
        "",
    ]
    assert np.array_equal(track.values[1], read_picture(tmp_path / "image_5.jpg"))
    assert len(folder.track(stride=2)) == 3
    assert folder.track(start_s=1, end_s=3).times_s.tolist() == [1, 2]


def test_clocks() -> None:
    assert MILLISECONDS.seconds([2040, 5000]).tolist() == [2.04, 5.0]
    stamped = Clock(stamps_s=np.array([0.0, 0.1, 0.35])).seconds([2, 0, 7])
    assert stamped[:2].tolist() == [0.35, 0.0]
    assert np.isnan(stamped[2])


def test_sizes_are_not_guessed(tmp_path: Path) -> None:
    tiny_crop(tmp_path / "frame-0.jpg", 0, 16)
    tiny_crop(tmp_path / "frame-1.jpg", 1, 24)
    folder = FrameFolder(tmp_path, Clock(24.0))
    with pytest.raises(BadInput, match="size_px"):
        folder.track()
    assert folder.track(size_px=(20, 30)).values.shape == (2, 20, 30, 3)
    (tmp_path / "frame-01.jpg").write_bytes((tmp_path / "frame-1.jpg").read_bytes())
    with pytest.raises(BadInput, match="twice"):
        _ = FrameFolder(tmp_path, Clock(24.0)).files


def test_a_frame_list_keeps_its_first_line_and_names_its_bad_ones(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(
        "p/p_Relax/image_10.jpg 0\np/p_Relax/image_5.jpg 0\np/with blank/image_0.jpg "
        "1\np/x/image_1.jpg yes\n"
    )
    labels, problems = read_frame_list(path)
    assert labels["p/p_Relax"].numbers.tolist() == [5, 10]
    assert labels["p/with blank"].labels.tolist() == [1]
    assert labels["p/p_Relax"].at(np.array([10, 7, 5])).tolist() == [0, -1, 0]
    assert problems == ("line 4: expected a whole number as label, got 'yes'",)


def test_a_segment_file_that_contradicts_itself_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    head = "video,segment_id,label,num_frames,start_frame,end_frame\n"
    path.write_text(head + "a.mp4,0,0,10,0,9\na.mp4,1,1,11,10,19\na.mp4,2,x,1,20,20\n")
    segments, problems = read_segments(path)
    assert [(s.start_frame, s.end_frame, s.label) for s in segments] == [(0, 9, 0)]
    assert [p.split(":")[0] for p in problems] == ["line 3", "line 4"]


def _features(length_s: float, start_s: float = 0.0) -> Features:
    times_s = start_s + np.arange(round(length_s * 10)) / 10
    track = Track(times_s[:, None].copy(), times_s, np.ones(len(times_s), bool), ("t",))
    words = (
        Word("a", start_s, start_s + 0.1),
        Word("b", start_s + length_s - 0.2, start_s + length_s - 0.1),
    )
    return Features("r", "p", {"x": track}, (start_s, start_s + length_s), words=words)


def test_windows_cover_the_recording_once_in_order() -> None:
    for start_s in (0.0, 2.04):
        for length_s, n in ((1.0, 4), (5.0, 1), (0.3, 12), (3.55, 1)):
            whole = _features(3.55, start_s)
            spans = window_spans(whole.span_s, length_s, min_share=0.0)
            cut = [whole.between(*span) for span in spans]
            assert len(cut) == n, (length_s, start_s)
            assert [w.span_s[0] for w in cut] == sorted(w.span_s[0] for w in cut)
            assert cut[-1].span_s[1] == whole.span_s[1]
            assert (
                np.concatenate([w.tracks["x"].times_s for w in cut]).tolist()
                == whole.tracks["x"].times_s.tolist()
            )
            assert [w.text for c in cut for w in c.words or ()] == ["a", "b"]


def test_the_last_window_is_kept_by_its_share_and_a_hop_may_skip_but_not_overlap() -> None:
    span = (1.0, 4.5)
    assert window_spans(span, 1.0) == [(1, 2), (2, 3), (3, 4), (4, 4.5)]
    assert window_spans(span, 1.0, min_share=0.51) == [(1, 2), (2, 3), (3, 4)]
    assert window_spans(span, 1.0, 1.6) == [(1, 2), (2.6, 3.6)], "0.3 s are left for a third"
    assert window_spans(span, 9.0, min_share=1.0) == [span], (
        "a recording shorter than a window is one window"
    )
    assert window_spans((0.0, 3.0), 1.0, min_share=0.0) == [(0, 1), (1, 2), (2, 3)], (
        "no window without time"
    )
    assert n_windows(0.3, 0.1, min_share=1.0) == 3
    for bad in ((0.0, None), (float("nan"), None), (1.0, 0.5), (1.0, float("nan"))):
        with pytest.raises(BadInput, match="windows: expected"):
            n_windows(3.0, *bad)


def test_no_row_falls_between_two_windows() -> None:
    """0.1 x 5 + 0.1 is less than 0.1 x 6 in floating point; a row at 0.6 s must not be in
    neither.
    """
    spans = window_spans((0.0, 3.0), 0.1)
    assert [b for _, b in spans[:-1]] == [a for a, _ in spans[1:]]
    assert all(sum(a <= k / 10 < b for a, b in spans) == 1 for k in range(30))


def test_stamps_without_decoding_are_those_of_the_decoded_frames(tmp_path: Path) -> None:
    from twomind.datasets.checking import film_stamps_s
    from twomind.media.stream import Frame, stream

    path = tiny_film(tmp_path / "f.mp4", 9, 25)
    decoded = [item.time_s for item in stream(path) if isinstance(item, Frame)]
    assert film_stamps_s(path) == pytest.approx(np.array(decoded), abs=1e-6)
    assert len(decoded) == 9

"""Face measures of a live stream: the same numbers as of a film, in windows, lazily."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.encoders.measured import measured_windows
from twomind.features.face.reader import FaceReader
from twomind.media import stream as media

FILM = Path(__file__).parent.parent / "fixtures" / "v0_1" / "media" / "clip-talking.mp4"


class Blind:
    """A finder that sees nobody."""

    closed = False

    def one(self, rgb: np.ndarray) -> None:
        return None

    def several(self, rgb: np.ndarray) -> list[np.ndarray]:
        return []

    small = several

    def within(self, rgb: np.ndarray, box: np.ndarray) -> None:
        return None

    def prepare(self, rgb: np.ndarray) -> None:
        pass

    ahead = prepare

    def count(self, rgb: np.ndarray) -> int:
        return 0

    def score(self, rgb: np.ndarray) -> float:
        return 0.0

    def close(self) -> None:
        self.closed = True


def camera(times_s: list[float], asked: list[float]) -> Iterator[tuple[float, np.ndarray]]:
    for time_s in times_s:
        asked.append(time_s)
        yield time_s, np.zeros((48, 64, 3), np.uint8)


def test_a_window_is_there_when_the_first_frame_after_it_is() -> None:
    asked: list[float] = []
    finder = Blind()
    times_s = [0.0, 0.4, 0.8, 1.2, 3.1]
    windows = measured_windows(camera(times_s, asked), 1.0, finder=finder, subject="ana")
    first = next(windows)
    assert asked == [0.0, 0.4, 0.8, 1.2]
    assert first.span_s == (0.0, 1.0)
    assert first.subject == "ana"
    assert first.face_backend == "mesh"
    assert first.tracks["face"].times_s.tolist() == [0.0, 0.4, 0.8]
    assert not first.tracks["face"].valid.any()
    assert [x.span_s for x in windows] == [(1.0, 2.0), (3.0, 4.0)], "none without a frame"
    assert not finder.closed, "who opened it closes it"


def test_bad_times_and_lengths_are_refused() -> None:
    with pytest.raises(BadInput, match="times in order"):
        list(measured_windows(camera([0.5, 0.2], []), 1.0, finder=Blind()))
    with pytest.raises(BadInput, match="above zero"):
        next(measured_windows(camera([0.0], []), 0.0, finder=Blind()))


def test_a_window_measures_what_a_film_of_it_would() -> None:
    pytest.importorskip("mediapipe", reason="tracking needs the extra 'face'")
    frames = [item for item in media.stream(FILM, audio=False) if isinstance(item, media.Frame)]
    frames = [frame for frame in frames if frame.time_s < 0.8]
    first, second = measured_windows(frames, 0.5)
    reader = FaceReader()
    for frame in frames:
        if frame.time_s < 0.5:
            reader.push(frame)
    track = reader.finish().track
    np.testing.assert_array_equal(first.tracks["face"].values, track.values)
    assert second.tracks["face"].valid.any()


@pytest.mark.slow
def test_a_real_face_is_measured_live(shared: Path) -> None:
    """What the README shows."""
    pytest.importorskip("mediapipe", reason="tracking needs the extra 'face'")
    film = shared / "data" / "faces" / "single_face.mp4"
    windows = list(measured_windows(media.stream(film), 0.5))
    assert len(windows) == 5
    assert all(x.tracks["face"].valid.mean() > 0.9 for x in windows)
    smile = [float(np.nanmean(x.tracks["face"].column("AU12"))) for x in windows]
    assert min(smile[2:]) > smile[0] + 0.1, "the person begins to smile at 0.6 s"

"""Face measures of a live stream: windows as soon as their last frame is there, with the columns of
``describe``.

This encoder is not a network that was trained on anybody's labels: its rows are the action units,
head, gaze and, with the back end ``landmarker``, the blendshapes of the face before the camera.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np

from twomind.core.errors import BadInput
from twomind.features.face.back_ends import open_finder
from twomind.features.face.reader import FaceReader, FaceSettings
from twomind.features.face.tracker_mesh import FaceFinder
from twomind.media import stream as media
from twomind.types import Features

#: What a camera gives: the time in seconds, and the picture ``(H, W, 3)`` uint8 RGB.
Picture = tuple[float, np.ndarray]


class _Kept:
    """A face finder that stays open when a reader of one window is done with it."""

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def measured_windows(
    frames: Iterable[Picture | media.Frame | media.Samples],
    length_s: float,
    *,
    settings: FaceSettings | None = None,
    finder: FaceFinder | None = None,
    subject: str = "live",
    recording: str = "live",
    drawn: bool = False,
) -> Iterator[Features]:
    """The face of a live stream, window by window.

    Each window finds the person anew, as ``settings.target`` says; blinks are those within it. A
    window without any frame is not there.

    Args:
        frames: pairs ``(time_s, rgb)`` of a camera, or the items of
            :func:`twomind.media.stream.stream` (sound is passed over).
        length_s: length of a window, seconds.
        settings: how faces are found and measured; the back end is among them.
        finder: a back end that is open already; the caller closes it.
        subject: who is before the camera.
        recording: what the stream is called.
        drawn: the person is synthetic.

    Yields:
        Features with the track ``face``: a row per frame, times on the stream's clock.

    Raises:
        BadInput: a time is before the last one, or ``length_s`` is not above zero.
        MissingExtra: MediaPipe is not installed.
        MissingWeights: the landmarker's task file is absent or broken.

    Example:
        >>> import numpy as np
        >>> from twomind.encoders.measured import measured_windows
        >>> grey = np.full((120, 160, 3), 128, np.uint8)
        >>> x = next(measured_windows([(0.0, grey), (0.1, grey), (1.0, grey)], length_s=1.0))
        >>> x.span_s, x.tracks["face"].valid.tolist()
        ((0.0, 1.0), [False, False])
    """
    if not length_s > 0:
        raise BadInput(f"length_s: expected seconds above zero, got {length_s}")
    settings = settings or FaceSettings()
    most = settings.track.max_people
    opened = finder or open_finder(settings.backend, settings.landmarker_path, most)
    kept = cast(FaceFinder, _Kept(opened))
    try:
        for number, pictures in _by_window(frames, length_s):
            reader = FaceReader(settings, kept)
            for picture in pictures:
                reader.push(picture)
            yield Features(
                recording=recording,
                subject=subject,
                tracks={"face": reader.finish().track},
                span_s=(number * length_s, (number + 1) * length_s),
                drawn=drawn,
                face_backend=settings.backend,
            )
    finally:
        if finder is None:
            opened.close()


def _by_window(
    frames: Iterable[Picture | media.Frame | media.Samples], length_s: float
) -> Iterator[tuple[int, list[media.Frame]]]:
    """The number of each window that has frames, and these, as soon as it is over."""
    number = 0
    held: list[media.Frame] = []
    last_s = 0.0
    for item in frames:
        if isinstance(item, media.Samples):
            continue
        frame = item if isinstance(item, media.Frame) else media.Frame(0, *item)
        if frame.time_s < last_s:
            raise BadInput(
                f"frame at {frame.time_s} s: expected times in order, from 0 s on; the last was "
                f"{last_s} s"
            )
        last_s = frame.time_s
        now = int(frame.time_s / length_s + 1e-9)
        if now > number and held:
            yield number, held
            held = []
        number = now
        held.append(frame)
    if held:
        yield number, held

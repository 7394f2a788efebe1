"""What a media file says about itself, and why it cannot be used when it cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twomind.core.errors import BadInput
from twomind.media.endings import Ending, ending
from twomind.media.opening import PICTURES, open_media
from twomind.media.sound_streams import sound_stream

if TYPE_CHECKING:
    import av

#: Said of a file in which another film follows the one that is read (:func:`open_media`).
JOINED = (
    "several films are joined in this file, and only the first is read; split it, or join the films "
    "with ffmpeg (-f concat)"
)

#: Containers in which a film behind another is told by its stamps alone.
STAMPED = ("mpegts", "mpeg", "nut")

#: Said of a file without a length and without a mark at its end.
NOT_DECLARED = "length not declared: whether the end is missing cannot be told"

#: The metadata comment that the project's own synthetic people carry.
DRAWN_COMMENT = "twomind drawn person"

#: A pixel of a real film is at most so many times as wide as high, or as high as wide.
_MOST_STRETCHED = 3.0

#: Containers whose duration is written in the file, not guessed from its bit rate.
_DECLARING = ("mov", "matroska", "avi", "wav", "flv", "asf", "flac", "aiff", "caf", "w64")


@dataclass(frozen=True)
class MediaInfo:
    """What the container declares, before decoding. Sizes are those of the picture as shown, after
    rotation.

    ``duration_s`` is nan when undeclared (a browser's WebM); ``rotation_deg`` is counter-clockwise,
    0, 90, 180 or 270; ``origin_s`` is the container's own stamp that becomes zero on the clock;
    ``sound_index`` is the number, in the container, of the stream that is heard, None without sound;
    ``problems`` are sentences for a reader.
    """

    path: Path
    container: str
    duration_s: float
    has_video: bool
    has_audio: bool
    width_px: int
    height_px: int
    rotation_deg: int
    origin_s: float
    drawn: bool
    problems: tuple[str, ...] = ()
    sound_index: int | None = None


def video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first stream of moving pictures; cover art is none."""
    import av

    for stream in container.streams.video:
        attached = bool(stream.disposition & av.stream.Disposition.attached_pic)
        if not attached and stream.codec_context is not None:
            return stream
    return None


def origin_s(container: av.container.InputContainer) -> float:
    """The container's own start stamp in seconds: the earliest stream start, which is zero on the
    clock.
    """
    return 0.0 if container.start_time is None else container.start_time / 1_000_000


def is_stamped_when_encoded(container: av.container.InputContainer) -> bool:
    """Whether a recording's sound is stamped too late: by the moment at which it was encoded, as
    Chromium does.
    """
    named = {name.lower(): value for name, value in container.metadata.items()}
    return named.get("encoder") == "Chrome"


def declared_s(container: av.container.InputContainer) -> float:
    """Declared end of the recording on the clock, nan when the container does not declare one."""
    names = container.format.name.split(",")
    if not container.duration or not any(name in _DECLARING for name in names):
        return math.nan
    end_s = container.duration / 1_000_000
    # FFmpeg writes the end stamp, not the length, as the duration of a Matroska file that starts
    # late.
    return end_s - max(0.0, origin_s(container)) if "matroska" in names else end_s


def is_picture(container: av.container.InputContainer) -> bool:
    """Is it one still picture, which has no length?"""
    return container.format.name in PICTURES


@dataclass(frozen=True)
class Orientation:
    """How a stored picture is turned to the one that is shown: first transposed, then mirrored
    along x and y.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def rotation_deg(self) -> int:
        """Counter-clockwise turn, 0, 90, 180 or 270; for a mirrored picture, the turn before the
        mirroring in x.
        """
        if self.transpose:
            return 90 if self.flip_y else 270
        return 180 if self.flip_y else 0

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """``(H, W, 3)`` as stored to ``(H', W', 3)`` as shown, contiguous."""
        if self == Orientation():
            return picture
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        return np.ascontiguousarray(
            picture[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        )


def orientation(frame: av.VideoFrame) -> Orientation:
    """The display matrix of a decoded frame, rounded to quarter turns (an unturned one when it has
    none).
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    # Shown (x', y') = (a x + c y, b x + d y), y downwards, entries row by row: a b u, c d v, x y w.
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    if abs(a) >= abs(b):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)


def _first_frame(
    container: av.container.InputContainer, stream: av.VideoStream
) -> av.VideoFrame | None:
    """The first picture that decodes within the first packets."""
    import av

    try:
        for i, packet in enumerate(container.demux(stream)):
            try:
                for frame in packet.decode():
                    return frame
            except av.error.FFmpegError:
                continue
            if i > 300:
                return None
    except av.error.FFmpegError:
        return None
    return None


def is_tagged_drawn(container: av.container.InputContainer) -> bool:
    """Whether a film says of itself that its person is synthetic."""
    comments = (v for k, v in container.metadata.items() if k.lower() == "comment")
    return any(DRAWN_COMMENT in comment for comment in comments)


def probe(path: Path) -> MediaInfo:
    """What the container declares; decodes one picture to know its size and rotation.

    Raises:
        BadInput: the file cannot be used at all (see :func:`open_media`), or has neither picture
            nor sound.
    """
    path = Path(path)
    with open_media(path) as container:
        video = video_stream(container)
        sound = sound_stream(path, container)
        if video is None and sound.index is None:
            kinds = (
                ", ".join(sorted({s.type for s in container.streams}))
                or "nothing readable (is its index damaged?)"
            )
            raise BadInput(
                f"{path}: expected moving pictures or sound, but the {container.format.name} file "
                f"holds {kinds}."
            )
        problems = [*_on_pictures(container), *sound.remarks]
        width_px = height_px = rotation_deg = 0
        if video is not None:
            width_px, height_px = video.codec_context.width, video.codec_context.height
            frame = _first_frame(container, video)
            if frame is None:
                problems.append("no picture could be decoded at the start")
            else:
                turn = orientation(frame)
                rotation_deg = turn.rotation_deg
                shown = as_shown_px(frame.width, frame.height, pixel_shape(video))
                width_px, height_px = shown[::-1] if turn.transpose else shown
            problems += _on_pixels(video)
        end = ending(path)
        problems += _on_ending(container, end)
        return MediaInfo(
            path=path,
            container=container.format.name,
            duration_s=declared_s(container),
            has_video=video is not None,
            has_audio=sound.index is not None,
            width_px=width_px,
            height_px=height_px,
            rotation_deg=rotation_deg,
            origin_s=origin_s(container),
            drawn=is_tagged_drawn(container),
            problems=tuple(problems),
            sound_index=sound.index,
        )


def _on_ending(container: av.container.InputContainer, end: Ending) -> list[str]:
    """What is said of the end of a film, and of a film behind it."""
    found = [JOINED] if end.next_at else []
    if end.sentence:
        found.append(end.sentence)
    elif not end.told and math.isnan(declared_s(container)) and not is_picture(container):
        found.append(NOT_DECLARED)
    return found


def _on_pixels(video: av.VideoStream) -> list[str]:
    """What is said where pixels are not square."""
    shape = video.sample_aspect_ratio
    if not shape or shape == 1:
        return []
    done = "pictures were stretched" if pixel_shape(video) != 1.0 else "angles are distorted"
    return [f"pixels are not square ({shape.numerator}:{shape.denominator}); {done}"]


def pixel_shape(video: av.VideoStream) -> float:
    """Width of a pixel for its height, as it is meant to be shown; 1 where that is not told, or so far
    from a square that it can only be wrong.
    """
    shape = video.sample_aspect_ratio
    if not shape:
        return 1.0
    width = float(shape)
    return width if 1 / _MOST_STRETCHED <= width <= _MOST_STRETCHED else 1.0


def as_shown_px(width_px: int, height_px: int, pixel: float) -> tuple[int, int]:
    """Width and height of a picture whose pixels are made square; no side becomes smaller.

    Args:
        width_px: Of the picture as it is stored.
        height_px: Of the picture as it is stored.
        pixel: Of :func:`pixel_shape`.
    """
    return round(width_px * max(pixel, 1.0)), round(height_px * max(1.0 / pixel, 1.0))


def _on_pictures(container: av.container.InputContainer) -> list[str]:
    """What is said where there are several streams of moving pictures."""
    import av

    pictures = [
        s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic
    ]
    if len(pictures) < 2:
        return []
    return [f"{len(pictures)} video streams; the first one is used"]

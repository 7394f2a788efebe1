"""Frames of a video for a model that looks: evenly spaced in time from the first to the last,
scaled down, as JPEG.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twomind.core.errors import BadInput
from twomind.media.stream import Frame, prefetch, stream
from twomind.types import Features, Recording, Track

if TYPE_CHECKING:
    import av

#: The track that carries the sampled frames: values (T, H, W, 3) uint8.
TRACK = "pictures"


def to_jpeg(rgb: np.ndarray, quality: int = 85) -> bytes:
    """``rgb (H, W, 3)`` uint8 as a JPEG file without metadata; ``quality`` 1 to 100."""
    import av

    if not 1 <= quality <= 100:
        raise BadInput(f"JPEG quality: expected 1 to 100, got {quality}")
    frame = _frame_of(rgb).reformat(format="yuvj420p")
    codec = av.CodecContext.create("mjpeg", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width = frame.width
    codec.height = frame.height
    codec.pix_fmt = "yuvj420p"
    codec.time_base = 1  # type: ignore[assignment]
    # ffmpeg's scale runs from 2 (best) to 31.
    worse = (100 - quality) * 29 / 99
    scale = str(round(2 + worse))
    codec.options = {"qmin": scale, "qmax": scale}
    packets = codec.encode(frame)
    packets += codec.encode(None)
    return b"".join(bytes(packet) for packet in packets)


def _frame_of(rgb: np.ndarray) -> av.VideoFrame:
    import av

    pixels = np.ascontiguousarray(rgb)
    return av.VideoFrame.from_ndarray(pixels, format="rgb24")


def fit(rgb: np.ndarray, longest_px: int) -> np.ndarray:
    """The picture with its longer side at most ``longest_px``; never enlarged, proportions kept,
    sides even.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, longest_px / max(height, width))
    new_height = _even(height * scale)
    new_width = _even(width * scale)
    return _resized(rgb, new_width, new_height)


def _even(side: float) -> int:
    """The nearest even number of pixels, at least 2."""
    return max(2, 2 * round(side / 2))


def _resized(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    if rgb.shape[:2] == (height, width):
        return rgb
    frame = _frame_of(rgb)
    resized = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
    return resized.to_ndarray()


def spaced(times_s: np.ndarray, n: int) -> np.ndarray:
    """Rows of ``times_s (T,)`` nearest to ``n`` times evenly from the first to the last; each row
    at most once.
    """
    if not len(times_s):
        return np.empty(0, int)
    first_s = times_s[0]
    last_s = times_s[-1]
    if n > 1:
        targets = np.linspace(first_s, last_s, n)
    else:
        targets = np.array([(first_s + last_s) / 2])
    last = len(times_s) - 1
    right = np.clip(np.searchsorted(times_s, targets), 0, last)
    left = np.maximum(right - 1, 0)
    from_left = targets - times_s[left]
    from_right = times_s[right] - targets
    nearest = np.where(from_left <= from_right, left, right)
    return np.unique(nearest)


def sample_frames(
    media: Path,
    n: int,
    longest_px: int,
    times_s: np.ndarray | None = None,
    span_s: tuple[float, float] | None = None,
) -> Track:
    """``n`` frames of a file as a track ``(T, H, W, 3)`` uint8.

    Where the picture changes its size, frames are brought to the size of the first one. Only the
    chosen frames are kept, so memory does not grow with the video.

    Args:
        media: The file.
        n: How many frames.
        longest_px: Longer side of a picture, at most.
        times_s: Presentation times of all decoded frames ``(T,)`` where they are known already (a
            face track has them); otherwise one more pass finds them.
        span_s: Only frames in this window.

    Raises:
        BadInput: the file has no picture that can be decoded.
    """
    if times_s is None or not len(times_s):
        times_s = _frame_times(media)
    low_s, high_s = span_s or (-np.inf, np.inf)
    inside = np.flatnonzero((times_s >= low_s) & (times_s <= high_s))
    rows = spaced(times_s[inside], n)
    chosen = set(inside[rows].tolist())
    if not chosen:
        raise BadInput(
            f"{media}: expected moving pictures, but no frame can be decoded in this span"
        )
    return _kept(media, chosen, longest_px)


def _frame_times(media: Path) -> np.ndarray:
    """Presentation times of all frames."""
    with stream(media, video=True, audio=False) as found:
        times_s = [item.time_s for item in prefetch(found) if isinstance(item, Frame)]
    return np.array(times_s)


def _kept(media: Path, chosen: set[int], longest_px: int) -> Track:
    """The chosen frames, scaled down."""
    pictures: list[np.ndarray] = []
    times_s: list[float] = []
    with stream(media, video=True, audio=False) as found:
        for item in found:
            if not isinstance(item, Frame) or item.index not in chosen:
                continue
            if pictures:
                height, width = pictures[0].shape[:2]
                picture = _resized(item.rgb, width, height)
            else:
                picture = fit(item.rgb, longest_px)
            pictures.append(picture)
            times_s.append(item.time_s)
            if len(pictures) == len(chosen):
                break
    valid = np.ones(len(times_s), bool)
    return Track(np.stack(pictures), np.array(times_s), valid)


def known_times(recording: Recording, features: Features) -> np.ndarray | None:
    """Times of all decoded frames, where a face track of the whole recording has them (not that of
    a window).
    """
    face = features.tracks.get("face")
    if face is None or not len(face):
        return None
    start_s, end_s = features.span_s
    if start_s > 0 or end_s < recording.duration_s:
        return None
    return face.times_s

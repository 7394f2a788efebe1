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
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    codec = av.CodecContext.create("mjpeg", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "yuvj420p"
    codec.time_base = 1  # type: ignore[assignment]
    # ffmpeg's scale runs from 2 (best) to 31.
    scale = str(round(2 + (100 - quality) * 29 / 99))
    codec.options = {"qmin": scale, "qmax": scale}
    return b"".join(
        bytes(p) for p in [*codec.encode(frame.reformat(format="yuvj420p")), *codec.encode(None)]
    )


def fit(rgb: np.ndarray, longest_px: int) -> np.ndarray:
    """The picture with its longer side at most ``longest_px``; never enlarged, proportions kept,
    sides even.
    """
    import av

    height, width = rgb.shape[:2]
    scale = min(1.0, longest_px / max(height, width))
    new_h, new_w = (max(2, 2 * round(side * scale / 2)) for side in (height, width))
    if (new_h, new_w) == (height, width):
        return rgb
    return _resized(
        av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"), new_w, new_h
    )


def _resized(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
    smaller = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
    return smaller.to_ndarray()


def spaced(times_s: np.ndarray, n: int) -> np.ndarray:
    """Rows of ``times_s (T,)`` nearest to ``n`` times evenly from the first to the last; each row
    at most once.
    """
    if not len(times_s):
        return np.empty(0, int)
    targets = (
        np.linspace(times_s[0], times_s[-1], n)
        if n > 1
        else np.array([(times_s[0] + times_s[-1]) / 2])
    )
    right = np.clip(np.searchsorted(times_s, targets), 0, len(times_s) - 1)
    left = np.maximum(right - 1, 0)
    nearer_left = targets - times_s[left] <= times_s[right] - targets
    return np.unique(np.where(nearer_left, left, right))


def sample_frames(
    media: Path,
    n: int,
    longest_px: int,
    times_s: np.ndarray | None = None,
    span_s: tuple[float, float] | None = None,
) -> Track:
    """``n`` frames of a file as a track ``(T, H, W, 3)`` uint8.

    ``times_s (T,)`` are the presentation times of all decoded frames where they are known already
    (a face track has them); otherwise one pass finds them. A second pass keeps the chosen frames
    alone, so memory does not grow with the video. ``span_s`` limits them to a window. Where the
    picture changes its size, frames are brought to the size of the first one.

    Raises:
        BadInput: the file has no picture that can be decoded.
    """
    if times_s is None or not len(times_s):
        with stream(media, video=True, audio=False) as found:
            times_s = np.array([item.time_s for item in prefetch(found) if isinstance(item, Frame)])
    low_s, high_s = span_s or (-np.inf, np.inf)
    inside = np.flatnonzero((times_s >= low_s) & (times_s <= high_s))
    chosen = set(inside[spaced(times_s[inside], n)].tolist())
    if not chosen:
        raise BadInput(
            f"{media}: expected moving pictures, but no frame can be decoded in this span"
        )
    kept: list[np.ndarray] = []
    at: list[float] = []
    with stream(media, video=True, audio=False) as again:
        for item in again:
            if isinstance(item, Frame) and item.index in chosen:
                kept.append(
                    fit(item.rgb, longest_px) if not kept else _same_size(item.rgb, kept[0])
                )
                at.append(item.time_s)
                if len(kept) == len(chosen):
                    break
    return Track(np.stack(kept), np.array(at), np.ones(len(at), bool))


def _same_size(rgb: np.ndarray, like: np.ndarray) -> np.ndarray:
    import av

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    return rgb if rgb.shape == like.shape else _resized(frame, like.shape[1], like.shape[0])


def known_times(recording: Recording, features: Features) -> np.ndarray | None:
    """Times of all decoded frames, where a face track of the whole recording has them (not that of
    a window).
    """
    face = features.tracks.get("face")
    whole = features.span_s[0] <= 0 and features.span_s[1] >= recording.duration_s
    return face.times_s if face is not None and len(face) and whole else None

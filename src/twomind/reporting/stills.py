"""One frame of a recording as a small picture: for the overview, and for print."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import numpy as np

from twomind.core.errors import TwomindError
from twomind.reporting.result import Plain

#: Width in pixels of the still that is printed, and of the one in the overview.
PRINTED_PX = 480
SMALL_PX = 112
#: How much a still is compressed: 2 is the best, 31 the smallest.
_QUALITY = 7


def stills_of(media: Path) -> Plain:
    """``printed`` and ``small``: the middle of a recording as data addresses; empty where no
    picture can be read.

    Args:
        media: the recording. Whether its person may be shown is for the caller to know.
    """
    import av

    try:
        rgb = _middle(media)
    except (TwomindError, av.error.FFmpegError, OSError, ValueError):
        rgb = None
    if rgb is None:
        return {"printed": "", "small": ""}
    return {"printed": _address(rgb, PRINTED_PX), "small": _address(rgb, SMALL_PX)}


def _middle(media: Path) -> np.ndarray | None:
    """The key frame before the middle ``(H, W, 3)``, as it is shown; the first where the film has
    no declared length.
    """
    from twomind.media.opening import open_media
    from twomind.media.probe import declared_s, orientation, video_stream

    with open_media(media) as container:
        stream = video_stream(container)
        if stream is None:
            return None
        length_s = declared_s(container)
        if math.isfinite(length_s) and stream.time_base:
            middle = int(length_s / 2 / float(stream.time_base))
            container.seek(middle + (stream.start_time or 0), stream=stream)
        for frame in container.decode(stream):
            rgb = frame.to_ndarray(format="rgb24")
            return orientation(frame).apply(rgb)
    return None


def _address(rgb: np.ndarray, width_px: int) -> str:
    from twomind.datasets.images import encode_picture, resize

    height, width = rgb.shape[:2]
    # JPEG needs even sides.
    half_height = round(height * width_px / width / 2)
    shown_height = max(2, 2 * half_height)
    small = resize(rgb, (shown_height, width_px))
    data = encode_picture(small, quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


__all__ = ["stills_of"]

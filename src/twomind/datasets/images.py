"""Single pictures (JPEG, PNG) through PyAV, so that the base install reads crops; a damaged picture
is refused.

FFmpeg conceals damage by default and hands out a half-grey picture. Here a file that is cut off, or
whose decoder complains, raises. A flipped byte that still decodes to a picture cannot be seen: a
JPEG carries no checksum.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput

#: Endings of frame crops.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


def picture_fault(data: bytes) -> str:
    """Why these bytes are no whole JPEG or PNG, judged by their marks without decoding; "" when
    they look whole.
    """
    if not data:
        return "the file is empty"
    if data.startswith(_JPEG):
        # Some writers pad with zeros after the end mark.
        return (
            "" if data.rstrip(b"\0").endswith(b"\xff\xd9") else "the JPEG is cut off (no end mark)"
        )
    if data.startswith(_PNG):
        return "" if b"IEND" in data[-16:] else "the PNG is cut off (no end chunk)"
    return "not a JPEG or PNG"


def read_picture(path: Path) -> np.ndarray:
    """``(H, W, 3)`` uint8 RGB.

    Raises:
        BadInput: absent, cut off, or not a JPEG or PNG.
    """
    import av

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror or error})") from error
    fault = picture_fault(data)
    if fault:
        raise BadInput(f"{path}: {fault}")
    decoder = av.CodecContext.create("mjpeg" if data.startswith(_JPEG) else "png", "r")
    decoder.options = {"err_detect": "explode"}
    try:
        pictures = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    except av.error.FFmpegError as error:
        raise BadInput(f"{path}: the picture is damaged ({error.strerror or error})") from error
    if not pictures:
        raise BadInput(f"{path}: the picture is damaged (nothing could be decoded)")
    picture = pictures[0]
    assert isinstance(picture, av.VideoFrame)
    return picture.to_ndarray(format="rgb24")


def resize(rgb: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
    """``(H, W, 3)`` uint8 to ``size_px = (height, width)``, bilinear."""
    import av

    if rgb.shape[:2] == size_px:
        return rgb
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    return picture.reformat(
        width=size_px[1], height=size_px[0], interpolation="BILINEAR"
    ).to_ndarray(format="rgb24")


def encode_picture(rgb: np.ndarray, suffix: str = ".jpg", quality: int = 2) -> bytes:
    """A picture as JPEG or PNG.

    Args:
        rgb: ``(H, W, 3)`` uint8; for JPEG with even sides.
        suffix: ``.jpg`` or ``.png``.
        quality: of a JPEG, from 2, the best, to 31.
    """
    import av

    jpeg = suffix.lower() in (".jpg", ".jpeg")
    encoder = av.CodecContext.create("mjpeg" if jpeg else "png", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = rgb.shape[1], rgb.shape[0]
    encoder.pix_fmt = "yuvj420p" if jpeg else "rgb24"
    encoder.time_base = Fraction(1, 25)
    if jpeg:
        encoder.options = {"qmin": str(quality), "qmax": str(quality)}
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    if jpeg:
        picture = picture.reformat(format="yuvj420p")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])

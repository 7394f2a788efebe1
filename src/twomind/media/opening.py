"""Opening a media file, and why it cannot be opened when it cannot."""

from __future__ import annotations

import os
from codecs import getincrementaldecoder
from pathlib import Path
from typing import TYPE_CHECKING

from twomind.core.errors import BadInput
from twomind.media.endings import ending, iso_boxes

if TYPE_CHECKING:
    import av

#: Containers of one still picture.
PICTURES = ("png_pipe", "jpeg_pipe", "gif", "bmp_pipe", "webp_pipe", "tiff_pipe")

#: Containers of sound and moving pictures, and still pictures. Others that FFmpeg opens (play lists
#: that fetch further files, numbered series of pictures, subtitles, plain text as a terminal film)
#: are refused.
CONTAINERS = (
    "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,wav,w64,mp3,"
    "flac,aac,aiff,caf,amr,mxf,dv,nut,ac3,eac3,au,ivf,rm,wv,ape," + ",".join(PICTURES)
)

#: From this version on PyAV does not ask how to read metadata that are not UTF-8.
_REPLACES_ALWAYS = 19


def open_media(path: Path) -> av.container.InputContainer:
    """Open a file for reading: the first film, where several are joined in it.

    Raises:
        BadInput: missing, a folder, empty, not a media file, or without its index; the message says
            which.
    """
    import av

    path = Path(path)
    if path.is_dir():
        raise BadInput(f"{path}: expected a media file, got a folder. Name the files in it.")
    if not path.exists():
        raise BadInput(f"{path}: no such file. Check the path.")
    if not path.is_file():
        raise BadInput(f"{path}: expected a regular file. Copy the recording to a file first.")
    if path.stat().st_size == 0:
        raise BadInput(
            f"{path}: the file is empty (0 bytes). The recording or the copy failed; record or "
            "copy "
            "it again."
        )
    options = {"format_whitelist": CONTAINERS}
    try:
        name = _address(path)
        if int(av.__version__.partition(".")[0]) >= _REPLACES_ALWAYS:
            return av.open(name, container_options=options)
        # Metadata in another encoding than UTF-8 must not make a good recording unreadable.
        return av.open(name, container_options=options, metadata_errors="replace")
    except PermissionError as error:
        raise BadInput(f"{path}: not allowed to read this file. Change its permissions.") from error
    except (av.error.FFmpegError, OSError) as error:
        raise BadInput(f"{path}: {_why_unreadable(path)} ({error.strerror or error})") from error


def _address(path: Path) -> str:
    """What FFmpeg opens: the file, or as much of it as belongs to its first film. Left to itself it
    reads on, and mixes what follows into the first.
    """
    # The absolute path keeps a name such as "concat:a|b" from being taken for a protocol.
    name = os.path.abspath(path)
    next_at = ending(path).next_at
    return f"subfile,,start,0,end,{next_at},,:{name}" if next_at else name


def _why_unreadable(path: Path) -> str:
    with open(path, "rb") as file:
        head = file.read(4096)
    if not head.strip(b"\0"):
        return "the file holds only zeros. The copy or the download failed; copy it again."
    boxes = iso_boxes(path)
    whole = {kind for kind, at, length in boxes if at + length <= path.stat().st_size}
    if boxes and "moov" not in whole:
        return (
            "this MP4 or MOV has no index (moov): the recording was cut off before it was "
            "finished. "
            "A repair tool such "
            "as untrunc may rebuild it from a whole file of the same camera."
        )
    if b"\0" not in head:
        try:
            # A letter may be cut at the end of what was read.
            getincrementaldecoder("utf-8")().decode(head)
        except UnicodeDecodeError:
            pass
        else:
            return (
                "expected a media file, got text. Give the recording itself (a transcript goes "
                "in beside it)."
            )
    return (
        "expected a video, sound or picture file (MP4, MOV, WebM, MKV, AVI, WAV, PNG, JPEG ...); "
        "its content is not one, or is too damaged."
    )

"""What kind of file bytes are, by what stands in them, whatever their sender calls them."""

from __future__ import annotations

from twomind.server.refused import Refused

#: Bytes that are enough to tell.
HEAD = 64
_EBML = b"\x1a\x45\xdf\xa3"
_DOC_TYPE = b"\x42\x82"
_BOX = b"ftyp"
_WEBM = ("webm", "matroska")
#: The element that says WebM or Matroska, and the first box of an MP4, stand within so many bytes.
SEARCHED = 4096


def is_kind(mime: str, head: bytes) -> bool:
    """Whether bytes may begin a file of this type.

    Args:
        mime: ``video/webm`` or ``video/mp4``, with anything behind it.
        head: Its first bytes. Where there are too few to tell, they may.
    """
    if mime.startswith("video/mp4"):
        return _is_mp4(head)
    return _is_webm(head)


def _is_mp4(head: bytes) -> bool:
    if len(head) < 8:
        return _BOX.startswith(head[4:])
    size = int.from_bytes(head[:4], "big")
    return head[4:8] == _BOX and 8 <= size <= SEARCHED


def _is_webm(head: bytes) -> bool:
    if not head.startswith(_EBML[: len(head)]):
        return False
    at = head.find(_DOC_TYPE, 4, SEARCHED)
    if at < 0 or len(head) < at + 3:
        # It may stand in what has not come yet.
        return len(head) < HEAD
    length = head[at + 2] & 0x7F
    start = at + 3
    said = head[start : start + length].rstrip(b"\0").decode("ascii", "replace")
    whole = len(head) >= start + length
    return said in _WEBM if whole else any(name.startswith(said) for name in _WEBM)


def refuse_other(mime: str, head: bytes) -> None:
    """Let only bytes pass that are what they are called.

    Args:
        mime: What they were called when the recording began.
        head: The first bytes.

    Raises:
        Refused: They are something else.
    """
    if is_kind(mime, head):
        return
    called = mime.partition(";")[0]
    raise Refused(
        415,
        "wrong_type",
        f"The recording was begun as {called}, and its first bytes are none of that.",
        expected=called,
    )

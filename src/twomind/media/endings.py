"""Whether a media file ends where it says that it does, and whether another film follows in the same
file, read from its own structure.

The decoder is silent about most cuts: it takes the end of the file for the end of the film. A
container tells more. It counts bytes (MP4, WAV, AVI, Matroska), its last element needs more of them
than are left (the WebM of a browser, whose clusters have no size), or its last page carries a mark
(Ogg). Where nothing of that is there, it cannot be told.

Two films that were joined byte by byte are no longer film: a player shows the first. Where the
container tells, the second begins at a known byte, and what is judged is the end of the first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

#: All ones, and zero: what a recorder writes for a size that it does not know yet.
_NOT_KNOWN = (0, 0xFFFFFFFF)
_FIRST_BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
#: What a box of this kind holds belongs to a film; one of another kind behind the index may be
#: anything.
_OF_A_FILM = {
    *("ftyp", "styp", "moov", "moof", "mdat", "mfra"),
    *("sidx", "free", "skip", "wide", "uuid"),
}
#: How much of a fragment's head is looked at for its time, which stands among the first entries.
_MOST_OF_A_HEAD = 4096
#: Elements of a Matroska file that hold others, and stand in one row with a cluster.
_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
#: The first bytes of a head, how many hold what is written in it, and what kind of document it says.
_EBML_BEGIN, _HEAD = b"\x1a\x45\xdf\xa3", 80
_DOCUMENTS = (b"\x42\x82\x84webm", b"\x42\x82\x88matroska")
_BESIDE_A_CLUSTER = (0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1254C367, 0x1043A770)
_CUES = 0x1C53BB6B
#: How far a cluster is looked for behind an element that claims more bytes than there are: where
#: one follows, the claim is damage and no cut.
_SEARCH = 8 << 20
_OGG_PAGE, _OGG_BEGIN, _OGG_END = 27, 0x02, 0x04
#: How a FLAC and an FLV file begin: so many bytes that chance does not write them.
_FLAC = (b"fLaC\0\0\0\x22",)
_FLV = tuple(b"FLV\x01" + bytes([kinds]) + b"\0\0\0\x09" for kinds in (1, 4, 5))
_TS_PACKET, _TS_SYNC = 188, 0x47
#: Bytes that are searched at a time.
_PIECE = 1 << 20
#: Files of which the answer is kept.
_KEPT = 64


@dataclass(frozen=True)
class Ending:
    """What a container says of its end. ``missing`` bytes; ``why`` it is not whole where bytes
    cannot be counted; ``told`` is False where a cut at a fitting place would not show; ``next_at``
    is the byte at which another film begins, 0 where none is known to.
    """

    missing: int = 0
    why: str = ""
    told: bool = True
    next_at: int = 0

    @property
    def sentence(self) -> str:
        """For a reader; nothing for a file that is whole as far as can be told."""
        if self.why:
            return f"truncated: {self.why}"
        if self.missing:
            return f"truncated: {self.missing} bytes of the declared content are missing"
        return ""


def ending(path: Path) -> Ending:
    """What the container of a file says of its end: of the first film's, where several are joined."""
    about = path.stat()
    return _ending(path, about.st_size, (about.st_mtime_ns, about.st_ino, about.st_dev))


@lru_cache(maxsize=_KEPT)
def _ending(path: Path, size: int, state: tuple[int, ...]) -> Ending:
    """A file is looked at several times on its way to an answer; it is walked through once, until it
    changes.
    """
    with open(path, "rb") as file:
        found = _of_start(file, size)
    if found is not None:
        return found
    boxes = iso_boxes(path)
    if not boxes:
        return Ending(told=False)
    next_at = _next_of_iso(path, boxes)
    if not next_at:
        return _of_iso(boxes, size)
    first = [box for box in boxes if box[1] < next_at]
    return replace(_of_iso(first, next_at), next_at=next_at)


def missing_bytes(path: Path) -> int:
    """How many bytes a file lacks at its end by its own account, at least; 0 for a whole file and
    where it cannot be told.
    """
    found = ending(path)
    return max(found.missing, 1) if found.sentence else 0


def _of_start(file: BinaryIO, size: int) -> Ending | None:
    """By the first bytes of the file; None for others than these containers."""
    head = file.read(3 * _TS_PACKET)
    if head[:4] in (b"RIFF", b"RF64"):
        return _of_riff(file, size)
    if head[:4] == _EBML_BEGIN:
        return _of_matroska(file, size)
    if head[:4] == b"OggS":
        return _of_ogg(file, size)
    if head[:4] == b"FORM":
        declared = int.from_bytes(head[4:8], "big")
        return Ending(max(0, declared + 8 - size), next_at=_next_form(file, declared))
    if head[:8] in _FLAC or head[:9] in _FLV:
        return Ending(told=False, next_at=_again(file, _FLAC if head[:4] == b"fLaC" else _FLV))
    if len(head) == 3 * _TS_PACKET and set(head[::_TS_PACKET]) == {_TS_SYNC}:
        return Ending(-size % _TS_PACKET, told=False)
    return None


def _again(file: BinaryIO, begins: tuple[bytes, ...]) -> int:
    """Where in the file one of these begins stands once more; 0 where none does."""
    places = [next(_places(file, begin, 1), 0) for begin in begins]
    return min((at for at in places if at), default=0)


def _places(file: BinaryIO, wanted: bytes, start: int) -> Iterator[int]:
    """Where these bytes stand in the file, from a byte on. It is read and not mapped to memory: a file
    that shrinks meanwhile would end the process.
    """
    at = start
    kept = b""
    while True:
        file.seek(at + len(kept))
        new = file.read(_PIECE)
        content = kept + new
        found = content.find(wanted)
        while found >= 0:
            yield at + found
            found = content.find(wanted, found + 1)
        if not new:
            return
        # What may be the beginning of these bytes is looked at again.
        kept = content[-(len(wanted) - 1) :]
        at += len(content) - len(kept)


def _next_form(file: BinaryIO, declared: int) -> int:
    at = 8 + declared + declared % 2
    file.seek(at)
    return at if file.read(4) == b"FORM" else 0


# --- MP4, MOV


def iso_boxes(path: Path) -> list[tuple[str, int, int]]:
    """Top-level boxes ``(kind, offset, declared size)`` of an ISO media file (MP4, MOV); empty for
    anything else.
    """
    size, at = path.stat().st_size, 0
    found: list[tuple[str, int, int]] = []
    with open(path, "rb") as file:
        while at + 8 <= size and len(found) < 100_000:
            file.seek(at)
            length, name = struct.unpack(">I4s", file.read(8))
            if length == 1:
                length = int.from_bytes(file.read(8), "big")
            elif length == 0:
                length = size - at
            if length < 8 or not _is_name(name):
                break
            if not found and name not in _FIRST_BOXES:
                break
            found.append((name.decode("ascii"), at, length))
            at += length
    return found


def _next_of_iso(path: Path, boxes: list[tuple[str, int, int]]) -> int:
    """Where another film begins: at a second head (ftyp) or, in files of before heads were written, a
    second index (moov), behind the content of the first.

    A film in fragments may repeat both before fragments that go on: their times go on too.
    """
    kinds = [kind for kind, _, _ in boxes]
    has_head = "ftyp" in kinds
    begin = "ftyp" if has_head else "moov"
    content = ("moov", "mdat") if has_head else ("moov",)
    first = next((k for k, kind in enumerate(kinds) if kind in content), len(kinds))
    seen = _first_number(path, boxes)
    for k in range(first + 1, len(boxes)):
        if kinds[k] != begin:
            continue
        number = _first_number(path, boxes[k:])
        if seen is None or number is None or number <= seen:
            return boxes[k][1]
    return 0


def _first_number(path: Path, boxes: list[tuple[str, int, int]]) -> int | None:
    """When the first fragment among boxes begins, in units of its own; its number where it does not say
    when; None where there is none.
    """
    found = next(((at, length) for kind, at, length in boxes if kind == "moof"), None)
    if found is None:
        return None
    at, length = found
    with open(path, "rb") as file:
        file.seek(at + 8)
        content = file.read(min(length, _MOST_OF_A_HEAD))
    begin = content.find(b"tfdt")
    if begin >= 0:
        n_bytes = 8 if content[begin + 4 : begin + 5] == b"\1" else 4
        return int.from_bytes(content[begin + 8 : begin + 8 + n_bytes], "big")
    return int.from_bytes(content[12:16], "big") if content[4:8] == b"mfhd" else None


def _of_iso(boxes: list[tuple[str, int, int]], size: int) -> Ending:
    kind, at, length = boxes[-1]
    over = at + length - size
    is_foreign = kind not in _OF_A_FILM and "moov" in [name for name, _, _ in boxes]
    if is_foreign and over > 0:  # letters that stand behind the film, and no box
        return _of_iso(boxes[:-1], at)
    if over > 0:
        return Ending(over)
    kinds = [name for name, _, _ in boxes]
    if "moof" not in kinds:
        return Ending()
    # A film in fragments: each has a head (moof) and a body (mdat), and nothing counts them.
    if kind == "moof":
        return Ending(why="the last fragment has no content")
    if -8 < over < 0:
        return Ending(8 + over)
    return Ending(told="mfra" in kinds)


# --- WAV, AVI


def _of_riff(file: BinaryIO, size: int) -> Ending:
    """The outer chunks one after another, and of a WAV the one with the samples."""
    at = 0
    missing = 0
    told = True
    while at + 8 <= size:
        file.seek(at)
        name, declared = struct.unpack("<4sI", file.read(8))
        kind = file.read(4)
        if name == b"RF64":
            return _of_wave(file, size)
        if name != b"RIFF":
            break
        if at and kind == b"AVI ":  # the further parts of a long one are called AVIX
            return Ending(missing, told=told, next_at=at)
        if kind == b"WAVE":
            inner = _of_wave(file, size)
            outer = 0 if declared in _NOT_KNOWN else max(0, declared + 8 - size)
            missing = inner.missing if inner.next_at else max(inner.missing, outer)
            return replace(inner, missing=missing)
        if declared in _NOT_KNOWN:
            told = False
            break
        missing = max(0, at + 8 + declared - size)
        at += 8 + declared + declared % 2
    return Ending(missing, told=told)


def _of_wave(file: BinaryIO, size: int) -> Ending:
    at = 12
    large = 0
    while at + 8 <= size:
        file.seek(at)
        name, declared = struct.unpack("<4sI", file.read(8))
        if name == b"ds64":
            _, large = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
        if name == b"data":
            if declared == 0xFFFFFFFF and large:
                declared = large
            if declared in _NOT_KNOWN:
                return Ending(told=at + 8 == size)
            end = at + 8 + declared
            return Ending(max(0, end - size), next_at=_next_wave(file, end, size))
        at += 8 + declared + declared % 2
    return Ending()


def _next_wave(file: BinaryIO, at: int, size: int) -> int:
    """Where another WAV begins behind the samples of the first, and what else this one holds; 0 where
    none does.
    """
    file.seek(at)
    if at % 2 and file.read(1) == b"\0":  # filled up, as not every program does
        at += 1
    while at + 12 <= size:
        file.seek(at)
        name, declared, kind = struct.unpack("<4sI4s", file.read(12))
        if name in (b"RIFF", b"RF64") and kind == b"WAVE":
            return at
        if not _is_name(name):
            return 0
        at += 8 + declared + declared % 2
    return 0


def _is_name(name: bytes) -> bool:
    """Whether these are letters, as names of boxes and chunks are."""
    return all(32 <= c < 127 for c in name)


# --- Matroska, WebM


def _vint(file: BinaryIO, keep_marker: bool) -> tuple[int, int] | None:
    """A number of variable length and how many bytes it took; None at the end of the file, and
    where none can begin.
    """
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    if len(rest) < length - 1:
        return None
    number = int.from_bytes(first + rest, "big")
    return (number if keep_marker else number & ((1 << (7 * length)) - 1)), length


def _of_matroska(file: BinaryIO, size: int) -> Ending:
    found = _walk(file, size)
    next_at = found.next_at
    if not next_at and (found.sentence or not found.told):
        # Where a film is cut or damaged, the walk may have run past the head of the next.
        next_at = _head_behind(file, 1)
    return replace(_walk(file, next_at), next_at=next_at) if next_at else found


def _head_behind(file: BinaryIO, start: int) -> int:
    """Where a head stands in the file, from a byte on; 0 where none does."""
    for at in _places(file, _EBML_BEGIN, start):
        file.seek(at)
        head = file.read(_HEAD)
        if any(kind in head for kind in _DOCUMENTS):
            return at
    return 0


def _walk(file: BinaryIO, size: int) -> Ending:
    """Walk the elements to the end of the file. One of unknown size is entered, others are passed
    over.
    """
    has_index = False
    bounded = False
    at = 0
    while at < size:
        element = _element(file, at)
        if element is None:
            return _cut_element(file, at, size)
        name, body, length = element
        if name == _EBML and at:
            return Ending(told=has_index and bounded, next_at=at)
        has_index |= name == _CUES
        if name == _SEGMENT and length is not None:
            return _behind_segment(file, body + length, size)
        if name in (_SEGMENT, _CLUSTER) and length is None:
            at = body
            continue
        if length is None:
            return Ending(told=False)
        if body + length > size:
            claimed = body + length - size
            return Ending(told=False) if _cluster_within(file, body, size) else Ending(claimed)
        bounded = name in _BESIDE_A_CLUSTER
        at = body + length
    return Ending(told=has_index and bounded)


def _behind_segment(file: BinaryIO, end: int, size: int) -> Ending:
    """Of a film whose size is known: what it lacks is known, and what it holds need not be looked at."""
    if end >= size:
        return Ending(end - size)
    following = _element(file, end)
    is_head = following is not None and following[0] == _EBML
    return Ending(next_at=end if is_head else _head_behind(file, 1))


def _element(file: BinaryIO, at: int) -> tuple[int, int, int | None] | None:
    """Name, begin of the content, and its length (None: not known) of the element at a place."""
    file.seek(at)
    name = _vint(file, keep_marker=True)
    if name is None:
        return None
    length = _vint(file, keep_marker=False)
    if length is None:
        return None
    body = at + name[1] + length[1]
    unknown = length[0] == (1 << (7 * length[1])) - 1
    return name[0], body, None if unknown else length[0]


def _cut_element(file: BinaryIO, at: int, size: int) -> Ending:
    """The head of an element that does not fit: cut where fewer bytes are left than one can have,
    else damage.
    """
    file.seek(at)
    rest = file.read(min(12, size - at))
    if at + len(rest) == size and rest[:1] != b"\0":
        return Ending(why="the last block is not whole")
    return Ending(told=False)


def _cluster_within(file: BinaryIO, at: int, size: int) -> bool:
    file.seek(at)
    return _CLUSTER.to_bytes(4, "big") in file.read(min(_SEARCH, size - at))


# --- Ogg


def _of_ogg(file: BinaryIO, size: int) -> Ending:
    """The pages of every stream: the last one of each says that it is the last."""
    ended: dict[bytes, bool] = {}
    has_content = False
    next_at = 0
    for at, flags, serial, end in _pages(file, size):
        # All streams of a film begin before the content of any.
        begins = bool(flags & _OGG_BEGIN)
        if begins and has_content:
            next_at = at
            break
        has_content |= not begins
        if end > size:
            return Ending(end - size)
        if end < 0:
            return Ending(why="the last page is not whole") if size - at < 282 else Ending()
        ended[serial] = bool(flags & _OGG_END)
    open_streams = sum(not is_ended for is_ended in ended.values())
    why = "the last page does not say that it is the last one" if open_streams else ""
    return Ending(why=why, next_at=next_at)


def _pages(file: BinaryIO, size: int) -> Iterator[tuple[int, int, bytes, int]]:
    """Begin, flags, stream and end of every page; an end of -1 where a page should begin and none
    does.
    """
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(_OGG_PAGE)
        lacing = file.read(head[26]) if len(head) == _OGG_PAGE else b""
        whole = len(head) == _OGG_PAGE and len(lacing) == head[26] and head[:4] == b"OggS"
        end = at + _OGG_PAGE + len(lacing) + sum(lacing) if whole else -1
        yield at, head[5] if whole else 0, head[14:18], end
        if not whole:
            return
        at = end

"""What is said of a file, and what is not said of an ordinary one."""

from __future__ import annotations

import struct
from pathlib import Path

from twomind.media.endings import iso_boxes
from twomind.media.stream import stream

FILM = Path(__file__).parent.parent / "fixtures" / "v0_1" / "media" / "clip-talking.mp4"


def test_of_an_ordinary_film_nothing_is_remarked() -> None:
    film = stream(FILM)
    n_items = sum(1 for _ in film)
    assert n_items > 10
    assert not film.report.problems


def test_boxes_end_where_one_cannot_be_a_box(tmp_path: Path) -> None:
    """A length below that of the header, or a name that is no text, is content and no box."""
    begin = struct.pack(">I4s8x", 16, b"ftyp")
    for broken in (struct.pack(">I4s", 4, b"moov"), struct.pack(">I4s", 16, b"\x01\x02\x03\x04")):
        path = tmp_path / "file.mp4"
        path.write_bytes(begin + broken + bytes(64))
        assert iso_boxes(path) == [("ftyp", 0, 16)]

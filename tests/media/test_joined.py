"""Films that were joined byte by byte: the first is read as if it stood alone, and it is told. What
else stands behind a film is no film.
"""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

import media_files as make
from media.test_endings import tone, without_sizes
from twomind.media import endings
from twomind.media.endings import ending, iso_boxes
from twomind.media.probe import JOINED
from twomind.media.stream import Samples, StreamReport, stream

_VPX: dict[str, Any] = {
    "codec": "libvpx",
    "audio_codec": "libopus",
    "video_options": make.VPX,
}
_FAST: dict[str, Any] = {"video_options": make.FAST}
FILMS: dict[str, dict[str, Any]] = {
    "index-last.mp4": _FAST,
    "index-first.mp4": {**_FAST, "options": {"movflags": "faststart"}},
    "fragments.mp4": {**_FAST, "options": {"movflags": "frag_keyframe+empty_moov"}},
    "of-a-browser.mp4": {
        **_FAST,
        "options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    },
    "a.mov": _FAST,
    "a.mkv": _FAST,
    "of-a-browser.webm": {**_VPX, "options": {"live": "1"}},
    "a.avi": {
        "codec": "mpeg4",
        "audio_codec": "pcm_s16le",
        "time_base": Fraction(1, 30000),
    },
    "a.flv": {**_FAST, "audio_rate_hz": 44100},
    "a.ts": _FAST,
    "a.mpg": {"codec": "mpeg2video", "audio_codec": "mp2", "time_base": Fraction(1, 30)},
}
SOUNDS = {
    "a.wav": "pcm_s16le",
    "a.ogg": "libopus",
    "a.flac": "flac",
    "a.aiff": "pcm_s16be",
    "a.m4a": "aac",
}
#: How many pictures the first film has, and the second.
N_FIRST, N_SECOND = 30, 50


@cache
def _folder() -> Path:
    return Path(mkdtemp(prefix="twomind-joined-"))


@cache
def content(name: str, n: int) -> bytes:
    """A film of so many pictures, or so many thirtieths of a second of sound."""
    path = _folder() / f"{n}-{name}"
    if name in SOUNDS:
        tone(path, SOUNDS[name], n / 30)
    else:
        make.write(path, make.constant(n, Fraction(30)), beeps=(5, 20), **FILMS[name])
    found = path.read_bytes()
    return without_sizes(found) if name == "of-a-browser.webm" else found


def read(path: Path) -> tuple[list[float], np.ndarray, StreamReport]:
    """Times of pictures, samples of sound, and what the pass says."""
    times_s, sound = [], []
    source = stream(path)
    for item in source:
        if isinstance(item, Samples):
            sound.append(item.values)
        else:
            times_s.append(item.time_s)
    return times_s, np.concatenate([np.empty(0, np.float32), *sound]), source.report


@pytest.mark.parametrize("name", [*FILMS, *SOUNDS])
def test_of_joined_films_the_first_is_read_as_if_it_stood_alone(name: str, tmp_path: Path) -> None:
    first, second = content(name, N_FIRST), content(name, N_SECOND)
    alone, joined = tmp_path / name, tmp_path / f"joined-{name}"
    alone.write_bytes(first)
    joined.write_bytes(first + second)
    times_s, sound, told = read(joined)
    times_alone_s, sound_alone, told_alone = read(alone)
    assert JOINED in told.problems
    assert JOINED not in told_alone.problems
    assert times_s == times_alone_s
    assert len(sound) > 10000
    np.testing.assert_array_equal(sound, sound_alone)
    assert not told.truncated
    assert {*told.problems} - {JOINED} == {*told_alone.problems}


@pytest.mark.parametrize("name", ["index-last.mp4", "of-a-browser.webm", "a.avi", "a.wav", "a.ogg"])
def test_where_the_second_film_is_cut_the_first_is_whole(name: str, tmp_path: Path) -> None:
    first, second = content(name, N_FIRST), content(name, N_SECOND)
    path = tmp_path / name
    path.write_bytes(first + second[: len(second) // 2])
    assert ending(path).next_at == len(first)
    assert ending(path).sentence == ""


@pytest.mark.parametrize("name", ["a.mkv", "of-a-browser.webm"])
def test_a_film_that_was_cut_and_one_behind_it(name: str, tmp_path: Path) -> None:
    """As a recorder that broke down and began again leaves it."""
    first, second = content(name, N_FIRST), content(name, N_SECOND)
    path = tmp_path / name
    silent = 0
    for end in np.linspace(0.5 * len(first), 0.98 * len(first), 25).astype(int):
        path.write_bytes(first[:end] + second)
        found = ending(path)
        assert found.next_at == end
        silent += not found.sentence
    assert silent <= 1, "a cut that falls just before a block does not show"
    times_s, _, told = read(path)
    assert len(times_s) <= N_FIRST
    assert {JOINED, found.sentence} <= {*told.problems}
    path.write_bytes(first + bytes(300) + second)
    assert ending(path).next_at in (len(first), len(first) + 300)


@pytest.mark.parametrize("name", ["a.mkv", "of-a-browser.webm", "a.wav", "a.ogg", "a.flac"])
def test_three_joined_films_and_one_of_another_kind(name: str, tmp_path: Path) -> None:
    first, second = content(name, N_FIRST), content(name, N_SECOND)
    path = tmp_path / name
    path.write_bytes(first + second + first)
    assert ending(path).next_at == len(first)
    path.write_bytes(first + content("index-last.mp4", N_FIRST))
    assert JOINED not in read(path)[2].problems


@pytest.mark.parametrize("size", [1, 7, 8, 100])
def test_bytes_are_found_wherever_pieces_of_the_file_end(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "_PIECE", size)
    content = b"fLaC" + b"fLaCfLaX" * 20 + b"fLaC"
    expected = [at for at in range(3, len(content)) if content[at:].startswith(b"fLaC")]
    assert [*endings._places(io.BytesIO(content), b"fLaC", 3)] == expected


def box(kind: bytes, inner: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(inner), kind) + inner


_JUNK = np.random.default_rng(3).integers(0, 256, 5000).astype(np.uint8).tobytes()
BEHIND = {
    "junk": _JUNK,
    "zeros": bytes(4000),
    "letters": b"recorded by a camera; see the manual. " * 40,
    "a tag": b"TAG" + b"title".ljust(125, b"\0"),
    "another tag": b"ID3\x03\0\0\0\0\0\x10" + bytes(16),
    "nothing": b"",
}
_OF_KIND = {
    "index-last.mp4": {
        "free": box(b"free", bytes(300)),
        "uuid": box(b"uuid", bytes(300)),
        "two": box(b"free", b"") + box(b"uuid", _JUNK),
    },
    "a.mkv": {"void": b"\xec\x84" + bytes(4)},
    "a.wav": {
        "notes": struct.pack("<4sI", b"LIST", 40) + bytes(40),
        "odd notes": struct.pack("<4sI", b"note", 3) + b"abc\0",
    },
    "a.avi": {"more of it": struct.pack("<4sI4s", b"RIFF", 12, b"AVIX") + bytes(8)},
}
_ALL_BEHIND = [
    (name, what)
    for name in (*_OF_KIND, "index-first.mp4", "fragments.mp4", "a.ogg", "a.flac", "a.flv")
    for what in (*BEHIND, *_OF_KIND.get(name, ()))
]


@pytest.mark.parametrize(("name", "what"), _ALL_BEHIND)
def test_what_else_stands_behind_a_film_is_no_film(name: str, what: str, tmp_path: Path) -> None:
    behind = {**BEHIND, **_OF_KIND.get(name, {})}[what]
    path = tmp_path / name
    path.write_bytes(content(name, N_FIRST) + behind)
    found = ending(path)
    assert found.next_at == 0
    if name.endswith("mp4"):
        assert found.sentence == ""


def test_fragments_that_go_on_behind_a_repeated_head_are_one_film(tmp_path: Path) -> None:
    """As a stream that is sent in pieces repeats it."""
    name = "of-a-browser.mp4"
    path = tmp_path / name
    whole = content(name, 300)
    path.write_bytes(whole)
    boxes = iso_boxes(path)
    heads = [at for kind, at, _ in boxes if kind == "moof"]
    assert len(heads) > 1, "the test needs two fragments"
    head = whole[: heads[0]]
    path.write_bytes(whole[: heads[1]] + head + whole[heads[1] :])
    assert ending(path).next_at == 0
    path.write_bytes(whole[: heads[1]] + head + whole[heads[0] :])
    assert ending(path).next_at == heads[1]
    # A program that counts the fragments from one again behind each head.
    again = bytearray(whole[heads[1] :])
    again[20:24] = whole[heads[0] + 20 : heads[0] + 24]
    path.write_bytes(whole[: heads[1]] + head + again)
    assert ending(path).next_at == 0


def test_an_index_without_a_head_is_of_another_film_too(tmp_path: Path) -> None:
    """As cameras wrote it before there were heads."""
    path = tmp_path / "a.mov"
    film = content("a.mov", N_FIRST)
    path.write_bytes(film)
    boxes = iso_boxes(path)
    pieces = [film[at : at + size] for kind, at, size in boxes if kind != "ftyp"]
    old = b"".join(pieces)
    path.write_bytes(old)
    assert ending(path).next_at == 0
    path.write_bytes(old + old)
    assert ending(path).next_at > 0


def test_a_joined_mp3_is_read_as_one(tmp_path: Path) -> None:
    """Its frames stand by themselves, and no head counts them."""
    path = tone(tmp_path / "a.mp3", "libmp3lame", 1.0)
    path.write_bytes(path.read_bytes() * 2)
    _, sound, told = read(path)
    assert len(sound) / 16000 == pytest.approx(2.0, abs=0.1)
    assert JOINED not in told.problems


def test_packets_that_were_split_and_joined_again_are_one_film(tmp_path: Path) -> None:
    film = content("a.ts", N_SECOND)
    path = tmp_path / "a.ts"
    path.write_bytes(film)
    times_s, _, told = read(path)
    assert len(times_s) == N_SECOND
    assert JOINED not in told.problems

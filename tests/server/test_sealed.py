"""Sealed bytes, and keys."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twomind.server import durable, keys
from twomind.server.keys import Keys, NoKey
from twomind.server.sealed import BLOCK, Film, Part, Piece, Unreadable, seal, unseal

KEY = bytes(range(32))
SIZES = (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 7)


@pytest.mark.parametrize("size", SIZES)
def test_there_and_back(size: int) -> None:
    content = os.urandom(size)
    sealed = seal(KEY, content, "x")
    assert unseal(KEY, sealed, "x") == content
    assert content[:40] not in sealed or size < 8
    assert seal(KEY, content, "x") != sealed


@given(st.integers(0, 4 * BLOCK), st.integers(0, 2 * BLOCK))
def test_any_part(start: int, size: int) -> None:
    content = bytes(range(256)) * (3 * BLOCK // 256) + b"end"
    piece = Piece(io.BytesIO(seal(KEY, content, "x")), KEY, "x")
    assert piece.read(start, size) == content[start : start + size]


@pytest.mark.parametrize("size", SIZES)
def test_another_key_label_or_changed_byte_opens_nothing(size: int) -> None:
    sealed = seal(KEY, bytes(size), "x")
    for key, bytes_, label in (
        (bytes(32), sealed, "x"),
        (KEY, sealed, "y"),
        (KEY, sealed[:-1], "x"),
        (KEY, sealed[:-1] + bytes([sealed[-1] ^ 1]), "x"),
        (KEY, sealed[:6] + bytes([sealed[6] ^ 1]) + sealed[7:], "x"),
        (KEY, b"", "x"),
        (KEY, b"RIFF" + sealed[4:], "x"),
    ):
        with pytest.raises(Unreadable):
            unseal(key, bytes_, label)


def test_blocks_cannot_be_exchanged() -> None:
    sealed = seal(KEY, bytes(BLOCK) + b"\1" * BLOCK, "x")
    head, block = 28, BLOCK + 16
    first, second = sealed[head : head + block], sealed[head + block :]
    with pytest.raises(Unreadable):
        unseal(KEY, sealed[:head] + second + first, "x")


def test_a_film_reads_over_the_seams(tmp_path: Path) -> None:
    contents = [os.urandom(size) for size in (10, 0, BLOCK + 3, 1, 500)]
    parts = []
    for number, content in enumerate(contents):
        path = tmp_path / str(number)
        path.write_bytes(seal(KEY, content, str(number)))
        parts.append(Part(path, str(number), len(content)))
    whole = b"".join(contents)
    film = io.BufferedReader(Film(parts, KEY), 4096)
    assert film.read() == whole
    for start in (0, 5, 9, 10, 11, BLOCK + 12, len(whole) - 1, len(whole), len(whole) + 5):
        film.seek(start)
        assert film.read(700) == whole[start : start + 700]
    assert film.seek(-3, os.SEEK_END) == len(whole) - 3
    assert film.read() == whole[-3:]


# --- keys


def test_a_destroyed_key_is_gone_and_was_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Keys.at(tmp_path / "k")
    place.make("p")
    path = tmp_path / "k" / "people" / "p.key"
    before = path.read_bytes()
    seen: list[bytes] = []
    remove = durable.remove

    def spying(gone: Path) -> None:
        seen.append(gone.read_bytes())
        remove(gone)

    monkeypatch.setattr(keys.durable, "remove", spying)
    place.destroy("p")
    assert len(seen[0]) == len(before)
    assert seen[0] != before
    with pytest.raises(NoKey):
        place.of("p")
    place.destroy("p")


def test_rotation_keeps_people_s_keys_and_changes_the_main_one(tmp_path: Path) -> None:
    place = Keys.at(tmp_path / "k")
    for person in "abc":
        place.make(person)
    before = {person: place.of(person) for person in "abc"}
    main = (tmp_path / "k" / "main.key").read_bytes()
    wrapped = (tmp_path / "k" / "people" / "a.key").read_bytes()
    assert place.rotate() == 3
    assert {person: place.of(person) for person in "abc"} == before
    assert (tmp_path / "k" / "main.key").read_bytes() != main
    assert (tmp_path / "k" / "people" / "a.key").read_bytes() != wrapped
    assert not (tmp_path / "k" / "next.key").exists()


@pytest.mark.parametrize("stop_after", range(5))
def test_a_rotation_that_was_cut_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    place = Keys.at(tmp_path / "k")
    for person in "abc":
        place.make(person)
    before = {person: place.of(person) for person in "abc"}
    write, left = durable.write_bytes, [stop_after]

    def cut(path: Path, content: bytes) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(keys.durable, "write_bytes", cut)
        if stop_after < 4:
            with pytest.raises(KeyboardInterrupt):
                place.rotate()
        else:
            place.rotate()
    again = Keys.at(tmp_path / "k")
    assert {person: again.of(person) for person in "abc"} == before
    assert not (tmp_path / "k" / "next.key").exists()


def test_a_person_is_no_path(tmp_path: Path) -> None:
    from twomind.core.errors import BadInput

    with pytest.raises(BadInput):
        Keys.at(tmp_path / "k").make("../../p")

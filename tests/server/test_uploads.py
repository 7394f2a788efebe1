"""The upload protocol: what is acknowledged is there, whatever else happens."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from server_world import Guest, World, as_film, begin_body, sha_of
from twomind.server import durable, uploads
from twomind.server.sealed import Unreadable
from twomind.server.tables import Recording


@pytest.fixture
def guest(world: World) -> Guest:
    found = world.person()
    assert found.agree().status_code == 201
    return found


def test_a_recording_comes_back_byte_for_byte(guest: Guest) -> None:
    chunks = [secrets.token_bytes(size) for size in (65536, 1, 40000, 65535)]
    chunks[0] = as_film(chunks[0])
    recording = guest.record("q1", chunks)
    assert guest.media(recording) == b"".join(chunks)
    state = guest.client.get(f"/api/recordings/{recording}").json()
    assert state["state"] == "complete"
    assert state["chunks"] == {str(n): sha_of(chunk) for n, chunk in enumerate(chunks)}
    assert state["bytes"] == sum(map(len, chunks))


def test_chunks_come_in_any_order_and_twice(guest: Guest) -> None:
    chunks = [as_film(b"a" * 100), b"b" * 200, b"c" * 300]
    recording = guest.begin()
    for number in (2, 0, 1):
        first = guest.put(recording, number, chunks[number])
        again = guest.put(recording, number, chunks[number])
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
    assert guest.done(recording, chunks).status_code == 200
    assert guest.done(recording, chunks).status_code == 200
    assert guest.put(recording, 1, chunks[1]).status_code == 200
    assert guest.media(recording) == b"".join(chunks)


def test_other_bytes_under_a_number_are_refused(guest: Guest) -> None:
    recording = guest.begin()
    assert guest.put(recording, 0, as_film(b"one")).status_code == 201
    other = guest.put(recording, 0, as_film(b"two"))
    assert (other.status_code, other.json()["error"]) == (409, "differs")
    assert other.json()["sha256"] == sha_of(as_film(b"one"))


def test_a_wrong_hash_is_refused_and_keeps_nothing(guest: Guest) -> None:
    recording = guest.begin()
    wrong = guest.put(recording, 0, as_film(b"one"), sha_of(b"two"))
    assert (wrong.status_code, wrong.json()["error"]) == (422, "bad_hash")
    assert guest.client.get(f"/api/recordings/{recording}").json()["chunks"] == {}


def test_a_hole_is_told(guest: Guest) -> None:
    recording = guest.begin()
    chunks = [as_film(b"a"), b"b", b"c", b"d"]
    for number in (0, 2):
        guest.put(recording, number, chunks[number])
    hole = guest.done(recording, chunks)
    assert (hole.status_code, hole.json()["missing"]) == (409, [1, 3])
    assert guest.client.get(f"/api/recordings/{recording}").json()["missing"] == [1]
    assert guest.client.get(f"/api/recordings/{recording}/media").status_code == 409


def test_an_end_with_other_hashes_or_fewer_is_refused(guest: Guest) -> None:
    recording = guest.begin()
    chunks = [as_film(b"a"), b"b"]
    for number, chunk in enumerate(chunks):
        guest.put(recording, number, chunk)
    other = guest.done(recording, [chunks[0], b"x"])
    assert (other.status_code, other.json()["differs"]) == (409, [1])
    fewer = guest.done(recording, chunks[:1])
    assert (fewer.status_code, fewer.json()["differs"]) == (409, [1])
    size = guest.done(recording, chunks, bytes=3)
    assert (size.status_code, size.json()["where"]) == (422, "bytes")
    assert guest.done(recording, chunks).status_code == 200
    assert guest.done(recording, [chunks[0], b"x"]).status_code == 409
    late = guest.put(recording, 2, b"late")
    assert (late.status_code, late.json()["error"]) == (409, "ended")


def test_the_id_of_another_recording_is_refused(guest: Guest) -> None:
    recording = guest.begin("q1")
    again = guest.client.post("/api/recordings", json=begin_body(recording, "q1"))
    other = guest.client.post("/api/recordings", json=begin_body(recording, "q2"))
    assert (again.status_code, other.status_code) == (200, 409)


def test_limits_of_chunk_recording_and_study(guest: Guest) -> None:
    recording = guest.begin("q2")
    assert guest.put(recording, 0, b"x" * 65537).status_code == 413
    for number in range(6):
        content = as_film(bytes([number]) * 65536)
        assert guest.put(recording, number, content).status_code == 201
    full = guest.put(recording, 6, b"y" * 65536)
    assert (full.status_code, full.json()["limit"]) == (413, 400000)


def test_a_chunk_without_length_is_refused(guest: Guest) -> None:
    recording = guest.begin()
    answer = guest.client.put(
        f"/api/recordings/{recording}/chunks/0",
        content=iter([b"a", b"b"]),
        headers={"X-Chunk-SHA256": sha_of(b"ab")},
    )
    assert answer.status_code == 411


@pytest.mark.parametrize("number", ["-1", "20000", "1.5", "x", "%2e%2e"])
def test_numbers_of_chunks_that_are_none(guest: Guest, number: str) -> None:
    recording = guest.begin()
    answer = guest.client.put(
        f"/api/recordings/{recording}/chunks/{number}",
        content=b"a",
        headers={"X-Chunk-SHA256": sha_of(b"a")},
    )
    assert answer.status_code in (404, 422)


@pytest.mark.parametrize(
    ("asked", "want"),
    [("bytes=0-0", (0, 1)), ("bytes=65530-65545", (65530, 65546)), ("bytes=90000-", (90000, 98304)),
     ("bytes=-5", (98299, 98304)), ("bytes=98000-200000", (98000, 98304))],
)  # fmt: skip
def test_any_part_of_a_recording(guest: Guest, asked: str, want: tuple[int, int]) -> None:
    chunks = [as_film(secrets.token_bytes(65536)), secrets.token_bytes(32768)]
    recording = guest.record("q1", chunks)
    answer = guest.client.get(f"/api/recordings/{recording}/media", headers={"Range": asked})
    start, end = want
    assert answer.status_code == 206
    assert answer.content == b"".join(chunks)[start:end]
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/98304"


@pytest.mark.parametrize("asked", ["bytes=98304-", "bytes=5-2", "bytes=-", "pages=1-2", "bytes=-0"])
def test_parts_that_there_are_not(guest: Guest, asked: str) -> None:
    recording = guest.record("q1", [as_film(b"x" * 65536), b"y" * 32768])
    answer = guest.client.get(f"/api/recordings/{recording}/media", headers={"Range": asked})
    assert answer.status_code == 416


def test_events_only_grow(guest: Guest) -> None:
    recording = guest.begin()
    events = [
        {"seq": n, "name": "start", "media_ms": n * 1.5, "at": "2026-11-29T04:30:00Z", "detail": {}}
        for n in range(3)
    ]
    path = f"/api/recordings/{recording}/events"
    assert guest.client.put(path, json={"events": events[:2]}).status_code == 204
    assert guest.client.put(path, json={"events": events}).status_code == 204
    assert guest.client.put(path, json={"events": events[:1]}).status_code == 204
    changed = [events[0] | {"media_ms": 9.0}, *events[1:]]
    assert guest.client.put(path, json={"events": changed}).status_code == 409
    with guest.world.place.database.reading() as reading:
        row = reading.get_one(Recording, recording)
        assert [event["seq"] for event in uploads.events_of(guest.world.place, row)] == [0, 1, 2]


def test_a_second_take_replaces_the_first(guest: Guest) -> None:
    first, second = guest.record("q2"), guest.record("q2")
    states = {one["id"]: one["state"] for one in guest.client.get("/api/me").json()["recordings"]}
    assert states == {first: "replaced", second: "complete"}
    third = guest.client.post("/api/recordings", json=begin_body(secrets.token_hex(16), "q2"))
    assert (third.status_code, third.json()["error"]) == (409, "no_takes_left")


def test_what_ended_by_itself_uses_up_no_take(guest: Guest) -> None:
    recording = guest.begin("q1")
    guest.put(recording, 0, as_film(b"half"))
    assert guest.done(recording, [as_film(b"half")], stop_reason="tab_closed").status_code == 200
    items = {item["id"]: item for item in guest.client.get("/api/me").json()["items"]}
    assert items["q1"] == {"id": "q1", "state": "interrupted", "takes_left": 1}
    guest.record("q1")
    items = {item["id"]: item for item in guest.client.get("/api/me").json()["items"]}
    assert items["q1"] == {"id": "q1", "state": "complete", "takes_left": 0}


# --- on the disk


def test_no_plain_bytes_on_the_disk(guest: Guest) -> None:
    needle = b"what I said about my mother"
    guest.record("q1", [as_film(needle * 50), needle * 50])
    for path in guest.world.folder.rglob("*"):
        if path.is_file():
            assert needle not in path.read_bytes(), path


@pytest.mark.parametrize("change", ["flip", "cut", "grow", "swap"])
def test_changed_bytes_on_the_disk_are_noticed(guest: Guest, change: str) -> None:
    recording = guest.record("q1", [as_film(b"a" * 5000), b"b" * 5000])
    place = guest.world.place
    first, second = (
        uploads.chunk_path(place, guest.person, recording, number) for number in (0, 1)
    )
    content = first.read_bytes()
    changed = {
        "flip": content[:100] + bytes([content[100] ^ 1]) + content[101:],
        "cut": content[:-1],
        "grow": content[:4] + (9999).to_bytes(8, "little") + content[12:],
        "swap": second.read_bytes(),
    }
    first.write_bytes(changed[change])
    with place.database.reading() as reading:
        film = uploads.film(place, reading, reading.get_one(Recording, recording))
        with pytest.raises(Unreadable):
            film.read(20000)


def test_an_acknowledgement_follows_both_flushes(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, os.rename

    def spying_fsync(handle: int) -> None:
        fsync(handle)
        done.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{handle}')).name}")

    def spying_rename(old: Path, new: Path) -> None:
        rename(old, new)
        done.append(f"rename to {Path(new).name}")

    monkeypatch.setattr(durable.os, "fsync", spying_fsync)
    monkeypatch.setattr(durable.os, "rename", spying_rename)
    recording = guest.begin()
    done.clear()
    assert guest.put(recording, 0, as_film(b"one")).status_code == 201
    # The folders that are new: each one's name is flushed in the folder above it.
    assert done[:-3] == ["fsync data", "fsync people", f"fsync {guest.person}"]
    file, renamed, folder = done[-3:]
    assert file.startswith("fsync 000000.sealed.")
    assert file.endswith(".part")
    assert renamed == "rename to 000000.sealed"
    assert folder == f"fsync {recording}"


def test_half_written_files_are_swept_at_the_start(guest: Guest) -> None:
    recording = guest.record()
    left = uploads.chunk_path(guest.world.place, guest.person, recording, 7)
    left = left.with_name("000007.sealed.00aa.part")
    left.write_bytes(b"half")
    guest.world.start()
    assert not left.exists()


def test_a_file_without_its_line_is_written_anew(guest: Guest) -> None:
    """The server was killed between the two: the chunk was never acknowledged."""
    recording = guest.begin()
    path = uploads.chunk_path(guest.world.place, guest.person, recording, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"of another life")
    assert guest.put(recording, 0, as_film(b"one")).status_code == 201
    assert guest.done(recording, [as_film(b"one")]).status_code == 200
    assert guest.media(recording) == as_film(b"one")


# --- typed by what they are

MP4 = b"\0\0\0\x1cftypisom\0\0\x02\0isomiso2avc1mp41"


@pytest.mark.parametrize(
    "content",
    [
        b"<!doctype html><script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        b"MZ" + b"\0" * 60,
        b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 40,
        MP4,
        b"\0" * 64,
        b"\x1a\x45\xdf\xa3" + b"\0" * 60,
        as_film(b"").replace(b"webm", b"html"),
    ],
)
def test_a_first_chunk_that_is_no_webm_is_refused_and_not_kept(
    guest: Guest, content: bytes
) -> None:
    recording = guest.begin()
    answer = guest.put(recording, 0, content)
    assert (answer.status_code, answer.json()["error"]) == (415, "wrong_type")
    assert answer.json()["expected"] == "video/webm"
    assert guest.client.get(f"/api/recordings/{recording}").json()["chunks"] == {}


def test_what_is_too_short_to_tell_is_judged_at_the_end(guest: Guest) -> None:
    whole = as_film(b"rest")
    good = guest.begin("q2")
    for number, piece in enumerate((whole[:2], whole[2:])):
        assert guest.put(good, number, piece).status_code == 201
    assert guest.done(good, [whole[:2], whole[2:]]).status_code == 200
    bad = guest.begin("q2")
    halves = [whole[:3], b"<script>" * 20]
    for number, piece in enumerate(halves):
        assert guest.put(bad, number, piece).status_code == 201
    answer = guest.done(bad, halves)
    assert (answer.status_code, answer.json()["error"]) == (415, "wrong_type")
    assert guest.client.get(f"/api/recordings/{bad}").json()["state"] == "open"


@pytest.mark.parametrize(("content", "status"), [(MP4, 201), (as_film(b""), 415), (b"\0\0", 201)])
def test_an_mp4_is_one(guest: Guest, content: bytes, status: int) -> None:
    body = begin_body("f" * 32, "q1") | {"mime": "video/mp4;codecs=avc1"}
    assert guest.client.post("/api/recordings", json=body).status_code == 201
    assert guest.put("f" * 32, 0, content).status_code == status

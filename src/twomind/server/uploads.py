"""Recordings as they come in: numbered chunks, each safe on the disk before it is acknowledged.

The table of chunks is the manifest; only the list of hashes that ends a recording makes it complete.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Transaction

from twomind.server import consent, durable, kinds, people
from twomind.server.place import BACKUP, DATA, Place, stamp
from twomind.server.refused import Refused
from twomind.server.sealed import Film, Part, seal
from twomind.server.tables import Chunk, Recording

#: More than an hour in the shortest chunks.
MOST_CHUNKS = 20_000
_EVENTS = "events"
_MOST_BEGUN = 200


# --- begin


@dataclass(frozen=True)
class Begin:
    """A recording that begins."""

    id: str
    item: str
    mime: str
    started_at: str


def begin(place: Place, person_id: str, asked: Begin) -> tuple[dict[str, Any], bool]:
    """Take a new recording.

    Returns:
        Its state, and whether it is new.

    Raises:
        Refused: No consent, no such item, no take left, or the id is another recording's.
    """
    with place.alone_with(person_id), place.database.writing() as writing:
        person = people.acting(writing, person_id)
        consent.refuse_without(place, writing, person_id)
        known = writing.get(Recording, asked.id)
        if known is not None:
            _refuse_another(known, person_id, asked)
            return state(writing, known), False
        _refuse_no_take(place, writing, people.items(place, writing, person), asked.item)
        if len(people.of_person(writing, person_id)) >= _MOST_BEGUN:
            raise Refused(409, "no_takes_left", "Too many recordings were begun.")
        recording = Recording(id=asked.id, person=person_id, item=asked.item, mime=asked.mime)
        recording.started_at = asked.started_at
        recording.created = place.now()
        recording.state = "open"
        person.seen = place.now()
        writing.add(recording)
        writing.flush()
        return state(writing, recording), True


def _refuse_another(known: Recording, person: str, asked: Begin) -> None:
    same = Begin(known.id, known.item, known.mime, known.started_at) == asked
    if known.person != person or not same:
        raise Refused(409, "differs", "There is another recording of this id.")


def _refuse_no_take(
    place: Place, reading: Transaction, items: Iterable[people.Item], name: str
) -> None:
    found = [item for item in items if item.prompt.id == name]
    if not found:
        raise Refused(422, "unknown_item", "The study has no such item.", where="item")
    if not found[0].takes_left:
        raise Refused(409, "no_takes_left", "This answer was recorded as often as it may be.")


# --- chunks


@dataclass(frozen=True)
class Incoming:
    """A chunk as it came, with the hash that the sender made of it."""

    number: int
    sha256: str
    content: bytes


def put(place: Place, person_id: str, recording_id: str, chunk: Incoming) -> tuple[Chunk, bool]:
    """Keep a chunk. When this returns it is on the disk: bytes, name, and line of the manifest.

    Args:
        place: The study.
        person_id: Who sends.
        recording_id: Of which recording.
        chunk: Number, hash and bytes.

    Returns:
        The line of the manifest, and whether it is new.

    Raises:
        Refused: Not their recording, another chunk of this number, a wrong hash, too much, or a
            first chunk that is no film of the type it was begun as.
    """
    if hashlib.sha256(chunk.content).hexdigest() != chunk.sha256:
        raise Refused(422, "bad_hash", "The bytes do not have this hash; send them again.")
    with place.alone_with(person_id):
        with place.database.reading() as reading:
            recording = _takes(place, reading, person_id, recording_id)
            kept = reading.get(Chunk, (recording_id, chunk.number))
            if kept is not None:
                return _the_same(kept, chunk), False
            _refuse_too_much(place, reading, recording, len(chunk.content))
            if chunk.number == 0:
                kinds.refuse_other(recording.mime, chunk.content)
        key = place.keys.of(person_id)
        label = _label(recording_id, chunk.number, chunk.sha256)
        path = chunk_path(place, person_id, recording_id, chunk.number)
        durable.make_folder(path.parent)
        durable.write_bytes(path, seal(key, chunk.content, label))
        with place.database.writing() as writing:
            line = Chunk(recording=recording_id, number=chunk.number, sha256=chunk.sha256)
            line.size = len(chunk.content)
            writing.add(line)
            again = writing.get_one(Recording, recording_id)
            again.size += line.size
        return line, True


def _takes(place: Place, reading: Transaction, person: str, recording_id: str) -> Recording:
    people.acting(reading, person)
    recording = people.own_recording(reading, person, recording_id)
    consent.refuse_without(place, reading, person)
    return recording


def _the_same(kept: Chunk, chunk: Incoming) -> Chunk:
    if kept.sha256 != chunk.sha256:
        raise Refused(409, "differs", "Other bytes are kept under this number.", sha256=kept.sha256)
    return kept


def _refuse_too_much(place: Place, reading: Transaction, recording: Recording, size: int) -> None:
    if recording.ended:
        raise Refused(409, "ended", "The recording was ended without this chunk.")
    most = place.study.recording.recording_max_bytes
    if recording.size + size > most:
        raise Refused(413, "too_large", "The recording is longer than it may be.", limit=most)
    whole = place.study.server.study_max_bytes
    used = reading.scalars(select(func.coalesce(func.sum(Recording.size), 0))).one()
    free = shutil.disk_usage(place.folder).free
    if used + size > whole or free < size + (64 << 20):
        raise Refused(413, "too_large", "The study has no room left.", limit=whole)


def chunk_path(place: Place, person: str, recording: str, number: int) -> Path:
    """Where a sealed chunk lies."""
    return place.folder_of(person, recording, f"{number:06d}.sealed")


def _label(recording: str, number: int, sha256: str) -> str:
    return f"chunk {recording} {number} {sha256}"


# --- events


def note_events(
    place: Place, person_id: str, recording_id: str, events: Sequence[Mapping[str, Any]]
) -> None:
    """Keep what happened during a recording; the list may only grow.

    Raises:
        Refused: The list that is kept is no beginning of it.
    """
    with place.alone_with(person_id), place.database.writing() as writing:
        recording = _takes(place, writing, person_id, recording_id)
        _grow(place, recording, events)


def _grow(place: Place, recording: Recording, events: Sequence[Mapping[str, Any]]) -> None:
    label = f"{_EVENTS} {recording.id}"
    kept = place.opened(recording.person, recording.events, label).get(_EVENTS, [])
    new = [dict(event) for event in events]
    if new[: len(kept)] == kept:
        recording.events = place.sealed(recording.person, {_EVENTS: new}, label)
    elif kept[: len(new)] != new:
        raise Refused(409, "differs", "Other events are kept.")


def events_of(place: Place, recording: Recording) -> list[dict[str, Any]]:
    """The events of a recording."""
    found: list[dict[str, Any]] = place.opened(
        recording.person, recording.events, f"{_EVENTS} {recording.id}"
    ).get(_EVENTS, [])
    return found


# --- end


@dataclass(frozen=True)
class End:
    """How a recording ended, as the browser knows it."""

    chunks: Sequence[str]
    size: int
    duration_ms: float
    stop_reason: str
    events: Sequence[Mapping[str, Any]]


def end(place: Place, person_id: str, recording_id: str, asked: End) -> dict[str, Any]:
    """A recording is complete, if every chunk of the list is there.

    Raises:
        Refused: Chunks are missing or others, it was ended with another list, or it is no film of
            its type.
    """
    listed = hashlib.sha256("\n".join(asked.chunks).encode()).hexdigest()
    with place.alone_with(person_id), place.database.writing() as writing:
        recording = _takes(place, writing, person_id, recording_id)
        kept = _kept(writing, recording_id)
        if recording.ended:
            if recording.ended != listed:
                raise Refused(409, "differs", "It was ended with another list.", differs=[])
            return state(writing, recording)
        _refuse_holes(kept, asked)
        head = io.BufferedReader(film(place, writing, recording)).read(kinds.SEARCHED)
        kinds.refuse_other(recording.mime, head)
        _grow(place, recording, asked.events)
        recording.ended = listed
        recording.duration_ms = asked.duration_ms
        recording.stop_reason = asked.stop_reason
        _replace_earlier(writing, recording)
        recording.state = "complete"
        person = people.acting(writing, person_id)
        person.seen = place.now()
        return state(writing, recording)


def _kept(reading: Transaction, recording: str) -> dict[int, Chunk]:
    of_it = select(Chunk).where(Chunk.recording == recording).order_by(Chunk.number)
    return {chunk.number: chunk for chunk in reading.scalars(of_it)}


def _refuse_holes(kept: Mapping[int, Chunk], asked: End) -> None:
    numbers = range(len(asked.chunks))
    missing = [number for number in numbers if number not in kept]
    if missing:
        raise Refused(409, "hole", "Some chunks are not here yet.", missing=missing)
    others = [number for number in kept if number not in numbers]
    changed = [number for number in numbers if kept[number].sha256 != asked.chunks[number]]
    if others or changed:
        raise Refused(409, "differs", "Some chunks are others.", differs=sorted(changed + others))
    size = sum(chunk.size for chunk in kept.values())
    if size != asked.size:
        raise Refused(422, "invalid", f"The chunks have {size} bytes together.", where="bytes")


def _replace_earlier(writing: Transaction, recording: Recording) -> None:
    for earlier in people.of_person(writing, recording.person):
        same_item = earlier.item == recording.item and earlier.id != recording.id
        if same_item and earlier.state == "complete":
            earlier.state = "replaced"


# --- what is there


def state(reading: Transaction, recording: Recording) -> dict[str, Any]:
    """What the server has of a recording, as the protocol tells it."""
    kept = _kept(reading, recording.id)
    highest = max(kept, default=-1)
    return {
        "id": recording.id,
        "item": recording.item,
        "state": recording.state,
        "chunks": {str(number): chunk.sha256 for number, chunk in kept.items()},
        "bytes": recording.size,
        "missing": [number for number in range(highest + 1) if number not in kept],
        "at": stamp(recording.created),
    }


def film(place: Place, reading: Transaction, recording: Recording) -> Film:
    """The recording as a file that is decrypted while it is read, from any place."""
    parts = []
    for number, chunk in _kept(reading, recording.id).items():
        path = chunk_path(place, recording.person, recording.id, number)
        parts.append(Part(path, _label(recording.id, number, chunk.sha256), chunk.size))
    return Film(parts, place.keys.of(recording.person))


def manifest(place: Place, reading: Transaction, recording: Recording) -> dict[str, Any]:
    """What proves that a recording is whole, or says that it is not."""
    return {
        **state(reading, recording),
        "mime": recording.mime,
        "started_at": recording.started_at,
        "duration_ms": recording.duration_ms,
        "stop_reason": recording.stop_reason or "incomplete",
        "events": events_of(place, recording),
    }


def tidy(place: Place) -> int:
    """Remove what a killed server or backup left half-written.

    Returns:
        How many files.
    """
    parts = list(place.people.rglob(f"*{durable.PART}"))
    for folder in (place.folder / DATA).glob(f"{BACKUP}*"):
        shutil.rmtree(folder, ignore_errors=True)
    for path in parts:
        path.unlink(missing_ok=True)
    return len(parts)

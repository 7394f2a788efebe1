"""What is a person's, as one file for them: nothing of it is written to the disk in clear."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from twomind.server import consent, people, scripts, uploads
from twomind.server.place import Place, stamp
from twomind.server.refused import Refused
from twomind.server.sealed import Film

_PIECE = 1 << 18


class _Outlet(io.RawIOBase):
    """Takes what a zip file is made of, until it is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        content = bytes(data)
        self._waiting.append(content)
        return len(content)

    def fetched(self) -> bytes:
        content = b"".join(self._waiting)
        self._waiting.clear()
        return content


def download(place: Place, person_id: str) -> Iterator[bytes]:
    """The bytes of a zip file with everything that is a person's."""
    texts, films = _contents(place, person_id)
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
            yield outlet.fetched()
        for name, film in films.items():
            with archive.open(name, "w", force_zip64=True) as entry:
                while piece := film.read(_PIECE):
                    entry.write(piece)
                    yield outlet.fetched()
    yield outlet.fetched()


def _contents(place: Place, person_id: str) -> tuple[dict[str, str], dict[str, Film]]:
    texts: dict[str, str] = {}
    films: dict[str, Film] = {}
    with place.database.reading() as reading:
        person = people.find(reading, person_id)
        private = place.opened(person_id, person.private, people.PRIVATE)
        told = {
            "external_id": private["external_id"],
            "answers": private["metadata"],
            "device_check": private["check"],
            "order": person.order,
            "begun": stamp(person.created),
        }
        texts["you.json"] = _json(told)
        try:
            texts["consent.txt"] = consent.copy(place, reading, person_id)
        except Refused:
            texts["consent.txt"] = "There is no consent yet.\n"
        for number, recording in enumerate(people.of_person(reading, person_id), 1):
            name = f"{number:02d}-{recording.item}"
            for version in scripts.versions(place, reading, recording):
                said = version.told()
                if version.is_corrected:
                    said["by"] = "a researcher"
                texts[f"{name}-words-{version.revision}.json"] = _json(said)
            texts[f"{name}.json"] = _json(uploads.manifest(place, reading, recording))
            films[f"{name}.{ending(recording.mime)}"] = uploads.film(place, reading, recording)
    return texts, films


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1) + "\n"


def ending(mime: str) -> str:
    """The ending of a film's name."""
    return "mp4" if mime.startswith("video/mp4") else "webm"

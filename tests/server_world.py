"""A study of three prompts, its server, and people who use it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from twomind.server import access, recruiting
from twomind.server.app import create_app
from twomind.server.place import Place, now, open_place

PASSWORD = "correct horse battery"

#: How a WebM begins: the head of its container, without a film behind it.
HEAD = (
    b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08"
    b"\x42\x82\x84webm\x42\x87\x81\x04\x42\x85\x81\x02"
)


def as_film(content: bytes) -> bytes:
    """Bytes that begin as a WebM does: a server takes no others as a first chunk. Long ones keep
    their length.
    """
    return HEAD + (content[len(HEAD) :] if len(content) > len(HEAD) else content)


STUDY = """
id = "small"
languages = ["en", "fr"]
title = { en = "Small", fr = "Petite" }
contact = { en = "us", fr = "nous" }
debriefing = { en = "thanks", fr = "merci" }
payment = { en = "none", fr = "aucun" }

[consent]
version = 1
text = { en = "May we?", fr = "Pouvons-nous ?" }
items = [
  { id = "processing", required = true, text = { en = "process", fr = "traiter" } },
  { id = "storage", required = true, text = { en = "store", fr = "garder" } },
  { id = "pictures", required = false, text = { en = "show", fr = "montrer" } },
]

[neutral]
id = "neutral"
takes = 3
text = { en = "rest", fr = "repos" }

[[prompts]]
id = "q1"
response = "neutral"
takes = 1
text = { en = "one?", fr = "un ?" }

[[prompts]]
id = "q2"
response = "hesitant"
takes = 2
text = { en = "two?", fr = "deux ?" }

[[metadata]]
id = "age"
kind = "number"
min = 18
max = 120
text = { en = "age", fr = "âge" }

[[metadata]]
id = "region"
kind = "text"
text = { en = "region", fr = "région" }

[recording]
chunk_max_bytes = 65536
recording_max_bytes = 400000

[recruiting]
EXTRA

[retention]
partial_days = 30
second_thoughts_days = THOUGHTS

[server]
keys = "KEYS"
database = "DATABASE"
requests_per_second = 100000
sign_ins_per_minute = 100000
"""


def fresh_database() -> str:
    """Where a new study keeps its rows: SQLite in its folder. `make test-postgresql` puts in another."""
    return ""


@dataclass
class Clock:
    """A clock that a test turns."""

    ahead: timedelta = timedelta()

    def __call__(self) -> Any:
        return now() + self.ahead


@dataclass
class World:
    """A study and its server."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    database: str | None = None
    extra: str = ""
    thoughts: int = 0
    text: Callable[[str], str] = str
    place: Place = field(init=False)
    app: Any = field(init=False)
    team: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.keys = self.folder.parent / f"{self.folder.name}-keys"
        if self.database is None:
            self.database = fresh_database()
        self.start()

    def start(self) -> None:
        """Start, or start again with what is on the disk."""
        text = STUDY.replace("KEYS", str(self.keys)).replace("DATABASE", self.database or "")
        text = text.replace("EXTRA", self.extra).replace("THOUGHTS", str(self.thoughts))
        (self.folder / "study.toml").write_text(self.text(text), encoding="utf-8")
        self.place = open_place(self.folder, self.clock)
        self.app = create_app(self.place, self.folder / "no-pages")

    def client(self) -> TestClient:
        return TestClient(self.app, base_url="http://testserver")

    def person(self, name: str | None = None) -> Guest:
        """Somebody who was invited and has opened their link."""
        told = recruiting.invite(self.place, "ada", [name or secrets.token_hex(4)])[0]
        return self.enter(told["link"].partition("#")[2], told["person"])

    def enter(self, token: str, person: str) -> Guest:
        client = self.client()
        answer = client.post("/api/session", json={"token": token})
        assert answer.status_code == 200, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return Guest(self, client, person, token)

    def researcher(self, name: str = "ada") -> TestClient:
        """Somebody who has signed in. A password that is set again would end sessions."""
        if name not in self.team:
            access.set_password(self.place, name, PASSWORD)
            self.team.add(name)
        client = self.client()
        answer = client.post("/api/researcher/session", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return client

    def coder(self, link: str) -> TestClient:
        """A coder who has opened their link."""
        client = self.client()
        token = link.partition("#")[2]
        answer = client.post("/api/coder/session", json={"token": token})
        assert answer.status_code == 200, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return client


@dataclass
class Guest:
    """A participant with a browser."""

    world: World
    client: TestClient
    person: str
    token: str

    def agree(self, language: str = "en", **answers: bool) -> Any:
        consent = self.client.get("/api/study").json()["consent"]
        said = {item["id"]: True for item in consent["items"]} | answers
        body = {
            "version": consent["version"],
            "sha256": consent["sha256"][language],
            "language": language,
            "answers": said,
        }
        return self.client.post("/api/consent", json=body)

    def begin(self, item: str = "q1", recording: str | None = None, **more: str) -> str:
        recording = recording or secrets.token_hex(16)
        body = begin_body(recording, item) | more
        answer = self.client.post("/api/recordings", json=body)
        assert answer.status_code in (200, 201), answer.text
        return recording

    def put(self, recording: str, number: int, content: bytes, sha: str | None = None) -> Any:
        return self.client.put(
            f"/api/recordings/{recording}/chunks/{number}",
            content=content,
            headers={"X-Chunk-SHA256": sha or sha_of(content)},
        )

    def done(self, recording: str, chunks: list[bytes], **more: Any) -> Any:
        body = done_body(chunks) | more
        return self.client.post(f"/api/recordings/{recording}/done", json=body)

    def record(self, item: str = "q1", chunks: list[bytes] | None = None) -> str:
        """A whole recording."""
        chunks = chunks or [as_film(b"first " * 1000), b"second " * 900, b"end"]
        recording = self.begin(item)
        for number, content in enumerate(chunks):
            assert self.put(recording, number, content).status_code == 201
        answer = self.done(recording, chunks)
        assert answer.status_code == 200, answer.text
        return recording

    def media(self, recording: str) -> bytes:
        answer = self.client.get(f"/api/recordings/{recording}/media")
        assert answer.status_code == 200, answer.text
        return answer.content


def sha_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def begin_body(recording: str, item: str = "q1") -> dict[str, Any]:
    return {
        "id": recording,
        "item": item,
        "mime": "video/webm;codecs=vp8,opus",
        "started_at": "2026-11-29T04:30:00.125Z",
    }


def done_body(chunks: list[bytes]) -> dict[str, Any]:
    return {
        "chunks": [sha_of(content) for content in chunks],
        "bytes": sum(map(len, chunks)),
        "duration_ms": 31250.0,
        "stop_reason": "button",
    }

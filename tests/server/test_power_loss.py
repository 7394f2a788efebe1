"""The power fails: what was not flushed is gone, and everything that was acknowledged is there."""

from __future__ import annotations

import itertools
import random
import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from power_loss import Answer, Begun, Call, Disk, Wire, can_trace, read_trace, tracer
from server_process import Server
from server_world import as_film, begin_body, done_body
from twomind.server import audit, recruiting, uploads
from twomind.server.app import create_app
from twomind.server.place import Place, open_place
from twomind.server.sealed import Part, Piece
from twomind.server.tables import ConsentGiven, Person, Recording

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_trace(), reason="strace is absent, or may not trace here"),
]

#: What a server without one of its flushes would be; each has to be noticed.
BROKEN = {
    "files": "import twomind.server.durable as d; d.os.fsync = lambda handle: None",
    "folders": "import twomind.server.durable as d; d.sync_folder = lambda folder: None",
    "database": (
        "import twomind.server.database as d; real = d._prepare_sqlite\n"
        "def loose(connection, record):\n"
        "    real(connection, record); connection.execute('PRAGMA synchronous=OFF')\n"
        "d._prepare_sqlite = loose"
    ),
}
_LEAVES = re.compile(rb"POST /api/withdraw\?(\w+) ")
MAIN = "from twomind.cli.main import main; main()"


@dataclass
class Story:
    """What people did with a server, and the trace of what it did."""

    root: Path
    before: Path
    trace: Path
    chunks: dict[str, list[bytes]] = field(default_factory=dict)
    #: Whose a recording is.
    owners: dict[str, str] = field(default_factory=dict)
    #: Requests, as the trace shows them, and what each promised.
    promised: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Guest:
    """Somebody who comes by a panel's link while the server is traced."""

    def __init__(self, server: Server, story: Story, token: str, name: str) -> None:
        self.server, self.story = server, story
        status, told = self.ask(
            "POST", "/api/session", {"token": token, "external_id": name, "bearer": True}
        )
        assert status == 200
        self.headers = {"Authorization": f"Bearer {told['bearer']}"}
        self.id = self.ask("GET", "/api/me")[1]["person"]

    headers: dict[str, str] = {}  # noqa: RUF012

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        return self.server.ask(method, path, body, **self.headers, **headers)

    def agree(self) -> None:
        consent = self.ask("GET", "/api/study")[1]["consent"]
        answers = {item["id"]: True for item in consent["items"]}
        body = {
            "version": 1,
            "sha256": consent["sha256"]["en"],
            "language": "en",
            "answers": answers,
        }
        assert self.ask("POST", f"/api/consent?{self.id}", body)[0] == 201
        self.story.promised[f"POST /api/consent?{self.id}"] = ("consent", self.id)

    def record(self, item: str, draw: random.Random, n: int) -> None:
        recording = secrets.token_hex(16)
        chunks = [draw.randbytes(draw.randrange(500, 30_000)) for _ in range(n)]
        chunks[0] = as_film(chunks[0])
        self.story.chunks[recording] = chunks
        self.story.owners[recording] = self.id
        path = f"/api/recordings/{recording}"
        assert self.ask("POST", "/api/recordings", begin_body(recording, item))[0] == 201
        for number, content in enumerate(chunks):
            asked = f"{path}/chunks/{number}"
            self.story.promised[f"PUT {asked}"] = ("chunk", recording, str(number))
            assert self.server.put_slowly(recording, number, content, self.headers) == 201
        event = {"seq": 0, "name": "start", "media_ms": 1.5, "at": "2026-11-29T04:30:00Z"}
        self.story.promised[f"PUT {path}/events"] = ("events", recording)
        assert self.ask("PUT", f"{path}/events", {"events": [event]})[0] == 204
        self.story.promised[f"POST {path}/done"] = ("complete", recording)
        assert self.ask("POST", f"{path}/done", done_body(chunks))[0] == 200


def tell_story(folder: Path, chunks: int, program: str = MAIN) -> Story:
    """Two people record at the same time; one of them withdraws."""
    root = folder / "disk"
    root.mkdir(parents=True)
    story = Story(root, folder / "before", folder / "trace")
    server = Server(root / "study", tracer(story.trace), program)
    token = recruiting.panel(open_place(root / "study"), "ada", "panel")["link"].partition("#")[2]
    shutil.copytree(root, story.before)
    server.start()
    try:
        one, other = (Guest(server, story, token, name) for name in ("one", "other"))
        for guest in (one, other):
            guest.agree()
        threads = [
            threading.Thread(target=guest.record, args=("q1", random.Random(n), chunks))
            for n, guest in enumerate((one, other))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # A path of its own, so that the trace tells it from others.
        assert other.ask("POST", f"/api/withdraw?{other.id}", {"all": True})[1]["erased"] is True
        story.promised[f"POST /api/withdraw?{other.id}"] = ("erased", other.id)
        one.record("q2", random.Random(9), 3)
    finally:
        server.kill()
    return story


@dataclass(frozen=True)
class Moment:
    """A moment of a story: how many steps were done, and what had been acknowledged by then."""

    step: int
    kept: tuple[tuple[str, ...], ...]
    #: Who had asked by then to be erased, answered or not.
    leaving: tuple[str, ...]


def moments(story: Story, steps: list[Call | Begun]) -> Iterator[Moment]:
    """Every moment, in order."""
    wire = Wire()
    kept: list[tuple[str, ...]] = []
    leaving: list[str] = []
    for n, step in enumerate(steps):
        answer = wire.see(step)
        if isinstance(step, Call) and step.name == "recvfrom":
            leaving += [found.decode() for found in _LEAVES.findall(step.arguments[2])]
        if isinstance(answer, Answer) and answer.status < 300 and answer.request in story.promised:
            kept.append(story.promised[answer.request])
        yield Moment(n + 1, tuple(kept), tuple(leaving))


def worst_moments(story: Story, steps: list[Call | Begun], more: int) -> list[Moment]:
    """The moment of each acknowledgement, the one after it, and some of the others."""
    found = list(moments(story, steps))
    new = [now for before, now in itertools.pairwise(found) if len(now.kept) > len(before.kept)]
    first = found.index(new[0])
    others = random.Random(0).sample(found[first:], more)
    chosen = {moment.step: moment for moment in [*new, *others]}
    return [chosen[step] for step in sorted(chosen)]


def lost(story: Story, moment: Moment, place: Place) -> list[tuple[str, ...]]:
    """What was promised and is not so."""
    gone = [person for person in moment.leaving if _is_erased(place, person)]
    kept = [one for one in moment.kept if story.owners.get(one[1], one[1]) not in gone]
    return [one for one in kept if not _is_so(story, place, one)]


def _is_erased(place: Place, person: str) -> bool:
    with place.database.reading() as reading:
        return reading.get(Person, person) is None and not place.keys.has(person)


def _is_so(story: Story, place: Place, promise: tuple[str, ...]) -> bool:
    what, of, *more = promise
    if what == "erased":
        return _is_erased(place, of)
    with place.database.reading() as reading:
        if what == "consent":
            given = reading.query(ConsentGiven).filter_by(person=of).first()
            return given is not None and place.keys.has(of)
        recording = reading.get(Recording, of)
        if recording is None:
            return False
        if what == "complete":
            return recording.state == "complete"
        if what == "events":
            return len(uploads.events_of(place, recording)) == 1
        return _chunk(place, recording, int(more[0])) == story.chunks[of][int(more[0])]


def _chunk(place: Place, recording: Recording, number: int) -> bytes | None:
    with place.database.reading() as reading:
        line = reading.get(uploads.Chunk, (recording.id, number))
        parts: list[Part] = uploads.film(place, reading, recording)._parts
    if line is None:
        return None
    part = next(one for one in parts if one.path.name == f"{number:06d}.sealed")
    if not part.path.exists():
        return None
    with part.path.open("rb") as file:
        return Piece(file, place.keys.of(recording.person), part.label).read(0, part.size)


def open_after(story: Story, left: Path) -> Place:
    """The study on what is left, as the server opens it when the power is back."""
    file = left / "study" / "study.toml"
    file.write_text(file.read_text().replace(str(story.root), str(left)))
    place = open_place(left / "study")
    create_app(place, left / "no-pages")
    with place.database.reading() as reading:
        assert reading.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
        assert audit.first_broken(reading) is None
    return place


def losses(story: Story, folder: Path, more: int) -> tuple[int, list[tuple[Moment, Any]]]:
    """How often the power failed, and what was lost in which of the failures."""
    steps = list(read_trace(story.trace))
    disk = Disk(story.before)
    disk.root = story.root
    done, found, cuts = 0, [], 0
    for moment in worst_moments(story, steps, more):
        for step in steps[done : moment.step]:
            disk.do(step)
        done = moment.step
        # Nothing that was not flushed; and twice some of it.
        for draw in (None, random.Random(2 * done), random.Random(2 * done + 1)):
            left = folder / "left"
            disk.rebuild(left, draw)
            cuts += 1
            try:
                place = open_after(story, left)
                missing = lost(story, moment, place)
                place.database.engine.dispose()
                if missing:
                    found.append((moment, missing))
            except Exception as error:
                found.append((moment, error))
            shutil.rmtree(left)
    return cuts, found


def test_what_was_acknowledged_survives_the_loss_of_what_was_not_flushed(tmp_path: Path) -> None:
    story = tell_story(tmp_path, chunks=8)
    cuts, found = losses(story, tmp_path, more=30)
    assert found == []
    assert cuts >= 3 * 30
    print(f"\n{cuts} losses of power, {len(story.promised)} promises")


@pytest.mark.parametrize("without", BROKEN)
def test_a_server_that_flushes_too_little_is_found_out(tmp_path: Path, without: str) -> None:
    story = tell_story(tmp_path, chunks=2, program=f"{BROKEN[without]}\n{MAIN}")
    _, found = losses(story, tmp_path, more=5)
    assert found

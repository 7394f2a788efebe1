"""The server's process is killed, again and again, in the middle of things."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from patience import HANG_S
from server_world import STUDY, as_film, begin_body, done_body, sha_of
from twomind.server import access, recruiting, uploads
from twomind.server.place import open_place
from twomind.server.tables import Recording

pytestmark = pytest.mark.slow

#: No sign of the killed ones, but that they are gone.
_GONE = (OSError, http.client.HTTPException, json.JSONDecodeError)


@dataclass
class Server:
    """A study's server as a process, and a participant who sends to it."""

    folder: Path
    tracer: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder.mkdir()
        keys = self.folder.parent / "keys"
        text = STUDY.replace("KEYS", str(keys)).replace("DATABASE", "").replace("EXTRA", "")
        text = text.replace("THOUGHTS", "0").replace("400000", "40000000")
        text = text.replace("[server]", f'[server]\npublic_url = "http://127.0.0.1:{self.port}"')
        (self.folder / "study.toml").write_text(text, encoding="utf-8")
        place = open_place(self.folder)
        person = recruiting.invite(place, "ada", ["P1"])[0]["person"]
        self.token = access.link_token(place, "person", person)

    def start(self) -> None:
        command = [sys.executable, "-m", "twomind.cli.main", "serve", str(self.folder)]
        self.process = subprocess.Popen(
            [*self.tracer, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + HANG_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the server ended by itself"
            with suppress(*_GONE):
                self.ask("GET", "/api/public")
                return
            time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_S)
        is_bytes = isinstance(body, bytes)
        content = body if is_bytes or body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if is_bytes else "application/json"
        sent = {**self.headers, "Content-Type": kind, **headers}
        try:
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(text) if text else None

    def enter(self) -> None:
        status, told = self.ask("POST", "/api/session", {"token": self.token, "bearer": True})
        assert status == 200
        self.headers = {"Authorization": f"Bearer {told['bearer']}"}
        consent = self.ask("GET", "/api/study")[1]["consent"]
        answers = {item["id"]: True for item in consent["items"]}
        sha256 = consent["sha256"]["en"]
        body = {"version": 1, "sha256": sha256, "language": "en", "answers": answers}
        assert self.ask("POST", "/api/consent", body)[0] == 201

    def put_slowly(self, recording: str, number: int, content: bytes) -> int | None:
        """Send a chunk in small pieces; its status, or None where the connection broke."""
        path = f"/api/recordings/{recording}/chunks/{number}"
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        start = (
            f"PUT {path} HTTP/1.1\r\nHost: x\r\n{head}X-Chunk-SHA256: {sha_of(content)}\r\n"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        )
        try:
            with socket.create_connection(("127.0.0.1", self.port), HANG_S) as line:
                line.sendall(start.encode())
                for at in range(0, len(content), 4096):
                    line.sendall(content[at : at + 4096])
                    time.sleep(0.002)
                answer = line.makefile("rb").readline()
        except OSError:
            return None
        found = re.match(rb"HTTP/1.1 (\d+)", answer)
        return int(found.group(1)) if found else None


def _cut_while_sending(cuts: int, folder: Path) -> None:
    chance = random.Random(0)
    server = Server(folder)
    server.start()
    server.enter()
    recording = secrets.token_hex(16)
    assert server.ask("POST", "/api/recordings", begin_body(recording, "q1"))[0] == 201
    chunks = [chance.randbytes(chance.randrange(2000, 60000)) for _ in range(cuts)]
    chunks[0] = as_film(chunks[0])
    acknowledged: dict[str, str] = {}
    cut_in_body = 0
    for number, content in enumerate(chunks):
        statuses: list[int | None] = []

        def send(number: int = number, content: bytes = content, to: Any = statuses) -> None:
            to.append(server.put_slowly(recording, number, content))

        sender = threading.Thread(target=send)
        sender.start()
        time.sleep(chance.uniform(0, 0.06))
        server.kill()
        sender.join()
        cut_in_body += statuses[0] is None
        if statuses[0] == 201:
            acknowledged[str(number)] = sha_of(content)
        server.start()
        state = server.ask("GET", f"/api/recordings/{recording}")[1]
        assert acknowledged.items() <= state["chunks"].items(), "an acknowledged chunk is lost"
        assert server.put_slowly(recording, number, content) in (200, 201)
        acknowledged[str(number)] = sha_of(content)
    body = done_body(chunks)
    server.ask("POST", f"/api/recordings/{recording}/done", body)
    server.kill()
    server.start()
    status, state = server.ask("POST", f"/api/recordings/{recording}/done", body)
    server.kill()
    assert (status, state["state"], state["missing"]) == (200, "complete", [])
    place = open_place(folder)
    with place.database.reading() as reading:
        film = uploads.film(place, reading, reading.get_one(Recording, recording))
        assert film.readall() == b"".join(chunks)
    assert cut_in_body >= cuts // 4, "the cuts came too late to cut anything"
    assert not list(folder.rglob("*.part"))


def test_three_kills_in_mid_upload(tmp_path: Path) -> None:
    _cut_while_sending(3, tmp_path / "study")


@pytest.mark.slow
def test_thirty_kills_in_mid_upload(tmp_path: Path) -> None:
    _cut_while_sending(30, tmp_path / "study")


def test_a_broken_connection_leaves_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path / "study")
    server.start()
    try:
        server.enter()
        recording = secrets.token_hex(16)
        server.ask("POST", "/api/recordings", begin_body(recording, "q1"))
        head = "".join(f"{name}: {value}\r\n" for name, value in server.headers.items())
        start = (
            f"PUT /api/recordings/{recording}/chunks/0 HTTP/1.1\r\nHost: x\r\n{head}"
            f"X-Chunk-SHA256: {sha_of(as_film(b'x' * 9000))}\r\nContent-Length: 9000\r\n\r\n"
        )
        for sent in (0, 1, 4500, 8999):
            with socket.create_connection(("127.0.0.1", server.port), HANG_S) as line:
                line.sendall(start.encode() + as_film(b"x" * 9000)[:sent])
        assert server.ask("GET", f"/api/recordings/{recording}")[1]["chunks"] == {}
        assert server.put_slowly(recording, 0, as_film(b"x" * 9000)) == 201
    finally:
        server.kill()


def _can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-f", "true"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not _can_trace(), reason="strace is absent, or may not trace here")
def test_the_kernel_sees_the_flushes_before_the_answer(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    calls = "fsync,fdatasync,rename,renameat,renameat2,sendto,write"
    tracer = ("strace", "-f", "-y", "-s", "40", "-e", f"trace={calls}", "-o", str(trace))
    server = Server(tmp_path / "study", tracer)
    server.start()
    try:
        server.enter()
        recording = secrets.token_hex(16)
        server.ask("POST", "/api/recordings", begin_body(recording, "q1"))
        before = len(trace.read_text(errors="replace").splitlines())
        assert server.put_slowly(recording, 0, as_film(b"x" * 9000)) == 201
        time.sleep(0.2)
        lines = trace.read_text(errors="replace").splitlines()[before:]
    finally:
        assert server.process is not None
        # strace's child is the server: it ends with its group of one.
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        for child in children.read_text().split():
            os.kill(int(child), 9)
        server.process.wait()
    flush = r"(?:fsync|fdatasync)\(\d+<[^>]*"
    steps = [
        flush + r"000000\.sealed\.\w+\.part>",
        r"rename\w*\(.*000000\.sealed\"",
        flush + rf"/{recording}>",
        flush + r"study\.db-wal>",
        r"(?:sendto|write)\(\d+<.*HTTP/1\.1 201",
    ]
    at = 0
    for step in steps:
        found = [n for n, line in enumerate(lines[at:], at) if re.search(step, line)]
        assert found, f"{step} is not seen after line {at}:\n" + "\n".join(lines)
        at = found[0] + 1

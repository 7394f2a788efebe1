"""The server's process is killed, again and again, in the middle of things."""

from __future__ import annotations

import random
import re
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from patience import HANG_S
from power_loss import can_trace
from server_process import Server
from server_world import as_film, begin_body, done_body, sha_of
from twomind.server import uploads
from twomind.server.place import open_place
from twomind.server.tables import Recording

pytestmark = pytest.mark.slow


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


@pytest.mark.skipif(not can_trace(), reason="strace is absent, or may not trace here")
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
        server.kill()
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

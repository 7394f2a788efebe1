"""``twomind serve`` as a process that can be killed, and a participant who sends to it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patience import HANG_S
from server_world import STUDY, sha_of
from twomind.server import access, recruiting
from twomind.server.place import open_place

#: No sign of the killed ones, but that they are gone.
_GONE = (OSError, http.client.HTTPException, json.JSONDecodeError)


@dataclass
class Server:
    """A study's server as a process, and a participant who sends to it."""

    folder: Path
    #: strace and its options: what the server does is written down.
    tracer: tuple[str, ...] = ()
    #: Python that serves; tests break it.
    program: str = "from twomind.cli.main import main; main()"
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
        command = [sys.executable, "-c", self.program, "serve", str(self.folder)]
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
        """SIGKILL: no handler runs, no buffer is written."""
        assert self.process is not None
        if not self.tracer:
            self.process.kill()
        # strace's child is the server; strace ends with it.
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for child in children.read_text().split() if self.tracer else ():
            os.kill(int(child), signal.SIGKILL)
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

    def put_slowly(
        self, recording: str, number: int, content: bytes, headers: dict[str, str] | None = None
    ) -> int | None:
        """Send a chunk in small pieces; its status, or None where the connection broke."""
        path = f"/api/recordings/{recording}/chunks/{number}"
        head = "".join(f"{name}: {value}\r\n" for name, value in (headers or self.headers).items())
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

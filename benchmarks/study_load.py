"""Twenty participants who record at the same time, against one server on this machine.

    python -m benchmarks.study_load

Each sends 2 Mbit/s: a chunk of 500 kB every 2 s, at moments spread over the 2 s. Measured is the time
from the first byte of a request to the last of its acknowledgement, which follows the flush of bytes,
folder and manifest. Once a second the same flushes are made on the same disk without a server: what a
slow or busy disk costs by itself. Loopback only; it ends by itself.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import secrets
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.record import save
from twomind_synth.visitors.demo import Server

CHUNK_S = 2.0
CHUNK_BYTES = 500_000
#: How a WebM begins.
HEAD = bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d4287810442858102")


class Participant(threading.Thread):
    """Somebody who records for a while."""

    def __init__(self, port: int, token: str, delay_s: float, chunks: int) -> None:
        super().__init__(daemon=True)
        self.port, self.delay_s, self.chunks = port, delay_s, chunks
        self.took_ms: list[float] = []
        self.refused: list[int] = []
        self.line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.headers: dict[str, str] = {}
        told = self.ask("POST", "/api/session", {"token": token, "bearer": True})
        self.headers = {"Authorization": f"Bearer {told['bearer']}"}
        consent = self.ask("GET", "/api/study")["consent"]
        answers = {item["id"]: True for item in consent["items"]}
        said = {"version": consent["version"], "sha256": consent["sha256"]["en"]}
        self.ask("POST", "/api/consent", said | {"language": "en", "answers": answers})
        self.recording = secrets.token_hex(16)
        begin = {"id": self.recording, "item": "q1", "mime": "video/webm;codecs=vp8,opus"}
        self.ask("POST", "/api/recordings", begin | {"started_at": "2026-11-29T04:30:00.125Z"})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        sent = {**self.headers, "Content-Type": "application/json"}
        self.line.request(method, path, content, sent)
        answer = self.line.getresponse()
        text = answer.read()
        assert answer.status < 300, text
        return json.loads(text) if text else None

    def run(self) -> None:
        begun = time.monotonic() + self.delay_s
        content = bytearray(os.urandom(CHUNK_BYTES))
        # A server takes no first chunk that does not begin as a WebM does.
        content[: len(HEAD)] = HEAD
        hashes = []
        for n in range(self.chunks):
            content[-8:] = n.to_bytes(8, "big")
            hashes.append(hashlib.sha256(content).hexdigest())
            time.sleep(max(begun + n * CHUNK_S - time.monotonic(), 0))
            self._put(n, bytes(content), hashes[-1])
        size = self.chunks * CHUNK_BYTES
        end = {"chunks": hashes, "bytes": size, "duration_ms": 1.0, "stop_reason": "button"}
        self.ask("POST", f"/api/recordings/{self.recording}/done", end)

    def _put(self, n: int, content: bytes, sha256: str) -> None:
        path = f"/api/recordings/{self.recording}/chunks/{n}"
        sent = {**self.headers, "Content-Type": "application/octet-stream"}
        start = time.perf_counter()
        self.line.request("PUT", path, content, {**sent, "X-Chunk-SHA256": sha256})
        answer = self.line.getresponse()
        answer.read()
        self.took_ms.append(1000 * (time.perf_counter() - start))
        if answer.status != 201:
            self.refused.append(answer.status)


def flush_ms(folder: Path) -> float:
    """Write a chunk, flush it, rename it, flush its folder; and flush a small file, as a manifest."""
    content = os.urandom(CHUNK_BYTES)
    start = time.perf_counter()
    for name, part in (("chunk", content), ("manifest", content[:4096])):
        with (folder / f"{name}.part").open("wb") as file:
            file.write(part)
            file.flush()
            os.fsync(file.fileno())
    (folder / "chunk.part").rename(folder / "chunk")
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    return 1000 * (time.perf_counter() - start)


def memory_mb(process: int) -> float:
    """Resident memory."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def spent_s(process: int) -> float:
    """Processor time."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spread(values: list[float]) -> dict[str, float]:
    """Middle, 95 and 99 of 100, and the most."""
    p95, p99 = np.percentile(values, [95, 99])
    figures = {"median": median(values), "p95": p95, "p99": p99, "most": max(values)}
    return {name: round(float(value), 1) for name, value in figures.items()}


def measure(folder: Path, people: int, seconds: float) -> dict[str, Any]:
    from twomind.server import recruiting
    from twomind.server.place import open_place

    server = Server(folder / "study")
    # All of them come from one address, in one moment: right links are not counted.
    place = open_place(server.folder)
    told = recruiting.invite(place, "benchmark", [f"p{n}" for n in range(people)])
    place.database.engine.dispose()
    server.start()
    process = server.process
    chunks = max(int(seconds / CHUNK_S), 1)
    tokens = [one["link"].partition("#")[2] for one in told]
    crowd = [
        Participant(server.port, token, n * CHUNK_S / people, chunks)
        for n, token in enumerate(tokens)
    ]
    memory, disk = [memory_mb(process)], []
    begun, before = time.monotonic(), spent_s(process)
    for one in crowd:
        one.start()
    while any(one.is_alive() for one in crowd):
        disk.append(flush_ms(folder))
        memory.append(memory_mb(process))
        time.sleep(1)
    wall = time.monotonic() - begun
    spent = spent_s(process) - before
    took = [ms for one in crowd for ms in one.took_ms]
    third = len(memory) // 3
    result = {
        "people": people,
        "mbit_per_s_each": 8 * CHUNK_BYTES / CHUNK_S / 1e6,
        "chunks": len(took),
        "wall_s": round(wall, 1),
        "refused": sum(len(one.refused) for one in crowd),
        "acknowledged_ms": spread(took),
        "flushes_alone_ms": spread(disk),
        "ratio_of_medians": round(median(took) / median(disk), 2),
        "server_cores": round(spent / wall, 2),
        "server_cpu_ms_per_chunk": round(1000 * spent / len(took), 1),
        "memory_mb": {
            "before": round(memory[0], 1),
            "first_third": round(max(memory[1 : third + 1]), 1),
            "last_third": round(max(memory[-third:]), 1),
        },
    }
    server.stop()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    asked = parser.parse_args()
    load = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        numbers = measure(Path(folder), asked.people, min(asked.seconds, 600))
    loads = {"before": round(load[0], 1), "after": round(os.getloadavg()[0], 1)}
    save("study-load", {"load_average": loads, **numbers})


if __name__ == "__main__":
    main()

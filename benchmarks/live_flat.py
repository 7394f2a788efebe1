"""Whether a live service stays flat: one long stream, and many sessions in a row over the wire.

python -m benchmarks.live_flat FILM long [--minutes 60] [--fps 25]
python -m benchmarks.live_flat FILM row [--sessions 200] [--seconds 120] [--fps 2]

Both go as fast as they can: time is that of the media.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.live import Source
from benchmarks.record import save
from twomind.pipeline.live import LiveSession

RATE_HZ = 16000
_HEAD = struct.Struct("<BdI")
_PICTURE, _PCM16 = 1, 2
_PURPOSE = {"kind": "research", "text": "A benchmark of this service."}


def held(process: psutil.Process, scratch: Path) -> dict[str, float]:
    """What a process holds: memory, files, threads, and temporary files with and without a name."""
    links = Path(f"/proc/{process.pid}/fd").iterdir()
    targets = [os.readlink(link) for link in links if link.is_symlink()]
    unnamed = [target for target in targets if target.startswith(str(scratch))]
    return {
        "mb": round(process.memory_info().rss / 1e6, 1),
        "open_files": process.num_fds(),
        "threads": process.num_threads(),
        "temporary_files": len(list(scratch.iterdir())),
        "temporary_files_without_a_name": len(unnamed),
    }


def long(source: Source, minutes: float, fps: int, scratch: Path) -> list[dict[str, float]]:
    """One stream: what it holds, and processor time of a picture, for each of its twentieths."""
    session = LiveSession(keep=False)
    n, block = int(minutes * 60 * fps), RATE_HZ // fps
    process, parts = psutil.Process(), []
    used, at = time.process_time(), 0
    for k in range(n):
        first = k * block % max(len(source.sound) - block, 1)
        session.push_sound(k * block / RATE_HZ, source.sound[first : first + block])
        session.push_frame(k / fps, source.frames[k % len(source.frames)])
        if (k + 1) % (n // 20) == 0:
            now = time.process_time()
            ms = round(1000 * (now - used) / (k + 1 - at), 2)
            parts.append({"ms_of_a_picture": ms, **held(process, scratch)})
            print(parts[-1], flush=True)
            used, at = now, k + 1
    session.finish()
    return parts


def jpegs(source: Source) -> list[bytes]:
    """The pictures as a browser sends them."""
    import cv2

    found = []
    for rgb in source.frames:
        _, content = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
        found.append(content.tobytes())
    return found


def messages(pictures: list[bytes], sound: np.ndarray, seconds: int, fps: int) -> Iterator[bytes]:
    """One session: a second of sound, then its pictures."""
    pcm = (np.clip(sound, -1, 1) * 32767).astype("<i2")
    for second in range(seconds):
        first = second * RATE_HZ % max(len(pcm) - RATE_HZ, 1)
        yield _HEAD.pack(_PCM16, second, RATE_HZ) + pcm[first : first + RATE_HZ].tobytes()
        for k in range(fps):
            picture = pictures[(second * fps + k) * 7 % len(pictures)]
            yield _HEAD.pack(_PICTURE, second + k / fps, 0) + picture


def one_session(port: int, token: str, sent: Iterator[bytes]) -> dict[str, int]:
    """A session over the wire; how many events of each kind came."""
    from websockets.sync.client import connect

    counts: dict[str, int] = {}
    with connect(f"ws://127.0.0.1:{port}/api/live/ws", ping_interval=None) as line:
        begin = {"type": "begin", "token": token, "purpose": _PURPOSE, "synthetic": True}
        line.send(json.dumps(begin))
        for message in sent:
            line.send(message)
        line.send('{"type": "finish"}')
        kind = ""
        while kind != "finished":
            kind = json.loads(line.recv(timeout=600))["event"]
            counts[kind] = counts.get(kind, 0) + 1
            if kind == "refused":
                raise RuntimeError(f"the session was refused: {counts}")
    return counts


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def in_a_row(source: Source, n: int, seconds: int, fps: int, scratch: Path) -> dict[str, Any]:
    """Sessions one after the other: what the server holds after each."""
    pictures = jpegs(source)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "live"
        from twomind.server.live_place import open_live

        made = open_live(folder)
        token = made.new_token()
        config = (folder / "live.toml").read_text(encoding="utf-8")
        many = config.replace("most_waiting_pictures = 25", "most_waiting_pictures = 100000")
        (folder / "live.toml").write_text(many, encoding="utf-8")
        port = _free_port()
        command = [sys.executable, "-m", "twomind", "serve", "--live", str(folder)]
        server = psutil.Popen(
            [*command, "--port", str(port)],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(scratch)},
        )
        try:
            _wait_for(port)
            after = []
            events: dict[str, int] = {}
            for number in range(n):
                events = one_session(port, token, messages(pictures, source.sound, seconds, fps))
                time.sleep(0.5)
                in_folder = sum(1 for _ in folder.rglob("*"))
                after.append({**held(server, scratch), "files_of_the_service": in_folder})
                print(number, after[-1], events, flush=True)
            used = sum(server.cpu_times()[:2])
        finally:
            server.terminate()
            server.wait(30)
    return {"processor_s_of_a_session": round(used / n, 2), "events": events, "after": after}


def _wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as line:
            if not line.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.1)
    raise TimeoutError("the server did not begin")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("film", type=Path)
    parser.add_argument("what", choices=["long", "row"])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--fps", type=int)
    asked = parser.parse_args()
    source = Source.of(asked.film, 8)
    told: dict[str, Any] = {"film": asked.film.name, "size": source.frames[0].shape[1::-1]}
    with tempfile.TemporaryDirectory() as scratch:
        if asked.what == "long":
            fps = asked.fps or 25
            tempfile.tempdir = scratch
            parts = long(source, asked.minutes, fps, Path(scratch))
            save("live-long", {**told, "minutes": asked.minutes, "fps": fps, "parts": parts})
        else:
            fps = asked.fps or 2
            row = in_a_row(source, asked.sessions, asked.seconds, fps, Path(scratch))
            about = {"sessions": asked.sessions, "seconds": asked.seconds, "fps": fps}
            save("live-row", {**told, **about, **row})


if __name__ == "__main__":
    main()

"""What the tests of language models share: a served script, small answers, a recogniser.

Load it with ``importlib.util.spec_from_file_location`` (tests are no package).
"""

from __future__ import annotations

import atexit
import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from patience import HANG_S
from twomind.models.llm.ask import Retry
from twomind.models.llm.recogniser import LlmRecogniser, LlmSettings
from twomind.types import Features, Track, Word

SERVER = Path(__file__).with_name("llm_server.py")
FAST = Retry(n=3, first_s=0.01, max_s=5.0)


@dataclass(frozen=True)
class Served:
    """A running server: its address, and what came in so far."""

    url: str
    seen_path: Path

    @property
    def seen(self) -> list[dict]:
        if not self.seen_path.exists():
            return []
        return [json.loads(line) for line in self.seen_path.read_text().splitlines()]


#: Running servers that no test uses now; a process is kept, because starting one costs more than
#: most tests.
_idle: list[tuple[subprocess.Popen, int]] = []


def _start(local: Path | None = None) -> tuple[subprocess.Popen, int]:
    command = [sys.executable, str(SERVER), *(["--local", str(local)] if local else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    atexit.register(_stop, process)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def _stop(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def serving(folder: Path, *steps: dict, local: Path | None = None) -> Iterator[Served]:
    """A server process on a free port of 127.0.0.1 that plays ``steps``, and repeats the last."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = folder / f"seen-{len(list(folder.glob('seen-*')))}.jsonl"
    seen.touch()
    process, port = _idle.pop() if _idle and local is None else _start(local)
    script = json.dumps({"steps": steps, "seen": str(seen)}).encode()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    direct.open(f"http://127.0.0.1:{port}/script", script, timeout=HANG_S).close()
    try:
        yield Served(f"http://127.0.0.1:{port}/v1", seen)
    finally:
        if local is None:
            _idle.append((process, port))
        else:
            _stop(process)


def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(text: str = "Ambivalent", **more: object) -> dict:
    return {"do": "say", "text": text, **more}


def first(present: float, absent: float) -> list[dict]:
    """Tokens of the reply "Ambivalent" with these probabilities of the two labels' first tokens."""
    return [
        {"token": "Amb", "p": present, "top": {"Amb": present, "Non": absent}},
        {"token": "ivalent", "p": 1.0, "top": {"ivalent": 1.0}},
    ]


def answer(n_pictures: int = 2, recording: str = "r1", said: str = "I should go but") -> Features:
    """An answer of 4 s with its words and a few flat pictures."""
    words = tuple(Word(w, 0.5 * i, 0.5 * i + 0.4) for i, w in enumerate(said.split()))
    rgb = (
        np.stack([np.full((24, 32, 3), 60 * i + 20, np.uint8) for i in range(n_pictures)])
        if n_pictures
        else None
    )
    tracks = {}
    if rgb is not None:
        tracks["pictures"] = Track(
            rgb, np.arange(n_pictures, dtype=float), np.ones(n_pictures, bool)
        )
    return Features(recording, recording, tracks, (0.0, 4.0), question="7", words=words)


def recogniser(url: str | None, **settings: object) -> LlmRecogniser:
    defaults = {"model": "m", "strategy": "td1", "retry": FAST, "timeout_s": HANG_S}
    return LlmRecogniser(LlmSettings(endpoint=url, **(defaults | settings)))  # type: ignore[arg-type]

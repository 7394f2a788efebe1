"""What the tests of language models share: a served script, small answers, a recogniser.

Load it with ``importlib.util.spec_from_file_location`` (tests are no package).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twomind.estimate.llm import LlmRecogniser, LlmSettings
from twomind.estimate.llm_ask import Retry
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


@contextmanager
def serving(folder: Path, *steps: dict, local: Path | None = None) -> Iterator[Served]:
    """A server process on a free port of 127.0.0.1 that plays ``steps``, and repeats the last."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = folder / f"seen-{len(list(folder.glob('seen-*')))}.jsonl"
    seen.touch()
    command = [sys.executable, str(SERVER), "--script", json.dumps(steps), "--seen", str(seen)]
    process = subprocess.Popen(
        [*command, *(["--local", str(local)] if local else [])], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    try:
        yield Served(f"http://127.0.0.1:{process.stdout.readline().strip()}/v1", seen)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


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
    rgb = np.stack([np.full((24, 32, 3), 60 * i + 20, np.uint8) for i in range(n_pictures)]) if n_pictures else None
    tracks = {}
    if rgb is not None:
        tracks["pictures"] = Track(rgb, np.arange(n_pictures, dtype=float), np.ones(n_pictures, bool))
    return Features(recording, recording, tracks, (0.0, 4.0), question="7", words=words)


def recogniser(url: str | None, **settings: object) -> LlmRecogniser:
    defaults = {"model": "m", "strategy": "td1", "retry": FAST, "timeout_s": 10.0}
    return LlmRecogniser(LlmSettings(endpoint=url, **(defaults | settings)))  # type: ignore[arg-type]

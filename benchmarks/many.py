"""Ten thousand tiny recordings through ``predict``: what store and overview take of each, and whether the
parent's memory stays flat.

python -m benchmarks.many [--answers 10000] [--people 1000]

One worker, in this process, so that what is measured is everything. Then one person is erased, twice:
the first time nothing is remembered of what lies there.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.record import save
from twomind.core.store import Store
from twomind.pipeline import predict, rows
from twomind.pipeline.erasure import erase
from twomind.pipeline.jobs import Options, plan
from twomind.pipeline.predict import Batch, Watch, predict_all

RATE_HZ = 16000


@dataclass
class Clock:
    """Seconds in which a function ran, and the processor's share of them."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    parts: list[dict[str, float]] = field(default_factory=list)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*given: Any, **named: Any) -> Any:
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            try:
                return function(*given, **named)
            finally:
                self.wall_s += time.perf_counter() - wall_s
                self.cpu_s += time.thread_time() - cpu_s

        return timed


def make(folder: Path, n: int, people: int) -> None:
    """Sounds of a third of a second, each with words beside it."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    lines = ["path,subject"]
    for number in range(n):
        path = folder / f"p{number % people:04}_a{number:05}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
            file.writeframes(rng.integers(-900, 900, RATE_HZ // 3, np.int16).tobytes())
        text = f"1\n00:00:00,000 --> 00:00:00,300\nwell um maybe {number}\n"
        path.with_suffix(".srt").write_text(text)
        lines.append(f"{path.name},p{number % people:04}")
    (folder / "takes.csv").write_text("\n".join(lines) + "\n")


def ms(seconds: float, n: int) -> float:
    return round(1000 * seconds / n, 3)


def answers(folder: Path, store: Store, out: Path, n: int) -> dict[str, Any]:
    """All of them; what each thousand took."""
    kept, shown = Clock(), Clock()
    for name in ("get", "put", "note"):
        setattr(Store, name, kept.around(getattr(Store, name)))
    predict.write_overviews = shown.around(rows.write_overviews)  # type: ignore[attr-defined]
    process = psutil.Process()
    parts: list[dict[str, float]] = []
    each = max(1, n // 10)
    before = {"cpu": time.process_time(), "kept": 0.0, "n": 0}

    def on_done(_: object) -> None:
        before["n"] += 1
        if before["n"] % each:
            return
        cpu = time.process_time()
        part = {"mb": round(process.memory_info().rss / 1e6, 1)}
        part["ms_of_an_answer"] = ms(cpu - before["cpu"], each)
        part["ms_of_the_store"] = ms(kept.cpu_s - before["kept"], each)
        parts.append(part)
        print(before["n"], part, flush=True)
        before.update(cpu=cpu, kept=kept.cpu_s)

    jobs = plan([], manifest=folder / "takes.csv")
    done = predict_all(jobs, Batch(Options(), out, store, 1), watch=Watch(on_done=on_done))
    return {
        "answers": n,
        "failed": sum(row.state == "failed" for row in done),
        "tenths": parts,
        "store_ms_each": {"processor": ms(kept.cpu_s, n), "waiting_too": ms(kept.wall_s, n)},
        "overview_ms_each": {"processor": ms(shown.cpu_s, n), "waiting_too": ms(shown.wall_s, n)},
        "mb_after_the_overview": round(process.memory_info().rss / 1e6, 1),
        "most_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1),
    }


def erasures(profiles: Path, store: Store) -> list[dict[str, float]]:
    """Three people are erased, each a while after what was written before."""
    found = []
    for number in (3, 4, 5):
        time.sleep(3)
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        gone = erase(profiles, f"p{number:04}", store)
        wall_s = time.perf_counter() - wall_s
        cpu_s = time.process_time() - cpu_s
        told = {"seconds": round(wall_s, 3), "processor_s": round(cpu_s, 3)}
        found.append({**told, "store_entries": gone["store_entries"]})
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--answers", type=int, default=10000)
    parser.add_argument("--people", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        make(root / "films", asked.answers, asked.people)
        store = Store(root / "store", "")
        told = answers(root / "films", store, root / "out", asked.answers)
        shutil.rmtree(root / "out")
        told["people"] = asked.people
        told["erased"] = erasures(root / "profiles", store)
    save("many", told)


if __name__ == "__main__":
    main()

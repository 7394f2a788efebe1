"""Tiny recordings: what store and overview take of each, and whether the parent's memory stays flat.

python -m benchmarks.many [--answers 500] [--all 10000] [--people 1000]

``--answers`` go through ``predict`` with one worker, in this process, so that what is measured is
everything. Then the store is filled up to ``--all`` recordings, and their overview is written from the
folders of the answers, each of which then stands for several. At last three people are erased; before
the first nothing is remembered of what lies there.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.record import save
from twomind.core.store import Store
from twomind.pipeline import rows
from twomind.pipeline.erasure import erase
from twomind.pipeline.jobs import Job, Options, plan
from twomind.pipeline.predict import Batch, Watch, predict_all
from twomind.pipeline.rows import Row

RATE_HZ = 16000
#: Which recordings there are, and whose.
TABLE = "takes.csv"


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


def takes(folder: Path, n: int, people: int, suffix: str) -> list[Path]:
    """A folder for recordings of some people in turn, with the table that says whose they are, and
    where each is to be.
    """
    folder.mkdir()
    paths = []
    lines = ["path,subject"]
    for number in range(n):
        person = f"p{number % people:04}"
        path = folder / f"{person}_a{number:05}{suffix}"
        paths.append(path)
        lines.append(f"{path.name},{person}")
    (folder / TABLE).write_text("\n".join(lines) + "\n")
    return paths


def make(folder: Path, n: int, people: int) -> None:
    """Sounds of a third of a second, each with words beside it."""
    rng = np.random.default_rng(0)
    for number, path in enumerate(takes(folder, n, people, ".wav")):
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
            file.writeframes(rng.integers(-900, 900, RATE_HZ // 3, np.int16).tobytes())
        text = f"1\n00:00:00,000 --> 00:00:00,300\nwell um maybe {number}\n"
        path.with_suffix(".srt").write_text(text)


def ms(seconds: float, n: int) -> float:
    return round(1000 * seconds / n, 3)


def memory_mb(process: psutil.Process) -> float:
    """What a process holds now."""
    return round(process.memory_info().rss / 1e6, 1)


def answers(jobs: list[Job], store: Store, out: Path, kept: Clock) -> list[Row]:
    """Those that are predicted; tells what each tenth took."""
    process = psutil.Process()
    each = max(1, len(jobs) // 10)
    before = {"cpu": time.process_time(), "kept": 0.0, "n": 0}

    def on_done(_: object) -> None:
        before["n"] += 1
        if before["n"] % each:
            return
        cpu = time.process_time()
        part = {"mb": memory_mb(process)}
        part["ms_of_an_answer"] = ms(cpu - before["cpu"], each)
        part["ms_of_the_store"] = ms(kept.cpu_s - before["kept"], each)
        kept.parts.append(part)
        print(before["n"], part, flush=True)
        before.update(cpu=cpu, kept=kept.cpu_s)

    return predict_all(jobs, Batch(Options(), out, store, 1), watch=Watch(on_done=on_done))


def filled(store: Store, n: int, people: int) -> list[dict[str, float]]:
    """The store with as many recordings more as there shall be, two entries each, as of a sound."""
    arrays = {"values": np.zeros((33, 4), np.float32), "times_s": np.zeros(33)}
    meta = {"names": ["a", "b", "c", "d"]}
    parts = []
    each = max(1, n // 10)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for number in range(n):
        content = f"{number:064x}"
        store.note(f"p{number % people:04}", content)
        for kind in ("voice", "words"):
            key = store.key(content, {"kind": kind})
            store.put(kind, key, arrays, meta)
            assert store.get(kind, key) is not None
        if (number + 1) % each == 0:
            now = time.perf_counter(), time.process_time()
            parts.append({"processor": ms(now[1] - cpu_s, each), "all": ms(now[0] - wall_s, each)})
            print("store", number + 1, parts[-1], flush=True)
            wall_s, cpu_s = now
    return parts


def shown(done: list[Row], out: Path, n: int) -> dict[str, Any]:
    """The overview of ``n`` answers, from the folders of those that there are."""
    whole = list(done)
    for number in range(len(done), n):
        row = done[number % len(done)]
        job = replace(row.job, id=f"{row.job.id}_{number:05}")
        shutil.copytree(
            rows.folder_of(out, row.job.id), rows.folder_of(out, job.id), copy_function=os.link
        )
        whole.append(replace(row, job=job))
    process = psutil.Process()
    before_mb = memory_mb(process)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    rows.write_overviews(whole, out, Options())
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    told = {"answers": n, "ms_each": ms(cpu_s, n), "all_ms_each": ms(wall_s, n)}
    return told | {"mb_more": round(memory_mb(process) - before_mb, 1)}


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
    parser.add_argument("--answers", type=int, default=500)
    parser.add_argument("--all", type=int, default=10000)
    parser.add_argument("--people", type=int, default=1000)
    asked = parser.parse_args()
    kept = Clock()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        make(root / "films", asked.answers, asked.people)
        store = Store(root / "store", "")
        plain = {name: getattr(Store, name) for name in ("get", "put", "note")}
        for name, function in plain.items():
            setattr(Store, name, kept.around(function))
        jobs = plan([], manifest=root / "films" / TABLE)
        done = answers(jobs, store, root / "out", kept)
        for name, function in plain.items():
            setattr(Store, name, function)
        told: dict[str, Any] = {
            "answers": asked.answers,
            "failed": sum(row.state == "failed" for row in done),
            "tenths": kept.parts,
            "store_of_an_answer_ms": ms(kept.cpu_s, asked.answers),
            "overview": shown(done, root / "out", asked.all),
            "store": {"recordings": asked.all, "entries_each": 2, "people": asked.people},
        }
        told["store"]["ms_each"] = filled(store, asked.all, asked.people)
        told["most_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1)
        told["erased"] = erasures(root / "profiles", store)
    save("many", told)


if __name__ == "__main__":
    main()

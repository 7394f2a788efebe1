"""Ten thousand tiny films through ``predict``: what one costs, and whether memory stays flat.

python -m benchmarks.many_films [--films 10000] [--people 1000] [--workers 2]

Films of five pictures (64x48) without a face, each with other content. The parent's memory and that of
its workers are taken after each tenth; the parent's processor time is that of handing out, of the ledger
and of the overview.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil

from benchmarks.many import TABLE, memory_mb, ms, takes
from benchmarks.record import save
from twomind.core.store import Store
from twomind.pipeline import predict
from twomind.pipeline.jobs import Options, plan
from twomind.pipeline.predict import Batch, Watch, predict_all
from twomind.pipeline.rows import Row

WIDTH, HEIGHT, N_PICTURES = 64, 48, 5


def make(folder: Path, n: int, people: int) -> None:
    """The films, and a table that says whose they are."""
    rng = np.random.default_rng(0)
    for path in takes(folder, n, people, ".mp4"):
        picture = rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        with av.open(str(path), "w") as out:
            video = out.add_stream("libx264", rate=5, options={"preset": "ultrafast"})
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            video.thread_count = 1
            for index in range(N_PICTURES):
                frame = av.VideoFrame.from_ndarray(np.roll(picture, index, axis=1), "rgb24")
                frame.pts = index
                out.mux(video.encode(frame))
            out.mux(video.encode(None))


def spent_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


class Tenths:
    """Memory and seconds after each tenth of the films."""

    def __init__(self, n: int) -> None:
        self.parts: list[dict[str, float]] = []
        self._each = max(1, n // 10)
        self._n = 0
        self._begun_s = time.perf_counter()
        self._cpu_s = time.process_time()

    def on_done(self, _: object) -> None:
        self._n += 1
        if self._n % self._each:
            return
        process = psutil.Process()
        workers = [memory_mb(child) for child in process.children()]
        now_s, cpu_s = time.perf_counter(), time.process_time()
        self.parts.append(
            {
                "done": self._n,
                "parent_mb": memory_mb(process),
                "largest_worker_mb": max(workers, default=0.0),
                "all_ms_each": ms(now_s - self._begun_s, self._each),
                "parent_ms_each": ms(cpu_s - self._cpu_s, self._each),
            }
        )
        self._begun_s, self._cpu_s = now_s, cpu_s
        print(self.parts[-1], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--films", type=int, default=10000)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    told: dict[str, Any] = {"films": asked.films, "workers": asked.workers}
    overview = predict.write_overviews

    def timed(rows: Sequence[Row], out: Path, options: Options | None = None) -> None:
        process = psutil.Process()
        cpu_s, before_mb = time.process_time(), memory_mb(process)
        overview(rows, out, options)
        told["overview_ms_each"] = ms(time.process_time() - cpu_s, asked.films)
        told["overview_mb_more"] = round(memory_mb(process) - before_mb, 1)

    predict.write_overviews = timed
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        make(root / "films", asked.films, asked.people)
        jobs = plan([], manifest=root / "films" / TABLE)
        tenths = Tenths(asked.films)
        begun_s = time.perf_counter()
        batch = Batch(Options(), root / "out", Store(root / "store", ""), asked.workers)
        done = predict_all(jobs, batch, watch=Watch(on_done=tenths.on_done))
        told["minutes"] = round((time.perf_counter() - begun_s) / 60, 1)
        entries = list((root / "store" / "features" / "face").rglob("*.safetensors"))
        told["entries_of_a_face"] = len(entries)
    told["failed"] = sum(row.state == "failed" for row in done)
    told["workers_ms_each"] = ms(spent_s(resource.RUSAGE_CHILDREN), asked.films)
    told["tenths"] = tenths.parts
    save("many-films", told)


if __name__ == "__main__":
    main()

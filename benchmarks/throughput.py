"""Frames per second of decoding, of tracking too, and of everything; and the main job against real
time.

Ratios are of interleaved runs in one process, since these machines are noisy. Process CPU time
("cpu") counts all threads of the process; wall time is what a person waits.

    python -m benchmarks.throughput [--seconds 40] [--repeats 3]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twomind.core.store import Store
from twomind.features.describe import Settings, describe
from twomind.media.recording import open_recording
from twomind.media.stream import Frame, prefetch, stream

from .record import save


def answer_of(seconds: float, folder: Path) -> Path:
    """A drawn answer at 1280x720, at least ``seconds`` long: one answer, repeated without encoding
    again.
    """
    from twomind_synth.people import draw_people

    draw_people(
        folder / "drawn",
        n_people=1,
        seed=1,
        questions=(7,),
        size=(1280, 720),
        fps=30,
        voice="builtin",
    )
    movie = next((folder / "drawn").rglob("*.mp4"))
    duration_s = open_recording(movie).duration_s
    times = max(1, round(seconds / duration_s + 0.5))
    listing = folder / "list.txt"
    listing.write_text(f"file '{movie.resolve()}'\n" * times)
    path = folder / "answer.mp4"
    command = [
        "ffmpeg",
        "-loglevel",
        "error",
        "-y",
        "-f",
        "concat",
        "-safe",
        "0",
        "-i",
        listing,
        "-t",
        str(seconds),
    ]
    subprocess.run([*command, "-c", "copy", path], check=True)
    # Any words will do: their number decides the cost of scoring, which is nothing.
    lines = "\n".join(
        f"{i}\n00:00:{i:02d},000 --> 00:00:{i:02d},500\nwell\n"
        for i in range(int(min(seconds, 59)))
    )
    path.with_suffix(".srt").write_text(lines)
    return path


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """(CPU seconds, wall seconds, result)."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return time.process_time() - cpu, time.perf_counter() - wall, result


def decode(path: Path) -> int:
    return sum(isinstance(item, Frame) for item in prefetch(stream(path)))


def decode_and_track(path: Path) -> int:
    """What cannot be avoided: frames through MediaPipe's face mesh, nothing else."""
    import mediapipe as mp

    n = 0
    with mp.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as mesh:
        for item in prefetch(stream(path)):
            if isinstance(item, Frame):
                mesh.process(item.rgb)
                n += 1
    return n


def everything(path: Path, store: Path) -> int:
    made = describe(open_recording(path), store=Store(store), settings=Settings())
    return int(made.media["n_frames"])


def main_job(path: Path, out: Path) -> float:
    """Wall seconds of `twomind predict` as a user runs it: a new process, report included."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "twomind.cli.main", "predict", path, "--question", "7"]
    subprocess.run(
        [*command, "--out", out / "results", "--store", out / "store"],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path = answer_of(asked.seconds, folder)
        # Half the answer, closely interleaved: the speed of these machines drifts, and a shorter
        # cut would count the start of the graphs as if it were work per frame.
        part = folder / "part.mp4"
        cut = [
            "ffmpeg",
            "-loglevel",
            "error",
            "-y",
            "-i",
            path,
            "-t",
            str(asked.seconds / 2),
            "-c",
            "copy",
            part,
        ]
        subprocess.run(cut, check=True)
        everything(part, folder / "warm")  # imports and caches of the first call do not count
        rows: dict[str, list[tuple[float, float]]] = {
            "decode": [],
            "decode_and_track": [],
            "everything": [],
        }
        n_frames, jobs = 0, []
        for i in range(2 * asked.repeats):
            for name, work in {
                "decode": lambda: decode(part),
                "decode_and_track": lambda: decode_and_track(part),
                "everything": lambda i=i: everything(part, folder / f"store{i}"),
            }.items():
                cpu_s, wall_s, n_frames = timed(work)
                rows[name].append((cpu_s, wall_s))
                print(
                    f"{name:18s} {n_frames / cpu_s:7.0f} frames per CPU s {n_frames / wall_s:7.0f} "
                    "per s",
                    flush=True,
                )
        for i in range(asked.repeats):
            jobs.append(main_job(path, folder / f"job{i}"))
            print(f"predict with report {jobs[-1]:.1f} s for {asked.seconds:.0f} s", flush=True)
    overhead = [
        e[0] / t[0] - 1 for e, t in zip(rows["everything"], rows["decode_and_track"], strict=True)
    ]
    save(
        "throughput",
        {
            "video": "1280x720, 30 frames per second, h264, one synthetic face",
            "n_frames_each_run": n_frames,
            "frames_per_cpu_s": {
                k: n_frames / statistics.median(c for c, _ in v) for k, v in rows.items()
            },
            "frames_per_s": {
                k: n_frames / statistics.median(w for _, w in v) for k, v in rows.items()
            },
            "overhead_over_decode_and_track": statistics.median(overhead),
            "overhead_each_run": overhead,
            "predict_seconds_of_video": asked.seconds,
            "predict_s": jobs,
            "times_faster_than_real_time": asked.seconds / statistics.median(jobs),
        },
    )


if __name__ == "__main__":
    main()

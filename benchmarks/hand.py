"""Against a script that somebody writes by hand: PyAV, MediaPipe's FaceMesh and numpy, on the same clips in
one run.

python -m benchmarks.hand FILM ... [--repeats 3] [--workers]

The script decodes, tracks one face, and writes pose, distances between landmarks and their changes as CSV. Ours is
everything of ``describe``: action units, head, gaze, blinks, quality, voice, cues, storing. Processor time
counts all threads. ``--workers`` also compares ``twomind predict`` of all films, reports among it, at one and
two workers, in processes of their own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import save
from twomind.core.store import Store
from twomind.features.describe import describe
from twomind.media.recording import open_recording

#: Corners of eyes and mouth, lids, lips, brows, nose and chin.
PAIRS = [(33, 133), (362, 263), (159, 145), (386, 374), (61, 291), (13, 14), (70, 159), (300, 386)]
PAIRS += [(105, 334), (1, 152), (0, 17), (50, 280)]


def by_hand(film: Path, table: Path) -> int:
    """The script; how many pictures it read."""
    import av
    import mediapipe as mp

    rows = []
    with (
        mp.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as mesh,
        av.open(str(film)) as container,
    ):
        for frame in container.decode(video=0):
            rgb = frame.to_ndarray(format="rgb24")
            found = mesh.process(rgb).multi_face_landmarks
            row = np.full(len(PAIRS) + 4, np.nan)
            row[0] = frame.time
            if found:
                height, width = rgb.shape[:2]
                flat = [(p.x * width, p.y * height, p.z * width) for p in found[0].landmark]
                points = np.array(flat)
                unit = np.linalg.norm(points[33] - points[263])
                across = points[263] - points[33]
                down = points[152] - points[10]
                row[1] = np.arctan2(across[2], across[0])
                row[2] = np.arctan2(down[2], down[1])
                row[3] = np.arctan2(across[1], across[0])
                for k, (a, b) in enumerate(PAIRS):
                    row[4 + k] = np.linalg.norm(points[a] - points[b]) / unit
            rows.append(row)
    values = np.array(rows)
    np.savetxt(table, np.hstack([values, np.gradient(values[:, 4:], axis=0)]), delimiter=",")
    return len(rows)


def ours(film: Path, store: Path) -> None:
    describe(open_recording(film), store=Store(store, ""))


def timed(work: Callable[[], Any]) -> dict[str, float]:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}


def in_processes(films: Sequence[Path], minutes: float, place: Path) -> dict[str, Any]:
    """Seconds a person waits for a minute of film, each in a new process."""
    names = [str(film) for film in films]
    commands = {"by hand": [sys.executable, "-m", "benchmarks.hand", *names, "--script-only"]}
    for n in (1, 2):
        out = ["--out", str(place / f"out{n}"), "--store", str(place / f"store{n}")]
        predict = [sys.executable, "-m", "twomind", "predict", *names, *out]
        commands[f"predict, {n} workers"] = [*predict, "--workers", str(n)]
    found = {}
    for name, command in commands.items():
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found[name] = round((time.perf_counter() - begun) / minutes, 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("films", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", action="store_true")
    parser.add_argument("--script-only", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if asked.script_only:
            for film in asked.films:
                by_hand(film, place / "table.csv")
            return
        for film in asked.films[:1]:  # what is loaded once
            by_hand(film, place / "table.csv")
            ours(film, place / "warm")
        told: dict[str, Any] = {}
        ratios = []
        for film in asked.films:
            runs = []
            for n in range(asked.repeats):
                one = timed(partial(by_hand, film, place / "table.csv"))
                other = timed(partial(ours, film, place / f"{film.stem}-{n}"))
                runs.append(
                    {"by_hand_s": round(one["cpu_s"], 2), "ours_s": round(other["cpu_s"], 2)}
                )
                ratios.append(other["cpu_s"] / one["cpu_s"])
                print(film.name, runs[-1], round(ratios[-1], 3), flush=True)
            told[film.name] = runs
        seconds = sum(open_recording(film).duration_s for film in asked.films)
        result: dict[str, Any] = {"processor_time": told, "film_s": round(seconds, 1)}
        result["ratio"] = {
            "median": round(statistics.median(ratios), 3),
            "least": round(min(ratios), 3),
            "most": round(max(ratios), 3),
        }
        if asked.workers:
            result["seconds_of_a_minute"] = in_processes(asked.films, seconds / 60, place)
    save("hand", result)


if __name__ == "__main__":
    main()

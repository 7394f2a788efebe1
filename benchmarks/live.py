"""Live sessions on the cores of this machine: how long after the last picture of a window its event
comes, how many cores a stream takes, and whether memory and pace stay flat.

python -m benchmarks.live FILM [--seconds 60] [--fps 25] [--streams 1] [--minutes-flat 10]
"""

from __future__ import annotations

import argparse
import ctypes
import resource
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.record import save
from twomind.media import stream as media
from twomind.pipeline.live import LiveSession

SIZE = (640, 360)


@dataclass(frozen=True)
class Source:
    """A film as pictures of 640x360 and its sound."""

    frames: list[np.ndarray]
    sound: np.ndarray

    @classmethod
    def of(cls, film: Path, seconds: float) -> Source:
        import cv2

        frames, sound = [], []
        with media.stream(film) as items:
            for item in items:
                if item.time_s > seconds:
                    break
                if isinstance(item, media.Frame):
                    frames.append(cv2.resize(item.rgb, SIZE, interpolation=cv2.INTER_AREA))
                else:
                    sound.append(item.values)
        return cls(frames, np.concatenate(sound) if sound else np.zeros(16000, np.float32))


def watch(source: Source, fps: float, seconds: float, paced: bool, model: bool) -> list[float]:
    """One stream in real time, or as fast as it goes: seconds from the last picture of each step to
    the end of what it brought about.
    """
    session = LiveSession("clip-au" if model else None, drawn=model, keep=False)
    delays, begun = [], time.perf_counter()
    n_sound = len(source.sound)
    last_at = begun
    for k in range(int(seconds * fps)):
        at_s = k / fps
        if paced:
            time.sleep(max(0.0, begun + at_s - time.perf_counter()))
        now = time.perf_counter()
        block = int(16000 / fps)
        first = k * block % max(n_sound - block, 1)
        told = session.push_sound(k * block / 16000, source.sound[first : first + block])
        told += session.push_frame(at_s, source.frames[k % len(source.frames)])
        if told or int(at_s) != int((k - 1) / fps):
            # The step is over with this picture; its last one came before it.
            delays.append(time.perf_counter() - last_at)
        last_at = now
    session.finish()
    return delays


def streams(source: Source, n: int, fps: float, seconds: float, model: bool) -> dict[str, object]:
    """Several streams at one time, in real time."""
    found: list[list[float]] = []
    work = [
        threading.Thread(target=lambda: found.append(watch(source, fps, seconds, True, model)))
        for _ in range(n)
    ]
    used, begun = time.process_time(), time.perf_counter()
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    lasted = time.perf_counter() - begun
    delays = np.array([delay for one in found for delay in one[3:]])
    return {
        "streams": n,
        "fps": fps,
        "seconds": seconds,
        "model": "clip-au" if model else None,
        "lasted_s": round(lasted, 2),
        "cores": round((time.process_time() - used) / lasted, 3),
        "event_after_last_picture_ms": {
            "median": round(1000 * float(np.median(delays)), 1),
            "p95": round(1000 * float(np.percentile(delays, 95)), 1),
            "most": round(1000 * float(delays.max()), 1),
        },
    }


def flat(source: Source, minutes: float) -> list[dict[str, float]]:
    """A long stream as fast as it goes: memory and processor time of each of its tenths."""
    session = LiveSession(keep=False)
    fps, n = 25, int(minutes * 60 * 25)
    process, tenths = psutil.Process(), []
    used, at = time.process_time(), 0
    for k in range(n):
        first = k * 640 % max(len(source.sound) - 640, 1)
        session.push_sound(k / fps, source.sound[first : first + 640])
        session.push_frame(k / fps, source.frames[k % len(source.frames)])
        if (k + 1) % (n // 10) == 0:
            now = time.process_time()
            memory = process.memory_info().rss / 1e6
            tenths.append(
                {"mb": round(memory, 1), "ms": round(1000 * (now - used) / (k + 1 - at), 2)}
            )
            used, at = now, k + 1
    session.finish()
    return tenths


def in_a_row(source: Source, n: int, seconds: float) -> dict[str, object]:
    """Sessions one after the other: what they leave behind."""
    process, memory, open_files = psutil.Process(), [], []
    for _ in range(n):
        watch(source, 5, seconds, False, False)
        ctypes.CDLL(None).malloc_trim(0)  # as the server does after each session
        memory.append(round(process.memory_info().rss / 1e6, 1))
        open_files.append(process.num_fds())
    threads = process.num_threads()
    return {"sessions": n, "mb": memory, "open_files": open_files, "threads": threads}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("film", type=Path)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--minutes-flat", type=float, default=4)
    parser.add_argument("--sessions", type=int, default=8)
    asked = parser.parse_args()
    source = Source.of(asked.film, 30)
    watch(source, 5, 2, False, False)
    numbers = {
        "one stream, cues alone": streams(source, 1, 25, asked.seconds, False),
        "one stream, clip-au": streams(source, 1, 25, asked.seconds, True),
        "two streams, cues alone": streams(source, 2, 12, asked.seconds, False),
        "flat": {"minutes": asked.minutes_flat, "tenths": flat(source, asked.minutes_flat)},
        "in a row": in_a_row(source, asked.sessions, 12),
        "most_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1),
    }
    save("live", {"film": asked.film.name, "size": SIZE, **numbers})


if __name__ == "__main__":
    main()

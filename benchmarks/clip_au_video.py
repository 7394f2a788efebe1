"""Time and memory per video for the methods on CLIP-AU that ships: cold, with cached embeddings,
and the method alone.

    OMP_NUM_THREADS=1 python -m benchmarks.clip_au_video FOLDER [--repeats 3]

The video is the first answer of `make demo` (drawn; FOLDER keeps it). Cold is what `twomind predict
--model clip-au` does to it besides `describe`: decode, follow and align the face, encode one frame
per 0.08 s, then the method on windows of 1.6 s. Cached reads the embeddings back by the hash of the
file's bytes. Seconds are processor time of all threads (the face finder has its own), the least of
the repeats, in turns; the model is loaded and the first call is not counted.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twomind.adaptation import Given, load_method, stream
from twomind.adaptation.state import save_state
from twomind.core.numbers import softmax
from twomind.core.store import Store
from twomind.encoders.frames import windows_of
from twomind.evaluation.machine import Memory
from twomind.media.recording import open_recording
from twomind.models import load
from twomind.types import Features, Recording
from twomind_synth.people import draw_people

from .record import save

SEED, QUESTION = 7, 1

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "clip-autt": ("clip-autt", {}),
    "clip-autt, subject": ("clip-autt", {"mode": "subject"}),
    "clip-autt, episodic": ("clip-autt", {"mode": "episodic"}),
    "tta-cap": ("tta-cap", {}),
    "guarded tta-cap": ("guarded", {}),
    "t3a": ("t3a", {}),
    "t3a, released start": ("t3a", {"start": "released"}),
    "tda": ("tda", {}),
    "tda, released constants": ("tda", {"alpha_unit": "released"}),
    "boost-adapter": ("boost-adapter", {}),
    "boost-adapter, released constants": ("boost-adapter", {"alpha_unit": "released"}),
}


def first_answer(folder: Path) -> Recording:
    """The first answer of `make demo`; drawn where it is not there."""
    draw_people(folder, seed=SEED, questions=(QUESTION,))
    [film] = folder.glob(f"*/*Question_{QUESTION}.mp4")
    return open_recording(film, question=str(QUESTION))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds, and the result."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def embedded(model: Any, recording: Recording, root: Path) -> Features:
    """The recording's frames as CLIP-AU reads them, from the store where they are there."""
    duration_s = 0.0 if math.isnan(recording.duration_s) else recording.duration_s
    blank = Features(recording.id, recording.subject, {}, (0.0, duration_s), drawn=recording.drawn)
    found: Features = model.prepare(blank, recording, Store(root), offline=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, recording = load("clip-au"), first_answer(args.folder)
    given = Given(summary=model.summary())
    cold, cached, peak = [], [], {}
    for _ in range(args.repeats):
        with tempfile.TemporaryDirectory() as store:
            memory = Memory()
            cold.append(timed(lambda root=Path(store): embedded(model, recording, root))[0])
            peak["cold_mb"] = memory.peak_mb()
            memory = Memory()
            seconds, x = timed(lambda root=Path(store): embedded(model, recording, root))
            cached.append(seconds)
            peak["cached_mb"] = memory.peak_mb()
    track = x.tracks[model.track]
    windows = windows_of(x, model.track, model.window_s)
    methods = {"source-only": ("source-only", {}), **METHODS}
    adapters = {
        name: load_method(method, **settings) for name, (method, settings) in methods.items()
    }
    alone: dict[str, list[float]] = {name: [] for name in adapters}
    rows: dict[str, Any] = {}
    for turn in range(args.repeats + 1):
        for name, adapter in adapters.items():
            memory = Memory()
            seconds, steps = timed(lambda a=adapter: list(stream(model, a, windows, given=given)))
            if turn:
                alone[name].append(seconds)
            with tempfile.TemporaryDirectory() as folder:
                size = save_state(Path(folder) / "s.safetensors", steps[-1].state).stat().st_size
            logits = np.mean(
                [s.prediction.logits for s in steps if s.prediction.logits is not None], axis=0
            )
            rows[name] = {
                "state_bytes": size,
                "peak_mb": memory.peak_mb(),
                "answer_present": float(softmax(logits)[1]),
                "said": [int(s.prediction.probs.argmax()) for s in steps],
            }
    plain = rows["source-only"]["said"]
    for name, row in rows.items():
        row["windows_changed"] = sum(a != b for a, b in zip(row.pop("said"), plain, strict=True))
        row["method_s"] = min(alone[name])
        row["cold_s"], row["cached_s"] = min(cold) + row["method_s"], min(cached) + row["method_s"]
    print(
        "| method | cold, s | cached, s | the method alone, ms | state, kB | answer | windows "
        "changed |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(
            f"| {name} | {row['cold_s']:.2f} | {row['cached_s']:.3f} | {1e3 * row['method_s']:.0f} "
            "| "
            f"{row['state_bytes'] / 1e3:.1f} | {row['answer_present']:.3f} | "
            f"{row['windows_changed']} |"
        )
    save(
        "clip-au-video",
        {
            "command": f"python -m benchmarks.clip_au_video FOLDER --repeats {args.repeats}",
            "drawn": True,
            "video_s": float(track.times_s[-1]),
            "frames_encoded": len(track.times_s),
            "windows": len(windows),
            "embed_cold_s": cold,
            "embed_cached_s": cached,
            "process_peak_mb": peak,
            "methods": rows,
        },
        show=False,
    )


if __name__ == "__main__":
    main()

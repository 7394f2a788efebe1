"""CLIP's pictures at ViT-B/32 size: time per picture by runtime and dtype, and how far the rows are from float32's.

    python benchmarks/clip_runtime.py [--repeats 5] [--threads 2]

Random weights (the published ones cannot be had here): times are those of the published size, deviations are of the
arithmetic and only a hint for trained weights. Pictures are drawn faces. Processor and clock seconds, the runtimes in
turns. A deviation is the length of a row's difference to torch's float32, over how far rows of two pictures lie apart
(median); and the cosine between the two.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from clip_autt import random_image_tower
from results import save
from twomind.capture.drawn.face import Camera, FaceState, Person, draw
from twomind.capture.drawn.world import stream
from twomind.describe.clip import bfloat16_images, torch_images
from twomind.describe.clip_images import Preprocessing
from twomind.describe.clip_onnx import onnx_images

N = 32


def faces() -> np.ndarray:
    """Drawn people, one each ``(N, 3, 224, 224)``."""
    camera = Camera(320, 320, noise=0.0)
    found = []
    for k in range(N):
        state = FaceState(aus={"AU12": (k % 4) / 3, "AU04": (k % 3) / 2})
        found.append(Preprocessing()(draw(Person.random(stream(0, "look", k), f"p{k}"), state, camera, 0)))
    return np.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    tower, pixels = random_image_tower(), faces()
    with tempfile.TemporaryDirectory() as cache:
        works = {
            "torch float32": torch_images(tower),
            "onnxruntime float32": onnx_images(tower, 224, "bench", Path(cache)),
            "torch bfloat16": bfloat16_images(tower),
        }
        rows = {name: images(pixels) for name, images in works.items()}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
        for _ in range(asked.repeats):
            for name, images in works.items():
                clock, cpu = time.perf_counter(), time.process_time()
                images(pixels)
                times[name].append((time.perf_counter() - clock, time.process_time() - cpu))
    exact = rows["torch float32"]
    apart = float(np.median(np.linalg.norm(exact[:, None] - exact[None], axis=2)[np.triu_indices(N, 1)]))
    numbers = {}
    for name, found in rows.items():
        cosine = (found * exact).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(exact, axis=1)
        numbers[name] = {
            "clock_ms_per_picture": 1e3 * statistics.median(c for c, _ in times[name]) / N,
            "processor_ms_per_picture": 1e3 * statistics.median(p for _, p in times[name]) / N,
            "off_over_distance_of_pictures": float(np.linalg.norm(found - exact, axis=1).max() / apart),
            "least_cosine": float(cosine.min()),
        }
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split() if Path("/proc/cpuinfo").exists() else []
    made_for = [f for f in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if f in flags]
    save("clip-runtime", {"pictures": N, "threads": asked.threads, "instructions": made_for, "runtimes": numbers})


if __name__ == "__main__":
    main()

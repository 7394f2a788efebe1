"""CLIP's pictures at ViT-B/32 size: time per picture by runtime and dtype, and how far the rows are
from float32's.

    python -m benchmarks.clip_runtime FOLDER [--repeats 5] [--threads 2]

Random weights (the published ones cannot be had here): times are those of the published size,
deviations are of the arithmetic and only a hint for trained weights. Pictures are synthetic faces.
Processor and clock seconds, the runtimes in turns. A deviation is the length of a row's difference
to torch's float32, over how far rows of two pictures lie apart (median); and the cosine between the
two.

What bfloat16 does to trained weights is seen on the encoder that ships, ``face-text``, whose image
tower runs here in bfloat16 as CLIP's does: rows, and the answers of the CLIP-AU that ships, on the
synthetic people held out of its training (FOLDER keeps their faces).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twomind.core.store import read_arrays
from twomind.encoders.clip import bfloat16_images
from twomind.encoders.clip_images import Preprocessing
from twomind.encoders.clip_onnx import onnx_images
from twomind.encoders.clip_towers import torch_images
from twomind.encoders.opening import open_encoder
from twomind.models import load
from twomind_synth.face import Camera, FaceState, Person, draw
from twomind_synth.models.clip_au import Recipe, as_examples, draw_all
from twomind_synth.models.face_text import SHIPPED, face_features
from twomind_synth.world import stream

from .clip_autt import random_image_tower
from .record import save

N = 32


def faces() -> np.ndarray:
    """Synthetic people, one each ``(N, 3, 224, 224)``."""
    camera = Camera(320, 320, noise=0.0)
    found = []
    for k in range(N):
        state = FaceState(aus={"AU12": (k % 4) / 3, "AU04": (k % 3) / 2})
        found.append(
            Preprocessing()(draw(Person.random(stream(0, "look", k), f"p{k}"), state, camera, 0))
        )
    return np.stack(found)


def trained(folder: Path) -> dict[str, Any]:
    """Rows and CLIP-AU's answers on held-out synthetic people, the image tower of ``face-text`` in
    bfloat16 and float32.
    """
    arrays, _ = read_arrays(SHIPPED)
    weights = {k: torch.from_numpy(v.astype(np.float32)).bfloat16() for k, v in arrays.items()}

    def images(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            rows: np.ndarray = (
                face_features(weights, torch.from_numpy(pixels).bfloat16()).float().numpy()
            )
        return rows

    encoder, model, recipe = open_encoder("face-text"), load("clip-au"), Recipe()
    faces = draw_all(recipe, folder, first=recipe.n_people)
    exact, short = as_examples(faces, encoder), as_examples(faces, replace(encoder, images=images))
    a, b = (
        np.concatenate([e.x.tracks[encoder.track].values for e in found])
        for found in (exact, short)
    )
    seen = ~np.isnan(a).any(axis=1)
    a, b = a[seen], b[seen]
    one, other = np.random.default_rng(0).integers(0, len(a), (2, 4000))
    apart = float(np.median(np.linalg.norm(a[one] - a[other], axis=1)))
    p, q = (np.array([model.predict(e.x).probs[1] for e in found]) for found in (exact, short))
    return {
        "pictures": len(a),
        "off_over_distance_of_pictures": float(np.linalg.norm(a - b, axis=1).max() / apart),
        "windows": len(p),
        "probability_off": {
            "largest": float(np.abs(p - q).max()),
            "mean": float(np.abs(p - q).mean()),
        },
        "other_class": int(((p >= 0.5) != (q >= 0.5)).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="keeps synthetic faces")
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
    apart = float(
        np.median(np.linalg.norm(exact[:, None] - exact[None], axis=2)[np.triu_indices(N, 1)])
    )
    numbers = {}
    for name, found in rows.items():
        cosine = (
            (found * exact).sum(axis=1)
            / np.linalg.norm(found, axis=1)
            / np.linalg.norm(exact, axis=1)
        )
        numbers[name] = {
            "clock_ms_per_picture": 1e3 * statistics.median(c for c, _ in times[name]) / N,
            "processor_ms_per_picture": 1e3 * statistics.median(p for _, p in times[name]) / N,
            "off_over_distance_of_pictures": float(
                np.linalg.norm(found - exact, axis=1).max() / apart
            ),
            "least_cosine": float(cosine.min()),
        }
    flags = (
        Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
        if Path("/proc/cpuinfo").exists()
        else []
    )
    made_for = [f for f in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if f in flags]
    found = {"pictures": N, "threads": asked.threads, "instructions": made_for, "runtimes": numbers}
    save("clip-runtime", found | {"face_text": trained(asked.folder)})


if __name__ == "__main__":
    main()

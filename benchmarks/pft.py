"""What SFDA-PFT costs on a processor: training the translator at the source, adapting to a person,
answering.

    OMP_NUM_THREADS=1 python -m benchmarks.pft                # about a minute

Random features and a random head: cost does not depend on what they hold, and nothing is learnt
here. Two sizes of the feature: ``plain`` (64 numbers, about what the plain model on described
windows has) and ``published`` (512, as behind a ResNet-18). Making the features is the model's work
and not in it; they are computed once. Seconds are processor time on one thread; every part runs in
a process of its own, whose peak memory is its own.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twomind.adaptation import load_method
from twomind.adaptation.state import save_state
from twomind.evaluation.machine import Memory
from twomind.models.embedding import EmbeddingRecogniser
from twomind.training import pft
from twomind.types import Example, Features, Given, Task, Track

from . import record
from .dsfda import timed

DIMS = {"plain": 64, "published": 512}
SOURCE_PEOPLE, WINDOWS_EACH, NEUTRAL_WINDOWS, CLASSES = 30, 100, 75, 2
PARTS = ("start", "source", "person", "predict")


def windows_of(person: int, n: int, dim: int) -> list[Features]:
    """``n`` windows of one row each."""
    rows = np.random.default_rng(person).normal(size=(n, 1, dim)).astype(np.float32)
    tracks = [Track(r, np.array([0.5]), np.ones(1, bool)) for r in rows]
    return [
        Features(f"{person}-{k}", f"p{person}", {"embedding": t}, (0.0, 1.0))
        for k, t in enumerate(tracks)
    ]


def measure(dim: int, part: str, repeats: int) -> dict[str, Any]:
    """Cost of one part at one size, in this process."""
    torch.set_num_threads(1)
    memory = Memory()
    rng = torch.Generator().manual_seed(0)
    weights = {
        "head.weight": torch.randn((CLASSES, dim), generator=rng),
        "head.bias": torch.zeros(CLASSES),
    }
    model = EmbeddingRecogniser(Task("pain", ("neutral", "pain"), "window"), weights)
    found: dict[str, Any] = {}
    settings, adapter = pft.SourceSettings(), load_method("sfda-pft")
    if part == "source":
        source = tuple(
            Example(x, k % CLASSES)
            for person in range(SOURCE_PEOPLE)
            for k, x in enumerate(windows_of(person, WINDOWS_EACH, dim))
        )
        summary: dict[str, np.ndarray] = {}
        seconds = timed(lambda: summary.update(pft.source_summary(model, settings)(source)), 1)
        found["steps"] = settings.epochs * SOURCE_PEOPLE * math.ceil(WINDOWS_EACH / settings.batch)
        found["trained"] = sum(v.size for v in summary.values())
    elif part == "start":
        seconds = [0.0]  # what Python, torch and a model take alone
    else:
        made = pft.net.new_translator(dim, settings.kind)
        start = {f"{pft.PREFIX}.{settings.variant}.{name}": v.numpy() for name, v in made.items()}
        given = Given(seed=0, neutral=tuple(windows_of(0, NEUTRAL_WINDOWS, dim)), summary=start)
        if part == "person":
            seconds = timed(lambda: adapter.begin(model, given), repeats)
            found["steps"] = adapter.epochs * math.ceil(NEUTRAL_WINDOWS / adapter.batch)
            with tempfile.TemporaryDirectory() as folder:
                state = adapter.begin(model, given)
                found["state_mb"] = save_state(Path(folder) / "state", state).stat().st_size / 1e6
        else:
            state, xs = adapter.begin(model, given), windows_of(1, 100, dim)
            each = timed(lambda: [adapter.step(model, state, x) for x in xs], repeats)
            seconds = [s / len(xs) for s in each]
    return {
        "seconds": float(np.median(seconds)),
        "each": seconds,
        "peak_mb": memory.peak_mb(),
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    found: dict[str, Any] = {}
    for name, dim in DIMS.items():
        found[name] = {"dim": dim}
        for part in PARTS:
            with ProcessPoolExecutor(1, context) as pool:
                found[name][part] = pool.submit(measure, dim, part, given.repeats).result()
            said = found[name][part]
            print(
                f"{name} {part}: {said['seconds']:.4f} s, {said['peak_mb']:.0f} MB",
                file=sys.stderr,
                flush=True,
            )
    head = {"threads": 1, "torch": torch.__version__, "weights": "random"}
    head |= {
        "source_people": SOURCE_PEOPLE,
        "windows_each": WINDOWS_EACH,
        "neutral_windows": NEUTRAL_WINDOWS,
    }
    record.save("pft", {**head, "sizes": found})


if __name__ == "__main__":
    main()

"""What DSFDA costs at its sizes: a step at the source, a generated face, a step at a person, a
person, a prediction.

    python -m benchmarks.dsfda                      # tiny and full; about three minutes of one core
    python -m benchmarks.dsfda --sizes small

Random weights and noise for pictures: cost does not depend on them. One thread. Seconds are
processor time, so that other work on the machine does not count: the median of the repeats, the
first call (which fills Adam's moments) left out; a call of more than ten seconds is made once.
Every part runs in a process of its own, whose peak memory is its own. A person's adaptation is the
method ``dsfda`` with its defaults, run whole at the sizes of ``--whole``; elsewhere it is estimated
as its steps times the seconds of one, and the result says so.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twomind.adaptation import load_method
from twomind.adaptation.methods import dsfda as method
from twomind.adaptation.state import save_state
from twomind.evaluation.machine import Memory
from twomind.models.dsfda import net
from twomind.models.dsfda.recogniser import Dsfda
from twomind.training import dsfda_losses as losses
from twomind.training import dsfda_step as steps
from twomind.types import Features, Given, Task, Track

from . import record

BATCH, CLASSES, SOURCE_PEOPLE, PROTOTYPES = 20, 2, 30, 16
#: A call that takes longer than this is made once.
SLOW_S = 10.0
PARTS = ("start", "source_step", "generate", "person_step", "person", "predict")


def model_of(size: net.Size) -> Dsfda:
    """Random weights and prototypes: half of them neutral."""
    rng = torch.Generator().manual_seed(0)
    prototypes = torch.rand((PROTOTYPES, size.depth, net.MAP, net.MAP), generator=rng)
    classes = torch.arange(PROTOTYPES) % CLASSES
    task = Task("pain", ("neutral", "pain"), "window")
    return Dsfda(task, net.new_weights(size, CLASSES, SOURCE_PEOPLE, 0), size, prototypes, classes)


def clip_of(size: net.Size, n: int) -> Features:
    """A window of ``n`` pictures."""
    values = np.random.default_rng(0).integers(0, 256, (n, size.px, size.px, 3), dtype=np.uint8)
    return Features(
        "bench",
        "person",
        {"face_crop": Track(values, np.arange(n) / 5, np.ones(n, bool))},
        (0.0, n / 5),
    )


def timed(do: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of processor time of each call after the first, or of the first alone where it is
    slow.
    """
    seconds: list[float] = []
    for _ in range(repeats + 1):
        started = time.process_time()
        do()
        seconds.append(time.process_time() - started)
        if seconds[0] > SLOW_S:
            return seconds
    return seconds[1:]


def measure(name: str, part: str, repeats: int) -> dict[str, Any]:
    """Cost of one part at one size, in this process."""
    torch.set_num_threads(1)
    size, memory = net.SIZES[name], Memory()
    model = model_of(size)
    rng = torch.Generator().manual_seed(0)
    x = torch.rand((BATCH, 3, size.px, size.px), generator=rng)
    y = torch.arange(BATCH) % CLASSES
    found: dict[str, Any] = {}
    if part == "source_step":
        training, people = steps.start(model.weights, 1e-4), torch.arange(BATCH) % SOURCE_PEOPLE
        batch = steps.Batch(x, people, x.flip(0), y)
        found["trained"] = sum(v.numel() for v in training.w.values())
        seconds = timed(
            lambda: steps.source_step(
                training, batch, losses.noises(size, BATCH, rng), steps.Rules(), rng
            ),
            repeats,
        )
    elif part == "generate":
        noise = net.noise_maps(size, 1, rng)
        with torch.no_grad():
            seconds = timed(
                lambda: losses.generate(model.weights, x[:1], model.prototypes[:1], noise),
                4 * repeats,
            )
    elif part == "person_step":
        training = steps.start(
            {**model.weights, **method.new_critic_head(model, 0)}, 1e-4, method_groups()
        )
        target = steps.TargetBatch(
            x, model.prototypes[:1].expand(BATCH, -1, -1, -1), torch.ones_like(y)
        )
        seconds = timed(
            lambda: steps.target_step(
                training,
                target,
                losses.noises(size, BATCH, rng),
                steps.TargetRules(),
                rng,
            ),
            repeats,
        )
    elif part == "person":
        adapter = load_method("dsfda")
        clip, started = clip_of(size, adapter.max_frames), time.process_time()
        state = adapter.begin(model, Given(seed=0, neutral=(clip,), summary={}))
        seconds = [time.process_time() - started]
        with tempfile.TemporaryDirectory() as folder:
            found["state_mb"] = save_state(Path(folder) / "state", state).stat().st_size / 1e6
    elif part == "predict":
        clip = clip_of(size, model.max_frames)
        seconds = timed(lambda: model.predict(clip), 4 * repeats)
        found["pictures"] = model.max_frames
    else:
        seconds = [0.0]  # what Python, torch and a model take alone
    return {
        "seconds": float(np.median(seconds)),
        "each": seconds,
        "peak_mb": memory.peak_mb(),
        **found,
    }


def method_groups() -> tuple[str, ...]:
    """What the method trains at a person by default."""
    return ("generator", "identity_critic", "head")


def steps_of_a_person() -> int:
    """Steps of the method's defaults on a neutral clip with as many frames as it takes."""
    adapter = load_method("dsfda")
    return int(adapter.epochs * math.ceil(adapter.max_frames / adapter.batch))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["tiny", "full"], choices=sorted(net.SIZES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--whole", nargs="*", default=["tiny"], help="sizes at which a whole person is adapted"
    )
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    found: dict[str, Any] = {}
    for name in given.sizes:
        found[name] = {}
        for part in PARTS:
            if part == "person" and name not in given.whole:
                one = found[name]["person_step"]
                estimate = {
                    "seconds": steps_of_a_person() * one["seconds"],
                    "estimated_from_steps": True,
                }
                found[name][part] = {**estimate, "peak_mb": one["peak_mb"]}
                continue
            with ProcessPoolExecutor(1, context) as pool:
                found[name][part] = pool.submit(measure, name, part, given.repeats).result()
            said = found[name][part]
            print(
                f"{name} {part}: {said['seconds']:.3f} s, {said['peak_mb']:.0f} MB",
                file=sys.stderr,
                flush=True,
            )
    head = {
        "batch": BATCH,
        "threads": 1,
        "torch": torch.__version__,
        "steps_of_a_person": steps_of_a_person(),
    }
    record.save("dsfda", {**head, "weights": "random", "sizes": found})


if __name__ == "__main__":
    main()

"""Throughput and peak memory of fusion training and inference, per model. No media: rows as
``describe`` gives them.

    python -m benchmarks.fusion [--people 24] [--epochs 3] [--device cpu]

Training: recordings shaped like a study of ``--people`` who answer seven questions (36 s each);
seconds of recording learnt from per second, and what a whole run of 30 epochs would take.
Inference: whole answers, one at a time; then an hour in chunks, as a stream, with the resident
memory after 5 and after 60 minutes (the released variants cannot stream). Each model trains in a
process of its own and is used in another, so that peaks are its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from .record import save

MODELS = ("conflict", "plain", "lfan", "can", "mt", "jmt", "mt-released", "jmt-released")
SECONDS = 36.0
ROOT = Path(__file__).parent.parent


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _peak_mb() -> float:
    # Not getrusage: its peak is handed on from the process that started this one.
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def _items(n_people: int) -> list[Any]:
    from tests.fusion_world import take

    return [take(f"p{p}", q, "conflict", SECONDS).item() for p in range(n_people) for q in range(7)]


def measure(name: str, n_people: int, epochs: int, device: str) -> dict[str, Any]:
    """All numbers of one model."""
    from tests.fusion_world import RECIPE

    from twomind.models.fusion import recogniser as fusion
    from twomind.models.fusion.net import FusionConfig
    from twomind.training.fusion import fit, settings_for
    from twomind.types import AMBIVALENCE

    model, _, released = name.partition("-")
    items = _items(n_people + max(n_people // 6, 1))
    train, val = items[: 7 * n_people], items[7 * n_people :]
    config = FusionConfig(model, bool(released))
    settings = settings_for(config, epochs=epochs, device=device)
    base_mb = _rss_mb()
    started, cpu = time.perf_counter(), time.process_time()
    found = fit(train, val, AMBIVALENCE, RECIPE, config, settings)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    trained = found.card["training"]["seconds"]
    numbers: dict[str, Any] = {
        "parameters": sum(p.numel() for p in found.net.parameters()),
        "train_s_per_epoch": trained / epochs,
        # with scales and calibration; says more than the clock on a machine that others use
        "fit_cpu_s": cpu,
        "whole_run_of_30_epochs_cpu_min": cpu * 30 / epochs / 60,
        "train_recording_s_per_s": len(train) * SECONDS * epochs / trained,
        "whole_run_of_30_epochs_min": (trained / epochs * 30 + seconds - trained) / 60,
        "train_peak_rss_mb": _peak_mb(),
        "rss_before_training_mb": base_mb,
    }
    with tempfile.TemporaryDirectory() as folder:
        fusion.save(found, Path(folder))
        return numbers | _json_of("--use", folder)


def use(folder: str) -> dict[str, Any]:
    """Inference with a saved model, in a process that never trained."""
    from twomind.models.fusion import recogniser as fusion
    from twomind.models.fusion.input import Grid
    from twomind.models.fusion.run import Runner, rows_of

    net = fusion.load(folder).net
    items = _items(4)
    base_mb = _rss_mb()
    cpu = time.process_time()
    for item in items:
        rows_of(net, item.grid)
    numbers = {
        "whole_answers_times_real_time_cpu": len(items) * SECONDS / (time.process_time() - cpu),
        "rss_before_inference_mb": base_mb,
        "inference_peak_rss_mb": _peak_mb(),
    }
    if not net.config.streams:
        return numbers
    runner, grid = Runner(net, 0), items[0].grid
    chunk = Grid(0, grid.hop_s, grid.values, grid.mask, 0)
    n_chunks = int(3600 / SECONDS)
    started, cpu, marks = time.perf_counter(), time.process_time(), {}
    for n in range(n_chunks):
        runner.advance(chunk)
        if n in (int(300 / SECONDS), n_chunks - 1):
            marks[n] = (_rss_mb(), time.perf_counter())
    (early, early_at), (late, late_at) = marks.values()
    return numbers | {
        "stream_times_real_time": 3600 / (late_at - started),
        "stream_times_real_time_cpu": 3600 / (time.process_time() - cpu),
        "stream_rss_at_5_min_mb": early,
        "stream_rss_at_60_min_mb": late,
        "stream_last_55_min_s": late_at - early_at,
    }


def _json_of(*arguments: object) -> dict[str, Any]:
    """What this module says in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.fusion", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    numbers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--use", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.use:
        print(json.dumps(use(given.use)))
        return
    if given.only:
        print(json.dumps(measure(given.only, given.people, given.epochs, given.device)))
        return
    found = {}
    for name in given.models.split(","):
        sizes = ("--people", given.people, "--epochs", given.epochs, "--device", given.device)
        found[name] = _json_of("--only", name, *sizes)
        print(name, {k: round(v, 2) for k, v in found[name].items()}, file=sys.stderr)
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    load = np.round(os.getloadavg(), 1).tolist()
    save(
        "fusion",
        {
            "people": given.people,
            "device": given.device,
            "threads": threads,
            "load": load,
            "models": found,
        },
    )


if __name__ == "__main__":
    main()

"""What figures over many windows and agreement over many segments cost: one row of a board with all
metrics, and two coders.

python -m benchmarks.evaluation [--windows 1000000] [--people 1000] [--resamples 2000]
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Callable

import numpy as np

from benchmarks.record import save
from twomind.evaluation import agreement_time, samples
from twomind.evaluation.board import METRICS

N_SEGMENTS = 5000


def drawn_sample(n: int, n_people: int) -> samples.Sample:
    """Windows of people who differ, with all scores different, seven questions and ten folds."""
    r = np.random.default_rng(0)
    person = r.integers(0, n_people, n)
    y = (r.random(n) < 0.3).astype(int)
    logit = r.normal(size=n) + y - 0.8 + 0.5 * r.normal(size=n_people)[person]
    p = 1 / (1 + np.exp(-logit))
    return samples.Sample(
        y=y,
        probs=np.stack([1 - p, p], axis=1),
        subject=np.array([f"p{k:06d}" for k in range(n_people)])[person],
        question=np.array(list("1234567"))[r.integers(0, 7, n)],
        fold=np.array([f"fold {k}" for k in range(10)])[person % 10],
        n=np.ones(n),
    )


def spent_s(work: Callable[[], object]) -> float:
    """Processor time of a piece of work."""
    before = time.process_time()
    work()
    return round(time.process_time() - before, 3)


def row(n: int, n_people: int, n_draws: int) -> dict[str, float]:
    """Seconds of each part of one row of a board."""
    sample = drawn_sample(n, n_people)
    subjects = sorted(set(sample.subject.tolist()))
    drawn = samples.draws(subjects, n_draws)
    cost = {"joining equal rows": spent_s(sample.compressed)}
    for metric in (*METRICS, "f1_0", "f1_1"):

        def figures(metric: str = metric) -> None:
            samples.figure([sample], metric)
            samples.resampled([sample], metric, subjects, drawn)

        cost[metric] = spent_s(figures)
    return cost


def coders() -> dict[str, float]:
    """Seconds of what is asked of two coders with many segments."""
    r = np.random.default_rng(0)
    starts = np.cumsum(r.exponential(3.0, N_SEGMENTS) + 1.0)
    a = [(float(s), float(s) + 0.8) for s in starts]
    moved = np.sort(np.array(a) + r.normal(0, 0.4, (N_SEGMENTS, 2)), axis=1)
    b = [(float(s), float(e)) for s, e in moved]
    events = agreement_time.match_events(a, b)
    return {
        "on_units": spent_s(lambda: agreement_time.on_units(a, b)),
        "disagreements": spent_s(lambda: agreement_time.disagreements({"a": a, "b": b}, 0.5)),
        "match_events": spent_s(lambda: agreement_time.match_events(a, b)),
        "match_events, any offset": spent_s(
            lambda: agreement_time.match_events(a, b, 0.5, math.inf)
        ),
        "by_segment": spent_s(lambda: agreement_time.by_segment(a, b, events)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=2000)
    asked = parser.parse_args()
    cost = row(asked.windows, asked.people, asked.resamples)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    two_coders = coders()
    numbers = {
        "windows": asked.windows,
        "people": asked.people,
        "resamples": asked.resamples,
        "row_processor_s": cost,
        "row_total_s": round(sum(cost.values()), 1),
        "peak_mb": round(peak_mb),
        "segments_per_coder": N_SEGMENTS,
        "coders_processor_s": two_coders,
        "coders_total_s": round(sum(two_coders.values()), 3),
    }
    save("evaluation", numbers)


if __name__ == "__main__":
    main()

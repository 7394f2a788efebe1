"""Closed-form CORAL against skada's on plain arrays: accuracy on skada's own synthetic shifts, and time per fit.

    pip install --no-deps --target DIR skada POT pandas skorch python-dateutil six tabulate pytz
    PYTHONPATH=DIR python benchmarks/sfda_skada.py [--seeds 20]

Both move mean and covariance of the source to the target's (``ours_without_means``: the covariance only), and then fit
the same classifier (RBF support vector machine) on it; skada estimates the covariances by its own default. Differences
are paired over seeds; times are medians of ``time.perf_counter`` per fit, with the classifier. The maps trained with an
MMD, SHOT and NRC are not compared: skada's DAN trains a network, and it has no source-free method.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import skada
import torch
from skada.datasets import make_shifted_blobs, make_shifted_datasets
from sklearn.svm import SVC

from results import save
from twomind.personalise import divergences

SHIFTS = ("covariate_shift", "target_shift", "conditional_shift", "subspace")


def ours(xs: np.ndarray, ys: np.ndarray, xt: np.ndarray, means: bool = True) -> np.ndarray:
    source, target = (torch.from_numpy(a) for a in (xs, xt))
    matrix, own = divergences.recolouring(source, target, 1e-6), source.mean(0)
    moved = (source - own) @ matrix + (target.mean(0) if means else own)
    return SVC().fit(moved.numpy(), ys).predict(xt)


def without_means(xs: np.ndarray, ys: np.ndarray, xt: np.ndarray) -> np.ndarray:
    return ours(xs, ys, xt, means=False)


def theirs(xs: np.ndarray, ys: np.ndarray, xt: np.ndarray) -> np.ndarray:
    x, domain = np.concatenate([xs, xt]), np.repeat([1, -2], [len(xs), len(xt)])
    y = np.concatenate([ys, np.full(len(xt), -1)])
    return skada.CORAL(SVC()).fit(x, y, sample_domain=domain).predict(xt, sample_domain=np.full(len(xt), -2))


def draw(shift: str, seed: int) -> tuple[Any, ...]:
    if shift == "blobs":
        x, y, domain = make_shifted_blobs(n_samples=400, n_features=2, shift=1.0, centers=3, random_state=seed)
    else:
        x, y, domain = make_shifted_datasets(25, 25, shift=shift, noise=0.3, label="binary", random_state=seed)
    return x[domain > 0], y[domain > 0].astype(int), x[domain < 0], y[domain < 0].astype(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    numbers: dict[str, Any] = {}
    for shift in (*SHIFTS, "blobs"):
        score: dict[str, list[float]] = {"source": [], "ours": [], "ours_without_means": [], "skada": []}
        seconds: dict[str, list[float]] = {"ours": [], "ours_without_means": [], "skada": []}
        for seed in range(asked.seeds):
            xs, ys, xt, yt = draw(shift, seed)
            score["source"].append(float((SVC().fit(xs, ys).predict(xt) == yt).mean()))
            for name, method in (("ours", ours), ("ours_without_means", without_means), ("skada", theirs)):
                start = time.perf_counter()
                got = method(xs, ys, xt)
                seconds[name].append(time.perf_counter() - start)
                score[name].append(float((got == yt).mean()))
        apart = np.subtract(score["ours"], score["skada"])
        numbers[shift] = {
            **{f"accuracy_{n}": round(float(np.mean(v)), 4) for n, v in score.items()},
            "ours_minus_skada": round(float(apart.mean()), 4),
            "standard_error": round(float(apart.std(ddof=1) / len(apart) ** 0.5), 4),
            "time_ratio_ours_to_skada": round(float(np.median(seconds["ours"]) / np.median(seconds["skada"])), 3),
        }
    save("sfda-skada", {"seeds": asked.seeds, "skada": skada.__version__, "coral": numbers})


if __name__ == "__main__":
    main()

"""Shared algorithms against skada's on plain arrays: accuracy on skada's own synthetic shifts, and
time per fit.

    pip install --no-deps --target DIR skada POT pandas skorch python-dateutil six tabulate pytz
    tzdata PYTHONPATH=DIR python -m experiments.sfda_skada [--seeds 20] [--first 0]

- **CORAL, closed form**: both move mean and covariance of the source to the target's
  (``ours_without_means``: the covariance only), and then fit the same classifier (RBF support
  vector machine) on it; skada estimates the covariances by its own default.
- **MMD, trained** (``mmd``, and ``lmmd`` beside it, against skada's DAN): a network of two layers.
  Skada trains it on source and target at once, with the MMD on the hidden layer; ours is trained on
  the source, and the plug-in then moves the hidden layer of the target by a map, as it does for a
  person: one task, two ways to it. Same layers, optimiser, batches and epochs at the source; the
  time of ours counts the source's training too, though it is done once for all people. Settings are
  the defaults of each. To see why they differ, three more: ``mmd`` with the target's shares of the
  classes estimated (``shares``), with source and target sent through one map (``one map``), and
  skada's own training, source and target at once, with our divergence in place of skada's (``at
  once``).
- **DAN's own training** (``mmd_network``: ``mmd`` with ``scope="network"``, ``kernels="bank"``;
  ``..._doubling`` with the published kernels): starts from the same untrained network as DAN, with
  as many steps on batches of the same size. ``..._from_source`` starts from the network trained on
  the source, as a user would, with as many steps again.

Differences are paired over seeds; times are medians of processor seconds per fit. SHOT and NRC are
not compared: skada has no source-free method. Neither is the subject-based method: skada has none.
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

from twomind.adaptation import divergences, load_method
from twomind.models.embedding import EmbeddingRecogniser
from twomind.types import Example, Features, Given, Task, Track

from .record import save

EPOCHS, BATCH, HIDDEN = 60, 64, 16
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
    return (
        skada.CORAL(SVC())
        .fit(x, y, sample_domain=domain)
        .predict(xt, sample_domain=np.full(len(xt), -2))
    )


class Net(torch.nn.Module):
    """Two dense layers; the output of ``hidden`` is what is aligned."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.hidden = torch.nn.Sequential(torch.nn.Linear(2, HIDDEN), torch.nn.ReLU())
        self.head = torch.nn.Linear(HIDDEN, n_classes)

    def forward(self, x: torch.Tensor, sample_weight: Any = None) -> torch.Tensor:
        return self.head(self.hidden(x))


def source_net(xs: np.ndarray, ys: np.ndarray, seed: int) -> Net:
    torch.manual_seed(seed)
    net = Net(int(ys.max()) + 1)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    x, y = torch.from_numpy(xs.astype(np.float32)), torch.from_numpy(ys)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimiser.step()
    return net


def windows(z: np.ndarray, y: np.ndarray, person: str) -> tuple[Example, ...]:
    """Every row as a window of its own."""
    return tuple(
        Example(
            Features(
                f"{person}{n}",
                person,
                {"embedding": Track(row[None], np.array([0.5]), np.ones(1, bool))},
                (0.0, 1.0),
            ),
            int(label),
        )
        for n, (row, label) in enumerate(zip(z, y, strict=True))
    )


def plug_in(
    net: Net, name: str, xs: np.ndarray, ys: np.ndarray, xt: np.ndarray, seed: int, **settings: Any
) -> np.ndarray:
    """What the method answers about the target; it is given the target's rows without labels."""
    with torch.no_grad():
        zs, zt = (net.hidden(torch.from_numpy(a.astype(np.float32))).numpy() for a in (xs, xt))
    weights = {"head.weight": net.head.weight.detach(), "head.bias": net.head.bias.detach()}
    task = Task("shift", tuple(map(str, range(len(weights["head.bias"])))), "window")
    model = EmbeddingRecogniser(task, weights)
    target = windows(zt, np.zeros(len(zt)), "t")
    given = Given(seed, source=windows(zs, ys, "s"), target=tuple(e.x for e in target))
    method = load_method(name, force=True, **settings)
    state = method.begin(model, given)
    return np.array([method.step(model, state, e.x)[0].probs.argmax() for e in target])


def trained_network(
    net: Net, xs: np.ndarray, ys: np.ndarray, xt: np.ndarray, seed: int, **settings: Any
) -> np.ndarray:
    """What ``mmd`` with ``scope="network"`` answers about the target, started from ``net``; no
    labels of the target.
    """
    weights = {"head.weight": net.head.weight.detach(), "head.bias": net.head.bias.detach()}
    task = Task("shift", tuple(map(str, range(len(weights["head.bias"])))), "window")
    model = EmbeddingRecogniser(task, weights, network=net.hidden)
    source, target = (
        windows(xs.astype(np.float32), ys, "s"),
        windows(xt.astype(np.float32), np.zeros(len(xt)), "t"),
    )
    steps = EPOCHS * max(len(xs) // BATCH, len(xt) // BATCH)  # DAN's: whole batches only
    method = load_method(
        "mmd", scope="network", force=True, steps=steps, batch=BATCH, network_lr=1e-2, **settings
    )
    state = method.begin(model, Given(seed, source=source, target=tuple(e.x for e in target)))
    return np.array([method.step(model, state, e.x)[0].probs.argmax() for e in target])


def at_once(xs: np.ndarray, ys: np.ndarray, xt: np.ndarray, seed: int) -> np.ndarray:
    """The network trained on source and target at once, as DAN is, with the divergence of
    ``mmd``.
    """
    torch.manual_seed(seed)
    net = Net(int(ys.max()) + 1)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    x, y, t = (
        torch.from_numpy(xs.astype(np.float32)),
        torch.from_numpy(ys),
        torch.from_numpy(xt.astype(np.float32)),
    )
    for _ in range(EPOCHS):
        for own, other in zip(
            torch.randperm(len(x)).split(BATCH), torch.randperm(len(t)).split(BATCH), strict=False
        ):
            optimiser.zero_grad()
            h = net.hidden(x[own])
            apart = divergences.mk_mmd(h, net.hidden(t[other]))
            (torch.nn.functional.cross_entropy(net.head(h), y[own]) + apart).backward()
            optimiser.step()
    with torch.no_grad():
        return net(t).argmax(1).numpy()


#: Ours beside skada's DAN: the method's name and settings; None: trained at once.
BESIDE: dict[str, tuple[str, dict[str, Any]] | None] = {
    "mmd": ("mmd", {}),
    "lmmd": ("lmmd", {}),
    "mmd_shares": ("mmd", {"shares": "model"}),
    "mmd_one_map": ("mmd", {"shared": True}),
    "mmd_at_once": None,
    "mmd_network": ("network", {"kernels": "bank"}),
    "mmd_network_doubling": ("network", {}),
    "mmd_network_from_source": ("network from source", {"kernels": "bank"}),
}
#: trains its own network, so the time of the source's is not counted in
OWN = ("mmd_at_once", "mmd_network", "mmd_network_doubling")


def fit(
    name: str, net: Net, xs: np.ndarray, ys: np.ndarray, xt: np.ndarray, seed: int
) -> np.ndarray:
    """Answers about the target of one method."""
    if name == "dan":
        return dan(xs, ys, xt, seed)
    how = BESIDE[name]
    if how is None:
        return at_once(xs, ys, xt, seed)
    if how[0].startswith("network"):
        if how[0] == "network":
            torch.manual_seed(seed)
            net = Net(int(ys.max()) + 1)
        return trained_network(net, xs, ys, xt, seed, **how[1])
    return plug_in(net, how[0], xs, ys, xt, seed, **how[1])


def dan(xs: np.ndarray, ys: np.ndarray, xt: np.ndarray, seed: int) -> np.ndarray:
    from skada.deep import DAN

    torch.manual_seed(seed)
    x = np.concatenate([xs, xt]).astype(np.float32)
    domain, y = np.repeat([1, -2], [len(xs), len(xt)]), np.concatenate([ys, np.full(len(xt), -1)])
    net = DAN(
        Net(int(ys.max()) + 1),
        layer_name="hidden",
        max_epochs=EPOCHS,
        batch_size=BATCH,
        train_split=None,
        verbose=0,
        optimizer=torch.optim.Adam,
        lr=1e-2,
    )
    return net.fit(x, y, domain).predict(xt.astype(np.float32), np.full(len(xt), -2))


def trained(shift: str, seeds: range) -> dict[str, float]:
    """Accuracies and times of the trained methods on one shift."""
    names = ("source", *BESIDE, "dan")
    score: dict[str, list[float]] = {n: [] for n in names}
    seconds: dict[str, list[float]] = {n: [] for n in names}
    for seed in seeds:
        xs, ys, xt, yt = draw(shift, seed)
        start = time.process_time()
        net = source_net(xs, ys, seed)
        base = time.process_time() - start
        with torch.no_grad():
            score["source"].append(
                float((net(torch.from_numpy(xt).float()).argmax(1).numpy() == yt).mean())
            )
        for name in names[1:]:
            start = time.process_time()
            got = fit(name, net, xs, ys, xt, seed)
            own = name == "dan" or name in OWN
            seconds[name].append(time.process_time() - start + (0.0 if own else base))
            score[name].append(float((got == yt).mean()))
    found = {f"accuracy_{n}": round(float(np.mean(v)), 4) for n, v in score.items()}
    for name in BESIDE:
        apart = np.subtract(score[name], score["dan"])
        found[f"{name}_minus_dan"] = round(float(apart.mean()), 4)
        found[f"{name}_standard_error"] = round(float(apart.std(ddof=1) / len(apart) ** 0.5), 4)
        found[f"time_ratio_{name}_to_dan"] = round(
            float(np.median(seconds[name]) / np.median(seconds["dan"])), 3
        )
    return found


def draw(shift: str, seed: int) -> tuple[Any, ...]:
    if shift == "blobs":
        x, y, domain = make_shifted_blobs(
            n_samples=400, n_features=2, shift=1.0, centers=3, random_state=seed
        )
    else:
        x, y, domain = make_shifted_datasets(
            25, 25, shift=shift, noise=0.3, label="binary", random_state=seed
        )
    return x[domain > 0], y[domain > 0].astype(int), x[domain < 0], y[domain < 0].astype(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    torch.set_num_threads(1)
    numbers: dict[str, Any] = {}
    for shift in (*SHIFTS, "blobs"):
        score: dict[str, list[float]] = {
            "source": [],
            "ours": [],
            "ours_without_means": [],
            "skada": [],
        }
        seconds: dict[str, list[float]] = {"ours": [], "ours_without_means": [], "skada": []}
        for seed in seeds:
            xs, ys, xt, yt = draw(shift, seed)
            score["source"].append(float((SVC().fit(xs, ys).predict(xt) == yt).mean()))
            for name, method in (
                ("ours", ours),
                ("ours_without_means", without_means),
                ("skada", theirs),
            ):
                start = time.process_time()
                got = method(xs, ys, xt)
                seconds[name].append(time.process_time() - start)
                score[name].append(float((got == yt).mean()))
        apart = np.subtract(score["ours"], score["skada"])
        numbers[shift] = {
            **{f"accuracy_{n}": round(float(np.mean(v)), 4) for n, v in score.items()},
            "ours_minus_skada": round(float(apart.mean()), 4),
            "standard_error": round(float(apart.std(ddof=1) / len(apart) ** 0.5), 4),
            "time_ratio_ours_to_skada": round(
                float(np.median(seconds["ours"]) / np.median(seconds["skada"])), 3
            ),
        }
        print(shift, numbers[shift], flush=True)
    deep = {}
    for shift in (*SHIFTS, "blobs"):
        deep[shift] = trained(shift, seeds)
        print(shift, deep[shift], flush=True)
    save(
        "sfda-skada" + (f"-seeds-from-{asked.first}" if asked.first else ""),
        {
            "seeds": asked.seeds,
            "first_seed": asked.first,
            "skada": skada.__version__,
            "coral": numbers,
            "mmd": deep,
        },
    )


if __name__ == "__main__":
    main()

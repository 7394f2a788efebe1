"""``scope="network"`` against slow references: a network that is the map of ``scope="map"`` is trained
to the same numbers, step by step; and where only two windows are there, both still move.

The references (``reference/``) are loops over single numbers in float64, written from the equations.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from tests.adaptation.test_reference_sfda import NRC, SHOT, Small, same_map, windows

from twomind.adaptation import load_method
from twomind.models.embedding import EmbeddingRecogniser
from twomind.types import Given, Task

descent, nrc, shot = (importlib.import_module(f"reference.{n}") for n in ("descent", "nrc", "shot"))


class Affine(torch.nn.Module):
    """The map as a network: ``exp(gain) u + shift`` of rows in units of the person."""

    def __init__(self, centre: np.ndarray, scale: np.ndarray) -> None:
        super().__init__()
        self.centre, self.scale = (torch.from_numpy(v.astype(np.float32)) for v in (centre, scale))
        self.gain, self.shift = (torch.nn.Parameter(torch.zeros(len(centre))) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gain.exp() * (x - self.centre) / self.scale + self.shift


def trained(small: Small, seed: int, method: str, how: dict[str, Any]) -> dict[str, Any]:
    """What the network's parameters become, and how far the head went, named as in the map."""
    start = descent.start(small.person, small.weight, small.bias)
    centre, scale = np.asarray(start["centre"]), np.asarray(start["scale"])
    head = {
        "head.weight": torch.from_numpy((small.weight * scale).astype(np.float32)),
        "head.bias": torch.from_numpy((small.bias + small.weight @ centre).astype(np.float32)),
    }
    task = Task("planted", ("neutral", "present"), "window")
    model = EmbeddingRecogniser(task, head, network=Affine(centre, scale), drawn=True)
    settings = {**how, "network_lr": how["lr"]}
    adapter = load_method(method, scope="network", force=True, **settings)
    state = adapter.begin(model, Given(seed, target=windows(small.person)))
    found = {
        "turn": state["head"]["weight"] - head["head.weight"],
        "offset": state["head"]["bias"] - head["head.bias"],
    }
    return {"map": {**state["network"], **found}}


@pytest.mark.parametrize("changed", [{}, {"label_weight": 2.0, "batch": 64}, {"decay": 0.0}])
def test_shot_through_the_network_step_by_step(changed: dict[str, float]) -> None:
    small, how = Small(0), {"spread": 1.0} | SHOT | changed
    wanted = shot.adapt(small.person, small.weight, small.bias, 0, **how)
    same_map(trained(small, 0, "shot", how), wanted, ("gain", "shift"))


@pytest.mark.parametrize("changed", [{}, {"r": 0.5, "spread": 0.4, "batch": 64}])
def test_nrc_through_the_network_step_by_step(changed: dict[str, float]) -> None:
    # Without decay: it pulls a network's head to zero, and a map's turn of the head to no turn.
    small, how = Small(0), NRC | {"decay": 0.0} | changed
    wanted = nrc.adapt(small.person, small.weight, small.bias, 0, **how)
    same_map(trained(small, 0, "nrc", how), wanted, ("gain", "shift", "turn", "offset"))


def test_two_windows_are_neighbours_of_each_other_and_one_has_none() -> None:
    pair, how = Small(0, n=2), NRC | {"k": 1, "kk": 1}
    wanted = nrc.adapt(pair.person, pair.weight, pair.bias, 0, **how)
    names = ("gain", "shift", "turn", "offset")
    same_map(pair.state("nrc", 0, **NRC), wanted, names)
    alone = Small(0, n=1).state("nrc", 0, **NRC)
    assert not any(alone["map"][name].any() for name in names)

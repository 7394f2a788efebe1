"""Settings that no method can use are refused; few windows and no coded spread give what they
should.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
import torch

import sfda_world
from twomind.adaptation import divergences, load_method, mapping, offsets, tuning
from twomind.adaptation.methods.clip_autt import ClipAutt
from twomind.core.errors import BadInput


@pytest.mark.parametrize("name", ["class-aware", "shot"])
def test_an_unknown_distance_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="distance"):
        load_method(name, distance="manhattan")


@pytest.mark.parametrize("setting", [{"lr": 0.0}, {"batch": 0}])
@pytest.mark.parametrize("name", ["oracle", "shot", "nrc"])
def test_a_step_or_batch_of_nothing_is_refused(name: str, setting: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="above 0"):
        load_method(name, **setting)


def test_weights_that_a_model_lacks_are_named_beside_some_that_it_has() -> None:
    model: Any = SimpleNamespace(params=lambda: {f"w{k}": torch.zeros(1) for k in range(8)})
    with pytest.raises(
        BadInput, match=r"weights up, down, .* has w0, w1, w2, w3, w4, w5 and 2 oth"
    ):
        tuning.copies(model, ["w1", "up", "down"])
    model = SimpleNamespace(params=lambda: {"w0": torch.zeros(1)})
    with pytest.raises(BadInput, match=r"\(it has w0\)"):
        tuning.copies(model, ["up"])


def test_people_who_do_not_differ_have_no_offset() -> None:
    found = offsets.estimate(np.array([[0.0, 1.0], [2.0, 0.0]]), np.array([1, 1]), 0.0)
    assert found.shift.tolist() == [0.0, 0.0]
    assert (found.variance, found.n) == (0.0, 2)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_neighbours_are_at_most_the_other_windows(n: int) -> None:
    world = sfda_world.world(1, n=20)
    method = load_method("nrc", k=5, kk=5, steps=2, rarest=0.0)
    target = world.given.target
    assert target is not None
    few = replace(world.given, target=target[:n])
    kept = method.begin(world.model, few)["map"]
    assert kept
    assert all(bool(torch.isfinite(torch.as_tensor(v)).all()) for v in kept.values())


def test_rows_of_another_width_are_not_recoloured() -> None:
    with pytest.raises(BadInput, match="two sets of rows"):
        divergences.recolouring(torch.zeros(3, 4), torch.zeros(3, 5), 0.1)
    with pytest.raises(BadInput, match="two sets of rows"):
        divergences.recolouring(torch.zeros(0, 4), torch.zeros(3, 4), 0.1)


def test_a_map_moves_by_shift_or_by_map() -> None:
    with pytest.raises(BadInput, match="moves"):
        load_method("neutral-mmd", moves="teleport")


def test_rows_of_nothing_still_have_a_scale_above_zero() -> None:
    """The map divides by it."""
    world = sfda_world.world(1, n=4)
    rows = torch.zeros(3, world.model.head()[0].shape[1])
    started = mapping.start(world.model, rows, 0, np.random.default_rng(0))
    assert float(started["scale"]) > 0.0


def test_answers_that_did_not_move_are_within_a_drift_of_nothing() -> None:
    logits = torch.tensor([[0.3, -0.2], [0.1, 0.4]])
    assert ClipAutt(max_drift=0.0)._refused(logits, logits) == ""
    far = torch.tensor([[9.0, -9.0], [9.0, -9.0]])
    assert ClipAutt(max_drift=0.0, entropy_floor=0.0)._refused(logits, far) != ""

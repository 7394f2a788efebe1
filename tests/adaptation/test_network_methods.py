"""SHOT, NRC, subject-based adaptation and the oracle with ``scope="network"``: the model's own network
is trained, not a map of its embeddings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from tests.adaptation.test_mmd_network import shifted

from twomind.adaptation import check, load_method
from twomind.core.errors import BadInput
from twomind.types import Example, Given

#: Settings of each method, and what it is handed.
METHODS: dict[str, dict[str, Any]] = {
    "shot": {"force": True},
    "nrc": {"force": True},
    "subject-msda": {"force": True, "source_steps": 20},
    "oracle": {},
}
NETWORK = {"scope": "network", "network_lr": 1e-2, "batch": 32}


def world(seed: int) -> tuple[Any, Given, tuple[Example, ...]]:
    """A model that knows the source's blobs, what is handed over of the person, and her windows."""
    fresh, source, target = shifted(seed)
    learn = load_method("mmd", scope="network", weight=0.0, force=True, steps=150, network_lr=1e-2)
    given = Given(
        seed,
        source=source,
        target=tuple(e.x for e in target),
        few=target[:10],
    )
    state = learn.begin(fresh, given.only(learn.needs))
    network = fresh.network
    network.load_state_dict(state["network"])
    head = state["head"]
    weights = {"head.weight": head["weight"], "head.bias": head["bias"]}
    return replace(fresh, weights=weights), given, target


def right(model: Any, method: Any, state: Any, target: tuple[Example, ...]) -> float:
    said = [method.step(model, state, e.x)[0].probs.argmax() for e in target]
    return float(np.mean([a == e.y for a, e in zip(said, target, strict=True)]))


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_the_network_moves_and_the_shared_one_stays(name: str) -> None:
    model, given, target = world(1)
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    plain = float(np.mean([model.predict(e.x).probs.argmax() == e.y for e in target]))
    method = load_method(name, **NETWORK, steps=60, **METHODS[name])
    state = method.begin(model, given.only(method.needs))
    assert all(torch.equal(v, before[k]) for k, v in model.network.state_dict().items())
    assert not any(torch.equal(v, before[k]) for k, v in state["network"].items())
    same_head = torch.equal(state["head"]["weight"], model.head()[0])
    assert same_head == (name == "shot")  # source hypothesis transfer keeps the head
    assert right(model, method, state, target) > plain
    again = method.begin(model, given.only(method.needs))
    assert all(torch.equal(v, again["network"][k]) for k, v in state["network"].items())


@pytest.mark.parametrize("name", METHODS)
def test_zero_steps_are_the_source_model_and_no_network_is_refused(name: str) -> None:
    model, given, target = world(2)
    zero = {"steps": 0} | ({"source_steps": 0} if name == "subject-msda" else {})
    method = load_method(name, **NETWORK | METHODS[name] | zero)
    state = method.begin(model, given.only(method.needs))
    for e in target[:5]:
        np.testing.assert_allclose(
            method.step(model, state, e.x)[0].probs, model.predict(e.x).probs, atol=1e-6
        )
    with pytest.raises(BadInput, match="this model has none"):
        method.begin(replace(model, network=None), given.only(method.needs))
    with pytest.raises(BadInput, match="scope"):
        load_method(name, scope="all")


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_the_contract_of_methods_holds(name: str) -> None:
    torch.manual_seed(0)
    toy = check.toy()
    network = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.Dropout(0.2))
    toy = replace(toy, model=replace(toy.model, network=network))
    settings = METHODS[name] | ({"source_steps": 2} if name == "subject-msda" else {})
    check.check_all(load_method(name, **NETWORK | settings, steps=3), toy)


def test_batch_normalisation_gets_two_rows_even_of_one_window() -> None:
    model, given, _ = world(3)
    normed = torch.nn.Sequential(model.network, torch.nn.BatchNorm1d(16))
    alone = replace(given, few=given.few[:1] if given.few else None)
    method = load_method("oracle", **NETWORK, steps=2)
    state = method.begin(replace(model, network=normed), alone.only(method.needs))
    assert all(bool(torch.isfinite(v).all()) for v in state["network"].values())

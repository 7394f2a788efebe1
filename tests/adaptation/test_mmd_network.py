"""``mmd`` with ``scope="network"``: the model's own network, trained on source people and the
person at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from twomind.adaptation import check, divergences, load_method
from twomind.core.errors import BadInput
from twomind.models.embedding import EmbeddingRecogniser
from twomind.types import Example, Features, Given, Task, Track

SETTINGS: dict[str, Any] = {"scope": "network", "kernels": "bank", "force": True}


def windows(rows: np.ndarray, y: np.ndarray, person: str) -> tuple[Example, ...]:
    tracks = [
        Track(row[None].astype(np.float32), np.array([0.5]), np.ones(1, bool)) for row in rows
    ]
    return tuple(
        Example(Features(f"{person}{n}", person, {"embedding": t}, (0.0, 1.0), drawn=True), int(c))
        for n, (t, c) in enumerate(zip(tracks, y, strict=True))
    )


def shifted(seed: int) -> tuple[Any, tuple[Example, ...], tuple[Example, ...]]:
    """An untrained model with a network, a source of two blobs, and a person whose blobs lie off to
    one side.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(100) % 2
    rows = rng.normal(size=(2, 100, 2)) * 0.5 + np.stack([3.0 * y, 0 * y], axis=1)
    rows[1] += (1.5, 2.0)
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU())
    head = torch.nn.Linear(16, 2)
    weights = {"head.weight": head.weight.detach(), "head.bias": head.bias.detach()}
    model = EmbeddingRecogniser(
        Task("blobs", ("a", "b"), "window"), weights, network=network, drawn=True
    )
    return model, windows(rows[0], y, "s"), windows(rows[1], y, "t")


def accuracy(seed: int, **settings: Any) -> float:
    """Of the person; the method sees the windows without their classes."""
    model, source, target = shifted(seed)
    method = load_method(
        "mmd", **SETTINGS | {"steps": 180, "batch": 32, "network_lr": 1e-2} | settings
    )
    state = method.begin(model, Given(seed, source=source, target=tuple(e.x for e in target)))
    return float(np.mean([method.step(model, state, e.x)[0].probs.argmax() == e.y for e in target]))


def test_the_bank_is_the_written_sum() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(7, 3)) + 0.5
    xx, yy, xy = (
        np.linalg.norm(a[:, None] - b[None], axis=-1) for a, b in ((x, x), (y, y), (x, y))
    )
    widths = [np.sort(xx.ravel())[(81 - 1) // 2] * 2.0**e for e in np.arange(-8, 8.01, 0.5)]
    assert len(widths) == 33
    wanted = sum(
        np.exp(-xx / w).mean() + np.exp(-yy / w).mean() - 2 * np.exp(-xy / w).mean() for w in widths
    )
    assert float(divergences.bank_mmd(torch.from_numpy(x), torch.from_numpy(y))) == pytest.approx(
        wanted, rel=1e-6
    )


def test_shrinking_all_rows_brings_nothing() -> None:
    """The gradient runs through the width; and rows that coincide leave it finite."""
    torch.manual_seed(0)
    x, y, size = torch.randn(9, 3), torch.randn(7, 3) + 0.5, torch.tensor(1.0, requires_grad=True)
    slope = torch.autograd.grad(divergences.bank_mmd(size * x, size * y), size)[0]
    assert abs(float(slope)) < 1e-4
    same = torch.ones(5, 3, requires_grad=True)
    assert torch.autograd.grad(divergences.bank_mmd(same, same * 1), same)[0].isfinite().all()


def test_a_shift_is_undone_and_without_the_divergence_it_is_not() -> None:
    seeds = (1, 2)
    without = np.mean([accuracy(s, weight=0.0) for s in seeds])
    aligned = np.mean([accuracy(s) for s in seeds])
    assert aligned > without + 0.05
    assert aligned > 0.9


def test_the_shared_network_stays_and_zero_steps_are_the_source_model() -> None:
    model, source, target = shifted(1)
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    given = Given(1, source=source, target=tuple(e.x for e in target))
    for steps in (5, 0):
        method = load_method("mmd", **SETTINGS, steps=steps)
        state = method.begin(model, given)
        assert all(torch.equal(v, before[k]) for k, v in model.network.state_dict().items())
        moved = [not torch.equal(v, before[k]) for k, v in state["network"].items()]
        assert all(moved) if steps else not any(moved)
    for e in target[:5]:
        np.testing.assert_allclose(
            method.step(model, state, e.x)[0].probs, model.predict(e.x).probs, atol=1e-6
        )


def test_the_contract_of_methods_holds() -> None:
    """With dropout, a layer normalisation and embeddings of length 1 behind the network."""
    torch.manual_seed(0)
    world = check.toy()
    network = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.Dropout(0.2))
    world = replace(world, model=replace(world.model, network=network))
    method = load_method("mmd", **SETTINGS, steps=5)
    check.check_all(method, world)
    given, x = world.given("anna"), world.windows["anna"][0]
    once = method.begin(world.model, given)
    torch.manual_seed(7)  # what others draw does not matter
    again = method.begin(world.model, given)
    assert all(torch.equal(v, again["network"][k]) for k, v in once["network"].items())
    unmoved = load_method("mmd", **SETTINGS, steps=0)
    got, _ = unmoved.step(world.model, unmoved.begin(world.model, given), x)
    np.testing.assert_allclose(got.probs, world.model.predict(x).probs, atol=1e-6)


def test_a_model_without_a_network_is_refused() -> None:
    world = check.toy()
    method = load_method("mmd", **SETTINGS)
    with pytest.raises(BadInput, match="this model has none"):
        method.begin(world.model, world.given("anna").only(method.needs))


@pytest.mark.parametrize(
    "settings",
    [
        {"scope": "all"},
        {"kernels": "five"},
        {"kernels": "bank", "shares": "model"},
        {"kernels": "bank", "estimator": "unbiased"},
        {"scope": "network", "shared": True},
        {"scope": "network", "rank": 2},
        {"scope": "network", "shares": "model"},
        {"network_lr": 0.0},
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        load_method("mmd", **settings)


def test_each_step_compares_a_full_batch_of_each_side() -> None:
    from twomind.adaptation import network

    sizes = []

    def apart(own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        sizes.append((len(own), len(other)))
        return (own.mean() - other.mean()) ** 2

    model, source, target = shifted(0)
    how = network.Fit(steps=3, batch=32, lr=1e-2)
    network.fit(model, source, [e.x for e in target], apart, 0, how)
    assert sizes == [(32, 32)] * 3

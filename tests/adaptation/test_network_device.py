"""``scope="network"`` on another device than the processor. There is none where these tests run, but
for ``meta``, whose tensors have a shape and no values: what is left behind on the processor is found.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from tests.adaptation.test_mmd_network import shifted
from tests.adaptation.test_network_methods import METHODS, NETWORK, right, world
from torch.utils._python_dispatch import TorchDispatchMode

from twomind.adaptation import align, load_method, neighbours, network
from twomind.core import device
from twomind.types import Given

ALL = {**METHODS, "mmd": {"force": True}}
META = torch.device("meta")


class OnOneDevice(TorchDispatchMode):
    """Refuses an operation on tensors of two devices, as a graphics card does; moving is allowed, and
    so are a number and indices on the processor.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> torch.Tensor:
        flat = torch.utils._pytree.tree_leaves((args, kwargs))
        own = [value for value in flat if isinstance(value, torch.Tensor) and value.ndim]
        name = str(func)
        if "index" in name and own:
            first, *others = own
            own = [first, *(value for value in others if value.device.type != "cpu")]
        if "copy" not in name:
            devices = {value.device.type for value in own}
            assert len(devices) < 2, f"{name} mixes {sorted(devices)}"
        return func(*args, **(kwargs or {}))


def _values_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What depends on values, as if they had some."""

    def labels(rows: torch.Tensor, probs: torch.Tensor, *_: object) -> torch.Tensor:
        assert rows.device == probs.device == META
        return torch.zeros(len(rows), dtype=torch.long, device=META)

    def likeness(z: torch.Tensor, who: Any, target: torch.Tensor, *_: object) -> list[Any]:
        assert z.device == target.device == META
        return [(name, 0.0) for name in sorted(set(who))]

    def confident(one: torch.Tensor, other: torch.Tensor, above: float) -> neighbours.Confident:
        assert one.device == other.device == META
        rows = torch.arange(5, device=META)
        return neighbours.Confident(rows, rows.float(), rows % 2)

    monkeypatch.setattr(network, "_diverged", lambda loss: loss.device != META)
    monkeypatch.setattr(neighbours, "centroid_labels", labels)
    monkeypatch.setattr(neighbours, "confident_views", confident)
    monkeypatch.setattr(align, "people_by_likeness", likeness)
    monkeypatch.setattr(network, "_kept", dict)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_all_of_a_training_step_is_on_the_device(name: str, monkeypatch: Any) -> None:
    model, source, target = shifted(3)
    norm = {"norm.weight": torch.ones(16), "norm.bias": torch.zeros(16)}
    model = replace(model, weights={**model.weights, **norm}, unit=True)
    steps = {"steps": 2} | ({"source_steps": 2} if name == "subject-msda" else {})
    method = load_method(name, **NETWORK | ALL[name] | steps)
    xs = tuple(e.x for e in target)
    given = Given(0, source=source, target=xs, few=target[:10]).only(method.needs)
    _values_unknown(monkeypatch)
    monkeypatch.setattr(device, "chosen", lambda asked=None: META)
    with OnOneDevice():
        state = method.begin(model, given)
    parts = [*state["network"].values(), *state["head"].values()]
    assert {value.device for value in parts} == {META}
    assert {value.device.type for value in model.network.parameters()} == {"cpu"}


@pytest.mark.slow
def test_a_window_is_answered_on_the_device(monkeypatch: Any) -> None:
    model, given, target = world(4)
    method = load_method("oracle", **NETWORK, steps=3)
    state = method.begin(model, given.only(method.needs))
    seen = []
    monkeypatch.setattr(device, "chosen", lambda asked=None: META)
    monkeypatch.setattr(network, "from_logits", lambda x, logits: seen.append(logits))
    moved = []
    plain = network._Answering.of
    monkeypatch.setattr(
        network._Answering, "of", lambda *args: moved.append(plain(*args)) or moved[-1]
    )
    with OnOneDevice():
        for e in target[:3]:
            method.step(model, state, e.x)
    assert [logits.device for logits in seen] == [META] * 3
    assert moved[0] is moved[1] is moved[2]  # the network was moved once
    assert all(value.device.type == "cpu" for value in state["network"].values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
@pytest.mark.parametrize("name", ALL)
def test_a_graphics_card_adapts_as_the_processor_does(name: str) -> None:
    model, given, target = world(1)
    method = load_method(name, **NETWORK, steps=60, **ALL[name])
    said = {}
    for place in ("cpu", "cuda"):
        with device.standing(place):
            state = method.begin(model, given.only(method.needs))
            assert all(value.device.type == "cpu" for value in state["network"].values())
            said[place] = right(model, method, state, target)
    assert said["cuda"] == pytest.approx(said["cpu"], abs=0.05)
    plain = float(np.mean([model.predict(e.x).probs.argmax() == e.y for e in target]))
    assert said["cuda"] > plain

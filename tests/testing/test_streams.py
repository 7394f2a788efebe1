"""Orders and troubles of a stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from twomind.adaptation import check
from twomind.testing import ORDERS, interleaved, streams
from twomind.types import Example, Features, Track


def stream(ys: list[int]) -> list[Example]:
    values = np.random.default_rng(1).normal(size=(len(ys), 4, 3)).astype(np.float32)
    made = []
    for k, y in enumerate(ys):
        track = Track(values[k], np.arange(4.0), np.ones(4, bool))
        made.append(Example(Features(f"r{k}", "s", {"e": track}, (0.0, 4.0)), y))
    return made


@pytest.mark.parametrize("seed", range(4))
def test_orders_and_troubles_of_a_stream(seed: int) -> None:
    own = stream([0, 1] * 18)

    def order(name: str, **more: Any) -> list[Example]:
        return streams.ORDERS[name](own, np.random.default_rng(seed), **more)

    def names(found: list[Example]) -> list[str]:
        return [e.x.recording for e in found]

    assert sorted(names(order("shuffled"))) == sorted(names(own))
    assert names(order("shuffled")) != names(own)
    assert [e.y for e in order("class_blocked")] == [0] * 18 + [1] * 18
    assert names(order("class_blocked")) != sorted(names(order("class_blocked")))
    one = order("single_class")
    assert len(one) == 18
    assert len({e.y for e in one}) == 1
    for share, kept in ((0.1, 2), (0.25, 6), (0.01, 1)):
        few = order("imbalanced", share=share)
        counts = sorted([sum(e.y == c for e in few) for c in (0, 1)])
        assert counts == [kept, 18], "share / (1 - share) of the common ones"
    before = {e.x.recording: e.x.tracks["e"].values for e in own}
    for share, least, most in ((0.0, 0, 0), (1.0, 36, 36), (0.5, 8, 28)):
        found = order("corrupted", share=share)
        changed = [
            e for e in found if not np.array_equal(e.x.tracks["e"].values, before[e.x.recording])
        ]
        assert least <= len(changed) <= most
        assert len(found) == 36
    noise = [
        e.x.tracks["e"].values - before[e.x.recording]
        for e in order("corrupted", share=1.0, strength=2.0)
    ]
    spread = [v.std() for v in before.values()]
    assert np.std(noise) == pytest.approx(2 * np.mean(spread), rel=0.15)
    assert {e.x.tracks["e"].values.dtype for e in order("corrupted")} == {np.dtype(np.float32)}


def test_people_take_turns() -> None:
    a, b = stream([0, 0, 0]), stream([1])
    assert [e.y for e in streams.interleaved([a, b])] == [0, 1, 0, 0]
    assert streams.interleaved([]) == []


def test_streams_are_what_they_are_called() -> None:
    pytest.importorskip("torch")
    toy = check.toy(n_windows=40)
    own = [Example(x, n % 2) for n, x in enumerate(toy.windows["anna"])]
    found = {name: order(own, np.random.default_rng(3)) for name, order in ORDERS.items()}
    ys = {name: [e.y for e in got] for name, got in found.items()}
    assert ys["class_blocked"] == [0] * 20 + [1] * 20
    assert sorted(ys["shuffled"]) == ys["class_blocked"] != ys["shuffled"]
    assert len(set(ys["single_class"])) == 1
    assert len(ys["single_class"]) == 20
    rare = min(ys["imbalanced"].count(0), ys["imbalanced"].count(1))
    assert rare / len(ys["imbalanced"]) == pytest.approx(0.1, abs=0.02)
    before = {e.x.span_s: e.x.tracks["embedding"].values for e in own}
    changed = sum(
        not np.array_equal(e.x.tracks["embedding"].values, before[e.x.span_s])
        for e in found["corrupted"]
    )
    assert 5 <= changed <= 20
    mixed = interleaved([own[:3], [replace(e, y=7) for e in own[:2]]])
    assert [e.y for e in mixed] == [0, 7, 1, 7, 0]

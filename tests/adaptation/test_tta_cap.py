"""TTA-CaP beyond the recorded numbers: step equals whole, what the settings change, and
bad input.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from twomind.adaptation import caches, check, load_method, stream, tta_cap
from twomind.core.errors import BadInput
from twomind.types import Access, Given

NAMES = ("tta-cap", "tta-cap-v1", "tta-cap-wacv")


def world() -> check.Toy:
    return check.toy(seed=1, n_windows=40)


def walk(method: tta_cap.TTACap, toy: check.Toy, given: Any = None) -> np.ndarray:
    steps = stream(toy.model, method, toy.windows["anna"], given=given or toy.given)
    return np.stack([np.asarray(s.prediction.logits) for s in steps])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", ["embed", "logit"])
def test_the_whole_equals_the_steps(name: str, space: str) -> None:
    toy = world()
    method = load_method(name, select="all", fusion_space=space, reset_scope="subject", tau_pos=0.3)
    assert isinstance(method, tta_cap.TTACap)
    summary = toy.given("anna").summary
    assert summary is not None
    weight, bias = caches.head(toy.model)
    bank = tta_cap.Bank.of(summary["prototypes"], summary["prototype_class"], *weight.shape)
    with torch.no_grad():
        z, logits = (a.numpy() for a in toy.model.run(toy.windows["anna"]))
    whole = tta_cap.evaluate(method, z, logits, bank, (weight, bias))
    assert whole.positive.any()
    np.testing.assert_allclose(whole.fused.logits, walk(method, toy), atol=1e-4)


def test_searching_only_the_predicted_class_never_changes_a_label() -> None:
    """Notes 4.3: of the second published program, only the source term can."""
    toy = world()
    method = replace(load_method("tta-cap-wacv"), select="all", source_term="none", tau_pos=0.3)  # type: ignore[type-var]
    got = walk(method, toy)
    with torch.no_grad():
        base = toy.model.run(toy.windows["anna"])[1].numpy()
    assert np.abs(got - base).max() > 1e-3
    np.testing.assert_array_equal(got.argmax(axis=1), base.argmax(axis=1))


def test_what_the_person_is_seen_by_is_declared() -> None:
    assert load_method("tta-cap").needs == Access.SUMMARY
    assert load_method("tta-cap-v1").needs == Access.SUMMARY | Access.NEUTRAL
    assert load_method("tta-cap-wacv").needs == Access.SUMMARY | Access.TARGET


def test_an_empty_class_is_unavailable_and_not_minus_a_billion() -> None:
    toy = world()
    summary = toy.given("anna").summary
    assert summary is not None
    only = np.asarray(summary["prototype_class"]) == 0
    given = Given(
        summary={k: np.asarray(v)[only] for k, v in summary.items() if k.startswith("prototype")}
    )
    fixed = walk(tta_cap.TTACap(fusion_space="logit"), toy, given)
    assert np.abs(fixed).max() < 1e3
    released = walk(
        replace(tta_cap.TTACap(fusion_space="logit"), empty_class="released"), toy, given
    )
    assert np.abs(released).max() > 1e8


def test_a_cache_that_lacks_a_class_is_not_looked_up() -> None:
    """It could only ever speak for the class it has."""
    toy = world()
    with torch.no_grad():
        base = toy.model.run(toy.windows["anna"])[1].numpy()
    first = base.argmax(axis=1) == 0
    one = replace(
        toy,
        windows={
            "anna": tuple(x for x, keep in zip(toy.windows["anna"], first, strict=True) if keep)
        },
    )
    open_gates = tta_cap.TTACap(gates="", source_term="none")
    np.testing.assert_allclose(walk(open_gates, one), base[first], atol=1e-4)
    assert np.abs(walk(replace(open_gates, empty_class="released"), one) - base[first]).max() > 1e-2
    assert np.abs(walk(open_gates, toy) - base).max() > 1e-2


def test_entropies_are_fractions_of_the_most_there_can_be() -> None:
    """For two classes the released upper threshold never rejects; a fraction does."""
    w = tta_cap.look(
        tta_cap.TTACap(),
        np.eye(2, 4, dtype=np.float32),
        np.array([[0.0, 0.05], [0.0, 9.0]], np.float32),
        tta_cap.Bank.of(np.eye(2, 4), np.arange(2), 2, 4),
    )
    ours, released = tta_cap.gates(tta_cap.TTACap(), w), tta_cap.gates(load_method("tta-cap-v1"), w)  # type: ignore[arg-type]
    assert ours["ambiguous"].tolist() == [False, False]
    assert released["ambiguous"].tolist() == [True, False]
    assert ours["confident"].tolist() == [False, True]


def test_caches_start_anew_with_each_recording_where_asked() -> None:
    toy = world()
    counts = {}
    for scope in ("video", "subject"):
        method = tta_cap.TTACap(reset_scope=scope, missing="pass", gates="")
        steps = list(stream(toy.model, method, toy.windows["anna"], given=toy.given))
        counts[scope] = [int(s.state["positive"]["count"].sum()) for s in steps]
    assert counts["video"][:9] == [
        1,
        2,
        3,
        4,
        1,
        2,
        3,
        4,
        1,
    ]  # the toy's recordings have four windows
    assert counts["subject"][:9] == list(range(1, 10))


def test_a_full_class_keeps_its_surest_entries_the_earlier_of_equals() -> None:
    cache = caches.empty(2, 3, 1)
    for at, h in enumerate([0.4, 0.2, 0.3, 0.2, 0.5, 0.2]):
        before = {k: v.copy() for k, v in cache.items()}
        new = caches.insert(cache, 1, np.array([float(at)]), h, at)
        assert all(np.array_equal(before[k], cache[k], equal_nan=k == "entropy") for k in cache)
        cache = new
    assert cache["at"].tolist() == [[-1] * 3, [1, 3, 5]]
    assert cache["z"][1, :, 0].tolist() == [1, 3, 5]
    assert cache["count"].tolist() == [0, 3]


def test_a_person_is_small_and_does_not_grow() -> None:
    toy = check.toy(n_windows=80)
    sizes = [
        caches.size_bytes(dict(s.state))
        for s in stream(toy.model, load_method("tta-cap"), toy.windows["anna"], given=toy.given)
    ]
    assert sizes[-1] == sizes[0] < 10_000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"search": "some"}, "search: expected"),
        ({"gates": "temp,mood"}, "gates: expected"),
        ({"n_pos": 0}, "at least 1"),
    ],
)
def test_bad_settings_say_what_is_expected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        tta_cap.TTACap(**settings)


def test_bad_summaries_say_what_is_expected() -> None:
    toy = world()
    with pytest.raises(BadInput, match="'prototypes' in the source summary"):
        walk(tta_cap.TTACap(), toy, Given(summary={}))
    wrong = {"prototypes": np.ones((2, 3)), "prototype_class": np.arange(2)}
    with pytest.raises(BadInput, match="this very model"):
        walk(tta_cap.TTACap(), toy, Given(summary=wrong))
    wrong = {"prototypes": np.ones((2, 16)), "prototype_class": np.arange(2)}
    given = Given(summary=wrong, neutral=toy.given("anna").neutral)
    with pytest.raises(BadInput, match="or select=all"):
        walk(tta_cap.TTACap(select="neutral"), toy, given)

"""Adaptation before use on planted shifts: what each method undoes, what it refuses, and that no
shift is no gain.

Drawn embeddings (``sfda_world.py``). Seeds are fixed, and were not those on which the defaults were
chosen (100 …).
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
import torch

from twomind.adaptation import align, caches, divergences, load_method, mapping, neighbours, stream
from twomind.adaptation.summary import class_means
from twomind.core.errors import BadInput
from twomind.types import Access, Given, Prediction

made = importlib.import_module("sfda_world")
balanced = made.balanced

UNLABELLED = ("shot", "nrc", "class-aware", "mmd", "lmmd", "coral", "subject-msda")
NEUTRAL = ("neutral-alignment", "neutral-threshold", "neutral-mmd")
SEEDS = (1, 2, 3)


@cache
def planted(seed: int, kind: str, **more: float) -> Any:
    return made.world(seed, kind, **more)


@cache
def gain(
    method: str, kind: str, settings: tuple[tuple[str, Any], ...] = (), **more: float
) -> float:
    """Mean gain over the source model in points of balanced accuracy, over the seeds."""
    worlds = [planted(s, kind, **more) for s in SEEDS]
    return float(
        np.mean(
            [balanced(w, method, **dict(settings)) - balanced(w, "source-only") for w in worlds]
        )
    )


FORCE = (("force", True),)


@pytest.mark.parametrize("method", [*UNLABELLED, *NEUTRAL, "oracle"])
def test_a_planted_shift_is_undone(method: str) -> None:
    """An additive shift towards the other class, half of the person's windows of each class."""
    forced = FORCE if method in UNLABELLED else ()
    assert gain(method, "shift", forced) > (2 if method == "neutral-threshold" else 4)


@pytest.mark.parametrize("method", [*UNLABELLED, *NEUTRAL, "oracle"])
def test_no_shift_is_no_gain(method: str) -> None:
    assert abs(gain(method, "none")) < 2.5


@pytest.mark.parametrize("method", ["shot", "nrc", "mmd", "coral"])
def test_a_neutral_clip_breaks_them(method: str) -> None:
    """Why it is refused: forced onto a neutral clip, they are worse than no adaptation, where there
    is no shift.
    """
    assert gain(method, "none", (("data", "neutral"), ("force", True))) < -5


@pytest.mark.parametrize("method", UNLABELLED)
def test_a_neutral_clip_is_refused(method: str) -> None:
    w = planted(1, "none")
    adapter = load_method(method, data="neutral")
    assert Access.NEUTRAL in adapter.needs
    assert Access.TARGET not in adapter.needs
    with pytest.raises(BadInput, match="a neutral clip has one"):
        adapter.begin(w.model, w.given.only(adapter.needs))
    one_class = [x for x in w.given.neutral or () if int(w.model.predict(x).probs.argmax()) == 0]
    adapter = load_method(method)  # handed over as if they were unlabelled windows of every class
    with pytest.raises(BadInput, match="look like one class"):
        adapter.begin(w.model, replace(w.given, target=tuple(one_class)).only(adapter.needs))
    adapter.begin(w.model, w.given.only(adapter.needs))
    with pytest.raises(ValueError, match="does not hand over target"):
        list(
            stream(
                w.model,
                adapter,
                [w.test[0].x],
                given=Given(source=w.given.source, neutral=w.given.neutral),
            )
        )


@pytest.mark.slow
def test_what_each_is_made_for() -> None:
    """Another covariance is CORAL's; other shares of the classes are LMMD's; source people who
    differ are MSDA's.
    """
    assert gain("coral", "stretch", n=200) > 5
    assert gain("coral", "stretch", n=200) > gain("mmd", "stretch", n=200) + 5
    rare = {"share": 0.2, "n": 100}
    assert gain("lmmd", "shift", FORCE, **rare) > gain("mmd", "shift", FORCE, **rare) + 2
    chosen = gain("subject-msda", "groups", (("n_people", 4),), n=100)
    assert chosen > 4
    assert chosen > gain("subject-msda", "groups", (("n_people", 8),), n=100) + 2


@pytest.mark.parametrize("measure", ["mmd", "cosine"])
def test_source_people_are_chosen_by_likeness(measure: str) -> None:
    w = planted(1, "groups", n=100)
    adapter = load_method("subject-msda", n_people=4, measure=measure, steps=0, source_steps=0)
    state = adapter.begin(w.model, w.given.only(adapter.needs))
    assert sorted(state["people"]) == ["source1", "source3", "source5", "source7"]


def test_zero_steps_are_the_source_model() -> None:
    w = planted(1, "shift")
    for method in ("shot", "nrc", "class-aware", "mmd", "lmmd", "neutral-mmd", "oracle"):
        assert balanced(
            w, method, steps=0, **({"force": True} if method in UNLABELLED else {})
        ) == balanced(w, "source-only"), method


def test_a_state_holds_no_window_and_no_shared_weight() -> None:
    """A person's file is a map: as many numbers however many windows there were, and none of the
    model's head.
    """
    weight = caches.head(planted(1, "none").model)[0]
    for method in ("shot", "mmd", "subject-msda", "oracle"):
        adapter = load_method(method)
        sizes = set()
        for n in (60, 100):
            w = planted(1, "none", n=n)
            state = adapter.begin(w.model, w.given.only(adapter.needs))
            sizes.add(sum(v.numel() for v in state["map"].values()))
            assert not any(
                v.shape == weight.shape and np.array_equal(v, weight) for v in state["map"].values()
            )
        assert len(sizes) == 1, method


def test_the_oracle_sees_coded_windows_and_nothing_else() -> None:
    w = planted(1, "shift")
    assert load_method("oracle").needs is Access.FEW
    assert not any(Access.FEW in load_method(m).needs for m in (*UNLABELLED, *NEUTRAL))
    turned = tuple(replace(e, y=1 - e.y) for e in w.given.few or ())
    lost = balanced(w, "oracle") - balanced(
        replace(w, given=replace(w.given, few=turned)), "oracle"
    )
    assert lost > 20  # the labels are what it learns from


def test_threshold_is_the_quantile_of_the_margins_and_clipped() -> None:
    w = planted(2, "none")
    read = [caches.read(w.model, x) for x in w.given.neutral or ()]
    margin = [float(r[1][1] - r[1][0]) for r in read if not isinstance(r, Prediction)]
    state = load_method("neutral-threshold", quantile=0.9, most=50).begin(
        w.model, w.given.only(Access.NEUTRAL)
    )
    assert state["threshold"] == pytest.approx(np.quantile(margin, 0.9), abs=1e-5)
    state = load_method("neutral-threshold", quantile=0.9, most=0.1).begin(
        w.model, w.given.only(Access.NEUTRAL)
    )
    assert abs(state["threshold"]) == pytest.approx(0.1)
    assert state["unclipped"] == pytest.approx(np.quantile(margin, 0.9), abs=1e-5)


def test_alignment_moves_the_clip_onto_the_sources_neutral() -> None:
    w = planted(1, "shift")
    adapter = load_method("neutral-alignment")
    state = adapter.begin(w.model, w.given.only(adapter.needs))
    z = mapping.rows_of(w.model, w.given.neutral or (), "the clip").numpy()
    wanted = class_means(w.model, w.given.source or ())["class_mean"][0]
    np.testing.assert_allclose(z.mean(axis=0) + state["offset"], wanted, atol=1e-5)
    half = load_method("neutral-alignment", worth=len(z)).begin(
        w.model, w.given.only(adapter.needs)
    )
    np.testing.assert_allclose(half["offset"], state["offset"] / 2, atol=1e-6)
    with pytest.raises(BadInput, match="class_mean"):
        adapter.begin(w.model, replace(w.given, summary={"mean": np.zeros(12)}).only(adapter.needs))


def test_lmmd_is_the_mean_of_the_classes_own_mmd() -> None:
    """With sure pseudo-labels, each class's term is the biased MMD at the kernel of all rows."""
    rng = torch.Generator().manual_seed(0)
    x, z = torch.randn(9, 4, generator=rng), torch.randn(7, 4, generator=rng)
    y, label = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2]), torch.tensor([0, 0, 0, 0, 1, 1, 1])
    both = torch.cat([x, z])
    width = float(divergences.base_width(divergences.squared_distances(both))) * 4
    kernels = divergences.Kernels(width=width, eps=0)
    each = [
        divergences.mk_mmd(x[y == c], z[label == c], kernels) for c in (0, 1)
    ]  # nobody of class 2 on the target
    got = divergences.lmmd(x, y, z, torch.nn.functional.one_hot(label, 3).float(), kernels)
    torch.testing.assert_close(got, sum(each) / 2, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        divergences.conditional_mmd(x, y, z, 1, kernels), divergences.mk_mmd(x[y == 1], z, kernels)
    )
    with pytest.raises(BadInput, match="class 5"):
        divergences.conditional_mmd(x, y, z, 5)


def test_other_shares_are_not_aligned_away_when_they_are_estimated() -> None:
    """EM finds shares the model was not trained at; weighted by them the source stays
    where it is.
    """
    rng = torch.Generator().manual_seed(0)
    y = (torch.arange(2000) >= 1600).long()
    x = torch.randn(2000, 1, generator=rng) + 3.0 * y[:, None] - 1.5
    logits = torch.cat([-1.5 * x, 1.5 * x], dim=1)  # the right log-odds at even shares
    half = torch.tensor([0.5, 0.5])
    assert float(divergences.class_shares(logits.softmax(-1), half)[1]) == pytest.approx(
        0.2, abs=0.02
    )
    even = torch.cat([x[:400], x[1600:]])
    labels = torch.cat([y[:400], y[1600:]])
    z = torch.cat([x[400:1200], x[1600:1800]])
    weighted = divergences.shared_mmd(even, labels, z, torch.tensor([0.8, 0.2]))
    assert float(weighted) < 0.02 < float(divergences.mk_mmd(even, z)) / 5
    same = divergences.shared_mmd(even, labels, z, torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(same, divergences.mk_mmd(even, z))
    rare = {"share": 0.15, "n": 100}
    assert (
        gain("mmd", "none", (*FORCE, ("shares", "model")), **rare)
        > gain("mmd", "none", FORCE, **rare) + 5
    )
    with pytest.raises(BadInput, match="biased"):
        load_method("mmd", shares="model", estimator="unbiased")


def test_unbiased_mmd_is_zero_on_average_when_nothing_differs() -> None:
    """The biased form is above zero for two samples of one distribution; the unbiased one is about
    it.
    """
    rng = torch.Generator().manual_seed(1)
    pairs = [torch.randn(2, 12, 3, generator=rng) for _ in range(200)]
    free = torch.stack([divergences.mk_mmd(a, b, estimator="unbiased") for a, b in pairs])
    biased = torch.stack([divergences.mk_mmd(a, b) for a, b in pairs])
    assert abs(float(free.mean())) < 3 * float(free.std()) / 200**0.5
    assert float(biased.min()) > 0
    assert float(biased.mean()) > 10 * float(free.std()) / 200**0.5


def test_recolouring_gives_the_other_covariance() -> None:
    rng = torch.Generator().manual_seed(2)
    x, y = (
        torch.randn(60, 5, generator=rng),
        torch.randn(50, 5, generator=rng) @ torch.randn(5, 5, generator=rng),
    )
    got = divergences.covariance((x - x.mean(0)) @ divergences.recolouring(x, y, 0.0))
    torch.testing.assert_close(got, divergences.covariance(y), atol=1e-3, rtol=1e-3)


def test_neighbours_close_in_time_are_barred() -> None:
    rows = torch.nn.functional.normalize(
        torch.randn(8, 4, generator=torch.Generator().manual_seed(3)), dim=1
    )
    rows[1] = rows[0]  # the same moment again
    where, barred = torch.arange(8), torch.zeros(8, 8, dtype=torch.bool)
    assert neighbours.near(rows, where, rows, 2, 2).first[0, 0] == 1
    barred[0, 1] = barred[1, 0] = True
    found = neighbours.near(rows, where, rows, 2, 2, barred)
    assert 1 not in found.first[0]
    assert 0 not in found.first[1]
    assert (found.first != where[:, None]).all()
    with pytest.raises(BadInput, match="at most 7"):
        neighbours.near(rows, where, rows, 8, 2)


def test_halves_are_even_and_odd_rows() -> None:
    w = planted(1, "none")
    x = w.test[0].x
    even, odd = align.halves(w.model, x)
    np.testing.assert_array_equal(
        even.tracks["embedding"].values, x.tracks["embedding"].values[0::2]
    )
    np.testing.assert_array_equal(
        odd.tracks["embedding"].values, x.tracks["embedding"].values[1::2]
    )


def test_descent_is_torchs_nesterov() -> None:
    start = {"gain": torch.tensor([1.0, -2.0]), "shift": torch.tensor([3.0])}

    def loss(p: Any, step: int) -> Any:
        return (p["gain"] ** 4).sum() + (p["gain"][0] * p["shift"] - step).pow(2).sum()

    how = mapping.Descent(5, mapping.steady(0.01), 0.9, 0.1)
    got = mapping.descend(start, ["gain", "shift"], loss, how)
    own = {n: v.clone().requires_grad_(True) for n, v in start.items()}
    optimiser = torch.optim.SGD(
        own.values(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1
    )
    for step in range(5):
        optimiser.zero_grad()
        loss(own, step).backward()
        optimiser.step()
    for name, wanted in own.items():
        torch.testing.assert_close(got[name], wanted.detach())
    assert float(start["shift"]) == 3
    how = mapping.Descent(3, mapping.steady(0.01))
    with pytest.raises(BadInput, match="diverged"):
        mapping.descend(start, ["gain"], lambda p, s: p["gain"].sum() * torch.nan, how)

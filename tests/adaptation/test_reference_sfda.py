"""Adaptation before use against slow references: MMD and its relatives, SHOT, NRC, the
subject-based code, SFDA-PFT.

The references (``reference/``) are loops over single numbers in float64, written from the
equations. First the functions are compared on random rows, then whole adaptations, step by step, on
a few windows. Nothing recorded is read.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
import torch

from twomind.adaptation import align, divergences, load_method, mapping
from twomind.models.embedding import EmbeddingRecogniser
from twomind.training import pft, pft_losses
from twomind.types import Example, Features, Given, Task, Track

descent, mmd, nrc, shot, slow_pft = (
    importlib.import_module(f"reference.{name}")
    for name in ("descent", "mmd", "nrc", "shot", "pft")
)

checked = settings(deadline=None, derandomize=True, max_examples=20)
seeds = st.integers(0, 2**32 - 1)
dims = st.integers(1, 4)


def t(values: Any) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values))


def close(got: Any, wanted: Any, rel: float = 1e-9, abs_: float = 1e-11) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=rel, atol=abs_)


# --- the person's map
# -----------------------------------------------------------------------------------------------


@checked
@given(seeds, st.integers(2, 8), dims, st.sampled_from([0, 2]))
def test_the_map(seed: int, n: int, dim: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    z = (4 * rng.normal(size=(n, dim)) + 2).astype(np.float32)
    model = recogniser(rng.normal(size=(2, dim)), rng.normal(size=2))
    params = mapping.start(model, torch.from_numpy(z), rank, rng)
    started = descent.start(
        z.astype(float), model.weights["head.weight"].numpy(), model.weights["head.bias"].numpy()
    )
    for name, value in started.items():
        close(params[name], value, 1e-4, 1e-5)
    params = {k: v.double() for k, v in params.items()}
    for name in ("gain", "shift", "turn", "offset", *(("down", "up") if rank else ())):
        params[name] = t(0.5 * rng.normal(size=params[name].shape))
    now = {k: v.numpy() for k, v in params.items()}
    u = mapping.moved(params, t(z).double())
    wanted = [descent.moved(now, row) for row in z.astype(float)]
    close(u, wanted, 1e-8)
    close(mapping.answered(params, u), [descent.answered(now, row) for row in wanted], 1e-8)


@pytest.mark.parametrize(("n", "size"), [(5, 8), (8, 8), (9, 4), (9, 3)])
def test_batches(n: int, size: int) -> None:
    got = mapping.batches(n, size, np.random.default_rng(3))
    wanted = descent.batches(n, size, np.random.default_rng(3))
    for _ in range(9):
        assert next(got).tolist() == next(wanted)


# --- whole adaptations
# ----------------------------------------------------------------------------------------------

DIM = 2


def recogniser(weight: np.ndarray, bias: np.ndarray) -> EmbeddingRecogniser:
    weights = {"head.weight": torch.from_numpy(weight.astype(np.float32))}
    weights["head.bias"] = torch.from_numpy(bias.astype(np.float32))
    return EmbeddingRecogniser(
        Task("planted", ("neutral", "present"), "window"), weights, drawn=True
    )


def windows(values: np.ndarray, person: str = "anna") -> tuple[Features, ...]:
    """One window of one row per row: its embedding is that row."""
    made = []
    for k, row in enumerate(values.astype(np.float32)):
        track = Track(row[None], np.array([float(k)]), np.ones(1, bool))
        made.append(
            Features(
                f"{person}-before", person, {"embedding": track}, (float(k), k + 1.0), drawn=True
            )
        )
    return tuple(made)


class Small:
    """A few windows of a person, of one source person more than one, and a head that is roughly
    right.
    """

    def __init__(self, seed: int, n: int = 8, n_source: int = 9, dim: int = DIM) -> None:
        rng = np.random.default_rng([seed, 5])
        self.y_source = np.arange(n_source) % 2
        y = np.arange(n) % 2
        axis = np.eye(dim)[0]
        source = 3 * (self.y_source[:, None] - 0.5) * axis + rng.normal(size=(n_source, dim))
        person = 3 * (y[:, None] - 0.5) * axis + rng.normal(size=(n, dim)) + 1.2
        self.source, self.person = (r.astype(np.float32).astype(float) for r in (source, person))
        weight = np.stack([-axis, axis]) + 0.3 * rng.normal(size=(2, dim))
        self.model = recogniser(weight, 0.2 * rng.normal(size=2))
        self.weight = self.model.weights["head.weight"].numpy().astype(float)
        self.bias = self.model.weights["head.bias"].numpy().astype(float)
        names = [f"source{k % 3}" for k in range(n_source)]
        self.who = names
        self.examples = tuple(
            Example(windows(row[None], name)[0], int(c))
            for row, name, c in zip(self.source, names, self.y_source, strict=True)
        )

    def state(self, method: str, seed: int, **settings: Any) -> dict[str, Any]:
        adapter = load_method(method, force=True, **settings)
        return adapter.begin(
            self.model, Given(seed, source=self.examples, target=windows(self.person))
        )


def same_map(state: dict[str, Any], wanted: dict[str, np.ndarray], names: Sequence[str]) -> None:
    """Of a run in single precision against one in double, with differences for gradients."""
    for name in ("gain", "shift", "turn", "offset"):
        got = state["map"][name].numpy()
        if name in names:
            assert np.abs(got).max() > 5e-4, f"{name} has hardly moved, so nothing is compared"
            np.testing.assert_allclose(got, wanted[name], rtol=2e-3, atol=2e-5, err_msg=name)
        else:
            assert np.abs(got).max() == 0, f"{name} is not trained"


SHOT = {
    "lr": 0.1,
    "momentum": 0.9,
    "decay": 0.05,
    "steps": 9,
    "batch": 5,
    "relabel": 4,
    "label_weight": 0.3,
}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"label_weight": 2.0, "batch": 64},
        {"spread": 0.3, "label_weight": 0.0},
        {"decay": 0.0, "momentum": 0.5},
    ],
)
def test_shot_step_by_step(changed: dict[str, float]) -> None:
    for seed in (0, 1):
        small, how = Small(seed), {"spread": 1.0} | SHOT | changed
        wanted = shot.adapt(small.person, small.weight, small.bias, seed, **how)
        same_map(small.state("shot", seed, **how), wanted, ("gain", "shift"))


NRC = {
    "lr": 0.1,
    "momentum": 0.9,
    "decay": 0.05,
    "steps": 7,
    "batch": 5,
    "k": 3,
    "kk": 2,
    "r": 0.1,
    "spread": 1.0,
}


@pytest.mark.parametrize(
    "changed", [{}, {"r": 0.5, "spread": 0.4, "batch": 64}, {"k": 2, "kk": 3, "decay": 0.0}]
)
def test_nrc_step_by_step(changed: dict[str, float]) -> None:
    for seed in (0, 1):
        small, how = Small(seed), NRC | changed
        wanted = nrc.adapt(small.person, small.weight, small.bias, seed, **how)
        same_map(small.state("nrc", seed, **how), wanted, ("gain", "shift", "turn", "offset"))


ALIGN = {"lr": 0.1, "momentum": 0.9, "decay": 0.05, "steps": 5, "batch": 6, "weight": 1.5}


def aligned(
    small: Small, seed: int, method: str, how: dict[str, Any], shared: bool, unbiased: bool
) -> Any:
    """Cross-entropy of the source, plus the weighted divergence; the map is in units of the
    source's rows.
    """
    params = descent.start(small.source, small.weight, small.bias)
    rng, first = np.random.default_rng(seed), params
    ours, theirs = (
        descent.batches(len(r), how["batch"], rng) for r in (small.source, small.person)
    )

    def make_loss(now: Any, step: int) -> Any:
        a, b = next(ours), next(theirs)
        y = [int(small.y_source[i]) for i in a]
        # Held constant in a step: the pseudo-labels, and the width of the kernels.
        v = [descent.moved(now, small.person[i]) for i in b]
        u = [descent.moved(now if shared else first, small.source[i]) for i in a]
        probs = [descent.softmax(descent.answered(now, row)) for row in v]
        narrowest = mmd.width([*u, *v], "mean", 5, 2.0)

        def loss(p: Any) -> float:
            u = [descent.moved(p if shared else first, small.source[i]) for i in a]
            v = [descent.moved(p, small.person[i]) for i in b]
            taught = descent.cross_entropy([descent.answered(p, row) for row in u], y)
            if method == "lmmd":
                rises = math.tanh(5 * step / how["steps"])
                return taught + how["weight"] * rises * mmd.lmmd(u, y, v, probs, narrowest)
            estimator = "unbiased" if unbiased else "biased"
            return taught + how["weight"] * mmd.mk_mmd(
                u, v, estimator=estimator, narrowest=narrowest
            )

        return loss

    names = ("gain", "shift", "turn", "offset")
    return descent.nesterov(
        params, names, make_loss, how["steps"], lambda done: how["lr"], 0.9, how["decay"]
    )


@pytest.mark.parametrize(
    ("method", "shared", "unbiased"),
    [("mmd", False, False), ("mmd", True, False), ("mmd", False, True), ("lmmd", False, False)],
)
def test_mmd_and_lmmd_step_by_step(method: str, shared: bool, unbiased: bool) -> None:
    small = Small(2)
    more = {"estimator": "unbiased"} if unbiased else {}
    state = small.state(method, 2, shared=shared, **ALIGN, **more)
    wanted = aligned(small, 2, method, ALIGN, shared, unbiased)
    same_map(state, wanted, ("gain", "shift", "turn", "offset"))


def test_the_width_of_the_two_medians_is_the_lower() -> None:
    """Six pairs of four rows on a line, each seen twice: between the third and the fourth, the
    third is taken.
    """
    x = np.array([[0.0], [1.0], [3.0], [7.0]])
    squared = sorted([1.0, 9.0, 49.0, 4.0, 36.0, 16.0])
    kernels = divergences.Kernels(1, 2.0, "median", eps=0)
    assert float(
        divergences.base_width(divergences.squared_distances(t(x)), kernels)
    ) == pytest.approx(squared[2])


def test_neutral_mmd_is_of_the_neutral_class_and_moves_the_shift() -> None:
    """One step from nothing: the slope of the neutral source rows' MMD to the clip, and of the
    head's loss.
    """
    small = Small(3)
    clip = small.person[::2]
    adapter = load_method("neutral-mmd", lr=0.1, steps=1, weight=2.0, decay=0.0, momentum=0.0)
    state = adapter.begin(small.model, Given(0, source=small.examples, neutral=windows(clip)))
    params = descent.start(small.source, small.weight, small.bias)
    u = np.array([descent.moved(params, r) for r in small.source])
    neutral = u[small.y_source == 0]
    v = [descent.moved(params, r) for r in clip]
    narrowest = mmd.width([*neutral, *v], "mean", 5, 2.0)

    def loss(p: Any) -> float:
        moved = [descent.moved(p, r) for r in clip]
        taught = descent.cross_entropy(
            [descent.answered(p, row) for row in u], small.y_source.tolist()
        )
        return taught + 2.0 * mmd.mk_mmd(neutral, moved, narrowest=narrowest)

    names = ("shift", "turn", "offset")
    slopes = descent.gradient(loss, params, names)
    same_map(state, {n: -0.1 * g for n, g in slopes.items()}, names)


def test_coral_recolours_the_person_and_moves_the_mean() -> None:
    small = Small(4)
    state = small.state("coral", 0, shrink=0.3)
    close(state["matrix"], mmd.recolouring(small.person, small.source, 0.3), 1e-4, 1e-5)
    x = windows(small.person)[0]
    got, _ = load_method("coral").step(small.model, state, x)
    row = (small.person[0] - small.person.mean(axis=0)) @ state[
        "matrix"
    ].numpy() + small.source.mean(axis=0)
    close(got.probs, descent.softmax(row @ small.weight.T + small.bias), 1e-4)


def test_class_aware_step_by_step() -> None:
    """Cross-entropy of the surest rows, mean over classes, and information maximisation of the
    rest.
    """
    small, seed = Small(5), 0
    how = {"lr": 0.1, "decay": 0.05, "steps": 5, "relabel": 2, "confident": 0.6, "rest_weight": 0.7}
    params = descent.start(small.person, small.weight, small.bias)
    held: dict[str, Any] = {}

    def make_loss(now: Any, step: int) -> Any:
        if step % 2 == 0:
            u = [descent.moved(now, r) for r in small.person]
            probs = [descent.softmax(descent.answered(now, r)) for r in u]
            held["labels"] = labels = shot.centroid_labels(u, probs)
            held["sure"] = []
            for c in set(labels):
                own = sorted(
                    (i for i in range(len(u)) if labels[i] == c), key=lambda i, c=c: -probs[i][c]
                )
                held["sure"] += own[: max(1, int(0.6 * len(own)))]
        labels, sure = held["labels"], held["sure"]

        def loss(p: Any) -> float:
            logits = [descent.answered(p, descent.moved(p, r)) for r in small.person]
            each = []
            for c in sorted(set(labels)):
                own = [i for i in sure if labels[i] == c]
                each.append(descent.cross_entropy([logits[i] for i in own], [c] * len(own)))
            rest = [logits[i] for i in range(len(logits)) if i not in sure]
            return sum(each) / len(each) + 0.7 * shot.information(rest)

        return loss

    def rate(done: float) -> float:
        return descent.decayed(0.1, done)

    wanted = descent.nesterov(params, ("gain", "shift"), make_loss, 5, rate, 0.9, 0.05)
    same_map(small.state("class-aware", seed, **how), wanted, ("gain", "shift"))


def test_subject_msda_step_by_step() -> None:
    """Both stages: pairs of people with 0.1 MMD, then the source, the MMD to the person, and the
    confident windows.
    """
    small, seed = Small(6, n=6, n_source=12), 1
    how = {"lr": 0.05, "decay": 0.02, "source_steps": 3, "steps": 5, "batch": 3, "round_steps": 2}
    how |= {"pair_weight": 0.1, "weight": 0.8, "confident": 0.9, "fall": 0.12, "n_people": 3}
    names, y = ("gain", "shift", "turn", "offset"), small.y_source
    rng = np.random.default_rng([seed, 1])
    params = descent.start(small.source, small.weight, small.bias)
    own = [[i for i, w in enumerate(small.who) if w == name] for name in sorted(set(small.who))]
    draws = [descent.batches(len(r), 3, rng) for r in own]

    def answers(p: Any, z: Any) -> list:
        return [descent.answered(p, descent.moved(p, row)) for row in z]

    def of_people(now: Any, step: int) -> Any:
        pair = [[own[k][i] for i in next(draws[k])] for k in rng.permutation(len(own))[:2]]
        both = [descent.moved(now, small.source[i]) for part in pair for i in part]
        narrowest = mmd.width(both, "mean", 5, 2.0)

        def loss(p: Any) -> float:
            total = sum(
                descent.cross_entropy(answers(p, small.source[part]), y[part].tolist())
                for part in pair
            )
            one, other = ([descent.moved(p, small.source[i]) for i in part] for part in pair)
            return total + 0.1 * mmd.mk_mmd(one, other, narrowest=narrowest)

        return loss

    params = descent.nesterov(params, names, of_people, 3, lambda done: 0.05, 0.9, 0.02)
    rng, first = np.random.default_rng([seed, 2]), params
    ours, theirs = descent.batches(12, 3, rng), descent.batches(6, 3, rng)
    taught: dict[str, list[int]] = {}
    n_taught = []

    def of_person(now: Any, step: int) -> Any:
        if step % 2 == 0:
            above = 0.9 - 0.12 * (step // 2)
            said = [
                descent.softmax(row) for row in answers(now, small.person)
            ]  # both views are the one row
            taught["rows"] = [i for i in range(6) if max(said[i]) > above]
            taught["labels"] = [said[i].index(max(said[i])) for i in taught["rows"]]
            n_taught.append(len(taught["rows"]))
        chosen, labels = list(taught["rows"]), list(taught["labels"])
        a, b = next(ours), next(theirs)
        u = [descent.moved(first, small.source[i]) for i in a]
        narrowest = mmd.width(
            [*u, *[descent.moved(now, small.person[i]) for i in b]], "mean", 5, 2.0
        )

        def loss(p: Any) -> float:
            v = [descent.moved(p, small.person[i]) for i in b]
            total = descent.cross_entropy([descent.answered(p, row) for row in u], y[a].tolist())
            total += 0.8 * mmd.mk_mmd(u, v, narrowest=narrowest)
            return total + (
                descent.cross_entropy(answers(p, small.person[chosen]), labels) if chosen else 0.0
            )

        return loss

    wanted = descent.nesterov(params, names, of_person, 5, lambda done: 0.05, 0.9, 0.02)
    assert n_taught == [3, 3, 5]  # the threshold of each round decides
    same_map(small.state("subject-msda", seed, **how), wanted, names)


def test_people_are_ranked_by_distance() -> None:
    small = Small(7, n_source=12)
    names = sorted(set(small.who))
    z, target = t(small.source), t(small.person)
    width = mmd.width([*small.source, *small.person], "mean", 1, 2.0)
    far = {}
    for name in names:
        own = small.source[[w == name for w in small.who]]
        far[name] = mmd.mk_mmd(own, small.person, width)
    got = align.people_by_likeness(z, small.who, target)
    assert [n for n, _ in got] == sorted(names, key=lambda n: far[n])
    for name, value in got:
        assert value == pytest.approx(far[name], rel=1e-6)
    centre = small.source.mean(axis=0)
    mine = small.person.mean(axis=0) - centre
    for name, value in align.people_by_likeness(z, small.who, target, "cosine"):
        theirs = small.source[[w == name for w in small.who]].mean(axis=0) - centre
        assert value == pytest.approx(
            1 - mine @ theirs / shot.length(mine) / shot.length(theirs), rel=1e-6
        )


def test_published_settings() -> None:
    """Specification c.1 to c.4. Rates and steps that the docstrings give as deviations are not
    here.
    """
    found = {
        name: load_method(name) for name in ("shot", "nrc", "mmd", "lmmd", "subject-msda", "coral")
    }
    for name in ("shot", "nrc"):
        assert (found[name].momentum, found[name].decay, found[name].batch, found[name].spread) == (
            0.9,
            1e-3,
            64,
            1.0,
        )
    assert (found["shot"].label_weight, found["shot"].above, found["shot"].distance) == (
        0.3,
        0,
        "cosine",
    )
    assert found["shot"].lr == 1e-2
    assert (found["nrc"].k, found["nrc"].kk, found["nrc"].r, found["nrc"].released) == (
        5,
        5,
        0.1,
        False,
    )
    for name in ("mmd", "lmmd"):
        own = found[name]
        assert (own.weight, own.n_kernels, own.factor, own.width) == (1.0, 5, 2.0, "mean")
        assert (own.momentum, own.batch, own.shared) == (0.9, 64, False)
    assert (found["mmd"].estimator, found["mmd"].shares, found["mmd"].kernels) == (
        "biased",
        "source",
        "doubling",
    )
    own = found["subject-msda"]
    assert (own.pair_weight, own.weight, own.confident, own.fall, own.decay) == (
        0.1,
        1.0,
        0.9,
        0.02,
        5e-4,
    )
    assert (own.momentum, own.n_people) == (0.9, 10)


# --- SFDA-PFT
# -------------------------------------------------------------------------------------------------------


@checked
@given(seeds, st.integers(2, 4), st.integers(2, 4), st.integers(2, 3))
def test_pft_losses(seed: int, n: int, m: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, dim)), 2 * rng.normal(size=(m, dim)) + 1
    assert float(pft_losses.moments(t(x), t(y))) == pytest.approx(slow_pft.moments(x, y), rel=1e-9)
    assert float(pft_losses.moments(t(x), t(y[:1]))) == pytest.approx(
        slow_pft.moments(x, y[:1]), rel=1e-9
    )
    frozen, moved = 2 * rng.normal(size=(n, 3)), 2 * rng.normal(size=(n, 3))
    for how in ("mse_logits", "kl_probs"):
        got = float(pft_losses.keep_prediction(t(frozen), t(moved), how))
        assert got == pytest.approx(getattr(slow_pft, how)(frozen, moved), rel=1e-9)
    assert float(pft_losses.keep_prediction(t(frozen), t(moved))) == pytest.approx(
        slow_pft.mse_logits(frozen, moved)
    )


class Translated:
    """Random features, a head, and a translator that is not at its start."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 9])
        dim, shapes = 3, {"weight": (3, 3), "bias": (3,)}
        self.w = {
            f"layers.{k}.{name}": 0.5 * rng.normal(size=s)
            for k in (0, 2)
            for name, s in shapes.items()
        }
        self.z, self.y = rng.normal(size=(7, dim)), np.array([0, 1, 0, 1, 1, 0, 1])
        self.head = rng.normal(size=(2, dim)), rng.normal(size=2)
        self.tensors = {name: t(value) for name, value in self.w.items()}


@pytest.mark.parametrize(
    ("kind", "with_ce"), [("residual", True), ("residual", False), ("mlp", True)]
)
def test_pft_adapts_step_by_step(kind: str, with_ce: bool) -> None:
    made = Translated(0)
    how: dict[str, Any] = {"neutral": 1, "epochs": 2, "batch": 4, "with_ce": with_ce, "seed": 5}
    head = t(made.head[0]), t(made.head[1])
    settings = pft.TargetSettings(kind=kind, learning_rate=0.05, **how)
    got = pft.adapt_translator(made.tensors, t(made.z), head, settings)
    wanted = slow_pft.adapt(made.w, made.z, made.head, residual=kind == "residual", lr=0.05, **how)
    for name, value in wanted.items():
        assert np.abs(value - made.w[name]).max() > 0.01
        close(got[name], value, 1e-4, 1e-5)


def test_pft_trains_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    made, people = Translated(1), np.array(["a", "a", "b", "b", "b", "c", "c"])
    monkeypatch.setattr(
        pft.net,
        "new_translator",
        lambda dim, kind, seed: {k: v.clone() for k, v in made.tensors.items()},
    )
    how = pft.SourceSettings(
        learning_rate=0.05,
        epochs=2,
        batch=2,
        lambda_ce=0.7,
        lambda_expr=1.3,
        lambda_style=0.6,
        seed=4,
    )
    got, _ = pft.train_translator(
        t(made.z), t(made.y), people, (t(made.head[0]), t(made.head[1])), how
    )
    wanted = slow_pft.train(
        made.w,
        made.z,
        made.y,
        people.tolist(),
        made.head,
        epochs=2,
        batch=2,
        lr=0.05,
        weights=(0.7, 1.3, 0.6),
        seed=4,
    )
    for name, value in wanted.items():
        close(got[name], value, 1e-4, 1e-5)


def test_published_settings_of_pft() -> None:
    """Specification b.2, b.3 and b.7."""
    source, target = pft.SourceSettings(), load_method("sfda-pft")
    assert (source.lambda_ce, source.lambda_expr, source.lambda_style) == (1.0, 1.0, 1.0)
    assert (source.learning_rate, source.batch, source.expr) == (1e-3, 64, "mse_logits")
    assert (target.epochs, target.batch, target.learning_rate, target.expr) == (
        25,
        32,
        1e-4,
        "mse_logits",
    )
    assert (target.target_loss, target.neutral, target.variant) == (
        "ce_neutral+expr",
        0,
        "corrected",
    )

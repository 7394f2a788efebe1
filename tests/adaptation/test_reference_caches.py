"""TTA-CaP, TDA, BoostAdapter and T3A against plain loops written from their equations
(``tests/reference``).

Random heads, prototypes and streams. The library computes in single precision and in batches, the
references window by window in double. Constants that a setting does not name are those of the
reference, so the defaults are checked too.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")
import torch

from twomind.adaptation import caches, load_method, prototypes, tta_cap
from twomind.models.embedding import EmbeddingRecogniser
from twomind.types import Features, Given, Task, Track

cap = importlib.import_module("reference.tta_cap")
tda = importlib.import_module("reference.tda")
t3a = importlib.import_module("reference.t3a")
plain = importlib.import_module("reference.plain")

DIM = 5
PER_RECORDING = 8
#: Where the parts cancel (an ambiguous window that finds itself alone), the direction of what is
#: left is all rounding.
TINY = 0.01
CLOSE = {"rtol": 2e-4, "atol": 2e-4}
random = settings(
    deadline=None,
    derandomize=True,
    max_examples=6,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # a smaller seed says nothing more, and looking for one is slow
)
seeds = st.integers(0, 10_000)


@dataclass(frozen=True)
class World:
    """A linear head on embeddings, one person's stream, and prototypes with their classes and
    people.
    """

    weight: np.ndarray  # (C, D)
    bias: np.ndarray  # (C,)
    stream: np.ndarray  # (T, D)
    rows: np.ndarray  # (K, D)
    classes: np.ndarray  # (K,)
    people: np.ndarray  # (K,)

    @property
    def model(self) -> EmbeddingRecogniser:
        own = {
            "head.weight": torch.from_numpy(self.weight),
            "head.bias": torch.from_numpy(self.bias),
        }
        return EmbeddingRecogniser(
            Task("drawn", tuple("abcd"[: len(self.weight)]), "window"), own, drawn=True
        )

    @property
    def head(self) -> tuple[list[list[float]], list[float]]:
        return plain.listed(self.weight), [float(b) for b in self.bias]

    @property
    def listed(self) -> list[list[float]]:
        return plain.listed(self.stream)

    @property
    def recordings(self) -> list[str]:
        return [f"anna-{t // PER_RECORDING}" for t in range(len(self.stream))]

    def of_class(self) -> list[list[list[float]]]:
        return [plain.listed(self.rows[self.classes == c]) for c in range(len(self.weight))]


def world(seed: int, n_classes: int, n_windows: int = 28, without: tuple[int, ...] = ()) -> World:
    """Windows lie on the way from one class to another, so that sure, ambiguous and undecided ones
    all occur.

    They come in runs of one class. ``without``: classes that have no prototype.
    """
    rng = np.random.default_rng(seed)
    weight = 1.5 * rng.normal(size=(n_classes, DIM))
    towards = weight / np.linalg.norm(weight, axis=1, keepdims=True)
    own = np.where(
        rng.random(n_windows) < 0.7,
        (np.arange(n_windows) // 5) % n_classes,
        rng.integers(n_classes),
    )
    strength = rng.uniform(0.0, 1.4, size=(n_windows, 1))
    stream = strength * towards[own] + 0.35 * rng.normal(size=(n_windows, DIM))
    classes = np.repeat(np.arange(n_classes), 7)
    rows = 1.3 * towards[classes] + 0.5 * rng.normal(size=(len(classes), DIM))
    kept = ~np.isin(classes, without)
    people = np.tile(np.arange(7), n_classes)
    return World(
        weight.astype(np.float32),
        (0.2 * rng.normal(size=n_classes)).astype(np.float32),
        stream.astype(np.float32),
        rows.astype(np.float32)[kept],
        classes[kept],
        people[kept],
    )


def window(rows: np.ndarray, recording: str = "anna-0") -> Features:
    """A window whose track has the rows ``(N, D)``."""
    track = Track(rows, np.arange(len(rows)) / 10, np.ones(len(rows), bool))
    return Features(recording, "anna", {"embedding": track}, (0.0, 1.0), drawn=True)


def walk(
    method: Any, w: World, handed: Given, views: np.ndarray | None = None
) -> tuple[list[np.ndarray], list[Any]]:
    """Logits and states, window by window."""
    state = method.begin(w.model, handed)
    logits, states = [], []
    for t, row in enumerate(w.stream):
        rows = row[None] if views is None else views[t]
        prediction, state = method.step(w.model, state, window(rows, w.recordings[t]))
        logits.append(np.asarray(prediction.logits))
        states.append(state)
    return logits, states


def summary(w: World) -> Given:
    return Given(summary={"prototypes": w.rows, "prototype_class": w.classes})


def assert_cache(cache: dict[str, np.ndarray], expected: list[list[Any]]) -> None:
    """The cache holds these entries in this order, and nothing else."""
    for c, bucket in enumerate(expected):
        n = len(bucket)
        assert int(cache["count"][c]) == n
        assert cache["at"][c].tolist() == [e.at for e in bucket] + [-1] * (cache["at"].shape[1] - n)
        if n:
            np.testing.assert_allclose(
                cache["entropy"][c, :n], [e.entropy for e in bucket], **CLOSE
            )
            np.testing.assert_allclose(cache["z"][c, :n], [e.z for e in bucket], **CLOSE)


def assert_cap(name: str, w: World, changed: dict[str, Any]) -> list[Any]:
    """The library's steps and its batch are those of the reference; returns what the
    reference did.
    """
    method = load_method(name, select="all", **changed)
    s = cap.PRESETS[name] | changed
    expected = cap.run(s, w.listed, w.recordings, *w.head, w.of_class())
    logits, states = walk(method, w, summary(w))
    for got, state, want in zip(logits, states, expected, strict=True):
        if want.size > TINY:
            np.testing.assert_allclose(got, want.logits, **CLOSE)
        assert_cache(state["positive"], want.positive)
        assert_cache(state["negative"], want.negative)
    if s["reset_scope"] == "video":
        w = World(w.weight, w.bias, w.stream[:PER_RECORDING], w.rows, w.classes, w.people)
        expected = expected[:PER_RECORDING]
    bank = tta_cap.Bank.of(w.rows.reshape(-1, DIM), w.classes, len(w.weight), DIM)
    raw = w.stream @ w.weight.T + w.bias
    whole = tta_cap.evaluate(method, w.stream, raw, bank, (w.weight, w.bias))
    clear = [t for t, want in enumerate(expected) if want.size > TINY]
    np.testing.assert_allclose(
        whole.fused.logits[clear], [expected[t].logits for t in clear], **CLOSE
    )
    assert whole.positive.tolist() == [want.wrote == "positive" for want in expected]
    assert whole.negative.tolist() == [want.wrote == "negative" for want in expected]
    return expected


@pytest.mark.parametrize("name", cap.PRESETS)
@pytest.mark.parametrize("n_classes", [2, 3, 4])
@random
@given(seed=seeds)
def test_tta_cap_with_its_constants(name: str, n_classes: int, seed: int) -> None:
    assert_cap(name, world(seed, n_classes, n_windows=30), {})


def test_the_streams_reach_every_rule() -> None:
    """Otherwise the comparison says nothing: both kinds of write, windows that no gate lets pass,
    and evictions.
    """
    for name, s in cap.PRESETS.items():
        answers = []
        for w in (world(seed, 3, 36) for seed in range(5)):
            answers += cap.run(s, w.listed, ["one"] * 36, *w.head, w.of_class())
        wrote = [a.wrote for a in answers]
        assert min(wrote.count(kind) for kind in ("positive", "negative", "")) > 8
        assert any(len(bucket) == s["n_pos"] for a in answers for bucket in a.positive), name


choices = st.fixed_dictionaries(
    {},
    optional={
        "reset_scope": st.sampled_from(["video", "subject"]),
        "write_order": st.sampled_from(["before", "after"]),
        "neg_class": st.sampled_from(["pred", "least_likely"]),
        "search": st.sampled_from(["bucket", "all"]),
        "source_term": st.sampled_from(["mix", "class", "none"]),
        "fusion_space": st.sampled_from(["embed", "logit"]),
        "missing": st.sampled_from(["pass", "block"]),
        "negative_gate": st.sampled_from(["agree", "margin"]),
        "entropy_unit": st.sampled_from(["fraction", "nats"]),
        "empty_class": st.sampled_from(["unavailable", "released"]),
        "gates": st.sampled_from(
            ["temp", "entropy", "proto", "temp,entropy", "entropy,proto", "temp,proto"]
        ),
        "window": st.integers(1, 5),
        "proto_top_k": st.integers(1, 8),
        "top_k": st.integers(1, 8),
        "n_pos": st.integers(1, 4),
        "n_neg": st.integers(1, 4),
        "tau_pos": st.sampled_from([0.3, 0.55]),
        "tau_margin": st.sampled_from([0.0, 0.2]),
        "lam_src": st.sampled_from([0.2, 1.0]),
        "lam_pos": st.sampled_from([0.2, 0.7]),
        "lam_neg": st.sampled_from([0.1, 0.4]),
        "negative_without_entropy": st.booleans(),
    },
)


@pytest.mark.parametrize("name", cap.PRESETS)
@settings(random, max_examples=16)
@given(
    seed=seeds,
    n_classes=st.integers(2, 3),
    changed=choices,
    without=st.sampled_from([(), (), (1,), (0, 1, 2)]),
)
def test_tta_cap_with_any_setting(
    name: str, seed: int, n_classes: int, changed: dict[str, Any], without: tuple[int, ...]
) -> None:
    w = world(seed, n_classes, n_windows=20, without=without)
    assert_cap(name, w, changed)


@pytest.mark.parametrize("name", cap.PRESETS)
@pytest.mark.parametrize("agreement", ["none", "majority"])
@pytest.mark.parametrize("weighting", ["equal", "confidence", "attention"])
@settings(random, max_examples=3)
@given(seed=seeds, n_classes=st.integers(2, 3))
def test_weights_of_the_parts(
    name: str, agreement: str, weighting: str, seed: int, n_classes: int
) -> None:
    # Weights below one half of the window's own keep the sum away from zero, where rounding would
    # be all there is.
    lam = {"lam_src": 0.4, "lam_pos": 0.3, "lam_neg": 0.2} if name != "tta-cap" else {}
    assert_cap(
        name, world(seed, n_classes, 24), {"agreement": agreement, "weighting": weighting, **lam}
    )


@pytest.mark.parametrize("temperature", [0.1, 5.0])
def test_temperature_of_attention(temperature: float) -> None:
    assert_cap("tta-cap", world(3, 3), {"weighting": "attention", "temperature": temperature})


# --- ends of the bands: exact numbers, which random ones never meet
# --------------------------------------------------


def undecided(stream: np.ndarray) -> World:
    """Two classes, a head that says ``z``, and one prototype on each axis: windows on the diagonal
    are a tie.
    """
    eye = np.eye(2, DIM, dtype=np.float32)
    return World(eye, np.zeros(2, np.float32), stream, eye, np.arange(2), np.arange(2))


DIAGONAL = np.array([[2.0, 2.0, 0, 0, 0]], np.float32)


@pytest.mark.parametrize(
    ("tau_pos", "tau_neg", "kind"),
    [(1.0, 2.0, "negative"), (1.01, 2.0, "positive"), (0.5, 1.0, ""), (0.5, 1.01, "negative")],
)
def test_the_ends_of_the_entropy_bands(tau_pos: float, tau_neg: float, kind: str) -> None:
    """Of a tie the entropy is 1: confident below ``tau_pos``, ambiguous from there on, and no more
    at ``tau_neg``.
    """
    (answer,) = assert_cap(
        "tta-cap", undecided(DIAGONAL), {"gates": "entropy", "tau_pos": tau_pos, "tau_neg": tau_neg}
    )
    assert answer.wrote == kind


@pytest.mark.parametrize(("tau_margin", "kind"), [(0.0, ""), (-0.01, "positive")])
@pytest.mark.parametrize("gate", ["agree", "margin"])
def test_the_margin_must_be_larger_than_its_threshold(
    tau_margin: float, kind: str, gate: str
) -> None:
    changed = {
        "gates": "proto",
        "tau_margin": tau_margin,
        "negative_gate": gate,
        "negative_without_entropy": True,
    }
    (answer,) = assert_cap("tta-cap", undecided(DIAGONAL), changed)
    assert answer.wrote == kind


def test_of_tied_labels_the_most_recent_is_the_majority() -> None:
    """Windows of classes 0, 1, 1, 0 with a memory of two and four: the present label always wins a
    tie.
    """
    rows = np.zeros((4, DIM), np.float32)
    rows[[0, 1, 2, 3], [0, 1, 1, 0]] = [1.0, 2.0, 3.0, 4.0]
    for n, accepted in ((2, 4), (3, 3), (4, 4)):
        changed = {"gates": "temp", "window": n}
        answers = assert_cap("tta-cap", undecided(rows), changed)
        assert sum(a.wrote == "positive" for a in answers) == accepted


def test_of_equal_entropies_the_earlier_stays() -> None:
    rows = np.zeros((4, DIM), np.float32)
    rows[:, 0] = 1.5
    rows[range(4), [2, 3, 4, 2]] = [1.0, 1.0, 1.0, -1.0]
    answers = assert_cap("tta-cap", undecided(rows), {"gates": "", "n_pos": 2})
    assert [e.at for e in answers[-1].positive[0]] == [0, 1]


def test_equal_votes_go_to_the_first_part() -> None:
    """No two of target, source and positive agree: the surest stays alone."""
    z = np.array([[1.0, 0.2, 0.1]], np.float32)
    config = tta_cap.TTACap(agreement="majority")
    weight = np.eye(3, dtype=np.float32)
    vectors = {
        "target": z,
        "source": weight[1:2],
        "positive": 0.5 * weight[2:],
        "negative": weight[:1],
    }
    got = tta_cap._part_weights(
        config, vectors, weight, np.zeros(3, np.float32), np.ones((1, 1), np.float32)
    )
    want = cap.part_weights(
        cap.CORRECTED | {"agreement": "majority"},
        {k: v[0].tolist() for k, v in vectors.items()},
        plain.softmax,
    )
    assert {k: float(v[0]) for k, v in got.items()} == pytest.approx(
        {k: want.get(k, 0.0) for k in vectors}
    )


# --- prototypes of source people
# -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", cap.PRESETS)
@random
@given(seed=seeds)
def test_whose_prototypes_are_taken(name: str, seed: int) -> None:
    """Of the people nearest to the person's own windows, class by class, the nearest
    person first.
    """
    rng = np.random.default_rng(seed)
    w = world(seed, 2)
    rows = [
        rng.normal(size=DIM) * 0.4 + rng.uniform(0, 1.5) * rng.normal(size=(9, DIM))
        for _ in range(7)
    ]
    people = [cap.gaussian([plain.unit(row) for row in own]) for own in map(plain.listed, rows)]
    target = (rng.normal(size=DIM) * 0.4 + rng.normal(size=(5, DIM))).astype(np.float32)
    handed = {
        "prototypes": w.rows,
        "prototype_class": w.classes,
        "prototype_subject": w.people,
        "subject_mean": np.array([mean for mean, _ in people]),
        "subject_variance": np.array([variance for _, variance in people]),
    }
    method = load_method(name, **({"select": "target"} if name == "tta-cap" else {}))
    windows = tuple(window(row[None]) for row in target)
    state = method.begin(w.model, Given(summary=handed, target=windows, neutral=windows))
    if name == "tta-cap-v1":  # by the medoids of the neutral class
        unit_rows = [plain.unit(row) for row in plain.listed(w.rows)]
        for s in range(len(people)):
            mine = [
                row
                for row, c, who in zip(unit_rows, w.classes, w.people, strict=True)
                if who == s and c == 0
            ]
            if mine:
                people[s] = cap.gaussian(mine)
    nearest = cap.nearest_people(plain.listed(target), people, cap.PRESETS[name]["n_people"])
    places = [
        k
        for c in range(2)
        for s in nearest
        for k in range(len(w.rows))
        if w.people[k] == s and w.classes[k] == c
    ]
    assert state["prototype_class"].tolist() == w.classes[places].tolist()
    np.testing.assert_allclose(
        state["prototypes"], [plain.unit(w.rows[k].tolist()) for k in places], **CLOSE
    )


@random
@given(seed=seeds)
def test_the_statistics_of_a_person(seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(6, DIM))
    mean, variance = prototypes.gaussian(rows)
    want = cap.gaussian(plain.listed(rows))
    np.testing.assert_allclose(mean, want[0])
    np.testing.assert_allclose(variance, want[1])
    others = [cap.gaussian(plain.listed(rows + k)) for k in range(3)]
    got = prototypes.wasserstein2(
        mean, variance, np.array([m for m, _ in others]), np.array([v for _, v in others])
    )
    np.testing.assert_allclose(got, [cap.wasserstein(want, other) for other in others])


@settings(random, max_examples=12)
@given(seed=seeds, n=st.sampled_from([3, 9, 10, 12, 16, 24]), groups=st.integers(1, 3))
def test_which_frames_are_prototypes(seed: int, n: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, DIM))
    rows = (centres[np.arange(n) % groups] + 0.3 * rng.normal(size=(n, DIM))).astype(np.float32)
    got = prototypes.build(rows, seed)
    medoids, clustering = cap.prototype_rows(plain.listed(rows), seed)
    assert got.rows.tolist() == medoids
    assert got.fallback == (not clustering)
    if clustering:
        found = got.eps, got.min_samples, got.score, got.validity, got.stability
        np.testing.assert_allclose(found, clustering, rtol=1e-5)


def test_the_constants_of_the_search_are_the_published_ones() -> None:
    """Section 1.2. A share of noise above its limit is too rare for random points."""
    assert asdict(prototypes.Search()) == {
        "min_samples": (5, 10, 15),
        "quantiles": (0.5, 0.6, 0.7, 0.8, 0.9),
        "bootstraps": 6,
        "fraction": 0.8,
        "stability_weight": 0.5,
        "max_noise_rate": 0.95,
        "min_eps": 1e-8,
    }


def test_the_summary_holds_the_prototypes_and_statistics_of_every_person() -> None:
    rng = np.random.default_rng(5)
    people = {name: (rng.normal(size=(14, DIM)), np.arange(14) % 2) for name in ("bo", "al", "cy")}
    found = prototypes.summary_of(people, 2, seed=1)
    place = 0
    for s, name in enumerate(("al", "bo", "cy")):
        rows = [plain.unit(row) for row in plain.listed(people[name][0])]
        mean, variance = cap.gaussian(rows)
        np.testing.assert_allclose(found["subject_mean"][s], mean, **CLOSE)
        np.testing.assert_allclose(found["subject_variance"][s], variance, **CLOSE)
        for c in range(2):
            own = rows[c::2]
            for k in cap.prototype_rows(own, prototypes.seed_of(1, name, c, "dbscan"))[0]:
                np.testing.assert_allclose(found["prototypes"][place], own[k], **CLOSE)
                assert (found["prototype_class"][place], found["prototype_subject"][place]) == (
                    c,
                    s,
                )
                place += 1
    assert place == len(found["prototypes"])


# --- TDA, BoostAdapter, T3A
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed", [{}, {"entropy_unit": "released"}, {"alpha_unit": "released"}], ids=str
)
@pytest.mark.parametrize("n_classes", [2, 4])
@random
@given(seed=seeds)
def test_tda(changed: dict[str, Any], n_classes: int, seed: int) -> None:
    w = world(seed, n_classes)
    expected = tda.run_tda(tda.DEFAULTS | changed, w.listed, *w.head)
    np.testing.assert_allclose(
        walk(load_method("tda", **changed), w, Given())[0], expected, rtol=1e-5, atol=2e-5
    )


@random
@given(
    seed=seeds,
    changed=st.fixed_dictionaries(
        {"alpha_unit": st.just("released")},
        optional={
            "n_pos": st.integers(1, 4),
            "n_neg": st.integers(1, 4),
            "alpha_neg": st.sampled_from([0.5, 2.0]),
            "beta_pos": st.sampled_from([1.0, 8.0]),
            "beta_neg": st.sampled_from([0.5, 4.0]),
            "entropy_low": st.sampled_from([0.0, 0.4]),
            "entropy_high": st.sampled_from([0.7, 1.0]),
            "mask_low": st.sampled_from([0.1, 0.3]),
            "mask_high": st.sampled_from([0.6, 0.9]),
        },
    ),
)
def test_tda_with_any_setting(seed: int, changed: dict[str, Any]) -> None:
    w = world(seed, 3)
    expected = tda.run_tda(tda.DEFAULTS | changed, w.listed, *w.head)
    np.testing.assert_allclose(
        walk(load_method("tda", **changed), w, Given())[0], expected, **CLOSE
    )


@pytest.mark.parametrize("name", ["tda", "boost-adapter"])
def test_the_ends_of_tdas_bands_are_outside(name: str) -> None:
    """One tie of two classes: both probabilities are one half, and the entropy is all
    there can be.
    """
    w = undecided(DIAGONAL)
    edge = float(np.float32(math.log(2))) / math.log(2)
    inside = {
        "entropy_low": 0.5,
        "entropy_high": 1.5,
        "alpha_neg": 1.0,
        "alpha_pos": 0.0,
        "alpha_unit": "released",
    }
    for changed, there in (
        ({}, True),
        ({"entropy_high": edge}, False),
        ({"entropy_low": edge}, False),
        ({"mask_low": 0.5}, False),
        ({"mask_high": 0.5}, False),
    ):
        ((logits,), _) = walk(load_method(name, **inside | changed), w, Given())
        np.testing.assert_allclose(logits, [1.0, 1.0] if there else [2.0, 2.0], atol=1e-6)


@pytest.mark.parametrize(
    "changed", [{}, {"share": 0.6, "extra": 3}, {"extra": 0, "n_neg": 1}], ids=str
)
@random
@given(seed=seeds)
def test_boost_adapter(changed: dict[str, Any], seed: int) -> None:
    w = world(seed, 3)
    noise = np.random.default_rng(seed).normal(size=(len(w.stream), 6, DIM)).astype(np.float32)
    views = w.stream[:, None] + 0.4 * noise
    w = World(w.weight, w.bias, views.mean(axis=1), w.rows, w.classes, w.people)
    changed = changed | {"alpha_unit": "released", "alpha_neg": 0.8}
    expected = tda.run_boost(
        tda.BOOST | changed, w.listed, [plain.listed(v) for v in views], *w.head
    )
    got, _ = walk(load_method("boost-adapter", **changed), w, Given(), views)
    np.testing.assert_allclose(got, expected, **CLOSE)


def test_boost_adapter_with_its_constants() -> None:
    w = world(4, 3)
    views = w.stream[:, None] + np.linspace(-0.2, 0.2, 24, dtype=np.float32)[None, :, None]
    w = World(w.weight, w.bias, views.mean(axis=1), w.rows, w.classes, w.people)
    expected = tda.run_boost(tda.BOOST, w.listed, [plain.listed(v) for v in views], *w.head)
    np.testing.assert_allclose(
        walk(load_method("boost-adapter"), w, Given(), views)[0], expected, rtol=1e-5, atol=2e-5
    )


@pytest.mark.parametrize("start", ["source", "released"])
@random
@given(seed=seeds, n_classes=st.integers(2, 4), n_supports=st.sampled_from([1, 2, 5, None]))
def test_t3a(start: str, seed: int, n_classes: int, n_supports: int | None) -> None:
    w = world(seed, n_classes, n_windows=60)
    method = load_method(
        "t3a", start=start, **({} if n_supports is None else {"n_supports": n_supports})
    )
    expected = t3a.run(n_supports or t3a.N_SUPPORTS, start, w.listed, *w.head)
    np.testing.assert_allclose(walk(method, w, Given())[0], expected, **CLOSE)


# --- the cache itself
# ------------------------------------------------------------------------------------------------


@random
@given(
    entropies=st.lists(st.sampled_from([0.0, 0.125, 0.25, 0.5]), max_size=12),
    capacity=st.integers(1, 4),
)
def test_a_cache_is_a_sorted_list_cut_off(entropies: list[float], capacity: int) -> None:
    """Equal entropies are common here."""
    cache, bucket = caches.empty(2, capacity, 1), []
    for at, h in enumerate(entropies):
        cache = caches.insert(cache, 1, np.array([float(at)]), h, at)
        cap.insert(bucket, cap.Entry(h, at, [float(at)]), capacity)
        assert_cache(cache, [[], bucket])

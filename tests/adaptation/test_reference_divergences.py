"""Divergences, pseudo-labels and neighbours against slow references, on random rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
import torch
from tests.adaptation.test_reference_sfda import (
    checked,
    close,
    descent,
    dims,
    mmd,
    nrc,
    seeds,
    shot,
    t,
)

from twomind.adaptation import align, divergences, neighbours
from twomind.core.errors import BadInput

rows = st.integers(2, 7)


# --- divergences
# ----------------------------------------------------------------------------------------------------


@checked
@given(
    seeds,
    rows,
    rows,
    dims,
    st.sampled_from(["mean", "median", 0.7]),
    st.integers(1, 6),
    st.sampled_from([2.0, 3.0]),
)
def test_mk_mmd(
    seed: int, n: int, m: int, dim: int, width: Any, n_kernels: int, factor: float
) -> None:
    rng = np.random.default_rng(seed)
    x, y = 3 * rng.normal(size=(n, dim)), 3 * rng.normal(size=(m, dim)) + 1
    kernels = divergences.Kernels(n_kernels, factor, width)
    for estimator in ("biased", "unbiased"):
        got = float(divergences.mk_mmd(t(x), t(y), kernels, estimator))
        assert got == pytest.approx(
            mmd.mk_mmd(x, y, width, n_kernels, factor, estimator), rel=1e-8, abs=1e-10
        )
    if width == "mean":
        assert float(
            divergences.base_width(divergences.squared_distances(t(x)), kernels)
        ) == pytest.approx(mmd.width(x, width, n_kernels, factor), rel=1e-9)


def test_the_published_kernels() -> None:
    """Five, doubling, the middle one of the mean squared distance; biased."""
    x, y = np.array([[0.0], [2.0]]), np.array([[1.0]])
    base = (4 + 1 + 1) / 3 / 4  # three different pairs
    k = [sum(math.exp(-d / (base * 2**i)) for i in range(5)) for d in (0, 1, 4)]
    wanted = (2 * k[0] + 2 * k[2]) / 4 + k[0] - 2 * k[1]
    assert float(divergences.mk_mmd(t(x), t(y))) == pytest.approx(wanted, rel=1e-9)
    with pytest.raises(BadInput, match="two rows on each side"):
        divergences.mk_mmd(t(x), t(y), estimator="unbiased")


def test_the_width_has_no_gradient_and_rows_that_coincide_are_no_nan() -> None:
    """The slope of the divergence at a fixed width, by central differences."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
    at = t(x).requires_grad_()
    (got,) = torch.autograd.grad(divergences.mk_mmd(at, t(y)), at)
    narrowest = mmd.width([*x, *y], "mean", 5, 2.0)
    wanted = descent.gradient(
        lambda p: mmd.mk_mmd(p["x"], y, narrowest=narrowest), {"x": x}, ["x"]
    )["x"]
    close(got, wanted, 1e-6, 1e-8)
    same = t(np.ones((3, 2)))
    assert float(divergences.mk_mmd(same, same)) == 0


@checked
@given(seeds, st.integers(3, 8), rows, dims)
def test_class_wise_mmd(seed: int, n: int, m: int, dim: int) -> None:
    """LMMD, the neutral-conditional form, and the form with other shares. Classes may be absent on
    either side.
    """
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(n, dim)), rng.normal(size=(m, dim)) + 0.5
    y, probs = rng.integers(0, 3, size=n), rng.dirichlet([0.3] * 3, size=m)
    if seed % 3 == 0:
        probs[:, 1] = 0  # nobody of class 1 on the target
    got = divergences.lmmd(t(x), t(y), t(z), t(probs))
    assert float(got) == pytest.approx(mmd.lmmd(x, y.tolist(), z, probs), rel=1e-8, abs=1e-10)
    c = int(y[0])
    conditional = divergences.conditional_mmd(t(x), t(y), t(z), c)
    assert float(conditional) == pytest.approx(mmd.mk_mmd(x[y == c], z), rel=1e-8, abs=1e-10)
    shares = rng.dirichlet([1.0] * 3)
    got = divergences.shared_mmd(t(x), t(y), t(z), t(shares))
    assert float(got) == pytest.approx(
        mmd.shared_mmd(x, y.tolist(), z, shares), rel=1e-8, abs=1e-10
    )
    answers, known = rng.dirichlet([0.7] * 3, size=m), rng.dirichlet([3.0] * 3)
    for rounds in (1, 7):
        close(
            divergences.class_shares(t(answers), t(known), rounds),
            mmd.class_shares(answers, known, rounds),
            1e-8,
        )


@checked
@given(seeds, rows, rows, dims)
def test_bank_covariance_and_recolouring(seed: int, n: int, m: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, dim)), 2 * rng.normal(size=(m, dim)) + 1
    if n > 2:  # of two rows, the median is the distance of a row with itself
        assert float(divergences.bank_mmd(t(x), t(y))) == pytest.approx(
            mmd.bank(x, y), rel=1e-8, abs=1e-9
        )
    close(divergences.covariance(t(x)), mmd.covariance(x))
    share = float(rng.uniform(0.1, 0.9))
    close(divergences.recolouring(t(x), t(y), share), mmd.recolouring(x, y, share), 1e-6, 1e-8)


# --- pseudo-labels and neighbours
# -----------------------------------------------------------------------------------


@checked
@given(seeds, st.integers(1, 9), st.integers(2, 4))
def test_information_maximisation(seed: int, n: int, n_classes: int) -> None:
    logits = 4 * np.random.default_rng(seed).normal(size=(n, n_classes))
    answers = [descent.softmax(row) for row in logits]
    sure = sum(shot.entropy(p) for p in answers) / n
    spread = shot.entropy(shot.mean_answer(answers))
    assert float(neighbours.mean_entropy(t(logits))) == pytest.approx(sure, rel=1e-9, abs=1e-11)
    assert float(neighbours.diversity(t(logits))) == pytest.approx(spread, rel=1e-9, abs=1e-11)
    assert float(neighbours.information(t(logits))) == pytest.approx(
        sure - spread, rel=1e-9, abs=1e-11
    )
    got = float(neighbours.information(t(logits), 0.4))
    assert got == pytest.approx(shot.information(logits, 0.4), rel=1e-9, abs=1e-11)


def test_the_constant_in_the_entropy_is_shots() -> None:
    """A sure answer: ``-1 log(1 + 1e-5)``, and no nan."""
    assert float(neighbours.mean_entropy(t([[800.0, 0.0]]))) == pytest.approx(
        -math.log1p(1e-5), rel=1e-6
    )


@checked
@given(
    seeds,
    st.integers(1, 12),
    st.integers(1, 4),
    st.sampled_from(["cosine", "euclidean"]),
    st.integers(0, 2),
)
def test_centroid_labels(seed: int, n: int, dim: int, distance: str, above: int) -> None:
    rng = np.random.default_rng(seed)
    features, probs = 2 * rng.normal(size=(n, dim)) + 1, rng.dirichlet([0.5] * 3, size=n)
    most = np.bincount(probs.argmax(axis=1)).max()
    if most <= above:
        with pytest.raises(BadInput, match="no class has more"):
            neighbours.centroid_labels(t(features), t(probs), distance, above)
        return
    got = neighbours.centroid_labels(t(features), t(probs), distance, above)
    wanted = shot.centroid_labels(features, probs, distance, above)
    assert got.tolist() == wanted


def test_centroid_labels_in_rounds_where_they_matter() -> None:
    """Seeds on which the second round changes a label, and on which a class is dropped for too few
    predictions.
    """
    changed = dropped = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        features, probs = rng.normal(size=(12, 2)), rng.dirichlet([0.5] * 3, size=12)
        got = neighbours.centroid_labels(t(features), t(probs), above=1)
        assert got.tolist() == shot.centroid_labels(features, probs, above=1)
        changed += (
            got.tolist()
            != neighbours.centroid_labels(t(features), t(probs), above=1, rounds=1).tolist()
        )
        dropped += 1 in np.bincount(probs.argmax(axis=1), minlength=3)
    assert changed > 5
    assert dropped > 5


@checked
@given(seeds, st.integers(4, 10), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_nrc_neighbours_affinities_and_loss(seed: int, n: int, k: int, kk: int, twin: bool) -> None:
    """``twin``: two rows are the same moment again, so a row that counted itself would be found
    out.
    """
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 3))
    if twin:
        features[1] = features[0] * (1 + 1e-9) + 1e-7 * rng.normal(size=3)
    bank = [nrc.unit(row) for row in features]
    where = rng.permutation(n)[: max(2, n // 2)]
    logits, scores = 2 * rng.normal(size=(len(where), 3)), rng.dirichlet([1.0] * 3, size=n)
    first, second = nrc.neighbours(where.tolist(), bank, k, kk)
    found = neighbours.near(t(bank)[t(where)], t(where), t(bank), k, kk)
    assert [sorted(r) for r in found.first.tolist()] == [sorted(r) for r in first]
    wanted = [[nrc.affinity(int(i), theirs) for theirs in second[b]] for b, i in enumerate(where)]
    found = (
        neighbours.Near(t(first), t(second)) if twin else found
    )  # twins may come in either order
    weights = neighbours.affinities(found, t(where))
    close(weights, wanted, 1e-6)
    assert float(neighbours.affinities(found, t(where), released=True).min()) == pytest.approx(0.1)
    probs = [descent.softmax(row) for row in logits]
    for r, spread in ((0.1, 1.0), (0.4, 0.3)):
        got = neighbours.nrc(
            t(logits),
            found,
            neighbours.affinities(found, t(where), r).double(),
            t(scores),
            r,
            spread,
        )
        assert float(got) == pytest.approx(
            nrc.loss(probs, where, first, second, scores, r, spread), rel=1e-6
        )
    default = neighbours.nrc(t(logits), found, weights.double(), t(scores))
    assert float(default) == pytest.approx(nrc.loss(probs, where, first, second, scores), rel=1e-6)


def test_an_affinity_is_a_count() -> None:
    """Row 0 is named twice by one neighbour, once by another, and by a third not at all."""
    found = neighbours.Near(t([[1, 2, 3]]), t([[[0, 0], [4, 0], [5, 4]]]))
    close(
        neighbours.affinities(found, t([0])),
        [[nrc.affinity(0, theirs) for theirs in ([0, 0], [4, 0], [5, 4])]],
        1e-6,
    )
    close(neighbours.affinities(found, t([0])), [[2, 1, 0.1]], 1e-6)


@checked
@given(seeds, st.integers(5, 10))
def test_neighbours_of_neighbours(seed: int, n: int) -> None:
    """The order of the second neighbours is free; which they are is not. A neighbour is not its own
    neighbour.
    """
    bank = [nrc.unit(row) for row in np.random.default_rng(seed).normal(size=(n, 3))]
    found = neighbours.near(t(bank), torch.arange(n), t(bank), 3, 2)
    first, second = nrc.neighbours(range(n), bank, 3, 2)
    assert found.first.tolist() == first
    assert found.second.tolist() == second


@checked
@given(seeds, st.integers(1, 9), st.sampled_from([0.4, 0.6, 0.9]))
def test_confident_views(seed: int, n: int, above: float) -> None:
    """Kept: mean of both tops above the threshold. Its label: that of the surer view, the first
    when equal.
    """
    rng = np.random.default_rng(seed)
    one, other = 2 * rng.normal(size=(n, 3)), 2 * rng.normal(size=(n, 3))
    kept, labels, sure = [], [], []
    for i in range(n):
        p, q = descent.softmax(one[i]), descent.softmax(other[i])
        mean = (max(p) + max(q)) / 2
        if mean > above:
            kept.append(i)
            sure.append(mean)
            labels.append(p.index(max(p)) if max(p) >= max(q) else q.index(max(q)))
    got = neighbours.confident_views(t(one), t(other), above)
    assert got.rows.tolist() == kept
    assert got.label.tolist() == labels
    close(got.confidence, sure)


def test_a_confidence_at_the_threshold_is_not_above_it() -> None:
    even = t([[0.0, 0.0], [3.0, 0.0]])
    assert neighbours.confident_views(even, even, 0.5).rows.tolist() == [1]


@checked
@given(seeds, st.integers(1, 9), st.sampled_from([0.3, 0.5, 1.0]))
def test_confident_per_class(seed: int, n: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    probs, labels = rng.dirichlet([1.0] * 3, size=n), rng.integers(0, 3, size=n)
    wanted = [False] * n
    for c in set(labels.tolist()):
        own = sorted((i for i in range(n) if labels[i] == c), key=lambda i, c=c: -probs[i][c])
        for i in own[: max(1, int(share * len(own)))]:
            wanted[i] = True
    assert neighbours.confident_per_class(t(probs), t(labels), share).tolist() == wanted


def test_rates_and_ramps() -> None:
    """SHOT's and NRC's rate, and DSAN's weight."""
    for done in (0.0, 0.1, 0.5, 0.99):
        assert neighbours.decayed(0.3, done) == pytest.approx(descent.decayed(0.3, done), rel=1e-12)
        assert align.ramp(done) == pytest.approx(math.tanh(5 * done), rel=1e-12, abs=1e-12)

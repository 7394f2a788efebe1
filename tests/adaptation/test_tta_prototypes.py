"""Prototype construction against scikit-learn, and what a person's prototypes are."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from twomind.adaptation import prototypes
from twomind.core.errors import BadInput


def blobs(seed: int, n: int = 60, dim: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, dim))
    return centres[rng.integers(0, 3, n)] + 0.25 * rng.normal(size=(n, dim))


@pytest.mark.parametrize("seed", range(4))
def test_clusters_are_those_of_scikit_learn(seed: int) -> None:
    sklearn = pytest.importorskip("sklearn.cluster")
    metrics = pytest.importorskip("sklearn.metrics")
    distance = prototypes.distances(blobs(seed))
    before = None
    for eps in np.quantile(distance, [0.02, 0.05, 0.1, 0.2, 0.3]):
        for m in (2, 5, 10):
            ours = prototypes.cluster(distance, eps, m)
            theirs = sklearn.DBSCAN(eps=eps, min_samples=m, metric="precomputed").fit_predict(
                distance
            )
            np.testing.assert_array_equal(ours, theirs)
            if before is not None:
                expected = metrics.adjusted_rand_score(before, ours)
                assert prototypes.rand_index(before, ours) == pytest.approx(expected)
            before = ours


def test_medoids_are_members_one_per_cluster_and_repeatable() -> None:
    rows = blobs(0)
    built = prototypes.build(rows, seed=3)
    assert not built.fallback
    assert built.clusters == len(built.rows) == 3
    np.testing.assert_array_equal(built.rows, prototypes.build(rows, seed=3).rows)
    few = prototypes.build(rows[:7])
    assert few.fallback
    assert len(few.rows) == 1
    assert len(prototypes.build(rows[:0]).rows) == 0
    with pytest.raises(BadInput, match="expected features"):
        prototypes.build(rows[0])


def test_distance_of_people_is_that_of_their_gaussians() -> None:
    mean, variance = np.zeros(2), np.ones(2)
    far = prototypes.wasserstein2(
        mean, variance, np.array([[3.0, 4.0], [0, 0]]), np.array([[1.0, 1.0], [4.0, 9.0]])
    )
    np.testing.assert_allclose(far, [25, 1 + 4])  # (sqrt 4 - 1)^2 + (sqrt 9 - 1)^2


def test_summary_names_people_and_classes() -> None:
    people = {p: (blobs(i), np.arange(60) % 2) for i, p in enumerate(["b", "a"])}
    summary = prototypes.summary_of(people, 2)
    assert set(summary["prototype_subject"]) == {0, 1}
    assert summary["subject_mean"].shape == (2, 8)
    first = prototypes.personal(
        summary["prototype_subject"], summary["prototype_class"], np.array([1, 0])
    )
    assert summary["prototype_class"][first].tolist() == sorted(summary["prototype_class"].tolist())
    assert summary["prototype_subject"][first[0]] == 1

"""Metrics: equal to scikit-learn's where it has them, by hand where it has not, and the
bootstrap.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from twomind.evaluation import metrics as m


def sample(
    seed: int, n: int = 200, levels: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    p = np.clip(0.4 * y + rng.random(n) * 0.6, 0, 1)
    return (
        y,
        p if levels is None else np.round(p * levels) / levels,
        rng.integers(0, 4, n).astype(float),
    )


@pytest.mark.parametrize("levels", [None, 7])
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_scikit_learn_also_with_weights(seed: int, levels: int | None) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    y, p, w = sample(seed, levels=levels)
    for weights in (None, w):
        assert m.auc(y, p, weights) == pytest.approx(
            sk.roc_auc_score(y, p, sample_weight=weights), abs=1e-12
        )
        expected = sk.average_precision_score(y, p, sample_weight=weights)
        assert m.average_precision(y, p, weights) == pytest.approx(expected, abs=1e-12)
        expected = sk.f1_score(y, p > 0.5, average="macro", sample_weight=weights)
        assert m.macro_f1(y, p, weights) == pytest.approx(expected, abs=1e-12)
        assert m.brier(y, p, weights) == pytest.approx(
            sk.brier_score_loss(y, p, sample_weight=weights), abs=1e-12
        )


def slow_ap_bah(y: np.ndarray, p: np.ndarray) -> float:
    points = []
    for k in range(1000):
        said = p >= k / 1000
        tp = float((said & (y == 1)).sum())
        points.append((tp / (y == 1).sum(), tp / said.sum() if said.any() else 0.0))
    return sum((a[0] - b[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(points))


@pytest.mark.parametrize("levels", [None, 7, 1000])
def test_ap_bah_by_its_definition(levels: int | None) -> None:
    y, p, _ = sample(5, levels=levels)
    assert m.ap_bah(y, p) == pytest.approx(slow_ap_bah(y, p), abs=1e-12)


def test_ap_bah_of_a_constant_is_half_the_prevalence() -> None:
    y = np.array([1] * 239 + [0] * 153)
    assert m.ap_bah(y, np.full(392, 0.5)) == pytest.approx(239 / 392 / 2)
    assert m.average_precision(y, np.full(392, 0.5)) == pytest.approx(239 / 392)


def test_all_negative_and_all_positive_macro_f1_of_the_v1_test_split() -> None:
    y = np.array([1] * 239 + [0] * 153)
    assert m.macro_f1(y, np.zeros(392)) == pytest.approx(0.2807, abs=5e-5)
    assert m.macro_f1(y, np.ones(392)) == pytest.approx(0.3788, abs=5e-5)


def test_one_class_has_no_auc() -> None:
    assert np.isnan(m.auc(np.ones(5), np.linspace(0, 1, 5)))
    assert np.isnan(m.average_precision(np.zeros(5), np.linspace(0, 1, 5)))


def test_within_question_pairs_by_hand() -> None:
    y = np.array([1, 0, 1, 0, 0])
    p = np.array([0.9, 0.8, 0.1, 0.2, 0.1])
    question = np.array(["a", "a", "b", "b", "b"])
    assert m.within_question_auc(y, p, question) == pytest.approx((1 + 0 + 0.5) / 3)
    assert m.within_question_auc(y, p, question, fold=np.array([0, 1, 0, 0, 1])) == pytest.approx(
        0.0
    )


def test_question_only_is_exactly_chance_within_questions_also_across_folds() -> None:
    rng = np.random.default_rng(0)
    question, subject = rng.integers(1, 8, 600), rng.integers(0, 100, 600)
    y = (rng.random(600) < question / 9).astype(int)
    fold, p = subject % 5, np.zeros(600)
    for f in range(5):
        for q in range(1, 8):
            p[(fold == f) & (question == q)] = y[(fold != f) & (question == q)].mean()
    assert m.within_question_auc(y, p, question, fold) == 0.5
    # Pairs across folds are not chance: whoever is held out moves the rate the other way.
    assert m.within_question_auc(y, p, question) < 0.49


def test_ece_by_hand() -> None:
    y, p = np.array([1, 0, 1, 1]), np.array([0.61, 0.69, 0.2, 1.0])
    assert m.ece(y, p) == pytest.approx((abs(1 - 1.3) + 0.8 + 0.0) / 4)


def test_resamples_at_once_equal_one_by_one_and_equal_repeated_rows() -> None:
    y, p, _ = sample(1, 60)
    question, subject = np.arange(60) % 3, np.arange(60) // 4
    weights = m.person_weights(subject, 20, seed=0)
    assert all(len(np.unique(row[subject == s])) == 1 for row in weights for s in range(15))
    assert np.all(weights[:, ::4].sum(axis=1) == 15)
    for name, metric in m.bound(y, p, question).items():
        at_once = metric(weights)
        assert at_once.shape == (20,)
        rows = np.repeat(np.arange(60), weights[3].astype(int))
        again = m.bound(y[rows], p[rows], question[rows])[name]()
        assert at_once[3] == pytest.approx(again, abs=1e-12), name


def test_the_interval_covers_and_is_reproducible() -> None:
    y, p, _ = sample(2, 400)
    weights = m.person_weights(np.arange(400) // 5, 500, seed=3)
    low, high = m.intervals(m.bound(y, p, np.zeros(400)), weights)["auc"]
    assert low < m.auc(y, p) < high
    assert np.array_equal(weights, m.person_weights(np.arange(400) // 5, 500, seed=3))


def test_bad_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        m.auc(np.array([0, 1]), np.array([0.5, np.nan]))
    with pytest.raises(ValueError, match="one length"):
        m.auc(np.array([0, 1]), np.array([0.5]))

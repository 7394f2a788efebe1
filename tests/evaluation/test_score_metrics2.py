"""Metrics of many classes, people and timelines: equal to scikit-learn and scipy, or worked by
hand.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from twomind.evaluation import classes, metrics, people, timeline


def sample(seed: int, n: int = 150, c: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, c, n)
    probs = rng.dirichlet(np.ones(c), n) + 0.4 * np.eye(c)[y]
    return y, probs / probs.sum(axis=1, keepdims=True), rng.integers(0, 4, n).astype(float)


@pytest.mark.parametrize("c", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_equal_to_scikit_learn(c: int, weighted: bool) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    y, probs, w = sample(c, c=c)
    said, weights = probs.argmax(axis=1), w if weighted else None
    more = {"sample_weight": weights}
    same = {
        "macro_f1": sk.f1_score(y, said, average="macro", **more),
        "weighted_f1": sk.f1_score(y, said, average="weighted", **more),
        "war": sk.accuracy_score(y, said, **more),
        "uar": sk.balanced_accuracy_score(y, said, **more),
        "f1_1": sk.f1_score(y, said, average=None, **more)[1],
    }
    if c == 2:
        same["ap"] = sk.average_precision_score(y, probs[:, 1], **more)
        same["auc"] = sk.roc_auc_score(y, probs[:, 1], **more)
        same["brier"] = sk.brier_score_loss(y, probs[:, 1], **more)
    else:
        one = np.eye(c)[y]
        same["ap"] = sk.average_precision_score(one, probs, average="macro", **more)
        same["auc"] = sk.roc_auc_score(one, probs, average="macro", **more)
    bound = classes.bound(y, probs, np.zeros(len(y)))
    for name, expected in same.items():
        assert bound[name](weights) == pytest.approx(expected, abs=1e-12), name


def test_two_classes_are_the_metrics_of_a_score() -> None:
    y, probs, _ = sample(0, c=2)
    question = np.arange(len(y)) % 5
    one, many = metrics.bound(y, probs[:, 1], question), classes.bound(y, probs, question)
    for name in one:
        assert many[name]() == pytest.approx(one[name](), abs=1e-12), name


def test_resamples_at_once_equal_one_by_one() -> None:
    y, probs, _ = sample(1)
    weights = metrics.person_weights(np.arange(len(y)) // 10, 5, seed=0)
    for name, metric in classes.bound(y, probs, np.arange(len(y)) % 3).items():
        at_once = np.asarray(metric(weights))
        assert at_once.shape == (5,), name
        rows = np.repeat(np.arange(len(y)), weights[2].astype(int))
        again = classes.bound(y[rows], probs[rows], (np.arange(len(y)) % 3)[rows])[name]()
        assert at_once[2] == pytest.approx(again, abs=1e-12), name


def test_a_tie_is_the_earlier_class() -> None:
    assert classes.decide(np.array([[0.5, 0.5], [0.49, 0.51]])).tolist() == [0, 1]
    assert classes.decide(np.array([[0.2, 0.4, 0.4]])).tolist() == [1]


def test_constant_predictors_lie_on_their_curve_and_skill_does_not() -> None:
    for n_absent in (10, 50, 87):
        y = np.array([0] * n_absent + [1] * (100 - n_absent))
        for told in (0, 1):
            probs = np.eye(2)[np.full(100, told)]
            f1, war = classes.macro_f1(y, probs), classes.war(y, probs)
            assert f1 == pytest.approx(war / (1 + war), abs=1e-12)
            assert classes.on_constant_curve(f1, war)
    # The published rows that the specification names: CLIP-AUTT on BAH lies on the curve, on BioVid
    # it does not.
    assert classes.on_constant_curve(0.411, 0.698)
    assert not classes.on_constant_curve(0.780, 0.815)
    y3 = np.array([0] * 6 + [1] * 3 + [2])
    probs = np.eye(3)[np.zeros(10, int)]
    assert classes.on_constant_curve(classes.macro_f1(y3, probs), 0.6, 3)


def test_reference_points_of_bah() -> None:
    # v2 frames: 131103-like shares are in bah.md 2.5; all-negative on v1 frames has AVGF1 .4453 and
    # WF1 .7148.
    n, positive = 256_744, 50_664
    y = np.r_[np.ones(positive, int), np.zeros(n - positive, int)]
    probs = np.tile([1.0, 0.0], (n, 1))
    assert classes.macro_f1(y, probs) == pytest.approx(0.4453, abs=5e-5)
    assert classes.weighted_f1(y, probs) == pytest.approx(0.7148, abs=5e-5)


def test_risk_and_coverage_by_hand() -> None:
    y = np.array([1, 0, 1, 0])
    probs = np.array([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    # Surest first: right, right, wrong, wrong.
    assert np.allclose(
        classes.risk_coverage(y, probs), [[0.25, 0], [0.5, 0], [0.75, 1 / 3], [1, 0.5]]
    )
    assert classes.aurc(y, probs) == pytest.approx((0 + 0 + 1 / 3 + 0.5) / 4)
    tied = np.tile([0.4, 0.6], (4, 1))
    assert np.allclose(classes.risk_coverage(y, tied), [[1, 0.5]])
    assert np.allclose(classes.risk_coverage(y[::-1], tied), [[1, 0.5]])


def test_wilson_worked_example() -> None:
    # Newcombe 1998, table I: 81 of 263 is .2553 to .3662; 0 of 20 is 0 to .1611.
    assert people.wilson(81, 263) == pytest.approx([0.2553, 0.3662], abs=5e-5)
    assert people.wilson(0, 20) == pytest.approx([0.0, 0.1611], abs=5e-5)


def test_sign_flip_is_exact_for_few_people_and_close_for_many() -> None:
    d = np.array([0.1, 0.2, 0.3, -0.05])
    by_hand = np.mean(
        [abs(np.dot(s, d)) >= d.sum() - 1e-12 for s in itertools.product((1, -1), repeat=4)]
    )
    assert people.sign_flip(d) == by_hand == 4 / 16
    assert people.sign_flip(np.full(5, 0.1)) == 2 / 32  # the smallest p that five people can give
    assert people.sign_flip(np.zeros(7)) == 1.0
    stats = pytest.importorskip("scipy.stats")
    many = np.random.default_rng(0).normal(0.3, 1, 40)
    assert people.sign_flip(many) == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.02)
    assert people.wilcoxon(many) == pytest.approx(stats.wilcoxon(many).pvalue)


def test_paired_differences_by_hand() -> None:
    base = {f"p{i}": 0.5 for i in range(10)}
    method = {f"p{i}": 0.5 + d for i, d in enumerate([0.2] * 5 + [0.0] * 2 + [-0.01, -0.1, -0.3])}
    found = people.paired(method, base)
    assert found.mean == pytest.approx(0.059)
    assert found.ci[0] < found.mean < found.ci[1]
    # Exactly one point less is not "more than one point".
    assert (found.n_harmed, found.share_harmed, found.n_helped) == (2, 0.2, 5)
    assert found.harmed_ci == pytest.approx(people.wilson(2, 10))
    d = np.array([0.2] * 5 + [0.0] * 2 + [-0.01, -0.1, -0.3])
    assert found.d_z == pytest.approx(d.mean() / d.std(ddof=1))
    # Ranks of the eight that differ: .01→1, .1→2, five at .2→(3+…+7)/5=5 each, .3→8.
    assert found.rank_biserial == pytest.approx((25 - 1 - 2 - 8) / 36)
    with pytest.raises(ValueError, match="same people"):
        people.paired(method, {"p0": 0.5})


def test_worst_decile_and_holm() -> None:
    assert people.worst_decile(np.arange(20) / 20) == pytest.approx(0.025)
    assert people.worst_decile(np.array([0.7, 0.2, 0.9])) == 0.2
    # Holm's own steps: 3·.01, then 2·.02, then the larger of .04 and 1·.03.
    assert people.holm({"a": 0.03, "b": 0.01, "c": 0.02}) == pytest.approx(
        {"a": 0.04, "b": 0.03, "c": 0.04}
    )


def test_one_person_with_one_class_is_judged_on_that_class() -> None:
    y, probs = np.array([1, 1, 1, 0, 0]), np.eye(2)[[1, 1, 1, 1, 0]]
    subject = np.array(["a", "a", "a", "b", "b"])
    found = people.per_person(y, probs, subject)
    # b: 2/3 for absent, 0 for present, which was said once.
    assert found == pytest.approx({"a": 1.0, "b": 1 / 3})


def test_events_by_hand() -> None:
    times = np.arange(20) * 0.5
    true = np.zeros(20, int)
    true[2:6], true[12:16] = 1, 1  # 1.0–3.0 s and 6.0–8.0 s
    said = np.zeros(20, int)
    said[3:6], said[14:20] = 1, 1  # 1.5–3.0 s and 7.0–10.0 s
    assert timeline.events(times, true, 0.5) == [(1.0, 3.0), (6.0, 8.0)]
    assert timeline.events(times, said, 0.5) == [(1.5, 3.0), (7.0, 10.0)]
    found = timeline.score_timelines({"r": (times, true, said)}, 0.5, tolerance_s=1.0)
    assert found["event_f1"] == pytest.approx(2 * 1 / 4)
    assert found["boundary_error_s"] == pytest.approx((0.5 + 0 + 1 + 2) / 4)
    # Four true changes: onset .5 late, offset on time, onset 1 late, and the last offset is never
    # said.
    assert found["boundary_lag_s"] == pytest.approx(0.5)
    assert found["boundaries_missed"] == pytest.approx(1 / 4)
    assert found["flips_per_minute"] == pytest.approx(3 * 6)
    assert found["true_flips_per_minute"] == pytest.approx(4 * 6)
    perfect = timeline.score_timelines({"r": (times, true, true)}, 0.5)
    assert (perfect["event_f1"], perfect["boundary_error_s"], perfect["boundaries_missed"]) == (
        1,
        0,
        0,
    )


def test_event_matching_is_the_largest_not_the_greedy_one() -> None:
    # Taking the first fit for the first event would leave the second without one.
    true, said = [(0.0, 2.0), (0.8, 2.8)], [(0.5, 2.5), (-0.9, 1.1)]
    assert len(timeline.match(true, said, 1.0)) == 2
    assert len(timeline.match(true, said[:1], 1.0)) == 1


def test_uncoded_frames_count_neither_way() -> None:
    times = np.arange(8.0)
    true = np.array([0, 0, 1, 1, -1, -1, -1, -1])
    said = np.array([0, 0, 1, 1, 0, 1, 0, 1])
    found = timeline.score_timelines({"r": (times, true, said)}, 1.0)
    assert found["event_f1"] == 1.0
    assert found["flips_per_minute"] == pytest.approx(60 / 4)
    empty = timeline.score_timelines({"r": (times, np.full(8, -1), said)}, 1.0)
    assert np.isnan(empty["event_f1"])
    assert np.isnan(empty["flips_per_minute"])

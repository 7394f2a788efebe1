"""The figures of evaluation against slow loops over their definitions, on random small tables and
at every edge.

Nothing here needs a data set, a model or scikit-learn: a bare clone checks all of it.
"""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twomind.evaluation import baselines, classes, harm, metrics, people, shortcuts, timeline
from twomind.evaluation.baselines import Seen

ref = importlib.import_module("reference.metrics")

nan = math.nan
QUICK = settings(deadline=None, derandomize=True, max_examples=30)
#: Scores with many ties, thresholds and edges of bins among them.
SCORES = st.one_of(
    st.sampled_from([0.0, 0.1, 0.3, 0.4999, 0.5, 0.5001, 0.7, 0.999, 0.9995, 1.0]),
    st.integers(0, 1000).map(lambda k: k / 1000),
    st.floats(0, 1, allow_subnormal=False),
)


@st.composite
def tables(draw: Any, least: int = 1) -> dict[str, Any]:
    """Labels, scores, questions, folds, people and weights of a few rows."""
    n = draw(st.integers(least, 14))

    def column(one: Any) -> list[Any]:
        return draw(st.lists(one, min_size=n, max_size=n))

    weights = column(st.integers(0, 3))
    if not sum(weights):
        weights[0] = 1
    return {
        "y": column(st.integers(0, 1)),
        "p": column(SCORES),
        "question": column(st.sampled_from(["1", "2", "3"])),
        "fold": column(st.integers(0, 1)),
        "weights": [float(v) for v in weights],
    }


def close(found: float, expected: float, what: str = "") -> None:
    assert found == pytest.approx(expected, abs=1e-9, nan_ok=True), what


# --- one score of two classes
# -------------------------------------------------------------------------------------


@QUICK
@given(tables())
def test_metrics_of_a_score_are_their_definitions(t: dict[str, Any]) -> None:
    y, p, w = t["y"], t["p"], t["weights"]
    ya, pa, qa, fa = np.array(y), np.array(p), np.array(t["question"]), np.array(t["fold"])
    for given_w, plain in ((None, [1.0] * len(y)), (np.array(w), w)):
        expected = {
            "macro_f1": ref.macro_f1(y, p, plain),
            "ap": ref.average_precision(y, p, plain),
            "ap_bah": ref.ap_bah(y, p, plain),
            "auc": ref.auc(y, p, plain),
            "within_question_auc": ref.within_question_auc(y, p, t["question"], plain, t["fold"]),
            "ece": ref.ece(y, p, plain),
            "brier": ref.brier(y, p, plain),
        }
        bound = metrics.bound(ya, pa, qa, fa)
        assert set(bound) == set(expected)
        for name, value in expected.items():
            close(bound[name](given_w), value, name)
        close(
            metrics.within_question_auc(ya, pa, qa, None, given_w),
            ref.within_question_auc(y, p, qa, plain),
        )
        close(metrics.ece(ya, pa, 4, given_w), ref.ece(y, p, plain, 4))


@QUICK
@given(tables())
def test_resamples_at_once_are_the_definitions_too(t: dict[str, Any]) -> None:
    y, p = t["y"], t["p"]
    n = len(y)
    many = np.array([t["weights"], [1.0] * n, [float(i % 2 == 0) for i in range(n)]])
    found = metrics.bound(np.array(y), np.array(p), np.array(t["question"]), np.array(t["fold"]))
    for row, w in enumerate(many.tolist()):
        close(found["auc"](many)[row], ref.auc(y, p, w))
        close(found["ap"](many)[row], ref.average_precision(y, p, w))
        close(found["macro_f1"](many)[row], ref.macro_f1(y, p, w))
        close(
            found["within_question_auc"](many)[row],
            ref.within_question_auc(y, p, t["question"], w, t["fold"]),
        )
        close(found["brier"](many)[row], ref.brier(y, p, w))


def test_exactly_one_half_is_absent_everywhere() -> None:
    """The decision is ``p > 0.5``: question 5 of BAH has a training rate of exactly one half."""
    y, p = np.array([1, 0]), np.array([0.5, 0.5])
    assert metrics.macro_f1(y, p) == pytest.approx(1 / 3)
    two = np.stack([1 - p, p], axis=1)
    assert classes.decide(two).tolist() == [0, 0]
    assert classes.macro_f1(y, two) == pytest.approx(1 / 3)
    assert classes.war(y, two) == 0.5
    above = np.nextafter(0.5, 1)
    assert metrics.macro_f1(y, np.array([above, 0.5])) == 1.0
    assert metrics.THRESHOLD == 0.5


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([1], [0.2]),
        ([0], [0.9]),
        ([1, 1], [0.3, 0.9]),
        ([0, 0], [0.5, 0.5]),
        ([0, 1], [0.5, 0.5]),
        ([1, 0], [1.0, 0.0]),
    ],
)
def test_one_row_one_class_and_all_equal(y: list[int], p: list[float]) -> None:
    ones = [1.0] * len(y)
    bound = metrics.bound(np.array(y), np.array(p), np.array(["a"] * len(y)))
    close(bound["macro_f1"](), ref.macro_f1(y, p, ones))
    close(bound["auc"](), ref.auc(y, p, ones))
    close(bound["ap"](), ref.average_precision(y, p, ones))
    close(bound["ap_bah"](), ref.ap_bah(y, p, ones))
    close(bound["ece"](), ref.ece(y, p, ones))


def test_an_area_of_nothing_is_zero_and_not_minus_zero() -> None:
    """The present row is always reached, so that no recall is lost over the thresholds: an area of
    0, printed as 0.
    """
    found = metrics.ap_bah(np.array([1, 0]), np.array([1.0, 0.3]))
    assert (found, math.copysign(1, found)) == (0.0, 1.0)


def test_rows_that_cannot_be_scored_are_refused() -> None:
    good = np.array([0, 1]), np.array([0.2, 0.8])
    assert metrics.brier(*good) == pytest.approx(0.04)
    for y, p in (
        ([], []),
        ([0, 2], [0.2, 0.8]),
        ([0, -1], [0.2, 0.8]),
        ([0, 1], [0.2, math.inf]),
        ([0, 1], [0.2, nan]),
        ([[0, 1]], [[0.2, 0.8]]),
        ([0, 1, 1], [0.2, 0.8]),
    ):
        with pytest.raises(ValueError, match="expected"):
            metrics.brier(np.array(y), np.array(p))


@QUICK
@given(tables())
def test_reliability_bins(t: dict[str, Any]) -> None:
    y, p = t["y"], t["p"]
    found = metrics.reliability_bins(np.array(y), np.array(p))
    expected = sorted({ref.bin_of(v, 10) for v in p})
    assert [b["from"] for b in found] == pytest.approx([b / 10 for b in expected])
    assert [b["to"] for b in found] == pytest.approx([(b + 1) / 10 for b in expected])
    for b, row in zip(expected, found, strict=True):
        mine = [i for i in range(len(y)) if ref.bin_of(p[i], 10) == b]
        assert row["n"] == len(mine)
        close(row["mean_score"], sum(p[i] for i in mine) / len(mine))
        close(row["observed"], sum(y[i] for i in mine) / len(mine))


# --- the bootstrap over people
# --------------------------------------------------------------------------------------


@QUICK
@given(
    st.lists(st.one_of(st.floats(-5, 5), st.just(nan), st.just(math.inf)), min_size=1, max_size=40)
)
def test_the_interval_is_the_middle_95_percent_of_what_is_defined(values: list[float]) -> None:
    low, high = metrics.interval(np.array(values))
    expected = ref.interval(values)
    close(low, expected[0])
    close(high, expected[1])


def test_the_interval_of_a_hundred_and_one_numbers() -> None:
    """0 … 100: the 2.5th percentile is 2.5, the 97.5th is 97.5; at 90 % they would be 5 and 95."""
    values = np.arange(101.0)
    assert metrics.interval(values) == pytest.approx([2.5, 97.5])
    assert metrics.interval(values, 0.9) == pytest.approx([5, 95])
    assert metrics.interval(np.r_[values, nan]) == pytest.approx([2.5, 97.5])
    given_as = metrics.intervals({"a": lambda w: w[:, 0]}, values[:, None])
    assert given_as == {"a": pytest.approx([2.5, 97.5])}


def test_whole_people_are_drawn_with_replacement_as_often_as_there_are_people() -> None:
    subject = np.array(["b", "a", "b", "c", "a", "b"])
    drawn = metrics.person_weights(subject, 400, seed=7)
    assert drawn.shape == (400, 6)
    counts = np.random.default_rng(7).multinomial(3, [1 / 3] * 3, 400)  # of a, b, c
    assert np.array_equal(drawn, counts[:, [1, 0, 1, 2, 0, 1]].astype(float))
    one_each = drawn[:, [1, 0, 3]]
    assert (one_each.sum(axis=1) == 3).all()
    assert one_each.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.15)
    assert one_each.var(axis=0) == pytest.approx(
        [2 / 3] * 3, abs=0.15
    )  # n p (1 - p) with n = 3, p = 1/3
    assert not np.array_equal(drawn, metrics.person_weights(subject, 400, seed=8))


# --- several classes
# ------------------------------------------------------------------------------------------------


@st.composite
def class_tables(draw: Any) -> dict[str, Any]:
    n, c = draw(st.integers(1, 12)), draw(st.integers(2, 4))
    rows = []
    for _ in range(n):
        parts = draw(st.lists(st.integers(0, 4), min_size=c, max_size=c).filter(any))
        rows.append([v / sum(parts) for v in parts])
    y = draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n))
    w = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any))
    return {"y": y, "probs": rows, "w": [float(v) for v in w]}


@QUICK
@given(class_tables())
def test_metrics_of_classes_are_their_definitions(t: dict[str, Any]) -> None:
    y, rows, w = t["y"], t["probs"], t["w"]
    ya, pa, n, c = np.array(y), np.array(rows), len(y), len(rows[0])
    question = np.array(["a", "b"] * n)[:n]
    bound = classes.bound(ya, pa, question)
    for given_w, plain in ((None, [1.0] * n), (np.array(w), w), (np.array([w, [1.0] * n]), w)):
        each = ref.f1_per_class(y, rows, plain)
        expected = {
            "macro_f1": sum(each) / c,
            "weighted_f1": ref.weighted_f1(y, rows, plain),
            "war": ref.war(y, rows, plain),
            "uar": ref.uar(y, rows, plain),
            "brier": ref.brier_of_classes(y, rows, plain),
            **{f"f1_{k}": each[k] for k in range(c)},
        }
        if c == 2:
            expected["auc"] = ref.auc(y, [r[1] for r in rows], plain)
            expected["ece"] = ref.ece(y, [r[1] for r in rows], plain)
        else:
            one = [[int(v == k) for v in y] for k in range(c)]
            columns = [[r[k] for r in rows] for k in range(c)]
            expected["auc"] = sum(ref.auc(one[k], columns[k], plain) for k in range(c)) / c
            expected["ap"] = (
                sum(ref.average_precision(one[k], columns[k], plain) for k in range(c)) / c
            )
            inside = [
                ref.within_question_auc(one[k], columns[k], question, plain) for k in range(c)
            ]
            expected["within_question_auc"] = sum(inside) / c
            expected["ece"] = ref.top_ece(y, rows, plain)
        for name, value in expected.items():
            found = bound[name](given_w)
            close(found[0] if np.ndim(found) else found, value, name)
    close(classes.macro_f1_present(ya, pa), ref.macro_f1_present(y, rows))
    assert classes.decide(pa).tolist() == ref.decide(rows)
    assert np.allclose(classes.risk_coverage(ya, pa), ref.risk_coverage(y, rows))
    close(classes.aurc(ya, pa), ref.aurc(y, rows))


def test_the_constant_curve_and_its_width() -> None:
    """Always one of C classes, right in the share w: F1 of it 2w/(1+w), of the others 0."""
    assert classes.constant_f1(0.5) == pytest.approx(1 / 3)
    assert classes.constant_f1(0.5, 4) == pytest.approx(1 / 6)
    assert classes.on_constant_curve(1 / 3 + 0.0099, 0.5)
    assert classes.on_constant_curve(1 / 3 - 0.0099, 0.5)
    assert not classes.on_constant_curve(1 / 3 + 0.0101, 0.5)
    assert not classes.on_constant_curve(1 / 3 - 0.0101, 0.5)
    assert classes.on_constant_curve(0.5, 1.0, near=0.0)


def test_class_tables_that_cannot_be_scored_are_refused() -> None:
    rows = np.array([[0.5, 0.5], [0.1, 0.9]])
    for y, probs in (
        (np.array([0, 2]), rows),
        (np.array([0, -1]), rows),
        (np.array([0]), rows),
        (np.array([0, 1]), rows * nan),
        (np.array([0, 1]), rows[:, 0]),
        (np.zeros(0, int), np.zeros((0, 2))),
    ):
        with pytest.raises(ValueError, match="expected"):
            classes.war(y, probs)


# --- people
# ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "n"), [(0, 1), (1, 1), (0, 20), (3, 20), (10, 20), (20, 20), (81, 263)]
)
def test_wilson_solves_its_equation(k: int, n: int) -> None:
    z = 1.959963984540054  # the standard normal's 97.5th percentile
    assert people.wilson(k, n) == pytest.approx(ref.wilson(k, n, z), abs=1e-9)
    assert harm.wilson(k, n) == pytest.approx(ref.wilson(k, n, z), abs=1e-6)


def test_wilson_of_nobody() -> None:
    assert np.isnan(people.wilson(0, 0)).all()
    assert np.isnan(harm.wilson(0, 0)).all()


DIFFERENCES = st.lists(
    st.one_of(st.sampled_from([0.0, 0.1, -0.1, 0.2]), st.integers(-40, 40).map(lambda k: k / 64)),
    min_size=1,
    max_size=8,
)


@QUICK
@given(DIFFERENCES)
def test_paired_tests_are_their_definitions(d: list[float]) -> None:
    close(people.sign_flip(np.array(d)), ref.sign_flip(d))
    close(people.rank_biserial(np.array(d)), ref.rank_biserial(d))


def test_sign_flip_beyond_the_exact_size_counts_the_observed_pattern() -> None:
    assert people.sign_flip(np.array([1.0] * 14)) == 2 / 2**14
    # Fifteen people: random signs; none of them is as far out, so only the observed pattern counts.
    many = np.array([1.0] * 40)
    assert people.sign_flip(many) == pytest.approx(1 / 10_001)
    assert people.sign_flip(many, n_draws=2000) == pytest.approx(1 / 2001)
    even = np.array([1.0, -1.0] * 10)  # sums to 0: every pattern is as far out
    assert people.sign_flip(even) == 1.0
    first = people.sign_flip(np.arange(-9.0, 16.0), seed=0)
    assert first == people.sign_flip(np.arange(-9.0, 16.0), seed=0)
    assert 0.001 < first < 0.1


def test_wilcoxon_is_exact_for_few_people_without_ties() -> None:
    for d in ([0.1, 0.2, 0.3, 0.4, 0.5], [0.1, -0.2, 0.3, 0.4, 0.5, 0.6], [-0.5, 0.1, 0.2]):
        close(people.wilcoxon(np.array(d)), ref.signed_rank_p(d))
        close(people.wilcoxon(np.array([*d, nan])), ref.signed_rank_p(d))
    assert people.wilcoxon(np.zeros(4)) == 1.0


@QUICK
@given(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.04, 0.3, 1.0]), min_size=1, max_size=6))
def test_holm_by_its_steps(p: list[float]) -> None:
    named = {f"m{i}": v for i, v in enumerate(p)}
    found = people.holm(named)
    assert list(found) == list(named)
    assert found == pytest.approx(ref.holm(named))


@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 20, 21, 30])
def test_the_worst_tenth_of_the_people(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    close(people.worst_decile(values), ref.worst_decile(values.tolist()))


def test_a_person_is_harmed_by_more_than_a_point_not_by_one() -> None:
    assert not people.harmed(0.99, 1.00)
    assert not people.harmed(0.49, 0.50)
    assert people.harmed(0.4899, 0.5)
    assert not people.harmed(0.51, 0.50)
    assert people.harmed(0.40, 0.50, harm=0.09)
    assert not people.harmed(0.40, 0.50, harm=0.10)
    # The same in points of a hundred.
    assert not harm.harmed(1.0, 1.0)
    assert harm.harmed(1.0001, 1.0)
    assert not harm.harmed(1.0 + 1e-12, 1.0)
    assert not harm.harmed(-5.0, 1.0)


def test_paired_differences_and_their_interval() -> None:
    values = [0.2, -0.05, 0.0, 0.01, 0.0101, -0.01, -0.0101, 0.3]
    before = {f"p{i}": 0.5 for i in range(8)}
    after = {f"p{i}": 0.5 + d for i, d in enumerate(values)}
    found = people.paired(after, before, n_bootstrap=300, seed=4)
    d = [after[s] - before[s] for s in sorted(after)]
    draws = np.random.default_rng(4).integers(0, 8, (300, 8))
    means = [sum(d[i] for i in row) / 8 for row in draws.tolist()]
    assert found.ci == pytest.approx(ref.interval(means))
    assert found.n_people == 8
    assert found.mean == pytest.approx(sum(d) / 8)
    # -.05 and -.0101 are harmed, .2, .0101 and .3 are helped; one point exactly is neither.
    assert (found.n_harmed, found.n_helped) == (2, 3)
    assert found.share_harmed == 2 / 8
    assert found.harmed_ci == pytest.approx(ref.wilson(2, 8, 1.959963984540054))
    mean = sum(d) / 8
    sd = math.sqrt(sum((v - mean) ** 2 for v in d) / 7)
    assert found.d_z == pytest.approx(mean / sd)
    assert found.p_sign_flip == pytest.approx(ref.sign_flip(d))
    assert found.rank_biserial == pytest.approx(ref.rank_biserial([round(v, 12) for v in d]))
    assert found.plain()["n_people"] == 8
    same = people.paired(before, before)
    assert (same.d_z, same.mean, same.n_harmed, same.p_wilcoxon) == (0.0, 0.0, 0, 1.0)
    shifted = people.paired(dict.fromkeys(before, 1.0), before)
    assert math.isnan(shifted.d_z), "everybody gains the same: the spread is zero"
    one = people.paired({"a": 0.7}, {"a": 0.5})
    assert math.isnan(one.d_z)
    with pytest.raises(ValueError, match="same people"):
        people.paired({}, {})


def test_one_figure_per_person_in_sorted_order() -> None:
    y = np.array([1, 0, 1, 1, 0])
    probs = np.array([[0.2, 0.8], [0.6, 0.4], [0.7, 0.3], [0.5, 0.5], [0.1, 0.9]])
    subject = np.array(["b", "a", "b", "a", "b"])
    mine = {"a": [1, 3], "b": [0, 2, 4]}
    reference: dict[str, Callable[..., float]] = {
        "macro_f1": lambda t, r, w: ref.macro_f1_present(t, r),
        "war": ref.war,
        "uar": ref.uar,
        "brier": ref.brier_of_classes,
        "ap": lambda t, r, w: ref.average_precision(t, [row[1] for row in r], w),
        "ap_bah": lambda t, r, w: ref.ap_bah(t, [row[1] for row in r], w),
    }
    assert set(people.OF_ONE) == set(reference)
    for name, one in reference.items():
        found = people.per_person(y, probs, subject, name)
        assert list(found) == ["a", "b"]
        for s, rows in mine.items():
            close(
                found[s],
                one([int(y[i]) for i in rows], probs[rows].tolist(), [1.0] * len(rows)),
                name,
            )


@QUICK
@given(class_tables())
def test_macro_f1_of_the_harm_report_in_percent(t: dict[str, Any]) -> None:
    said = ref.decide(t["probs"])
    c = len(t["probs"][0])
    found = harm.macro_f1(np.array(t["y"]), np.array(said), c)
    close(found, 100 * ref.macro_f1_present(t["y"], t["probs"]))


def test_macro_f1_of_nothing_is_not_a_number() -> None:
    assert math.isnan(harm.macro_f1(np.zeros(0, int), np.zeros(0, int), 2))


def test_the_share_of_people_harmed_and_what_was_changed() -> None:
    """Person a loses a right answer, b gains one, c changes nothing; three classes, so an answer
    can stay wrong.
    """
    y = np.array([0, 1, 0, 1, 2, 2])
    source = np.array([0, 1, 1, 1, 2, 0])
    adapted = np.array([0, 0, 0, 1, 2, 1])
    answers = harm.Answers(
        subject=["a", "a", "b", "b", "c", "c"],
        recording=[f"r{i}" for i in range(6)],
        start_s=[0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
        y=y,
        said={"source": source, "adapted": adapted},
        n_classes=3,
        events=[{"subject": "b", "what": "alarm"}],
    )
    found = harm.people_of(answers)
    assert [p.subject for p in found] == ["a", "b", "c"]
    a, b = found[:2]
    assert (a.source, a.adapted) == pytest.approx((100, 100 / 3))  # 0: 2/3, 1: 0
    assert (b.source, b.adapted) == pytest.approx((100 / 3, 100))
    assert (a.n, a.changed_adapted, a.changed_guarded) == (2, 1, None)
    assert math.isnan(a.guarded)
    did = [
        (v["recording"], v["start_s"], v["by"], v["from"], v["to"], v["did"])
        for p in found
        for v in p.changes
    ]
    assert did == [
        ("r1", 1.0, "adapted", 1, 0, "spoilt"),
        ("r2", 2.0, "adapted", 1, 0, "mended"),
        ("r5", 5.0, "adapted", 0, 1, "wrong"),
    ]
    assert (len(a.events), len(b.events)) == (0, 1)
    report = harm.report_of(found)
    assert report.harmed_adapted == pytest.approx(1 / 3)
    assert report.harmed_adapted_interval == pytest.approx(ref.wilson(1, 3, 1.959964), abs=1e-6)
    assert math.isnan(report.harmed_guarded)
    # a lost 66.67 points: with a tolerance above that nobody is harmed.
    assert harm.report_of(found, 66.0).harmed_adapted == pytest.approx(1 / 3)
    assert harm.report_of(found, 67.0).harmed_adapted == 0.0
    assert math.isnan(harm.report_of([]).harmed_adapted)
    guarded = harm.people_of(
        harm.Answers(**{**vars(answers), "said": {**answers.said, "guarded": source}})
    )
    assert harm.report_of(guarded).harmed_guarded == 0.0
    assert guarded[0].changed_guarded == 0


@pytest.mark.parametrize(("lost", "harmed"), [(0.9, 0.0), (1.0, 0.0), (1.1, 1.0), (5.0, 1.0)])
def test_a_person_is_harmed_by_more_than_one_point_of_macro_f1(lost: float, harmed: float) -> None:
    """The margin that documents state, where none is given."""
    person = harm.PersonHarm("a", 10, 70.0, 70.0 - lost, 70.0 - lost, 1, 1, ())
    report = harm.report_of([person])
    assert (report.harmed_adapted, report.harmed_guarded) == (harmed, harmed)
    assert report.tolerance == 1.0


# --- timelines
# ------------------------------------------------------------------------------------------------------


@st.composite
def timelines(draw: Any) -> tuple[list[float], list[int], list[int]]:
    n = draw(st.integers(1, 16))
    label = st.sampled_from([0, 0, 1, 1, -1])
    true = draw(st.lists(label, min_size=n, max_size=n))
    said = draw(st.lists(label, min_size=n, max_size=n))
    return [0.5 * i + 0.25 for i in range(n)], true, said


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(timelines(), min_size=1, max_size=2), st.sampled_from([0.0, 0.5, 1.0, 1.5]))
def test_timeline_figures_are_their_definitions(lines: list[Any], tolerance_s: float) -> None:
    named = {f"r{i}": tuple(np.array(v) for v in line) for i, line in enumerate(lines)}
    found = timeline.score_timelines(named, 0.5, tolerance_s)
    expected = ref.timeline_figures(lines, 0.5, tolerance_s, 3.0)
    assert set(found) == set(expected)
    for name, value in expected.items():
        close(found[name], value, name)
    for times_s, true, said in lines:
        assert timeline.events(np.array(times_s), np.array(true), 0.5) == ref.events(
            times_s, true, 0.5
        )
        assert timeline.n_flips(np.array(said)) == len(ref.changes(times_s, said))


def test_tolerances_of_a_timeline_include_their_limit() -> None:
    assert (timeline.TOLERANCE_S, timeline.MAX_LAG_S) == (1.0, 3.0)
    true = [(1.0, 3.0)]
    assert timeline.event_counts(true, [(2.0, 4.0)]) == (1, 2)
    assert timeline.event_counts(true, [(2.01, 3.0)]) == (0, 2)
    assert timeline.event_counts(true, [(1.0, 4.01)]) == (0, 2)
    assert timeline.match(true, [(2.0, 2.0)], 1.0) == [(0, 0)]
    times, step = np.arange(10.0), np.array([0] * 2 + [1] * 8)
    late = np.array([0] * 5 + [1] * 5)
    assert timeline.boundary_lags(times, step, late) == ([3.0], 0)
    assert timeline.boundary_lags(times, late, step) == ([-3.0], 0)
    assert timeline.boundary_lags(times, step, np.array([0] * 6 + [1] * 4)) == ([], 1)
    # Events that only touch do not overlap.
    assert timeline.boundary_errors([(0.0, 1.0)], [(1.0, 2.0)]) == []
    assert timeline.boundary_errors([(0.0, 1.0)], [(0.9, 2.0), (0.5, 3.0)]) == [0.5, 2.0]


# --- shortcut rows
# --------------------------------------------------------------------------------------------------


def seen(
    question: list[str], length: list[float] | None = None, position: list[float] | None = None
) -> Seen:
    n = len(question)
    return Seen(
        np.array(question, dtype=str),
        np.array(length or [nan] * n, float),
        np.array(position or [nan] * n, float),
    )


@QUICK
@given(st.data())
def test_question_and_position_rows_are_their_definitions(data: Any) -> None:
    n, m = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 6))
    classes_n = data.draw(st.integers(2, 3))
    train_q = data.draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n))
    test_q = data.draw(st.lists(st.sampled_from("abcde"), min_size=m, max_size=m))
    y = data.draw(st.lists(st.integers(0, classes_n - 1), min_size=n, max_size=n))
    places = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.9, 1.0]))
    train_at = data.draw(st.lists(places, min_size=n, max_size=n))
    test_at = data.draw(st.lists(places, min_size=m, max_size=m))
    train, test = seen(train_q, position=train_at), seen(test_q, position=test_at)
    found = baselines.question_only(train, np.array(y), classes_n, test)
    assert np.allclose(found, ref.question_only(train_q, y, classes_n, test_q))
    found = baselines.position(train, np.array(y), classes_n, test)
    assert np.allclose(found, ref.position(train_at, y, classes_n, test_at))
    rows, absent = baselines.shortcut_rows(train, np.array(y), classes_n, test)
    rate = ref.rates(y, classes_n)
    assert np.allclose(rows["prevalence"], [rate] * m)
    commonest = rate.index(max(rate))  # of equal ones, the earlier class
    assert np.array_equal(rows["constant"], [[float(c == commonest) for c in range(classes_n)]] * m)
    assert ("question_only" in rows) == (len(set(train_q)) > 1)
    assert any("question only" in line for line in absent) == ("question_only" not in rows)
    assert any("length" in line for line in absent)
    assert "position" in rows


def test_an_unseen_question_gets_the_mean_over_questions_not_over_rows() -> None:
    train = seen(["a"] * 9 + ["b"])
    y = np.array([0] * 9 + [1])
    found = baselines.question_only(train, y, 2, seen(["a", "b", "never"]))
    assert found.tolist() == [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
    card = {"question_only": {"rates": {"1": 0.25, "2": 0.75}, "unknown": 0.4}}
    assert shortcuts.question_only(card, ["2", None, "9", "1"]).tolist() == [0.75, 0.4, 0.4, 0.25]


def test_equally_common_classes_take_the_earlier_one() -> None:
    rows, _ = baselines.shortcut_rows(seen(["a", "b"]), np.array([1, 0]), 2, seen(["a"]))
    assert rows["constant"].tolist() == [[1.0, 0.0]]
    assert classes.decide(rows["prevalence"]).tolist() == [0]


def test_without_labels_there_is_no_shortcut_row_and_without_lengths_no_row_of_length() -> None:
    rows, absent = baselines.shortcut_rows(seen([]), np.zeros(0, int), 2, seen(["a"]))
    assert rows == {}
    assert len(absent) == 1
    whole = seen(["a", "b"], [3.0, 5.0])
    for train, test in (
        (whole, seen(["a"])),
        (seen(["a", "b"]), seen(["a"], [3.0])),
        (seen(["a", "b"], [1, nan]), whole),
    ):
        assert "length_question" not in baselines.shortcut_rows(train, np.array([0, 1]), 2, test)[0]
    rows, absent = baselines.shortcut_rows(whole, np.array([0, 1]), 2, seen(["a"], [3.0]))
    assert list(rows) == ["prevalence", "constant", "question_only", "length_question"]
    assert absent == []


def test_the_shipped_length_row_is_a_logistic_regression() -> None:
    entry = {"questions": {"1": 0.3}, "unknown": -0.2, "length_weight": 1.5, "length_mean": 2.0}
    found = shortcuts.length_question({"length_question": entry}, ["1", None], [0, 20])
    expected = [
        1 / (1 + math.exp(-(0.3 + 1.5 * (0 - 2)))),
        1 / (1 + math.exp(-(-0.2 + 1.5 * (math.log(21) - 2)))),
    ]
    assert found == pytest.approx(expected)


def test_the_row_of_length_and_question_is_the_penalised_optimum() -> None:
    """Newton's method on the same loss, two classes: the difference of both weight columns carries
    all.
    """
    rng = np.random.default_rng(3)
    question = [str(q) for q in rng.integers(0, 3, 40)]
    length = rng.integers(1, 60, 40).astype(float)
    y = (rng.random(40) < 0.3 + 0.3 * (np.array(question) == "1")).astype(int)
    train, test = seen(question, length.tolist()), seen(["0", "1", "9"], [4.0, 30.0, 12.0])
    found = baselines.length_question(train, y, 2, test)
    log = np.log(1 + length)

    def rows(questions: list[str], lengths: list[float]) -> np.ndarray:
        out = []
        for q, v in zip(questions, lengths, strict=True):
            out.append(
                [1.0, (math.log(1 + v) - log.mean()) / log.std(), *(float(q == k) for k in "012")]
            )
        return np.array(out)

    # Both columns of weights are opposite at the optimum: weights v = w1 - w0, so the penalty .5
    # (w0² + w1²) / 2 becomes .25 v² / 2.
    x, penalty = rows(question, length.tolist()), np.diag([0.0, 0.25, 0.25, 0.25, 0.25])
    v = np.zeros(5)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ v))
        gradient = x.T @ (p - y) + penalty @ v
        v = v - np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + penalty, gradient)
    expected = 1 / (1 + np.exp(-rows(["0", "1", "9"], [4.0, 30.0, 12.0]) @ v))
    assert found[:, 1] == pytest.approx(expected, abs=2e-4)
    assert found.sum(axis=1) == pytest.approx(1)
    # Answers of one length: the row is the question's alone, and no division by a spread of zero.
    same = baselines.length_question(
        seen(["a", "b"] * 5, [7.0] * 10), np.array([0, 1] * 5), 2, seen(["a"], [7.0])
    )
    assert np.isfinite(same).all()
    assert same[0, 0] > 0.7


def test_the_order_of_all_patterns_does_not_matter() -> None:
    """Metrics are of a set of rows: any order of them gives the same figure."""
    y, p = [1, 0, 1, 0], [0.5, 0.5, 0.2, 0.9]
    for order in itertools.permutations(range(4)):
        rows = list(order)
        close(
            metrics.average_precision(np.array(y)[rows], np.array(p)[rows]),
            ref.average_precision(y, p, [1.0] * 4),
        )

"""Agreement between raters against sums over pairs, on random small ratings and at every edge."""

from __future__ import annotations

import importlib
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twomind.evaluation import agreement, agreement_time
from twomind.evaluation.metrics import person_weights

ref = importlib.import_module("reference.agreement")
slow_metrics = importlib.import_module("reference.metrics")

nan = math.nan
QUICK = settings(deadline=None, derandomize=True, max_examples=40)
RATING = st.sampled_from([0.0, 1.0, 2.0, 5.0, nan])


def close(found: float, expected: float) -> None:
    assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)


@QUICK
@given(
    st.lists(st.tuples(RATING, RATING), min_size=1, max_size=10),
    st.sampled_from([None, "linear", "quadratic"]),
)
def test_cohens_kappa_is_its_definition(
    pairs: list[tuple[float, float]], weights: str | None
) -> None:
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    order = [0.0, 1.0, 2.0, 5.0]
    expected = ref.cohen_kappa(a, b, weights, order)
    close(agreement.cohen_kappa(a, b, weights, order), expected)
    close(agreement.cohen_kappa(np.array(a), np.array(b), weights, order), expected)
    table, found = agreement.confusion(a, b, order)
    assert found == order
    for i, j in itertools.product(range(4), repeat=2):
        assert table[i, j] == sum(x == order[i] and y == order[j] for x, y in pairs)
    many = agreement.cohen_from_table(np.stack([table, table.T]), weights)
    close(many[0], expected)
    close(many[1], expected)


@QUICK
@given(st.integers(1, 5), st.integers(2, 4), st.data())
def test_fleiss_kappa_is_its_definition(units: int, raters: int, data: Any) -> None:
    ratings = [
        data.draw(st.lists(st.integers(0, 2), min_size=units, max_size=units))
        for _ in range(raters)
    ]
    counts = agreement.counts_per_unit(ratings, [0, 1, 2])
    assert counts.tolist() == [
        [sum(row[k] == c for row in ratings) for c in range(3)] for k in range(units)
    ]
    close(agreement.fleiss_kappa(counts), ref.fleiss_kappa(counts.tolist()))


def test_fleiss_kappa_needs_two_ratings_and_as_many_everywhere() -> None:
    for counts in ([[1, 0], [0, 1]], [[2, 0], [2, 1]], [[2, 1], [2, 0]]):
        with pytest.raises(ValueError, match="same number"):
            agreement.fleiss_kappa(counts)
    assert math.isnan(agreement.fleiss_kappa(np.zeros((0, 2))))
    assert math.isnan(agreement.fleiss_kappa([2, 1]))
    assert math.isnan(agreement.fleiss_kappa([[2, 0], [2, 0]]))
    assert agreement.fleiss_kappa([[2, 0], [0, 2]]) == 1.0


@QUICK
@given(st.integers(2, 4), st.integers(1, 6), st.sampled_from(agreement.LEVELS), st.data())
def test_krippendorffs_alpha_is_its_definition(
    raters: int, units: int, level: str, data: Any
) -> None:
    ratings = [data.draw(st.lists(RATING, min_size=units, max_size=units)) for _ in range(raters)]
    known = sorted({v for row in ratings for v in row if not math.isnan(v)})
    expected = ref.krippendorff_alpha(ratings, level, known)
    close(agreement.krippendorff_alpha(ratings, level), expected)
    close(agreement.krippendorff_alpha(np.array(ratings), level), expected)
    if level != "ordinal" and known:
        table = agreement.coincidences(agreement._coded(ratings)[0], len(known))
        many = agreement.alpha_from_coincidences(np.stack([table, 2 * table]), known, level)
        close(many[0], expected)


def test_ratings_outside_the_categories_are_refused() -> None:
    for a in (["x"], np.array([3.0])):
        with pytest.raises(ValueError, match="among"):
            agreement.confusion(a, a, [1, 2])
    with pytest.raises(ValueError, match="same units"):
        agreement.confusion([1, 2], [1])
    with pytest.raises(ValueError, match="level"):
        agreement.krippendorff_alpha([[1], [1]], "other")
    with pytest.raises(ValueError, match="quadratic"):
        agreement.cohen_kappa([1], [1], "cubic")
    with pytest.raises(ValueError, match="one matrix"):
        agreement.alpha_from_coincidences(np.ones((2, 2, 2)), [0, 1], "ordinal")


@settings(deadline=None, derandomize=True, max_examples=10)
@given(st.integers(2, 6), st.integers(2, 4), st.data())
def test_the_six_intraclass_correlations(n: int, k: int, data: Any) -> None:
    x = [
        data.draw(st.lists(st.integers(0, 9).map(float), min_size=k, max_size=k)) for _ in range(n)
    ]
    grand = sum(map(sum, x)) / (n * k)
    residual = np.array(x) - np.mean(x, 1, keepdims=True) - np.mean(x, 0) + grand
    assume(np.abs(residual).max() > 1e-6)
    assume(np.ptp(np.mean(x, 1)) > 1e-6)
    from scipy.stats import f as f_distribution

    found = agreement.icc([*x, [nan] * k])
    assert list(found) == list(ref.icc(x))
    for form, value in ref.icc(x).items():
        one = found[form]
        close(one.value, value)
        f, df1, df2 = ref.icc_f(x, form)
        assert (one.df1, one.df2) == (df1, df2)
        assert one.f == pytest.approx(f, rel=1e-6)
        close(one.p, float(f_distribution.sf(f, df1, df2)))
        low, high = ref.icc_interval(x, form, lambda a, b: float(f_distribution.ppf(0.975, a, b)))
        assert (one.low, one.high) == pytest.approx((low, high), rel=1e-5, abs=1e-6, nan_ok=True)


def test_intraclass_correlations_that_are_not_defined() -> None:
    for x in ([[1.0, 2.0]], [[1.0], [2.0]], [[1.0, nan], [nan, 2.0], [1.0, 1.0]]):
        assert all(math.isnan(v.value) and math.isnan(v.low) for v in agreement.icc(x).values())
    with pytest.raises(ValueError, match="targets"):
        agreement.icc([1.0, 2.0])
    perfect = agreement.icc([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
    assert all(v.value == 1.0 for v in perfect.values())
    assert perfect["ICC(1,1)"].p == 0.0
    assert (perfect["ICC(3,k)"].low, perfect["ICC(3,1)"].high) == (1.0, 1.0)
    assert math.isnan(perfect["ICC(2,1)"].low)
    same = agreement.icc([[3.0, 3.0], [3.0, 3.0]])
    assert all(math.isnan(v.value) for v in same.values())
    wide = agreement.icc([[1.0, 2.0], [4.0, 3.0], [7.0, 9.0]], level=0.5)["ICC(1,1)"]
    narrow = agreement.icc([[1.0, 2.0], [4.0, 3.0], [7.0, 9.0]])["ICC(1,1)"]
    assert narrow.low < wide.low < wide.value < wide.high < narrow.high


# --- over time
# ------------------------------------------------------------------------------------------------------

#: Spans in whole eighths of a second, which are exact.
SPANS = st.lists(
    st.tuples(st.integers(0, 24), st.integers(0, 10)).map(lambda s: (s[0] / 8, (s[0] + s[1]) / 8)),
    max_size=5,
)


@QUICK
@given(
    SPANS, st.lists(st.integers(0, 30).map(lambda k: k / 8), max_size=8, unique=True).map(sorted)
)
def test_marks_on_a_grid_are_their_definition(
    spans: list[tuple[float, float]], times: list[float]
) -> None:
    assert agreement_time.on_grid(spans, np.array(times)).tolist() == ref.on_grid(spans, times)


@QUICK
@given(SPANS, SPANS)
def test_units_of_which_half_is_marked(
    spans: list[tuple[float, float]], units: list[tuple[float, float]]
) -> None:
    assert agreement_time.on_units(spans, units).tolist() == ref.on_units(spans, units, 8)


def test_a_unit_is_marked_from_exactly_half_of_it_on() -> None:
    assert agreement_time.on_units([(0.0, 0.5)], [(0.0, 1.0)]).tolist() == [1]
    assert agreement_time.on_units([(0.0, 0.499)], [(0.0, 1.0)]).tolist() == [0]
    assert agreement_time.on_units([(0.0, 0.3), (0.2, 0.4)], [(0.0, 1.0)]).tolist() == [0], (
        "overlaps count once"
    )
    assert agreement_time.on_units([(0.2, 0.5), (0.0, 0.2)], [(0.0, 1.0)]).tolist() == [1]


@settings(deadline=None, derandomize=True, max_examples=80)
@given(
    SPANS, SPANS, st.sampled_from([0.0, 0.25, 0.5]), st.sampled_from([None, 0.125, 1.0, math.inf])
)
def test_events_pair_as_the_best_of_all_choices(
    a: list[tuple[float, float]],
    b: list[tuple[float, float]],
    onset_s: float,
    offset_s: float | None,
) -> None:
    found = agreement_time.match_events(a, b, onset_s, offset_s)
    n, cost = ref.best_matching(a, b, onset_s, onset_s if offset_s is None else offset_s)
    assert len(found.pairs) == n
    assert len({i for i, _ in found.pairs}) == len({j for _, j in found.pairs}) == n
    close(sum(map(abs, found.onset_error_s)) + sum(map(abs, found.offset_error_s)), cost)
    for (i, j), onset, offset in zip(
        found.pairs, found.onset_error_s, found.offset_error_s, strict=True
    ):
        assert (onset, offset) == (b[j][0] - a[i][0], b[j][1] - a[i][1]), "b minus a"
    close(found.f1, 2 * n / (len(a) + len(b)) if a or b else nan)


def test_the_usual_tolerance_is_half_a_second() -> None:
    assert len(agreement_time.match_events([(1.0, 2.0)], [(1.5, 2.5)]).pairs) == 1
    assert len(agreement_time.match_events([(1.0, 2.0)], [(1.51, 2.5)]).pairs) == 0
    assert len(agreement_time.match_events([(1.0, 2.0)], [(1.5, 2.51)]).pairs) == 0
    assert len(agreement_time.match_events([(1.0, 2.0)], [(2.0, 9.0)], 1.0, math.inf).pairs) == 1, (
        "they touch"
    )
    assert len(agreement_time.match_events([(1.0, 1.5)], [(2.0, 9.0)], 1.0, math.inf).pairs) == 0
    for wrong in ((-1.0, 0.0), (0.0, -1.0), (nan, 0.0)):
        with pytest.raises(ValueError, match="tolerances"):
            agreement_time.match_events([], [], *wrong)


@QUICK
@given(
    st.lists(st.integers(0, 40).map(lambda k: k / 8), max_size=8, unique=True).map(sorted),
    st.data(),
    st.sampled_from([0.5, 0.25]),
)
def test_a_score_above_its_threshold_becomes_spans(
    times: list[float], data: Any, threshold: float
) -> None:
    values = st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.6, nan])
    score = data.draw(st.lists(values, min_size=len(times), max_size=len(times)))
    found = agreement_time.spans_of_score(np.array(times), np.array(score), threshold)
    assert found == ref.spans_of_score(times, score, threshold)


def test_spans_of_a_score_are_above_one_half_by_default() -> None:
    times = np.arange(4.0)
    assert agreement_time.spans_of_score(times, np.array([0.5, 0.51, 0.5, 0.6])) == [
        (1.0, 2.0),
        (3.0, 4.0),
    ]
    assert agreement_time.spans_of_score(np.array([1.0]), np.array([0.9])) == [(1.0, 1.0)]


def test_the_grid_has_the_middle_of_every_hop() -> None:
    assert agreement_time.grid(1.0, 0.25).tolist() == [0.125, 0.375, 0.625, 0.875]
    assert agreement_time.grid(1.01, 0.25).tolist()[-1] == 1.125
    assert agreement_time.grid(0.3, 0.1) == pytest.approx([0.05, 0.15, 0.25])
    assert agreement_time.grid(0.0, 0.5).tolist() == [0.25]
    for hop in (0.0, -1.0, nan):
        with pytest.raises(ValueError, match="hop_s"):
            agreement_time.grid(1.0, hop)


def test_every_span_is_told_once_beside_its_partner() -> None:
    a = [(0.0, 1.0), (2.0, 4.0), (6.0, 7.0), (9.0, 9.5)]
    b = [(0.1, 1.0), (2.0, 2.5), (3.0, 4.0), (7.0, 8.0)]
    found = agreement_time.by_segment(a, b, agreement_time.match_events(a, b, 0.2))
    told = [(c.state, c.a, c.b) for c in found]
    assert told == [
        ("matched", (0.0, 1.0), (0.1, 1.0)),
        ("only b", None, (2.0, 2.5)),
        ("limits", (2.0, 4.0), (3.0, 4.0)),  # of two that overlap it, the one that shares most
        ("only a", (6.0, 7.0), None),  # touching is not overlapping
        ("only b", None, (7.0, 8.0)),
        ("only a", (9.0, 9.5), None),
    ]
    assert found[0].onset_error_s == pytest.approx(0.1)
    limits = next(c for c in found if c.state == "limits")
    assert (limits.onset_error_s, limits.offset_error_s) == (1.0, 0.0)
    assert math.isnan(next(c for c in found if c.state == "only a").onset_error_s)


def test_disagreements_and_their_borders() -> None:
    raters = {"x": [(1.0, 3.0), (8.0, 8.5)], "y": [(1.5, 3.0)], "z": [(1.0, 3.5)]}
    found = agreement_time.disagreements(raters, 0.5)
    told = [
        (d.start_s, d.end_s, d.marked, d.not_marked, d.at_border, d.within_tolerance) for d in found
    ]
    assert told == [
        (1.0, 1.5, ("x", "z"), ("y",), True, True),
        (3.0, 3.5, ("z",), ("x", "y"), True, True),
        (8.0, 8.5, ("x",), ("y", "z"), False, False),
    ]
    assert not agreement_time.disagreements(raters, 0.499)[0].within_tolerance
    assert agreement_time.disagreements({"x": [], "y": []}) == []
    # Two stretches that the same raters marked are one.
    split = agreement_time.disagreements({"x": [(0.0, 1.0), (1.0, 2.0)], "y": []})
    assert [(d.start_s, d.end_s) for d in split] == [(0.0, 2.0)]


def test_the_interval_over_people_needs_five_of_them() -> None:
    groups = ["a", "a", "b", "c", "d", "e"]
    values = np.arange(6.0)

    def mean(weights: np.ndarray) -> np.ndarray:
        return weights @ values / weights.sum(axis=1)

    found = agreement_time.bootstrap(mean, groups, 200, seed=3)
    drawn = person_weights(np.array(groups), 200, 3).tolist()
    means = [sum(w * v for w, v in zip(row, range(6), strict=True)) / sum(row) for row in drawn]
    assert found == pytest.approx(slow_metrics.interval(means))
    assert agreement_time.bootstrap(mean, groups[:5], 200) is None, "four people"
    assert agreement_time.bootstrap(lambda w: w.mean(axis=1), groups[:5], 200, least=4) is not None
    assert agreement_time.bootstrap(lambda w: np.full(len(w), nan), groups, 200) is None

"""Coefficients against published worked examples, against independent libraries, and against what
they must obey.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twomind.core.errors import BadInput
from twomind.evaluation.agreement import (
    cohen_kappa,
    confusion,
    counts_per_unit,
    fleiss_kappa,
    icc,
    krippendorff_alpha,
)
from twomind.evaluation.agreement_time import (
    ROUNDING_S,
    bootstrap,
    by_segment,
    disagreements,
    grid,
    match_events,
    on_grid,
    on_units,
    spans_of_score,
)

nan = math.nan

# --- published worked examples
# -----------------------------------------------------------------------------------


def test_cohen_1960() -> None:
    """Cohen (1960), table 1: proportions of 200 joint judgements; observed .70, by chance .41,
    kappa .29/.59 = .49.
    """
    table = np.array([[88, 10, 2], [14, 40, 6], [18, 10, 12]])
    a = [i for i in range(3) for j in range(3) for _ in range(table[i, j])]
    b = [j for i in range(3) for j in range(3) for _ in range(table[i, j])]
    assert confusion(a, b)[0].tolist() == table.tolist()
    assert cohen_kappa(a, b) == pytest.approx(29 / 59, abs=1e-9)


#: Fleiss (1971), table 1: 30 patients, 6 psychiatrists each, 5 diagnoses. Published: column sums
#: 26, 26, 30, 55, 43; mean observed agreement .556, by chance .220, kappa .430.
FLEISS = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""


def test_fleiss_1971() -> None:
    counts = np.array([[int(c) for c in row] for row in FLEISS.split()])
    assert counts.sum(axis=0).tolist() == [26, 26, 30, 55, 43]
    # By hand: 500 agreeing pairs of 30·6·5 = 900; chance 7126 / 180² .
    observed, chance = 500 / 900, (26**2 + 26**2 + 30**2 + 55**2 + 43**2) / 180**2
    assert ((counts**2).sum() - 180) == 500
    assert fleiss_kappa(counts) == pytest.approx((observed - chance) / (1 - chance), abs=1e-12)
    assert fleiss_kappa(counts) == pytest.approx(0.430, abs=5e-4)
    # The same from who said what, in any order of the raters.
    rng = np.random.default_rng(0)
    ratings = np.stack([rng.permutation(np.repeat(np.arange(5), row)) for row in counts], axis=1)
    assert fleiss_kappa(counts_per_unit(ratings)) == pytest.approx(fleiss_kappa(counts), abs=1e-12)


#: Krippendorff (2011), section C: four observers, twelve units, seven ratings missing.
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
    [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
]


@pytest.mark.parametrize(
    ("level", "published"),
    [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)],
)
def test_krippendorff_2011(level, published) -> None:
    import krippendorff

    mine = krippendorff_alpha(KRIPPENDORFF, level)
    assert mine == pytest.approx(published, abs=5e-4)
    theirs = krippendorff.alpha(np.array(KRIPPENDORFF), level_of_measurement=level)
    assert mine == pytest.approx(theirs, abs=1e-9)


SHROUT = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


@pytest.mark.parametrize(
    ("form", "published", "exact", "low", "high"),
    [
        # By hand from their table 3: BMS 11.241667, JMS 32.486111, WMS 6.263889, EMS 1.019444.
        (
            "ICC(1,1)",
            0.17,
            (11.2416666667 - 6.2638888889) / (11.2416666667 + 3 * 6.2638888889),
            -0.133,
            0.72,
        ),
        ("ICC(2,1)", 0.29, 10.2222222222 / (14.3 + 4 * 31.4666666667 / 6), 0.019, 0.76),
        ("ICC(3,1)", 0.71, 10.2222222222 / 14.3, 0.342, 0.95),
        ("ICC(1,k)", 0.44, (11.2416666667 - 6.2638888889) / 11.2416666667, -0.884, 0.91),
        ("ICC(2,k)", 0.62, 10.2222222222 / (11.2416666667 + 31.4666666667 / 6), 0.071, 0.93),
        ("ICC(3,k)", 0.91, 10.2222222222 / 11.2416666667, 0.676, 0.99),
    ],
)
def test_shrout_and_fleiss_1979(form, published, exact, low, high) -> None:
    """Their six forms; the limits as R's psych::ICC prints them for the same table."""
    found = icc(SHROUT)[form]
    assert found.value == pytest.approx(published, abs=5e-3)
    assert found.value == pytest.approx(exact, abs=1e-9)
    assert found.low == pytest.approx(low, abs=5e-4)
    assert found.high == pytest.approx(high, abs=5e-3)
    assert (found.df1, found.df2) == ((5, 18) if "(1," in form else (5, 15))
    assert found.p == pytest.approx(0.16477 if "(1," in form else 0.00013, rel=0.05)


# --- independent libraries, and laws
# -----------------------------------------------------------------------------

labels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40)


@given(labels, st.sampled_from([None, "linear", "quadratic"]))
@settings(max_examples=60, deadline=None)
def test_cohen_equals_scikit_learn(pairs, weights) -> None:
    from sklearn.metrics import cohen_kappa_score

    a, b = zip(*pairs, strict=True)
    mine = cohen_kappa(a, b, weights, categories=[0, 1, 2, 3])
    if len({*a, *b}) == 1:
        assert math.isnan(mine)  # one category: nothing to agree about
    else:
        theirs = cohen_kappa_score(a, b, weights=weights, labels=[0, 1, 2, 3])
        assert mine == pytest.approx(theirs, abs=1e-9)


@given(
    st.lists(
        st.lists(st.sampled_from([nan, 0.0, 1.0, 2.0, 5.0]), min_size=4, max_size=4),
        min_size=3,
        max_size=12,
    ),
    st.sampled_from(["nominal", "ordinal", "interval", "ratio"]),
)
@settings(max_examples=60, deadline=None)
def test_alpha_equals_krippendorff(units, level) -> None:
    import krippendorff

    ratings = np.array(units).T
    paired = [u for u in units if sum(not math.isnan(v) for v in u) >= 2]
    values = {v for u in paired for v in u if not math.isnan(v)}
    mine = krippendorff_alpha(ratings, level)
    if len(values) < 2:
        assert math.isnan(mine)
    else:
        theirs = krippendorff.alpha(np.array(paired).T, level_of_measurement=level)
        assert mine == pytest.approx(theirs, abs=1e-9)


def test_two_raters_fleiss_is_not_cohen_and_alpha_corrects_for_few_units() -> None:
    a, b = [0, 0, 0, 0, 1, 1, 0, 0], [0, 1, 1, 0, 1, 1, 0, 0]
    fleiss = fleiss_kappa(counts_per_unit([a, b]))
    assert fleiss != pytest.approx(cohen_kappa(a, b))
    # Alpha of two raters is Scott's pi (Fleiss' kappa of two) with its chance term corrected for 2N
    # ratings.
    assert krippendorff_alpha([a, b]) == pytest.approx(fleiss + (1 - fleiss) / 16, abs=1e-12)


def test_missing_ratings_are_left_out_and_refused_where_they_cannot_be() -> None:
    assert cohen_kappa([0, 1, None, 1], [0, 1, 1, nan]) == 1.0
    with pytest.raises(ValueError, match="use Krippendorff"):
        fleiss_kappa(counts_per_unit([[0, 1, None], [0, 1, 1]]))
    full = icc([*SHROUT, [1, 2, nan, 4]])
    assert full["ICC(2,1)"].value == icc(SHROUT)["ICC(2,1)"].value


def test_what_is_not_defined_is_nan() -> None:
    assert math.isnan(cohen_kappa([1, 1], [1, 1]))
    assert math.isnan(fleiss_kappa([[3, 0], [3, 0]]))
    assert math.isnan(krippendorff_alpha([[1, 1], [1, 1]]))
    assert math.isnan(krippendorff_alpha([[1, nan], [nan, 1]]))
    assert math.isnan(icc([[1, 2]])["ICC(1,1)"].value)
    assert math.isnan(icc([[2, 2], [2, 2]])["ICC(2,1)"].value)
    assert icc([[1, 1], [2, 2], [4, 4]])["ICC(2,1)"].value == pytest.approx(1)
    for call in (
        lambda: cohen_kappa([1], [1, 2]),
        lambda: krippendorff_alpha([[1, 2], [1, 2]], "cardinal"),
        lambda: cohen_kappa([1, 2], [1, 2], "cubic"),
        lambda: cohen_kappa([1, 7], [1, 1], categories=[1, 2]),
        lambda: icc([1, 2, 3]),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()


def test_a_constant_offset_costs_absolute_agreement_only() -> None:
    x = np.array([[1, 4], [2, 5], [5, 8], [9, 12.0]])
    found = icc(x)
    assert found["ICC(3,1)"].value == pytest.approx(1)
    assert found["ICC(2,1)"].value < 0.8


def test_raters_without_an_error_have_no_interval_and_nothing_is_divided_by_zero() -> None:
    with np.errstate(all="raise"):
        found = icc([[1, 2], [2, 3], [4, 5]])["ICC(2,1)"]
    assert found.value == pytest.approx(14 / 17)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_a_tolerance_of_nothing_allows_the_rounding_of_times() -> None:
    near = [(ROUNDING_S, 1.0)]
    assert match_events([(0.0, 1.0)], near, 0.0).f1 == 1.0
    assert match_events([(0.0, 1.0)], [(2 * ROUNDING_S, 1.0)], 0.0).f1 == 0.0


# --- over time
# ---------------------------------------------------------------------------------------------------


def test_events_pair_one_to_one_within_the_tolerance() -> None:
    a = [(1.0, 2.0), (5.0, 7.0), (9.0, 9.5)]
    b = [(1.4, 2.3), (1.1, 1.8), (5.0, 8.0)]
    found = match_events(a, b, 0.5)
    # The nearer of two candidates; 5–7 against 5–8 ends too late; 9 has none.
    assert found.pairs == ((0, 1),)
    assert found.f1 == pytest.approx(2 / 6)
    assert found.onset_error_s == pytest.approx((0.1,))
    assert found.offset_error_s == pytest.approx((-0.2,))
    assert match_events(a, b, 0.5, 1.0).pairs == ((0, 1), (1, 2))
    # Any offset, as long as the spans meet.
    assert match_events([(0, 1)], [(0.4, 60)], 0.5, math.inf).f1 == 1
    assert match_events([(0, 0.1)], [(0.4, 60)], 0.5, math.inf).f1 == 0


def test_every_segment_is_told_beside_the_others() -> None:
    a, b = [(1.0, 2.0), (5.0, 7.0), (9.0, 9.5)], [(1.1, 1.8), (1.4, 2.3), (6.0, 8.0), (20, 21)]
    found = by_segment(a, b, match_events(a, b, 0.5))
    assert [(c.state, c.a, c.b) for c in found] == [
        ("matched", a[0], b[0]),
        ("only b", None, b[1]),
        ("limits", a[1], b[2]),
        ("only a", a[2], None),
        ("only b", None, b[3]),
    ]
    assert (found[2].onset_error_s, found[2].offset_error_s) == (1.0, 1.0)
    assert math.isnan(found[3].onset_error_s)


def test_no_pair_is_given_up_for_a_closer_one() -> None:
    a, b = [(0.0, 1.0), (0.4, 1.4)], [(0.4, 1.4), (0.8, 1.8)]
    assert match_events(a, b, 0.5).pairs == ((0, 0), (1, 1))


def test_the_tolerance_includes_its_limit_and_nothing_beyond() -> None:
    assert match_events([(0.1, 1.0)], [(0.4, 1.0)], 0.3).f1 == 1.0
    assert match_events([(0.1, 1.0)], [(0.401, 1.0)], 0.3).f1 == 0.0
    assert math.isnan(match_events([], [], 0.5).f1)
    assert match_events([(0, 1)], [], 0.5).f1 == 0.0


spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 9)).map(lambda t: (t[0] / 4, (t[0] + t[1]) / 4)),
    max_size=5,
)


@given(spans, spans, st.sampled_from([0.0, 0.25, 0.5, 1.0]))
@settings(max_examples=80, deadline=None)
def test_matching_is_the_best_there_is(a, b, tolerance_s) -> None:
    """Against every possible pairing, by recursion."""

    def best(i: int, used: frozenset[int]) -> int:
        if i == len(a):
            return 0
        fits = [
            j
            for j in range(len(b))
            if j not in used and max(abs(a[i][0] - b[j][0]), abs(a[i][1] - b[j][1])) <= tolerance_s
        ]
        return max([best(i + 1, used), *(1 + best(i + 1, used | {j}) for j in fits)])

    found = match_events(a, b, tolerance_s)
    assert len(found.pairs) == best(0, frozenset())
    assert len({i for i, _ in found.pairs}) == len({j for _, j in found.pairs}) == len(found.pairs)
    back = match_events(b, a, tolerance_s)
    assert len(back.pairs) == len(found.pairs)


def test_marks_on_a_grid() -> None:
    times_s = grid(1.0, 0.1)
    assert len(times_s) == 10
    assert on_grid([(0.2, 0.4)], times_s).tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0]
    # A mark of 4 ms between two moments is one frame, not none.
    assert on_grid([(0.46, 0.464)], times_s).tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert len(grid(0.0, 0.1)) == 1
    assert len(grid(0.30000000000000004, 0.1)) == 3


def test_units_are_marked_when_half_of_them_is() -> None:
    units = [(0, 2), (2, 4), (4, 6)]
    assert on_units([(0.5, 1.2), (1.0, 1.5), (2, 2.9), (5.9, 9)], units).tolist() == [1, 0, 0]
    assert on_units([(2, 3)], units).tolist() == [0, 1, 0]


def test_arrays_and_lists_are_one() -> None:
    a, b = np.array([0, 1, 1, 2.0, nan]), np.array([0, 1, 2, 2.0, 1])
    assert cohen_kappa(a, b) == cohen_kappa(list(a), list(b))
    assert (
        counts_per_unit(np.stack([a, b])).tolist() == counts_per_unit([list(a), list(b)]).tolist()
    )
    with pytest.raises(ValueError, match=r"got 2\.0"):
        cohen_kappa(a, b, categories=[0, 1])


def test_a_score_becomes_segments() -> None:
    times_s = np.array([0.0, 0.1, 0.3, 0.4, 0.5])
    assert spans_of_score(times_s, np.array([0.2, 0.7, 0.8, nan, 0.9])) == [
        (0.1, 0.4),
        (0.5, pytest.approx(0.6)),
    ]
    assert spans_of_score(times_s, np.array([0.5] * 5), 0.5) == []
    assert spans_of_score(np.array([]), np.array([])) == []


def test_disagreements_are_listed_where_they_are() -> None:
    found = disagreements(
        {"anna": [(1, 3), (6, 7)], "bo": [(1.2, 3)], "model": [(1.2, 4)]}, tolerance_s=0.5
    )
    told = [
        (d.start_s, d.end_s, d.marked, d.not_marked, d.at_border, d.within_tolerance) for d in found
    ]
    assert told == [
        (1, 1.2, ("anna",), ("bo", "model"), True, True),
        (3, 4, ("model",), ("anna", "bo"), True, False),
        (6, 7, ("anna",), ("bo", "model"), False, False),
    ]
    assert disagreements({"a": [(0, 1)], "b": [(0, 1)]}) == []


@given(spans, spans)
@settings(max_examples=50, deadline=None)
def test_disagreements_are_exactly_where_the_grid_differs(a, b) -> None:
    times_s = grid(15, 0.25)
    differ = on_grid(a, times_s) != on_grid(b, times_s)
    listed = on_grid(
        [(d.start_s, d.end_s) for d in disagreements({"a": a, "b": b})], times_s
    ).astype(bool)
    assert (differ == listed).all()


def test_intervals_need_people() -> None:
    rng = np.random.default_rng(1)
    value = rng.random(12)

    def mean(weights: np.ndarray) -> np.ndarray:
        return weights @ value / weights.sum(axis=1)

    assert bootstrap(mean, [str(i // 4) for i in range(12)]) is None
    low, high = bootstrap(mean, [str(i) for i in range(12)]) or [nan, nan]
    assert low < value.mean() < high
    assert bootstrap(lambda w: np.full(len(w), nan), [str(i) for i in range(12)]) is None


def _as_text(ratings):
    found = []
    for row in ratings:
        found.append([None if value != value else str(value) for value in row])
    return found


@pytest.mark.parametrize("level", ["ordinal", "interval", "ratio"])
def test_alpha_of_numbers_written_as_text_is_that_of_the_numbers(level) -> None:
    ratings = [[1, 2, 10, 10, 2, nan, 9], [1, 10, 10, 9, 2, 3, 2], [2, 2, 9, 10, nan, 3, 1]]
    expected = krippendorff_alpha(ratings, level)
    assert krippendorff_alpha(_as_text(ratings), level) == expected
    assert krippendorff_alpha(np.array(_as_text(ratings), object), level) == expected
    mixed = [ratings[0], *_as_text(ratings[1:])]
    assert krippendorff_alpha(mixed, level) == expected
    assert krippendorff_alpha([["1", "2.0"], ["1.0", "2"]], level) == 1.0


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_weighted_kappa_of_numbers_written_as_text_is_that_of_the_numbers(weights) -> None:
    a, b = [1, 2, 10, 10, 2, 9], [1, 10, 10, 9, 2, 2]
    expected = cohen_kappa(a, b, weights)
    texts = [str(value) for value in a], [str(value) for value in b]
    assert cohen_kappa(*texts, weights) == expected
    assert cohen_kappa(np.array(texts[0]), np.array(texts[1]), weights) == expected
    as_words = sorted({*texts[0], *texts[1]})  # "10" before "2"
    assert cohen_kappa(*texts, weights, as_words) != expected


def test_other_text_needs_its_order_where_there_is_one() -> None:
    low, high = ["low", "high", "mid", "low"], ["low", "mid", "high", "mid"]
    with pytest.raises(BadInput, match=r"got 'low'.* give the categories in their order"):
        krippendorff_alpha([low, high], "ordinal")
    with pytest.raises(BadInput, match="categories in their order"):
        cohen_kappa(low, high, "linear")
    order = ["low", "mid", "high"]
    numbers = [[order.index(value) for value in row] for row in (low, high)]
    assert krippendorff_alpha([low, high], "ordinal", order) == krippendorff_alpha(
        numbers, "ordinal"
    )
    assert cohen_kappa(low, high, "linear", order) == cohen_kappa(*numbers, "linear")
    assert math.isfinite(cohen_kappa(low, high))
    assert math.isfinite(krippendorff_alpha([low, high]))

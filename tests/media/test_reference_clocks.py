"""Rows, windows, pictures and sound on the clock against loops that lay them there one by one, and
at every edge.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twomind.core.errors import BadInput
from twomind.media.clock import PictureClock
from twomind.media.windows import n_windows, window_spans
from twomind.types import (
    Access,
    Cue,
    Evidence,
    Example,
    Features,
    Fold,
    Given,
    Prediction,
    Recording,
    Rows,
    Run,
    Segment,
    Status,
    Task,
    Track,
    Word,
)

ref = importlib.import_module("reference.clocks")

nan = math.nan
QUICK = settings(deadline=None, derandomize=True, max_examples=40)
#: Whole numbers of eighths: exact in binary, so that "exactly on the edge" is exact.
EIGHTHS = st.integers(0, 24).map(lambda k: k / 8)


def track(times: list[float], valid: list[bool] | None = None) -> Track:
    """One column that holds the row's number; invalid rows have a reason."""
    n = len(times)
    ok = np.ones(n, bool) if valid is None else np.array(valid, bool)
    values = np.arange(n, dtype=float)[:, None]
    return Track(
        values, np.array(times, float), ok, ("row",), ("1",), ("", "lost"), (~ok).astype(np.uint8)
    )


# --- tracks
# ---------------------------------------------------------------------------------------------------------


@QUICK
@given(st.lists(EIGHTHS, max_size=12).map(sorted), EIGHTHS, EIGHTHS)
def test_between_takes_the_start_and_leaves_the_end(times: list[float], a: float, b: float) -> None:
    a, b = min(a, b), max(a, b)
    found = track(times).between(a, b)
    rows = ref.between(times, a, b)
    assert found.values[:, 0].tolist() == rows
    assert found.times_s.tolist() == [times[i] for i in rows]
    assert len(found.valid) == len(found.reason_code) == len(rows)


def test_between_at_its_edges() -> None:
    one = track([0.0, 1.0, 1.0, 2.0, 3.0], [True, False, True, True, True])
    assert one.between(1.0, 2.0).values[:, 0].tolist() == [1, 2], (
        "a row on the start is in, one on the end is out"
    )
    assert one.between(1.0, 2.0).valid.tolist() == [False, True]
    assert one.between(1.0, 2.0).reason_code.tolist() == [1, 0]
    assert len(one.between(1.0, 1.0)) == 0
    assert len(one.between(3.0, 9.0)) == 1
    assert len(one.between(-5.0, 0.0)) == 0


@QUICK
@given(
    st.lists(EIGHTHS, min_size=1, max_size=10).map(sorted),
    st.lists(st.one_of(EIGHTHS, st.floats(-1, 4)), min_size=1, max_size=8).map(sorted),
    st.sampled_from([0.0, 0.125, 0.25, 0.5, 9.0]),
    st.integers(0, 2**10 - 1),
)
def test_on_grid_is_the_nearest_row_within_the_gap(
    times: list[float], asked: list[float], gap: float, bits: int
) -> None:
    ok = [bool(bits >> i & 1) for i in range(len(times))]
    found = track(times, ok).on_grid(np.array(asked), gap)
    assert found.times_s.tolist() == asked
    for k, at in enumerate(asked):
        row, near = ref.nearest(times, at, gap)
        got = int(found.values[k, 0])
        assert times[got] == times[row], "the nearest time; of two as near, the earlier"
        assert found.valid[k] == (near and ok[got])
        reason = found.reasons[found.reason_code[k]]
        assert reason == ("no sample near this time" if not near else "" if ok[got] else "lost")


def test_on_grid_at_its_edges() -> None:
    one = track([0.0, 1.0, 2.0])
    found = one.on_grid(np.array([-0.5, -0.25, 0.5, 1.5, 2.25, 2.5]), 0.5)
    assert found.values[:, 0].tolist() == [0, 0, 0, 1, 2, 2], "a tie goes to the earlier row"
    assert found.valid.all(), "exactly max_gap_s away is still near"
    assert one.on_grid(np.array([-0.5, 2.5]), 0.499).valid.tolist() == [False, False]
    assert one.on_grid(np.array([0.5]), 0.499).valid.tolist() == [False]
    alone = track([1.0]).on_grid(np.array([0.0, 0.5, 1.0, 1.5, 2.0]), 0.5)
    assert alone.values[:, 0].tolist() == [0] * 5
    assert alone.valid.tolist() == [False, True, True, True, False]
    two = track([0.0, 4.0]).on_grid(np.array([2.0, 2.125, 9.0]), 10.0)
    assert two.values[:, 0].tolist() == [0, 1, 1]
    none = track([]).on_grid(np.array([0.0]), 1.0)
    assert none.valid.tolist() == [False]
    assert none.reasons[none.reason_code[0]] == "no sample near this time"
    assert none.values.shape == (1, 1)
    assert np.isnan(none.values).all()


def test_the_grid_of_a_window_has_its_start_and_not_its_end() -> None:
    words = (Word("a", 0.0, 0.1), Word("b", 1.0, 1.5), Word("c", 2.0, 2.1))
    x = Features("r", "s", {"face": track([0.0, 0.5, 1.0, 1.5, 2.0])}, (0.0, 2.0), words=words)
    grid = x.on_grid(0.5).tracks["face"]
    assert grid.times_s.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert grid.values[:, 0].tolist() == [0, 1, 2, 3]
    wide = x.on_grid(1.0).tracks["face"]
    assert wide.times_s.tolist() == [0.0, 1.0]
    part = x.between(1.0, 2.0)
    assert [w.text for w in part.words or ()] == ["b"]
    assert part.span_s == (1.0, 2.0)
    assert part.tracks["face"].values[:, 0].tolist() == [2, 3]
    # Farther than one hop is not valid, one hop exactly is.
    far = Features("r", "s", {"face": track([0.0])}, (0.0, 1.5)).on_grid(0.5).tracks["face"]
    assert far.valid.tolist() == [True, True, False]
    for hop in (0.0, -1.0, nan):
        with pytest.raises(ValueError, match="hop_s"):
            x.on_grid(hop)


# --- the nouns at birth
# ---------------------------------------------------------------------------------------------


def test_every_noun_is_frozen() -> None:
    made = (
        *(
            Word("a", 0, 1),
            Segment(0, 1, "x", "y"),
            Cue("k", "m", 0, 1),
            Recording("r", "s", Path("x")),
            track([0.0]),
        ),
        *(
            Features("r", "s", {}, (0, 1)),
            Task("t", ("a", "b")),
            Prediction((0, 1), np.array([0.5, 0.5])),
            Given(),
        ),
        *(
            Fold("f", "p", ("a",), ("b",)),
            Evidence("k", "n", 1.0, "u"),
            Example(Features("r", "s", {}, (0, 1)), 1),
        ),
    )
    for one in made:
        name = dataclasses.fields(one)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, name, None)


GOOD = [
    lambda: Word("a", 1.0, 1.0),
    lambda: Word("a", 0, 1, 0.0),
    lambda: Word("a", 0, 1, 1.0),
    lambda: Recording("r", "s", Path("x"), words=(Word("a", 1, 1), Word("b", 1, 2))),
    lambda: Prediction((0, 1), np.array([0.5, 0.5])),
    lambda: Prediction((0, 1), np.array([0.0, 0.0, 1.0])),
    lambda: Prediction((0, 1), np.array([nan, nan]), Status.NOT_MEASURED, "no face"),
    lambda: Prediction((0, 1), np.array([0.5, 0.5]), Status.ABSTAINED, "unsure"),
    lambda: Prediction((0, 1), np.array([0.5, 0.5 + 9e-7])),
    lambda: Track(np.zeros((2, 1)), np.array([1.0, 1.0]), np.ones(2, bool)),
    lambda: Track(np.zeros((0, 3)), np.zeros(0), np.zeros(0, bool)),
    lambda: Task("t", ("a", "b"), "frame"),
]
BAD = [
    lambda: Word("a", 1.0, 0.9),
    lambda: Word("a", nan, 1.0),
    lambda: Word("a", 0.0, math.inf),
    lambda: Word("a", 0, 1, 1.01),
    lambda: Word("a", 0, 1, -0.01),
    lambda: Word("  ", 0, 1),
    lambda: Segment(1, 0, "x", "y"),
    lambda: Cue("k", "m", 1, 0),
    lambda: Features("r", "s", {}, (1, 0)),
    lambda: Recording("", "s", Path("x")),
    lambda: Recording("r", "s", Path("x"), words=(Word("b", 2, 3), Word("a", 1, 1))),
    lambda: Prediction((0, 1), np.array([1.0])),
    lambda: Prediction((0, 1), np.array([[0.5, 0.5]])),
    lambda: Prediction((0, 1), np.array([0.5, 0.6])),
    lambda: Prediction((0, 1), np.array([-0.1, 1.1])),
    lambda: Prediction((0, 1), np.array([nan, nan])),
    lambda: Prediction((0, 1), np.array([nan, 1.0]), Status.NOT_MEASURED, "x"),
    lambda: Prediction((0, 1), np.array([nan, nan]), Status.NOT_MEASURED),
    lambda: Prediction((0, 1), np.array([0.5, 0.5]), Status.ABSTAINED),
    lambda: Prediction((0, 1), np.array([0.5, 0.5 + 1.1e-6])),
    lambda: Track(np.zeros((2, 1)), np.array([1.0, 0.9]), np.ones(2, bool)),
    lambda: Track(np.zeros((2, 1)), np.zeros((2, 1)), np.ones(2, bool)),
    lambda: Track(np.zeros((3, 1)), np.zeros(2), np.ones(2, bool)),
    lambda: Track(np.zeros((2, 1)), np.zeros(2), np.ones(3, bool)),
    lambda: Track(np.zeros((2, 1)), np.zeros(2), np.ones(2)),
    lambda: Track(np.zeros((2, 1)), np.zeros(2), np.ones(2, bool), ("a", "b")),
    lambda: Track(np.zeros(2), np.zeros(2), np.ones(2, bool), ("a",)),
    lambda: Track(np.zeros((2, 2)), np.zeros(2), np.ones(2, bool), ("a", "a")),
    lambda: Track(np.zeros((2, 2)), np.zeros(2), np.ones(2, bool), ("a", "b"), ("m",)),
    lambda: Track(np.zeros((2, 1)), np.zeros(2), np.ones(2, bool), reason_code=np.zeros(3, int)),
    lambda: Track(np.zeros((2, 1)), np.zeros(2), np.ones(2, bool), reason_code=np.array([0, 1])),
    lambda: Task("t", ("a",)),
    lambda: Task("t", ("a", "a")),
    lambda: Task("t", ("a", "b"), "film"),
    lambda: Fold("f", "p", ("a", "a"), ("b",)),
    lambda: Fold("f", "p", ("a",), ()),
    lambda: Fold("f", "p", ("a",), ("a",)),
    lambda: Fold("f", "p", ("a",), ("b",), val=("a",)),
    lambda: Fold("f", "p", ("a",), ("b",), neutral=("a",)),
    lambda: Fold("f", "p", ("a",), ("b",), few=("b",)),
    lambda: Fold("f", "p", ("a",), ("b",), val=("c",), target=("c",), transductive=("c",)),
]


@pytest.mark.parametrize("n", range(len(GOOD)))
def test_what_can_be_true_is_taken(n: int) -> None:
    assert GOOD[n]() is not None


@pytest.mark.parametrize("n", range(len(BAD)))
def test_what_cannot_be_true_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match=r"expected|needs|recording|carries"):
        BAD[n]()


def test_a_transductive_fold_hands_over_part_of_its_test_and_two_handed_parts_may_meet() -> None:
    assert Fold("f", "p", ("a",), ("b",), target=("b",), transductive=("b",)).target == ("b",)
    assert Fold("f", "p", ("a",), ("b",), neutral=("c",), target=("c",)).neutral == ("c",)


def test_a_column_is_nan_where_the_row_is_not_valid_and_unknown_names_are_told() -> None:
    one = Track(
        np.array([[1.0, 2.0], [3.0, 4.0]]), np.arange(2.0), np.array([True, False]), ("a", "b")
    )
    assert one.column("b").tolist() == pytest.approx([2.0, nan], nan_ok=True)
    assert one.reason_code is not None
    assert one.reason_code.tolist() == [0, 0]
    with pytest.raises(KeyError, match="there is: a, b"):
        one.column("c")


def test_what_is_handed_over_is_what_was_declared() -> None:
    one = Given(3, neutral=(), few=())
    assert one.access == Access.NEUTRAL | Access.FEW
    assert one.access.words() == "neutral+few"
    assert Access.NOTHING.words() == "nothing"
    kept = one.only(Access.FEW)
    assert (kept.few, kept.neutral, kept.seed) == ((), None, 3)
    with pytest.raises(ValueError, match=r"needs source\+few.*hand over source"):
        one.only(Access.FEW | Access.SOURCE)


def rows_of(n: int, **change: Any) -> Rows:
    values: dict[str, Any] = {
        **{k: np.array(["x"] * n) for k in ("recording", "subject", "question")},
        "span_s": np.zeros((n, 2)),
        "y": np.zeros(n, int),
        "probs": np.full((n, 2), 0.5),
        **change,
    }
    return Rows(**values)


def test_rows_are_of_one_length_and_taken_together() -> None:
    one = rows_of(3, y=np.array([-1, 0, 1]), beside={"b": np.arange(6.0).reshape(3, 2)})
    some = one.take(np.array([2, 0]))
    assert len(some) == 2
    assert some.y.tolist() == [1, -1]
    assert some.beside["b"].tolist() == [[4, 5], [0, 1]]
    for change in (
        {"y": np.array([-2, 0, 1])},
        {"y": np.array([0, 0, 2])},
        {"probs": np.zeros((2, 2))},
        {"probs": np.zeros(3)},
        {"span_s": np.zeros((3, 1))},
        {"subject": np.array(["x"])},
        {"beside": {"b": np.zeros((3, 3))}},
    ):
        with pytest.raises(ValueError, match="Rows"):
            rows_of(3, **change)
    fold = Fold("f", "p", ("a",), ("b",))
    for grain, there, level in (
        ("frame", ("window", "frame"), "frame"),
        ("frame", ("window", "recording"), "recording"),
        ("window", ("frame", "window"), "window"),
        ("clip", ("window", "recording"), "recording"),
        ("clip", ("frame", "window"), "window"),
    ):
        run = Run(
            "r", "d", Task("t", ("a", "b"), grain), fold, "m", "x", {k: rows_of(1) for k in there}
        )
        assert run.level == level
    with pytest.raises(ValueError, match="one level"):
        Run("r", "d", Task("t", ("a", "b")), fold, "m", "x", {})
    with pytest.raises(ValueError, match="3 classes"):
        Run("r", "d", Task("t", ("a", "b", "c")), fold, "m", "x", {"frame": rows_of(1)})


# --- windows
# --------------------------------------------------------------------------------------------------------


@QUICK
@given(
    st.integers(0, 80),
    st.integers(1, 20),
    st.integers(0, 10),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.sampled_from([0.0, 2.5, 11.0]),
)
def test_windows_follow_each_other_while_enough_is_left(
    total: int, length: int, more: int, share: float, start_s: float
) -> None:
    span = (start_s, start_s + total / 8)
    found = window_spans(span, length / 8, (length + more) / 8, share)
    assert found == ref.window_spans(span, length / 8, (length + more) / 8, share)
    assert n_windows(total / 8, length / 8, (length + more) / 8, share) == len(found)


def test_windows_at_their_edges() -> None:
    assert window_spans((0.0, 2.5), 1.0) == [(0.0, 1.0), (1.0, 2.0), (2.0, 2.5)], (
        "exactly half a window is one"
    )
    assert window_spans((0.0, 2.499), 1.0) == [(0.0, 1.0), (1.0, 2.0)]
    assert window_spans((0.0, 0.1), 1.0) == [(0.0, 0.1)], "at least one"
    assert window_spans((5.0, 5.0), 1.0) == [(5.0, 5.0)]
    assert window_spans((0.0, 0.3), 0.1, min_share=1) == [(0.0, 0.1), (0.1, 0.2), (0.2, 0.3)], (
        "3 x 0.1 is three"
    )
    assert n_windows(2.0, 1.0, min_share=0) == 2, "no rest, no window"
    assert n_windows(2.0 + 2e-6, 1.0, min_share=0) == 3
    assert n_windows(2.0 + 5e-7, 1.0, min_share=0) == 2, "half a microsecond is rounding"
    assert window_spans((0.0, 3.0), 1.0, 2.0) == [(0.0, 1.0), (2.0, 3.0)]
    # Where one window ends the next begins, to the last bit.
    many = window_spans((0.0, 7.0), 0.7)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(many))
    assert len(many) == 10
    for length, hop in (
        (0.0, None),
        (-1.0, None),
        (math.inf, None),
        (nan, None),
        (1.0, 0.99),
        (1.0, nan),
    ):
        with pytest.raises(BadInput, match="windows"):
            n_windows(5.0, length, hop)


# --- pictures
# -------------------------------------------------------------------------------------------------------

STAMP = st.one_of(
    st.none(), st.integers(0, 60).map(lambda k: k / 4), st.sampled_from([700.0, 30.0, 30.25])
)


def picture(
    pts: float | None, dts: float | None = None, length: float = 0.0, corrupt: bool = False
) -> Any:
    """A decoded picture with stamps in units of a quarter second."""
    ticks = [None if v is None else round(v * 4) for v in (pts, dts)]
    return SimpleNamespace(
        pts=ticks[0], dts=ticks[1], duration=round(length * 4), is_corrupt=corrupt
    )


@settings(deadline=None, derandomize=True, max_examples=120)
@given(
    st.lists(st.tuples(STAMP, STAMP, st.sampled_from([0.0, 0.25])), max_size=14),
    st.sampled_from([0.0, 2.0]),
)
def test_pictures_get_their_times_by_the_rules(stamps: list[Any], origin: float) -> None:
    """Zero is the container's start; the declared end is 20 s."""
    clock = PictureClock(origin, 20.0)
    found = [clock.time(picture(*one), 0.25) for one in stamps]
    plain = [(*(None if v is None else v - origin for v in one[:2]), one[2]) for one in stamps]
    times, counts, holes = ref.picture_times(plain, 20.0, 600.0, 10.0)
    assert found == times
    mine = {
        "derived": clock.n_derived,
        "backward": clock.n_backward,
        "absurd": clock.n_absurd,
        "unstamped": clock.n_unstamped,
    }
    assert mine == counts
    assert clock.holes == holes
    assert clock.n_left_out == times.count(None)
    shown = [t for t in times if t is not None]
    if shown:
        assert (clock.first_s, clock.last_s) == (shown[0], shown[-1])
        assert shown == sorted(shown)
    else:
        assert math.isnan(clock.first_s)


def test_the_clock_at_its_edges() -> None:
    clock = PictureClock(0.0, 20.0)
    assert clock.time(picture(30.0), 0.25) == 30.0, "10 s past the declared end is still taken"
    clock = PictureClock(0.0, 20.0)
    assert clock.time(picture(30.25), 0.25) is None
    clock = PictureClock(0.0, math.inf)
    assert clock.time(picture(0.0), 0.25) == 0.0
    assert clock.time(picture(600.0), 0.25) == 600.0, "a jump of 600 s is a long hole"
    assert clock.time(picture(1200.25), 0.25) is None, "a longer one is damage"
    assert clock.time(picture(600.0), 0.25) == 600.0, "the same stamp again is no step back"
    assert clock.time(picture(599.75), 0.25) is None
    assert (clock.n_absurd, clock.n_backward) == (1, 1)
    clock = PictureClock(0.0, math.inf)
    for at in (0.0, 1.0, 2.25):
        clock.time(picture(at), 0.25)
    assert clock.holes == [(1.0, 2.25)], "one second without a picture is not told, more is"


def test_the_end_of_the_pictures_is_past_the_last_one_by_its_length() -> None:
    clock = PictureClock(0.0, math.inf)
    clock.time(picture(1.0, length=0.5), 0.25)
    assert clock.end_s == 1.5
    assert clock.step_s == 0.5, "before there is a step, the picture's own length"
    clock.time(picture(1.25), 0.25)
    assert clock.step_s == 0.25
    assert clock.end_s == 1.5, "no length of its own: the usual step"
    clock.time(picture(3.25), 0.25)
    assert clock.step_s == 1.125
    assert clock.end_s == 3.25 + 1.125


def test_a_missing_stamp_takes_the_decoding_stamp_only_when_that_goes_on() -> None:
    for decoded, expected in ((2.0, 2.0), (1.0, 1.25), (0.5, 1.25), (None, 1.25)):
        clock = PictureClock(0.0, math.inf)
        clock.time(picture(0.75), 0.25)
        clock.time(picture(1.0), 0.25)
        assert clock.time(picture(None, decoded), 0.25) == expected
        assert clock.n_derived == 1
    clock = PictureClock(0.0, math.inf)
    assert clock.time(picture(None, None), 0.25) is None
    assert clock.n_unstamped == 1
    assert clock.time(picture(None, 0.5), 0.25) == 0.5
    assert clock.time(picture(None, None), 0.25) is None, "no step is known yet"
    damaged = PictureClock(0.0, math.inf)
    damaged.time(picture(0.0, corrupt=True), 0.25)
    damaged.time(picture(1.0), 0.25)
    assert damaged.n_corrupt == 1


def test_the_clock_tells_its_problems_and_at_most_ten_holes() -> None:
    clock = PictureClock(0.0, math.inf)
    assert clock.problems() == []
    for k in range(11):
        clock.time(picture(2.0 * k), 0.25)
    assert len(clock.problems()) == 10
    clock.time(picture(22.0), 0.25)
    clock.time(picture(0.0), 0.25)
    told = clock.problems()
    assert told[0].startswith("1 picture(s) left out: stamped before")
    assert told[1] == "no picture from 0.00 s to 2.00 s"
    assert told[-1] == "and 1 more stretches without a picture"
    assert len(told) == 12

"""Rows, windows, pictures and sound on the clock against loops that lay them there one by one, and
at every edge.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import math
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twomind.core.errors import BadInput
from twomind.media import stream as media
from twomind.media.audio import JITTER_S, AudioSpool, Resampling, Samples, Waveform
from twomind.media.clock import PictureClock, Restart
from twomind.media.endings import missing_bytes
from twomind.media.probe import Orientation, declared_s, orientation, origin_s
from twomind.media.stream import MediaStream
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


# --- containers
# -----------------------------------------------------------------------------------------------------


def test_the_origin_is_the_containers_start_and_some_declare_an_end() -> None:
    def held(names: str, start: int | None, duration: int | None) -> Any:
        return SimpleNamespace(
            start_time=start, duration=duration, format=SimpleNamespace(name=names)
        )

    assert origin_s(held("mov", 1_500_000, None)) == 1.5
    assert origin_s(held("mov", -250_000, None)) == -0.25
    assert origin_s(held("mov", None, None)) == 0.0
    assert declared_s(held("mov,mp4,m4a", 0, 2_500_000)) == 2.5
    assert declared_s(held("mov,mp4,m4a", 1_000_000, 2_500_000)) == 2.5, "of an MP4 it is a length"
    assert declared_s(held("matroska,webm", 1_000_000, 2_500_000)) == 1.5, (
        "of a Matroska it is an end stamp"
    )
    assert declared_s(held("matroska,webm", -1_000_000, 2_500_000)) == 2.5
    assert math.isnan(declared_s(held("matroska,webm", 0, None)))
    assert math.isnan(declared_s(held("mp3", 0, 2_500_000))), "guessed from the bit rate"


def test_missing_bytes_of_a_wave_and_of_an_mp4(tmp_path: Path) -> None:
    path = tmp_path / "x"

    def lacks(content: bytes) -> int:
        path.write_bytes(content)
        return missing_bytes(path)

    assert lacks(b"RIFF" + (20).to_bytes(4, "little") + b"x" * 20) == 0
    assert lacks(b"RIFF" + (20).to_bytes(4, "little") + b"x" * 17) == 3
    assert lacks(b"RIFF" + (20).to_bytes(4, "little") + b"x" * 30) == 0
    assert lacks(b"RIFF" + b"\xff" * 4 + b"x" * 8) == 0, "written live: the size is not known"
    assert lacks(b"RIFF") == 0
    box = (16).to_bytes(4, "big") + b"ftyp" + b"x" * 8
    assert lacks(box) == 0
    assert lacks(box + (40).to_bytes(4, "big") + b"mdat" + b"x" * 10) == 22
    assert lacks(box + (0).to_bytes(4, "big") + b"mdat" + b"x" * 10) == 0, (
        "0: to the end of the file"
    )
    long = (1).to_bytes(4, "big") + b"mdat" + (50).to_bytes(8, "big") + b"x" * 4
    assert lacks(box + long) == 30
    assert lacks(b"just text, no boxes") == 0


def test_turned_pictures_say_how_far() -> None:
    degrees = {
        (False, False, False): 0,
        (False, True, True): 180,
        (True, False, True): 90,
        (True, True, False): 270,
    }
    picture_px = np.arange(18).reshape(2, 3, 3)
    for flags, turn in degrees.items():
        one = Orientation(*flags)
        assert one.rotation_deg == turn
        assert np.array_equal(one.apply(picture_px), np.rot90(picture_px, turn // 90)), flags


# --- sound
# ----------------------------------------------------------------------------------------------------------


@QUICK
@given(
    st.lists(st.tuples(st.integers(-30, 30), st.integers(0, 20)), min_size=1, max_size=8),
    st.sampled_from([0, 4, 8]),
)
def test_the_spool_lays_samples_at_their_stamps(
    runs: list[tuple[int, int]], tolerance: int
) -> None:
    """Stamps in whole samples of 1/64 s, so that a stray of exactly the tolerance is exact."""
    rate, at, pushed = 64, 320, []
    for k, (stray, n) in enumerate(runs):
        pushed.append(((at + stray * (k > 0)) / rate, [k + 1.0 + i / 100 for i in range(n)]))
        at += n
    spool = AudioSpool(rate, tolerance / rate)
    for time_s, values in pushed:
        spool.push(Samples(time_s, np.array(values, np.float32)))
    sound, holes = ref.spool(pushed, rate, tolerance / rate)
    wave = spool.waveform()
    assert len(spool) == len(sound)
    assert np.array_equal(wave.values, np.array(sound, np.float32))
    start_s = next((t for t, v in pushed if v), nan)
    assert wave.start_s == pytest.approx(start_s, nan_ok=True)
    expected = [(start_s + a / rate, start_s + b / rate) for a, b in holes]
    assert np.allclose(np.ravel(wave.gaps), np.ravel(expected))
    spool.close()


def test_the_end_of_a_waveform() -> None:
    assert Waveform(np.zeros(32), 16, 1.5).end_s == 3.5


def sound_frame(n: int, rate: int = 8000, level: float = 0.5) -> Any:
    av = pytest.importorskip("av")
    frame = av.AudioFrame.from_ndarray(
        np.full((1, n), level, np.float32), format="flt", layout="mono"
    )
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    return frame


def hear(stamps: list[tuple[int, float | None]]) -> tuple[Resampling, list[Samples]]:
    """Frames of n samples at their times, resampled from and to 8000 Hz."""
    sound = Resampling(8000)
    out: list[Samples] = []
    for n, time_s in stamps:
        out += sound.push(sound_frame(n), time_s)
    out += sound.flush()
    return sound, out


def test_sound_within_the_jitter_is_one_run_and_beyond_it_a_gap_or_an_overlap() -> None:
    assert JITTER_S == 0.010
    within, out = hear([(800, 1.0), (800, 1.1 + 0.0099), (800, 1.2 - 0.0099)])
    assert (within.gaps, within.n_overlaps) == ([], 0)
    assert out[0].time_s == 1.0
    assert sum(len(s.values) for s in out) == 2400
    times = [s.time_s for s in out]
    assert times == pytest.approx(
        [1.0 + sum(len(s.values) for s in out[:k]) / 8000 for k in range(len(out))]
    )
    late, out = hear([(800, 1.0), (800, 1.1 + 0.0101)])
    assert late.gaps == [(pytest.approx(1.1), pytest.approx(1.1101))]
    assert late.n_overlaps == 0
    assert any(s.time_s == pytest.approx(1.1101) for s in out)
    early, _ = hear([(800, 1.0), (800, 1.1 - 0.0101)])
    assert (early.gaps, early.n_overlaps) == ([], 1)


def test_sound_without_a_stamp_follows_what_was_before_and_empty_frames_count_for_nothing() -> None:
    sound, out = hear([(800, 2.0), (800, None), (800, 2.2)])
    assert (sound.n_without_stamp, sound.gaps, sound.n_overlaps) == (1, [], 0)
    assert sum(len(s.values) for s in out) == 2400
    silent = Resampling(8000)
    assert list(silent.push(SimpleNamespace(samples=0), 1.0)) == []  # type: ignore[arg-type]
    assert silent.n_without_stamp == 0
    assert list(silent.flush()) == []


def test_another_sample_rate_begins_a_new_run_at_its_stamp() -> None:
    sound = Resampling(8000)
    out = list(sound.push(sound_frame(800, 8000), 0.0))
    out += list(sound.push(sound_frame(1600, 16000), 0.1))
    out += list(sound.flush())
    assert (sound.gaps, sound.n_overlaps) == ([], 0)
    assert sum(len(s.values) for s in out) == pytest.approx(1600, abs=20)
    assert any(s.time_s == 0.1 for s in out)


# --- one pass over a file
# -------------------------------------------------------------------------------------------


def heard_at(
    stamps: list[float | None], origin: float, declared: float
) -> tuple[list[float | None], int]:
    """The times that sound packets of an eighth of a second are pushed at, and how many are left
    out.
    """
    pushed: list[float | None] = []
    ends = {"s": nan}

    class Sound:
        def push(self, frame: Any, time_s: float | None) -> list[Any]:
            pushed.append(time_s)
            if time_s is not None:
                ends["s"] = time_s + 0.125
            return []

    one: Any = SimpleNamespace(
        _audio=SimpleNamespace(time_base=Fraction(1, 8)),
        _origin_s=origin,
        _declared_s=declared,
        _sound_end_s=nan,
        _n_sound_left_out=0,
        _sound=Sound(),
    )
    for at in stamps:
        one._sound_end_s = ends["s"]
        list(MediaStream._hear(one, SimpleNamespace(pts=None if at is None else round(at * 8))))  # type: ignore[arg-type]
    return pushed, one._n_sound_left_out


def test_sound_far_past_the_declared_end_or_far_ahead_is_left_out() -> None:
    assert heard_at([2.0, None, 2.5], 2.0, 20.0) == ([0.0, None, 0.5], 0), (
        "zero is the container's start"
    )
    assert heard_at([30.0], 0.0, 20.0) == ([30.0], 0), "10 s past the end is still taken"
    assert heard_at([30.125], 0.0, 20.0) == ([], 1)
    assert heard_at([0.0, 600.125], 0.0, nan) == ([0.0, 600.125], 0), (
        "600 s after the end of what was heard"
    )
    assert heard_at([0.0, 600.25], 0.0, nan) == ([0.0], 1)
    assert heard_at([5000.0], 0.0, nan) == ([5000.0], 0), "the first sound may begin anywhere"


def test_samples_are_counted_and_the_sound_ends_with_the_latest() -> None:
    one: Any = SimpleNamespace(sample_rate_hz=8, _sound_start_s=nan, _sound_end_s=nan, _n_samples=0)
    runs = [Samples(1.0, np.zeros(8)), Samples(2.0, np.zeros(4)), Samples(1.5, np.zeros(2))]
    assert list(MediaStream._count(one, iter(runs))) == runs
    assert (one._sound_start_s, one._sound_end_s, one._n_samples) == (1.0, 2.5, 14)


def missing_of(tmp_path: Path, measured: float, declared: float, **change: Any) -> str:
    path = tmp_path / "whole"
    path.write_bytes(b"no container")
    values: dict[str, Any] = {
        "info": SimpleNamespace(path=path, has_video=True, has_audio=True),
        "_broke_off": False,
        "_video": object(),
        "_audio": object(),
        "_declared_s": declared,
        "_has_more": False,
        **change,
    }
    return MediaStream._missing(SimpleNamespace(**values), measured)  # type: ignore[arg-type]


def test_a_file_is_truncated_when_more_than_half_a_second_of_it_is_missing(tmp_path: Path) -> None:
    assert media.TRUNCATED_S == 0.5
    assert missing_of(tmp_path, 9.5, 10.0) == ""
    assert (
        missing_of(tmp_path, 9.25, 10.0)
        == "truncated: ends at 9.25 s, its container declares 10.00 s"
    )
    assert missing_of(tmp_path, 9.0, nan) == ""
    assert missing_of(tmp_path, nan, 10.0) == ""
    assert missing_of(tmp_path, 9.0, 10.0, _audio=None) == "", (
        "the sound, which was not asked for, may be the longer"
    )
    assert missing_of(tmp_path, 9.0, 10.0, _video=None) == ""
    assert missing_of(tmp_path, 9.0, 10.0, _has_more=True) == "", "so may another stream"
    silent = SimpleNamespace(path=tmp_path / "whole", has_video=True, has_audio=False)
    assert missing_of(tmp_path, 9.0, 10.0, _audio=None, info=silent).startswith("truncated")
    assert "could not be read" in missing_of(tmp_path, 10.0, 10.0, _broke_off=True)


def test_the_report_ends_with_the_later_of_pictures_and_sound(tmp_path: Path) -> None:
    def report(last_picture: float | None, sound_end: float) -> Any:
        one: Any = MediaStream.__new__(MediaStream)
        clock = PictureClock(0.0, math.inf)
        if last_picture is not None:
            clock.time(picture(0.0, length=0.25), 0.25)
            clock.time(picture(last_picture, length=0.25), 0.25)
        path = tmp_path / "whole"
        path.write_bytes(b"no container")
        one.info = SimpleNamespace(
            path=path, has_video=True, has_audio=True, problems=("said before",)
        )
        one._pictures, one._sound, one._declared_s, one._origin_s = (
            clock,
            Resampling(8000),
            nan,
            0.0,
        )
        one._restart, one._has_more = Restart(), False
        one._video = one._audio = object()
        one._done, one._broke_off = True, False
        one._n_frames, one._n_samples = 2, 8
        one._n_bad = one._n_read_errors = one._n_sound_left_out = 0
        one._sound_start_s, one._sound_end_s, one._sizes = 0.0, sound_end, [(4, 4)]
        return one.report

    assert report(1.0, 5.0).duration_s == 5.0
    assert report(1.0, nan).duration_s == 1.25
    assert report(8.0, 5.0).duration_s == 8.25
    assert math.isnan(report(None, nan).duration_s)
    found = report(1.0, 5.0)
    assert (found.first_frame_s, found.last_frame_s, found.audio_start_s, found.audio_end_s) == (
        0.0,
        1.0,
        0.0,
        5.0,
    )
    assert found.problems == ("said before",)
    assert not found.truncated


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), Orientation()),
        ((0, 1, -1, 0), Orientation(True, True, False)),
        ((0, -1, 1, 0), Orientation(True, False, True)),
        ((-1, 0, 0, -1), Orientation(False, True, True)),
        ((-1, 0, 0, 1), Orientation(False, True, False)),
    ],
)
def test_the_display_matrix_turns_the_picture(
    matrix: tuple[int, int, int, int], expected: Orientation
) -> None:
    """Shown x' = a x + c y, y' = b x + d y: a pixel at (x, y) off the middle comes to lie at (x',
    y') off it.
    """
    a, b, c, d = matrix
    one = 1 << 16
    data = np.array([a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30], np.int32).tobytes()
    frame: Any = SimpleNamespace(side_data={"DISPLAYMATRIX": data})
    found = orientation(frame)
    assert found == expected
    stored = np.arange(9 * 3).reshape(3, 3, 3)
    shown = found.apply(stored)
    for x, y in itertools.product((-1, 0, 1), repeat=2):
        assert np.array_equal(shown[1 + b * x + d * y, 1 + a * x + c * y], stored[1 + y, 1 + x])
    assert orientation(SimpleNamespace(side_data={})) == Orientation()  # type: ignore[arg-type]

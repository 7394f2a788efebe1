"""The floor refuses what cannot be true, and says what it expected."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from twomind.types import (
    Cue,
    Features,
    Prediction,
    Recording,
    Run,
    Segment,
    Status,
    Task,
    Track,
    Word,
)


def track(n: int = 5, hop_s: float = 0.1, **more: object) -> Track:
    return Track(
        np.arange(n, dtype=np.float32)[:, None],
        np.arange(n) * hop_s,
        np.ones(n, bool),
        ("a",),
        ("px",),
        **more,
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Word("", 0, 1), "non-empty"),
        (lambda: Word("a", 1, 0), "start_s <= end_s"),
        (lambda: Word("a", 0, math.inf), "finite"),
        (lambda: Word("a", 0, 1, 1.5), r"\[0, 1\]"),
        (lambda: Recording("", "s", None), "id"),
        (lambda: Recording("r", "s", None, words=(Word("b", 1, 2), Word("a", 0, 1))), "in order"),
        (lambda: Track(np.zeros((3, 1)), np.arange(2.0), np.ones(2, bool)), r"\(2,"),
        (lambda: Track(np.zeros((2, 1)), np.array([1.0, 0.0]), np.ones(2, bool)), "non-decreasing"),
        (lambda: Track(np.zeros((2, 1)), np.arange(2.0), np.ones(2)), "bool"),
        (lambda: Track(np.zeros((2, 2)), np.arange(2.0), np.ones(2, bool), ("a",)), r"\(T, 1\)"),
        (lambda: Task("t", ("only",)), "two different"),
        (lambda: Task("t", ("a", "b"), "century"), "grain"),
        (lambda: Prediction((0, 1), np.array([0.5, 0.6])), "sum to 1"),
        (lambda: Prediction((1, 0), np.array([0.5, 0.5])), "start_s <= end_s"),
        (lambda: Prediction((0, 1), np.array([0.5, 0.5]), Status.ABSTAINED), "reason"),
        (
            lambda: Prediction((0, 1), np.array([0.5, 0.5]), Status.NOT_MEASURED, "no words"),
            "no number",
        ),
    ],
)
def test_what_cannot_be_true_is_refused(make, says) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_not_measured_carries_no_number() -> None:
    answer = Prediction.not_measured((0.0, 1.0), 2, "no words")
    assert np.isnan(answer.probs).all()
    assert answer.reason == "no words"


def test_features_have_no_field_for_a_label() -> None:
    assert not {"label", "y", "target", "segments"} & set(Features.__dataclass_fields__)


def test_column_hides_values_of_invalid_rows() -> None:
    valid = np.array([True, False, True])
    one = Track(np.array([[1.0], [2.0], [3.0]]), np.arange(3.0), valid, ("a",))
    np.testing.assert_array_equal(one.column("a"), [1.0, np.nan, 3.0])
    with pytest.raises(KeyError, match="there is: a"):
        one.column("b")


def test_grid_takes_the_nearest_row_and_never_reaches_over_a_gap() -> None:
    times = np.array([0.0, 0.1, 0.2, 1.0])
    one = Track(np.array([[0.0], [1.0], [2.0], [10.0]]), times, np.ones(4, bool), ("a",))
    got = one.on_grid(np.array([0.04, 0.06, 0.6, 0.99]), 0.1)
    np.testing.assert_array_equal(got.values[[0, 1, 3], 0], [0.0, 1.0, 10.0])
    np.testing.assert_array_equal(got.valid, [True, True, False, True])
    assert got.reasons[got.reason_code[2]] == "no sample near this time"


def test_grid_of_an_empty_track_is_all_invalid() -> None:
    empty = Track(np.empty((0, 1)), np.empty(0), np.empty(0, bool), ("a",))
    assert not empty.on_grid(np.arange(3.0), 1.0).valid.any()


def test_a_word_belongs_to_the_window_in_which_it_starts() -> None:
    words = (Word("a", 0.0, 0.6), Word("b", 0.6, 1.2), Word("c", 1.2, 1.4))
    x = Features("r", "s", {"t": track(20)}, (0.0, 2.0), words=words)
    first, second = x.between(0.0, 1.0), x.between(1.0, 2.0)
    assert [w.text for w in first.words + second.words] == ["a", "b", "c"]
    assert len(first.words) == 2
    assert len(first.tracks["t"]) + len(second.tracks["t"]) == 20


@pytest.mark.parametrize(
    "unknown",
    [
        Word("um", 0.0, 1.0),
        Segment(0.0, 1.0, "A/H", "model"),
        Cue("smile", "face", 0.0, 1.0),
        Recording("a", "P1", Path("a.mp4")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_known_in_both_is_the_same_in_every_python(
    unknown: Word | Segment | Cue | Recording,
) -> None:
    again = replace(unknown)
    assert again == unknown
    assert hash(again) == hash(unknown)
    assert {again, unknown} == {unknown}
    assert unknown != "something else"


def test_nobody_is_synthetic_unless_it_is_said() -> None:
    kinds = (Recording, Features, Run)
    defaults = {kind.__name__: kind.__dataclass_fields__["drawn"].default for kind in kinds}
    assert defaults == {"Recording": False, "Features": False, "Run": False}

"""Cues, blinks, gaze, head and voice against loops over rows, on random small tables and at every
edge.

Tables and geometry are made here: no film, no sound file, no MediaPipe.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twomind.features import events
from twomind.features.cues import CueSettings, find_cues
from twomind.features.face import blinks, gaze, head
from twomind.features.voice.track import NAMES, UNITS, VoiceResult
from twomind.types import Cue, Track

ref = importlib.import_module("reference.cues")

nan = math.nan
#: Levels among which thresholds lie exactly.
LEVEL = st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, nan])


@st.composite
def rows(draw: Any, level: Any = LEVEL, most: int = 24) -> tuple[list[float], list[float]]:
    """An uneven clock in eighths of a second, and a value per row."""
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 2, 5]), min_size=1, max_size=most))
    times = [sum(steps[:k]) / 8 for k in range(len(steps))]
    return times, draw(st.lists(level, min_size=len(times), max_size=len(times)))


# --- events and swings
# ----------------------------------------------------------------------------------------------


@settings(deadline=None, derandomize=True, max_examples=100)
@given(
    rows(),
    st.sampled_from([0.0, 0.25, 0.5]),
    st.sampled_from([0.0, 0.25, 0.5]),
    st.sampled_from([0.0, 0.125, 0.5]),
)
def test_events_are_their_definition(
    table: Any, min_s: float, merge_s: float, max_gap_s: float
) -> None:
    times, values = table
    found = events.find_events(
        np.array(times), np.array(values), 3.0, 2.0, min_s, merge_s, max_gap_s
    )
    expected = ref.events(times, values, 3.0, 2.0, min_s, merge_s, max_gap_s)
    assert [(e.start_s, e.end_s, e.value, e.peak) for e in found] == expected


def test_events_at_their_edges() -> None:
    t = np.arange(8) / 4

    def spans(values: list[float], **more: float) -> list[tuple[float, float]]:
        wish = {"enter": 3.0, "leave": 2.0, "min_s": 0.0, **more}
        return [(e.start_s, e.end_s) for e in events.find_events(t, np.array(values), **wish)]

    assert spans([0, 2, 3, 2, 0, 0, 0, 0]) == [(0.25, 1.0)], (
        "exactly enter begins, exactly leave lasts"
    )
    assert spans([0, 2, 2.999, 2, 0, 0, 0, 0]) == []
    assert spans([0, 1.999, 3, 1.999, 0, 0, 0, 0]) == [(0.5, 0.75)]
    assert spans([0, 3, 3, 0, 0, 0, 0, 0], min_s=0.5) == [(0.25, 0.75)], "exactly as long as needed"
    assert spans([0, 3, 3, 0, 0, 0, 0, 0], min_s=0.51) == []
    assert spans([3, 0, 3, 0, 0, 0, 0, 0], merge_s=0.25) == [(0.0, 0.25), (0.5, 0.75)], (
        "exactly merge_s apart are two"
    )
    assert spans([3, 0, 3, 0, 0, 0, 0, 0], merge_s=0.26) == [(0.0, 0.75)]
    assert spans([3, nan, 3, 0, 0, 0, 0, 0], max_gap_s=0.25) == [(0.0, 0.75)], (
        "exactly max_gap_s missing is bridged"
    )
    assert spans([3, nan, 3, 0, 0, 0, 0, 0], max_gap_s=0.24) == [(0.0, 0.25), (0.5, 0.75)]
    assert spans([0, 0, 0, 0, 0, 0, 0, 3]) == [(1.75, 2.0)], (
        "the last row lasts as long as a usual one"
    )
    assert spans([3] * 8) == [(0.0, 2.0)]
    assert spans([nan] * 8) == []
    assert events.find_events(np.zeros(0), np.zeros(0), 3, 2, 0) == []
    one = events.find_events(np.array([1.0]), np.array([5.0]), 3, 2, 0)
    assert [(e.start_s, e.end_s, e.value, e.peak) for e in one] == [(1.0, 1.0, 5.0, 0)]


@settings(deadline=None, derandomize=True, max_examples=100)
@given(rows(st.one_of(st.integers(-6, 6).map(float), st.just(nan)), 30), st.sampled_from([1, 2, 3]))
def test_swings_are_their_definition(table: Any, n_swings: int) -> None:
    times, values = table
    found = events.find_swings(np.array(times), np.array(values), 3.0, 0.375, n_swings, 0.125)
    expected = ref.swings(times, values, 3.0, 0.375, n_swings, 0.125)
    assert [(e.start_s, e.end_s) for e in found] == [e[:2] for e in expected]
    assert [e.value for e in found] == pytest.approx([e[2] for e in expected])
    measured = [v for v in values if math.isfinite(v)]
    assert events._turning_points(np.array(measured), 3.0) == ref.turning_points(measured, 3.0)


def swing_of(hold: int, quick: int = 1, size: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    """Up, down, up, down; each move takes ``quick`` rows of an eighth of a second and rests
    ``hold`` rows after it.
    """
    path = [0.0, 0.0]
    for k in range(4):
        start, end = (0.0, size) if k % 2 == 0 else (size, 0.0)
        path += [start + (end - start) * (i + 1) / quick for i in range(quick)]
        path += [end] * hold
    path += [path[-1]] * 2
    return np.arange(len(path)) / 8, np.array(path)


def test_a_head_that_holds_a_third_of_a_swing_is_not_shaken() -> None:
    """Slowest swing .75 s: a rest of up to .25 s is part of it, a longer one ends it."""
    for hold, n in ((0, 1), (1, 1), (2, 1), (3, 0), (4, 0)):
        t, v = swing_of(hold)
        assert len(events.find_swings(t, v, 5.0, 0.75, 3)) == n, hold
    t, v = swing_of(0, quick=6)
    assert len(events.find_swings(t, v, 5.0, 0.75, 3)) == 1, "exactly as slow as allowed"
    t, v = swing_of(0, quick=7)
    assert len(events.find_swings(t, v, 5.0, 0.75, 3)) == 0
    t, v = swing_of(0, size=5.0)
    found = events.find_swings(t, v, 5.0, 0.75, 4)
    assert [(e.start_s, e.end_s, e.value) for e in found] == [(0.125, 0.625, 5.0)], (
        "exactly the smallest swing"
    )
    assert events.find_swings(t, v, 5.001, 0.75, 1) == []
    assert events.find_swings(t, v, 5.0, 0.75, 5) == [], "four are not five"


def test_the_value_of_swings_is_their_mean_and_the_peak_is_the_end_of_the_largest() -> None:
    t = np.arange(6) / 8
    found = events.find_swings(t, np.array([0.0, 6.0, -6.0, 0.0, 0.0, 0.0]), 5.0, 0.6, 3)
    assert [(e.value, e.peak) for e in found] == [(8.0, 2)]


def test_rests_before_and_after_a_move_are_not_part_of_it() -> None:
    """Up to 2 % of the way counts as resting."""
    t = np.arange(8) / 8
    moved = events.find_swings(
        t, np.array([0.0, 0.2, 5.0, 9.8, 10.0, 10.0, 10.0, 10.0]), 5.0, 0.6, 1
    )
    assert [(e.start_s, e.end_s) for e in moved] == [(0.125, 0.375)]
    later = events.find_swings(
        t, np.array([0.0, 0.21, 5.0, 9.79, 10.0, 10.0, 10.0, 10.0]), 5.0, 0.6, 1
    )
    assert [(e.start_s, e.end_s) for e in later] == [(0.0, 0.5)]


def test_usual_time_from_row_to_row_is_the_median() -> None:
    assert events.row_s(np.array([0.0, 1.0, 2.0, 12.0])) == 1.0
    assert events.row_s(np.array([3.0])) == 0.0
    assert events.row_s(np.zeros(0)) == 0.0


# --- cues
# -----------------------------------------------------------------------------------------------------------

T = np.arange(0, 20, 0.125)


def face(**columns: Any) -> Track:
    """Eight rows a second, every measure 0 and the eyes open at .3; ``columns`` are lists of
    (start, end, value).
    """
    names = (
        "AU01",
        "AU02",
        "AU04",
        "AU12",
        "AU24",
        "pose_yaw",
        "pose_pitch",
        "pose_roll",
        "gaze_yaw",
        "gaze_pitch",
    )
    names = (*names, "eye_opening_left", "eye_opening_right")
    values = np.zeros((len(T), len(names)))
    values[:, -2:] = 0.3
    for name, pulses in columns.items():
        for start_s, end_s, value in pulses:
            values[(start_s <= T) & (end_s > T), names.index(name)] = value
    return Track(values, T, np.ones(len(T), bool), names, ("",) * len(names))


def seen(**columns: Any) -> list[tuple[str, float, float]]:
    track = face(**columns)
    return [(c.kind, c.start_s, c.end_s) for c in find_cues(track, track, None, None)]


THRESHOLDS = {
    # measure → (kind, enter, leave, shortest in s)
    "AU04": ("brow_lower", 0.06, 0.04, 0.2),
    "AU12": ("smile", 0.10, 0.06, 0.4),
    "AU24": ("lip_press", 0.07, 0.045, 0.3),
    "pose_roll": ("tilt", 7.0, 5.0, 0.4),
    "gaze_pitch": ("gaze_away", 12.0, 8.0, 0.3),
}


@pytest.mark.parametrize("measure", THRESHOLDS)
def test_a_cue_begins_exactly_at_its_threshold_and_lasts_down_to_the_lower_one(
    measure: str,
) -> None:
    kind, enter, leave, least_s = THRESHOLDS[measure]
    long = [(2.0, 2.5, leave), (2.5, 4.0, enter), (4.0, 5.0, leave)]
    assert seen(**{measure: long}) == [(kind, 2.0, 5.0)]
    assert seen(**{measure: [(2.0, 5.0, enter * 0.999)]}) == []
    below = [(2.0, 2.5, leave * 0.999), (2.5, 4.0, enter), (4.0, 5.0, leave * 0.999)]
    assert seen(**{measure: below}) == [(kind, 2.5, 4.0)]
    n = math.ceil(least_s * 8 - 1e-9)
    assert seen(**{measure: [(2.0, 2.0 + n / 8, enter)]}) == [(kind, 2.0, 2.0 + n / 8)]
    assert seen(**{measure: [(2.0, 2.0 + (n - 1) / 8, enter)]}) == []


def test_the_brow_raise_is_the_mean_of_both_parts() -> None:
    assert seen(AU01=[(2.0, 3.0, 0.16)]) == [("brow_raise", 2.0, 3.0)]
    assert seen(AU01=[(2.0, 3.0, 0.10)], AU02=[(2.0, 3.0, 0.06)]) == [("brow_raise", 2.0, 3.0)]
    assert seen(AU01=[(2.0, 3.0, 0.15)]) == []


def test_a_turn_of_the_head_is_yaw_and_pitch_together() -> None:
    kept = {"gaze_yaw": [(2.0, 4.0, -11.0)]}
    assert seen(pose_yaw=[(2.0, 4.0, 11.0)], **kept) == [("look_away", 2.0, 4.0)]
    assert seen(pose_yaw=[(2.0, 4.0, 10.99)], gaze_yaw=[(2.0, 4.0, -10.99)]) == []
    both = {"pose_yaw": [(2.0, 4.0, -6.6)], "pose_pitch": [(2.0, 4.0, 8.8)]}
    level = {"gaze_yaw": [(2.0, 4.0, 6.6)], "gaze_pitch": [(2.0, 4.0, -8.8)]}
    assert seen(**both, **level) == [("look_away", 2.0, 4.0)]
    assert seen(pose_yaw=[(2.0, 4.0, 7.0)], gaze_yaw=[(2.0, 4.0, 5.0)]) == [("gaze_away", 2.0, 4.0)]


def test_a_gaze_of_which_half_lies_in_a_turn_of_the_head_is_that_turn() -> None:
    """The line of sight is off for 2 s; the head is turned for the first part of it."""

    def kinds(turned_s: float) -> list[str]:
        found = seen(pose_yaw=[(2.0, 2.0 + turned_s, 12.0)], gaze_yaw=[(2.0 + turned_s, 4.0, 12.0)])
        return [kind for kind, _, _ in found]

    assert kinds(1.0) == ["look_away"], "exactly half"
    assert kinds(0.875) == ["look_away", "gaze_away"]
    assert kinds(1.125) == ["look_away"]

    def ending(turned_s: float) -> list[str]:
        found = seen(pose_yaw=[(4.0 - turned_s, 4.0, 12.0)], gaze_yaw=[(2.0, 4.0 - turned_s, 12.0)])
        return [kind for kind, _, _ in found]

    assert ending(1.0) == ["look_away"]
    assert ending(0.875) == ["gaze_away", "look_away"]


def test_lips_pressed_for_the_half_of_a_smile_are_the_smile() -> None:
    smile = [(2.0, 3.0, 0.2)]
    assert [k for k, *_ in seen(AU12=smile, AU24=[(2.0, 4.0, 0.1)])] == ["smile"]
    assert [k for k, *_ in seen(AU12=smile, AU24=[(2.0, 4.125, 0.1)])] == ["smile", "lip_press"]


def shaken(yaw: float, pitch_: float, start: float = 2.0) -> dict[str, Any]:
    """Three moves, an eighth of a second each, of both axes at once."""
    steps = [(0.125, 1), (0.25, -1), (0.375, 1)]
    out: dict[str, Any] = {"pose_yaw": [], "pose_pitch": []}
    for at, sign in steps:
        out["pose_yaw"].append((start + at, start + at + 0.125, sign * yaw / 2))
        out["pose_pitch"].append((start + at, start + at + 0.125, sign * pitch_ / 2))
    return out


def test_a_movement_askew_is_what_it_is_most_of() -> None:
    assert [k for k, *_ in seen(**shaken(10.0, 0.0))] == ["head_shake"]
    assert [k for k, *_ in seen(**shaken(0.0, 10.0))] == ["nod"]
    assert [k for k, *_ in seen(**shaken(12.0, 10.0))] == ["head_shake"]
    assert [k for k, *_ in seen(**shaken(10.0, 12.0))] == ["nod"]


def test_two_events_closer_than_a_quarter_of_a_second_are_one() -> None:
    assert seen(AU12=[(2.0, 3.0, 0.2), (3.125, 4.0, 0.2)]) == [("smile", 2.0, 4.0)]
    assert seen(AU12=[(2.0, 3.0, 0.2), (3.25, 4.0, 0.2)]) == [
        ("smile", 2.0, 3.0),
        ("smile", 3.25, 4.0),
    ]
    closed = [(2.0, 3.0, 0.0), (3.125, 4.0, 0.0)]
    apart = seen(eye_opening_left=closed, eye_opening_right=closed)
    assert apart == [("eyes_closed", 2.0, 3.0), ("eyes_closed", 3.125, 4.0)], (
        "closed eyes are never merged"
    )


def fine(name: str, spans: list[tuple[int, int, float]]) -> list[tuple[str, float, float]]:
    """One measure on a clock of 10 ms, spans in rows; cues with their times in rows."""
    t = np.arange(800) * 0.01
    values = np.zeros((800, 1)) if not name.startswith("eye") else np.full((800, 1), 0.3)
    for first, last, value in spans:
        values[first:last, 0] = value
    extra = {"gaze_yaw": "pose_yaw", "pose_yaw": "pose_pitch"}.get(name)
    names = (
        name,
        *((extra,) if extra else ()),
        *(("gaze_pitch", "pose_pitch") if name == "gaze_yaw" else ()),
    )
    table = np.hstack([values, np.zeros((800, len(names) - 1))])
    if name == "AU01":
        names, table = ("AU01", "AU02"), np.hstack([values, values])
    track = Track(table, t, np.ones(800, bool), names, ("",) * len(names))
    found = find_cues(track, track, None, None)
    return [(c.kind, round(c.start_s / 0.01), round(c.end_s / 0.01)) for c in found]


#: measure → (kind, a value well beyond its threshold, shortest in rows of 10 ms)
SHORTEST = {
    "AU01": ("brow_raise", 0.2, 20),
    "AU04": ("brow_lower", 0.2, 20),
    "AU12": ("smile", 0.2, 40),
    "AU24": ("lip_press", 0.2, 30),
    "pose_roll": ("tilt", 20.0, 40),
    "pose_yaw": ("look_away", 20.0, 30),
    "gaze_yaw": ("gaze_away", 20.0, 30),
    "eye_opening_left": ("eyes_closed", 0.0, 50),
}


@pytest.mark.parametrize("measure", SHORTEST)
def test_the_shortest_cue_and_the_longest_hole_in_it(measure: str) -> None:
    """To 10 ms: how short a cue may be, how much of it may be missing, and how near two of them are
    one.
    """
    kind, value, least = SHORTEST[measure]
    assert fine(measure, [(100, 100 + least, value)]) == [(kind, 100, 100 + least)]
    assert fine(measure, [(100, 99 + least, value)]) == []
    hole = 35 if measure == "gaze_yaw" else 10  # a gaze lasts through a blink
    whole = [(100, 400, value), (200, 200 + hole, nan)]
    assert fine(measure, whole) == [(kind, 100, 400)]
    n = len(fine(measure, [(100, 400, value), (200, 201 + hole, nan)]))
    assert n == 2
    merged = measure != "eye_opening_left"
    near = [(100, 200, value), (224, 324, value)]
    assert len(fine(measure, near)) == (1 if merged else 2)
    assert len(fine(measure, [(100, 200, value), (226, 326, value)])) == 2


@pytest.mark.parametrize(
    ("measure", "enter", "leave"),
    [("pose_yaw", 11.0, 7.0), ("AU01", 0.08, 0.05), ("eye_opening_left", 0.3 * 0.35, 0.3 * 0.55)],
)
def test_thresholds_of_turns_brow_raises_and_closed_eyes(
    measure: str, enter: float, leave: float
) -> None:
    """Just at the upper threshold it begins, just at the lower one it lasts, and beyond either it
    does not.
    """
    kind = SHORTEST[measure][0]
    inward = -1e-6 if measure.startswith("eye") else 1e-6
    shape = [(100, 200, leave + inward), (200, 260, enter + inward), (260, 400, leave + inward)]
    assert fine(measure, shape) == [(kind, 100, 400)]
    assert fine(measure, [(100, 400, enter - inward)]) == []
    shape = [(100, 200, leave - inward), (200, 260, enter + inward), (260, 400, leave - inward)]
    assert fine(measure, shape) == [(kind, 200, 260)]


def test_missing_rows_do_not_end_a_gaze_that_a_blink_interrupts() -> None:
    """Rows an eighth of a second apart: two missing rows are .25 s, three are .375 s."""
    two, three = (
        seen(gaze_yaw=[(2.0, 3.0, 15.0), (3.0, 3.0 + n / 8, nan), (3.0 + n / 8, 5.0, 15.0)])
        for n in (2, 3)
    )
    assert two == [("gaze_away", 2.0, 5.0)]
    assert three == [("gaze_away", 2.0, 3.0), ("gaze_away", 3.375, 5.0)]


def test_a_head_shake_or_nod_by_its_settings() -> None:
    """Three swings of 5 degrees or more, each in .6 s or less (four rows are .5 s, five .625 s)."""

    def zigzag(axis: str, size: float, rows_: int, n: int) -> list[str]:
        steps = []
        level, at = 0.0, 2.0
        for k in range(n):
            target = size if k % 2 == 0 else 0.0
            for i in range(1, rows_ + 1):
                steps.append((at, at + 0.125, level + (target - level) * i / rows_))
                at += 0.125
            level = target
        steps.append((at, 20.0, level))
        # The eyes stay on the screen.
        away = [(a, b, -v) for a, b, v in steps]
        return [k for k, *_ in seen(**{f"pose_{axis}": steps, f"gaze_{axis}": away})]

    for axis, kind in (("yaw", "head_shake"), ("pitch", "nod")):
        assert zigzag(axis, 5.0, 4, 4) == [kind]
        assert zigzag(axis, 4.99, 4, 4) == []
        assert zigzag(axis, 5.0, 5, 4) == []
        assert zigzag(axis, 5.0, 4, 2) == []


def test_shakes_that_are_half_of_a_turn_are_no_look_away() -> None:
    """A turned head that shakes for three eighths of a second of a turn of .625 s."""
    steps = [(2.0, 2.125, 20.0), (2.125, 2.25, 8.0), (2.25, 2.375, 20.0), (2.375, 2.5, 8.0)]
    short = seen(
        pose_yaw=[*steps, (2.5, 2.625, 8.0)],
        gaze_yaw=[(a, b, -v) for a, b, v in [*steps, (2.5, 2.625, 8.0)]],
    )
    assert [k for k, *_ in short] == ["head_shake"]
    long = [*steps, (2.5, 4.0, 8.0)]
    found = seen(pose_yaw=long, gaze_yaw=[(a, b, -v) for a, b, v in long])
    assert sorted(k for k, *_ in found) == ["head_shake", "look_away"]


def test_what_a_cue_tells_beside_its_time() -> None:
    track = face(
        pose_yaw=[(2.0, 3.0, -20.0)], pose_pitch=[(2.0, 3.0, 20.0)], pose_roll=[(5.0, 6.0, -9.0)]
    )
    found = {
        c.kind: (c.value, c.unit, c.detail, c.modality) for c in find_cues(track, track, None, None)
    }
    assert found["look_away"] == (
        pytest.approx(math.hypot(20, 20)),
        "deg",
        "to the own right",
        "head",
    ), "a tie: across"
    assert found["tilt"] == (9.0, "deg", "to the own right", "head")
    up = face(gaze_pitch=[(2.0, 3.0, 15.0)], gaze_yaw=[(2.0, 3.0, 14.0)])
    assert [c.detail for c in find_cues(up, up, None, None)] == ["up"]
    down = face(gaze_pitch=[(2.0, 3.0, -15.0)])
    assert [c.detail for c in find_cues(down, down, None, None)] == ["down"]
    left = face(gaze_yaw=[(2.0, 3.0, 15.0)])
    assert [c.detail for c in find_cues(left, left, None, None)] == ["to the own left"]


def test_eyes_closed_are_measured_against_the_75th_percentile_of_the_opening() -> None:
    """Half of the rows at .30, a quarter at .40, the rest lower: the 75th percentile lies between
    .30 and .40.
    """
    opening = np.full(len(T), 0.3)
    opening[:40] = 0.4
    opening[60:76] = 0.0
    opening[100:106] = 0.11
    usual = ref.percentile(opening.tolist(), 75)
    names = ("eye_opening_left", "eye_opening_right")
    track = Track(np.stack([opening, opening], 1), T, np.ones(len(T), bool), names, ("", ""))
    found = [c for c in find_cues(track, None, None, None) if c.kind == "eyes_closed"]
    shut = [1 - v / usual for v in opening.tolist()]
    expected = ref.events(T.tolist(), shut, 0.65, 0.45, 0.5, 0.0, 0.1)
    assert [(c.start_s, c.end_s) for c in found] == [e[:2] for e in expected]
    assert [c.value for c in found] == pytest.approx([e[2] for e in expected])


@pytest.mark.parametrize("height", [0.105, 0.1049, 0.1051])
def test_eyes_are_closed_from_65_percent_shut_on(height: float) -> None:
    # Of an usual opening of .3, .105 is 65 % shut.
    columns = {f"eye_opening_{side}": [(4.0, 5.0, height)] for side in ("left", "right")}
    assert (seen(**columns) == [("eyes_closed", 4.0, 5.0)]) == (1 - height / 0.3 >= 0.65)


def test_the_usual_opening_is_no_median_and_no_maximum() -> None:
    """60 of 100 rows half shut, 40 open: usual is open (.4); .13 is 67.5 % shut then, .15 is 62.5
    %.
    """
    n = 100
    t = np.arange(n) / 8
    opening = np.array([0.2] * 58 + [0.4] * 42)
    for height, closed in ((0.13, True), (0.15, False)):
        mine = opening.copy()
        mine[10:18] = height
        track = Track(mine[:, None], t, np.ones(n, bool), ("eye_opening_left",), ("",))
        found = [c for c in find_cues(track, None, None, None) if c.kind == "eyes_closed"]
        assert bool(found) == closed
    one_high = np.full(n, 0.3)
    one_high[50] = 0.9
    one_high[10:18] = 0.15  # half shut of .3, but five sixths of the maximum
    track = Track(one_high[:, None], t, np.ones(n, bool), ("eye_opening_left",), ("",))
    assert not find_cues(track, None, None, None)


def test_without_a_neutral_the_median_of_the_recording_is_taken_off() -> None:
    track = face(AU12=[(0.0, 20.0, 0.3), (4.0, 5.0, 0.41), (6.0, 7.0, 0.39), (8.0, 9.0, 0.30)])
    found = find_cues(track, None, None, None)
    assert [(c.kind, c.start_s) for c in found] == [("smile", 4.0)]
    # A few rows far out move a mean, not the median.
    track = face(AU12=[(0.0, 3.0, 2.0), (4.0, 5.0, 0.12)])
    assert [c.start_s for c in find_cues(track, None, None, None)] == [0.0, 4.0]


def heard(stretches: list[tuple[int, int]], pause_rows: int = 50) -> VoiceResult:
    """Stretches of (rows of speech, syllables) with pauses between."""
    speech: list[float] = []
    nuclei: list[float] = []
    spans = []
    for k, (n, syllables) in enumerate(stretches):
        if k:
            spans.append((len(speech) * 0.01, (len(speech) + pause_rows) * 0.01))
            speech += [0.0] * pause_rows
            nuclei += [0.0] * pause_rows
        speech += [1.0] * n
        nuclei += [1.0] * syllables + [0.0] * (n - syllables)
    n = len(speech)
    values = np.stack([np.array(speech), np.full(n, nan), np.full(n, nan), np.array(nuclei)], 1)
    track = Track(values, np.arange(n) * 0.01, np.ones(n, bool), NAMES, UNITS)
    return VoiceResult(track, tuple(spans), {"articulation_rate_per_s": 4.0})


def rate_cues(stretches: list[tuple[int, int]], **more: Any) -> list[Cue]:
    found = find_cues(None, None, heard(stretches), None, CueSettings(long_pause_s=99.0, **more))
    return list(found)


def test_speech_is_slow_or_fast_against_the_median_stretch_not_the_mean() -> None:
    # Rates 4, 4, 4, 6 and 2.6 per second: the median is 4, so 6 is 1.5 times and 2.6 is .65 of it,
    # both exactly.
    found = rate_cues([(500, 20), (500, 20), (500, 20), (500, 30), (500, 13)])
    assert [(c.kind, c.value) for c in found] == [("fast_speech", 6.0), ("slow_speech", 2.6)]
    assert [(c.start_s, c.end_s) for c in found] == [
        (pytest.approx(16.5), pytest.approx(21.5)),
        (pytest.approx(22.0), pytest.approx(27.0)),
    ]
    assert found[0].unit == "syllables/s"
    assert rate_cues([(500, 20), (500, 20), (500, 20), (500, 29), (500, 14)]) == []
    # One stretch far out moves the mean (12) so that 20 would be slow no more; by the median it
    # alone is fast.
    found = rate_cues([(500, 20), (500, 20), (500, 20), (500, 20), (500, 220)])
    assert [c.kind for c in found] == ["fast_speech"]
    # An even number of stretches: the mean of the middle two.
    found = rate_cues([(500, 10), (500, 20), (500, 24), (500, 34)])
    assert [(c.kind, c.value) for c in found] == [("slow_speech", 2.0), ("fast_speech", 6.8)]


def test_rates_need_long_stretches_and_enough_of_them() -> None:
    many = [(500, 20), (500, 20), (500, 20)]
    assert [c.kind for c in rate_cues([*many, (150, 12)])] == ["fast_speech"], (
        "1.5 s is long enough"
    )
    assert rate_cues([*many, (149, 12)]) == []
    assert rate_cues([*many, (149, 12), (500, 20)]) == []
    assert rate_cues([*many[:2], (500, 40)]) == [], "three stretches are too few"
    assert [c.kind for c in rate_cues([*many[:2], (500, 40)], n_rate_stretches=3)] == [
        "fast_speech"
    ]
    silent = [(500, 0)] * 4
    assert rate_cues(silent) == [], "no syllables at all: nothing is slow"


def test_a_rate_differs_by_a_syllable_per_second_at_least() -> None:
    """Where hardly a syllable was found, two thirds of the usual rate is one syllable more or less."""
    few = [(500, 10)] * 4
    assert rate_cues([*few, (500, 6)]) == [], "2 and 1.2 per second"
    assert len(rate_cues([*few, (500, 5)])) == 1, "2 and 1 per second"


def test_a_long_pause_lasts_a_second_or_more() -> None:
    voice_ = heard([(100, 4), (100, 4), (100, 4)], 100)
    spans = ((1.0, 2.0), (3.0, 3.999))
    found = find_cues(None, None, VoiceResult(voice_.track, spans, voice_.summary), None)
    assert [(c.kind, c.start_s, c.end_s, c.value, c.unit) for c in found] == [
        ("long_pause", 1.0, 2.0, 1.0, "s")
    ]


def test_where_rates_were_not_measured_there_is_no_rate_cue() -> None:
    voice_ = heard([(500, 20), (500, 20), (500, 20), (500, 40)])
    for summary in ({}, {"articulation_rate_per_s": nan}):
        assert find_cues(None, None, VoiceResult(voice_.track, (), summary), None) == ()


# --- blinks
# ---------------------------------------------------------------------------------------------------------

OPENING = st.sampled_from([0.0, 0.1, 0.14, 0.15, 0.17, 0.18, 0.3, 0.3, 0.3, 0.32, nan])


@settings(deadline=None, derandomize=True, max_examples=80)
@given(rows(OPENING, 40))
def test_blinks_are_their_definition(table: Any) -> None:
    times, opening = table
    s = blinks.BlinkSettings(level_window_s=2.0, open_at=0.0, max_step_s=np.inf)
    found_rows, found = blinks.find_blinks(np.array(times), np.array(opening), s)
    expected_rows, expected = ref.blinks(times, opening, 2.0, 0.6, 0.5, 0.8, 0.25)
    np.testing.assert_array_equal(found_rows, expected_rows)
    assert [(b.start_s, b.end_s) for b in found] == [e[:2] for e in expected]
    assert [b.depth for b in found] == pytest.approx([e[2] for e in expected])
    level = blinks.open_level(np.array(opening), np.array(times), 2.0)
    assert level == pytest.approx(ref.open_level(opening, times, 2.0), nan_ok=True)


def blinked(
    values: dict[int, float], n: int = 40, step_s: float = 0.05, **more: Any
) -> list[blinks.Blink]:
    opening = np.full(n, 1.0)
    for i, v in values.items():
        opening[i] = v
    return list(blinks.find_blinks(np.arange(n) * step_s, opening, blinks.BlinkSettings(**more))[1])


def test_a_blink_at_its_edges() -> None:
    assert len(blinked({10: 0.5})) == 1, "exactly half of the open level is reached"
    assert len(blinked({10: 0.501})) == 0
    # From .6 of the open level on the eye is open: a row there ends the blink.
    (one,) = blinked({10: 0.5, 11: 0.59})
    assert (one.start_s, one.end_s, one.depth) == (pytest.approx(0.5), pytest.approx(0.6), 0.5)
    (one,) = blinked({10: 0.5, 11: 0.6})
    assert one.end_s == pytest.approx(0.55)
    quarter = {"n": 20, "step_s": 0.25, "max_gap_s": 0.25, "max_step_s": 0.25}
    assert len(blinked({10: 0.2, 11: 0.2, 12: 0.2}, max_s=0.75, **quarter)) == 1, (
        "exactly as long as allowed"
    )
    assert len(blinked({10: 0.2, 11: 0.2, 12: 0.2}, max_s=0.74, **quarter)) == 0
    assert len(blinked({10: 0.2}, n=20, step_s=0.25, max_gap_s=0.24, max_step_s=1)) == 0, (
        "a hole cuts it"
    )
    assert blinked({0: 0.2}) == []
    assert blinked({39: 0.2}) == []
    assert len(blinked({1: 0.2})) == 1
    assert len(blinked({38: 0.2})) == 1


def test_the_open_level_is_the_75th_percentile() -> None:
    """0 … 100 in one window: 75; a median would give 50, a maximum 100."""
    level = blinks.open_level(np.arange(101.0), np.arange(101) / 100, 20.0)
    assert level == pytest.approx(np.full(101, 75.0))
    few = blinks.open_level(np.array([nan, 1.0, 2.0, 3.0, 4.0]), np.arange(5.0), 2.0)
    assert few == pytest.approx(np.full(5, 3.25)), "no window has five rows: all rows together"
    assert np.isnan(blinks.open_level(np.full(3, nan), np.arange(3.0), 2.0)).all()


# --- gaze and head
# --------------------------------------------------------------------------------------------------


def eyes(left: tuple[float, float], right: tuple[float, float]) -> np.ndarray:
    """A derotated face whose irises lie off the middle of the corners by so much."""
    points = np.zeros((1, 478, 3))
    for iris, corners, middle, off in (
        (gaze.RIGHT_IRIS, head.RIGHT_EYE_CORNERS, -0.5, right),
        (gaze.LEFT_IRIS, head.LEFT_EYE_CORNERS, 0.5, left),
    ):
        points[0, corners[0], :2] = middle - 0.2, 0.01
        points[0, corners[1], :2] = middle + 0.2, -0.01
        points[0, iris, :2] = middle + off[0], off[1]
    return points


def test_gaze_is_the_arcsine_of_the_iris_off_the_middle_of_the_corners() -> None:
    """Eyeball radius .19; of a straight look the iris lies .027 over the corners."""
    left, right = (0.05, -0.06), (0.03, -0.02)
    found = gaze.gaze_deg(eyes(left, right), np.array([[0.3, 0.3]]))[0]
    across, down = (0.05 + 0.03) / 2, (-0.06 - 0.02) / 2
    assert found[0] == pytest.approx(math.degrees(math.asin(across / 0.19)))
    assert found[1] == pytest.approx(math.degrees(math.asin((-down - 0.027) / 0.19)))
    only_left = gaze.gaze_deg(eyes(left, right), np.array([[0.149, 0.15]]))[0]
    assert only_left[0] == pytest.approx(math.degrees(math.asin(0.05 / 0.19))), (
        "opening is (right, left); .15 counts"
    )
    assert np.isnan(gaze.gaze_deg(eyes(left, right), np.array([[0.1, 0.1]]))).all()
    assert np.isnan(gaze.gaze_deg(eyes(left, right), np.array([[nan, 0.1]]))).all()
    edge = math.sin(math.radians(50.0)) * 0.19
    assert gaze.gaze_deg(eyes((edge * 0.999, 0), (edge * 0.999, 0)), np.ones((1, 2)))[
        0, 0
    ] == pytest.approx(50, abs=0.1)
    beyond = gaze.gaze_deg(eyes((edge * 1.001, 0), (edge * 1.001, 0)), np.ones((1, 2)))[0]
    assert math.isnan(beyond[0])
    assert not math.isnan(beyond[1])
    assert gaze.gaze_deg(eyes((-0.05, 0), (-0.05, 0)), np.ones((1, 2)))[0, 0] < 0


def turned(yaw: float, pitch_: float, roll: float) -> np.ndarray:
    """Rotation of a head, from where it looks and where its own left ear points; x right, y down, z
    away.
    """
    a, b, c = (math.radians(v) for v in (yaw, pitch_, roll))
    ahead = np.array([math.sin(a) * math.cos(b), -math.sin(b), -math.cos(a) * math.cos(b)])
    level = np.array([math.cos(a), 0.0, math.sin(a)])
    down = np.cross(level, ahead)
    own_left = math.cos(c) * level + math.sin(c) * down
    back = -ahead
    return np.stack([own_left, np.cross(back, own_left), back], axis=1)


ANGLES = [
    (0, 0, 0),
    (20, 0, 0),
    (-20, 0, 0),
    (0, 15, 0),
    (0, -15, 0),
    (0, 0, 10),
    (0, 0, -10),
    (25, -10, 8),
    (-33, 20, 5),
]


@pytest.mark.parametrize("angles", ANGLES)
def test_head_angles_come_back_from_a_turned_face(angles: tuple[float, float, float]) -> None:
    rotation = turned(*angles)
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert head.pose_deg(rotation[None])[0] == pytest.approx(angles, abs=1e-9)
    points = np.random.default_rng(1).normal(scale=0.4, size=(478, 3))
    points[head.STABLE] = head.REFERENCE
    picture = points @ rotation.T * 63.0 + np.array([320.0, 240.0, 10.0])
    found = head.derotate(picture[None])
    assert found.rotation[0] == pytest.approx(rotation, abs=1e-9)
    assert found.face[0] == pytest.approx(points, abs=1e-9)
    assert found.iod_px[0] == pytest.approx(63.0)


def test_the_unit_of_a_face_is_its_own_distance_between_the_eyes() -> None:
    """Eyes twice as far apart, everything else as it is: half the size in that unit."""
    points = np.zeros((478, 3))
    points[head.STABLE] = head.REFERENCE
    for corner in head.RIGHT_EYE_CORNERS:
        points[corner, 0] -= 0.5
    for corner in head.LEFT_EYE_CORNERS:
        points[corner, 0] += 0.5
    found = head.derotate(points[None] * 10)
    assert found.iod_px[0] == pytest.approx(20.0)
    assert found.face[0, 10, 1] == pytest.approx(-0.93 / 2)
    with pytest.raises(ValueError, match="landmarks"):
        head.derotate(np.zeros((1, 468, 3)))

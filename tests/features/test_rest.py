"""The resting face of a recording without a neutral clip, and what a cue needs besides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twomind.features.cues import CueSettings, doubtful_cues, find_cues
from twomind.features.describe import describe
from twomind.features.events import find_events
from twomind.features.face.rest import Rest, estimate_rest, less_rest
from twomind.media.recording import open_recording
from twomind.types import Cue, Track

FPS = 30.0
UNITS = ("AU01", "AU02", "AU04", "AU12", "AU12_left", "AU12_right", "AU24", "AU25", "AU26")
NAMES = (*UNITS, "eye_opening_left", "eye_opening_right", "pose_yaw")
#: A person at rest: what people measure.
REST = {"AU01": -0.05, "AU02": -0.05, "AU04": 0.06, "AU12": -0.16, "AU24": -0.04}


def person(duration_s: float, **pulses: list[tuple[float, float, float]]) -> Track:
    """Somebody with (start_s, end_s, change) of units; both corners of the mouth go with AU12."""
    t = np.arange(0, duration_s, 1 / FPS)
    rng = np.random.default_rng(1)
    values = 0.004 * rng.normal(size=(len(t), len(NAMES)))
    for name, value in REST.items():
        values[:, NAMES.index(name)] += value
    for name in ("AU12_left", "AU12_right"):
        values[:, NAMES.index(name)] += REST["AU12"]
    for name in ("eye_opening_left", "eye_opening_right"):
        values[:, NAMES.index(name)] += 0.3
    for name, spans in pulses.items():
        columns = [name, "AU12_left", "AU12_right"] if name == "AU12" else [name]
        for start_s, end_s, change in spans:
            rows = (t >= start_s) & (t < end_s)
            values[np.ix_(rows, [NAMES.index(column) for column in columns])] += change
    return Track(values, t, np.ones(len(t), bool), NAMES, ("",) * len(NAMES))


def cues_of(track: Track, kind: str) -> list[Cue]:
    found = find_cues(track, None, None, None, rest=estimate_rest(track))
    return [cue for cue in found if cue.kind == kind]


def test_a_grin_that_fills_two_of_three_seconds_is_a_smile() -> None:
    grin = person(3.0, AU12=[(1.0, 3.0, 0.28)], AU25=[(1.0, 3.0, 0.2)])
    (smile,) = cues_of(grin, "smile")
    assert smile.start_s == pytest.approx(1.0, abs=0.05)
    assert smile.end_s == pytest.approx(3.0, abs=0.05)
    assert not [c for c in find_cues(grin, None, None, None) if c.kind == "smile"], "the median"


def test_closed_lips_are_no_smile_where_the_mouth_is_mostly_open() -> None:
    # A mouth that is wide open draws its corners down.
    talk = {"AU12": [(1.0, 4.0, -0.3)], "AU25": [(1.0, 4.0, 0.6)]}
    assert not cues_of(person(4.0, **talk), "smile")
    assert [c for c in find_cues(person(4.0, **talk), None, None, None) if c.kind == "smile"]


def test_rest_is_what_the_person_shows_and_sure_where_it_is_shown_for_long() -> None:
    long = estimate_rest(person(10.0))
    short = estimate_rest(person(0.7))
    assert long.units["AU12"].value == pytest.approx(REST["AU12"], abs=0.01)
    assert long.units["AU12"].sd < short.units["AU12"].sd
    assert long.seconds == pytest.approx(10.0, abs=0.5)
    assert not doubtful_cues(long)


def test_rest_that_was_never_shown_is_doubtful_and_gives_no_cue() -> None:
    nowhere = person(4.0, AU25=[(0.0, 4.0, 0.3)], AU12=[(2.0, 3.0, 0.3)])
    rest = estimate_rest(nowhere)
    assert rest.seconds == 0.0
    doubts = doubtful_cues(rest)
    assert set(doubts) == {"brow_raise", "brow_lower", "smile", "lip_press"}
    assert "--neutral" in doubts["smile"]
    assert not find_cues(nowhere, None, None, None, rest=rest)
    # A closed smile all the time lies far from what people measure at rest.
    always = person(3.0, AU12=[(0.0, 3.0, 0.3)])
    assert "smile" in doubtful_cues(estimate_rest(always))
    assert not doubtful_cues(rest, CueSettings(most_doubt=99.0))


def test_a_neutral_that_was_given_leaves_no_doubt() -> None:
    track = person(4.0, AU25=[(0.0, 4.0, 0.3)], AU12=[(2.0, 3.0, 0.3)])
    given = less_rest(track, estimate_rest(person(4.0)))
    kinds = [c.kind for c in find_cues(track, given, None, None, rest=estimate_rest(track))]
    assert kinds == ["smile"]


def test_synthetic_people_have_a_population_of_their_own() -> None:
    track = person(3.0)
    average = Track(track.values - track.values[0], track.times_s, track.valid, NAMES, track.units)
    assert estimate_rest(average, drawn=True).units["AU12"].sd < 0.04
    sure = estimate_rest(average, drawn=True).units["AU12"].sd
    assert sure < estimate_rest(average).units["AU12"].sd


def test_a_grimace_of_one_half_is_no_smile() -> None:
    one_half = person(6.0, AU12=[(3.0, 4.0, 0.16)])
    values = np.array(one_half.values)
    rows = (one_half.times_s >= 3.0) & (one_half.times_s < 4.0)
    assert cues_of(one_half, "smile")
    values[rows, NAMES.index("AU12_right")] -= 0.14
    grimace = Track(values, one_half.times_s, one_half.valid, NAMES, one_half.units)
    assert not cues_of(grimace, "smile")
    # A half that is turned away is not asked for.
    values[rows, NAMES.index("AU12_right")] = np.nan
    turned = Track(values, one_half.times_s, one_half.valid, NAMES, one_half.units)
    assert cues_of(turned, "smile")


def test_a_smile_with_one_eye_shut_is_none() -> None:
    smile = {"AU12": [(3.0, 4.0, 0.16)]}
    assert not cues_of(person(6.0, **smile, eye_opening_left=[(2.9, 4.1, -0.28)]), "smile")
    both = {"eye_opening_left": [(3.0, 4.0, -0.28)], "eye_opening_right": [(3.0, 4.0, -0.28)]}
    assert cues_of(person(6.0, **smile, **both), "smile")


def test_lips_are_pressed_only_in_a_closed_mouth() -> None:
    narrow = {"AU24": [(3.0, 4.0, 0.1)]}
    assert cues_of(person(6.0, **narrow), "lip_press")
    assert not cues_of(person(6.0, **narrow, AU25=[(2.8, 4.2, 0.5)]), "lip_press")


def test_a_slow_way_back_does_not_count() -> None:
    t = np.arange(0, 20, 0.1)
    values = np.where((t >= 5) & (t < 6), 1.0, 0.0)
    values[(t >= 6) & (t < 15)] = 0.6
    (late,) = find_events(t, values, 0.9, 0.5, 0.3)
    assert late.end_s == pytest.approx(15.0)
    (event,) = find_events(t, values, 0.9, 0.5, 0.3, edge_s=1.5)
    assert event.start_s == pytest.approx(5.0)
    assert event.end_s == pytest.approx(7.5, abs=0.11)
    assert find_events(t, values * 0, 0.9, 0.5, 0.3, edge_s=1.5) == []


def test_without_estimates_the_median_is_taken_off() -> None:
    track = person(4.0, AU12=[(0.0, 3.0, 0.3)])
    own = less_rest(track, Rest({}, 0.0))
    assert np.median(own.column("AU12")) == pytest.approx(0.0)


def test_clips_of_people_that_were_coded_by_eye(shared: Path) -> None:
    pytest.importorskip("mediapipe")
    folder = shared / "data" / "expressive"
    if not folder.is_dir():
        pytest.skip("no clips of people here")
    frown = describe(open_recording(folder / "frown_wink.mp4"), ("face",))
    assert not [cue for cue in frown.cues if cue.kind == "smile"]
    lowered = [cue for cue in frown.cues if cue.kind == "brow_lower"]
    for start_s, end_s in ((3.5, 5.5), (7.5, 8.8)):
        assert [c for c in lowered if abs(c.start_s - start_s) < 0.5 and abs(c.end_s - end_s) < 0.5]
    mouth = describe(open_recording(folder / "mouth_wide_open.mp4"), ("face",))
    assert not [c for c in mouth.cues if c.kind == "smile" and c.start_s < 0.45]
    assert not [c for c in mouth.cues if c.kind == "lip_press" and 3.9 < c.start_s < 5.2]
    assert mouth.face["rest"]["doubtful_cues"].keys() == {"smile"}
    grin = describe(open_recording(shared / "data" / "faces" / "single_face.mp4"), ("face",))
    (smile,) = [cue for cue in grin.cues if cue.kind == "smile"]
    assert smile.start_s == pytest.approx(0.6, abs=0.15)

"""The body: planted poses give their measures and cues, and nothing is measured where it is not
seen.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import MissingWeights
from twomind.features.body import finder
from twomind.features.body.cues import KINDS, body_cues
from twomind.features.body.finder import Seen
from twomind.features.body.measures import MEASURES, NAMES, UNITS
from twomind.features.body.reader import BodyReader, BodySettings, of_the_face
from twomind.features.cues import KINDS as ALL_KINDS
from twomind.types import Track

VERDICTS = Path(__file__).with_name("seen_verdicts") / "body.csv"
FPS = 25
IOD_PX = 40.0
RGB = np.zeros((480, 640, 3), np.uint8)


@dataclass(frozen=True)
class Picture:
    time_s: float
    rgb: np.ndarray


def pose_of(
    x: float = 0.0, y: float = 0.0, scale: float = 1.0, left: float = 0.0, right: float = 0.0
) -> np.ndarray:
    """A sitting person, in px: moved by x and y iod, larger by a scale, shoulders raised by iod."""
    points = np.zeros((33, 2))
    points[2], points[5] = (0.5, 0), (-0.5, 0)  # the person's own left is on the picture's right
    points[7], points[8] = (1.2, 0.2), (-1.2, 0.2)
    points[9], points[10] = (0.3, 1.1), (-0.3, 1.1)
    points[11], points[12] = (3.0, 3.2 - left), (-3.0, 3.2 - right)
    points = np.array([320, 120]) + IOD_PX * (scale * points + [x, y])
    return np.column_stack([points, np.ones(33)])


def hand_at(x: float, y: float) -> np.ndarray:
    """A hand, iod from the middle of the eyes."""
    return np.array([320, 120]) + IOD_PX * (np.array([x, y]) + np.zeros((21, 2)))


class Planted:
    """A finder that sees what a function of time says."""

    def __init__(self, at: Callable[[float], Seen]) -> None:
        self.at, self.times_s, self.closed = at, [], False
        self.time_s = 0.0

    def look(self, rgb: np.ndarray) -> Seen:
        self.times_s.append(self.time_s)
        return self.at(self.time_s)

    def close(self) -> None:
        self.closed = True


def read(at: Callable[[float], Seen], duration_s: float = 12.0) -> tuple[Track, dict[str, object]]:
    planted = Planted(at)
    reader = BodyReader(BodySettings(True), planted)
    for k in range(round(duration_s * FPS)):
        planted.time_s = k / FPS
        reader.push(Picture(k / FPS, RGB))
    result = reader.finish()
    assert planted.closed
    assert len(planted.times_s) == pytest.approx(5 * duration_s, abs=1), "every fifth frame"
    return result.track, dict(result.summary)


def within(time_s: float, start_s: float, end_s: float) -> bool:
    return start_s <= time_s < end_s


def cues_of(
    at: Callable[[float], Seen], duration_s: float = 12.0
) -> list[tuple[str, float, float]]:
    track, _ = read(at, duration_s)
    return [(c.kind, round(c.start_s, 1), round(c.end_s, 1)) for c in body_cues(track)]


def test_measures_have_names_units_and_the_points_they_are_made_of() -> None:
    track, summary = read(lambda t: Seen(pose_of(left=0.25), (hand_at(4, 3),)), 4.0)
    assert track.names == NAMES
    assert track.units == UNITS
    assert len(MEASURES) == 11
    row = {name: float(track.column(name)[3]) for name in NAMES}
    assert row["shoulder_width"] == pytest.approx(6.0, abs=0.02)
    assert row["right_shoulder_raise"] == pytest.approx(-3.0, abs=1e-4)
    assert row["left_shoulder_raise"] == pytest.approx(-2.75, abs=1e-4)
    assert row["hands"] == 1
    assert row["hand_at_face"] == 0
    assert row["body_motion"] == pytest.approx(0, abs=1e-4)
    assert row["left_shoulder_x"] == pytest.approx((320 + 3 * IOD_PX) / 640, abs=1e-4)
    assert row["quality"] == 1
    assert summary["n_shoulders"] == summary["n_rows"] == 20


def test_nothing_of_somebody_who_sits_still() -> None:
    rng = np.random.default_rng(0)

    def at(t: float) -> Seen:
        pose = pose_of()
        pose[:, :2] += rng.normal(0, 0.04 * IOD_PX, (33, 2))
        return Seen(pose, (hand_at(4, 4),))

    assert not cues_of(at, 40.0)


def test_a_shrug_is_both_shoulders_for_short_and_a_raise_is_not() -> None:
    shrug = cues_of(
        lambda t: Seen(pose_of(**dict.fromkeys(("left", "right"), 0.8 * within(t, 5, 6))))
    )
    assert shrug == [("shrug", 5.0, 6.0)]
    held = cues_of(
        lambda t: Seen(pose_of(**dict.fromkeys(("left", "right"), 0.8 * within(t, 5, 9)))), 20
    )
    assert held == [("shoulder_raise", 5.0, 9.0)]
    one = cues_of(lambda t: Seen(pose_of(left=0.8 * within(t, 5, 7))))
    assert one == [("shoulder_raise", 5.0, 7.0)]
    small = cues_of(
        lambda t: Seen(pose_of(left=0.3 * within(t, 5, 6), right=0.3 * within(t, 5, 6)))
    )
    assert not small


def test_a_lowered_head_is_no_shrug() -> None:
    """The ears come nearer to the shoulders, which stay where they are."""

    def at(t: float) -> Seen:
        pose = pose_of()
        pose[:11, 1] += 0.8 * IOD_PX * within(t, 5, 6)
        return Seen(pose)

    assert not [kind for kind, _, _ in cues_of(at) if kind in ("shrug", "shoulder_raise")]


def test_a_shift_stays_and_a_sway_comes_back() -> None:
    [shift] = cues_of(lambda t: Seen(pose_of(x=1.6 * (t >= 6))))
    assert shift[0] == "posture_shift"
    assert shift[1] <= 6.0 <= shift[2]
    assert not cues_of(lambda t: Seen(pose_of(x=1.6 * within(t, 6, 6.6))))


def test_leaning_away_needs_face_and_shoulders() -> None:
    away = cues_of(lambda t: Seen(pose_of(scale=1 - 0.2 * within(t, 5, 8))), 16)
    assert ("lean_away", 5.0, 8.0) in away

    def turned(t: float) -> Seen:
        pose = pose_of()
        if within(t, 5, 8):
            pose[[11, 12], 0] = 320 + 0.7 * (pose[[11, 12], 0] - 320)
        return Seen(pose)

    assert not [kind for kind, _, _ in cues_of(turned, 16) if kind == "lean_away"]


def test_a_hand_at_the_face_and_one_that_moves() -> None:
    at_face = cues_of(
        lambda t: Seen(pose_of(), (hand_at(0.4, 0.8) if within(t, 4, 6) else hand_at(4, 3),))
    )
    assert ("hand_at_face", 4.0, 6.0) in at_face

    def waving(t: float) -> Seen:
        return Seen(
            pose_of(), (hand_at(4 + (1.0 if int(t * 5) % 2 else 0.0) * within(t, 4, 6), 3),)
        )

    assert [kind for kind, _, _ in cues_of(waving)] == ["hand_movement"]
    still = cues_of(lambda t: Seen(pose_of(), (hand_at(4, 3),) if within(t, 4, 6) else ()))
    assert not still, "a hand that comes and goes is not known to move"


def test_restless_is_who_moves_most_of_the_time() -> None:
    def moving(t: float) -> Seen:
        return Seen(pose_of(x=0.2 * np.sin(2 * np.pi * t / 1.3)))

    assert {kind for kind, _, _ in cues_of(moving, 20)} == {"restless"}
    assert not cues_of(lambda t: moving(t) if within(t, 5, 7) else Seen(pose_of()), 20)


def test_shoulders_outside_the_picture_are_not_measured_and_the_hand_still_is() -> None:
    def low(t: float) -> Seen:
        return Seen(pose_of(y=7.0, left=0.8 * within(t, 5, 6)), (hand_at(0.4, 7.8),))

    track, summary = read(low)
    assert track.valid.all()
    assert not np.isfinite(track.column("shoulder_width")).any()
    assert summary["not_measured"]["shoulder_width"] == "shoulders are outside the picture"
    assert [cue.kind for cue in body_cues(track)] == ["hand_at_face"]


def test_a_shoulder_that_is_not_seen_and_a_body_without_a_face() -> None:
    def hidden(t: float) -> Seen:
        pose = pose_of()
        pose[12, 2] = 0.2
        return Seen(pose)

    track, _ = read(hidden, 4.0)
    assert not np.isfinite(track.column("left_shoulder_raise")).any()

    def faceless(t: float) -> Seen:
        pose = pose_of()
        pose[3, 2] = 0.3
        return Seen(pose)

    track, summary = read(faceless, 4.0)
    assert not track.valid.any()
    assert summary["status"] == "no body"
    track, _ = read(lambda t: Seen(None), 4.0)
    assert set(np.array(track.reasons)[track.reason_code]) == {"no body"}


def face_of(codes: list[int]) -> Track:
    n = len(codes)
    code = np.array(codes, np.uint8)
    return Track(
        np.zeros((n, 1)), np.arange(n) / FPS, code == 0, ("AU12",), ("iod",), ("", "no face"), code
    )


def test_a_body_is_the_person_s_only_where_their_face_is_seen_alone() -> None:
    body, _ = read(lambda t: Seen(pose_of()), 4.0)
    half = of_the_face(body, face_of([0] * 50 + [1] * 50), 1)
    assert half.valid[:10].all()
    assert not half.valid[11:].any()
    assert set(np.array(half.reasons)[half.reason_code]) == {"", "no face"}
    several = of_the_face(body, face_of([0] * 100), 2)
    assert not several.valid.any()
    assert "several people" in several.reasons[int(several.reason_code[0])]


def test_a_wheel_without_models_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mediapipe", reason="needs the extra 'face'")
    monkeypatch.setattr(finder, "model_files", lambda: ())
    with pytest.raises(MissingWeights, match="carries no models of the body"):
        finder.MediaPipeBody()


def test_kinds_are_among_all_kinds() -> None:
    assert set(KINDS) <= set(ALL_KINDS)


def test_no_rows_no_cues() -> None:
    reader = BodyReader(BodySettings(True), Planted(lambda t: Seen(None)))
    assert not body_cues(reader.finish().track)


def test_the_manual_says_how_often_body_cues_were_wrong_on_real_clips() -> None:
    with VERDICTS.open(encoding="utf-8", newline="") as file:
        counts = Counter(row["verdict"] for row in csv.DictReader(file))
    page = (Path(__file__).parents[2] / "docs" / "measures.md").read_text(encoding="utf-8")
    assert f"{counts['false']} of {counts['false'] + counts['true']} were wrong" in page

"""What happens to the picture and not to the person: sizes, cuts, zooms, cameras held turned, few
pictures a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import face_films as films
from twomind.features.cues import find_cues, line_of_sight
from twomind.features.face.blinks import NEVER_OPEN, find_blinks
from twomind.features.face.head import level_roll, pose_deg, quarter_turns, turned_pose_deg
from twomind.features.face.quality import pixel_row
from twomind.features.face.reader import FaceResult, relative
from twomind.media.stream import Frame, stream
from twomind.types import Track
from twomind_synth.face import FaceState, Placed

NOT_THE_TARGET = "not the target person"


def of_file(path: Path) -> FaceResult:
    frames = (item for item in stream(path, audio=False) if isinstance(item, Frame))
    return films.read(frames)  # type: ignore[arg-type]


def turned(frames: Sequence[films.Decoded], quarters: int) -> list[films.Decoded]:
    """The pictures turned counter-clockwise by so many quarters."""
    return [replace(f, rgb=np.ascontiguousarray(np.rot90(f.rgb, quarters))) for f in frames]


def resized(rgb: np.ndarray, factor: float) -> np.ndarray:
    import cv2

    found: np.ndarray = cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return found


# ---- one person throughout


def test_a_picture_that_changes_its_size() -> None:
    frames = list(films.lively())[:60]
    for k in range(15, 30):
        frames[k] = replace(frames[k], rgb=resized(frames[k].rgb, 0.5))
    for k in range(45, 60):
        frames[k] = replace(frames[k], rgb=resized(frames[k].rgb, 1.5))
    found = films.read(frames)
    assert found.track.valid.all()
    assert found.summary["n_switches"] == 0


def test_a_kept_film_that_changes_its_size(shared: Path) -> None:
    folder = shared / "cases" / "picture-size-change"
    for name in ("same_size.webm", "reschange_every3s.webm"):
        summary = of_file(folder / name).summary
        assert (summary["n_valid"], summary["n_rows"]) == (150, 150), name


def placed(x: float, z_cm: float, person: object = films.LIGHT) -> list[Placed]:
    return [Placed(person, FaceState(z_cm=z_cm), x, 0.47)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("x", "z_cm"), [(0.75, 0.0), (0.25, 14.0), (0.6, -14.0)])
def test_after_a_cut_or_a_zoom_the_only_person_is_the_same(x: float, z_cm: float) -> None:
    scenes = [placed(0.3, 0.0)] * 20 + [placed(x, z_cm)] * 20 + [placed(0.3, 0.0)] * 20
    found = films.read(films.shown(scenes, films.STAGE))
    assert NOT_THE_TARGET not in found.summary["dropped"]
    assert found.summary["n_valid"] >= 58


def test_after_a_cut_to_somebody_else_nothing_is_measured() -> None:
    scenes = [placed(0.3, 0.0)] * 20 + [placed(0.75, 0.0, films.DARK)] * 20
    found = films.read(films.shown(scenes + [placed(0.3, 0.0)] * 20, films.STAGE))
    assert not found.track.valid[20:40].any()
    assert found.track.valid[42:].all()


# ---- cameras held turned


@pytest.mark.parametrize(("quarters", "roll_deg"), [(1, -90.0), (2, 180.0), (3, 90.0)])
def test_a_turned_picture_has_its_roll_and_the_persons_own_sides(
    quarters: int, roll_deg: float
) -> None:
    upright = list(films.lively())[:50]
    straight = films.read(upright).track
    found = films.read(turned(upright, quarters)).track
    assert found.valid.mean() > 0.95
    both = straight.valid & found.valid
    assert np.median(found.column("pose_roll")) == pytest.approx(
        np.median(straight.column("pose_roll")) + roll_deg, abs=4
    )
    for name, within in (("pose_yaw", 3.0), ("pose_pitch", 4.0), ("AU12", 0.06)):
        off = found.column(name)[both] - straight.column(name)[both]
        assert np.abs(np.median(off)) < within, name
    ups = straight.column("pose_yaw")[both]
    assert np.corrcoef(ups, found.column("pose_yaw")[both])[0, 1] > 0.9


def test_a_camera_that_is_turned_while_it_films() -> None:
    upright = list(films.lively())[:60]
    frames = upright[:30] + turned(upright[30:], 2)
    track = films.read(frames).track
    roll = track.column("pose_roll")
    assert np.abs(roll[:30]).max() < 20
    assert track.valid[32:].all()
    assert np.abs(roll[32:] - 180).max() < 20


def test_a_kept_film_upside_down(shared: Path) -> None:
    track = of_file(shared / "cases" / "upside_down" / "rot180.mp4").track
    assert track.valid.mean() > 0.95
    assert np.abs(track.column("pose_roll")[track.valid] - 180).max() < 10


@pytest.mark.parametrize("name", ["frown_wink.mp4", "mouth_wide_open.mp4"])
def test_an_upright_face_is_never_turned(name: str, shared: Path) -> None:
    frames = list(films.decoded(shared / "data" / "expressive" / name, 60))
    track = films.read(frames).track
    assert np.abs(track.column("pose_roll")[track.valid]).max() < 60


def test_a_tilted_head_does_not_turn_the_picture() -> None:
    def turns(before: int, *roll: float) -> list[int]:
        return quarter_turns(np.array(roll), before).tolist()

    assert turns(0, 10.0, 59.0, -59.0) == [0, 0, 0]
    assert turns(0, 61.0, 31.0, 29.0) == [1, 1, 0]
    assert turns(0, -178.0, 178.0) == [2, 2]
    assert turns(2, 178.0, -178.0, 121.0) == [2, 2, 2]
    assert level_roll(np.array([-178.0, -90.0, 0.0, 178.0])).tolist() == [182.0, -90.0, 0.0, 178.0]


def test_the_pose_of_a_turned_camera_is_the_persons_own() -> None:
    yaw = np.radians(20.0)
    head = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    straight = pose_deg(head[None])[0]
    for quarters, cos, sin in ((1, 0, 1), (2, -1, 0), (-1, 0, -1)):
        camera = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
        found = turned_pose_deg((camera @ head)[None], np.array([quarters]))[0]
        assert found[:2] == pytest.approx(straight[:2], abs=1e-9)
        assert found[2] == pytest.approx(straight[2] + 90 * quarters, abs=1e-9)


# ---- eyes


def test_eyes_that_were_never_open_do_not_blink() -> None:
    t = np.arange(100) / 25
    opening = np.full(100, 0.10)
    opening[40:44] = 0.02
    rows, found = find_blinks(t, opening)
    assert found == ()
    assert np.isnan(rows).all()
    assert len(find_blinks(t, opening * 2)[1]) == 1


def test_a_kept_film_of_shut_eyes(shared: Path) -> None:
    summary = of_file(shared / "cases" / "eyes-shut-blinks" / "eyes_shut.mp4").summary
    assert summary["n_blinks"] == 0
    assert summary["blinks_per_minute"] is None
    assert summary["blinks_reason"] == NEVER_OPEN


def test_too_few_pictures_carry_no_blink() -> None:
    opening = np.full(60, 0.3)
    opening[30] = 0.02
    for rate_hz, n_blinks in ((30, 1), (10, 1), (5, 0)):
        assert len(find_blinks(np.arange(60) / rate_hz, opening)[1]) == n_blinks, rate_hz


# ---- cues


def face(rate_hz: float, seconds: float = 12.0, **columns: np.ndarray) -> Track:
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    names = ("pose_yaw", "pose_pitch", "gaze_yaw", "gaze_pitch", "AU12", "AU01", "AU02")
    names += ("eye_opening_left", "eye_opening_right")
    values = np.zeros((len(t), len(names)), np.float32)
    values[:, -2:] = 0.3
    for name, column in columns.items():
        values[:, names.index(name)] = column
    return Track(values, t, np.ones(len(t), bool), names)


def kinds(track: Track) -> list[str]:
    return [cue.kind for cue in find_cues(track, None, None, None)]


def test_one_picture_is_no_cue() -> None:
    """At five pictures a second, a brow that is up in one of them was up for an unknown time."""
    for n, expected in ((1, []), (2, ["brow_raise"])):
        raised = np.zeros(60)
        raised[30 : 30 + n] = 0.2
        assert kinds(face(5, AU01=raised, AU02=raised)) == expected


def test_a_nod_needs_pictures_of_each_swing() -> None:
    for rate_hz, expected in ((25.0, ["nod"]), (10.0, ["nod"]), (5.0, [])):
        t = np.arange(int(12 * rate_hz)) / rate_hz
        inside = (t >= 5) & (t < 7)
        up = np.where(inside, 8 * np.sin(2 * np.pi * 1.2 * (t - 5)), 0.0)
        assert kinds(face(rate_hz, pose_pitch=up)) == expected, rate_hz


def test_eyes_that_are_always_shut_do_not_close() -> None:
    opening = np.full(300, 0.08)
    opening[100:140] = 0.01
    assert kinds(face(25, eye_opening_left=opening, eye_opening_right=opening)) == []
    wide = opening * 3
    assert kinds(face(25, eye_opening_left=wide, eye_opening_right=wide)) == ["eyes_closed"]


def test_a_cue_of_gaze_and_its_curve_show_the_same() -> None:
    away = np.zeros(300)
    away[100:150] = 17.0
    track = face(25, gaze_yaw=away)
    own, _ = relative(track)
    (cue,) = find_cues(track, own, None, None)
    curve = np.hypot(*line_of_sight(own).T)
    inside = (own.times_s >= cue.start_s) & (own.times_s < cue.end_s)
    assert cue.kind == "gaze_away"
    assert cue.value == pytest.approx(curve[inside].max())
    assert curve[~inside].max() < curve[inside].min()


@pytest.mark.parametrize(("grey", "share"), [(249, 0.0), (250, 1.0), (255, 1.0)])
def test_a_picture_is_clipped_from_250_on(grey: int, share: float) -> None:
    landmarks = np.tile([[40.0, 40.0, 0.0], [80.0, 80.0, 0.0]], (239, 1))
    row = pixel_row(np.full((120, 120, 3), grey, np.uint8), landmarks)
    assert row[2] == share
    assert row[1] == pytest.approx(grey / 255)

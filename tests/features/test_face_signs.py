"""What a synthetic face does is what is measured: signs, sides, blinks, absences and the target person,
in three films.

The closed loop (``test_closed_loop_face.py``) says how exactly the measures follow, over more
people and longer films.
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mediapipe", reason="the face extra is not installed")
import face_films as films
from twomind.features.face.blinks import find_blinks
from twomind.features.face.measures import MEASURES, NAMES
from twomind.features.face.reader import FaceResult
from twomind.types import Track

Acted = tuple[dict[str, slice], FaceResult]


@pytest.fixture(scope="module")
def acted() -> Acted:
    return films.acted()


def peak(track: Track, column: str, span: slice) -> float:
    """The value of the two frames in which the movement is greatest."""
    middle = (span.start + span.stop) // 2
    return float(track.column(column)[middle - 1 : middle + 1].mean())


def rise(acted: Acted, column: str, part: str) -> float:
    """The value at the peak of a part less that of the first rest."""
    spans, result = acted
    return peak(result.track, column, spans[part]) - float(
        result.track.column(column)[spans["rest"]].mean()
    )


def test_every_frame_shows_the_face(acted: Acted) -> None:
    _, result = acted
    assert result.track.valid.all()
    assert result.summary["status"] == "ok"
    assert result.summary["n_switches"] == 0
    assert result.summary["max_people"] == 1


@pytest.mark.parametrize("angle", ["yaw", "pitch", "roll"])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_head_turns_by_what_was_drawn(acted: Acted, angle: str, sign: int) -> None:
    """With the sign of the drawing, by .7 to 1.4 of the angle, and the other two angles stay."""
    part = f"{angle} {'+' if sign > 0 else '-'}"
    assert 0.7 < sign * rise(acted, f"pose_{angle}", part) / films.ANGLES[angle] < 1.4
    for other in {"yaw", "pitch", "roll"} - {angle}:
        assert abs(rise(acted, f"pose_{other}", part)) < 0.35 * films.ANGLES[angle], other


def test_the_gaze_goes_to_the_drawn_side_and_the_head_stays(acted: Acted) -> None:
    size = films.ANGLES["gaze_yaw"]
    assert 0.6 < rise(acted, "gaze_yaw", "gaze_yaw +") / size < 1.4
    assert 0.6 < -rise(acted, "gaze_yaw", "gaze_yaw -") / size < 1.4
    # Up and down move little of a drawn iris that the mesh sees; up is the clearer one.
    assert rise(acted, "gaze_pitch", "gaze_pitch +") > 2
    assert rise(acted, "gaze_pitch", "gaze_pitch -") < 0
    for part in ("gaze_yaw +", "gaze_yaw -", "gaze_pitch +", "gaze_pitch -"):
        assert abs(rise(acted, "pose_yaw", part)) < 5


def test_a_turned_head_is_not_a_turned_gaze(acted: Acted) -> None:
    for part in ("yaw +", "yaw -"):
        assert abs(rise(acted, "gaze_yaw", part)) < 0.5 * films.ANGLES["yaw"]


@pytest.mark.parametrize("au", films.UNITS)
def test_an_action_unit_rises_where_it_is_drawn(acted: Acted, au: str) -> None:
    """More than .05, and at no rest of the film does it come near its peak."""
    spans, result = acted
    own = rise(acted, au, au)
    assert own > 0.05
    rests = [
        np.nanmean(result.track.column(au)[span.start - films.REST : span.start])
        for name, span in spans.items()
        if name not in ("rest", au) and not name.endswith(" -")
    ]
    assert np.max(rests) - result.track.column(au)[spans["rest"]].mean() < 0.6 * own


def test_opposite_units_move_apart(acted: Acted) -> None:
    assert rise(acted, "AU12", "AU15") < 0 < rise(acted, "AU12", "AU12")
    assert rise(acted, "AU15", "AU12") < 0 < rise(acted, "AU15", "AU15")


def test_the_stronger_side_of_a_smile_is_the_own_left(acted: Acted) -> None:
    left, right = (rise(acted, f"AU12_{side}", "AU12") for side in ("left", "right"))
    assert left > 1.1 * right > 0


def test_landmarks_lie_on_the_picture_and_own_left_is_image_right(acted: Acted) -> None:
    """Eyes, nose and chin within 1.2 cm of where they were drawn; the mesh numbers the own right
    eye 33 and 133.
    """
    spans, result = acted
    assert result.landmarks is not None
    points = np.asarray(result.landmarks.values[spans["rest"]]).mean(axis=0)
    camera = films.CAMERA
    px_per_cm = camera.face_size * camera.height_px / 17.5
    right, left = points[[33, 133], :2].mean(axis=0), points[[263, 362], :2].mean(axis=0)
    assert left[0] - right[0] > 4 * px_per_cm
    # The eyes lie 2.6 cm above the head's origin, which is at (.5, .47) of the picture.
    eyes = (left + right) / 2
    assert eyes == pytest.approx(
        (0.5 * camera.width_px, 0.47 * camera.height_px - 2.6 * px_per_cm), abs=1.2 * px_per_cm
    )
    assert points[4, 0] == pytest.approx(0.5 * camera.width_px, abs=1.2 * px_per_cm)
    assert eyes[1] < points[4, 1] < points[13, 1] < points[152, 1]


# ---- blinks


def test_two_blinks_are_two_and_lowered_or_closed_lids_none(acted: Acted) -> None:
    spans, result = acted
    assert result.summary["n_blinks"] == 2, result.summary["blinks"]
    for part, blink in zip(("first blink", "second blink"), result.summary["blinks"], strict=True):
        span = spans[part]
        assert (
            span.start / films.RATE_HZ
            <= blink["start_s"]
            < blink["end_s"]
            <= span.stop / films.RATE_HZ
        )
        assert blink["depth"] < 0.4


def test_blink_rows_are_the_frames_with_the_lids_down(acted: Acted) -> None:
    spans, result = acted
    rows = result.track.column("blink")
    marked = np.zeros(len(rows), bool)
    for part in ("first blink", "second blink"):
        down = spans[part].start + np.flatnonzero(np.array(films.BLINK) >= 0.8)
        assert (rows[down] == 1).all()
        marked[spans[part]] = True
    assert not (rows[~marked] == 1).any()
    # What the lid of a blink does to the eye's opening is no action unit.
    assert np.isnan(result.track.column("AU05")[rows == 1]).all()


def test_long_closed_eyes_are_closed_eyes(acted: Acted) -> None:
    spans, result = acted
    eyes = result.track.column("AU43")
    assert eyes[spans["eyes closed"]].mean() - eyes[spans["rest"]].mean() > 0.1


def openings(*pieces: tuple[float, int]) -> np.ndarray:
    """The opening of the eyes, 25 rows in a second: at rest for a second, then each (opening, rows)
    and rest again.
    """
    rest = [0.3] * 25
    rows = list(rest)
    for opening, n in pieces:
        rows += [opening] * n + rest
    return np.array(rows)


@pytest.mark.parametrize(
    ("opening", "n", "n_blinks"),
    [
        (0.12, 4, 1),  # 40 % of the usual opening
        (0.17, 4, 0),  # 57 %: begins to close, but does not get down to half
        (0.20, 4, 0),  # 67 %
        (0.02, 18, 1),  # .72 s
        (0.02, 25, 0),  # a second: closed eyes
    ],
)
def test_a_blink_is_deep_and_short(opening: float, n: int, n_blinks: int) -> None:
    values = openings((opening, n))
    rows, blinks = find_blinks(np.arange(len(values)) / 25, values)
    assert len(blinks) == n_blinks
    assert (np.flatnonzero(rows == 1).tolist()) == (list(range(25, 25 + n)) if n_blinks else [])
    for blink in blinks:
        assert (blink.start_s, blink.end_s) == pytest.approx((1.0, 1.0 + n / 25))
        assert blink.depth == pytest.approx(opening / 0.3)


def test_a_blink_is_relative_to_the_own_eyes() -> None:
    """Narrow eyes blink as well, and what is a blink of wide eyes is the usual opening of narrow
    ones.
    """
    values = openings((0.12, 4))
    times_s = np.arange(len(values)) / 25
    assert len(find_blinks(times_s, values * 0.6)[1]) == 1
    assert len(find_blinks(times_s, np.full(len(values), 0.12))[1]) == 0


def test_a_hole_or_the_end_cuts_a_closing() -> None:
    values = openings((0.02, 4))
    times_s = np.arange(len(values)) / 25
    holed = values.copy()
    holed[27:35] = np.nan  # .32 s
    rows, blinks = find_blinks(times_s, holed)
    assert blinks == ()
    np.testing.assert_array_equal(np.isnan(rows), np.isnan(holed))
    assert find_blinks(times_s[:28], values[:28])[1] == ()


# ---- absence


def test_rows_without_a_face_are_marked_and_carry_no_number() -> None:
    track = (result := films.read(films.comes_and_goes())).track
    away = np.zeros(80, bool)
    away[30:55] = True
    assert len(track) == 80
    # The mesh may hold on for a frame after the face has gone, and needs some to find it again.
    assert not track.valid[32:55].any()
    assert track.valid[:30].all()
    assert track.valid[60:].all()
    assert np.isnan(
        track.values[~track.valid][:, [k for k, m in enumerate(MEASURES) if m.kind != "quality"]]
    ).all()
    assert {track.reasons[c] for c in track.reason_code[~track.valid]} == {"no face"}
    assert {track.reasons[c] for c in track.reason_code[track.valid]} == {""}
    summary = result.summary
    assert summary["dropped"] == {"no face": int((~track.valid).sum())}
    assert summary["n_valid"] + summary["dropped"]["no face"] == summary["n_rows"] == 80
    assert summary["n_switches"] == 0
    # Speed of the lips is not measured across the hole.
    back = int(np.flatnonzero(track.valid[40:])[0]) + 40
    assert np.isnan(track.column("mouth_motion")[back])
    assert np.isfinite(track.column("mouth_motion")[back + 1])


# ---- two people


def test_the_target_is_followed_past_another_person() -> None:
    """The nearer person is the target, before and after the two pass each other."""
    middles, result = films.met()
    assert result.landmarks is not None
    assert result.summary["n_switches"] == 0
    assert result.summary["max_people"] == 2
    valid = result.track.valid
    apart = np.abs(middles[:, 0] - middles[:, 1]) > 0.12
    assert valid[apart].mean() > 0.9
    nose = np.asarray(result.landmarks.values[:, 4, 0]) / films.STAGE.width_px
    assert (np.abs(nose - middles[:, 0])[valid & apart] < 0.05).all(), (
        "a row of the target is another person's"
    )
    # Only the target has the mouth open.
    assert (result.track.column("mouth_opening")[valid & apart] > 0.05).all()


def test_another_person_in_the_targets_place_is_not_measured() -> None:
    result = films.replaced()
    track = result.track
    assert track.valid[:20].all()
    assert not track.valid[20:].any()
    assert {track.reasons[c] for c in track.reason_code[20:]} == {"not the target person"}
    assert np.isnan(track.values[20:, NAMES.index("AU12")]).all()
    assert result.summary["n_switches"] == 0

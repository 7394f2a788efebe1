"""The drawn head: what is drawn is what was asked, and an outside face tracker sees it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from twomind.core.errors import BadInput, MissingExtra
from twomind_synth.face import (
    AU_NAMES,
    HAIR_STYLES,
    Camera,
    FaceState,
    Person,
    Placed,
    draw,
    draw_onto,
    draw_people,
    effective,
    effective_sides,
)

pytest.importorskip("cv2", reason="the extra 'face' (OpenCV) is not installed")

Mesh = Callable[[np.ndarray], np.ndarray | None]
QUIET = Camera(noise=0.0)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    """MediaPipe's face mesh on single pictures: ``rgb -> landmarks (478, 3)`` in px, or None."""
    mediapipe = pytest.importorskip("mediapipe", reason="the extra 'face' is not installed")
    finder = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=1, refine_landmarks=True
    )

    def find(rgb: np.ndarray) -> np.ndarray | None:
        found = finder.process(rgb).multi_face_landmarks
        if not found:
            return None
        size = np.array([rgb.shape[1], rgb.shape[0], rgb.shape[1]])
        return np.array([(p.x, p.y, p.z) for p in found[0].landmark]) * size

    return find


def someone(seed: int = 3, **changes: object) -> Person:
    plain = {"rest": {}, "gain": {}, "asymmetry": {}, "glasses": "none", "beard": "none"} | changes
    return replace(Person.random(np.random.default_rng(seed)), **plain)  # type: ignore[arg-type]


def any_state(rng: np.random.Generator) -> FaceState:
    yaw, pitch, roll = rng.uniform(-1, 1, 3) * (25, 15, 15)
    gaze_yaw, gaze_pitch = rng.uniform(-1, 1, 2) * (20, 15)
    aus = {au: rng.uniform(0, 1) for au in rng.choice(AU_NAMES[:-1], 3, replace=False)}
    return FaceState(
        aus=aus,
        blink=float(rng.random() < 0.1),
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        gaze_yaw=gaze_yaw,
        gaze_pitch=gaze_pitch,
    )


def test_same_arguments_give_the_same_bytes_and_the_frame_index_counts() -> None:
    person, camera = someone(), Camera(noise=3.0, jitter_px=0.5, seed=7)
    state = FaceState(aus={12: 0.7}, yaw=10)
    first = draw(person, state, camera, 5)
    assert first.shape == (480, 640, 3)
    assert first.dtype == np.uint8
    draw(
        someone(9), FaceState(), replace(camera, noise=1.0), 2
    )  # another drawing in between leaves no trace
    assert np.array_equal(first, draw(person, state, camera, 5))
    assert not np.array_equal(first, draw(person, state, camera, 6))
    assert not np.array_equal(first, draw(person, state, replace(camera, seed=8), 5))


def test_random_person_is_a_function_of_the_generator() -> None:
    assert Person.random(np.random.default_rng(1)) == Person.random(np.random.default_rng(1))
    assert Person.random(np.random.default_rng(1)) != Person.random(np.random.default_rng(2))


def test_tracker_finds_at_least_98_percent_over_people_and_poses(mesh: Mesh) -> None:
    rng = np.random.default_rng(11)
    missed = []
    for k in range(25):
        person, camera = Person.random(rng), Camera.random(rng)
        for j in range(4):
            state = any_state(rng)
            if mesh(draw(person, state, camera, j)) is None:
                missed.append((k, person.hair_style, state.yaw))
    assert len(missed) <= 2, missed


@pytest.mark.parametrize("style", HAIR_STYLES)
def test_every_hair_style_with_glasses_and_beard_is_tracked_in_the_right_place(
    mesh: Mesh, style: str
) -> None:
    person = someone(4, hair_style=style, glasses="thick", beard="full")
    found = mesh(draw(person, FaceState(x_cm=3.0)))
    assert found is not None
    eyes = found[[33, 133, 263, 362], :2].mean(0)
    # The eyes lie 2.6 cm above the head's origin, which the default camera puts at (.5, .47) of the
    # picture.
    px_per_cm = 0.46 * 480 / 17.5
    assert eyes == pytest.approx(
        (320 + 3.0 * px_per_cm, 0.47 * 480 - 2.6 * px_per_cm), abs=1.2 * px_per_cm
    )


@pytest.mark.parametrize("seed", [3, 5])
def test_head_pose_signs_and_order(mesh: Mesh, seed: int) -> None:
    person = someone(seed)

    def seen(**pose: float) -> tuple[float, float, float]:
        p = mesh(draw(person, FaceState(**pose), QUIET))
        assert p is not None
        span = p[454] - p[234]  # from the own right ear to the own left, towards image right
        up = p[10] - p[152]
        return (
            float(np.degrees(np.arctan2(span[2], span[0]))),
            float(np.degrees(np.arctan2(up[2], -up[1]))),
            float(np.degrees(np.arctan2(span[1], span[0]))),
        )

    steps = (-24, -12, 0, 12, 24)
    for axis, name in enumerate(("yaw", "pitch", "roll")):
        values = [seen(**{name: float(v)})[axis] for v in steps]
        assert all(b - a > 5 for a, b in pairwise(values)), (name, values)
    # Yaw + moves the nose's tip towards image right, roll + the brow's middle towards image right.
    left, right = (mesh(draw(person, FaceState(yaw=v), QUIET)) for v in (-20.0, 20.0))
    assert left is not None
    assert right is not None
    assert right[1, 0] > left[1, 0] + 20


def test_gaze_moves_the_iris_to_the_named_side(mesh: Mesh) -> None:
    person = someone(3, eye_size=1.1)

    def iris(**gaze: float) -> np.ndarray:
        p = mesh(draw(person, FaceState(**gaze), replace(QUIET, face_size=0.6)))
        assert p is not None
        return (p[[468, 473], :2] - (p[[33, 362], :2] + p[[133, 263], :2]) / 2).mean(0)

    across = [iris(gaze_yaw=v)[0] for v in (-25.0, -10.0, 10.0, 25.0)]
    assert all(b - a > 1.5 for a, b in pairwise(across)), across
    assert iris(gaze_pitch=15.0)[1] < iris(gaze_pitch=-15.0)[1] - 1.0


#: What an action unit must do to landmarks, in percent of the distance of the outer eye corners:
#: the landmarks whose mean height (or, for ``x``, whose horizontal distance) changes, and the least
#: change with its sign (+ = up, wider).
MOVES = {
    "AU01": ("y", (55, 285, 107, 336), 2.0),
    "AU02": ("y", (70, 300, 63, 293), 2.5),
    "AU04": ("y", (55, 285, 107, 336), -2.5),
    "AU05": ("open", (159, 386, 145, 374), 0.8),
    "AU06": ("y", (145, 374), 0.8),
    "AU07": ("open", (159, 386, 145, 374), -1.5),
    "AU09": ("y", (129, 358), 1.0),
    "AU10": ("y", (0,), 2.0),
    "AU12": ("y", (61, 291), 4.0),
    "AU14": ("x", (61, 291), 2.0),
    "AU15": ("y", (61, 291), -4.0),
    "AU17": ("y", (17,), 4.0),
    "AU18": ("x", (61, 291), -8.0),
    "AU20": ("x", (61, 291), 6.0),
    "AU23": ("open", (0, 17), -3.0),
    "AU24": ("open", (0, 17), -5.0),
    "AU25": ("open", (13, 14), 3.0),
    "AU26": ("y", (152,), -4.0),
    "AU43": ("open", (159, 386, 145, 374), -5.0),
}


@pytest.mark.parametrize("au", AU_NAMES)
def test_action_unit_moves_what_a_tracker_sees(mesh: Mesh, au: str) -> None:
    way, points, least = MOVES[au]

    def measure(rgb: np.ndarray) -> float:
        p = mesh(rgb)
        assert p is not None
        across = p[263, :2] - p[33, :2]
        unit = 100 / np.hypot(*across)
        level = (p[33, 1] + p[263, 1]) / 2
        if way == "y":
            return float((level - p[list(points), 1].mean()) * unit)
        if way == "x":
            return float((p[points[1], 0] - p[points[0], 0]) * unit)
        half = len(points) // 2
        return float((p[list(points[half:]), 1].mean() - p[list(points[:half]), 1].mean()) * unit)

    changes = []
    for seed in (3, 8):
        person = someone(seed)
        still, half, full = (
            measure(draw(person, FaceState(aus={au: v}), QUIET)) for v in (0.0, 0.5, 1.0)
        )
        changes.append(full - still)
        assert (half - still) * np.sign(least) > 0.15 * abs(least), (
            "half the intensity must show as well"
        )
    assert np.mean(changes) * np.sign(least) > abs(least), changes


def test_action_units_leave_the_rest_of_the_picture_alone() -> None:
    person, still = someone(), FaceState()
    base = draw(person, still, QUIET).astype(int)
    for au, rows in {
        "AU02": slice(0, 225),
        "AU12": slice(150, 330),
        "AU43": slice(120, 225),
    }.items():
        changed = (
            np.abs(draw(person, FaceState(aus={au: 1.0}), QUIET).astype(int) - base).max(2) > 8
        )
        assert changed[rows].sum() > 150, au
        assert changed[rows].sum() == changed.sum(), au


def test_speech_moves_the_lips_and_counts_as_action_units(mesh: Mesh) -> None:
    person = someone()
    closed, opened = (mesh(draw(person, FaceState(mouth_open=v), QUIET)) for v in (0.0, 1.0))
    assert closed is not None
    assert opened is not None
    assert opened[14, 1] - opened[13, 1] > closed[14, 1] - closed[13, 1] + 6
    truth = effective(person, FaceState(mouth_open=1.0, mouth_round=0.5))
    assert truth["AU25"] > 0.5
    assert truth["AU18"] == pytest.approx(0.375)
    assert truth["AU12"] == 0


def test_effective_is_rest_plus_gain_times_intensity_with_asymmetry() -> None:
    person = Person(
        rest={12: 0.1}, gain={"AU12": 0.5, "AU25": 2.0}, asymmetry={"au12": 0.2, "AU25": 0.4}
    )
    state = FaceState(aus={"AU12": 0.8, 25: 0.3, "AU04": 0.6}, blink=0.9)
    left, right = effective_sides(person, state)["AU12"]
    assert left == pytest.approx(0.1 + 0.5 * 0.8 * 1.2)
    assert right == pytest.approx(0.1 + 0.5 * 0.8 * 0.8)
    truth = effective(person, state)
    assert set(truth) == set(AU_NAMES)
    assert truth["AU12"] == pytest.approx(0.5)
    assert truth["AU04"] == pytest.approx(0.6)
    assert effective_sides(person, state)["AU25"] == pytest.approx((0.6, 0.6)), (
        "a midline unit has no sides"
    )
    assert truth["AU43"] == pytest.approx(0.9)


def test_asymmetry_is_drawn_on_the_own_left(mesh: Mesh) -> None:
    person = someone(asymmetry={"AU12": 0.5})
    still, smile = (mesh(draw(person, FaceState(aus={12: v}), QUIET)) for v in (0.0, 0.9))
    assert still is not None
    assert smile is not None
    own_right, own_left = (still[k, 1] - smile[k, 1] for k in (61, 291))
    assert own_left > own_right + 1.0


def test_identities_look_different(mesh: Mesh) -> None:
    rng = np.random.default_rng(0)
    pictures = [draw(Person.random(rng), FaceState(), QUIET).astype(int) for _ in range(6)]
    for i, a in enumerate(pictures):
        for b in pictures[:i]:
            assert (np.abs(a - b).max(2) > 20).mean() > 0.02
    shapes = []
    for picture in pictures:
        p = mesh(picture.astype(np.uint8))
        assert p is not None
        eyes = np.hypot(*(p[263, :2] - p[33, :2]))
        shapes.append(
            [np.hypot(*(p[152, :2] - p[10, :2])) / eyes, np.hypot(*(p[291, :2] - p[61, :2])) / eyes]
        )
    assert np.ptp(shapes, axis=0).min() > 0.04


def test_two_heads_in_one_picture_and_the_later_one_in_front(mesh: Mesh) -> None:
    camera = replace(QUIET, width_px=960)
    one, two = someone(3), someone(8)
    apart = draw_people([Placed(one, FaceState(), 0.27), Placed(two, FaceState(), 0.73)], camera)
    alone = draw_people([Placed(one, FaceState(), 0.27)], camera)
    assert np.array_equal(apart[:200, :400], alone[:200, :400])
    for half, shift in ((apart[:, :480], 0), (apart[:, 480:], 480)):
        found = mesh(np.ascontiguousarray(half))
        assert found is not None
        assert found[1, 0] + shift == pytest.approx((0.27 if not shift else 0.73) * 960, abs=25)
    front = draw_people([Placed(one, FaceState(), 0.5), Placed(two, FaceState(), 0.5)], camera)
    swapped = draw_people([Placed(two, FaceState(), 0.5), Placed(one, FaceState(), 0.5)], camera)
    assert not np.array_equal(front, swapped)
    nose = (slice(225, 245), slice(470, 490))
    assert np.array_equal(front[nose], draw_people([Placed(two, FaceState(), 0.5)], camera)[nose])


def test_a_head_may_leave_the_picture() -> None:
    for place in ((-0.4, 0.5), (0.0, 0.5), (1.02, 0.5), (0.5, -0.3), (0.5, 1.6)):
        picture = draw_people(
            [Placed(someone(beard="full"), FaceState(yaw=20, roll=30), *place)], QUIET
        )
        assert picture.shape == (480, 640, 3)


def test_camera_changes_light_colour_noise_and_sharpness() -> None:
    person, state = someone(), FaceState()
    base = draw(person, state, QUIET).astype(float)
    assert draw(person, state, replace(QUIET, exposure=0.5)).mean() < 0.6 * base.mean()
    assert draw(person, state, replace(QUIET, exposure=1.5)).mean() > 1.1 * base.mean()
    warm = draw(person, state, replace(QUIET, temperature=1.0)).reshape(-1, 3).mean(0)
    cold = draw(person, state, replace(QUIET, temperature=-1.0)).reshape(-1, 3).mean(0)
    assert warm[0] - warm[2] > cold[0] - cold[2] + 10
    noisy = draw(person, state, replace(QUIET, noise=6.0)).astype(float) - base
    assert np.std(noisy) == pytest.approx(6.0, rel=0.15)
    soft = draw(person, state, replace(QUIET, blur_px=3.0)).astype(float)
    assert np.abs(np.diff(soft, axis=1)).max() < 0.6 * np.abs(np.diff(base, axis=1)).max()
    lit_left, lit_right = (
        draw(person, state, replace(QUIET, light_yaw=v)).astype(float) for v in (-60, 60)
    )
    cheek_left, cheek_right = (slice(235, 250), slice(270, 285)), (slice(235, 250), slice(355, 370))
    assert lit_left[cheek_left].mean() > lit_right[cheek_left].mean()
    assert lit_left[cheek_right].mean() < lit_right[cheek_right].mean()


def test_truth_is_plain_json() -> None:
    person = Person.random(np.random.default_rng(2))
    state = FaceState(aus={12: 0.5, "AU4": 0.2})
    camera = Camera.random(np.random.default_rng(2))
    back = json.loads(
        json.dumps({"person": person.plain(), "state": state.plain(), "camera": camera.plain()})
    )
    tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in back["person"].items()}
    assert Person(**tuples) == person
    assert back["state"]["aus"] == {"AU12": 0.5, "AU04": 0.2}


@pytest.mark.parametrize(
    "wrong", [{"AU99": 1.0}, {"smile": 0.5}, {"AU12": -0.2}, {"AU12": float("nan")}]
)
def test_a_wrong_action_unit_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        FaceState(aus=wrong)  # type: ignore[arg-type]


def test_wrong_identity_camera_and_canvas_are_refused() -> None:
    with pytest.raises(BadInput, match="hair_style"):
        Person(hair_style="mohawk")
    with pytest.raises(BadInput, match="background"):
        Camera(background="beach")
    with pytest.raises(BadInput, match="canvas"):
        draw_onto(np.zeros((10, 10, 3), np.uint8), Person(), FaceState(), Camera())


def test_without_opencv_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match=r"twomind\[face\]"):
        draw(Person(), FaceState())

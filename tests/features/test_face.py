"""The face reader on drawn and real clips and on degraded, empty and missing input."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mediapipe", reason="the face extra is not installed")
import cv2

import face_films as films
from face_films import Decoded, decoded, read
from twomind.core.errors import BadInput, MissingExtra, MissingWeights
from twomind.features.face import tracker_mesh
from twomind.features.face.measures import ABSOLUTE, MEASURES, NAMES, UNSUPPORTED
from twomind.features.face.quality import REASONS
from twomind.features.face.reader import FaceReader, FaceResult, FaceSettings, relative
from twomind.features.face.tracker_mesh import MeshFinder, graphs_for_many
from twomind.types import Track

#: The second line, with material that not everybody has; the synthetic faces are the first.
REAL = pytest.param("real", marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=["drawn", REAL])
def face(request: pytest.FixtureRequest) -> list[Decoded]:
    """Seventy frames of one face: a drawn one, and a real one where the shared folder is there."""
    if request.param == "drawn":
        return list(films.lively())
    return list(
        decoded(request.getfixturevalue("shared") / "data" / "faces" / "single_face.mp4", 70)
    )


@pytest.fixture(scope="module", params=["drawn", REAL])
def interrupted(request: pytest.FixtureRequest) -> list[Decoded]:
    """Frames with a face and then none."""
    if request.param == "drawn":
        return list(films.comes_and_goes())
    return list(
        decoded(request.getfixturevalue("shared") / "data" / "faces" / "face_noface.mov", 100)
    )


def quality_of(result: FaceResult) -> float:
    """Mean quality of all rows, a row without a face counting 0."""
    column = np.asarray(result.track.values[:, NAMES.index("quality")], float)
    return float(np.nan_to_num(column).mean())


# ---- whole clips


def test_a_drawn_clip() -> None:
    """Every frame is measured, every measure is there, and at rest nothing is far from 0."""
    result = read(films.lively())
    track, summary = result.track, result.summary
    assert len(track) == int(track.valid.sum()) == summary["n_rows"] == summary["n_valid"] == 70
    assert summary["status"] == "ok"
    assert summary["dropped"] == {}
    assert summary["n_switches"] == 0
    assert json.loads(json.dumps(summary)) == summary
    check_measures(track)


def test_an_empty_room() -> None:
    result = read(films.empty_room())
    assert (len(result.track), int(result.track.valid.sum())) == (20, 0)
    check_no_face(result)


def check_measures(track: Track) -> None:
    """Measures are finite where there is a face, of sensible size, and do not jump from frame to
    frame.
    """
    for measure in MEASURES:
        values = track.column(measure.name)
        finite = np.isfinite(values[track.valid]).mean()
        assert finite > 0.6, (measure.name, finite)
    for name in (n for n in NAMES if n.startswith("AU")):
        values = track.column(name)[track.valid]
        assert np.nanmax(np.abs(values)) < 1.2, name
        if name != "AU43":
            steps = np.abs(np.diff(values))
            assert np.nanmedian(steps) < 0.02, f"{name} is noisy"
    assert (
        np.abs(
            np.nanmedian([track.column(p) for p in ("pose_yaw", "pose_pitch", "pose_roll")], axis=1)
        ).max()
        < 12
    )


def check_no_face(result: FaceResult) -> None:
    """No row carries a number, and every one says why."""
    track = result.track
    assert result.summary["status"] == "no face"
    assert result.summary["reason"] == f"no face in any of {len(track)} frames"
    assert np.isnan(track.values).all()
    assert {track.reasons[c] for c in track.reason_code} == {"no face"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_rows", "n_seen"),
    [
        ("WolfgangLanger_Pexels.mp4", 472, 472),
        ("single_face.mp4", 72, 72),
        ("face_noface.mov", 169, 72),
        ("no_face.mp4", 95, 0),
    ],
)
def test_known_clips(shared: Path, name: str, n_rows: int, n_seen: int) -> None:
    result = read(decoded(shared / "data" / "faces" / name))
    track, summary = result.track, result.summary
    assert (len(track), int(track.valid.sum())) == (n_rows, n_seen)
    assert summary["n_valid"] + sum(summary["dropped"].values()) == summary["n_rows"] == n_rows
    assert summary["n_switches"] == 0
    assert json.loads(json.dumps(summary)) == summary
    if not n_seen:
        check_no_face(result)
        return
    assert summary["status"] == "ok"
    check_measures(track)


GOLDEN = [
    (240.6, 164.5, 10.5),
    (271.0, 165.7, 4.5),
    (338.6, 159.8, 10.7),
    (309.9, 163.6, 4.6),
    (293.3, 205.1, -37.4),
    (270.6, 245.9, 2.1),
    (320.3, 243.7, 2.7),
    (298.8, 294.8, 5.8),
    (254.1, 163.8, 4.2),
]


def test_golden_landmarks(shared: Path) -> None:
    """Eye corners, nose tip, mouth corners and chin on frame 10, px. Should change only with
    MediaPipe's models.
    """
    settings = FaceSettings(keep_landmarks=True)
    result = read(decoded(shared / "data" / "faces" / "single_face.mp4", 11), settings)
    assert result.landmarks is not None
    assert result.landmarks.values.shape == (11, 478, 3)
    found = result.landmarks.values[10][[33, 133, 263, 362, 4, 61, 291, 152, 468]]
    np.testing.assert_allclose(found, GOLDEN, atol=1.0)


@pytest.mark.parametrize("source", ["drawn", REAL])
def test_faces_at_a_quarter_of_the_size_are_found(
    source: str, request: pytest.FixtureRequest
) -> None:
    """FaceMesh alone finds none of them."""
    if source == "drawn":
        pictures, by = list(films.large()), 0.22
    else:
        clip = request.getfixturevalue("shared") / "data" / "faces" / "WolfgangLanger_Pexels.mp4"
        pictures, by = list(decoded(clip, 60))[::2], 0.22
    frames = []
    for frame in pictures:
        small = cv2.resize(frame.rgb, None, fx=by, fy=by, interpolation=cv2.INTER_AREA)
        canvas = np.full_like(frame.rgb, 90)
        canvas[140 : 140 + small.shape[0], 240 : 240 + small.shape[1]] = small
        frames.append(Decoded(frame.time_s, canvas))
    result = read(frames)
    assert result.summary["n_seen"] >= 0.9 * len(frames)
    size = result.track.values[:, NAMES.index("face_size")]
    assert 35 < np.nanmedian(size) < 60  # 216 px in the whole picture

    class MeshOnly(MeshFinder):
        def small(self, rgb: np.ndarray) -> list[np.ndarray]:
            return []

    reader = FaceReader(finder=MeshOnly())
    for frame in frames:
        reader.push(frame)
    assert reader.finish().summary["n_seen"] <= 0.1 * len(frames)


# ---- quality


def degraded(base: list[Decoded], change: Callable[[np.ndarray], np.ndarray]) -> FaceResult:
    return read([Decoded(f.time_s, change(f.rgb)) for f in base])


def shrink(by: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(rgb: np.ndarray) -> np.ndarray:
        small = cv2.resize(rgb, None, fx=by, fy=by, interpolation=cv2.INTER_AREA)
        canvas = np.full_like(rgb, 80)
        canvas[: small.shape[0], : small.shape[1]] = small
        return canvas

    return change


DEGRADE: dict[str, list[Callable[[np.ndarray], np.ndarray]]] = {
    "blur": [lambda p, s=s: cv2.GaussianBlur(p, (0, 0), s) for s in (0.1, 2, 4, 7, 11, 16)],
    "darkness": [
        lambda p, g=g: (p * g).astype(np.uint8) for g in (1.0, 0.6, 0.4, 0.25, 0.12, 0.05)
    ],
    "glare": [
        lambda p, g=g: np.clip(p * g, 0, 255).astype(np.uint8) for g in (1.0, 1.8, 2.6, 4.0, 8.0)
    ],
    "size": [shrink(by) for by in (1.0, 0.6, 0.4, 0.25, 0.15, 0.08)],
}


def cover(rgb: np.ndarray, share: float) -> np.ndarray:
    """Cover the lower ``share`` of the face (which lies in the middle of the picture) with blue."""
    covered = rgb.copy()
    height = rgb.shape[0]
    covered[int(height * (0.92 - 0.75 * share)) :] = (
        (40, 60, 160) if share else covered[int(height * 0.92) :]
    )
    return covered


#: Shares of the face that are covered, step by step. Between the last two steps of the real face,
#: where the cover is more than half of what should be skin, it is itself taken for the skin, and
#: the quality is too high.
COVERED = {"drawn": (0.0, 0.3, 0.45, 0.58), "real": (0.0, 0.2, 0.45, 0.7)}


@pytest.mark.parametrize("kind", list(DEGRADE))
def test_degrading_never_raises_quality(face: list[Decoded], kind: str) -> None:
    check_quality_falls(face[:12], DEGRADE[kind])


def test_covering_never_raises_quality(face: list[Decoded], request: pytest.FixtureRequest) -> None:
    shares = COVERED[request.node.callspec.params["face"]]
    check_quality_falls(face[:12], [partial(cover, share=share) for share in shares])


def check_quality_falls(
    base: list[Decoded], changes: Sequence[Callable[[np.ndarray], np.ndarray]]
) -> None:
    """From step to step, to less than .6 of what it was; every row that is not measured has a
    reason.
    """
    results = [degraded(base, change) for change in changes]
    quality = [quality_of(r) for r in results]
    assert quality[0] > 0.9
    assert all(b <= a + 1e-3 for a, b in pairwise(quality)), quality
    assert quality[-1] < 0.6 * quality[0], quality
    for r in results:
        assert (
            r.summary["n_valid"] + sum(r.summary["dropped"].values())
            == r.summary["n_rows"]
            == len(base)
        )


@pytest.mark.parametrize(
    ("kind", "level", "reasons"),
    [
        ("size", 4, {"face too small", "no face"}),
        ("darkness", 4, {"too dark", "no face"}),
        ("blur", 5, {"too blurred", "no face"}),
    ],
)
def test_what_cannot_be_measured_says_why_and_carries_no_number(
    face: list[Decoded], kind: str, level: int, reasons: set[str]
) -> None:
    track = degraded(face[:12], DEGRADE[kind][level]).track
    assert not track.valid.any()
    assert {track.reasons[c] for c in track.reason_code} <= reasons
    units = [
        k for k, m in enumerate(MEASURES) if m.kind in ("action unit", "gaze", "eyes", "mouth")
    ]
    assert np.isnan(track.values[:, units]).all()


def test_a_profile_is_turned_away() -> None:
    from twomind_synth.face import Camera, FaceState, Person, draw

    frames = [
        Decoded(k / 25, draw(Person(), FaceState(yaw=min(k, 30) * 1.6), Camera(), k))
        for k in range(60)
    ]
    track = read(frames).track
    assert track.valid[:10].all()
    assert not track.valid[-20:].any()
    assert set(track.reason_code[-20:]) <= {
        track.reasons.index(r) for r in ("turned away", "no face", "partly covered")
    }
    half = (track.column("pose_yaw") > 26) & track.valid
    assert half.any()
    assert np.isnan(track.column("AU12_left")[half]).all()  # the own left half is the far one
    assert np.isfinite(track.column("AU12_right")[half]).all()


# ---- streaming


def test_memory_and_rows_do_not_depend_on_the_block(
    interrupted: list[Decoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    import twomind.features.face.reader as module

    frames = interrupted
    whole = read(frames).track
    monkeypatch.setattr(module, "_BLOCK", 7)
    pieces = read(frames).track
    skin = [
        k for k, n in enumerate(NAMES) if n not in ("occlusion", "quality")
    ]  # learnt block by block
    np.testing.assert_array_equal(whole.valid, pieces.valid)
    np.testing.assert_allclose(whole.values[:, skin], pieces.values[:, skin], atol=1e-4)


def test_times_are_kept_exactly(face: list[Decoded]) -> None:
    frames = [Decoded(f.time_s + 3600.123, f.rgb) for f in face[:10]]
    track = read(frames).track
    assert track.times_s.tolist() == [f.time_s for f in frames]


def test_no_frames_at_all() -> None:
    result = read([])
    assert len(result.track) == 0
    assert result.summary["status"] == "no face"


# ---- relative


def made(columns: dict[str, list[float]], valid: list[bool] | None = None) -> Track:
    n = len(next(iter(columns.values())))
    values = np.full((n, len(NAMES)), np.nan, np.float32)
    for name, column in columns.items():
        values[:, NAMES.index(name)] = column
    return Track(
        values, np.arange(n) / 25, np.ones(n, bool) if valid is None else np.array(valid), NAMES
    )


def test_relative_to_the_own_median_over_valid_rows_only() -> None:
    track = made(
        {"AU12": [1, 2, 3, 900], "pose_yaw": [5, 5, 7, 0], "light": [0.3, 0.4, 0.5, 0.6]},
        [True] * 3 + [False],
    )
    moved, name = relative(track)
    assert name == "the recording's own median"
    assert moved.column("AU12")[:3].tolist() == [-1, 0, 1]
    assert moved.column("pose_yaw")[:3].tolist() == [0, 0, 2]
    np.testing.assert_array_equal(moved.column("light"), track.column("light"))
    assert track.column("AU12")[:3].tolist() == [1, 2, 3]  # the raw track is untouched


def test_relative_to_a_neutral_clip() -> None:
    track, neutral = made({"AU12": [1.0, 2.0], "AU01": [1.0, 1.0]}), made({"AU12": [0.5] * 12})
    moved, name = relative(track, neutral)
    assert name == "neutral clip"
    assert moved.column("AU12").tolist() == [0.5, 1.5]
    assert np.isnan(moved.column("AU01")).all()  # the neutral has none: no number is made up


def test_a_neutral_clip_without_a_face_is_refused() -> None:
    with pytest.raises(BadInput, match="10 measurable frames"):
        relative(made({"AU12": [1.0, 2.0]}), made({"AU12": [0.5] * 12}, [False] * 12))
    picture, named = relative(made({"AU12": [1.0, 2.0]}), made({"AU12": [0.5]}))
    assert named == "neutral picture"
    assert picture.column("AU12").tolist() == [0.5, 1.5]
    with pytest.raises(BadInput, match="measurable"):
        relative(made({"AU12": [1.0, 2.0]}), made({"AU12": [0.5]}, [False]))


def test_relative_undoes_a_constant_offset() -> None:
    """The shape of a face shows in the raw values; the relative ones lose it."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=50)
    a, _ = relative(made({"AU02": list(base)}))
    b, _ = relative(made({"AU02": list(base + 3.0)}))
    np.testing.assert_allclose(a.column("AU02"), b.column("AU02"), atol=1e-5)


# ---- the contract of the columns


def test_measures_are_complete() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert set(ABSOLUTE) < set(NAMES)
    for m in MEASURES:
        assert all((m.unit, m.formula, m.limits, m.meaning)), m.name
    wanted = {
        f"AU{k:02d}" for k in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 18, 20, 23, 24, 25, 26, 43)
    }
    assert wanted == {n for n in NAMES if n.startswith("AU") and "_" not in n} | set(UNSUPPORTED)
    assert {
        "pose_yaw",
        "gaze_pitch",
        "eye_opening_left",
        "blink",
        "mouth_motion",
        "face_size",
        "occlusion",
    } < set(NAMES)


def test_every_reason_is_on_the_track() -> None:
    assert set(REASONS) < set(read([]).track.reasons)


# ---- faults at the door


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(BadInput, match="mesh"):
        FaceReader(FaceSettings(backend="haar"))
    with pytest.raises(BadInput, match="continuity"):
        FaceReader(FaceSettings(target="tallest"))


def test_landmarker_without_or_with_a_broken_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOMIND_WEIGHTS", str(tmp_path / "weights"))
    with pytest.raises(MissingWeights, match="weights add face-landmarker"):
        FaceReader(FaceSettings(backend="landmarker"))
    with pytest.raises(MissingWeights, match="there is none"):
        FaceReader(
            FaceSettings(
                backend="landmarker", landmarker_path=str(tmp_path / "face_landmarker.task")
            )
        )
    broken = tmp_path / "broken.task"
    broken.write_bytes(b"not a model" * 100)
    with pytest.raises(MissingWeights, match="not a usable"):
        FaceReader(FaceSettings(backend="landmarker", landmarker_path=str(broken)))


def test_without_mediapipe_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_mediapipe(name: str, *args: object, **kwargs: object) -> object:
        if name.split(".")[0] == "mediapipe":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", no_mediapipe)
    with pytest.raises(MissingExtra, match=r"twomind\[face\]"):
        FaceReader()


def test_importing_the_room_loads_no_tracker() -> None:
    code = (
        "import sys, twomind.features.face.reader, twomind.features.face.align\n"
        "print([m for m in ('mediapipe', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_back_end_is_silent() -> None:
    code = """
import numpy as np
from types import SimpleNamespace
from twomind.features.face.reader import FaceReader
reader = FaceReader()
for k in range(6):
    reader.push(SimpleNamespace(time_s=k / 25, rgb=np.zeros((120, 160, 3), np.uint8)))
print(reader.finish().summary["status"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "no face"
    assert done.stderr.strip() == ""


def test_landmarks_are_those_of_the_public_call(face: list[Decoded]) -> None:
    """The short way into MediaPipe's graph gives bit for bit what FaceMesh.process gives, also
    after a lost face.
    """
    from twomind.features.face.tracker_mesh import import_mediapipe, landmark_lists, to_pixels

    frames = [f.rgb for f in face[:20]]
    frames[8] = np.zeros_like(frames[8])
    make = import_mediapipe().solutions.face_mesh.FaceMesh
    with make(refine_landmarks=True) as ours, make(refine_landmarks=True) as theirs:
        for n, rgb in enumerate(frames):
            height, width = rgb.shape[:2]
            a = [to_pixels(f, width, height) for f in landmark_lists(ours, rgb)]
            b = [
                to_pixels(f, width, height) for f in theirs.process(rgb).multi_face_landmarks or ()
            ]
            assert len(a) == len(b) == (0 if n == 8 else 1)
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


class Counting(MeshFinder):
    """Counts how many faces were asked for, and how many of them had been begun ahead; can decline
    to begin.
    """

    def __init__(self, may_begin: bool) -> None:
        super().__init__()
        self.may_begin, self.n_asked, self.n_begun, self.n_left, self.n_counts = (
            may_begin,
            0,
            0,
            0,
            0,
        )

    def ahead(self, rgb: np.ndarray) -> None:
        if self.may_begin:
            super().ahead(rgb)

    def one(self, rgb: np.ndarray) -> np.ndarray | None:
        self.n_asked += 1
        self.n_begun += self._sent is rgb
        return super().one(rgb)

    def several(self, rgb: np.ndarray) -> list[np.ndarray]:
        self.n_left += self._sent is not None
        return super().several(rgb)

    def count(self, rgb: np.ndarray) -> int:
        self.n_counts += 1
        return 2 if self.n_counts == 2 else super().count(rgb)


def test_working_a_frame_ahead_changes_no_bit(face: list[Decoded]) -> None:
    """Through a lost face, a small one, a second person and back, the graph is given the same
    pictures in one order.
    """
    clip = [f.rgb for f in face]
    frames = []
    for k, rgb in enumerate(clip):
        picture = rgb.copy()
        if 12 <= k < 16:
            picture[:] = 0
        elif 32 <= k < 38:  # another person beside: the same face, mirrored and tinted
            half = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            picture[:] = 90
            picture[: half.shape[0], : half.shape[1]] = half
            picture[: half.shape[0], -half.shape[1] :] = half[:, ::-1, ::-1]
        elif 52 <= k < 60:
            small = cv2.resize(rgb, None, fx=0.22, fy=0.22, interpolation=cv2.INTER_AREA)
            picture[:] = 90
            picture[100 : 100 + small.shape[0], 150 : 150 + small.shape[1]] = small
        frames.append(Decoded(k / 10, picture))
    found, finders = [], [Counting(True), Counting(False)]
    for finder in finders:
        reader = FaceReader(FaceSettings(keep_landmarks=True), finder)
        for frame in frames:
            reader.push(frame)
        found.append(reader.finish())
    ahead, behind = found
    assert finders[0].n_asked == finders[1].n_asked
    assert finders[0].n_begun > 0.6 * finders[0].n_asked
    assert finders[1].n_begun == finders[0].n_left == 0
    assert ahead.landmarks is not None
    assert behind.landmarks is not None
    assert ahead.summary == behind.summary
    assert ahead.summary["max_people"] == 2
    assert "no face" in ahead.summary["dropped"]
    np.testing.assert_array_equal(ahead.landmarks.values, behind.landmarks.values)
    np.testing.assert_array_equal(ahead.track.values, behind.track.values)


def test_what_else_mediapipe_can_do_is_imported_when_it_is_asked_for() -> None:
    code = (
        "import sys; from twomind.features.face.tracker_mesh import import_mediapipe; "
        "s = import_mediapipe().solutions; here = 'mediapipe.python.solutions.'; "
        "assert here + 'face_mesh' in sys.modules; "
        "assert not {here + 'pose', here + 'hands', here + 'objectron'} & set(sys.modules); "
        "assert s.holistic.Holistic and s.pose.Pose and s.hands.HandLandmark.WRIST == 0; "
        "assert s.drawing_styles.get_default_hand_landmarks_style(); "
        "from mediapipe.python.solutions.objectron import Objectron; "
        "assert s.selfie_segmentation.SelfieSegmentation"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_mediapipe_is_imported_without_pyplot_but_can_still_draw() -> None:
    code = (
        "import sys; from twomind.features.face.tracker_mesh import import_mediapipe; m = "
        "import_mediapipe(); "
        "assert 'matplotlib' not in sys.modules; "
        "plt = m.solutions.drawing_utils.plt; import matplotlib; matplotlib.use('Agg'); "
        "assert plt.figure().axes == []; assert 'matplotlib.pyplot' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_graph_of_the_recording_before_gives_what_a_fresh_one_gives(
    face: list[Decoded],
) -> None:
    """Bit for bit, also where the recording before ended with a face elsewhere, or in the middle of
    a picture that was begun ahead; a batch may therefore go on with its graphs.
    """
    other = [replace(f, rgb=np.ascontiguousarray(f.rgb[:, ::-1])) for f in face[:12]]

    keep = FaceSettings(keep_landmarks=True)
    fresh = read(face[:20], keep)
    with graphs_for_many():
        read(other, keep)
        broken_off = FaceReader()
        for frame in other:
            broken_off.push(frame)
        broken_off.close()
        used = dict(tracker_mesh._SPARE._graphs)
        assert used
        again = read(face[:20], keep)
        assert tracker_mesh._SPARE._graphs[("one", 4)] is used[("one", 4)]
    assert not tracker_mesh._SPARE._graphs
    assert fresh.landmarks is not None
    assert again.landmarks is not None
    np.testing.assert_array_equal(fresh.landmarks.values, again.landmarks.values)
    np.testing.assert_array_equal(fresh.track.values, again.track.values)
    assert fresh.summary == again.summary


def test_a_graph_that_still_follows_somebody_is_not_used_again() -> None:
    class Follows:
        closed = False

        def process(self, rgb: np.ndarray) -> Any:
            return SimpleNamespace(multi_face_landmarks=["a face"])

        def close(self) -> None:
            self.closed = True

    class Broken(Follows):
        def process(self, rgb: np.ndarray) -> Any:
            raise RuntimeError("CalculatorGraph::Run() failed")

    class Free(Follows):
        def process(self, rgb: np.ndarray) -> Any:
            return SimpleNamespace(multi_face_landmarks=None)

    with graphs_for_many():
        for graph, is_kept in ((Follows(), False), (Broken(), False), (Free(), True)):
            tracker_mesh._SPARE.give(("one", 1), graph)
            assert graph.closed is not is_kept
            assert tracker_mesh._SPARE.take(("one", 1)) is (graph if is_kept else None)
    free = Free()
    tracker_mesh._SPARE.give(("one", 1), free)
    assert free.closed


def test_a_graph_that_broke_over_a_picture_sent_ahead_is_closed_all_the_same() -> None:
    closed = []

    class Broken:
        @property
        def _graph(self) -> Any:
            return self

        def wait_until_idle(self) -> None:
            raise RuntimeError("CalculatorGraph::Run() failed")

        def close(self) -> None:
            closed.append(self)

    finder = MeshFinder()
    broken = Broken()
    finder._graphs["one"] = broken
    finder._sent = np.zeros((4, 4, 3), np.uint8)
    finder.close()
    assert closed == [broken]

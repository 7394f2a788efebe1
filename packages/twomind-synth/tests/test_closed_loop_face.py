"""Draw a face whose every number is known → encode → decode → track → measure: the measures must
follow the drawing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mediapipe", reason="the face extra is not installed")
import av

from twomind.features.face.measures import NAMES, UNSUPPORTED
from twomind.features.face.reader import FaceReader, FaceResult, FaceSettings
from twomind.features.face.tracker import TrackSettings
from twomind_synth.face import (
    Camera,
    FaceState,
    Person,
    Placed,
    draw,
    draw_people,
    effective_sides,
    skin_colour,
)

pytestmark = pytest.mark.slow  # many films; test_face_signs.py is the quick one

RATE_HZ = 25
DRAWN_AUS = (
    "AU01",
    "AU02",
    "AU04",
    "AU05",
    "AU07",
    "AU09",
    "AU12",
    "AU15",
    "AU17",
    "AU18",
    "AU20",
    "AU23",
    "AU24",
    "AU25",
)
DRAWN_AUS += ("AU26", "AU43")
ALL_DRAWN = sorted({*DRAWN_AUS, *UNSUPPORTED})
PEOPLE = {
    "plain": (Person(), Camera(seed=1)),
    "dark, thin glasses": (
        Person(
            skin=skin_colour(0.85),
            glasses="thin",
            face_width=1.05,
            brow_thickness=1.2,
            hair_colour=(36, 28, 26),
        ),
        Camera(seed=2, light_yaw=-30.0, background="room"),
    ),
    "long face, narrow mouth": (
        Person(
            face_height=1.06,
            face_width=0.96,
            mouth_width=0.93,
            eye_size=0.95,
            hair_style="long",
            age=0.7,
            skin=skin_colour(0.3),
        ),
        Camera(seed=3, width_px=960, height_px=540, background="window"),
    ),
    "wide, full lips, stubble": (
        Person(
            jaw=1.08,
            lip_fullness=1.2,
            nose_width=1.15,
            skin=skin_colour(0.6),
            beard="stubble",
            hair_style="curly",
        ),
        Camera(seed=4, noise=3.0, temperature=0.5),
    ),
}


@dataclass(frozen=True)
class Decoded:
    index: int
    time_s: float
    rgb: np.ndarray


def encode(path: Path, frames: Iterable[np.ndarray]) -> Path:
    """A real MP4 (H.264, 4:2:0) as a webcam tool would write it."""
    with av.open(str(path), "w") as container:
        stream = None
        for rgb in frames:
            if stream is None:
                stream = container.add_stream(
                    "libx264", rate=RATE_HZ, options={"crf": "20", "preset": "veryfast"}
                )
                stream.height, stream.width = rgb.shape[:2]
                stream.pix_fmt = "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        assert stream is not None
        container.mux(stream.encode())
    return path


def read(path: Path, settings: FaceSettings | None = None) -> FaceResult:
    reader = FaceReader(settings)
    with av.open(str(path)) as container:
        for k, frame in enumerate(container.decode(video=0)):
            reader.push(
                Decoded(k, float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24"))
            )
    return reader.finish()


def ramp(n: int = 24) -> np.ndarray:
    """0 → 1 → 0, smooth."""
    return np.sin(np.linspace(0, np.pi, n)) ** 2


@pytest.fixture(scope="module", params=list(PEOPLE))
def au_clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """One person doing one action unit after the other, with rests: (person's name, who does what
    when, result).
    """
    person, camera = PEOPLE[request.param]
    states: list[FaceState] = [FaceState()] * 12
    spans: dict[str, slice] = {}
    for au in ALL_DRAWN:
        spans[au] = slice(len(states), len(states) + 32)
        states += [FaceState(aus={au: float(v)}) for v in ramp()] + [FaceState()] * 8
    path = encode(
        tmp_path_factory.mktemp("au") / "clip.mp4",
        (draw(person, state, camera, k) for k, state in enumerate(states)),
    )
    truth = {
        au: np.array([np.mean(effective_sides(person, s)[au]) for s in states]) for au in ALL_DRAWN
    }
    return request.param, spans, truth, read(path)


def test_faces_are_tracked(au_clip) -> None:
    name, _, truth, result = au_clip
    assert len(result.track) == len(truth["AU12"])
    assert result.track.valid.mean() >= 0.98, (name, result.summary)
    assert result.summary["n_switches"] == 0


def test_each_supported_action_unit_follows_the_drawing(au_clip) -> None:
    name, spans, truth, result = au_clip
    found = {}
    for au in DRAWN_AUS:
        drawn, measured = truth[au][spans[au]], result.track.column(au)[spans[au]]
        known = np.isfinite(measured)
        assert known.mean() >= 0.9, (
            f"{name}: {au} is measured in {known.mean():.0%} of the frames that show it"
        )
        found[au] = float(np.corrcoef(drawn[known], measured[known])[0, 1])
    print(name, {au: round(r, 2) for au, r in found.items()})
    assert not {au: round(r, 2) for au, r in found.items() if not r >= 0.8}, name


def test_what_is_supported_is_what_is_tested() -> None:
    measured = {n for n in NAMES if n.startswith("AU") and "_" not in n}
    assert measured == set(DRAWN_AUS)
    assert not measured & set(UNSUPPORTED)


def confusion(spans: dict[str, slice], result: FaceResult) -> np.ndarray:
    """Response of each measure (columns) to each drawn action unit (rows), as a share of its
    response to its own.
    """
    response = np.zeros((len(ALL_DRAWN), len(DRAWN_AUS)))
    for i, au in enumerate(ALL_DRAWN):
        for k, measure in enumerate(DRAWN_AUS):
            values = result.track.column(measure)[spans[au]]
            peak = values[9:15]  # closed eyes leave AU05 and AU07 without a number
            response[i, k] = (
                np.mean(peak) - np.nanmean(values[26:]) if np.isfinite(peak).all() else np.nan
            )
    own = np.array([response[ALL_DRAWN.index(m), k] for k, m in enumerate(DRAWN_AUS)])
    return response / own


def test_specificity(au_clip) -> None:
    """The matrix is printed (``pytest -s``); claims that ``measures.py`` makes in words are
    asserted.
    """
    name, spans, _, result = au_clip
    table = confusion(spans, result)
    print(f"\n{name}: measured (columns) for drawn (rows), share of the own response")
    print("      " + " ".join(f"{m[2:]:>5}" for m in DRAWN_AUS))
    for au, row in zip(ALL_DRAWN, table, strict=True):
        print(f"{au}  " + " ".join(f"{v:5.1f}" for v in row))
    at = {(au, m): table[i, k] for i, au in enumerate(ALL_DRAWN) for k, m in enumerate(DRAWN_AUS)}
    others = [abs(at[au, "AU26"]) for au in ALL_DRAWN if au != "AU26"]
    assert max(others) < 0.5, "only a dropping jaw moves the chin"
    others = [abs(at[au, "AU12"]) for au in ALL_DRAWN if au not in ("AU12", "AU15", "AU18")]
    assert max(others) < 0.6, "a smile is told from all but its opposites"
    assert max(abs(at[au, "AU43"]) for au in ALL_DRAWN if au not in ("AU43", "AU05", "AU07")) < 0.25


BLINK = (0.3, 0.9, 1.0, 0.8, 0.35)


@pytest.mark.parametrize("who", list(PEOPLE))
def test_blinks_are_counted_exactly(who: str, tmp_path: Path) -> None:
    person, camera = PEOPLE[who]
    starts = (20, 47, 61, 100, 131)
    closed = np.zeros(170)
    for start in starts:
        closed[start : start + len(BLINK)] = BLINK
    path = encode(
        tmp_path / "blinks.mp4",
        (
            draw(person, FaceState(blink=float(v), gaze_yaw=8 * np.sin(k / 20)), camera, k)
            for k, v in enumerate(closed)
        ),
    )
    result = read(path)
    assert result.summary["n_blinks"] == len(starts), result.summary["blinks"]
    for start, blink in zip(starts, result.summary["blinks"], strict=True):
        assert abs(blink["start_s"] - (start + 1) / RATE_HZ) <= 2 / RATE_HZ
    rows = result.track.column("blink")
    assert (rows[closed == 1.0] == 1).all()
    assert (rows[closed == 0.0] == 1).sum() <= 2 * len(starts)


def test_closed_eyes_are_not_a_blink(tmp_path: Path) -> None:
    closed = np.zeros(150)
    closed[40:80] = 1.0  # 1.6 s
    path = encode(
        tmp_path / "closed.mp4",
        (draw(Person(), FaceState(blink=float(v)), Camera(), k) for k, v in enumerate(closed)),
    )
    result = read(path)
    assert result.summary["n_blinks"] == 0
    eyes = result.track.column("AU43")
    assert np.nanmean(eyes[45:75]) - np.nanmean(eyes[:35]) > 0.1


@pytest.mark.parametrize(
    ("field", "column", "size_deg", "gain"),
    [
        ("yaw", "pose_yaw", 25.0, (0.8, 1.5)),
        ("pitch", "pose_pitch", 16.0, (0.7, 1.3)),
        ("roll", "pose_roll", 25.0, (0.9, 1.1)),
        ("gaze_yaw", "gaze_yaw", 25.0, (0.6, 1.4)),
        ("gaze_pitch", "gaze_pitch", 20.0, (0.08, 1.2)),
    ],
)
def test_angles_follow_with_the_right_sign(
    field: str, column: str, size_deg: float, gain: tuple[float, float], tmp_path: Path
) -> None:
    person, camera = PEOPLE["dark, thin glasses"] if field == "yaw" else PEOPLE["plain"]
    truth = np.concatenate([np.zeros(10), size_deg * np.sin(np.linspace(0, 2 * np.pi, 60))])
    path = encode(
        tmp_path / "turn.mp4",
        (draw(person, FaceState(**{field: float(v)}), camera, k) for k, v in enumerate(truth)),
    )
    measured = read(path).track.column(column)
    known = np.isfinite(measured)
    assert known.mean() > 0.95
    slope, _ = np.polyfit(truth[known], measured[known], 1)
    assert np.corrcoef(truth[known], measured[known])[0, 1] > 0.9
    assert gain[0] < slope < gain[1]


def test_one_sided_smile_shows_on_its_side(tmp_path: Path) -> None:
    lopsided = Person(asymmetry={"AU12": 0.5})  # own left stronger
    values = np.concatenate([np.zeros(8), ramp(30)])
    path = encode(
        tmp_path / "smirk.mp4",
        (draw(lopsided, FaceState(aus={12: float(v)}), Camera(), k) for k, v in enumerate(values)),
    )
    track = read(path).track
    left, right = (track.column(f"AU12_{side}") for side in ("left", "right"))
    rise = [float(v[20:26].mean() - v[:6].mean()) for v in (left, right)]
    assert rise[0] > 1.2 * rise[1] > 0


# ---- two people

LIGHT = Person(
    "light", skin=skin_colour(0.1), hair_style="short", hair_colour=(142, 96, 58), face_width=0.97
)
DARK = Person(
    "dark",
    skin=skin_colour(0.75),
    hair_style="bun",
    hair_colour=(36, 28, 26),
    face_width=1.04,
    jaw=1.05,
)
STAGE = Camera(width_px=960, height_px=540, face_size=0.4, seed=9)


def crossing(n: int = 90) -> list[tuple[float, float]]:
    """Middles of both heads as fractions of the width: they pass each other in the middle of the
    clip.
    """
    walk = np.linspace(0, 1, n)
    return [(0.25 + 0.5 * w, 0.75 - 0.5 * w) for w in 0.5 - 0.5 * np.cos(np.pi * walk)]


@pytest.mark.parametrize("in_front", ["target", "other"])
def test_the_target_is_followed_through_a_crossing(in_front: str, tmp_path: Path) -> None:
    """The target stands nearer (larger) at first; only the target smiles, only the other one opens
    the mouth.
    """
    places = [crossing()[0]] * 20 + crossing() + [crossing()[-1]] * 20
    frames = []
    for k, (a, b) in enumerate(places):
        target = Placed(LIGHT, FaceState(z_cm=6.0, yaw=6.0), a, 0.47)
        other = Placed(DARK, FaceState(), b, 0.47)
        frames.append(
            draw_people([other, target] if in_front == "target" else [target, other], STAGE, k)
        )
    path = encode(tmp_path / "crossing.mp4", frames)
    result = read(path, FaceSettings(keep_landmarks=True))
    assert result.landmarks is not None
    assert result.summary["n_switches"] == 0, result.summary
    assert result.summary["max_people"] == 2
    nose = np.asarray(result.landmarks.values[:, 4, 0]) / STAGE.width_px
    truth = np.array(places)
    apart = np.abs(truth[:, 0] - truth[:, 1]) > 0.12
    on_target = np.abs(nose - truth[:, 0]) < 0.08
    valid = result.track.valid
    assert on_target[valid & apart].all(), "a row of the target is another person's"
    assert valid[apart].mean() > 0.9
    assert valid[-20:].mean() > 0.9


def test_when_the_target_leaves_nobody_takes_over_silently(tmp_path: Path) -> None:
    """The target walks out of the picture; the other stays for long: invalid rows first, then a
    counted switch.
    """
    frames, target_x = [], []
    for k in range(260):
        x = 0.3 - 0.6 * min(max((k - 50) / 40, 0), 1)
        target_x.append(x)
        people = [Placed(DARK, FaceState(), 0.7, 0.47), Placed(LIGHT, FaceState(z_cm=6.0), x, 0.47)]
        frames.append(draw_people(people, STAGE, k))
    result = read(encode(tmp_path / "leaves.mp4", frames), FaceSettings(keep_landmarks=True))
    assert result.landmarks is not None
    valid = result.track.valid
    nose = np.asarray(result.landmarks.values[:, 4, 0]) / STAGE.width_px
    assert result.track.valid[:50].mean() > 0.95
    jumped = valid & (np.abs(nose - 0.7) < 0.1)
    assert not jumped[:140].any(), "the other person was measured as the target"
    assert "not the target person" in result.summary["dropped"]
    assert result.summary["n_switches"] == int(jumped.any())


def test_another_face_in_the_same_place_is_not_the_target(tmp_path: Path) -> None:
    """A cut puts another person exactly where the target was: position says nothing, only the look
    does.
    """
    frames = [
        draw_people([Placed(LIGHT if k < 40 else DARK, FaceState(), 0.5, 0.47)], STAGE, k)
        for k in range(170)
    ]
    result = read(encode(tmp_path / "cut.mp4", frames))
    valid = result.track.valid
    assert valid[:40].mean() > 0.95
    assert not valid[40:130].any(), "the other person was measured as the target"
    assert valid[
        -10:
    ].all()  # after four seconds the one who is there is taken, and that is counted
    assert result.summary["n_switches"] == 1
    same = read(tmp_path / "cut.mp4", FaceSettings(track=TrackSettings(look_gate=1e9)))
    assert same.track.valid[45:130].any()  # without the look it would have been

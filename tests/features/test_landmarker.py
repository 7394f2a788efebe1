"""The back end ``landmarker``: blendshapes beside the geometry, and one back end per folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twomind.core import weights
from twomind.core.errors import BadInput, MissingWeights
from twomind.features.face.back_ends import landmarker_file, model_files
from twomind.features.face.blendshapes import BLENDSHAPES, COLUMNS, taken
from twomind.features.face.measures import NAMES
from twomind.features.face.reader import FaceReader, FaceSettings
from twomind.features.face.tracker_mesh import TurnedFinder
from twomind.media.stream import Frame, stream
from twomind.pipeline.run import prepare
from twomind.pipeline.settings import DESCRIBE
from twomind.types import Track


class Face:
    """A back end that sees one face at the same place of every picture, with its blendshapes."""

    def __init__(self, landmarks: np.ndarray) -> None:
        self.landmarks = landmarks
        self.shapes = np.linspace(0, 1, len(BLENDSHAPES))

    def blendshapes(self, landmarks_px: np.ndarray) -> np.ndarray | None:
        near = np.abs(landmarks_px - self.landmarks).max() < 0.5
        return self.shapes if near else None

    def several(self, rgb: np.ndarray) -> list[np.ndarray]:
        return [self.landmarks]


def test_a_face_upside_down_keeps_its_blendshapes() -> None:
    rng = np.random.default_rng(0)
    face = Face(rng.uniform(0, 60, (478, 3)).astype(np.float32))
    turned = TurnedFinder(face)  # type: ignore[arg-type]
    (found,) = turned.several(np.zeros((80, 100, 3), np.uint8))
    assert np.allclose(found[:, 0] + face.landmarks[:, 0], 100, atol=1e-3)
    assert turned.blendshapes(found) is face.shapes
    assert turned.blendshapes(found + 3) is None
    plain = TurnedFinder(object())  # type: ignore[arg-type]
    assert plain.blendshapes(found) is None


def test_what_is_taken_depends_on_what_is_there() -> None:
    names = ("AU01", "AU04", "AU01_blendshape", "AU04_blendshape")
    track = Track(np.array([[1.0, 2.0, 3.0, 4.0]]), np.zeros(1), np.ones(1, bool), names)
    assert taken(track, "AU01").tolist() == [3.0]
    assert taken(track, "AU04").tolist() == [2.0]
    assert np.isnan(taken(track, "AU12")).all()
    geometry = Track(track.values[:, :2], track.times_s, track.valid, names[:2])
    assert taken(geometry, "AU01").tolist() == [1.0]


def test_the_file_is_found_among_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOMIND_WEIGHTS", str(tmp_path / "weights"))
    with pytest.raises(MissingWeights, match="downloads it from https://"):
        landmarker_file(None)
    assert model_files("landmarker", None) == ()
    wrong = tmp_path / "face_landmarker.task"
    wrong.write_bytes(b"another network")
    with pytest.raises(MissingWeights, match="64184e22"):
        weights.add("face-landmarker", str(wrong))
    assert weights.offered("face-landmarker").endswith("face_landmarker.task")
    with pytest.raises(BadInput, match="no download"):
        weights.offered("clip-vit-b-32")
    assert landmarker_file(str(wrong)) == wrong


def test_a_folder_holds_one_back_end(tmp_path: Path) -> None:
    media = tmp_path / "a.mp4"
    media.write_bytes(b"any")
    out = tmp_path / "out"
    out.mkdir()
    written = DESCRIBE.read(None, ["features.face=landmarker"], {"media": (media,)})
    (out / "settings.toml").write_text(DESCRIBE.text(written.settings, "any"))
    again = {"media": (media,), "out": out}
    with pytest.raises(BadInput, match=r"'landmarker'.*'mesh'.*--out"):
        prepare(DESCRIBE.read(None, [], again))
    assert prepare(DESCRIBE.read(None, ["features.face=landmarker"], again)).jobs
    with pytest.raises(BadInput, match="mesh"):
        DESCRIBE.read(None, ["features.face=haar"], again)


def test_a_person_by_the_landmarker(shared: Path) -> None:
    pytest.importorskip("mediapipe")
    task = shared / "weights" / "face_landmarker.task"
    clip = shared / "data" / "expressive" / "mouth_wide_open.mp4"
    if not task.is_file() or not clip.is_file():
        pytest.skip("no weights or clip here")
    reader = FaceReader(FaceSettings(backend="landmarker", landmarker_path=str(task)))
    for item in stream(clip, audio=False):
        if isinstance(item, Frame) and item.index % 6 == 0:
            reader.push(item)
    found = reader.finish()
    track = found.track
    assert found.summary["backend"] == "landmarker"
    assert track.names == (*NAMES, *COLUMNS)
    assert track.valid.mean() > 0.9
    shapes = track.values[track.valid][:, len(NAMES) :]
    known = shapes[np.isfinite(shapes).all(axis=1)]
    assert len(known) > 0.8 * track.valid.sum()
    assert known.min() >= 0
    assert known.max() <= 1
    # Two measures of one jaw.
    jaw = np.corrcoef(
        track.column("AU26")[track.valid], track.column("AU26_blendshape")[track.valid]
    )
    assert jaw[0, 1] > 0.8

"""Posed expressions against the own neutral."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.evaluation import faces
from twomind.features.face.blendshapes import (
    BLENDSHAPES,
    COLUMNS,
    OF_UNITS,
    PREFERRED_SOURCE,
    columns_of,
)
from twomind.features.face.measures import NAMES, UNITS
from twomind.types import Track

#: What each file shows: AU12 and AU01_blendshape; what a face is like at rest differs by person.
REST = {"a": 0.5, "b": -0.5, "c": 0.0}
SHOWN = {"happy": (0.2, 0.0), "surprised": (-0.1, 0.6)}


def _track(au12: float, shape: float) -> Track:
    names = (*NAMES, "AU01_blendshape")
    values = np.zeros((3, len(names)))
    values[:, names.index("AU12")] = au12
    values[:, names.index("AU01_blendshape")] = shape
    values[0] = 99  # is not valid
    valid = np.array([False, True, True])
    return Track(values, np.arange(3) / 25, valid, names, (*UNITS, "share"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def describe(path: Path, using: Any, **_: Any) -> Any:
        person, _, expression = path.stem.rpartition("_")
        rest = REST[person[-1]]
        more, shape = SHOWN.get(expression, (0.0, 0.0))
        track = _track(rest + more, abs(rest) / 10 + shape)
        if expression == "dark":
            track = Track(track.values, track.times_s, track.valid & False, track.names)
        features = SimpleNamespace(tracks={"face": track}, notes={}, drawn=False)
        face = {"reason": "too dark"}
        return SimpleNamespace(features=features, face=face, content=path.read_text())

    monkeypatch.setattr(faces, "describe", describe)
    monkeypatch.setattr(faces, "open_recording", lambda path: path)
    for person in ("p_a", "p_b", "p_c"):
        (tmp_path / f"{person}_normal.png").write_text(f"{person} at rest")
        for expression in SHOWN:
            (tmp_path / f"{person}_{expression}.png").write_text(f"{person} {expression}")
    return tmp_path


def test_rises_and_areas_are_against_the_own_neutral(folder: Path) -> None:
    (folder / "README.md").write_text("no picture")
    found = faces.score_faces(folder)
    assert found["n_people"] == 3
    assert found["n"] == {"happy": 3, "surprised": 3}
    assert found["rises"]["happy"]["AU12"] == 1.0
    assert found["rises"]["surprised"]["AU12"] == 0.0
    assert found["auc"]["happy"]["AU12"] == 1.0
    # Without the neutral, people's own faces lie farther apart than their smiles.
    assert found["auc_raw"]["happy"]["AU12"] < 0.8
    assert found["measure"]["AU01"] == "AU01_blendshape"
    assert found["measure"]["AU12"] == "AU12"
    assert found["rises"]["surprised"]["AU01"] == 1.0
    assert found["columns"]["rises"]["surprised"]["AU01"] == 0.0
    assert found["backend"] == "mesh"
    assert not found["left_out"]


def test_what_cannot_be_compared_is_left_out_with_a_reason(folder: Path) -> None:
    (folder / "p_a_sad.png").write_text("p_a at rest")
    (folder / "p_b_neutral.jpg").write_text("another")
    (folder / "p_c_dark.png").write_text("dark")
    (folder / "q_c_happy.png").write_text("q")
    found = faces.score_faces(folder)
    reasons = {one["file"]: one["reason"] for one in found["left_out"]}
    assert reasons["p_a_sad.png"] == "a copy of p_a_normal.png"
    assert "neutral file already" in reasons["p_b_normal.png"]
    assert reasons["p_c_dark.png"] == "too dark"
    assert "no measurable neutral" in reasons["q_c_happy.png"]
    assert found["n"] == {"happy": 3, "surprised": 3}


def test_nothing_to_compare_is_an_error(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("*_normal.png"):
        path.unlink()
    with pytest.raises(BadInput, match="neutral"):
        faces.score_faces(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(BadInput, match="PERSON_EXPRESSION"):
        faces.score_faces(empty)
    with pytest.raises(BadInput, match="folder"):
        faces.score_faces(tmp_path / "none")


def test_the_command_prints_one_json(folder: Path) -> None:
    done = CliRunner().invoke(main, ["score", "faces", str(folder), "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["rises"]["happy"]["AU12"] == 1.0
    table = CliRunner().invoke(main, ["score", "faces", str(folder)])
    assert "1.00 · 1.00" in table.stdout


def test_the_table_of_blendshapes_is_whole() -> None:
    assert len(BLENDSHAPES) == len(set(BLENDSHAPES)) == 52
    assert {name for members in OF_UNITS.values() for name in members} <= set(BLENDSHAPES)
    units = {name for name in NAMES if name.startswith("AU") and "_" not in name}
    assert set(PREFERRED_SOURCE) == units
    assert set(OF_UNITS) < units
    taken = {unit for unit, measure in PREFERRED_SOURCE.items() if measure == "blendshape"}
    assert taken <= set(OF_UNITS)
    shapes = np.arange(104.0).reshape(2, 52)
    columns = dict(zip(COLUMNS, columns_of(shapes).T, strict=True))
    left, right = BLENDSHAPES.index("mouthSmileLeft"), BLENDSHAPES.index("mouthSmileRight")
    assert np.allclose(columns["AU12_blendshape"], shapes[:, [left, right]].mean(axis=1))
    assert np.array_equal(columns["blendshape_jawOpen"], shapes[:, BLENDSHAPES.index("jawOpen")])


def test_people_who_pose(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("mediapipe")
    folder, task = shared / "data" / "yale", shared / "weights" / "face_landmarker.task"
    if not folder.is_dir() or not task.is_file():
        pytest.skip("no pictures of people here")
    from twomind.core.store import Store
    from twomind.features.describe import Settings
    from twomind.features.face.reader import FaceSettings

    settings = Settings(face=FaceSettings(backend="landmarker", landmarker_path=str(task)))
    found = faces.score_faces(folder, settings=settings, store=Store(tmp_path))
    rises, area = found["rises"], found["auc"]
    assert found["n_people"] == 8
    assert found["n"]["sad"] == 7
    assert all(rises["surprised"][unit] == 1.0 for unit in ("AU01", "AU02", "AU05", "AU25"))
    assert rises["happy"]["AU12"] == rises["sleepy"]["AU43"] == 1.0
    by_columns = found["columns"]["auc"]
    for expression, unit in (("surprised", "AU02"), ("surprised", "AU05"), ("sad", "AU15")):
        assert area[expression][unit] > by_columns[expression][unit] + 0.05

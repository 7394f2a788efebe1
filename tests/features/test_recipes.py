"""Entries of the store are named by what makes them: the code that is really run, libraries, weights."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from twomind.core import source_mark as marks
from twomind.core.errors import MissingWeights
from twomind.datasets import bah_files
from twomind.encoders import frame_rows, frames, pretrained
from twomind.encoders.encoder import Encoder
from twomind.features import entries
from twomind.features.face.reader import FaceSettings
from twomind.features.voice.track import VoiceSettings


def modules_of(*entries: str) -> set[str]:
    """The modules that count for a mark."""
    walk = marks._Walk(frozenset({"twomind"}))
    for entry in entries:
        walk.call(entry)
    return walk.modules


def test_every_measure_has_a_recipe_of_its_own() -> None:
    encoder = Encoder("any", "any", 1, _prepare, _images, str, None, "any")  # type: ignore[arg-type]
    recipes = {
        str(entries.face_recipe(FaceSettings())),
        str(entries.voice_recipe(VoiceSettings())),
        str(entries.words_recipe("base")),
        str(frames._frames_recipe(encoder, frames.FrameSettings())),
        frame_rows.rows_recipe(encoder),
        marks.source_mark(pretrained.__name__),
        marks.source_mark(bah_files.__name__),
    }
    assert len(recipes) == 7


def _prepare(picture: np.ndarray) -> np.ndarray:
    return picture


def _images(rows: np.ndarray) -> np.ndarray:
    return rows


def test_the_face_does_not_depend_on_the_voice_the_words_or_what_keeps_entries() -> None:
    found = modules_of("twomind.features.face.reader", "twomind.media.stream")
    assert {"twomind.features.face.tracker", "twomind.core.spool", "twomind.media.clock"} <= found
    other = ("features.voice", "features.words", "features.describe", "transcripts", "encoders")
    left_out = {f"twomind.{name}" for name in (*other, "core.store", "core.weights", "models")}
    assert not {m for m in found if any(m == x or m.startswith(f"{x}.") for x in left_out)}


def test_embeddings_depend_on_the_face_that_is_cut_out_and_not_on_its_measures() -> None:
    found = modules_of("twomind.encoders.frames")
    assert {"twomind.features.face.tracker_mesh", "twomind.features.face.align"} <= found
    assert "twomind.features.face.action_units" not in found
    assert "twomind.features.describe" not in found


def test_another_encoder_s_code_makes_other_rows() -> None:
    encoder = Encoder("any", "any", 1, _prepare, _images, str, None, "any")  # type: ignore[arg-type]
    other = replace(encoder, opened_by="twomind.encoders.clip")
    assert set(other.modules) - set(encoder.modules) == {"twomind.encoders.clip"}
    assert frame_rows.rows_recipe(encoder) != frame_rows.rows_recipe(other)


def test_another_network_file_is_another_face(tmp_path: Path) -> None:
    task = tmp_path / "face_landmarker.task"
    settings = FaceSettings(backend="landmarker", landmarker_path=str(task))
    found = [entries.face_recipe(settings)]
    for content in (b"one", b"two"):
        task.write_bytes(content)
        found.append(entries.face_recipe(settings))
    assert len({str(recipe) for recipe in found}) == 3


def test_a_speech_model_is_its_files_and_not_its_folder(tmp_path: Path) -> None:
    for name, content in (("here", b"one"), ("moved", b"one"), ("other", b"two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.bin").write_bytes(content)
        (tmp_path / name / "README.md").write_text(name, encoding="utf-8")
    here, moved, other = (
        entries.words_recipe(str(tmp_path / name)) for name in ("here", "moved", "other")
    )
    assert here == moved != other
    assert entries.words_recipe("base") != entries.words_recipe("small")


def test_a_function_that_is_named_and_gone_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_function"):
        entries.recipe_of((), ("twomind.features.one_pass:no_such_function",))


def test_a_mediapipe_without_face_mesh_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from twomind.features.face import tracker_mesh

    bare = SimpleNamespace(__version__="0.10.35")
    monkeypatch.setattr(tracker_mesh, "import_mediapipe", lambda: bare)
    with pytest.raises(MissingWeights, match=r"0\.10\.35 carries no face mesh.*landmarker"):
        tracker_mesh.MeshFinder()


def test_a_mediapipe_that_is_its_newer_interface_starts(tmp_path: Path) -> None:
    """As 0.10.35 is laid out: it imports at its start what the face mesh of 0.10.14 never calls."""
    package = tmp_path / "mediapipe"
    inside = package / "tasks" / "python" / "vision"
    inside.mkdir(parents=True)
    for folder in (package / "tasks", package / "tasks" / "python"):
        (folder / "__init__.py").touch()
    (inside / "__init__.py").write_text("class Image: ...\n")
    (package / "__init__.py").write_text("from mediapipe.tasks.python.vision import Image\n")
    code = (
        "from twomind.features.face.tracker_mesh import import_mediapipe\n"
        "print(import_mediapipe().Image.__name__)"
    )
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.stdout == "Image\n", run.stderr

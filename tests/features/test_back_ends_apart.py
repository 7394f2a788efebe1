"""What one face back end measured is not held against what another one measures: not in a profile,
not by a model.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from twomind.core.errors import BadInput, Unsealed
from twomind.core.seals import KEY
from twomind.features.describe import Settings
from twomind.features.face.reader import FaceSettings
from twomind.features.profile import Profile, read_profile, write_profile
from twomind.models.base import BaseModel, Card
from twomind.pipeline.answer import heard_by
from twomind.types import Features
from twomind.types.profile import Neutral, Visit

SMILE = Neutral(0.1, 0.01, 100, 4.0)


def visit(content: str, backend: str) -> Visit:
    stats = {"face": {"AU12": SMILE}, "voice": {"pitch": SMILE}}
    return Visit(content, "2026-01-01", stats, speech_detector="energy", face_backend=backend)


def test_a_profile_says_whose_faces_it_does_not_compare() -> None:
    both = Profile("ada", (visit("a", "mesh"), visit("b", "landmarker")))
    same, told = both.comparable_face("mesh")
    assert [bool(v.stats.get("face")) for v in same.visits] == [True, False]
    assert all(v.stats.get("voice") for v in same.visits), "the voice is as good as before"
    assert "1 of 2 visit(s) of ada" in told
    assert "landmarker" in told
    own = Profile("ada", (visit("a", "mesh"),))
    assert own.comparable_face("mesh") == (own, "")
    assert not own.comparable_face("landmarker")[0].neutral("face")


def test_the_back_end_is_kept_and_an_old_profile_is_of_the_only_one_there_was(
    tmp_path: Path,
) -> None:
    path = write_profile(Profile("ada", (visit("a", "landmarker"),)), tmp_path / "ada.json")
    assert read_profile(path).visits[0].face_backend == "landmarker"
    entry = json.loads(path.read_text(encoding="utf-8"))
    del entry[KEY]  # files of 0.1 carry no checksum
    for one in entry["visits"]:
        del one["face_backend"]
    path.write_text(json.dumps(entry), encoding="utf-8")
    with pytest.warns(Unsealed):
        old = read_profile(path)
    assert old.visits[0].face_backend == "mesh"


class OfFaces(BaseModel):
    """A model that learnt from faces of one back end."""

    face_backend = "mesh"  # type: ignore[assignment]

    @property
    def card(self) -> Card:
        return {"name": "faces"}


def test_a_model_refuses_faces_of_another_back_end_before_a_film_is_read() -> None:
    model = OfFaces()
    settings = Settings()
    other = replace(settings, face=FaceSettings(backend="landmarker"))
    assert heard_by(model, settings) == settings
    with pytest.raises(BadInput, match=r"--set features\.face=mesh"):
        heard_by(model, other)
    x = Features("r", "ada", {}, (0.0, 1.0))
    model.refuse(x)
    model.refuse(replace(x, face_backend="mesh"))
    with pytest.raises(BadInput, match="'mesh'"):
        model.refuse(replace(x, face_backend="landmarker"))
    assert BaseModel.face_backend.fget(model) == ""  # type: ignore[attr-defined]

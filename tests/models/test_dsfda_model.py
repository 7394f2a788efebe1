"""DSFDA as a model of ``predict``: it crops faces of a film itself, is found by its folder, adapts
to a neutral clip, refuses real people, and is scored.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("mediapipe")
import torch
from click.testing import CliRunner

from scoring_world import Toy
from twomind.cli.main import main
from twomind.core.errors import BadInput
from twomind.evaluation.run import RunOptions
from twomind.evaluation.run import run as score
from twomind.media.recording import open_recording
from twomind.models import load
from twomind.models.dsfda import net
from twomind.models.dsfda.crops import face_crops
from twomind.models.dsfda.recogniser import FILE, Dsfda
from twomind.types import AMBIVALENCE, Features, Status, Track

MEDIA = Path(__file__).parent.parent / "fixtures" / "v0_1" / "media"
FILM = MEDIA / "a2.mp4"
SIZE = net.Size(64, 2, 1, 4, 2, 1, (4, 4, 4))


def tiny(seed: int = 0) -> Dsfda:
    weights = net.new_weights(SIZE, 2, 3, seed)
    maps = torch.rand((4, SIZE.depth, net.MAP, net.MAP), generator=torch.manual_seed(seed))
    return Dsfda(AMBIVALENCE, weights, SIZE, maps, torch.tensor([0, 0, 1, 1]), drawn=True)


def predict(folder: Path, *arguments: object) -> tuple[int, dict]:
    where = ("--store", folder / "store", "--out", folder / "out", "--json")
    words = [str(word) for word in ("predict", FILM, "--person", "ana", *arguments, *where)]
    done = CliRunner().invoke(main, words)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture(scope="module")
def crops() -> Track:
    return face_crops(FILM, 64, 0.5)


def test_crops_are_pictures_of_the_face_by_the_clock(crops: Track) -> None:
    assert crops.values.shape[1:] == (64, 64, 3)
    assert crops.values.dtype == np.uint8
    assert crops.valid.any()
    assert crops.values[crops.valid].std(axis=(1, 2, 3)).min() > 5, "a face is no plain square"
    np.testing.assert_allclose(np.diff(crops.times_s), 0.5, atol=0.1)
    with pytest.raises(BadInput):
        face_crops(MEDIA / "clip-talking.txt", 64, 0.5)


def test_a_saved_model_predicts_a_film_by_its_folder(tmp_path: Path) -> None:
    model = tiny()
    model.save(tmp_path / "kept")
    card = json.loads((tmp_path / "kept" / "card.json").read_text("utf-8"))
    assert (card["recogniser"], card["population"]) == ("dsfda", "synthetic people only")
    code, found = predict(tmp_path, "--model", tmp_path / "kept")
    assert code == 0
    answer = found["answers"][0]["prediction"]
    assert answer["status"] == "ok"
    assert "frames" in answer["meaning"]
    x = Features("a2", "ana", {}, (0.0, 100.0), drawn=True)
    recording = open_recording(FILM)
    by_hand = load(tmp_path / "kept").predict(model.prepare(x, recording))
    assert answer["probability"] == pytest.approx(by_hand.probs[1], abs=1e-6)
    stored = [p.parent.parent.name for p in (tmp_path / "store").rglob("*.safetensors")]
    assert "embeddings" not in stored, "pictures of a face are not kept"


def test_it_adapts_to_a_neutral_clip_in_predict(tmp_path: Path) -> None:
    tiny().save(tmp_path / "kept")
    how = ("--model", tmp_path / "kept", "--adapt", "dsfda", "--neutral", FILM)
    quick = ("--set", "adapt.epochs=1")
    code, found = predict(tmp_path, *how, *quick)
    assert code == 0
    assert found["answers"][0]["adaptation"]["method"] == "dsfda"


def test_real_people_are_refused_unless_it_is_told() -> None:
    model, recording = tiny(), open_recording(FILM)
    real = Features("a2", "ana", {}, (0.0, 100.0), drawn=False)
    with pytest.raises(BadInput, match="real person"):
        model.prepare(real, recording)
    told = model.allowing_drawn()
    assert told.predict(told.prepare(real, recording)).status is Status.OK


def test_a_recording_without_pictures_is_not_measured(tmp_path: Path) -> None:
    empty = tmp_path / "sound.mp4"
    empty.write_bytes(b"")
    x = Features("r", "ana", {}, (0.0, 1.0), drawn=True)
    prepared = tiny().prepare(x, replace(open_recording(FILM), media=empty))
    found = tiny().predict(prepared)
    assert found.status is Status.NOT_MEASURED
    assert str(empty) in found.reason


def test_a_model_of_the_first_version_has_no_card_and_opens(tmp_path: Path) -> None:
    model = tiny()
    model.save(tmp_path / FILE)
    assert [p.name for p in tmp_path.iterdir()] == [FILE]
    assert Dsfda.load(tmp_path).weights.keys() == model.weights.keys()


def test_it_is_scored(crops: Track) -> None:
    data = Toy(tasks=(AMBIVALENCE,))
    people = {one.id: one.subject for one in data.recordings()}
    pictures = crops.values[crops.valid][:2]

    def features(recording: str) -> Features:
        tint = sum(map(ord, recording)) % 40
        values = np.minimum(pictures.astype(int) + tint, 255).astype(np.uint8)
        track = Track(values, np.array([0.0, 1.0]), np.ones(2, bool))
        person = people[recording]
        return Features(recording, person, {"face_crop": track}, (0.0, 8.0), drawn=True)

    (fold,) = data.folds("all", 0)
    model = tiny()
    options = RunOptions(AMBIVALENCE, reset="person", check_content=False)
    found = score(fold, data, features, model, "source-only", options)
    assert np.isfinite(found.rows["recording"].probs).all()
    assert len(found.rows["recording"].y) == len(fold.test)

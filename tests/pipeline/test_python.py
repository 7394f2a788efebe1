"""``import twomind``: one answer, one person, one data set in a few lines."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import twomind as tm
from twomind.core.errors import BadInput
from twomind.datasets import bah_fake
from twomind.models.base import Model

MEDIA = Path(__file__).parent.parent / "fixtures" / "v0_1" / "media"
FILM, SAID = MEDIA / "clip-talking.mp4", MEDIA / "clip-talking.txt"
TEXT = "Um, I know I should, but maybe, I guess, I am not sure that I want to do it."


@pytest.fixture(scope="module")
def described() -> tm.Description:
    return tm.describe(tm.open_recording(FILM, question="7", text=TEXT), ("voice", "words"))


def test_words_are_taken_as_a_file_as_an_open_file_and_as_text(tmp_path: Path) -> None:
    transcript = tmp_path / "said.txt"
    transcript.write_text(TEXT, encoding="utf-8")
    by_file = tm.open_recording(FILM, transcript=transcript)
    by_bytes = tm.open_recording(FILM, transcript=io.BytesIO(TEXT.encode()))
    by_text = tm.open_recording(FILM, text=TEXT)
    assert by_file.words is not None
    assert by_file.words == by_bytes.words == by_text.words
    with pytest.raises(BadInput, match="not both"):
        tm.open_recording(FILM, transcript=transcript, text=TEXT)


def test_an_open_film_is_the_same_recording_as_the_file() -> None:
    by_path = tm.open_recording(FILM, text=TEXT)
    with open(FILM, "rb") as file:
        by_file = tm.open_recording(file, text=TEXT)
    by_bytes = tm.open_recording(io.BytesIO(FILM.read_bytes()), text=TEXT)
    assert by_file.id == by_path.id == FILM.stem
    assert by_bytes.id.startswith("recording-")
    assert by_bytes.words == by_path.words
    assert by_bytes.media.read_bytes() == by_path.media.read_bytes()
    with pytest.raises(BadInput, match="reading bytes"):
        tm.open_recording(io.StringIO("text"))  # type: ignore[arg-type]


def test_a_long_film_is_copied_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an upload that is read in pieces is the same file."""
    from twomind.pipeline import python

    monkeypatch.setattr(python, "_BLOCK", 1000)
    asked: list[int] = []

    class Upload(io.BytesIO):
        def read(self, n: int | None = -1) -> bytes:
            asked.append(-1 if n is None else n)
            return super().read(n)

    recording = tm.open_recording(Upload(FILM.read_bytes()), text=TEXT)
    assert set(asked) == {1000}
    assert recording.media.read_bytes() == FILM.read_bytes()


def test_it_is_predicted_from_whatever_is_at_hand(described: tm.Description) -> None:
    recording = tm.open_recording(FILM, question="7", text=TEXT)
    model = tm.load("words")
    first = tm.predict(described, model)
    assert first.status is tm.Status.OK
    assert first.probs.sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(tm.predict(described.features, "words").probs, first.probs)
    np.testing.assert_array_equal(tm.predict(recording).probs, first.probs)


def test_results_are_ready_for_json(described: tm.Description) -> None:
    prediction = tm.predict(described)
    found = json.loads(json.dumps(prediction.to_dict()))
    assert found["status"] == "ok"
    assert found["probs"] == pytest.approx(prediction.probs.tolist())
    assert found["evidence"][0]["kind"] == prediction.evidence[0].kind
    whole = json.loads(json.dumps(described.to_dict(), allow_nan=False))
    assert whole["recording"]["words"][0]["text"] == "Um,"
    assert whole["recording"]["media"] == str(FILM)
    silent = tm.Prediction.not_measured((0.0, 1.0), 2, "no face").to_dict()
    assert (silent["probs"], silent["status"]) == ([None, None], "not_measured")


def _windows(person: str, n: int) -> list[tm.Features]:
    rng = np.random.default_rng(len(person))
    found = []
    for k in range(n):
        values = rng.normal(size=(3, 4)).astype(np.float32)
        track = tm.Track(values, np.arange(3.0), np.ones(3, bool))
        found.append(tm.Features(f"{person}-{k}", person, {"embedding": track}, (0.0, 3.0)))
    return found


@pytest.fixture
def model() -> object:
    torch = pytest.importorskip("torch")
    from twomind.models.embedding import EmbeddingRecogniser

    rows = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    weights = {"head.weight": torch.from_numpy(rows), "head.bias": torch.zeros(2)}
    return EmbeddingRecogniser(tm.Task("toy", ("absent", "present")), weights)


def test_a_model_adapts_to_a_person_and_goes_on_from_a_state(model: Model) -> None:
    xs = _windows("anna", 6)
    whole = list(tm.adapt(xs, model, "t3a"))
    first = list(tm.adapt(xs[:3], model, "t3a"))
    then = list(tm.adapt(xs[3:], model, "t3a", state=first[-1].state))
    for one, two in zip(whole, [*first, *then], strict=True):
        np.testing.assert_array_equal(one.prediction.probs, two.prediction.probs)
    apart = [not np.allclose(one.prediction.probs, one.unadapted.probs) for one in whole]
    assert any(apart)
    for one, x in zip(whole, xs, strict=True):
        np.testing.assert_allclose(one.unadapted.probs, tm.predict(x, model).probs, atol=1e-7)


def test_several_people_and_models_without_weights_are_refused(model: Model) -> None:
    both = [*_windows("anna", 1), *_windows("berta", 1)]
    with pytest.raises(BadInput, match="one person, got anna, berta"):
        list(tm.adapt(both, model, "t3a"))
    with pytest.raises(BadInput, match="words"):
        list(tm.adapt(both, "words"))
    with pytest.raises(BadInput, match="t3a has no setting speed"):
        tm.adapt(both, model, "t3a", speed=3)


def test_a_model_of_synthetic_people_refuses_real_ones(model: Model) -> None:
    synthetic = replace(model, drawn=True)
    (x,) = _windows("anna", 1)
    with pytest.raises(BadInput, match="synthetic people"):
        tm.predict(x, synthetic)
    assert tm.predict(x, synthetic, allow_synthetic=True).status is tm.Status.OK


def test_the_words_model_is_scored_on_a_split(shared: Path) -> None:
    found = tm.score(shared / "data" / "bah_v1", split="val", resamples=100)
    assert found["model"]["variant"] == "lexicon"
    json.dumps(found)


def test_another_model_is_scored_by_a_protocol(model: Model, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="protocol"):
        tm.score(tmp_path, model)
    with pytest.raises(BadInput, match="out"):
        tm.score(tmp_path, model, protocol="official")


@pytest.mark.slow
def test_a_model_is_compared_on_folds_as_it_is(tmp_path: Path) -> None:
    data = bah_fake.fake(tmp_path / "bah")
    found = tm.score(data, "words", protocol="official", out=tmp_path / "out", resamples=100)
    (board,) = found["boards"]
    kinds = {line["kind"] for line in board["lines"]}
    assert kinds == {"base", "shortcut"}
    assert "not fitted" in found["notes"][0]
    assert all("not fitted" in " ".join(board["notes"]) for board in found["boards"])
    assert Path(found["html"]).is_file()

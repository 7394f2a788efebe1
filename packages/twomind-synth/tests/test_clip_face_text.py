"""The face–text encoder that ships: tokens, what it knows of people it never saw, and that CLIP-AU
runs on it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from twomind.adaptation import clip_autt_parts as autt
from twomind.adaptation import stream
from twomind.adaptation.methods.clip_autt import ClipAutt
from twomind.core import weights
from twomind.core.errors import BadInput, MissingWeights
from twomind.encoders.clip_towers import encode_ids
from twomind.encoders.encoder import Encoder
from twomind.encoders.opening import open_encoder
from twomind.models.clip_au.phrases import PHRASES
from twomind.models.clip_au.recogniser import new_model
from twomind.types import Features, Task, Track
from twomind_synth.models import face_text
from twomind_synth.models.face_text_captions import NAMES, WORDS, caption


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return open_encoder()


def test_it_ships_whole_and_small(tmp_path: Path) -> None:
    assert face_text.SHIPPED.stat().st_size < 4 << 20
    (found,) = [w for w in weights.survey() if w.name == "face-text"]
    assert found.state == "present"
    assert "synthetic people" in found.what
    broken = tmp_path / "face_text.safetensors"
    broken.write_bytes(b"nothing")
    with pytest.raises(BadInput, match="cannot be read"):
        face_text.load_face_text(broken)
    with pytest.raises(MissingWeights, match="face_text_train"):
        face_text.load_face_text(tmp_path / "none")


def test_a_changed_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / face_text.SHIPPED.name
    shutil.copy(face_text.SHIPPED, copy)
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(data)
    monkeypatch.setattr(face_text, "SHIPPED", copy)
    with pytest.raises(MissingWeights, match="SHA-256"):
        face_text.load_face_text(copy)


def test_tokens(encoder: Encoder) -> None:
    tokens = encoder.tokenise(["Lips_puckered.", "lips puckered", "zq lips"])
    assert torch.equal(tokens.ids[0], tokens.ids[1])
    assert tokens.read_at.tolist() == [3, 3, 4]  # an unknown word letter by letter
    assert int(tokens.ids.max()) == int(tokens.ids[0, 3])
    with pytest.raises(BadInput, match="at most 48"):
        encoder.tokenise(["q" * 60])
    # Every phrase that CLIP-AU asks about fits.
    assert encoder.tokenise([p.text for p in PHRASES]).ids.shape == (46, 48)


def test_words_agree_with_the_phrases_of_clip_au() -> None:
    said = {texts[0] for texts in WORDS.values()}
    assert said <= {p.text for p in PHRASES}


def test_a_caption_says_what_is_strong() -> None:
    rng = np.random.default_rng(0)
    quiet = dict.fromkeys(NAMES, 0.1)
    assert {caption(quiet, rng) for _ in range(20)} <= {
        "a neutral face",
        "a calm face",
        "nothing moves in the face",
        "a relaxed face",
    }
    texts = [caption({**quiet, "AU12": 0.9}, rng) for _ in range(20)]
    assert all("strongly" in t and any(w in t for w in WORDS["AU12"]) for t in texts)


@pytest.mark.slow
def test_it_tells_movements_of_people_it_never_saw(encoder: Encoder) -> None:
    """Faces drawn now, of people outside the recipe's seeds: a movement's phrase fits them better
    than calm ones.
    """
    pytest.importorskip("mediapipe")
    from twomind.features.face.align import aligned
    from twomind.features.face.tracker_mesh import MeshFinder
    from twomind_synth.face import Camera, FaceState, Person, draw

    finder = MeshFinder(1)
    moves = {
        "AU12": "lip corners pulled up in a smile",
        "AU01": "inner eyebrows raised",
        "AU26": "jaw dropped",
    }
    tokens = encoder.tokenise(list(moves.values()))
    text = torch.nn.functional.normalize(
        encode_ids(encoder.text, tokens.ids, tokens.read_at), dim=-1
    ).numpy()
    gains = []
    for k in range(6):
        rng = np.random.default_rng(990 + k)
        person, camera = Person.random(rng), Camera.random(rng, 320, 240)
        states = [FaceState(), *(FaceState(aus={au: 0.9}) for au in moves)]
        crops = []
        for state in states:
            rgb = draw(person, state, camera)
            landmarks = finder.one(rgb)
            assert landmarks is not None
            crops.append(aligned(rgb, landmarks, 64, "mesh"))
        sims = encoder.embed(crops) @ text.T
        gains.append([sims[1 + i, i] - sims[0, i] for i in range(len(moves))])
    finder.close()
    assert (np.array(gains) > 0).mean() > 0.85
    assert (np.mean(gains, axis=0) > 0.1).all()


@pytest.mark.slow
def test_an_interrupted_training_ends_the_same(tmp_path: Path) -> None:
    from twomind_synth.models.face_text_train import Recipe, train

    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (32, 64, 64, 3), np.uint8)
    truth = (rng.random((32, len(NAMES))) * (rng.random((32, len(NAMES))) < 0.2)).astype(np.float32)
    recipe = Recipe(epochs=3, batch=16, dim=16, width=16, n_layers=1)
    undisturbed, _ = train(recipe, faces, truth)
    train(recipe, faces, truth, tmp_path / "c.safetensors", stop_after=2)
    resumed, _ = train(recipe, faces, truth, tmp_path / "c.safetensors")
    assert all(torch.equal(undisturbed[k], resumed[k]) for k in undisturbed)


def test_rows_are_of_length_one(encoder: Encoder) -> None:
    rows = encoder.embed([np.random.default_rng(0).integers(0, 256, (80, 70, 3), np.uint8)] * 2)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert rows.shape == (2, encoder.dim)


def test_clip_au_and_clip_autt_run_on_it(encoder: Encoder) -> None:
    model = new_model(encoder, Task("t", ("no", "yes")))
    assert model.drawn
    rng = np.random.default_rng(0)
    values = rng.normal(size=(25, encoder.dim)).astype(np.float32)
    track = Track(values, 0.08 * np.arange(25), np.ones(25, bool))
    x = Features("r", "p", {"face_text": track}, (0.0, 2.0), drawn=True)
    (step,) = stream(model, ClipAutt(), [x])
    assert np.isfinite(step.prediction.probs).all()
    assert autt.worded_prompts(model.phrase_text()).base.shape[0] == 46


def test_the_clip_au_that_ships(encoder: Encoder) -> None:
    """Loaded by name, it finds its encoder, and names only movements whose similarity was seen to
    follow them.
    """
    from twomind.models import load

    model = load("clip-au")
    assert model.drawn
    assert model.encoder == "face-text"
    assert model.mark == encoder.fingerprint
    assert model.card["held_out"]["n_people"] == 10
    rng = np.random.default_rng(0)
    values = rng.normal(size=(25, encoder.dim)).astype(np.float32)
    x = Features(
        "r",
        "p",
        {"face_text": Track(values, 0.08 * np.arange(25), np.ones(25, bool))},
        (0.0, 2.0),
        drawn=True,
    )
    shown = {e.name for e in model.predict(x).evidence}
    assert shown == {row["name"] for row in model.card["aus"]["rows"] if row["earned"]}
    (step,) = stream(model, ClipAutt(steps=0), [x])
    np.testing.assert_array_equal(step.prediction.probs, model.predict(x).probs)
    (entry,) = [w for w in weights.survey() if w.name == "clip-au"]
    assert entry.state == "present"

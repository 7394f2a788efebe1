"""CLIP fine-tuned as a whole: it learns what the pictures show, goes on after a kill, and is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.clip_files import make_tiny_clip  # noqa: E402

from twomind.adaptation import caches, load_method  # noqa: E402
from twomind.adaptation.prototypes import summary_of  # noqa: E402
from twomind.core.errors import BadInput  # noqa: E402
from twomind.models.clip_text.recogniser import CROPS, TEXT, ClipText  # noqa: E402
from twomind.training import clip_whole  # noqa: E402
from twomind.training.clip_whole import ClipWholeRecipe, Start, TrainSettings, train  # noqa: E402
from twomind.types import Example, Features, Given, Task, Track  # noqa: E402

TASK = Task("pain", ("neutral", "pain"), "clip")
HOW = TrainSettings(epochs=3, batch=8, learning_rate=1e-3)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_clip(tmp_path_factory.mktemp("clip") / "tiny"))


def _shown(seed: int, y: int, n: int = 3) -> Features:
    """A clip whose class is how bright its upper half is."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(90, 130, (n, 40, 40, 3))
    pictures[:, :20] += 80 * y - 40
    track = Track(pictures.astype(np.uint8), np.arange(n) * 0.2, np.ones(n, bool))
    return Features(f"c{seed}", f"p{seed % 3}", {CROPS: track}, (0.0, 0.2 * n), drawn=True)


def _examples() -> list[Example]:
    return [Example(_shown(k, k % 2), k % 2) for k in range(12)]


def test_both_towers_move_and_learn_what_is_there(clip: str, tmp_path: Path) -> None:
    start = Start(clip, TASK, TASK.classes, 0.2)
    model = train(start, _examples(), replace(HOW, epochs=8))
    said = [int(model.predict(_shown(50 + k, k % 2)).probs.argmax()) for k in range(8)]
    assert said == [k % 2 for k in range(8)]
    towers = clip_whole.towers_of(clip)
    assert model.image is not None
    name = "visual.proj"
    assert not torch.equal(model.image.weights[name], towers.image.weights[name])
    untouched = train(start, _examples(), replace(HOW, epochs=0))
    assert not torch.equal(model.weights[TEXT], untouched.weights[TEXT])
    losses = [row["loss"] for row in model.card["training"]["history"]]
    assert losses[-1] < losses[0]
    model.save(tmp_path)
    kept = ClipText.load(tmp_path)
    x = _shown(70, 1)
    np.testing.assert_array_equal(kept.predict(x).probs, model.predict(x).probs)
    # A step is a frame, and TTA-CaP finds its rows as it does those of the frozen CLIP.
    z, _ = caches.read_steps(model, x)
    assert z.shape == (3, model.dim)
    rows = {"a": (caches.prototype_rows(model, x), np.array([0, 1, 1]))}
    given = Given(summary=summary_of(rows, 2))
    method = load_method("tta-cap")
    answer, after = method.step(model, method.begin(model, given), x)
    assert after["n"] == 3
    assert np.isfinite(answer.probs).all()


def test_a_killed_training_ends_at_the_same_weights(clip: str, tmp_path: Path) -> None:
    start = Start(clip, TASK, TASK.classes, 0.2)
    whole = train(start, _examples(), HOW)
    keep = tmp_path / "unfinished.safetensors"
    train(start, _examples(), replace(HOW, epochs=2), keep=keep)
    again = train(start, _examples(), HOW, keep=keep)
    assert whole.image is not None
    assert again.image is not None
    for name, value in whole.image.weights.items():
        assert torch.equal(value, again.image.weights[name]), name


def test_parts_of_a_batch_are_the_batch(clip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = Start(clip, TASK, TASK.classes, 0.2)
    how = replace(HOW, epochs=1, batch=12)
    at_once = train(start, _examples(), how)
    monkeypatch.setattr(clip_whole, "PICTURES_AT_ONCE", 5)
    in_parts = train(start, _examples(), how)
    np.testing.assert_allclose(
        in_parts.weights[TEXT].numpy(), at_once.weights[TEXT].numpy(), atol=1e-3
    )


def test_what_is_no_clip_is_refused(clip: str) -> None:
    pytest.importorskip("twomind_synth")
    with pytest.raises(BadInput, match="is not a CLIP"):
        ClipWholeRecipe("face-text").mark()
    with pytest.raises(BadInput, match="at least two classes"):
        train(Start(clip, TASK, TASK.classes, 0.2), [Example(_shown(1, 0), 0)], HOW)
    with pytest.raises(BadInput, match="expected 2 words"):
        train(Start(clip, TASK, ("pain",), 0.2), _examples(), HOW)

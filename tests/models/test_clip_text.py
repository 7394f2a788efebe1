"""CLIP with class text: a step per frame, and what TTA-CaP makes of the steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from twomind.adaptation import caches, load_method, stream  # noqa: E402
from twomind.adaptation.prototypes import summary_of  # noqa: E402
from twomind.models.clip_text import parts  # noqa: E402
from twomind.models.clip_text.recogniser import TEXT, ClipText, window_indices  # noqa: E402
from twomind.training.clip_text import TrainSettings, train  # noqa: E402
from twomind.types import Example, Features, Given, Task, Track  # noqa: E402

DIM = 16
TASK = Task("pain", ("neutral", "pain"), "clip")


def _model() -> ClipText:
    rng = torch.Generator().manual_seed(3)
    return ClipText(TASK, {TEXT: torch.randn(2, DIM, generator=rng)}, drawn=True, frames=4)


def _clip(seed: int, y: int, subject: str = "p1", n: int = 9) -> Features:
    rng = np.random.default_rng(seed)
    towards = np.zeros(DIM)
    towards[y] = 2.0
    rows = (towards + rng.normal(size=(n, DIM)) * 0.5).astype(np.float32)
    valid = np.ones(n, bool)
    valid[2] = False
    codes = 1 - valid.astype(np.uint8)
    track = Track(rows, np.arange(n) * 0.04, valid, reasons=("", "no face"), reason_code=codes)
    return Features(f"clip{seed}", subject, {"clip": track}, (0.0, 0.4), drawn=True)


def _examples() -> list[Example]:
    return [Example(_clip(k, k % 2, f"p{k % 4}"), k % 2) for k in range(24)]


def test_windows_are_centred_and_repeat_the_edges() -> None:
    assert window_indices(5, 8)[0].tolist() == [0, 0, 0, 0, 0, 1, 2, 3]
    assert window_indices(5, 8)[4].tolist() == [0, 1, 2, 3, 4, 4, 4, 4]
    assert window_indices(1, 8).tolist() == [[0] * 8]


def test_the_answer_is_the_mean_of_the_steps(tmp_path: Path) -> None:
    model = train(_model(), _examples(), TrainSettings(epochs=2))
    x = _clip(100, 1)
    z, logits = caches.read_steps(model, x)
    assert z.shape == (8, DIM)  # one frame was not valid
    _, whole = model.run([x])
    np.testing.assert_allclose(logits.mean(axis=0), whole[0].detach().numpy(), atol=1e-4)
    # A step looks at its own window alone.
    rows = torch.nn.functional.normalize(torch.from_numpy(model.frame_rows(x)), dim=-1)
    alone = parts.temporal(model.weights, rows[window_indices(8, 4)[3]][None])
    np.testing.assert_allclose(
        z[3], torch.nn.functional.normalize(alone, dim=-1)[0].detach().numpy(), atol=1e-5
    )
    model.save(tmp_path)
    kept = ClipText.load(tmp_path).predict(x)
    np.testing.assert_array_equal(kept.probs, model.predict(x).probs)


def test_training_learns_what_is_there() -> None:
    model = train(_model(), _examples(), TrainSettings(epochs=8))
    said = [int(model.predict(_clip(200 + k, k % 2)).probs.argmax()) for k in range(10)]
    assert said == [k % 2 for k in range(10)]


@pytest.mark.parametrize("name", ["tta-cap", "tta-cap-v1", "tta-cap-wacv"])
def test_tta_cap_steps_by_the_frame(name: str) -> None:
    """A clip of T frames is T steps: the same as T clips of one frame with the same rows."""
    model = _model()
    people = {}
    for person in ("a", "b", "c"):
        clips = [(_clip(10 + k, k % 2, person), k % 2) for k in range(4)]
        rows = [caches.prototype_rows(model, x) for x, _ in clips]
        y = [c for own, (_, c) in zip(rows, clips, strict=True) for _ in own]
        people[person] = (np.concatenate(rows), np.array(y))
    neutral = (_clip(50, 0),)
    given = Given(summary=summary_of(people, 2), neutral=neutral, target=neutral)
    method = load_method(name)
    clip = _clip(60, 1)
    state = method.begin(model, given)
    whole, after = method.step(model, state, clip)
    track = clip.tracks["clip"]
    logits = []
    one_by_one = method.begin(model, given)
    for k in np.flatnonzero(track.valid):
        one = Track(track.values[k : k + 1], track.times_s[k : k + 1], track.valid[k : k + 1])
        x = Features(clip.recording, clip.subject, {"clip": one}, clip.span_s, drawn=True)
        answer, one_by_one = method.step(model, one_by_one, x)
        logits.append(np.log(answer.probs))
    assert after["n"] == one_by_one["n"] == 8
    for cache in ("positive", "negative"):
        np.testing.assert_array_equal(after[cache]["at"], one_by_one[cache]["at"])
        np.testing.assert_allclose(after[cache]["z"], one_by_one[cache]["z"], atol=1e-6)
    # Log-probabilities are logits up to a constant per step, which the mean over steps keeps.
    mean = np.mean(logits, axis=0)
    wanted = np.exp(mean - mean.max())
    np.testing.assert_allclose(whole.probs, wanted / wanted.sum(), atol=1e-4)


def test_it_streams() -> None:
    rows = np.eye(DIM, dtype=np.float32)[:4]
    given = Given(summary=summary_of({"a": (rows, np.array([0, 1, 0, 1]))}, 2))
    method = load_method("tta-cap")
    steps = list(stream(_model(), method, [_clip(1, 0), _clip(2, 1)], given={"p1": given}.get))
    assert len(steps) == 2

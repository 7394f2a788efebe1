"""The frame network: pictures in, rows out; fine-tuned on frames, saved, read, and carried along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from dataclasses import replace  # noqa: E402

from tests import bah_tiny  # noqa: E402

from twomind.core.errors import BadInput, MissingWeights  # noqa: E402
from twomind.encoders.pretrained import Encoder  # noqa: E402
from twomind.encoders.still import centre  # noqa: E402
from twomind.models.frame_cnn.recogniser import FrameCnn  # noqa: E402
from twomind.training.frame_cnn import (  # noqa: E402
    SETTINGS,
    Frames,
    Start,
    Thinned,
    fine_tuned,
    frames_of,
)
from twomind.types import Example, Features, Task, Track  # noqa: E402

TASK = Task("blobs", ("absent", "present"), "frame")


def frames(n: int, seed: int = 0, px: int = 124) -> Frames:
    """Bright crops are present, dark ones absent."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    level = np.where(y == 1, 150, 20)[:, None, None, None]
    crops = (level + rng.integers(0, 60, (n, px, px, 3))).astype(np.uint8)
    return Frames(crops, y, tuple(f"p{k % 4}" for k in range(n)), True)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    folder = bah_tiny.resnet(tmp_path_factory.mktemp("cnn") / "resnet")
    return Start(Encoder("video", str(folder)), TASK)


@pytest.fixture(scope="module")
def model(start: Start) -> FrameCnn:
    how = replace(SETTINGS, epochs=3, batch=8, lr=3e-3)
    return fine_tuned(start, frames(24), frames(12, 1), how)


def window(picture: np.ndarray, time_s: float = 0.0) -> Features:
    track = Track(picture[None], np.array([time_s]), np.ones(1, bool))
    return Features("r", "p", {"face_crop": track}, (time_s, time_s + 1 / 24), drawn=True)


def test_it_learns_is_kept_and_answers_the_same(model: FrameCnn, tmp_path: Path) -> None:
    held = frames(12, 2)
    said = [model.predict(window(crop)).probs[1] for crop in held.crops]
    assert np.min(np.array(said)[held.y == 1]) > np.max(np.array(said)[held.y == 0])
    model.save(tmp_path / "m")
    again = FrameCnn.load(tmp_path / "m").allowing_drawn()
    for crop in held.crops[:3]:
        assert again.predict(window(crop)).probs == pytest.approx(model.predict(window(crop)).probs)
    rows = model.rows_of(held.crops)
    assert rows.shape == (12, model.width) == (12, 12)
    z, logits = model.run([window(crop) for crop in held.crops])
    np.testing.assert_allclose(z.detach().numpy(), rows, atol=1e-5)
    weight, bias = model.head()
    np.testing.assert_allclose((z @ weight.T + bias).detach(), logits.detach(), atol=1e-5)


def test_a_row_is_the_middle_of_the_middle_picture(model: FrameCnn) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 124, 124, 3)).astype(np.uint8)
    track = Track(pictures, np.arange(3) / 24, np.array([True, True, False]))
    x = Features("r", "p", {"face_crop": track}, (0.0, 1.0), drawn=True)
    row = model.row(x)
    assert row is not None
    assert row.dtype == np.uint8
    np.testing.assert_array_equal(row.reshape(112, 112, 3), pictures[1, 6:118, 6:118])
    turned = model.mirrored(torch.from_numpy(row)[None])[0].reshape(112, 112, 3).numpy()
    np.testing.assert_array_equal(turned, pictures[1, 6:118, 6:118][:, ::-1])
    dark = replace(track, valid=np.zeros(3, bool))
    nothing = replace(x, tracks={"face_crop": dark})
    assert model.row(nothing) is None
    assert not np.isfinite(model.predict(nothing).probs).any()


def test_small_crops_are_repeated_at_the_edges() -> None:
    small = np.arange(2 * 5 * 4 * 3, dtype=np.uint8).reshape(2, 5, 4, 3)
    made = centre(small, 8)
    assert made.shape == (2, 8, 8, 3)
    assert made.max() <= small.max()


def test_one_class_alone_and_a_network_of_clips_are_refused(start: Start, tmp_path: Path) -> None:
    import transformers

    some = frames(4)
    with pytest.raises(BadInput, match="at least two classes"):
        fine_tuned(start, replace(some, y=np.zeros(4, int)), some)
    config = transformers.VideoMAEConfig(
        image_size=16,
        patch_size=8,
        num_frames=4,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    transformers.VideoMAEModel(config).save_pretrained(tmp_path / "videomae")
    clips = Start(Encoder("video", str(tmp_path / "videomae")), TASK)
    with pytest.raises(MissingWeights, match="network of single pictures"):
        fine_tuned(clips, some, some)


def test_only_what_is_learnt_from_is_thinned() -> None:
    pictures = np.zeros((9, 4, 4, 3), np.uint8)
    track = Track(pictures, np.arange(9.0), np.array([True] * 8 + [False]))

    def reading(name: str) -> Features:
        return Features(name, "p", {"face_crop": track}, (0.0, 9.0))

    thinned = Thinned(reading, frozenset({"source"}), 3)
    assert thinned("source").tracks["face_crop"].times_s.tolist() == [0.0, 4.0, 7.0]
    assert len(thinned("target").tracks["face_crop"]) == 9
    found = frames_of([Example(thinned("source"), 1)])
    assert found.y.tolist() == [1]

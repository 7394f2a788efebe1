"""VGGish and stretched tokens: what the supervised table of BAH reads beside faces."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests import bah_tiny  # noqa: E402

from twomind.core.errors import MissingWeights  # noqa: E402
from twomind.encoders.pretrained import Encoder, network, tokenizer_of  # noqa: E402
from twomind.encoders.stretched import encode_stretched, token_rows  # noqa: E402
from twomind.encoders.vggish import Vggish, encode_vggish, log_mel, patches  # noqa: E402


def _mel(hz: float) -> float:
    return 1127.0 * math.log(1.0 + hz / 700.0)


def slow_log_mel(wave: np.ndarray, row: int) -> list[float]:
    """One row, bin by bin and band by band."""
    window = [0.5 - 0.5 * math.cos(2 * math.pi * i / 400) for i in range(400)]
    piece = np.zeros(512)
    for i in range(400):
        piece[i] = wave[160 * row + i] * window[i]
    loudness = np.abs(np.fft.fft(piece))[:257]
    low, high = _mel(125.0), _mel(7500.0)
    step = (high - low) / 65
    found = []
    for band in range(64):
        left = low + band * step
        total = 0.0
        for k in range(1, 257):
            at = _mel(k * 16000 / 512)
            share = min((at - left) / step, (left + 2 * step - at) / step)
            total += max(share, 0.0) * loudness[k]
        found.append(math.log(total + 0.01))
    return found


def test_log_mel_rows_are_those_of_the_definition() -> None:
    wave = np.random.default_rng(0).normal(size=4000)
    mel = log_mel(wave)
    assert mel.shape == (1 + (4000 - 400) // 160, 64)
    for row in (0, 7, len(mel) - 1):
        np.testing.assert_allclose(mel[row], slow_log_mel(wave, row), rtol=1e-4, atol=1e-4)
    assert log_mel(np.zeros(10)).shape == (1, 64)


def test_a_patch_lies_around_its_moment_and_repeats_at_the_ends() -> None:
    mel = np.arange(200.0)[:, None] * np.ones(64)
    made = patches(mel, np.array([0.0, 1.0, 1.99]))[:, :, 0]
    assert (made[0][:48] == 0).all()
    middle = round((16000 - 200) / 160)
    assert made[1].tolist() == list(range(middle - 48, middle + 48))
    assert made[2][-1] == 199
    assert made.shape == (3, 96)


def test_a_row_per_frame_changes_with_the_sound_around_it_alone(tmp_path: Path) -> None:
    encoder = Vggish(str(bah_tiny.vggish(tmp_path / "vggish")))
    wave = np.random.default_rng(1).normal(size=3 * 16000)
    times_s = np.arange(72) / 24
    track = encode_vggish(encoder, wave, 0.0, times_s)
    assert track.values.shape == (72, 8) == (len(track), encoder.width)
    louder = wave.copy()
    louder[2 * 16000 :] *= 3
    other = encode_vggish(encoder, louder, 0.0, times_s)
    same = np.isclose(track.values, other.values).all(axis=1)
    assert same[:36].all()
    assert not same[48:].any()
    later = encode_vggish(encoder, wave, 5.0, times_s + 5.0)
    np.testing.assert_allclose(later.values, track.values, atol=1e-5)


def test_the_linear_layers_read_channels_last(tmp_path: Path) -> None:
    """As published; read channels first, the published weights would mean nothing."""
    encoder = Vggish(str(bah_tiny.vggish(tmp_path / "vggish")))
    weights = dict(encoder.weights)
    made = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, 96, 64))).float()
    x = made
    for n, pooled in {0: 1, 3: 1, 6: 0, 8: 1, 11: 0, 13: 1}.items():
        x = torch.conv2d(
            x, weights[f"features.{n}.weight"], weights[f"features.{n}.bias"], padding=1
        )
        x = x.relu()
        x = torch.max_pool2d(x, 2) if pooled else x
    flat = [x[0, c, h, w] for h in range(6) for w in range(4) for c in range(4)]
    row = torch.stack(flat)
    for n in (0, 2, 4):
        row = (weights[f"embeddings.{n}.weight"] @ row + weights[f"embeddings.{n}.bias"]).relu()
    from twomind.encoders import vggish

    np.testing.assert_allclose(vggish._rows(weights, made[:, 0])[0], row, atol=1e-5)


def test_another_folder_is_no_vggish(tmp_path: Path) -> None:
    folder = bah_tiny.vggish(tmp_path / "vggish")
    (folder / "config.json").write_text('{"model_type": "hubert"}')
    with pytest.raises(MissingWeights, match="weights import FILE --as vggish"):
        _ = Vggish(str(folder)).width


def test_tokens_are_stretched_evenly_over_the_frames(tmp_path: Path) -> None:
    encoder = Encoder("text", str(bah_tiny.bert(tmp_path / "bert")))
    text = "i would. but no"
    rows = token_rows(encoder, text)
    times_s = np.arange(100) / 24
    track = encode_stretched(encoder, text, times_s)
    assert len(track) == 100
    n = len(rows)
    assert n == len(tokenizer_of(encoder).tokenize("i would. but no"))
    for i in range(100):
        np.testing.assert_array_equal(track.values[i], rows[i * n // 100])
    # A sentence is read alone: the first does not hang on the second.
    alone = token_rows(encoder, "i would.")
    np.testing.assert_allclose(rows[: len(alone)], alone, atol=1e-6)
    # The last four layers in sum; of two layers, both.
    entry = tokenizer_of(encoder)("but no", return_tensors="pt")
    with torch.no_grad():
        layers = network(encoder)(**entry, output_hidden_states=True).hidden_states
    wanted = (layers[-1] + layers[-2])[0, 1:-1]
    np.testing.assert_allclose(rows[len(alone) :], wanted, atol=1e-6)
    assert len(encode_stretched(encoder, "", times_s)) == 0

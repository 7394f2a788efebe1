"""CLIP: the functional towers, preprocessing, tokens and loading, against transformers, on a tiny
random one.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("PIL")
import torch

from clip_files import make_tiny_clip
from twomind.core import weights
from twomind.core.errors import BadInput, MissingWeights, Offline
from twomind.encoders import clip
from twomind.encoders.clip_images import Preprocessing
from twomind.encoders.clip_towers import (
    embed_tokens,
    encode_ids,
    from_transformers,
    image_features,
    image_tower,
    text_features,
)

PHRASES = ["brow up", "lip corners pulled up and back towards the ears.", "x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def tiny(folder: Path) -> clip.Encoder:
    return clip.load_clip(folder, runtime="torch")


@pytest.fixture(scope="module")
def reference(folder: Path):  # type: ignore[no-untyped-def]
    from transformers import CLIPModel

    return CLIPModel.from_pretrained(folder, local_files_only=True).eval()


def test_both_towers_equal_transformers(tiny: clip.Encoder, reference) -> None:  # type: ignore[no-untyped-def]
    tokens = tiny.tokenise(PHRASES)
    pixels = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        text = reference.text_model(tokens.ids)
        last = text.last_hidden_state[torch.arange(3), tokens.read_at]
        words = reference.text_projection(last).numpy()
        seen = reference.visual_projection(
            reference.vision_model(torch.from_numpy(pixels)).pooler_output
        ).numpy()
    np.testing.assert_allclose(
        encode_ids(tiny.text, tokens.ids).numpy(), words, rtol=0, atol=1e-5 * abs(words).max()
    )
    np.testing.assert_allclose(tiny.images(pixels), seen, rtol=0, atol=1e-5 * abs(seen).max())


def test_only_the_tokens_that_matter_are_computed(tiny: clip.Encoder) -> None:
    """The same features and gradients as from all 77 tokens, and nothing after the end can change
    them.
    """
    tokens = tiny.tokenise(PHRASES)
    grads, rows = [], []
    for truncate in (True, False):
        prompt = embed_tokens(tiny.text, tokens.ids).requires_grad_()
        out = text_features(tiny.text, prompt, tokens.read_at, truncate=truncate)
        (grad,) = torch.autograd.grad(out.square().sum(), prompt)
        grads.append(grad)
        rows.append(out.detach())
    torch.testing.assert_close(*rows, rtol=0, atol=2e-5)
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-4 * float(grads[0].abs().max()))
    assert not tiny.text.weights["text_projection"].requires_grad
    noise = embed_tokens(tiny.text, tokens.ids)
    noise[0, int(tokens.read_at[0]) + 1 :] += 100
    torch.testing.assert_close(
        text_features(tiny.text, noise, tokens.read_at)[0], rows[0][0], rtol=0, atol=2e-5
    )
    with pytest.raises(BadInput, match="at most 77"):
        text_features(tiny.text, torch.zeros(1, 78, 32), torch.tensor([3]))


def test_a_start_that_all_prompts_share_is_computed_once(tiny: clip.Encoder) -> None:
    """Same features, and same gradients of everything after the start, for fewer products."""
    from torch.utils.flop_counter import FlopCounterMode

    tokens = tiny.tokenise(PHRASES)
    found, cost = [], []
    for same_start in (True, False):
        prompt = embed_tokens(tiny.text, tokens.ids).requires_grad_()
        with FlopCounterMode(display=False) as counter:
            out = text_features(tiny.text, prompt, tokens.read_at, same_start=same_start)
            (grad,) = torch.autograd.grad(out.square().sum(), prompt)
        found.append((out.detach(), grad[:, 1:]))
        cost.append(counter.get_total_flops())
    torch.testing.assert_close(found[0][0], found[1][0], rtol=0, atol=2e-5)
    torch.testing.assert_close(
        found[0][1], found[1][1], rtol=0, atol=1e-4 * float(found[1][1].abs().max())
    )
    assert cost[0] < cost[1]


def test_of_the_last_block_only_the_class_token_is_computed(reference) -> None:  # type: ignore[no-untyped-def]
    from torch.utils.flop_counter import FlopCounterMode

    config = reference.config.vision_config
    tower = image_tower(
        from_transformers(reference.state_dict()),
        n_heads=config.num_attention_heads,
        activation=config.hidden_act,
    )
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found, cost = [], []
    for truncate in (True, False):
        with FlopCounterMode(display=False) as counter:
            found.append(image_features(tower, pixels, truncate=truncate))
        cost.append(counter.get_total_flops())
    torch.testing.assert_close(*found, rtol=0, atol=1e-5 * float(found[1].abs().max()))
    assert cost[0] < cost[1]


@pytest.mark.parametrize("shape", [(40, 52), (360, 640), (641, 333), (224, 224), (30, 30)])
def test_pictures_are_prepared_as_by_transformers(shape: tuple[int, int]) -> None:
    from transformers import CLIPImageProcessor

    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    wanted = CLIPImageProcessor()(rgb, return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(Preprocessing()(rgb), wanted, rtol=0, atol=2e-6)


def test_a_picture_of_another_kind_is_refused() -> None:
    with pytest.raises(BadInput, match="uint8 RGB"):
        Preprocessing()(np.zeros((3, 32, 32), np.float32))


def test_bfloat16_is_kept_apart_and_close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = clip.load_clip(folder, runtime="torch")
    monkeypatch.setenv("TWOMIND_CLIP_RUNTIME", "bfloat16")
    short = clip.load_clip(folder)
    assert short.runtime == "bfloat16"
    assert short.fingerprint != exact.fingerprint
    assert short.fingerprint.split("-")[0] == exact.fingerprint.split("-")[0]
    pixels = (
        np.random.default_rng(0)
        .normal(size=(3, 3, short.crop_px, short.crop_px))
        .astype(np.float32)
    )
    a, b = exact.images(pixels), short.images(pixels)
    assert b.dtype == np.float32
    assert not np.array_equal(a, b)
    assert np.all(
        (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1) > 0.999
    )
    monkeypatch.delenv("TWOMIND_CLIP_RUNTIME")
    assert clip.load_clip(folder).runtime in ("torch", "onnx", "bfloat16")
    monkeypatch.setenv("TWOMIND_CLIP_RUNTIME", "int8")
    with pytest.raises(BadInput, match="TWOMIND_CLIP_RUNTIME"):
        clip.load_clip(folder)


def test_the_runtime_is_the_fastest_and_float32_leaves_bfloat16_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip.load_clip(folder, runtime="auto", cache=tmp_path)
    (measured,) = tmp_path.rglob("*.json")
    seconds = json.loads(measured.read_text("utf-8"))
    assert {"torch", "bfloat16"} <= set(seconds)
    # What was measured is kept, and decides the next time.
    measured.write_text(json.dumps(seconds | {"bfloat16": 0.0}), "utf-8")
    assert clip.load_clip(folder, runtime="auto", cache=tmp_path).runtime == "bfloat16"
    exact = clip.load_clip(folder, cache=tmp_path, runtime="float32").runtime
    assert exact == min(seconds.keys() - {"bfloat16"}, key=seconds.get)
    # A file of a time when bfloat16 was not measured does not leave it out.
    measured.write_text(json.dumps({"torch": 0.0, "onnx": 0.0}), "utf-8")
    clip.load_clip(folder, runtime="auto", cache=tmp_path)
    assert "bfloat16" in json.loads(measured.read_text("utf-8"))
    # A model that bfloat16 distorts too much does not run in it, however fast it is.
    measured.write_text(json.dumps(seconds | {"bfloat16": 0.0}), "utf-8")
    monkeypatch.setattr(clip, "least_cosine", lambda *_: 0.99)
    assert clip.load_clip(folder, runtime="auto", cache=tmp_path).runtime != "bfloat16"


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))),
    reason="needs onnx and onnxruntime",
)
def test_onnx_agrees_with_torch_and_is_kept(
    folder: Path, tiny: clip.Encoder, tmp_path: Path
) -> None:
    fast = clip.load_clip(folder, runtime="onnx", cache=tmp_path)
    pixels = np.random.default_rng(0).normal(size=(5, 3, 32, 32)).astype(np.float32)
    wanted = tiny.images(pixels)
    np.testing.assert_allclose(fast.images(pixels), wanted, rtol=0, atol=1e-5 * abs(wanted).max())
    assert fast.fingerprint != tiny.fingerprint
    (kept,) = tmp_path.rglob("*.onnx")
    stamp = kept.stat().st_mtime_ns
    clip.load_clip(folder, runtime="onnx", cache=tmp_path)
    assert kept.stat().st_mtime_ns == stamp
    # The faster one is taken; what was measured is kept, and decides the next time.
    chosen = clip.load_clip(folder, runtime="auto", cache=tmp_path).runtime
    (measured,) = tmp_path.rglob("*.json")
    seconds = json.loads(measured.read_text("utf-8"))
    assert chosen == min(seconds, key=seconds.get)
    for name, other in (("torch", "onnx"), ("onnx", "torch")):
        measured.write_text(json.dumps({name: 1.0, other: 2.0, "bfloat16": 3.0}), "utf-8")
        assert clip.load_clip(folder, runtime="auto", cache=tmp_path).runtime == name


def test_a_folder_without_a_vocabulary_is_refused(folder: Path, tmp_path: Path) -> None:
    """transformers returns an empty tokenizer there, without any error."""
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    (bare / "vocab.json").unlink()
    with pytest.raises(BadInput, match=r"vocab\.json"):
        clip.load_clip(bare, runtime="torch")


def test_a_foreign_vocabulary_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    vocabulary = json.loads((other / "vocab.json").read_text("utf-8"))
    vocabulary["zz</w>"] = len(vocabulary)
    (other / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    with pytest.raises(BadInput, match="tokens"):
        clip.load_clip(other, runtime="torch")


def test_weights_that_are_not_all_there_are_refused(folder: Path, tmp_path: Path) -> None:
    """They would be random numbers."""
    from safetensors.torch import load_file, save_file

    part = tmp_path / "part"
    shutil.copytree(folder, part)
    state = load_file(part / "model.safetensors")
    state.pop("text_projection.weight")
    save_file(state, part / "model.safetensors", {"format": "pt"})
    with pytest.raises(BadInput, match=r"text_projection\.weight"):
        clip.load_clip(part, runtime="torch")


def test_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TWOMIND_WEIGHTS", str(tmp_path / "weights"))
    with pytest.raises(BadInput, match="vit-b-32"):
        clip.find_clip("no such clip")
    with pytest.raises(Offline, match="weights add clip-vit-b-32"):
        clip.find_clip("vit-b-32", offline=True)
    weights.add("clip-vit-b-32", str(folder))
    assert clip.find_clip("vit-b-32", offline=True) == tmp_path / "weights" / "clip-vit-b-32"
    with open(tmp_path / "weights" / "clip-vit-b-32" / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x55")
    with pytest.raises(MissingWeights, match="damaged"):
        clip.find_clip("vit-b-32", offline=True)


def test_batches_change_nothing(tiny: clip.Encoder) -> None:
    from dataclasses import replace

    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 256, (40, 40, 3), np.uint8) for _ in range(5)]
    np.testing.assert_allclose(
        replace(tiny, batch=2).embed(pictures), replace(tiny, batch=64).embed(pictures), atol=1e-4
    )
    assert tiny.embed([]).shape == (0, 24)


def test_batches_fit_the_memory(
    tiny: clip.Encoder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twomind.encoders.clip_towers import from_transformers, image_tower

    model, _ = clip._read_model(folder)
    tower = image_tower(from_transformers(model), n_heads=2)
    assert clip.batch_size(tower, 32) == 64
    monkeypatch.setattr(clip, "BATCH_BYTES", 10 * 4 * (3 * 32**2 + 14 * 17 * 32))
    assert clip.batch_size(tower, 32) == 10
    monkeypatch.setattr(clip, "BATCH_BYTES", 1)
    assert clip.batch_size(tower, 32) == 1


def test_a_damaged_download_is_noticed(tmp_path: Path) -> None:
    """The hub keeps a large file under its SHA-256 and links to it."""
    from twomind.core.store import content_hash

    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    (tmp_path / "whole").write_bytes(b"weights")
    blob = blobs / content_hash(tmp_path / "whole")
    blob.write_bytes(b"weights")
    (snapshot / "model.safetensors").symlink_to(blob)
    assert clip._whole(snapshot) == snapshot
    blob.write_bytes(b"weighty")
    with pytest.raises(MissingWeights, match="SHA-256"):
        clip._whole(snapshot)

"""Frozen encoders through ``transformers``: the real loading path, on tiny random models
made here.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from twomind.core.errors import BadInput, MissingWeights, Offline
from twomind.core.store import Store, content_hash
from twomind.encoders import pretrained as encoders
from twomind.encoders.pretrained import Encoder, encode_pictures, encode_sound, encode_words
from twomind.media.stream import Frame
from twomind.models.fusion.input import default_recipe, grid_of
from twomind.types import Features, Recording, Word


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wav2vec2, a BERT and a VideoMAE of a few thousand weights, as their folders look."""
    import transformers

    root = tmp_path_factory.mktemp("encoders")
    small = {
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    audio = transformers.Wav2Vec2Config(
        **small,
        conv_dim=(8, 8),
        conv_kernel=(10, 8),
        conv_stride=(20, 16),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    transformers.Wav2Vec2Model(audio).save_pretrained(root / "audio")
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "i",
        "want",
        "to",
        "stop",
        "but",
        "##ped",
        "can't",
        "not",
    ]
    (root / "text").mkdir()
    (root / "text" / "vocab.txt").write_text("\n".join(vocabulary))
    transformers.BertTokenizerFast(str(root / "text" / "vocab.txt")).save_pretrained(root / "text")
    text = transformers.BertConfig(vocab_size=len(vocabulary), max_position_embeddings=128, **small)
    transformers.BertModel(text).save_pretrained(root / "text")
    video = transformers.VideoMAEConfig(
        image_size=16, patch_size=8, num_frames=4, tubelet_size=2, **small
    )
    transformers.VideoMAEModel(video).save_pretrained(root / "video")
    return {k: root / k for k in ("audio", "text", "video")}


def words(n: int) -> tuple[Word, ...]:
    said = ["I", "want", "to", "stop", "but"]
    return tuple(Word(said[i % 5], 0.4 * i, 0.4 * i + 0.3) for i in range(n))


def test_sound_becomes_rows_on_the_clock_the_same_wherever_it_ends(
    folders: dict[str, Path],
) -> None:
    encoder = Encoder("audio", str(folders["audio"]))
    assert encoder.width == 8
    sound = np.random.default_rng(0).normal(size=16000 * 7).astype(np.float32)
    track = encode_sound(encoder, sound, 0.5)
    assert track.values.shape[1] == 8
    assert track.valid.all()
    assert track.times_s[0] == pytest.approx(0.5 + 0.01, abs=0.01)
    assert track.times_s[-1] == pytest.approx(7.5, abs=0.03)
    first = encode_sound(encoder, sound[: 16000 * 5], 0.5)
    np.testing.assert_allclose(track.values[: len(first)], first.values, atol=1e-6)
    assert not len(encode_sound(encoder, np.empty(0, np.float32), 0.0))


def test_words_become_a_row_each_at_their_own_time(folders: dict[str, Path]) -> None:
    encoder = Encoder("text", str(folders["text"]))
    said = words(70)  # more than one block
    track = encode_words(encoder, said)
    np.testing.assert_allclose(track.times_s, [w.start_s for w in said])
    other = encode_words(encoder, (replace(said[0], text="not"), *said[1:]))
    assert not np.allclose(track.values[0], other.values[0])
    np.testing.assert_allclose(
        track.values[64:], other.values[64:], atol=1e-6
    )  # blocks do not know of each other


def test_pictures_become_a_row_per_clip_at_the_clips_end(folders: dict[str, Path]) -> None:
    encoder = Encoder("video", str(folders["video"]))
    rng = np.random.default_rng(0)
    frames = [
        Frame(i, i / 25, rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)) for i in range(75)
    ]
    track = encode_pictures(encoder, frames)
    assert track.values.shape == (24 // 4, 8)  # eight pictures a second, four to a clip
    assert (np.diff(track.times_s) > 0.4).all()
    assert track.times_s[0] == pytest.approx(3 / 8, abs=0.05)


def test_the_rows_enter_a_model_s_grid_and_are_made_once(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = tmp_path / "a.mp4"
    media.write_bytes(b"not decoded: text needs no media")
    recording = Recording("a", "p", media)
    encoder = Encoder("text", str(folders["text"]))
    x = Features("a", "p", {}, (0.0, 8.0), words=words(20))
    store = Store(tmp_path / "store")
    found = encoders.with_embeddings(x, recording, [encoder], store)
    grid = grid_of(
        found, default_recipe(("text_embedding",), embeddings={encoder.track: encoder.width})
    )
    assert grid.mask["text_embedding"].any(axis=1).sum() == 20
    monkeypatch.setattr(encoders, "_encode", lambda *_: pytest.fail("made twice"))
    again = encoders.with_embeddings(x, recording, [encoder], store)
    np.testing.assert_array_equal(
        again.tracks[encoder.track].values, found.tracks[encoder.track].values
    )
    silent = encoders.with_embeddings(replace(x, words=None), recording, [encoder], store)
    assert "not measured" in silent.notes[encoder.track]


def test_erasing_a_recording_takes_what_its_words_became(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    from twomind.pipeline.erasure import erase

    store, encoder = Store(tmp_path / "store"), Encoder("text", str(folders["text"]))
    made = {}
    for person in ("ana", "ben"):
        media = tmp_path / f"{person}.mp4"
        media.write_bytes(person.encode())
        x = Features(person, person, {}, (0.0, 8.0), words=words(20))
        encoders.with_embeddings(x, Recording(person, person, media), [encoder], store)
        made[person] = store.made_from([content_hash(media)])
        assert len(made[person]) == 1, "the same words of two people are two entries"
    # As an earlier version filed them: by the words alone.
    old = store.put(encoder.track, store.key("", {"words": "any"}), {"values": np.ones(3)}, {})
    gone = erase(tmp_path / "profiles", "ana", store, recordings=[tmp_path / "ana.mp4"])
    assert gone["store_entries"] == 2
    assert not made["ana"][0].exists()
    assert not old.exists()
    assert made["ben"][0].exists()
    assert erase(tmp_path / "profiles", "ben", store)["store_entries"] == 1, (
        "found by the name alone"
    )
    assert not [p for p in store.root.rglob("*") if p.is_file()]


def test_incomplete_folders_and_wrong_names_are_named_before_transformers_sees_them(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingWeights, match="no such folder"):
        _ = Encoder("audio", str(tmp_path / "nowhere" / "deeper" / "x")).folder
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.json").write_text("{}")
    (tmp_path / "bare" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(MissingWeights, match="pickle"):
        _ = Encoder("audio", str(tmp_path / "bare")).folder
    with pytest.raises(MissingWeights, match="tokenizer"):
        _ = Encoder("text", str(folders["audio"])).folder
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(Offline, match="neither a folder"):
        _ = Encoder("text", "somebody/a-model-that-is-not-here", offline=True).folder
    with pytest.raises(BadInput, match="expected one of"):
        Encoder("smell", "x")


def test_a_model_is_loaded_with_the_encoder_it_was_trained_with(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    encoder = Encoder("audio", str(folders["audio"]))
    entry = json.loads(json.dumps(encoder.card()))
    assert encoders.from_card(entry, True).width == 8
    with pytest.raises(BadInput, match="not those"):
        encoders.from_card({**entry, "mark": "0" * 64}, True)
    assert math.isclose(entry["width"], 8)


def test_an_empty_tokenizer_is_caught(folders: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / "text"
    broken.mkdir()
    for file in folders["text"].iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "vocab_size": 1000}))
    with pytest.raises(MissingWeights, match="vocabulary"):
        encoders.tokenizer_of(Encoder("text", str(broken)))


# --- networks that look at single pictures


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A ResNet, a ViT, a CLIP and CLIP's vision tower alone, tiny and random."""
    import transformers

    root = tmp_path_factory.mktemp("single")
    small = {
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "image_size": 16,
        "patch_size": 8,
    }
    resnet = transformers.ResNetConfig(embedding_size=4, hidden_sizes=[4, 12], depths=[1, 1])
    transformers.ResNetModel(resnet).save_pretrained(root / "resnet")
    transformers.ViTModel(transformers.ViTConfig(**small)).save_pretrained(root / "vit")
    vision = transformers.CLIPVisionConfig(**small)
    transformers.CLIPVisionModel(vision).save_pretrained(root / "clip-vision")
    words_too = transformers.CLIPTextConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    both = transformers.CLIPConfig(
        text_config=words_too.to_dict(), vision_config=vision.to_dict(), projection_dim=8
    )
    transformers.CLIPModel(both).save_pretrained(root / "clip")
    preprocessor = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "crop_size": 16}
    (root / "clip" / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return {name: root / name for name in ("resnet", "vit", "clip-vision", "clip")}


def flat_frames(n: int = 50) -> list[Frame]:
    rng = np.random.default_rng(0)
    return [Frame(i, i / 25, rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)) for i in range(n)]


@pytest.mark.parametrize(
    ("name", "width"), [("resnet", 12), ("vit", 8), ("clip-vision", 8), ("clip", 8)]
)
def test_a_network_of_single_pictures_gives_a_row_per_picture(
    single: dict[str, Path], name: str, width: int
) -> None:
    encoder = Encoder("video", str(single[name]))
    assert encoder.width == width
    track = encode_pictures(encoder, flat_frames())
    assert track.values.shape == (16, width)  # two seconds at eight pictures a second
    assert (np.diff(track.times_s) > 0.1).all()
    assert track.times_s[0] == 0.0
    # a picture's row does not hang on the others
    first = encode_pictures(encoder, flat_frames()[:5])
    np.testing.assert_allclose(first.values, track.values[: len(first)], atol=1e-5)
    assert np.abs(track.values[0] - track.values[1]).max() > 0


def test_clip_s_own_scale_of_pictures_is_used(single: dict[str, Path]) -> None:
    from twomind.encoders import still

    encoder = Encoder("video", str(single["clip"]))
    mean, sd = still.scale_of(encoders._preprocessor(encoder))
    assert mean.tolist() == [0.5] * 3
    assert sd.tolist() == [0.25] * 3
    assert still.scale_of({})[0].tolist() == pytest.approx(still.IMAGENET[0])


def test_a_silent_or_short_film_loses_that_modality_and_not_its_row(
    folders: dict[str, Path], single: dict[str, Path], tmp_path: Path
) -> None:
    from twomind.datasets.fakes import tiny_film

    film = tiny_film(tmp_path / "film.mp4", 3)
    names = {"audio": folders["audio"], "video": folders["video"]}
    both = [Encoder(kind, str(folder)) for kind, folder in names.items()]
    x = Features("r", "p", {}, (0.0, 0.1))
    recording = Recording("r", "p", film, duration_s=0.1)
    found = encoders.with_embeddings(x, recording, both, Store(tmp_path / "store"))
    assert found.notes["audio_embedding"] == "no sound"
    assert "shorter than one clip of 4 pictures" in found.notes["video_embedding"]
    resnet = Encoder("video", str(single["resnet"]))
    seen = encoders.with_embeddings(x, recording, [resnet], Store(tmp_path / "store"))
    assert len(seen.tracks["video_embedding"])

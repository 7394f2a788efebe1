"""Models on this machine: tiny ones with random weights, made here; no weights are needed and
nothing is downloaded.

One of them is taught to tell red from blue pictures, so that a test fails if the picture does not
reach the model. It says nothing about people.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_tools as tools
from patience import HANG_S
from twomind.core.errors import BadInput, MissingExtra, MissingWeights, Offline
from twomind.models.llm import local as llm_local
from twomind.models.llm.ask import Picture, Request, Sound
from twomind.models.llm.files import digest, find_folder, read_config
from twomind.models.llm.local import Local
from twomind.types import Features, Status, Track, Word

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {% if m.content is string %}{{ m.content }}{% else %}{% "
    "for c in m.content %}"
    "{% if c.type == 'image' %}IMAGE{% else %}{{ c.text }}{% endif %}{% endfor %}{% endif %}\n{% "
    "endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
LLAMA = TEXT | {"num_key_value_heads": 2, "max_position_embeddings": 2048, "bos_token_id": None}
VISION = TEXT | {"image_size": 28, "patch_size": 14, "projection_dim": 32}


def _tokenizer(*special: str, begins: str = "") -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({symbol: i for i, symbol in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, special=True) for name in ("<|end|>", *special)])
    marks = {"eos_token": "<|end|>", "pad_token": "<|end|>"}
    if begins:
        made.add_special_tokens([AddedToken(begins, special=True)])
        made.post_processor = processors.TemplateProcessing(
            single=f"{begins} $A", special_tokens=[(begins, made.token_to_id(begins))]
        )
        marks["bos_token"] = begins
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **marks)


def _text_config(tokenizer: Any) -> dict:
    return {"vocab_size": len(tokenizer), "eos_token_id": 256, "pad_token_id": 256}


def _llava(folder: Path) -> None:
    tokenizer = _tokenizer("<image>", begins="<|begin|>")
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**VISION),
        text_config=transformers.LlamaConfig(**LLAMA, **_text_config(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    transformers.LlavaProcessor(
        image_processor=transformers.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size=28),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE.replace("IMAGE", "<image>"),
        num_additional_image_tokens=1,
    ).save_pretrained(folder)


def _video_llava(folder: Path) -> None:
    tokenizer = _tokenizer("<image>", "<video>")
    config = transformers.VideoLlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**VISION),
        text_config=transformers.LlamaConfig(**LLAMA, **_text_config(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
    )
    transformers.VideoLlavaForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"height": 28, "width": 28}
    transformers.VideoLlavaImageProcessor(
        size={"shortest_edge": 28}, crop_size=size
    ).save_pretrained(folder)


def _qwen(folder: Path, family: str) -> None:
    tokenizer = _tokenizer("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    ids = dict(zip(("image", "video", "vision_start", "vision_end"), range(257, 261), strict=True))
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    patch = 16 if family == "Qwen3VL" else 14
    sees = {"depth": 2, "hidden_size": 32, "num_heads": 2, "patch_size": patch}
    sees |= {
        "Qwen2VL": {"embed_dim": 32, "mlp_ratio": 2},
        "Qwen2_5_VL": {
            "intermediate_size": 64,
            "out_hidden_size": 32,
            "fullatt_block_indexes": [1],
            "window_size": 56,
        },
        "Qwen3VL": {
            "intermediate_size": 64,
            "out_hidden_size": 32,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 64,
        },
    }[family]
    config = getattr(transformers, f"{family}Config")(
        text_config=LLAMA | _text_config(tokenizer) | {"rope_parameters": rope, "head_dim": 16},
        vision_config=sees,
        **{f"{k}_token_id": v for k, v in ids.items()},
    )
    getattr(transformers, f"{family}ForConditionalGeneration")(config).save_pretrained(folder)
    tokenizer.chat_template = TEMPLATE.replace(
        "IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"
    )
    tokenizer.save_pretrained(folder)
    pil = (
        getattr(transformers, "Qwen2VLImageProcessorPil", None)
        or transformers.Qwen2VLImageProcessor
    )
    size = {"min_pixels": (2 * patch) ** 2, "max_pixels": (4 * patch) ** 2}
    pil(patch_size=patch, **size).save_pretrained(folder)


def _omni(folder: Path, family: str) -> None:
    """The part of Qwen-Omni that reads: eyes, ears and text."""
    marks = ("<|vision_bos|>", "<|vision_eos|>", "<|audio_bos|>", "<|audio_eos|>")
    tokenizer = _tokenizer("<|IMAGE|>", "<|VIDEO|>", "<|AUDIO|>", *marks)
    ids = dict(zip(("image", "video", "audio"), range(257, 260), strict=True))
    bounds = dict(zip(("vision_start", "vision_end", "audio_start"), range(260, 263), strict=True))
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    ears = {"num_mel_bins": 16, "encoder_layers": 1, "encoder_attention_heads": 2}
    ears |= {"encoder_ffn_dim": 32, "d_model": 32, "output_dim": 32, "n_window": 50}
    sees = {"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64}
    sees |= {"out_hidden_size": 32}
    text = LLAMA | _text_config(tokenizer) | {"rope_parameters": rope, "head_dim": 16}
    if family == "Qwen3OmniMoe":
        patch, key = 16, "token_id"
        ears |= {"downsample_hidden_size": 8}
        sees |= {"patch_size": patch, "deepstack_visual_indexes": [0]}
        sees |= {"num_position_embeddings": 64}
        text |= {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16}
    else:
        patch, key = 14, "token_index"
        sees |= {"patch_size": patch, "fullatt_block_indexes": [1], "window_size": 56}
    config = getattr(transformers, f"{family}ThinkerConfig")(
        audio_config=ears,
        vision_config=sees,
        text_config=text,
        **{f"{name}_{key}": value for name, value in ids.items()},
        **{f"{name}_token_id": value for name, value in bounds.items()},
    )
    torch.manual_seed(0)
    kind = getattr(transformers, f"{family}ThinkerForConditionalGeneration")
    kind(config).save_pretrained(folder)
    template = TEMPLATE.replace("IMAGE", "<|vision_bos|><|IMAGE|><|vision_eos|>")
    hears = "{% elif c.type == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>"
    tokenizer.chat_template = template.replace("{% else %}{{ c.text", hears + "{% else %}{{ c.text")
    tokenizer.save_pretrained(folder)
    pil = transformers.Qwen2VLImageProcessorPil
    size = {"min_pixels": (2 * patch) ** 2, "max_pixels": (4 * patch) ** 2}
    eyes = pil(patch_size=patch, **size).to_dict()
    own_ears = transformers.WhisperFeatureExtractor(feature_size=16).to_dict()
    (folder / "preprocessor_config.json").write_text(json.dumps({**own_ears, **eyes}, default=str))


def _text_only(folder: Path) -> None:
    tokenizer = _tokenizer()
    transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**LLAMA, **_text_config(tokenizer))
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


MAKERS = {
    "llava": _llava,
    "video_llava": _video_llava,
    "qwen2_vl": partial(_qwen, family="Qwen2VL"),
    "qwen2_5_vl": partial(_qwen, family="Qwen2_5_VL"),
    "qwen3_vl": partial(_qwen, family="Qwen3VL"),
    "qwen2_5_omni": partial(_omni, family="Qwen2_5Omni"),
    "qwen3_omni": partial(_omni, family="Qwen3OmniMoe"),
    "text": _text_only,
}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    for seed, (name, make) in enumerate(MAKERS.items()):
        torch.manual_seed(seed)
        make(root / name)
    return {name: root / name for name in MAKERS}


def coloured(*colours: str, recording: str = "r1") -> Features:
    """An answer whose pictures are all red or all blue."""
    rgb = np.zeros((len(colours), 32, 32, 3), np.uint8)
    for one, colour in zip(rgb, colours, strict=True):
        one[..., ["red", "blue"].index(colour) * 2] = 220
    track = Track(rgb, np.arange(len(colours), dtype=float), np.ones(len(colours), bool))
    words = (Word("yes", 0.0, 0.5), Word("but", 0.6, 0.9))
    return Features(recording, recording, {"pictures": track}, (0.0, 3.0), words=words)


def _settings(**more: object) -> dict:
    return {"strategy": "s", "use_question": False, "samples": 0} | more


@pytest.fixture(scope="session")
def taught(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny LLaVA after 100 steps on two answers: red pictures are Ambivalent, blue ones are
    not.
    """
    folder = tmp_path_factory.mktemp("taught") / "model"
    shutil.copytree(models["llava"], folder)
    local = Local(str(folder))
    loaded = local._loaded
    model = tools.recogniser(None, model=str(folder), **_settings())
    rows = []
    for colour, label in (("red", "Ambivalent"), ("blue", "Non-Ambivalent")):
        inputs = loaded._inputs(model._request(coloured(colour, colour), 0))
        n = inputs["input_ids"].shape[1]
        said = loaded.tokenizer(label + "<|end|>", return_tensors="pt", add_special_tokens=False)[
            "input_ids"
        ]
        ids = torch.cat([inputs["input_ids"], said], 1)
        rows.append(
            (ids, inputs["pixel_values"], torch.where(torch.arange(ids.shape[1]) < n, -100, ids))
        )
    torch.manual_seed(0)
    loaded.model.train()
    optimiser = torch.optim.Adam(loaded.model.parameters(), 3e-3)
    for _ in range(100):
        optimiser.zero_grad()
        sum(loaded.model(input_ids=i, pixel_values=p, labels=y).loss for i, p, y in rows).backward()
        optimiser.step()
    loaded.model.eval().save_pretrained(folder)
    return folder


def test_the_picture_reaches_the_model_and_its_certainty_comes_back(taught: Path) -> None:
    model = tools.recogniser(None, model=str(taught), **_settings())
    red, blue = model.predict(coloured("red", "red")), model.predict(coloured("blue", "blue"))
    assert red.status is blue.status is Status.OK
    assert red.probs[1] > 0.9 > 0.1 > blue.probs[1]
    assert {e.name for e in red.evidence if e.kind in ("said", "source")} == {"present", "tokens"}
    sampled = tools.recogniser(
        None, model=str(taught), **_settings(probability="samples", samples=4)
    )
    assert sampled.predict(coloured("red", "red")).probs[1] == pytest.approx(5 / 6)


@pytest.mark.slow
def test_a_served_model_answers_as_the_local_one(taught: Path, tmp_path: Path) -> None:
    """The same tiny model in another process, behind the protocol of hosted ones: prompts,
    pictures, probabilities.
    """
    pytest.importorskip("openai")
    here = tools.recogniser(None, model=str(taught), **_settings())
    with tools.serving(tmp_path, {"do": "model"}, local=taught) as served:
        there = tools.recogniser(served.url, timeout_s=HANG_S, **_settings())
        for colour in ("red", "blue"):
            x = coloured(colour, colour)
            one, other = here.predict(x), there.predict(x)
            assert other.status is Status.OK
            assert other.probs == pytest.approx(
                one.probs, abs=0.02
            )  # the pictures went through JPEG
        # A model of this size cannot write JSON: what it writes is not measured, and counted.
        sides = tools.recogniser(
            served.url, timeout_s=HANG_S, **_settings(strategy="two_sides", max_tokens=12)
        )
        assert "unparsable" in sides.predict(coloured("red")).reason
        assert sides.summary()["answers"]["unparsable"] == 1
    assert there.summary()["whole_record"]["tokens_read"] > 100


@pytest.mark.parametrize(
    "family",
    ["llava", "video_llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen2_5_omni", "qwen3_omni"],
)
def test_every_family_sees_its_frames_in_order_without_torchvision(
    models: dict[str, Path], family: str
) -> None:
    local = Local(str(models[family]))
    rng = np.random.default_rng(0)
    a, b = (Picture(float(i), rng.integers(0, 255, (40, 56, 3), np.uint8)) for i in range(2))

    def first_token(*pictures: Picture) -> list[float]:
        reply = local.attempt(Request("Which?", pictures, max_tokens=2, alternatives=261))
        assert len(reply.tokens[0].top) > 200
        assert "".join(t.text for t in reply.tokens) == reply.text
        return [p for _, p in sorted(reply.tokens[0].top, key=lambda t: t[0])]

    both = first_token(a, b)
    assert first_token(a, b) == both
    assert first_token(b, a) != both
    assert first_token(a) != both
    assert first_token() != both


@pytest.mark.parametrize("family", ["qwen2_5_omni", "qwen3_omni"])
def test_a_family_that_hears_is_given_the_sound_and_another_says_that_it_does_not(
    models: dict[str, Path], family: str
) -> None:
    local = Local(str(models[family]))
    rng = np.random.default_rng(0)
    shown = (Picture(0.0, rng.integers(0, 255, (40, 56, 3), np.uint8)),)
    loud, other = (Sound(rng.normal(size=16000 * 3).astype(np.float32) * 0.1) for _ in range(2))

    def first_token(sound: Sound | None) -> list[float]:
        request = Request("Which?", shown, max_tokens=2, alternatives=200, sound=sound)
        reply = local.attempt(request)
        return [p for _, p in sorted(reply.tokens[0].top, key=lambda t: t[0])]

    heard = first_token(loud)
    assert first_token(loud) == heard
    assert first_token(other) != heard
    assert first_token(None) != heard
    with pytest.raises(BadInput, match="does not hear"):
        Local(str(models["qwen2_vl"])).attempt(Request("Which?", shown, sound=loud))


def test_the_whole_of_an_omni_model_is_read_as_the_part_that_writes(
    models: dict[str, Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    part = models["qwen2_5_omni"]
    whole = tmp_path / "whole"
    shutil.copytree(part, whole)
    tensors = load_file(part / "model.safetensors")
    named = {f"thinker.{name}": value for name, value in tensors.items()}
    save_file(named, whole / "model.safetensors", {"format": "pt"})
    config = json.loads((part / "config.json").read_text())
    both = {"model_type": "qwen2_5_omni", "thinker_config": config}
    (whole / "config.json").write_text(json.dumps(both))
    request = Request("Which?", max_tokens=2, alternatives=50)
    one, other = (Local(str(folder)).attempt(request).tokens[0] for folder in (part, whole))
    assert one == other


def test_a_family_with_a_processor_of_its_own_is_prepared_as_that_does(
    models: dict[str, Path],
) -> None:
    """Marks of the beginning, placeholders and pixels: what transformers' own conversation would
    be.
    """
    loaded = Local(str(models["llava"]))._loaded
    rgb = [np.random.default_rng(n).integers(0, 255, (40, 56, 3), np.uint8) for n in range(2)]
    made = loaded._inputs(Request("Which?", tuple(Picture(float(i), p) for i, p in enumerate(rgb))))
    content = [*({"type": "image", "image": p} for p in rgb), {"type": "text", "text": "Which?"}]
    own = loaded.images.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    assert set(own) == set(made)
    assert all(torch.equal(own[name], made[name]) for name in own)
    assert made["input_ids"][0, 0] == loaded.tokenizer.bos_token_id
    assert (made["input_ids"] == loaded.tokenizer.bos_token_id).sum() == 1


def test_video_llava_and_qwen_repeat_their_placeholder_once_per_patch(
    models: dict[str, Path],
) -> None:
    pictures = tuple(Picture(float(i), np.full((28, 28, 3), 90, np.uint8)) for i in range(3))
    video = Local(str(models["video_llava"]))._loaded._inputs(Request("Which?", pictures))
    assert tuple(video["pixel_values_videos"].shape) == (1, 3, 3, 28, 28)
    assert int((video["input_ids"] == 258).sum()) == 3 * (2 * 2 + 1)
    qwen = Local(str(models["qwen2_vl"]))._loaded._inputs(Request("Which?", pictures))
    per_picture = [int(grid.prod()) // 4 for grid in qwen["image_grid_thw"]]
    assert int((qwen["input_ids"] == 257).sum()) == sum(per_picture) == 3


def test_a_text_model_is_asked_with_words_and_refuses_pictures(models: dict[str, Path]) -> None:
    folder = str(models["text"])
    words = tools.recogniser(None, model=folder, **_settings(strategy="td1", text_only=True))
    assert (
        words.predict(coloured("red")).status is Status.NOT_MEASURED
    )  # random weights write no label
    assert words.summary()["answers"]["unparsable"] == 1
    with pytest.raises(BadInput, match=r"llm\.text_only=true"):
        tools.recogniser(None, model=folder, **_settings()).predict(coloured("red"))
    with pytest.raises(BadInput, match="at most 2048 tokens"):
        Local(folder).attempt(Request("word " * 1000))


def test_sampling_is_seeded_and_leaves_the_callers_generator_alone(models: dict[str, Path]) -> None:
    local = Local(str(models["text"]))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, again, other = (
        local.attempt(Request("Which?", temperature=1.0, seed=seed, max_tokens=8)).text
        for seed in (1, 1, 2)
    )
    assert one == again != other
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("drop", "match"),
    [
        ("config.json", "config.json"),
        ("model.safetensors", "model.safetensors or"),
        ("tokenizer.json", "tokenizer.json"),
        ("processor_config.json", "preprocessor_config.json"),
    ],
)
def test_a_missing_file_is_named_before_anything_is_loaded(
    models: dict[str, Path], tmp_path: Path, drop: str, match: str
) -> None:
    shutil.copytree(models["llava"], tmp_path / "model")
    (tmp_path / "model" / drop).unlink()
    (tmp_path / "model" / "pytorch_model.bin").write_bytes(b"\x80\x04pickle")
    with pytest.raises(MissingWeights, match=match) as caught:
        Local(str(tmp_path / "model")).attempt(Request("Which?"))
    if drop == "model.safetensors":
        assert "pickle, which is never loaded" in str(caught.value)


def test_a_damaged_or_foreign_folder_is_bad_input(models: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(models["text"], tmp_path / "cut")
    whole = (tmp_path / "cut" / "model.safetensors").read_bytes()
    (tmp_path / "cut" / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="cannot load this model"):
        Local(str(tmp_path / "cut")).attempt(Request("Which?"))
    (tmp_path / "cut" / "config.json").write_text("{")
    with pytest.raises(MissingWeights, match="damaged"):
        read_config(tmp_path / "cut")
    index = {"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}}
    shutil.copytree(models["text"], tmp_path / "parts")
    (tmp_path / "parts" / "model.safetensors").rename(tmp_path / "parts" / "part-1.safetensors")
    (tmp_path / "parts" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(MissingWeights, match=r"missing: part-2\.safetensors"):
        read_config(tmp_path / "parts")
    assert digest(models["text"]) != digest(models["llava"])


def test_a_hub_id_is_not_fetched_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Offline, match="nobody/nothing is not on this machine"):
        find_folder("nobody/nothing", offline=True)
    with pytest.raises(BadInput, match="expected a folder"):
        find_folder("not a model", offline=True)


def test_a_family_that_needs_torchvision_says_so(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ImportError(
            "SomeVideoProcessor requires the Torchvision library but it was not found"
        )

    monkeypatch.setattr(llm_local, "_from_processor", refuse)
    with pytest.raises(
        MissingExtra, match="the picture processor of llava needs torchvision"
    ) as caught:
        Local(str(models["llava"])).attempt(Request("Which?"))
    assert caught.value.exit_code == 4


def test_without_transformers_the_extra_is_named(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"twomind\[clip\]"):
        Local(str(models["text"])).attempt(Request("Which?"))

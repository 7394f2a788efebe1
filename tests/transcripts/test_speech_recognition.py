"""Speech recognition through the real library, with a random Whisper of 1 MB made here: no weights
are needed.

What a random model writes is nonsense, so these tests are about the path: times, confidences,
settings, and failures.
"""

from __future__ import annotations

import builtins
import json
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from twomind.core.errors import BadInput, MissingExtra, MissingWeights, Offline
from twomind.transcripts import speech, speech_models
from twomind.transcripts.speech import SpeechSettings, recognise_words
from twomind.transcripts.speech_models import chosen_device, find_model, model_mark, model_origin
from twomind.types import Timing

RATE_HZ = 16000


def _voice_like(duration_s: float) -> np.ndarray:
    """Vowel-like sound with pauses, for the voice filter before the recogniser."""
    t = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    pitch = 130 * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    formants = (
        (600 + 150 * np.sin(2 * np.pi * 2 * t), 90),
        (1200 + 500 * np.sin(2 * np.pi * 1.3 * t), 120),
        (2500, 180),
    )
    voice = sum(
        sum(1 / (1 + ((k * pitch - f) / w) ** 2) for f, w in formants) * np.sin(k * phase)
        for k in range(1, 35)
    )
    syllables = np.clip(np.sin(2 * np.pi * 2.2 * t), 0, 1) ** 0.5
    return (0.2 * syllables * voice / np.abs(voice).max()).astype(np.float32)


@pytest.fixture(scope="session")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random multilingual Whisper that writes something, converted as a real one
    would be.
    """
    pytest.importorskip("faster_whisper")
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from ctranslate2.converters import TransformersConverter
    from faster_whisper.tokenizer import _LANGUAGE_CODES
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    source, out = (
        tmp_path_factory.mktemp("whisper") / "hf",
        tmp_path_factory.mktemp("whisper") / "ct2",
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: i for i, symbol in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{code}|>" for code in sorted(_LANGUAGE_CODES)),
    ]
    special += [
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    ]
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in special])
    tokenizer.add_tokens([AddedToken(f"<|{i * 0.02:.2f}|>") for i in range(1501)])
    config = transformers.WhisperConfig(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_source_positions=1500,
        max_target_positions=448,
        num_mel_bins=80,
        pad_token_id=tokenizer.token_to_id("<|endoftext|>"),
        bos_token_id=tokenizer.token_to_id("<|endoftext|>"),
        eos_token_id=tokenizer.token_to_id("<|endoftext|>"),
        decoder_start_token_id=tokenizer.token_to_id("<|startoftranscript|>"),
        # The defaults name tokens beyond this vocabulary, and CTranslate2 then writes beyond its
        # memory.
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    torch.manual_seed(0)
    model = transformers.WhisperForConditionalGeneration(config)
    # It must write something: its states point one way, a letter points there too, and the end of
    # text the other way.
    with torch.no_grad():
        model.model.decoder.layer_norm.bias.normal_()
        model.model.decoder.embed_tokens.weight[
            config.eos_token_id
        ] = -model.model.decoder.layer_norm.bias
        model.model.decoder.embed_tokens.weight[tokenizer.token_to_id("m")] = (
            model.model.decoder.layer_norm.bias
        )
    model.generation_config.alignment_heads = [[0, 0], [1, 1]]
    model.generation_config.lang_to_id = {
        name: tokenizer.token_to_id(name) for name in special if len(name) <= 7
    }
    model.generation_config.no_timestamps_token_id = tokenizer.token_to_id("<|notimestamps|>")
    model.save_pretrained(source)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", unk_token="<|endoftext|>"
    )
    fast.save_pretrained(source)
    transformers.WhisperFeatureExtractor().save_pretrained(source)
    TransformersConverter(
        str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]
    ).convert(str(out), quantization="int8")
    return out


def test_the_real_path(whisper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = _voice_like(6.0)
    # The path alone: the sound carries none of what this model writes.
    monkeypatch.setattr(speech, "_carried", lambda sound, asked, *_: (list(asked.words), []))
    words = recognise_words(sound, RATE_HZ, 2.5, whisper, offline=True, language="en")
    assert "mmm" in words.words[0].text
    assert len(words.words[0].text) < 10, "a letter that is held for ever is cut"
    assert words.language == "en"
    assert words.timing is Timing.RECOGNISED
    assert "faster-whisper" in words.source
    assert "ct2" in words.source
    for word in words.words:
        assert word.timing is Timing.RECOGNISED
        assert 0 <= word.confidence <= 1
        assert 2.5 <= word.start_s <= word.end_s <= 2.5 + 6.0 + 0.5
    assert [w.start_s for w in words.words] == sorted(w.start_s for w in words.words)
    assert any("fillers" in p for p in words.problems), "what recognition loses is said"


def test_language_is_guessed_and_a_weak_guess_is_told(
    whisper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import faster_whisper

    def guess(self: Any, sound: np.ndarray, **options: Any) -> Any:
        word = SimpleNamespace(word=" eh", start=0.5, end=0.7, probability=1.0000001)
        info = SimpleNamespace(language="fr", language_probability=0.31)
        return iter([SimpleNamespace(words=[word]), SimpleNamespace(words=None)]), info

    monkeypatch.setattr(faster_whisper.WhisperModel, "transcribe", guess)
    words = recognise_words(_voice_like(4.0), RATE_HZ, 1.0, str(whisper), offline=True)
    assert words.language == "fr"
    assert any("guessed as 'fr' with probability 0.31" in p for p in words.problems)
    assert [(w.text, w.start_s, w.end_s, w.confidence) for w in words.words] == [
        ("eh", 1.5, 1.7, 1.0)
    ]


def test_style_reaches_every_window_and_nothing_discourages_repeats(
    whisper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import faster_whisper

    asked: dict[str, Any] = {}
    real = faster_whisper.WhisperModel.transcribe

    def spy(self: Any, sound: np.ndarray, **options: Any) -> Any:
        asked.update(options)
        return real(self, sound, **options)

    prompts = []
    real_prompt = faster_whisper.WhisperModel.get_prompt

    def spy_prompt(self: Any, tokenizer: Any, *args: Any, **kwargs: Any) -> Any:
        prompts.append(tokenizer.decode(real_prompt(self, tokenizer, *args, **kwargs)))
        return real_prompt(self, tokenizer, *args, **kwargs)

    monkeypatch.setattr(faster_whisper.WhisperModel, "transcribe", spy)
    monkeypatch.setattr(faster_whisper.WhisperModel, "get_prompt", spy_prompt)
    settings = SpeechSettings(style="Um, uh", beam_size=1)
    recognise_words(
        _voice_like(34.0), RATE_HZ, 0.0, whisper, offline=True, language="en", settings=settings
    )
    assert len(prompts) >= 4
    asked_plainly = [prompt for prompt in prompts if "Um, uh" not in prompt]
    assert len(asked_plainly) == len(prompts) / 2, "asked once without the style, once with it"
    assert asked["word_timestamps"] is True
    assert asked["condition_on_previous_text"] is False
    assert (asked["repetition_penalty"], asked["no_repeat_ngram_size"], asked["temperature"]) == (
        1.0,
        0,
        0.0,
    )


@pytest.mark.parametrize(
    "values", [np.zeros(0, np.float32), np.zeros(RATE_HZ * 3, np.float32)], ids=["none", "silence"]
)
def test_where_nobody_speaks_no_word_is_invented(whisper: Path, values: np.ndarray) -> None:
    words = recognise_words(values, RATE_HZ, 0.0, whisper, offline=True)
    assert words.words == ()
    assert "no speech" in words.problems[0]


def test_offline_touches_no_network(whisper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"network: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    recognise_words(_voice_like(2.0), RATE_HZ, 0.0, whisper, offline=True, language="en")
    with pytest.raises(Offline, match="owner/model"):
        recognise_words(_voice_like(2.0), RATE_HZ, 0.0, "owner/model", offline=True)
    with pytest.raises(Offline, match="forbidden"):
        find_model("small", offline=True)


def test_online_failure_is_a_missing_model(monkeypatch: pytest.MonkeyPatch) -> None:
    utils = pytest.importorskip("faster_whisper.utils")
    asked = []

    def fail(name: str, local_files_only: bool = False) -> str:
        asked.append(local_files_only)
        raise OSError("no route to host")

    monkeypatch.setattr(utils, "download_model", fail)
    with pytest.raises(MissingWeights, match="no route to host"):
        find_model("tiny", offline=False)
    assert asked == [True, False], "the cache first, then the network"


def test_missing_and_incomplete_folders(whisper: Path, tmp_path: Path) -> None:
    for name in (str(tmp_path / "none"), "./none", "~/none/of/this", "not a model"):
        with pytest.raises(MissingWeights, match="no such folder"):
            find_model(name, offline=False)
    a_file = tmp_path / "model.bin"
    a_file.write_bytes(b"x")
    with pytest.raises(MissingWeights, match="got a file"):
        find_model(a_file, offline=True)
    for lost in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        folder = tmp_path / lost.split(".")[0]
        folder.mkdir()
        for file in whisper.iterdir():
            if file.name != lost:
                (folder / file.name).symlink_to(file)
        with pytest.raises(MissingWeights, match=f"absent: {lost}"):
            recognise_words(_voice_like(1.0), RATE_HZ, 0.0, folder, offline=True)
    assert find_model(whisper, offline=True) == whisper


def test_damaged_model(whisper: Path, tmp_path: Path) -> None:
    for file in whisper.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.bin").write_bytes((whisper / "model.bin").read_bytes()[:5000])
    with pytest.raises(MissingWeights, match="damaged"):
        recognise_words(_voice_like(1.0), RATE_HZ, 0.0, tmp_path, offline=True)
    (tmp_path / "model.bin").write_bytes((whisper / "model.bin").read_bytes())
    (tmp_path / "tokenizer.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(MissingWeights, match="damaged"):
        recognise_words(_voice_like(1.0), RATE_HZ, 0.0, tmp_path, offline=True)


def test_absent_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "faster_whisper":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"twomind\[speech\]"):
        recognise_words(np.zeros(10, np.float32), RATE_HZ, 0.0, tmp_path, offline=True)


def test_what_whisper_cannot_take(whisper: Path) -> None:
    with pytest.raises(BadInput, match="16000"):
        recognise_words(np.zeros(10, np.float32), 8000, 0.0, whisper, offline=True)
    with pytest.raises(BadInput, match="klingon"):
        recognise_words(_voice_like(2.0), RATE_HZ, 0.0, whisper, offline=True, language="klingon")


def test_no_filler_is_on_whispers_list_of_barred_tokens() -> None:
    """Why ``suppress_tokens`` keeps the library's default: it bars symbols, no filler."""
    tokenizer = pytest.importorskip("faster_whisper.tokenizer")

    class Letters:
        """Counts what ``non_speech_tokens`` asks to encode."""

        def __init__(self) -> None:
            self.seen: list[str] = []

        def encode(self, text: str, **_: object) -> list[int]:
            self.seen.append(text.strip())
            return [len(self.seen)]

    letters = Letters()
    names = ("transcribe", "translate", "sot", "sot_prev", "sot_lm", "no_speech")
    plain = SimpleNamespace(encode=letters.encode, **dict.fromkeys(names, 0))
    tokenizer.Tokenizer.non_speech_tokens.func(plain)
    assert letters.seen
    assert not any(c.isalpha() for text in letters.seen for c in text)


def test_the_network_ban_is_lifted_again(whisper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    recognise_words(np.zeros(10, np.float32), RATE_HZ, 0.0, whisper, offline=True)
    assert "HF_HUB_OFFLINE" not in os.environ
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with speech_models.no_network(True):
        assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["HF_HUB_OFFLINE"] == "0"


def test_whispers_spectra_do_not_hang_on_the_number_of_threads(
    whisper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Last digits of numpy's products did, and with them words."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    blas = threadpoolctl.ThreadpoolController().select(user_api="blas")
    within: list[int] = []
    whole = speech._transcribe

    def watched(*given: Any) -> Any:
        within.extend(one["num_threads"] for one in blas.info())
        return whole(*given)

    monkeypatch.setattr(speech, "_transcribe", watched)
    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        recognise_words(_voice_like(2.0), RATE_HZ, 0.0, whisper, offline=True, language="en")
        after = [one["num_threads"] for one in blas.info()]
    assert set(within) == {1}
    assert set(after) == {2}, "what others asked for is given back"


def test_weights_that_were_added_are_found_by_their_name(whisper, tmp_path, monkeypatch) -> None:
    from twomind.core import weights

    monkeypatch.setenv("TWOMIND_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingWeights, match="twomind weights add whisper-tiny"):
        find_model("whisper-tiny", offline=True)
    weights.add("whisper-tiny", str(whisper))
    assert find_model("whisper-tiny", offline=True) == tmp_path / "whisper-tiny"


def test_a_model_that_suppresses_tokens_it_does_not_have_is_refused(whisper, tmp_path) -> None:
    """CTranslate2 takes it, and writes beyond its memory."""
    import shutil

    odd = tmp_path / "odd"
    shutil.copytree(whisper, odd)
    config = json.loads((odd / "config.json").read_text(encoding="utf-8"))
    (odd / "config.json").write_text(
        json.dumps({**config, "suppress_ids_begin": [220, 50256]}), encoding="utf-8"
    )
    with pytest.raises(MissingWeights, match="suppresses the token 50256"):
        recognise_words(_voice_like(2.0), RATE_HZ, 0.0, odd, offline=True, language="en")


@pytest.mark.slow
def test_describe_recognises_words_where_no_transcript_is_given(
    whisper, drawn_study, tmp_path
) -> None:
    import shutil

    from twomind.core.store import Store
    from twomind.features.describe import Settings, describe
    from twomind.media.recording import open_recording

    alone = tmp_path / "alone.mp4"
    shutil.copy(next(drawn_study.rglob("*.mp4")), alone)
    settings = Settings(speech_model=str(whisper), language="en", offline=True)
    made = describe(
        open_recording(alone), ("words",), store=Store(tmp_path / "s"), settings=settings
    )
    assert made.features.words
    assert {w.timing for w in made.features.words} <= {Timing.RECOGNISED, Timing.ALIGNED}
    again = describe(
        open_recording(alone), ("words",), store=Store(tmp_path / "s"), settings=settings
    )
    assert again.features.words == made.features.words, "read from the store"


def test_an_absent_model_costs_only_the_words(drawn_study, tmp_path) -> None:
    import shutil

    from twomind.core.store import Store
    from twomind.features.describe import Settings, describe
    from twomind.media.recording import open_recording

    alone = tmp_path / "alone.mp4"
    shutil.copy(next(drawn_study.rglob("*.mp4")), alone)
    settings = Settings(speech_model=str(tmp_path / "nothing"), offline=True)
    made = describe(
        open_recording(alone), ("voice", "words"), store=Store(tmp_path / "s"), settings=settings
    )
    assert made.features.words is None
    assert "speech recognition" in made.features.notes["words"]
    assert "voice" in made.features.tracks


def test_a_model_in_an_installed_package_is_found_and_not_imported(
    whisper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "carries_whisper"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    for file in whisper.iterdir():
        (package / "data" / file.name).symlink_to(file)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_model("package:carries_whisper", offline=True) == package / "data"
    assert model_mark("package:carries_whisper") == model_mark(package / "data")
    for name, why in (("carries_nothing_at_all", "no such package"), ("json", "no model.bin")):
        with pytest.raises(MissingWeights, match=why):
            find_model(f"package:{name}", offline=True)


def test_where_a_model_comes_from_is_told(tmp_path: Path) -> None:
    assert model_origin(tmp_path) == f"a folder ({tmp_path})"
    assert model_origin("package:some_models") == "the installed package some_models"
    assert model_origin("whisper-base") == "weights added as whisper-base"
    assert model_origin("small") == "the Hugging Face hub (small)"


def test_a_gpu_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    assert [chosen_device(wish) for wish in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    assert chosen_device("auto") == "cpu"
    with pytest.raises(BadInput, match="no GPU"):
        chosen_device("cuda")
    with pytest.raises(BadInput, match="'tpu'"):
        chosen_device("tpu")

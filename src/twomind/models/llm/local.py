"""Back end: a model on this machine through ``transformers``. Nothing leaves the machine, so no
consent is asked for.

Video-LLaVA and the Qwen-VL family are prepared here, picture by picture: their own processors need
torchvision, which twomind does without. Other families (LLaVA and its relatives, text-only models)
go through their own processor.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import device
from twomind.core.errors import BadInput, MissingExtra
from twomind.core.files import read_json
from twomind.core.store import settings_hash
from twomind.models.llm.ask import EndpointFailed, Reply, Request, Token, Tried
from twomind.models.llm.files import digest, family_of, find_folder, read_config, sees

QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
#: Families that hear too; the part of them that reads and writes text is loaded, not the one that speaks.
OMNI = {
    "qwen2_5_omni": "Qwen2_5OmniThinkerForConditionalGeneration",
    "qwen2_5_omni_thinker": "Qwen2_5OmniThinkerForConditionalGeneration",
    "qwen3_omni_moe": "Qwen3OmniMoeThinkerForConditionalGeneration",
    "qwen3_omni_moe_thinker": "Qwen3OmniMoeThinkerForConditionalGeneration",
}
#: Tokens before a place that are decoded together with it, so that its text comes out as it would
#: in the whole.
_CONTEXT = 4


class NeedsTorchvision(MissingExtra):
    """The processor of a model family cannot work without torchvision."""

    def __init__(self, family: str) -> None:
        what = f"the picture processor of {family}"
        super().__init__("torchvision", what)
        message = (
            f"{what} needs torchvision, which no extra of twomind brings. Install the torchvision "
            "that goes with your torch, use a LLaVA, Video-LLaVA or Qwen-VL model, or serve the "
            "model behind an endpoint (vLLM, Ollama)"
        )
        self.args = (message,)


@dataclass
class Local:
    """One model in this process. ``model`` is a folder, the name of added weights, or a hub id."""

    model: str
    offline: bool = False
    device: str = "auto"

    @cached_property
    def folder(self) -> Path:
        return find_folder(self.model, offline=self.offline)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "local", "model": self.model, "files": digest(self.folder)}

    def told(self) -> dict[str, Any]:
        """Which model it is, whatever its folder is called: its family, and a hash of its files."""
        files = settings_hash({"files": self.identity["files"]})
        return {"family": family_of(self.folder), "files": files}

    def attempt(self, request: Request) -> Reply | Tried:
        started = time.monotonic()
        found = self._loaded.write(request)
        seconds = time.monotonic() - started
        return Reply(**found, model=self.model, seconds=round(seconds, 3))

    @cached_property
    def _loaded(self) -> _Loaded:
        config = read_config(self.folder)
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MissingExtra("clip", "a local language model") from error
        asked = None if self.device == device.AUTO else self.device
        place = device.name_of(asked)
        dtype = torch.float32 if place == "cpu" else "auto"
        load = {"local_files_only": True, "trust_remote_code": False}
        kind: Any = transformers.AutoModelForCausalLM
        if sees(config):
            kind = transformers.AutoModelForImageTextToText
        family = str(config.get("model_type", ""))
        if family in OMNI:
            kind = getattr(transformers, OMNI[family], None)
            if kind is None:
                raise BadInput(
                    f"{self.model}: transformers {transformers.__version__} does not know {family}; a "
                    "newer one does, or serve the model behind an endpoint"
                )
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder, **load)
            images = _image_side(transformers, self.folder, config, load)
            ears = _ears(transformers, self.folder, family)
            model: Any = kind.from_pretrained(
                self.folder, **load, use_safetensors=True, dtype=dtype
            )
        except MissingExtra:
            raise
        except Exception as error:
            # The libraries behind raise dozens of classes for a folder that they cannot use.
            name = type(error).__name__
            said = str(error).strip()[:300]
            raise BadInput(
                f"{self.model}: transformers {transformers.__version__} cannot load this model "
                f"({name}: {said})"
            ) from error
        ready = model.to(place).eval()
        return _Loaded(family, ready, tokenizer, images, self.folder, ears)


def _image_side(
    transformers: Any, folder: Path, config: dict[str, Any], load: dict[str, Any]
) -> Any:
    """What prepares pictures: an image processor (Video-LLaVA, Qwen-VL), the whole processor, or
    None (text only).
    """
    if not sees(config):
        return None
    family = str(config.get("model_type", ""))
    try:
        # By name: transformers' automatic choice of an image processor asks for torchvision
        # whichever one it finds.
        if family == "video_llava":
            return transformers.VideoLlavaImageProcessor.from_pretrained(
                folder, local_files_only=True
            )
        if family in QWEN or family in OMNI:
            # Without torchvision: "…Pil" from transformers 5 on, the plain name before.
            pil = getattr(transformers, "Qwen2VLImageProcessorPil", None)
            processor = pil or transformers.Qwen2VLImageProcessor
            return processor.from_pretrained(folder, local_files_only=True)
        return _from_processor(transformers, folder, load)
    except ImportError as error:
        if "torchvision" in str(error).lower():
            raise NeedsTorchvision(family) from error
        raise


def _ears(transformers: Any, folder: Path, family: str) -> Any:
    """What prepares sound; None of a family that does not hear."""
    if family not in OMNI:
        return None
    return transformers.WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)


def _from_processor(transformers: Any, folder: Path, load: dict[str, Any]) -> Any:
    return transformers.AutoProcessor.from_pretrained(folder, **load)


@dataclass
class _Loaded:
    family: str
    model: Any
    tokenizer: Any
    images: Any
    folder: Path
    ears: Any = None

    def write(self, request: Request) -> dict[str, Any]:
        """Text, tokens and counts for one request."""
        if request.pictures and self.images is None:
            raise BadInput(
                f"{self.folder.name} takes no pictures; ask it with the text alone "
                "(llm.text_only=true)"
            )
        if request.sound is not None and self.ears is None:
            hear = ", ".join(sorted({name.removesuffix("_thinker") for name in OMNI}))
            raise BadInput(
                f"{self.folder.name} does not hear ({self.family}); leave out llm.sound, or use one of "
                f"the families {hear}"
            )
        inputs = self._inputs(request)
        n_in = int(inputs["input_ids"].shape[1])
        self._check_length(n_in, request.max_tokens)
        made = self._generate(inputs, request)
        ids, finish = self._until_end(made.sequences[0, n_in:].tolist())
        tokens: tuple[Token, ...] = ()
        if request.alternatives:
            tokens = self._tokens(ids, made.logits, request.alternatives)
        if tokens:
            text = "".join(t.text for t in tokens)
        else:
            text = self._decode(ids)
        return {
            "text": text,
            "tokens": tokens,
            "tokens_in": n_in,
            "tokens_out": len(ids),
            "finish": finish,
        }

    def _generate(self, inputs: dict[str, Any], request: Request) -> Any:
        """What transformers returns for one request."""
        import torch

        settings: dict[str, Any] = {
            "max_new_tokens": request.max_tokens,
            "num_beams": 1,
            "output_logits": True,
            "return_dict_in_generate": True,
            "pad_token_id": self._pad(),
        }
        if request.temperature > 0:
            settings |= {"temperature": request.temperature, "top_k": 0, "top_p": 1.0}
        else:
            settings |= {"temperature": None, "top_k": None, "top_p": None}
        settings["do_sample"] = request.temperature > 0
        device = self.model.device
        placed = {name: value.to(device) for name, value in inputs.items()}
        with torch.no_grad(), torch.random.fork_rng(devices=_devices(self.model)):
            torch.manual_seed(request.seed)
            return self.model.generate(**placed, **settings)

    def _until_end(self, ids: list[int]) -> tuple[list[int], str]:
        """The tokens before the model's mark of the end, and why it stopped."""
        ends = self._ends()
        for place, token in enumerate(ids):
            if token in ends:
                return ids[:place], "stop"
        return ids, "length"

    # --- what goes in

    def _inputs(self, request: Request) -> dict[str, Any]:
        pictures = [np.ascontiguousarray(p.rgb) for p in request.pictures]
        if self.family == "video_llava":
            return self._video_llava(request.text, pictures)
        if self.family in QWEN:
            return self._qwen(request.text, pictures)
        if self.family in OMNI:
            return self._omni(request, pictures)
        text = self._chat(request.text, len(pictures))
        # As transformers does it: templates of text models write the mark of the beginning
        # themselves, others may not.
        mark = self.tokenizer.bos_token
        templated = self.images is None and self.tokenizer.chat_template
        marked = mark and text.startswith(mark)
        options = {"return_tensors": "pt", "add_special_tokens": not templated and not marked}
        if not pictures:
            return dict(self.tokenizer(text, **options))
        return dict(self.images(text=[text], images=pictures, **options))

    def _chat(self, text: str, n_pictures: int, n_sounds: int = 0) -> str:
        """The conversation as the model's own template writes it."""
        own = getattr(self.images, "chat_template", None)
        template = own or self.tokenizer.chat_template or self._old_template()
        if not template:
            if n_pictures:
                raise BadInput(
                    f"{self.folder.name}: expected a chat template (chat_template.jinja); there is "
                    "none"
                )
            return f"USER: {text} ASSISTANT:"
        content: Any = text
        if self.images is not None:
            content = [{"type": "image"} for _ in range(n_pictures)]
            content += [{"type": "audio", "audio": ""} for _ in range(n_sounds)]
            content.append({"type": "text", "text": text})
        try:
            return self._templated(template, content)
        except Exception as error:
            raise BadInput(
                f"{self.folder.name}: its chat template cannot be used ({error})"
            ) from error

    def _templated(self, template: Any, content: Any) -> str:
        messages = [{"role": "user", "content": content}]
        text = self.tokenizer.apply_chat_template(
            messages, chat_template=template, add_generation_prompt=True, tokenize=False
        )
        return str(text)

    def _old_template(self) -> str | None:
        path = self.folder / "chat_template.json"
        if not path.is_file():
            return None
        settings = read_json(path)
        return settings.get("chat_template")

    def _video_llava(self, text: str, pictures: list[np.ndarray]) -> dict[str, Any]:
        """The frames as one video ``(1, T, 3, H, W)``; each stands for its patches and a class
        token in the text.
        """
        if not pictures:
            return dict(self.tokenizer(f"USER: {text} ASSISTANT:", return_tensors="pt"))
        made = self.images(images=pictures, return_tensors="pt")
        name = "pixel_values_images" if "pixel_values_images" in made else "pixel_values"
        pixels = made[name]
        config = self.model.config
        patch = int(config.vision_config.patch_size)
        height, width = pixels.shape[-2:]
        per_frame = (height // patch) * (width // patch) + 1
        token = self.tokenizer.convert_ids_to_tokens(_token_id(config, "video"))
        frames = token * (per_frame * len(pictures))
        prompt = f"USER: {frames}\n{text} ASSISTANT:"
        inputs = dict(self.tokenizer(prompt, return_tensors="pt"))
        inputs["pixel_values_videos"] = pixels.unsqueeze(0)
        return inputs

    def _qwen(self, text: str, pictures: list[np.ndarray]) -> dict[str, Any]:
        """Frames as pictures; each placeholder is repeated once per merged patch of its picture."""
        prompt = self._chat(text, len(pictures))
        if not pictures:
            return dict(self.tokenizer(prompt, return_tensors="pt"))
        made = self.images(images=pictures, return_tensors="pt")
        image_id = _token_id(self.model.config, "image")
        token = self.tokenizer.convert_ids_to_tokens(image_id)
        pieces = prompt.split(token)
        if len(pieces) != len(pictures) + 1:
            raise BadInput(f"{self.folder.name}: its chat template has no place for pictures")
        per_patch = int(self.images.merge_size) ** 2
        prompt = pieces[0]
        for grid, piece in zip(made["image_grid_thw"], pieces[1:], strict=True):
            n_patches = int(grid.prod()) // per_patch
            prompt += token * n_patches + piece
        inputs = {**self.tokenizer(prompt, return_tensors="pt"), **made}
        known = inspect.signature(self.model.forward).parameters
        if "mm_token_type_ids" in known:
            inputs["mm_token_type_ids"] = (inputs["input_ids"] == image_id).long()
        return inputs

    def _omni(self, request: Request, pictures: list[np.ndarray]) -> dict[str, Any]:
        """Frames as pictures, then the sound; each placeholder is repeated once per row of what it
        stands for.
        """
        sound = request.sound
        prompt = self._chat(request.text, len(pictures), int(sound is not None))
        made: dict[str, Any] = {}
        counts: dict[str, list[int]] = {"image": [], "audio": []}
        if pictures:
            made |= dict(self.images(images=pictures, return_tensors="pt"))
            per_patch = int(self.images.merge_size) ** 2
            counts["image"] = [int(grid.prod()) // per_patch for grid in made["image_grid_thw"]]
        if sound is not None:
            heard = self.ears(
                sound.values,
                sampling_rate=sound.rate_hz,
                padding=True,
                truncation=False,
                return_attention_mask=True,
                return_tensors="pt",
            )
            made["input_features"] = heard["input_features"]
            made["feature_attention_mask"] = heard["attention_mask"]
            counts["audio"] = [self._rows_of_sound(int(heard["attention_mask"].sum()))]
        for name, own in counts.items():
            if own:
                prompt = self._repeated(prompt, name, own)
        return {**self.tokenizer(prompt, return_tensors="pt"), **made}

    def _repeated(self, prompt: str, name: str, counts: list[int]) -> str:
        """Each placeholder of a kind repeated."""
        token = self.tokenizer.convert_ids_to_tokens(_token_id(self.model.config, name))
        pieces = prompt.split(token)
        if len(pieces) != len(counts) + 1:
            raise BadInput(f"{self.folder.name}: its chat template has no place for {name}s")
        found = pieces[0]
        for n, piece in zip(counts, pieces[1:], strict=True):
            found += token * n + piece
        return found

    def _rows_of_sound(self, n: int) -> int:
        """How many rows the ear makes of so many mel frames."""
        if self.family.startswith("qwen2_5"):
            halved = (n - 1) // 2 + 1
            return (halved - 2) // 2 + 1
        left = n % 100
        for _ in range(3):
            left = (left - 1) // 2 + 1
        return left + n // 100 * 13

    def _check_length(self, n_in: int, n_out: int) -> None:
        text = getattr(self.model.config, "text_config", None) or self.model.config
        limit = getattr(text, "max_position_embeddings", None)
        if limit and n_in + n_out > limit:
            raise BadInput(
                f"{self.folder.name} reads at most {limit} tokens; this request has {n_in} and may "
                f"write {n_out}. Use fewer or smaller frames (llm.n_frames, llm.frame_px)"
            )

    # --- what comes out

    def _pad(self) -> int | None:
        own = self.tokenizer.pad_token_id
        return own if own is not None else self.tokenizer.eos_token_id

    def _ends(self) -> set[int]:
        given = self.model.generation_config.eos_token_id
        ends = set(given) if isinstance(given, list) else {given}
        ends.add(self.tokenizer.eos_token_id)
        return ends - {None}

    def _decode(self, ids: list[int]) -> str:
        text = self.tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return str(text)

    def _tokens(self, ids: list[int], logits: Any, n: int) -> tuple[Token, ...]:
        found = []
        for place, written in enumerate(ids):
            row = logits[place][0].float().log_softmax(-1)
            top = row.topk(min(n, len(row)))
            start = max(place - _CONTEXT, 0)
            before = ids[start:place]
            base = self._decode(before)
            named = []
            for token, value in zip(top.indices.tolist(), top.values.tolist(), strict=True):
                piece = self._piece(before, base, token)
                named.append((piece, value))
            piece = self._piece(before, base, written)
            found.append(Token(piece, float(row[written]), tuple(named)))
        return tuple(found)

    def _piece(self, before: list[int], base: str, token: int) -> str:
        whole = self._decode([*before, token])
        if not whole.startswith(base):
            return ""
        return whole.removeprefix(base)


def _token_id(config: Any, name: str) -> int:
    for field in (f"{name}_token_id", f"{name}_token_index"):
        value = getattr(config, field, None)
        if value is not None:
            return int(value)
    raise EndpointFailed(f"the model's config names no token for a {name}")


def _devices(model: Any) -> list[Any]:
    if model.device.type != "cuda":
        return []
    return [model.device]

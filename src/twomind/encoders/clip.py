"""Frozen CLIP: an image tower, a text tower and a tokenizer, from the hub, a folder, or weights
that were added.

Weights are read by ``transformers`` and then run by :mod:`.clip_towers`. Pictures run in whatever a
short measurement finds fastest on this machine: float32 in torch or in ONNX Runtime (where it is
installed; the two differ by about 1e-6), or bfloat16 in torch, 3.5 times as fast on a processor
with instructions for it, and with other numbers (``docs/clip-au.md`` says by how much). ``float32``
leaves bfloat16 out, so that machines agree. No torchvision.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twomind.core import device, weights
from twomind.core.errors import BadInput, MissingExtra, MissingWeights, Offline
from twomind.core.files import read_json
from twomind.core.hub_cache import snapshot
from twomind.core.store import content_hash, default_root, write_text
from twomind.encoders.clip_images import Preprocessing
from twomind.encoders.encoder import Encoder, Images, Tokens

if TYPE_CHECKING:
    import torch

    from twomind.encoders.clip_towers import Tower

#: Short names → the original weights on the hub.
SIZES = {
    "vit-b-32": "openai/clip-vit-base-patch32",
    "vit-b-16": "openai/clip-vit-base-patch16",
    "vit-l-14": "openai/clip-vit-large-patch14",
}
DEFAULT = "vit-b-32"
#: Memory that one batch of pictures may take.
BATCH_BYTES = 512 << 20
RUNTIMES = ("auto", "float32", "torch", "onnx", "bfloat16")
#: Least cosine to float32 on noise at which ``auto`` may take bfloat16. Measured at ViT-B/32 size:
#: .9999.
MIN_COSINE = 0.999
#: Names the runtime where a caller leaves it open.
RUNTIME_VARIABLE = "TWOMIND_CLIP_RUNTIME"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_HOW_TO_ADD = (
    "fetch it once with the network, or add a folder: twomind weights add clip-{name} FOLDER"
)


def load_clip(
    name: str | Path = DEFAULT,
    *,
    offline: bool | None = None,
    runtime: str | None = None,
    cache: Path | None = None,
) -> Encoder:
    """A CLIP by short name, hub id, or local folder in transformers' layout.

    Embeddings are kept apart by runtime.

    Args:
        name: ``vit-b-32``, ``vit-b-16``, ``vit-l-14``, a hub id (``owner/name``), or a folder.
        offline: whether fetching is forbidden; None reads ``$TWOMIND_OFFLINE``.
        runtime: ``torch``, ``onnx`` (both float32), ``bfloat16`` (torch), ``auto`` (the one that
            measured fastest here), ``float32`` (the faster of the first two); None reads
            ``$TWOMIND_CLIP_RUNTIME``, else the precision that :mod:`twomind.core.device` says. On a
            GPU torch runs, in float32 unless bfloat16 is asked for.
        cache: keeps what was measured, and the exported image tower; the store's folder by
            default.

    Raises:
        BadInput: no such folder, files are absent from it, or tokenizer and weights do not belong
            together.
        MissingWeights: damaged, or cannot be fetched.
        Offline: would have to be fetched.
        MissingExtra: no transformers.
    """
    runtime = runtime or os.environ.get(RUNTIME_VARIABLE) or device.precision()
    if runtime not in RUNTIMES:
        raise BadInput(
            f"runtime (or ${RUNTIME_VARIABLE}): expected one of {', '.join(RUNTIMES)}, got "
            f"{runtime!r}"
        )
    towers = open_towers(name, offline=offline)
    image, size_px = towers.image, towers.prepare.size_px
    place = device.name_of()
    if place == "cpu":
        images, ran = _images(image, size_px, towers.fingerprint, runtime, cache)
    else:
        images, ran = _on_card(image, place, runtime)
    return Encoder(
        name=str(name),
        track="clip",
        dim=image.dim,
        prepare=towers.prepare,
        images=images,
        opened_by=__name__,
        tokenise=towers.tokenise,
        text=towers.text,
        fingerprint=f"{towers.fingerprint[:32]}-{ran}",
        crop_px=size_px,
        batch=batch_size(image, size_px),
        runtime=ran,
    )


@dataclass(frozen=True)
class Towers:
    """Both towers of a CLIP with what goes into them: what a training of the whole starts from."""

    image: Tower
    text: Tower
    prepare: Preprocessing
    tokenise: Callable[[Sequence[str]], Tokens]
    fingerprint: str  # of the weights' files


def open_towers(name: str | Path = DEFAULT, *, offline: bool | None = None) -> Towers:
    """The towers of a CLIP, as :func:`load_clip` finds it, in float32 on the processor.

    Args:
        name: as :func:`load_clip` takes it.
        offline: whether fetching is forbidden.

    Raises:
        BadInput: there is no such CLIP, or files are absent from it.
        MissingWeights, Offline: it cannot be fetched.
        MissingExtra: no transformers.
    """
    folder = find_clip(name, offline=offline)
    model, config = _read_model(folder)
    from twomind.encoders.clip_towers import from_transformers, image_tower, text_tower

    state = from_transformers(model)
    vision, text = config["vision_config"], config["text_config"]
    image = image_tower(
        state, n_heads=vision["num_attention_heads"], activation=vision["hidden_act"]
    )
    words = text_tower(state, n_heads=text["num_attention_heads"], activation=text["hidden_act"])
    tokenise = tokeniser(folder, text["vocab_size"], text["max_position_embeddings"])
    prepare = _preprocessing(folder, vision["image_size"])
    return Towers(image, words, prepare, tokenise, _fingerprint(folder))


def find_clip(name: str | Path, *, offline: bool | None = None) -> Path:
    """The folder of a CLIP in transformers' layout, with every file that is needed; fetched if it
    must be.
    """
    if offline is None:
        offline = os.environ.get("TWOMIND_OFFLINE", "") not in ("", "0")
    path = Path(name).expanduser()
    if path.is_dir():
        return _checked(path)
    for added in (str(name), f"clip-{name}"):
        if weights.is_addable(added) and (weights.folder() / added / "manifest.json").is_file():
            return _checked(weights.locate(added))
    repo = SIZES.get(str(name), str(name))
    is_hub_id = re.fullmatch(r"[\w.-]+/[\w.-]+", repo)
    if not is_hub_id:
        raise BadInput(
            f"encoder {str(name)!r}: expected face-text (ships, synthetic people only), one of "
            f"{', '.join(SIZES)}, a hub id (owner/name), or a folder"
        )
    return _checked(_fetch(repo, str(name), offline))


def _fetch(repo: str, name: str, offline: bool) -> Path:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtra("clip", "CLIP")
    # What was fetched before needs no network, and not the hub's client.
    kept = snapshot(repo)
    if kept is not None and any((kept / file).exists() for file in _WEIGHTS):
        return _whole(kept)
    how = _HOW_TO_ADD.format(name=Path(name).name)
    if offline:
        raise Offline(
            f"CLIP {repo!r} is not on this machine, and the network is not allowed; {how}"
        )
    import huggingface_hub as hub

    small = ["*.json", "vocab.json", "merges.txt"]
    try:
        files = hub.HfApi().list_repo_files(repo)
        safe = [f for f in files if re.fullmatch(r"model.*\.safetensors(\.index\.json)?", f)]
        wanted = [*small, *(safe or ["pytorch_model.bin"])]
        return _whole(Path(hub.snapshot_download(repo, allow_patterns=wanted)))
    except (OSError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        raise MissingWeights(f"CLIP {repo!r} could not be fetched ({why}); {how}") from error


def _whole(snapshot: Path) -> Path:
    """The hub keeps large files under the name of their SHA-256: compare."""
    for name in _WEIGHTS:
        blob = (snapshot / name).resolve()
        is_digest = re.fullmatch(r"[0-9a-f]{64}", blob.name)
        if is_digest and content_hash(blob) != blob.name:
            raise MissingWeights(
                f"{snapshot / name} does not match its SHA-256 {blob.name[:12]}…; delete it"
            )
    return snapshot


def _checked(folder: Path) -> Path:
    """The libraries' own errors mislead here, and an absent vocabulary gives an empty tokenizer
    without any error.
    """
    has = {path.name for path in folder.iterdir()}
    has_vocabulary = {"vocab.json", "merges.txt"} <= has
    lacking = []
    if "config.json" not in has:
        lacking.append("config.json")
    if not has & set(_WEIGHTS):
        lacking.append("model.safetensors")
    if "tokenizer.json" not in has and not has_vocabulary:
        lacking.append("tokenizer.json (or vocab.json and merges.txt)")
    if lacking:
        raise BadInput(
            f"{folder}: expected a CLIP in transformers' layout; missing: {', '.join(lacking)}"
        )
    return folder


def _read_model(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        from transformers import CLIPModel
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtra("clip", "CLIP") from error
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        loaded: Any = CLIPModel.from_pretrained(
            str(folder), local_files_only=True, output_loading_info=True
        )
        model, report = loaded
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise BadInput(f"{folder}: transformers cannot read it as a CLIP: {error}") from error
    missing = [key for key in report["missing_keys"] if not key.endswith("position_ids")]
    if missing:  # they would be random numbers
        raise BadInput(
            f"{folder}: {len(missing)} weights of CLIP are not in it, the first is {min(missing)}"
        )
    return dict(model.state_dict()), model.config.to_dict()


def _fingerprint(folder: Path) -> str:
    files = [path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin")]
    hashes = [content_hash(path) for path in sorted(files)]
    if len(hashes) == 1:
        return hashes[0]
    return "-".join(one[:16] for one in hashes)


def _preprocessing(folder: Path, size_px: int) -> Preprocessing:
    plain = Preprocessing(size_px)
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return plain
    given = read_json(path)
    mean = given.get("image_mean", plain.mean)
    std = given.get("image_std", plain.std)
    return Preprocessing(size_px, tuple(mean), tuple(std))


def tokeniser(folder: Path, n_vocabulary: int, n_context: int) -> Callable[[Sequence[str]], Tokens]:
    """A function from phrases to :class:`Tokens`: start, words, end, then zeros up to
    ``n_context``.

    Args:
        folder: where the vocabulary lies.
        n_vocabulary: tokens that the weights know.
        n_context: most tokens of a phrase.

    Raises:
        BadInput: the vocabulary in ``folder`` is not the one that the weights were trained with.
    """
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    if len(tokenizer) != n_vocabulary:
        raise BadInput(
            f"{folder}: expected a tokenizer of {n_vocabulary} tokens (config.json), got "
            f"{len(tokenizer)}"
        )

    def tokenise(phrases: Sequence[str]) -> Tokens:
        import torch

        rows = [tokenizer(phrase)["input_ids"] for phrase in phrases]
        longest = max(len(row) for row in rows)
        if longest > n_context:
            raise BadInput(
                f"phrase: expected at most {n_context} tokens, got {longest}; shorten it"
            )
        ids = torch.zeros(len(rows), n_context, dtype=torch.long)
        for k, row in enumerate(rows):
            ids[k, : len(row)] = torch.tensor(row)
        last = [len(row) - 1 for row in rows]
        return Tokens(ids, torch.tensor(last))

    return tokenise


def batch_size(tower: Tower, size_px: int) -> int:
    """Pictures per batch: what fits into :data:`BATCH_BYTES` and a quarter of the free memory, 1 to
    64.
    """
    patch = int(tower.weights["visual.conv1.weight"].shape[-1])
    n_tokens = (size_px // patch) ** 2 + 1
    n_pixels = 3 * size_px**2
    n_activations = 14 * n_tokens * tower.width  # of one block
    per_picture = 4 * (n_pixels + n_activations)
    allowed = BATCH_BYTES
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        allowed = min(allowed, free // 4)
    return int(np.clip(allowed // per_picture, 1, 64))


def bfloat16_images(tower: Tower) -> Images:
    """As :func:`torch_images`, computed with 8 bits of precision; rows are given as float32."""
    import torch

    return placed_images(tower, "cpu", torch.bfloat16)


def placed_images(tower: Tower, place: str, dtype: torch.dtype) -> Images:
    """The image tower on a device, in a precision; pictures and rows stay numpy float32.

    Args:
        tower: its weights are copied there.
        place: a device by torch's name.
        dtype: in which it computes.
    """
    import torch

    from twomind.encoders.clip_towers import image_features

    there = {name: value.to(place, dtype) for name, value in tower.weights.items()}
    moved = replace(tower, weights=there)

    def images(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            given = torch.from_numpy(pixels).to(place, dtype)
            rows: np.ndarray = image_features(moved, given).float().cpu().numpy()
        return rows

    return images


def _on_card(tower: Tower, place: str, runtime: str) -> tuple[Images, str]:
    """The image tower on a GPU, and the name of its runtime."""
    import torch

    if runtime == "onnx":
        raise BadInput(f"runtime onnx: runs on the processor; ask for the device cpu, not {place}")
    if runtime == "bfloat16":
        return placed_images(tower, place, torch.bfloat16), "bfloat16-cuda"
    return placed_images(tower, place, torch.float32), "torch-cuda"


def _images(
    tower: Tower, size_px: int, fingerprint: str, runtime: str, cache: Path | None
) -> tuple[Images, str]:
    """The image tower in the runtime that was asked for, and the name of that runtime."""
    from twomind.encoders.clip_onnx import onnx_images
    from twomind.encoders.clip_towers import torch_images

    found = {}
    if runtime in ("auto", "float32", "torch"):
        found["torch"] = torch_images(tower)
    if runtime in ("auto", "float32", "onnx"):
        try:
            found["onnx"] = onnx_images(tower, size_px, fingerprint, cache)
        except MissingExtra:
            if runtime == "onnx":
                raise
    if runtime == "bfloat16":
        found["bfloat16"] = bfloat16_images(tower)
    if runtime == "auto":
        short = bfloat16_images(tower)
        if least_cosine(found["torch"], short, size_px) >= MIN_COSINE:
            found["bfloat16"] = short
    if len(found) == 1:
        (chosen,) = found
    else:
        chosen = fastest_runtime(found, size_px, fingerprint, cache)
    return found[chosen], chosen


def least_cosine(wanted: Images, images: Images, size_px: int) -> float:
    """Least cosine between rows of two runtimes, on noise.

    Args:
        wanted: the one runtime.
        images: the other.
        size_px: side of a picture.
    """
    noise = np.random.default_rng(0).normal(size=(2, 3, size_px, size_px))
    pixels = noise.astype(np.float32)
    a, b = wanted(pixels), images(pixels)
    products = (a * b).sum(axis=1)
    cosines = products / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(cosines.min())


def fastest_runtime(
    runs: Mapping[str, Images], size_px: int, fingerprint: str, cache: Path | None = None
) -> str:
    """The one of ``runs`` that took the least time on a small batch on this machine; measured once
    and kept.

    ONNX Runtime was 2.0 to 2.3 times as fast as torch on one processor, and 1.3 times as slow on
    another.

    Args:
        runs: the image tower by runtime.
        size_px: side of a picture.
        fingerprint: of the weights.
        cache: where the measurement is kept; the store's folder by default.
    """
    path = (cache or default_root()) / "onnx" / f"{fingerprint[:40]}-{size_px}.json"
    try:
        seconds = read_json(path)
    except (OSError, ValueError):
        seconds = {}
    if not runs.keys() <= seconds.keys():
        seconds = _measured(runs, np.zeros((4, 3, size_px, size_px), np.float32))
        write_text(path, json.dumps(seconds))
    return min(runs, key=lambda name: seconds[name])


def _measured(runs: Mapping[str, Images], pixels: np.ndarray) -> dict[str, float]:
    """Least seconds that each runtime took; in turns, so that a busy moment hits all."""
    seconds = dict.fromkeys(runs, float("inf"))
    for _ in range(3):
        for name, images in runs.items():
            start = time.perf_counter()
            images(pixels)
            took = time.perf_counter() - start
            seconds[name] = min(seconds[name], took)
    return seconds

"""Where the files of a local language model lie, and whether they are all there, before anything
heavy is loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from twomind.core import weights
from twomind.core.errors import BadInput, MissingExtra, MissingWeights, Offline
from twomind.core.files import read_json

#: What is fetched from a hub: settings, tokenizers and safetensors; never pickles, never code.
WANTED = ("*.json", "*.safetensors", "*.txt", "*.jinja", "tokenizer.model")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def find_folder(model: str, *, offline: bool) -> Path:
    """The folder of a model: a folder, weights that were added under that name, or a hub id
    (fetched when allowed).

    Raises:
        BadInput: it is none of the three.
        MissingExtra: ``transformers`` is absent.
        MissingWeights: files are missing, or the hub could not give them.
        Offline: a hub id that is not on this machine, and the network is not allowed.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if weights.is_addable(model):
        return weights.locate(model)
    if path.exists() or not _HUB_ID.fullmatch(model):
        raise BadInput(
            f"local model {model!r}: expected a folder, a name known to `twomind weights list`, or "
            "a hub id such as "
            "LanguageBind/Video-LLaVA-7B-hf"
        )
    return _from_hub(model, offline or os.environ.get("TWOMIND_OFFLINE") == "1")


def _from_hub(model: str, offline: bool) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtra("clip", "a local language model by hub id") from error
    try:
        return Path(snapshot_download(model, allow_patterns=list(WANTED), local_files_only=True))
    except Exception as absent:
        if offline:
            raise Offline(
                f"{model} is not on this machine, and the network is not allowed (--offline). "
                "Fetch "
                "it once with the "
                "network, or give a folder"
            ) from absent
    try:
        return Path(snapshot_download(model, allow_patterns=list(WANTED)))
    except Exception as error:
        raise MissingWeights(
            f"{model}: the hub did not give its files ({type(error).__name__})"
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a model folder, after checking that every file a model needs is there.

    Raises:
        MissingWeights: a file is absent; the message lists what was expected.
    """
    found = {p.name for p in folder.iterdir() if p.is_file() and p.stat().st_size}
    if "config.json" not in found:
        raise MissingWeights(f"{folder}: expected a model folder with config.json; there is none")
    try:
        config = read_json(folder / "config.json")
        assert isinstance(config, dict)
    except (ValueError, AssertionError) as error:
        raise MissingWeights(
            f"{folder}/config.json: expected a JSON object; the file is damaged"
        ) from error
    missing = [*_missing_weights(folder, found), *_missing_tokenizer(found)]
    if sees(config) and not found & {"preprocessor_config.json", "processor_config.json"}:
        missing.append("preprocessor_config.json (how pictures are prepared)")
    if missing:
        raise MissingWeights(f"{folder}: the model is not whole; missing: {'; '.join(missing)}")
    return config


def family_of(folder: Path) -> str:
    """The family of models that a folder's ``config.json`` says; "" where it says none."""
    try:
        config = read_json(folder / "config.json")
        return str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def sees(config: dict[str, Any]) -> bool:
    """Whether a model takes pictures."""
    config = config.get("thinker_config", config)
    return "vision_config" in config or "image_token_index" in config or "image_token_id" in config


def _missing_weights(folder: Path, found: set[str]) -> list[str]:
    if "model.safetensors" in found:
        return []
    if "model.safetensors.index.json" in found:
        try:
            entry = json.loads(
                (folder / "model.safetensors.index.json").read_text(encoding="utf-8")
            )
            return sorted(set(entry["weight_map"].values()) - found)
        except (ValueError, KeyError, AttributeError, TypeError):
            return ["a readable model.safetensors.index.json"]
    pickles = [n for n in found if n.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    note = f" ({pickles[0]} is a pickle, which is never loaded: convert it)" if pickles else ""
    return [f"model.safetensors or model.safetensors.index.json with its parts{note}"]


def _missing_tokenizer(found: set[str]) -> list[str]:
    whole = found & {"tokenizer.json", "tokenizer.model"} or {"vocab.json", "merges.txt"} <= found
    return [] if whole else ["tokenizer.json (or tokenizer.model, or vocab.json with merges.txt)"]


def digest(folder: Path) -> str:
    """Tells one model from another under the same name: settings in full, weights by size, head and
    tail.

    Hashing all of 15 GB would take longer than asking; a fine-tuned copy differs in its last
    tensors as well.
    """
    sum_ = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".json", ".safetensors", ".jinja", ".model", ".txt"):
            continue
        size = path.stat().st_size
        sum_.update(f"{path.name} {size} ".encode())
        with open(path, "rb") as file:
            sum_.update(file.read(1 << 20))
            file.seek(max(size - (1 << 20), 0))
            sum_.update(file.read())
    return sum_.hexdigest()[:16]

"""What is installed, which weights are present, and what therefore works, with and without a
network.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from twomind.core import weights
from twomind.core.errors import Offline, TwomindError
from twomind.core.hub_cache import snapshots
from twomind.core.store import default_root
from twomind.core.version import __version__
from twomind.transcripts.speech_models import cached_models

#: part → (module that must be importable, extra that brings it, what it gives)
PARTS: dict[str, tuple[str, str, str]] = {
    "media": ("av", "", "reading video and sound"),
    "face": ("mediapipe", "face", "face landmarks, action units, head pose, gaze, blinks"),
    "speech": ("faster_whisper", "speech", "speech recognition, better speech activity"),
    "align": ("pocketsphinx", "align", "word times from the sound, for English"),
    "train": ("sklearn", "train", "training a recogniser"),
    "parquet": ("pyarrow", "parquet", "tables as Parquet besides CSV"),
    "torch": ("torch", "torch", "fusion models, CLIP-AU, adaptation methods"),
    "clip": ("transformers", "clip", "CLIP, frozen encoders, language models on this machine"),
    "pictures": ("PIL", "clip", "preparing pictures for CLIP and language models"),
    "onnxruntime": (
        "onnxruntime",
        "clip",
        "CLIP's pictures, where that is faster than torch; exported frame networks",
    ),
    "onnx": ("onnx", "clip", "writing CLIP for ONNX Runtime, importing exported frame networks"),
    "llm": ("openai", "llm", "language models behind an endpoint"),
}
#: Where a package is not called like its module.
_PACKAGES = {"sklearn": "scikit-learn", "PIL": "pillow"}

#: States of weights that can be used.
_USABLE_STATES = ("present", "unverified")

#: Programs that are used when present.
PROGRAMS = {
    "espeak-ng": "a more human voice for synthetic people (otherwise a built-in synthesiser)",
    "chromium": "tests of the report in a browser",
}


def _version(module: str) -> str:
    if importlib.util.find_spec(module) is None:
        return ""
    for name in (module, module.replace("_", "-"), _PACKAGES.get(module, module)):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "present"


def examine() -> dict[str, Any]:
    """Everything as plain values. Imports nothing heavy and never touches the network."""
    parts = {name: _part(*about) for name, about in PARTS.items()}
    programs = {}
    for name, gives in PROGRAMS.items():
        programs[name] = {"path": shutil.which(name) or "", "gives": gives}
    shelf = weights.as_rows()
    states = {row["name"]: row["state"] for row in shelf}
    return {
        "twomind": __version__,
        "python": platform.python_version(),
        "python_supported": sys.version_info[:2] >= (3, 11),
        "platform": platform.platform(),
        "parts": parts,
        "programs": programs,
        "weights": shelf,
        "store": str(default_root()),
        "weights_folder": str(weights.folder()),
        "works_offline": _works_offline(parts, states),
    }


def _part(module: str, extra: str, gives: str) -> dict[str, Any]:
    found = _version(module)
    return {
        "installed": bool(found),
        "version": found,
        "gives": gives,
        "how": "" if found else f"pip install 'twomind[{extra}]'",
    }


def _works_offline(parts: dict[str, Any], states: dict[str, str]) -> dict[str, str]:
    """Verb or ability → "yes", or why not."""
    words = states.get("words") == "present"
    return {
        "words given as a transcript": "yes",
        "probability from words": "yes" if words else "no: the shipped weights are damaged",
        "voice": "yes",
        "face": _face(parts, states),
        "words by speech recognition": _speech(parts, states),
        "training": _lacking(parts, "train") or "yes",
        **_models_offline(parts, states),
    }


def _face(parts: dict[str, Any], states: dict[str, str]) -> str:
    lacking = _lacking(parts, "face")
    if lacking:
        return lacking
    mesh = states.get("mediapipe-face")
    if mesh in _USABLE_STATES:
        return "yes"
    if mesh != "absent":
        return "no: the face models are damaged; reinstall mediapipe"
    if states.get("face-landmarker") in _USABLE_STATES:
        return "yes, with --set features.face=landmarker"
    return (
        "no: this MediaPipe carries no face mesh; twomind weights add face-landmarker, then "
        "--set features.face=landmarker"
    )


def _speech(parts: dict[str, Any], states: dict[str, str]) -> str:
    lacking = _lacking(parts, "speech")
    if lacking:
        return lacking
    whisper = [
        n for n, state in states.items() if n.startswith("whisper-") and state in _USABLE_STATES
    ]
    places = [f"{name} (added weights)" for name in whisper]
    places += [f"{name} (the Hugging Face hub)" for name in cached_models()]
    if not places:
        return (
            "no model here: name a folder or package:NAME with --speech-model, or twomind weights "
            "add whisper-base FOLDER"
        )
    return f"yes, with {', '.join(places)}; also with a folder or package:NAME"


def _models_offline(parts: dict[str, Any], states: dict[str, str]) -> dict[str, str]:
    """The same of the models that read pictures or words through torch, or ask an endpoint."""
    torch, clip = _lacking(parts, "torch"), _lacking(parts, "torch", "clip", "pictures")
    synthetic = _synthetic_models(states)
    return {
        "fusion models and adaptation": torch or "yes",
        "CLIP-AU of synthetic people": torch or synthetic or "yes",
        "CLIP": clip or _clips(),
        "CLIP in ONNX Runtime": clip
        or _lacking(parts, "onnxruntime", "onnx")
        or "yes, where there is a CLIP",
        "language model on this machine": clip or _language_models(),
        "language model behind an endpoint": _lacking(parts, "llm")
        or "yes, where the endpoint is on this machine: --set llm.endpoint=http://127.0.0.1:PORT/v1",
    }


def _synthetic_models(states: dict[str, str]) -> str:
    """Why the models of the distribution twomind-synth cannot be used; empty where they can."""
    names = ("face-text", "clip-au")
    if not any(name in states for name in names):
        return "no: install twomind-synth"
    damaged = [name for name in names if states.get(name) != "present"]
    return f"no: damaged weights: {', '.join(damaged)}" if damaged else ""


def _lacking(parts: dict[str, Any], *names: str) -> str:
    absent = [parts[name] for name in names if not parts[name]["installed"]]
    how = dict.fromkeys(part["how"] for part in absent)
    return f"no: {', '.join(how)}" if how else ""


def _clips() -> str:
    """Each size, looked for as it is when a model is loaded (added, or fetched before), but never
    fetched.
    """
    from twomind.encoders.clip import SIZES, find_clip

    there, bad = [], []
    for name, repo in SIZES.items():
        try:
            find_clip(name, offline=True)
        except Offline:
            continue
        except TwomindError as error:
            bad.append(f"{repo}: {error}")
        else:
            there.append(name)
    if there:
        return f"yes, with {', '.join(there)}"
    if bad:
        return f"no: {bad[0]}"
    return "no model here: name a folder, or twomind weights add clip-vit-b-32 FOLDER"


def _language_models() -> str:
    """Added weights, and what was fetched from a hub before, that are whole and of a kind that can
    be asked.
    """
    there = sorted(name for name, folder in _model_folders().items() if _can_be_asked(folder))
    if there:
        return f"yes, with {', '.join(there)}"
    return "no model here: name a folder with --set llm.model=FOLDER, or twomind weights add NAME FOLDER"


def _model_folders() -> dict[str, Path]:
    """Name → folder of every set of weights that was added, or lies in the hub's cache on this
    machine.
    """
    found = {p.parent.name: p.parent for p in weights.folder().glob("*/manifest.json")}
    if importlib.util.find_spec("huggingface_hub") is not None:
        found |= snapshots()
    return found


def _can_be_asked(folder: Path) -> bool:
    from twomind.models.llm.files import read_config, sees

    try:
        config = read_config(folder)
    except TwomindError:
        return False
    kinds = [str(kind) for kind in config.get("architectures") or []]
    # As the local back end loads them: an image-and-text model that writes, or a causal language
    # model.
    ends = ("ForConditionalGeneration", "ForImageTextToText") if sees(config) else ("ForCausalLM",)
    return any(kind.endswith((*ends, "LMHeadModel")) for kind in kinds)

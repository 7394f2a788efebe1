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

from twomind import __version__
from twomind.core import weights
from twomind.core.errors import Offline, TwomindError
from twomind.core.store import default_root

#: part → (module that must be importable, extra that brings it, what it gives)
PARTS: dict[str, tuple[str, str, str]] = {
    "media": ("av", "", "reading video and sound"),
    "face": ("mediapipe", "face", "face landmarks, action units, head pose, gaze, blinks"),
    "speech": ("faster_whisper", "speech", "speech recognition, better speech activity"),
    "train": ("sklearn", "train", "training a recogniser"),
    "parquet": ("pyarrow", "parquet", "tables as Parquet besides CSV"),
    "torch": ("torch", "torch", "fusion models, CLIP-AU, adaptation methods"),
    "clip": ("transformers", "clip", "CLIP, frozen encoders, language models on this machine"),
    "pictures": ("PIL", "clip", "preparing pictures for CLIP and language models"),
    "onnxruntime": (
        "onnxruntime",
        "clip",
        "CLIP's pictures in ONNX Runtime, where that is faster than torch",
    ),
    "onnx": ("onnx", "clip", "writing CLIP for ONNX Runtime"),
    "llm": ("openai", "llm", "language models behind an endpoint"),
}
#: Where a package is not called like its module.
_PACKAGES = {"sklearn": "scikit-learn", "PIL": "pillow"}

#: Programs that are used when present.
PROGRAMS = {
    "espeak-ng": "a more human voice for drawn people (otherwise a built-in synthesiser)",
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
    parts = {}
    for name, (module, extra, gives) in PARTS.items():
        found = _version(module)
        parts[name] = {
            "installed": bool(found),
            "version": found,
            "gives": gives,
            "how": "" if found else f"pip install 'twomind[{extra}]'",
        }
    shelf = weights.as_rows()
    return {
        "twomind": __version__,
        "python": platform.python_version(),
        "python_supported": (3, 11) <= sys.version_info[:2] < (3, 13),
        "platform": platform.platform(),
        "parts": parts,
        "programs": {
            name: {"path": shutil.which(name) or "", "gives": gives}
            for name, gives in PROGRAMS.items()
        },
        "weights": shelf,
        "store": str(default_root()),
        "weights_folder": str(weights.folder()),
        "works_offline": _works_offline(parts, {row["name"]: row["state"] for row in shelf}),
    }


def _works_offline(parts: dict[str, Any], states: dict[str, str]) -> dict[str, str]:
    """Verb or ability → "yes", or why not."""
    whole = ("present", "unverified")
    whisper = [n for n, s in states.items() if n.startswith("whisper-") and s in whole]
    face_ok = parts["face"]["installed"] and states.get("mediapipe-face") in whole
    speech = "yes, with " + ", ".join(whisper)
    if not parts["speech"]["installed"]:
        speech = f"no: {parts['speech']['how']}"
    elif not whisper:
        speech = (
            "no model here: name a folder with --speech-model, or twomind weights add "
            "whisper-base FOLDER"
        )
    return {
        "words given as a transcript": "yes",
        "probability from words": "yes"
        if states.get("words") == "present"
        else "no: the shipped weights are damaged",
        "voice": "yes",
        "face": "yes"
        if face_ok
        else f"no: {parts['face']['how'] or 'the face models are damaged; reinstall mediapipe'}",
        "words by speech recognition": speech,
        "training": "yes" if parts["train"]["installed"] else f"no: {parts['train']['how']}",
        **_models_offline(parts, states),
    }


def _models_offline(parts: dict[str, Any], states: dict[str, str]) -> dict[str, str]:
    """The same of the models that read pictures or words through torch, or ask an endpoint."""
    torch, clip = _lacking(parts, "torch"), _lacking(parts, "torch", "clip", "pictures")
    synthetic = _synthetic_models(states)
    return {
        "fusion models and adaptation": torch or "yes",
        "CLIP-AU of drawn people": torch or synthetic or "yes",
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
    how = dict.fromkeys(parts[name]["how"] for name in names if not parts[name]["installed"])
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
    return (
        f"no: {bad[0]}"
        if bad
        else "no model here: name a folder, or twomind weights add clip-vit-b-32 FOLDER"
    )


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
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        return found
    for snapshot in sorted(Path(HF_HUB_CACHE).glob("models--*/snapshots/*")):
        found[snapshot.parent.parent.name.removeprefix("models--").replace("--", "/")] = snapshot
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


def print_report(found: dict[str, Any]) -> None:
    """The same for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"twomind {found['twomind']}, Python {found['python']}, {found['platform']}",
        highlight=False,
    )
    if not found["python_supported"]:
        console.print("This Python is not supported; 3.11 or 3.12 is expected.")
    table = Table("works offline", "", box=None, pad_edge=False, title_justify="left")
    for what, answer in found["works_offline"].items():
        table.add_row(what, answer)
    console.print(table, highlight=False)
    table = Table("part", "version", "gives", "to install", box=None, pad_edge=False)
    for name, part in found["parts"].items():
        table.add_row(name, part["version"] or "absent", part["gives"], part["how"])
    for name, program in found["programs"].items():
        table.add_row(name, "found" if program["path"] else "absent", program["gives"], "")
    console.print()
    console.print(table, highlight=False, markup=False)
    table = Table("weights", "state", "licence", "what", box=None, pad_edge=False)
    for row in found["weights"]:
        table.add_row(row["name"], row["state"], row["licence"], row["what"])
    console.print()
    console.print(table, highlight=False, markup=False)
    console.print(
        f"\nfeatures: {found['store']}\nweights:  {found['weights_folder']}",
        highlight=False,
        soft_wrap=True,
    )

"""What is installed, which weights are present, and what therefore works, with and without a network."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from twomind import __version__, weights
from twomind.store import default_root

#: part → (module that must be importable, extra that brings it, what it gives)
PARTS = {
    "media": ("av", "", "reading video and sound"),
    "face": ("mediapipe", "face", "face landmarks, action units, head pose, gaze, blinks"),
    "speech": ("faster_whisper", "speech", "speech recognition, better speech activity"),
    "train": ("sklearn", "train", "training a recogniser"),
    "parquet": ("pyarrow", "parquet", "tables as Parquet besides CSV"),
}

#: Programs that are used when present.
PROGRAMS = {
    "espeak-ng": "a more human voice for drawn people (otherwise a built-in synthesiser)",
    "chromium": "tests of the report in a browser",
}


def _version(module: str) -> str:
    if importlib.util.find_spec(module) is None:
        return ""
    for name in (module, module.replace("_", "-"), "scikit-learn" if module == "sklearn" else module):
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
        "programs": {name: {"path": shutil.which(name) or "", "gives": gives} for name, gives in PROGRAMS.items()},
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
        speech = "no model here: name a folder with --speech-model, or twomind weights add whisper-base FOLDER"
    return {
        "words given as a transcript": "yes",
        "probability from words": "yes" if states.get("words") == "present" else "no: the shipped weights are damaged",
        "voice": "yes",
        "face": "yes"
        if face_ok
        else f"no: {parts['face']['how'] or 'the face models are damaged; reinstall mediapipe'}",
        "words by speech recognition": speech,
        "training": "yes" if parts["train"]["installed"] else f"no: {parts['train']['how']}",
    }


def print_report(found: dict[str, Any]) -> None:
    """The same for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"twomind {found['twomind']}, Python {found['python']}, {found['platform']}", highlight=False)
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
    console.print(f"\nfeatures: {found['store']}\nweights:  {found['weights_folder']}", highlight=False, soft_wrap=True)

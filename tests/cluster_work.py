"""What a cluster works on in tests: functions that other processes can import."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from twomind.core.errors import BadInput

_LOADED: list[int] = []


def note(number: int, folder: Path, wait_s: float = 0.0) -> int:
    """The square of a number; a file says who worked on it, and how often that process has loaded."""
    if not _LOADED:
        _LOADED.append(os.getpid())
    begun = folder / f"begun-{number}-{os.getpid()}"
    begun.write_text("")
    if number == 13:
        raise BadInput("thirteen")
    if number == 66:
        os.kill(os.getpid(), 9)
    time.sleep(wait_s)
    (folder / f"{number}.json").write_text(json.dumps({"pid": os.getpid(), "loads": len(_LOADED)}))
    return number * number

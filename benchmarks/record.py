"""Where benchmark numbers go: ``benchmarks/results/<date>-<commit>-<name>.json``, with what they
were measured on.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
#: For what is too large to be kept; git ignores it.
OUT = Path(__file__).parent / "out"


def commit() -> str:
    """Short hash of the commit, with a plus when the library differs from it."""
    here = Path(__file__).parent
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True
    )
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", "../src", "../packages"],
        cwd=here,
        capture_output=True,
        text=True,
    ).stdout
    return (found.stdout.strip() or "unknown") + ("+" if changed.strip() else "")


def save(name: str, numbers: dict[str, Any], show: bool = True, folder: Path = FOLDER) -> Path:
    """Write one result file, and print it unless told not to."""
    date = datetime.now(UTC).date().isoformat()
    entry = {
        "name": name,
        "date": date,
        "commit": commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}",
        **numbers,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{date}-{entry['commit'].rstrip('+')}-{name}.json"
    path.write_text(json.dumps(entry, indent=1, default=float) + "\n", encoding="utf-8")
    if show:
        print(json.dumps(entry, indent=1, default=float))
    return path

"""Where the numbers of an experiment go: ``experiments/out``; git ignores it. Small tables are kept
in ``results``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import record

OUT = Path(__file__).parent / "out"


def save(name: str, numbers: dict[str, Any], show: bool = True) -> Path:
    """Write one full result file, and print it unless told not to."""
    return record.save(name, numbers, show, OUT)

"""What came of measuring a recording, and as what it is sealed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twomind.server.quality import Findings
from twomind.server.scripts import Script


@dataclass(frozen=True)
class Measured:
    """What came of it. ``script`` is what was recognised; None where nothing was."""

    findings: Findings
    result: dict[str, Any]
    script: Script | None = None


def findings_label(recording: str) -> str:
    """What the sealed findings of a recording are."""
    return f"findings {recording}"


def result_label(recording: str) -> str:
    """What the sealed result of a recording is."""
    return f"result {recording}"

"""The state of a live session as plain values, and back: what a session that moves takes along."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from twomind.adaptation.state import load_state
from twomind.core.errors import BadInput
from twomind.features.causal import Ledger
from twomind.types import Cue, Timing, Word

#: What a state of a session is marked with.
KIND = "twomind.live/1"


def finite(value: float) -> float | None:
    """None for what JSON has no number for."""
    return float(value) if math.isfinite(value) else None


def plain_cue(cue: Cue) -> dict[str, Any]:
    """A cue as JSON takes it."""
    return {**asdict(cue), "value": finite(cue.value)}


def cue_of(entry: Mapping[str, Any]) -> Cue:
    """The cue that :func:`plain_cue` made plain."""
    value = math.nan if entry["value"] is None else entry["value"]
    return Cue(**{**entry, "value": value})


def plain_word(word: Word) -> dict[str, Any]:
    """A word as JSON takes it."""
    known: dict[str, Any] = {"text": word.text, "start_s": word.start_s, "end_s": word.end_s}
    if math.isfinite(word.confidence):
        known["confidence"] = word.confidence
    if word.timing is not Timing.GIVEN:
        known["timing"] = word.timing.value
    return known


def word_of(entry: Mapping[str, Any]) -> Word:
    """The word that :func:`plain_word` made plain."""
    timing = Timing(entry.get("timing", Timing.GIVEN))
    return Word(**{**entry, "timing": timing})


def plain_ledger(ledger: Ledger) -> dict[str, Any]:
    """Which cues are open and which are over."""
    return {
        "open": {str(number): plain_cue(cue) for number, cue in ledger.open.items()},
        "ended": [plain_cue(cue) for cue in ledger.ended],
        "over_s": finite(ledger.over_s),
    }


def fill_ledger(ledger: Ledger, entry: Mapping[str, Any]) -> None:
    """Let a new ledger go on from what :func:`plain_ledger` told."""
    ledger.open = {int(number): cue_of(cue) for number, cue in entry["open"].items()}
    ledger.ended = [cue_of(cue) for cue in entry["ended"]]
    over_s = entry["over_s"]
    ledger.over_s = -math.inf if over_s is None else float(over_s)


def read_state(state: bytes | Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """A session's state of bytes or of a file.

    Raises:
        BadInput: it is damaged, or no state of a session.
    """
    if isinstance(state, Path):
        found, meta = load_state(state)
    else:
        with tempfile.TemporaryDirectory(prefix="twomind-live-") as folder:
            path = Path(folder) / "state.safetensors"
            path.write_bytes(state)
            found, meta = load_state(path)
    if meta.get("kind") != KIND:
        raise BadInput("live: expected what LiveSession.export gave, got another state")
    return found, meta

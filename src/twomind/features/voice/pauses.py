"""Pauses of a voice: silences between speech, and what is measured of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from twomind.sound.rows import HOP_S, Rows
from twomind.sound.runs import runs

#: Begins and ends in seconds.
Spans = tuple[tuple[float, float], ...]


def silences(speech: Rows, missing: Rows, start_s: float, min_pause_s: float) -> Spans:
    """Silences between speech. One that touches a gap of the recording may hide speech, and is
    none.

    Args:
        speech: Which rows of 10 ms ``(T,)`` are speech.
        missing: Which are missing.
        start_s: Time of the first.
        min_pause_s: Shortest silence, in seconds.
    """
    found = []
    for a, b in runs(~speech):
        at_an_end = a == 0 or b == len(speech)
        if at_an_end or missing[a:b].any():
            continue
        if (b - a) * HOP_S >= min_pause_s - 1e-9:
            begin_s = start_s + a * HOP_S
            end_s = start_s + b * HOP_S
            found.append((begin_s, end_s))
    return tuple(found)


def pause_measures(pauses: Spans, span_s: float, why: dict[str, str]) -> dict[str, Any]:
    """How many pauses there are, and how long they are.

    Args:
        pauses: Begins and ends in seconds.
        span_s: Time in which they lie, in seconds.
        why: Is told what could not be measured.
    """
    lengths_s = [b - a for a, b in pauses]
    out: dict[str, Any] = {"n_pauses": len(pauses)}
    out["pause_total_s"] = float(sum(lengths_s))
    out["pauses_per_min"] = 60 * len(pauses) / span_s
    if not pauses:
        why |= dict.fromkeys(("pause_mean_s", "pause_longest_s"), "there is no pause")
        return out
    out["pause_mean_s"] = float(np.mean(lengths_s))
    out["pause_longest_s"] = float(max(lengths_s))
    return out

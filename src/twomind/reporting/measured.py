"""What the table over all answers needs of one: means and spreads of its measures, and how often
each kind of cue was found. It lies in the summary, so that the table is made without the tracks.
"""

from __future__ import annotations

import math

import numpy as np

from twomind.features import inconsistency
from twomind.features.body import cues as body_cues
from twomind.features.cues import KINDS
from twomind.features.inconsistency import has_own_times
from twomind.features.voice.unworded import ERASED, FILLED_PAUSE, WITHOUT_WORDS
from twomind.features.words.cues import WORD_KINDS
from twomind.reporting.result import Plain, Result
from twomind.types import Track
from twomind.types.plain import Array

#: Kinds of cue → the summary's measure of the voice without which they are not looked for.
_OF_VOICE = {
    "long_pause": "n_pauses",
    "slow_speech": "articulation_rate_per_s",
    "fast_speech": "articulation_rate_per_s",
    WITHOUT_WORDS: ERASED,
}
_TRACKS = ("face", "body", "voice")


def measured(result: Result) -> Plain:
    """Statistics of one answer as plain values.

    ``cues``: kind → how many; None where that kind could not be looked for. ``face``, ``body`` and
    ``voice``, where there are any: ``neutral``, ``valid_share`` of the rows, and ``measures``: name
    → ``valid_share``, ``mean``, ``sd``, ``relative_mean``, ``relative_sd``.
    """
    found: Plain = {"cues": _cues(result)}
    tracks = result.features.tracks
    for modality in _TRACKS:
        track = tracks.get(modality)
        if track is None or not len(track):
            continue
        found[modality] = _of_track(track, tracks.get(f"{modality}_relative"))
        own = result.voice_neutral if modality == "voice" else result.neutral
        found[modality]["neutral"] = own
    return found


# --- tracks


def _of_track(track: Track, relative: Track | None) -> Plain:
    raw = _shown(track)
    against = np.full_like(raw, np.nan) if relative is None else _shown(relative)
    measures: Plain = {}
    for column, name in enumerate(track.names):
        values = raw[:, column]
        one: Plain = {"valid_share": float(np.isfinite(values).mean())}
        one["mean"], one["sd"] = _mean_and_sd(values)
        one["relative_mean"], one["relative_sd"] = _mean_and_sd(against[:, column])
        measures[name] = one
    return {"valid_share": float(track.valid.mean()), "measures": measures}


def _shown(track: Track) -> Array:
    """Values ``(T, D)``, nan where a row is not valid."""
    valid = track.valid[:, None]
    return np.where(valid, track.values.astype(float), np.nan)


def _mean_and_sd(values: Array) -> tuple[float | None, float | None]:
    """Of what was measured; the standard deviation (n - 1) of two values at least."""
    there = values[np.isfinite(values)]
    mean = float(there.mean()) if len(there) else None
    sd = float(there.std(ddof=1)) if len(there) > 1 else None
    return mean, sd


# --- cues


def _cues(result: Result) -> Plain:
    counts = dict.fromkeys(KINDS, 0)
    for cue in result.cues:
        counts[cue.kind] = counts.get(cue.kind, 0) + 1
    not_measured = {one.what for one in result.not_measured}
    found: Plain = {}
    for kind, n in counts.items():
        looked = f"cue: {kind}" not in not_measured and _was_looked_for(kind, result)
        # What was found was looked for.
        found[kind] = n if n or looked else None
    return found


def _was_looked_for(kind: str, result: Result) -> bool:
    """Whether an answer without this kind of cue is known to have none."""
    words = result.features.words
    timed = bool(words) and has_own_times(words or ())
    voice = result.summary.get("voice", {})
    if kind in WORD_KINDS or kind == inconsistency.WITHIN:
        return words is not None
    if kind in _OF_VOICE:
        return _is_known(voice.get(_OF_VOICE[kind]))
    if kind == FILLED_PAUSE:
        return timed and _has_rows(result, "voice")
    if kind == inconsistency.VOICE:
        return timed and _has_rows(result, "voice")
    if kind == inconsistency.FACE:
        return timed and _has_rows(result, "face")
    return _has_rows(result, "body" if kind in body_cues.KINDS else "face")


def _is_known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _has_rows(result: Result, modality: str) -> bool:
    track = result.features.tracks.get(modality)
    return track is not None and bool(track.valid.any())

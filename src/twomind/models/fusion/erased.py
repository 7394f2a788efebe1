"""Erased time: speech that is heard where the recogniser wrote no word, as a modality of its own.

A recogniser leaves out most filled pauses, restarts and mumbled words, which are cues of hesitancy.
Where somebody speaks and no word stands, something was erased; how much so far is what a summary
calls ``speech_without_words_s``.
"""

from __future__ import annotations

import numpy as np

from twomind.features.voice.unworded import UnwordedSettings
from twomind.sound.rows import HOP_S
from twomind.types import Features, Timing, Track, Word

#: Name of the track and of the modality; its columns.
ERASED = "erased"
COLUMNS = ("erased", "erased_so_far")
_EXACT = (Timing.ALIGNED, Timing.GIVEN, Timing.RECOGNISED)


def erased_track(x: Features, settings: UnwordedSettings | None = None) -> Track | None:
    """One row per row of the voice: whether erased speech goes on, and the logarithm of one and all
    its seconds so far.

    A row knows nothing of what comes after it: a stretch counts from when it has lasted as long as
    one must, with all its length until then. A word covers from its start to a little past its end.

    Args:
        x: with the voice's track and words.
        settings: how long a stretch must be, and how far a word reaches.

    Returns:
        None where there is no voice, or where words have no times of their own, so that what lies
        between them cannot be told.
    """
    voice = x.tracks.get("voice")
    words = x.words
    if voice is None or words is None or "speech" not in voice.names:
        return None
    if any(word.timing not in _EXACT for word in words):
        return None
    how = settings or UnwordedSettings()
    speech = (voice.column("speech") == 1) & voice.valid
    is_open = speech & ~_covered(voice.times_s, words, how.reach_s)
    least = max(round(how.min_speech_s / HOP_S), 1)
    lasted = _lasted(is_open)
    goes_on = lasted >= least
    # At the row at which a stretch becomes one, all of it so far is added.
    added = np.where(lasted == least, least, goes_on) * HOP_S
    so_far = np.log1p(np.cumsum(added))
    values = np.stack([goes_on.astype(float), so_far], axis=1)
    return Track(values.astype(np.float32), voice.times_s, voice.valid, COLUMNS)


def _covered(times_s: np.ndarray, words: tuple[Word, ...], reach_s: float) -> np.ndarray:
    """Rows in which a word is said, or has just ended ``(T,)``."""
    covered = np.zeros(len(times_s), bool)
    for word in words:
        edges_s = [word.start_s, word.end_s + reach_s]
        first, last = np.searchsorted(times_s, edges_s)
        covered[first:last] = True
    return covered


def _lasted(is_open: np.ndarray) -> np.ndarray:
    """How many rows each has been open without a break, itself included ``(T,)``."""
    row = np.arange(1, len(is_open) + 1)
    last_closed = np.maximum.accumulate(np.where(is_open, 0, row))
    return np.asarray(np.where(is_open, row - last_closed, 0))

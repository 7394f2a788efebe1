"""Syllable nuclei: peaks of the loudness of vowels, voiced, with a dip between them.

After de Jong & Wempe 2009, *Praat script to detect syllable nuclei and measure speech rate
automatically*, Behavior Research Methods 41(2); here on the energy between 300 and 3200 Hz, so that
neither hum nor hiss makes a peak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.sound.rows import HOP_S, Levels, Rows, decibels

_VOWEL_BANDS = slice(1, 6)  # 300 to 3200 Hz of speech_activity.band_levels


@dataclass(frozen=True)
class SyllableSettings:
    """What counts as a syllable's nucleus."""

    #: Smoothing of the loudness, standard deviation in seconds.
    smooth_s: float = 0.02
    #: A nucleus rises at least this many dB over the dips beside it.
    dip_db: float = 1.5
    #: Shortest distance of two nuclei in seconds.
    distance_s: float = 0.07
    #: Peaks this many dB below the loudest nuclei do not count.
    range_db: float = 25.0


def find_syllables(
    levels: Levels,
    speech: Rows,
    voiced: Rows,
    settings: SyllableSettings | None = None,
) -> Rows:
    """Rows ``(T,)`` that are a syllable's nucleus, from band levels ``(T, B)``, speech and voiced
    rows ``(T,)``.
    """
    settings = settings or SyllableSettings()
    out = np.zeros(len(speech), bool)
    if not speech.any():
        return out
    loudness = decibels(np.sum(10 ** (levels[:, _VOWEL_BANDS] / 10), axis=1))
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d
    from scipy.signal import find_peaks

    loudness = gaussian_filter1d(loudness, settings.smooth_s / HOP_S, truncate=3)
    least = np.percentile(loudness[speech], 95) - settings.range_db
    peaks, _ = find_peaks(
        loudness, height=least, prominence=settings.dip_db, distance=settings.distance_s / HOP_S
    )
    near_voice = maximum_filter1d(voiced.astype(np.int8), 3).astype(bool)
    out[peaks[speech[peaks] & near_voice[peaks]]] = True
    return out

"""Steady voiced stretches: a vowel or a nasal that is held, as in a filled pause.

A held sound keeps its pitch and its spectrum; running speech changes both with every sound. Flat
pitch and a spectrum that stands still are what tells a filled pause from the words around it
(Goto, Itou, Hayamizu 1999, *A real-time filled pause detection system for spontaneous speech
recognition*, Eurospeech).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.sound.pitch import track_pitch
from twomind.sound.rows import HOP_S, Levels, Rows, Sound, blocks, decibels, n_rows, windows
from twomind.sound.runs import runs

#: Edges in Hz of the bands whose levels make the shape of the spectrum.
_EDGES_HZ = (100, 250, 400, 560, 730, 920, 1130, 1370, 1640, 1960, 2330, 2760, 3270, 3900)
_WINDOW_S = 0.03


@dataclass(frozen=True)
class SteadySettings:
    """When a voiced sound is held."""

    #: Rows that are compared lie this far apart, in seconds.
    reach_s: float = 0.06
    #: Largest change of the spectrum's shape over that time, in dB (root mean square over bands).
    spectrum_db: float = 7.0
    #: Largest change of pitch over that time, in semitones.
    pitch_st: float = 1.0
    #: Level under the loudest tenth of the voiced rows, in dB, below which a sound is too faint.
    range_db: float = 25.0
    #: Interruptions up to this length, in seconds, do not end a stretch.
    gap_s: float = 0.05
    #: Shortest stretch, in seconds.
    min_s: float = 0.15


@dataclass(frozen=True)
class Stretch:
    """A held voiced sound: begin and end in seconds on the recording's clock."""

    start_s: float
    end_s: float


def steady_rows(sound: Sound, pitch_hz: Rows, settings: SteadySettings | None = None) -> Rows:
    """Which rows of 10 ms ``(T,)`` bool lie in a voiced sound that is held.

    Args:
        sound: The waveform; 8 kHz or more.
        pitch_hz: Its pitch ``(T,)`` in Hz, nan where unvoiced.
        settings: When a sound is held.
    """
    settings = settings or SteadySettings()
    voiced = np.isfinite(pitch_hz)
    if not voiced.any():
        return np.zeros(len(pitch_hz), bool)
    levels = _shape_levels(sound)
    reach = max(1, round(settings.reach_s / HOP_S / 2))
    shape = levels - levels.mean(1, keepdims=True)
    mean_square = _moved(shape, reach).mean(1)
    changed_db = np.sqrt(mean_square)
    octaves = np.log2(np.where(voiced, pitch_hz, 1.0))
    both = _edge_and(voiced, reach)
    moved_st = 12 * np.sqrt(_moved(octaves[:, None], reach)[:, 0])
    power = 10 ** (levels / 10)
    loudness = decibels(power.sum(1))
    loud_db = np.percentile(loudness[voiced], 90)
    audible = loudness > loud_db - settings.range_db
    flat = both & (moved_st <= settings.pitch_st)
    still = changed_db <= settings.spectrum_db
    return voiced & audible & flat & still


def steady_stretches(
    sound: Sound, settings: SteadySettings | None = None, pitch_hz: Rows | None = None
) -> tuple[Stretch, ...]:
    """Held voiced sounds, in order of time.

    Args:
        sound: The waveform; 8 kHz or more.
        settings: When a sound is held, and for how long it must be.
        pitch_hz: Its pitch ``(T,)`` in Hz, nan where unvoiced; tracked here where None.
    """
    settings = settings or SteadySettings()
    if pitch_hz is None:
        pitch_hz, _ = track_pitch(sound)
    n_gap = round(settings.gap_s / HOP_S)
    rows = closed(steady_rows(sound, pitch_hz, settings), n_gap)
    found = []
    for first, last in runs(rows):
        if (last - first) * HOP_S >= settings.min_s - 1e-9:
            start_s = sound.start_s + first * HOP_S
            found.append(Stretch(start_s, sound.start_s + last * HOP_S))
    return tuple(found)


def closed(rows: Rows, n: int) -> Rows:
    """Rows ``(T,)`` with interruptions of up to ``n`` rows filled."""
    out = rows.copy()
    for first, last in runs(~rows):
        inside = first > 0 and last < len(rows)
        if inside and last - first <= n:
            out[first:last] = True
    return out


def _moved(values: np.ndarray, reach: int) -> np.ndarray:
    """Squared change ``(T, B)`` from ``reach`` rows before to ``reach`` rows after."""
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    change = padded[2 * reach :] - padded[: -2 * reach]
    return change**2


def _edge_and(rows: Rows, reach: int) -> Rows:
    """Whether a row and those at both ends of its reach hold."""
    padded = np.pad(rows, (reach, reach), mode="edge")
    return rows & padded[2 * reach :] & padded[: -2 * reach]


def _shape_levels(sound: Sound) -> Levels:
    """Level ``(T, B)`` in dBFS of the bands between 100 Hz and 3.9 kHz."""
    rate = sound.sample_rate_hz
    length = int(_WINDOW_S * rate)
    n_fft = 1 << int(np.ceil(np.log2(2 * length)))
    hann = np.hanning(length + 2)[1:-1].astype(np.float32)
    bins = [round(hz * n_fft / rate) for hz in _EDGES_HZ]
    starts = np.array(bins[:-1]) - bins[0]
    total = n_rows(sound)
    levels = np.empty((total, len(starts)), np.float32)
    for first, last in blocks(total):
        frames = windows(sound, first, last, length)
        spectrum = np.fft.rfft(frames * hann, n_fft)
        power = np.abs(spectrum[:, bins[0] : bins[-1]]) ** 2
        bands = np.add.reduceat(power, starts, axis=1)
        levels[first:last] = decibels(bands / length**2)
    return levels

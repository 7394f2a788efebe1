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
    half_s = settings.reach_s / 2
    reach = max(1, round(half_s / HOP_S))
    mean_level = levels.mean(1, keepdims=True)
    shape = levels - mean_level
    mean_square = _moved(shape, reach).mean(1)
    changed_db = np.sqrt(mean_square)
    known_hz = np.where(voiced, pitch_hz, 1.0)
    semitones = 12 * np.log2(known_hz)
    both = _edge_and(voiced, reach)
    moved = _moved(semitones[:, None], reach)
    moved_st = np.sqrt(moved[:, 0])
    power = 10 ** (levels / 10)
    loudness = decibels(power.sum(1))
    loud_db = np.percentile(loudness[voiced], 90)
    faint_db = loud_db - settings.range_db
    audible = loudness > faint_db
    steady_pitch = moved_st <= settings.pitch_st
    flat = both & steady_pitch
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
    held = steady_rows(sound, pitch_hz, settings)
    rows = closed(held, n_gap)
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
    later = padded[2 * reach :]
    earlier = padded[: -2 * reach]
    change = later - earlier
    return change**2


def _edge_and(rows: Rows, reach: int) -> Rows:
    """Whether a row and those at both ends of its reach hold."""
    padded = np.pad(rows, (reach, reach), mode="edge")
    later = padded[2 * reach :]
    earlier = padded[: -2 * reach]
    return rows & later & earlier


def _shape_levels(sound: Sound) -> Levels:
    """Level ``(T, B)`` in dBFS of the bands between 100 Hz and 3.9 kHz."""
    rate = sound.sample_rate_hz
    length = int(_WINDOW_S * rate)
    octaves = np.ceil(np.log2(2 * length))
    n_fft = 1 << int(octaves)
    bell = np.hanning(length + 2)
    hann = bell[1:-1].astype(np.float32)
    bin_hz = rate / n_fft
    bins = [round(hz / bin_hz) for hz in _EDGES_HZ]
    lowest, highest = bins[0], bins[-1]
    starts = np.array(bins[:-1]) - lowest
    total = n_rows(sound)
    levels = np.empty((total, len(starts)), np.float32)
    for first, last in blocks(total):
        frames = windows(sound, first, last, length)
        spectrum = np.fft.rfft(frames * hann, n_fft)
        inside = spectrum[:, lowest:highest]
        power = np.abs(inside) ** 2
        bands = np.add.reduceat(power, starts, axis=1)
        mean_square = bands / length**2
        levels[first:last] = decibels(mean_square)
    return levels

"""Steady voiced stretches: a vowel or a nasal that is held, as in a filled pause.

A held sound keeps its pitch and its spectrum; running speech changes both with every sound. Flat
pitch and a spectrum that stands still are what tells a filled pause from the words around it
(Goto, Itou, Hayamizu 1999, *A real-time filled pause detection system for spontaneous speech
recognition*, Eurospeech). A creaky or hoarse voice has no pitch to be flat; its pulses tell it from
noise, and its spectrum must stand still.

The vowel of an English filled pause is central (*uh*, *er*), or it is a hum (*mm*). A front vowel
that lasts ("aaand", "theee") is a word that is drawn out: its second formant is high.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.sound.pitch import track_pitch
from twomind.sound.pulses import pulse_strength
from twomind.sound.remembered import local
from twomind.sound.rows import HOP_S, Levels, Rows, Sound, blocks, decibels, n_rows, windows
from twomind.sound.runs import runs

#: Edges in Hz of the bands whose levels make the shape of the spectrum.
_EDGES_HZ = (100, 250, 400, 560, 730, 920, 1130, 1370, 1640, 1960, 2330, 2760, 3270, 3900)
_WINDOW_S = 0.03
#: Bands of the second formant of central and of front vowels: 920 to 1640, 1640 to 2330 Hz.
_CENTRAL = slice(5, 8)
_FRONT = slice(8, 10)
#: Steady noise is the quietest eighth of this time, in seconds, on both sides; a quarter of power
#: more, because the quietest lies under the mean.
_FLOOR_REACH_S = 3.0
_FLOOR_SHARE = 12.5
_FLOOR_BIAS = 1.25


@dataclass(frozen=True)
class SteadySettings:
    """When a voiced sound is held."""

    #: Rows that are compared lie this far apart, in seconds.
    reach_s: float = 0.06
    #: Largest change of the spectrum's shape over that time, in dB (root mean square over bands).
    spectrum_db: float = 7.0
    #: Largest change of pitch over that time, in semitones.
    pitch_st: float = 1.0
    #: Without a pitch, a voice is told by pulses of this strength (excess kurtosis); they may fail
    #: for this long, in seconds.
    pulses: float = 1.0
    pulse_gap_s: float = 0.03
    #: Level under the loudest tenth of the voiced rows, in dB, below which a sound is too faint.
    range_db: float = 25.0
    #: Interruptions up to this length, in seconds, do not end a stretch.
    gap_s: float = 0.05
    #: A stretch has a pitch for this long, in seconds, or it lasts for the second length: pulses
    #: tell less than a pitch, since laughter has them too.
    min_s: float = 0.15
    min_pulsed_s: float = 0.25


@dataclass(frozen=True)
class Stretch:
    """A held voiced sound: begin and end in seconds on the recording's clock.

    ``front_db``: how far the second formant of a front vowel stands over that of a central one.
    """

    start_s: float
    end_s: float
    front_db: float = 0.0


def voiced_rows(sound: Sound, pitch_hz: Rows, settings: SteadySettings | None = None) -> Rows:
    """Which rows of 10 ms ``(T,)`` bool are a voice: they have a pitch, or pulses without one.

    Args:
        sound: The waveform; 8 kHz or more.
        pitch_hz: Its pitch ``(T,)`` in Hz, nan where there is none.
        settings: From when on pulses tell a voice.
    """
    settings = settings or SteadySettings()
    pulsed = pulse_strength(sound) >= settings.pulses
    n_gap = round(settings.pulse_gap_s / HOP_S)
    has_pitch = np.isfinite(pitch_hz)
    return has_pitch | closed(pulsed, n_gap)


def steady_rows(sound: Sound, pitch_hz: Rows, settings: SteadySettings | None = None) -> Rows:
    """Which rows of 10 ms ``(T,)`` bool lie in a voiced sound that is held.

    Args:
        sound: The waveform; 8 kHz or more.
        pitch_hz: Its pitch ``(T,)`` in Hz, nan where there is none.
        settings: When a sound is held.
    """
    settings = settings or SteadySettings()
    levels = _shape_levels(sound)
    voiced = voiced_rows(sound, pitch_hz, settings)
    return _steady(levels, voiced, pitch_hz, settings)


def _steady(levels: Levels, voiced: Rows, pitch_hz: Rows, settings: SteadySettings) -> Rows:
    """As :func:`steady_rows`, from the levels ``(T, B)`` of the bands in dB."""
    if not voiced.any():
        return np.zeros(len(pitch_hz), bool)
    half_s = settings.reach_s / 2
    reach = max(1, round(half_s / HOP_S))
    mean_level = levels.mean(1, keepdims=True)
    shape = levels - mean_level
    mean_square = _moved(shape, reach).mean(1)
    changed_db = np.sqrt(mean_square)
    power = 10 ** (levels / 10)
    loudness = decibels(power.sum(1))
    loud_db = np.percentile(loudness[voiced], 90)
    faint_db = loud_db - settings.range_db
    audible = loudness > faint_db
    lasts = _edge_and(voiced, reach)
    flat = lasts & _is_flat(pitch_hz, reach, settings)
    still = changed_db <= settings.spectrum_db
    return voiced & audible & flat & still


def _is_flat(pitch_hz: Rows, reach: int, settings: SteadySettings) -> Rows:
    """Rows over whose reach the pitch stays, or where it is not known at both ends."""
    known = np.isfinite(pitch_hz)
    known_hz = np.where(known, pitch_hz, 1.0)
    semitones = 12 * np.log2(known_hz)
    moved = _moved(semitones[:, None], reach)
    moved_st = np.sqrt(moved[:, 0])
    return ~_edge_and(known, reach) | (moved_st <= settings.pitch_st)


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
    levels = _shape_levels(sound)
    voiced = voiced_rows(sound, pitch_hz, settings)
    held = _steady(levels, voiced, pitch_hz, settings)
    rows = closed(held, n_gap)
    has_pitch = np.isfinite(pitch_hz)
    found = []
    for first, last in runs(rows):
        pitched_s = has_pitch[first:last].sum() * HOP_S
        lasts_s = (last - first) * HOP_S
        sure = pitched_s >= settings.min_s - 1e-9 or lasts_s >= settings.min_pulsed_s - 1e-9
        if sure and lasts_s >= settings.min_s - 1e-9:
            start_s = sound.start_s + first * HOP_S
            end_s = sound.start_s + last * HOP_S
            found.append(Stretch(start_s, end_s, _front_db(levels, first, last)))
    return tuple(found)


def _front_db(levels: Levels, first: int, last: int) -> float:
    """Loudest band of a front vowel's second formant over that of a central one, steady noise taken
    away, in dB.
    """
    reach = round(_FLOOR_REACH_S / HOP_S)
    begin = max(0, first - reach)
    around = levels[begin : last + reach]
    power = 10 ** (around / 10)
    noise = _FLOOR_BIAS * np.percentile(power, _FLOOR_SHARE, axis=0)
    sound = 10 ** (levels[first:last] / 10)
    clear = decibels(sound.mean(0) - noise)
    front = clear[_FRONT].max()
    central = clear[_CENTRAL].max()
    return float(front - central)


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
    total = n_rows(sound)
    levels = np.empty((total, len(_EDGES_HZ) - 1), np.float32)
    for first, last in blocks(total):
        levels[first:last] = _levels_of(sound, first, last)
    return levels


@local
def _levels_of(sound: Sound, first: int, last: int) -> Levels:
    """As :func:`_shape_levels`, of some rows."""
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
    frames = windows(sound, first, last, length)
    spectrum = np.fft.rfft(frames * hann, n_fft)
    inside = spectrum[:, lowest:highest]
    power = np.abs(inside) ** 2
    bands = np.add.reduceat(power, starts, axis=1)
    mean_square = bands / length**2
    return decibels(mean_square)

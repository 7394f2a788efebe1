"""Pitch by autocorrelation with a Viterbi search over candidates.

The normalised autocorrelation of a windowed frame is divided by that of the window, so that the
height of its peaks is the share of periodic energy (Boersma 1993, *Accurate short-term analysis of
the fundamental frequency*, IFA Proc. 17).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.features.voice.speech_rows import BLOCK_ROWS, Sound, blocks, n_rows, windows

_CONTEXT_ROWS = 50  # a block is settled with half a second of its neighbours in view
_N_CANDIDATES = 6


@dataclass(frozen=True)
class PitchSettings:
    """The search for the pitch of a voice."""

    #: Lowest pitch in Hz; three periods of it make the window.
    floor_hz: float = 65.0
    #: Highest pitch in Hz.
    ceiling_hz: float = 500.0
    #: A row is voiced when the periodic share of its energy exceeds this.
    voicing: float = 0.45
    #: Rows this many dB below the loudest tenth of their block are hardly voiced.
    silence_db: float = 35.0
    #: Preference for higher candidates per octave, against picking half the pitch.
    octave_cost: float = 0.02
    #: Cost of an octave's jump within one row.
    jump_cost: float = 0.5
    #: Cost of turning voiced or unvoiced.
    switch_cost: float = 0.2


def track_pitch(
    sound: Sound, settings: PitchSettings | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pitch ``(T,)`` in Hz, nan where unvoiced, and the periodic share of the energy ``(T,)`` in
    [0, 1], per row.
    """
    settings = settings or PitchSettings()
    total = n_rows(sound)
    pitch_hz = np.full(total, np.nan, np.float32)
    periodic = np.zeros(total, np.float32)
    for first, last in blocks(total):
        lo = max(0, first - _CONTEXT_ROWS)
        hi = min(total, last + _CONTEXT_ROWS)
        freqs, strengths, level = _candidates(sound, lo, hi, settings)
        scores = _scores(freqs, strengths, level, settings)
        path = _best_path(freqs, scores, settings)
        block = slice(first - lo, last - lo)
        chosen_hz = freqs[np.arange(hi - lo), path]
        pitch_hz[first:last] = chosen_hz[block]
        strongest = strengths[:, 1:].max(1)
        periodic[first:last] = np.clip(strongest, 0.0, 1.0)[block]
    return pitch_hz, periodic


@dataclass(frozen=True)
class _Search:
    """The window and the lags at which a period of the voice is looked for, in samples."""

    rate_hz: int
    length: int
    first_lag: int
    last_lag: int
    n_fft: int


def _search(rate_hz: int, settings: PitchSettings) -> _Search:
    """Lags from the shortest to the longest period, with room for a peak's neighbours."""
    length = int(3 * rate_hz / settings.floor_hz)
    first_lag = int(rate_hz / settings.ceiling_hz) - 1
    last_lag = int(rate_hz / settings.floor_hz) + 2
    bits = np.ceil(np.log2(length + last_lag + 1))
    n_fft = 1 << int(bits)
    return _Search(rate_hz, length, first_lag, last_lag, n_fft)


def _correlate(frames: np.ndarray, n_fft: int) -> np.ndarray:
    """Autocorrelation along the last axis."""
    spectrum = np.fft.rfft(frames, n_fft)
    power = np.abs(spectrum) ** 2
    return np.fft.irfft(power)


def _autocorrelation(
    sound: Sound, first: int, last: int, search: _Search, settings: PitchSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Normalised autocorrelation ``(T, lags)`` and power ``(T,)`` of the rows' windows."""
    wanted = slice(search.first_lag, search.last_lag + 1)
    hann = np.hanning(search.length + 2)[1:-1].astype(np.float32)
    own = _correlate(hann, search.n_fft)[wanted] / float(hann @ hann)

    # Mains hum at 50 Hz goes before the window is cut: in so short a window it would spread up to
    # 90 Hz.
    from scipy.signal import butter, sosfiltfilt

    corner_hz = 1.1 * settings.floor_hz
    sos = butter(4, corner_hz, "highpass", fs=search.rate_hz, output="sos")
    margin = search.rate_hz // 4
    frames = windows(sound, first, last, search.length, lambda x: sosfiltfilt(sos, x), margin)
    means = frames.mean(1, keepdims=True)
    frames = (frames - means) * hann
    correlation = _correlate(frames, search.n_fft)
    power = correlation[:, 0]
    scale = np.maximum(power, 1e-12)[:, None]
    return correlation[:, wanted] / scale / own, power


def _candidates(
    sound: Sound, first: int, last: int, settings: PitchSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per row: frequencies and strengths ``(T, 1 + K)`` (entry 0 is "unvoiced", nan) and the level
    in dB ``(T,)``.
    """
    search = _search(sound.sample_rate_hz, settings)
    correlation, power = _autocorrelation(sound, first, last, search, settings)
    freqs, strengths = _peaks(correlation, search)
    unvoiced_hz = np.full((len(freqs), 1), np.nan)
    unvoiced_strength = np.zeros((len(freqs), 1))
    mean_power = np.maximum(power / search.length, 1e-12)
    level = 10 * np.log10(mean_power)
    all_freqs = np.hstack([unvoiced_hz, freqs])
    all_strengths = np.hstack([unvoiced_strength, strengths])
    return all_freqs, all_strengths, level


def _peaks(correlation: np.ndarray, search: _Search) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and strengths ``(T, K)`` of the highest peaks, between the lags by a parabola."""
    left = correlation[:, :-2]
    inner = correlation[:, 1:-1]
    right = correlation[:, 2:]
    is_peak = (inner > left) & (inner >= right) & (inner > 0.1)
    peaks = np.where(is_peak, inner, -1.0)
    n = min(_N_CANDIDATES, peaks.shape[1])
    order = np.argpartition(-peaks, n - 1, axis=1)
    at = order[:, :n]
    y0 = np.take_along_axis(left, at, 1)
    y1 = np.take_along_axis(inner, at, 1)
    y2 = np.take_along_axis(right, at, 1)
    bend = y0 - 2 * y1 + y2
    divisor = np.where(bend == 0, 1, bend)
    vertex = 0.5 * (y0 - y2) / divisor
    shift = np.where(np.abs(bend) > 1e-9, vertex, 0.0)
    found = np.take_along_axis(peaks, at, 1) > 0
    lags = search.first_lag + 1 + at + shift
    freqs = np.where(found, search.rate_hz / lags, np.nan)
    heights = y1 - 0.25 * (y0 - y2) * shift
    strengths = np.where(found, heights, -np.inf)
    # A lag so short that the interpolated peak exceeds 1 is folded back, as in the paper.
    folded = 1 / np.maximum(strengths, 1)
    return freqs, np.where(strengths > 1, folded, strengths)


def _scores(
    freqs: np.ndarray, strengths: np.ndarray, level: np.ndarray, settings: PitchSettings
) -> np.ndarray:
    """How good each candidate is on its own ``(T, 1 + K)``."""
    with np.errstate(invalid="ignore"):
        octaves = np.log2(freqs / settings.floor_hz)
        scores = strengths + settings.octave_cost * octaves
    quiet_below = np.percentile(level, 90) - settings.silence_db
    too_quiet = np.clip((quiet_below - level) / 10, 0, 1)
    silent = level < -100
    scores[:, 0] = settings.voicing + (too_quiet + silent)
    return np.where(np.isfinite(scores), scores, -1e3)


def _step_costs(freqs: np.ndarray, settings: PitchSettings) -> np.ndarray:
    """Cost ``(T - 1, to, from)`` of going from each candidate to each one of the next row."""
    voiced = np.isfinite(freqs)
    octaves = np.log2(np.where(voiced, freqs, 1.0))
    now = voiced[1:, :, None]
    before = voiced[:-1, None, :]
    jumps = np.abs(octaves[1:, :, None] - octaves[:-1, None, :])
    switch = np.where(now | before, settings.switch_cost, 0.0)
    return np.where(now & before, settings.jump_cost * jumps, switch)


def _best_path(freqs: np.ndarray, scores: np.ndarray, settings: PitchSettings) -> np.ndarray:
    """Index ``(T,)`` of the candidate in every row that together score best (Viterbi)."""
    costs = _step_costs(freqs, settings)
    back = np.zeros(scores.shape, np.int8)
    best = scores[0]
    for t in range(1, len(scores)):
        reach = best - costs[t - 1]
        back[t] = reach.argmax(1)
        best = scores[t] + reach.max(1)
    path = np.empty(len(scores), int)
    path[-1] = int(best.argmax())
    for t in range(len(scores) - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path


assert BLOCK_ROWS > 2 * _CONTEXT_ROWS

"""Pitch by autocorrelation with a Viterbi search over candidates.

The normalised autocorrelation of a windowed frame is divided by that of the window, so that the
height of its peaks is the share of periodic energy (Boersma 1993, *Accurate short-term analysis of
the fundamental frequency*, IFA Proc. 17).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twomind.sound.remembered import local
from twomind.sound.rows import BLOCK_ROWS, Rows, Sound, blocks, n_rows, windows

_CONTEXT_ROWS = 50  # a block is settled with half a second of its neighbours in view
_N_CANDIDATES = 6
#: A value per row and candidate ``(T, 1 + K)``; the first one is "unvoiced".
Candidates = np.ndarray


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


def track_pitch(sound: Sound, settings: PitchSettings | None = None) -> tuple[Rows, Rows]:
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
        rows = np.arange(hi - lo)
        chosen_hz = freqs[rows, path]
        pitch_hz[first:last] = chosen_hz[block]
        strongest = strengths[:, 1:].max(1)
        share = np.clip(strongest, 0.0, 1.0)
        periodic[first:last] = share[block]
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
    n_samples = length + last_lag + 1
    octaves = np.ceil(np.log2(n_samples))
    n_fft = 1 << int(octaves)
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
    window = np.hanning(search.length + 2)
    hann = window[1:-1].astype(np.float32)
    energy_of_window = float(hann @ hann)
    of_window = _correlate(hann, search.n_fft)
    own = of_window[wanted] / energy_of_window

    # Mains hum at 50 Hz goes before the window is cut: in so short a window it would spread up to
    # 90 Hz.
    from scipy.signal import butter, sosfiltfilt

    corner_hz = 1.1 * settings.floor_hz
    sos = butter(4, corner_hz, "highpass", fs=search.rate_hz, output="sos")
    margin = search.rate_hz // 4

    def without_hum(samples: np.ndarray) -> np.ndarray:
        return sosfiltfilt(sos, samples)

    frames = windows(sound, first, last, search.length, without_hum, margin)
    means = frames.mean(1, keepdims=True)
    frames = (frames - means) * hann
    correlation = _correlate(frames, search.n_fft)
    power = correlation[:, 0]
    scale = np.maximum(power, 1e-12)
    shares = correlation[:, wanted] / scale[:, None]
    normalised = shares / own
    return normalised, power


@local
def _candidates(
    sound: Sound, first: int, last: int, settings: PitchSettings
) -> tuple[Candidates, Candidates, Rows]:
    """Per row: frequencies and strengths ``(T, 1 + K)`` (entry 0 is "unvoiced", nan) and the level
    in dB ``(T,)``.
    """
    search = _search(sound.sample_rate_hz, settings)
    correlation, power = _autocorrelation(sound, first, last, search, settings)
    freqs, strengths = _peaks(correlation, search)
    shape = (len(freqs), 1)
    unvoiced_hz = np.full(shape, np.nan)
    unvoiced_strength = np.zeros(shape)
    mean_power = np.maximum(power / search.length, 1e-12)
    level = 10 * np.log10(mean_power)
    all_freqs = np.hstack([unvoiced_hz, freqs])
    all_strengths = np.hstack([unvoiced_strength, strengths])
    return all_freqs, all_strengths, level


def _peaks(correlation: np.ndarray, search: _Search) -> tuple[Candidates, Candidates]:
    """Frequencies and strengths ``(T, K)`` of the highest peaks, between the lags by a parabola."""
    left = correlation[:, :-2]
    inner = correlation[:, 1:-1]
    right = correlation[:, 2:]
    rises_before = inner > left
    falls_after = inner >= right
    is_peak = rises_before & falls_after & (inner > 0.1)
    peaks = np.where(is_peak, inner, -1.0)
    n = min(_N_CANDIDATES, peaks.shape[1])
    order = np.argpartition(-peaks, n - 1, axis=1)
    at = order[:, :n]
    y0 = np.take_along_axis(left, at, 1)
    y1 = np.take_along_axis(inner, at, 1)
    y2 = np.take_along_axis(right, at, 1)
    bend = y0 - 2 * y1 + y2
    divisor = np.where(bend == 0, 1, bend)
    lean = y0 - y2
    vertex = 0.5 * lean / divisor
    is_bent = np.abs(bend) > 1e-9
    shift = np.where(is_bent, vertex, 0.0)
    highest = np.take_along_axis(peaks, at, 1)
    found = highest > 0
    nearest_lags = search.first_lag + 1 + at
    lags = nearest_lags + shift
    peak_hz = search.rate_hz / lags
    freqs = np.where(found, peak_hz, np.nan)
    heights = y1 - 0.25 * lean * shift
    strengths = np.where(found, heights, -np.inf)
    # A lag so short that the interpolated peak exceeds 1 is folded back, as in the paper.
    above_one = strengths > 1
    at_least_one = np.maximum(strengths, 1)
    folded = np.where(above_one, 1 / at_least_one, strengths)
    return freqs, folded


def _scores(
    freqs: Candidates, strengths: Candidates, level: Rows, settings: PitchSettings
) -> Candidates:
    """How good each candidate is on its own ``(T, 1 + K)``."""
    with np.errstate(invalid="ignore"):
        octaves = np.log2(freqs / settings.floor_hz)
        scores = strengths + settings.octave_cost * octaves
    loud = np.percentile(level, 90)
    under_db = loud - settings.silence_db - level
    too_quiet = np.clip(under_db / 10, 0, 1)
    silent = level < -100
    penalty = too_quiet + silent
    scores[:, 0] = settings.voicing + penalty
    is_candidate = np.isfinite(scores)
    return np.where(is_candidate, scores, -1e3)


def _step_costs(freqs: Candidates, settings: PitchSettings) -> np.ndarray:
    """Cost ``(T - 1, to, from)`` of going from each candidate to each one of the next row."""
    voiced = np.isfinite(freqs)
    known_hz = np.where(voiced, freqs, 1.0)
    octaves = np.log2(known_hz)
    now = voiced[1:, :, None]
    before = voiced[:-1, None, :]
    to = octaves[1:, :, None]
    coming_from = octaves[:-1, None, :]
    jumps = settings.jump_cost * np.abs(to - coming_from)
    either = now | before
    both = now & before
    switch = np.where(either, settings.switch_cost, 0.0)
    return np.where(both, jumps, switch)


def _best_path(freqs: Candidates, scores: Candidates, settings: PitchSettings) -> Rows:
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
        chosen = path[t]
        path[t - 1] = back[t, chosen]
    return path


assert BLOCK_ROWS > 2 * _CONTEXT_ROWS

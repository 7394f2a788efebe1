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
        lo, hi = max(0, first - _CONTEXT_ROWS), min(total, last + _CONTEXT_ROWS)
        freqs, strengths, level = _candidates(sound, lo, hi, settings)
        path = _best_path(freqs, _scores(freqs, strengths, level, settings), settings)
        rows = np.arange(hi - lo)
        keep = slice(first - lo, first - lo + last - first)
        pitch_hz[first:last] = freqs[rows, path][keep]
        periodic[first:last] = np.clip(strengths[:, 1:].max(1), 0.0, 1.0)[keep]
    return pitch_hz, periodic


def _candidates(
    sound: Sound, first: int, last: int, settings: PitchSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per row: frequencies and strengths ``(T, 1 + K)`` (entry 0 is "unvoiced", nan) and the level
    in dB ``(T,)``.
    """
    rate = sound.sample_rate_hz
    length = int(3 * rate / settings.floor_hz)
    lags = np.arange(int(rate / settings.ceiling_hz) - 1, int(rate / settings.floor_hz) + 3)
    n_fft = 1 << int(np.ceil(np.log2(length + lags[-1] + 1)))
    hann = np.hanning(length + 2)[1:-1].astype(np.float32)
    own = np.fft.irfft(np.abs(np.fft.rfft(hann, n_fft)) ** 2)[lags[0] : lags[-1] + 1] / float(
        hann @ hann
    )

    # Mains hum at 50 Hz goes before the window is cut: in so short a window it would spread up to
    # 90 Hz.
    from scipy.signal import butter, sosfiltfilt

    sos = butter(4, 1.1 * settings.floor_hz, "highpass", fs=rate, output="sos")
    frames = windows(sound, first, last, length, lambda x: sosfiltfilt(sos, x), margin=rate // 4)
    frames = (frames - frames.mean(1, keepdims=True)) * hann
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames, n_fft)) ** 2)
    power = correlation[:, 0]
    r = correlation[:, lags[0] : lags[-1] + 1] / np.maximum(power, 1e-12)[:, None] / own

    inner, left, right = r[:, 1:-1], r[:, :-2], r[:, 2:]
    peaks = np.where((inner > left) & (inner >= right) & (inner > 0.1), inner, -1.0)
    n = min(_N_CANDIDATES, peaks.shape[1])
    at = np.argpartition(-peaks, n - 1, axis=1)[:, :n]
    y0, y1, y2 = (np.take_along_axis(part, at, 1) for part in (left, inner, right))
    bend = y0 - 2 * y1 + y2
    shift = np.where(np.abs(bend) > 1e-9, 0.5 * (y0 - y2) / np.where(bend == 0, 1, bend), 0.0)
    found = np.take_along_axis(peaks, at, 1) > 0
    freqs = np.where(found, rate / (lags[1:-1][at] + shift), np.nan)
    strengths = np.where(found, y1 - 0.25 * (y0 - y2) * shift, -np.inf)
    # A lag so short that the interpolated peak exceeds 1 is folded back, as in the paper.
    strengths = np.where(strengths > 1, 1 / np.maximum(strengths, 1), strengths)
    unvoiced = np.full((len(freqs), 1), np.nan), np.zeros((len(freqs), 1))
    level = 10 * np.log10(np.maximum(power / length, 1e-12))
    return np.hstack([unvoiced[0], freqs]), np.hstack([unvoiced[1], strengths]), level


def _scores(
    freqs: np.ndarray, strengths: np.ndarray, level: np.ndarray, settings: PitchSettings
) -> np.ndarray:
    """How good each candidate is on its own ``(T, 1 + K)``."""
    with np.errstate(invalid="ignore"):
        scores = strengths + settings.octave_cost * np.log2(freqs / settings.floor_hz)
    too_quiet = np.clip((np.percentile(level, 90) - settings.silence_db - level) / 10, 0, 1) + (
        level < -100
    )
    scores[:, 0] = settings.voicing + too_quiet
    return np.where(np.isfinite(scores), scores, -1e3)


def _best_path(freqs: np.ndarray, scores: np.ndarray, settings: PitchSettings) -> np.ndarray:
    """Index ``(T,)`` of the candidate in every row that together score best (Viterbi)."""
    voiced = np.isfinite(freqs)
    octaves = np.log2(np.where(voiced, freqs, 1.0))
    jumps = np.abs(octaves[1:, :, None] - octaves[:-1, None, :])
    both = voiced[1:, :, None] & voiced[:-1, None, :]
    either = voiced[1:, :, None] | voiced[:-1, None, :]
    costs = np.where(both, settings.jump_cost * jumps, np.where(either, settings.switch_cost, 0.0))
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

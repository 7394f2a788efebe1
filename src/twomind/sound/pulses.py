"""Glottal pulses: what tells a creaky or hoarse voice, in which no pitch is found, from noise.

A voice is driven by pulses, however irregular; breath, hiss and rooms are noise. Where the colour
of a sound is taken away, pulses stand out of it and noise does not. The kurtosis of what is left
says so (as for the residual of linear prediction: Drugman, Kane, Gobl 2012, *Resonator-based creaky
voice detection*, Interspeech).
"""

from __future__ import annotations

import numpy as np

from twomind.sound.remembered import local
from twomind.sound.rows import Rows, Sound, blocks, n_rows, windows

#: Long enough for two pulses of a voice at 40 Hz.
_WINDOW_S = 0.06
#: Below lies hum, above lies hiss.
_BAND_HZ = (300.0, 4000.0)
#: Detail of the spectrum up to this quefrency, in seconds, is colour.
_COLOUR_S = 0.0015
#: Share of the window at each end in which its bell is too low to divide by.
_EDGE = 1 / 8


def pulse_strength(sound: Sound) -> Rows:
    """How far pulses stand out of the sound: excess kurtosis ``(T,)`` of the whitened 60 ms around
    each row of 10 ms; about 0 for noise, 2 and more for a voice.

    Args:
        sound: The waveform; 8 kHz or more.
    """
    total = n_rows(sound)
    strength = np.zeros(total)
    for first, last in blocks(total):
        strength[first:last] = _strength_of(sound, first, last)
    return strength


@local
def _strength_of(sound: Sound, first: int, last: int) -> Rows:
    """As :func:`pulse_strength`, of some rows."""
    rate = sound.sample_rate_hz
    length = int(_WINDOW_S * rate)
    octaves = np.ceil(np.log2(length))
    n_fft = 1 << int(octaves)
    bell = np.hanning(length + 2)[1:-1].astype(np.float32)
    edge = int(_EDGE * length)
    inner = slice(edge, length - edge)
    frames = windows(sound, first, last, length)
    centred = frames - frames.mean(1, keepdims=True)
    spectrum = np.fft.rfft(centred * bell, n_fft)
    white = np.fft.irfft(_whitened(spectrum, rate), n_fft)
    flat = white[:, inner] / bell[inner]
    return _kurtosis(flat)


def _whitened(spectrum: np.ndarray, rate_hz: int) -> np.ndarray:
    """Spectra ``(T, F)`` without their colour, and without what is out of the band."""
    n_fft = 2 * (spectrum.shape[1] - 1)
    level = np.log(np.abs(spectrum) + 1e-6)
    cepstrum = np.fft.irfft(level, n_fft)
    n_kept = int(_COLOUR_S * rate_hz)
    cepstrum[:, n_kept : n_fft - n_kept + 1] = 0
    colour = np.fft.rfft(cepstrum, n_fft).real
    hz = np.arange(spectrum.shape[1]) * rate_hz / n_fft
    lowest, highest = _BAND_HZ
    outside = (hz < lowest) | (hz > highest)
    white = spectrum * np.exp(-colour)
    white[:, outside] = 0
    return white


def _kurtosis(values: np.ndarray) -> Rows:
    """Excess kurtosis along the last axis; 0 where there is nothing."""
    square = values**2
    variance = square.mean(1)
    fourth = (square**2).mean(1)
    is_sound = variance > 1e-12
    divisor = np.where(is_sound, variance, 1.0) ** 2
    return np.where(is_sound, fourth / divisor - 3, 0.0)

"""The built-in voice: harmonics of a given pitch contour under moving formants. Nothing is
estimated, all is known.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from twomind_synth.phones import Phone

_BANDWIDTH_HZ = np.array([80.0, 110.0, 160.0])
_GAIN = np.array([1.0, 0.6, 0.3])
_HIGHEST_HZ = 4200.0
#: Level of a voiced or noisy sound that counts as full, so that a word at level 0 dB has an RMS of
#: about 1.
_VOICE_SCALE, _NOISE_SCALE = 1.5, 1.2
_BANDS_HZ = {"s": (4200.0, 9000.0), "sh": (2000.0, 6000.0), "f": (900.0, 8000.0)}


def edges(sound: tuple[Phone, ...]) -> np.ndarray:
    """Where the sounds of a word begin and end, as fractions of the word ``(k + 1,)``."""
    durations = np.array([0.0, *(p.duration_ms for p in sound)])
    return np.cumsum(durations) / durations.sum()


def fades(n: int, ramp: int) -> np.ndarray:
    """A window ``(n,)`` of ones with raised-cosine ends of ``ramp`` samples."""
    ramp = min(ramp, n // 2)
    window = np.ones(n)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / max(ramp, 1))
    window[:ramp], window[n - ramp :] = rise, rise[::-1]
    return window


def _sound_at(sound: tuple[Phone, ...], n_ms: int) -> np.ndarray:
    """Which sound of a word of ``n_ms`` is spoken at each millisecond ``(n_ms,)``."""
    return np.clip(
        np.searchsorted(edges(sound) * n_ms, np.arange(n_ms) + 0.5) - 1, 0, len(sound) - 1
    )


def voiced(sound: tuple[Phone, ...], n_ms: int) -> np.ndarray:
    """Whether a word of ``n_ms`` is voiced, per millisecond ``(n_ms,)`` bool."""
    found: np.ndarray = np.array([p.voiced for p in sound])[_sound_at(sound, n_ms)]
    return found


def loudness(sound: tuple[Phone, ...], n_ms: int) -> np.ndarray:
    """Level of voice or noise (0..1) of a word of ``n_ms``, per millisecond ``(n_ms,)``."""
    found: np.ndarray = np.array([max(p.voice, p.noise) for p in sound])[_sound_at(sound, n_ms)]
    return found


def render(
    sound: tuple[Phone, ...],
    f0_hz: np.ndarray,
    rate_hz: int,
    formant_scale: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """One word of ``len(f0_hz)`` ms: samples (RMS about 1 in vowels), and per millisecond whether
    it is voiced.
    """
    n_ms = len(f0_hz)
    index = _sound_at(sound, n_ms)

    def per_ms(values: list[float], smooth_ms: int) -> np.ndarray:
        return _smooth(np.array(values, float)[index], smooth_ms)

    formants = np.stack(
        [per_ms([p.formants_hz[k] * formant_scale for p in sound], 30) for k in range(3)]
    )
    has_voice = voiced(sound, n_ms)
    # Voicing switches without smear, so that the truth of "voiced" is a fact about the sound.
    voice = np.where(has_voice, per_ms([p.voice for p in sound], 16), 0.0)
    n = n_ms * rate_hz // 1000
    t_ms = np.arange(n) * 1000 / rate_hz

    def per_sample(values: np.ndarray) -> np.ndarray:
        return np.interp(t_ms, np.arange(n_ms) + 0.5, values)

    phase = 2 * np.pi * np.cumsum(per_sample(f0_hz)) / rate_hz
    n_harmonics = max(1, int(_HIGHEST_HZ / float(f0_hz.max())))
    frequencies = np.arange(1, n_harmonics + 1)[:, None] * f0_hz
    resonance = sum(
        _GAIN[k] / np.sqrt(1 + ((frequencies - formants[k]) / (1.5 * _BANDWIDTH_HZ[k])) ** 2)
        for k in range(3)
    )
    # A little of the fundamental always stays, as in real voices; without it some vowels would lose
    # their pitch.
    level = resonance / np.arange(1, n_harmonics + 1)[:, None] ** 0.4
    level = level / np.sqrt(0.5 * np.sum(level**2, axis=0, keepdims=True))
    amplitude = _VOICE_SCALE * level * voice
    values = np.zeros(n)
    for k in range(n_harmonics):
        values += per_sample(amplitude[k]) * np.sin((k + 1) * phase)
    for band in sorted({p.noise_band for p in sound if p.noise}):
        hiss = per_sample(per_ms([p.noise if p.noise_band == band else 0.0 for p in sound], 10))
        values += _NOISE_SCALE * hiss * _band_noise(n, rate_hz, band, rng)
    return values * fades(n, rate_hz * 6 // 1000), has_voice


def breath(n: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    """A sigh-like breath of ``n`` samples, RMS about 1 at its height: coloured noise that swells
    and fades.
    """
    return _band_noise(n, rate_hz, "f", rng) * np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2


def _band_noise(n: int, rate_hz: int, band: str, rng: np.random.Generator) -> np.ndarray:
    from scipy.signal import sosfilt

    lead = rate_hz // 100  # the filter has settled when the sound begins
    values = sosfilt(_band_filter(band, rate_hz), rng.normal(0, 1, n + lead))[lead:]
    return np.asarray(values / max(float(np.sqrt(np.mean(values**2))), 1e-9))


@lru_cache(maxsize=8)
def _band_filter(band: str, rate_hz: int) -> np.ndarray:
    from scipy.signal import butter

    low, high = _BANDS_HZ[band]
    return np.asarray(
        butter(2, (low, min(high, 0.45 * rate_hz)), "bandpass", fs=rate_hz, output="sos")
    )


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Moving average with the edge values held."""
    width = min(width, len(values))
    if width < 2:
        return values
    left = width // 2
    padded = np.pad(values, (left, width - 1 - left), mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")

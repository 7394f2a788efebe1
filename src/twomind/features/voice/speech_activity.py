"""When somebody speaks: by the energy over an adaptive noise floor, or (extra ``speech``) with
silero's veto.

Measured on espeak sentences with known gaps, two voices: every pause found from a silent room to
white or pink noise 10 dB under the speech, edges within 25 ms in quiet, 50 ms at 30 dB, 100 ms at
10 dB (soft ends of words drown). Silero's own edges were up to 210 ms off at 5 dB, and it does not
hold the built-in drawn voice for speech; so it is a veto, by wish. Both take other people's voices
for speech.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.features.voice.speech_rows import (
    HOP_S,
    Sound,
    blocks,
    decibels,
    gap_rows,
    n_rows,
    runs,
    windows,
)

_EDGES_HZ = (100, 300, 600, 1000, 1500, 2200, 3200, 4600, 7000)
_WINDOW_S = 0.025
#: The 10th percentile of steady noise lies this far under its mean (measured with white noise).
_PERCENTILE_BIAS_DB = 2.0
_SILERO_HZ, _SILERO_CHUNK, _SILERO_CONTEXT = 16000, 512, 64


@dataclass(frozen=True)
class ActivitySettings:
    """What counts as speech."""

    #: Rise over the noise floor in dB, mean of the three bands that rise most, at which speech is
    #: certain.
    enter_db: float = 8.0
    #: Rise in dB down to which speech that is certain somewhere lasts, however long.
    leave_db: float = 5.0
    #: Rise in dB down to which its beginning and end reach out, and how far, in seconds: noise that
    #: has grown by a little must not fill a pause.
    edge_db: float = 3.0
    edge_s: float = 0.05
    #: The noise floor is the lowest level within this many seconds on both sides.
    floor_reach_s: float = 4.0
    #: Sound this many dB below the loudest band of speech counts as floor even in a silent room.
    range_db: float = 53.0
    #: Interruptions shorter than this, in seconds, belong to speech (the closure of a plosive).
    fill_s: float = 0.15
    #: Sounds without a voiced part farther than this, in seconds, from voiced speech are not speech
    #: (breath, click).
    unvoiced_reach_s: float = 0.09
    #: Voiced stretches shorter than this, in seconds, are not speech.
    min_speech_s: float = 0.06
    #: Silero's probability at which speech begins, and down to which it lasts.
    silero_enter: float = 0.5
    silero_leave: float = 0.35
    #: Silero says in which stretches there is speech; the edges, from the energy, may lie this far,
    #: in seconds, out.
    silero_edge_s: float = 0.1


def choose_detector(wish: str, sample_rate_hz: int) -> str:
    """``energy`` or ``silero`` for a wish of ``auto``, ``energy`` or ``silero``.

    Raises:
        BadInput: another wish, or silero with a sample rate it was not made for.
        MissingExtra: silero was asked for by name and is not installed.
    """
    if wish not in ("auto", "energy", "silero"):
        raise BadInput(f"voice activity: expected vad 'auto', 'energy' or 'silero', got {wish!r}")
    if wish == "energy":
        return wish
    if wish == "silero":
        if _silero_file() is None:
            raise MissingExtra("speech", "voice activity detection by silero")
        if sample_rate_hz != _SILERO_HZ:
            raise BadInput(
                f"voice activity by silero: expected sound at {_SILERO_HZ} Hz, got "
                f"{sample_rate_hz} "
                "Hz"
            )
        return wish
    return "silero" if _silero_file() is not None and sample_rate_hz == _SILERO_HZ else "energy"


def band_levels(sound: Sound) -> np.ndarray:
    """Level ``(T, B)`` float32 in dBFS of the bands between 100 Hz and 7 kHz (less where the sample
    rate is low).
    """
    rate, total = sound.sample_rate_hz, n_rows(sound)
    length = int(_WINDOW_S * rate)
    n_fft = 1 << int(np.ceil(np.log2(length)))
    hann = np.hanning(length + 2)[1:-1]
    edges = [hz for hz in _EDGES_HZ if hz < 0.47 * rate]
    bins = [int(np.ceil(hz * n_fft / rate)) for hz in edges]
    levels = np.empty((total, len(edges) - 1), np.float32)
    for first, last in blocks(total):
        frames = windows(sound, first, last, length)
        power = np.abs(np.fft.rfft((frames - frames.mean(1, keepdims=True)) * hann, n_fft)) ** 2
        bands = np.add.reduceat(power[:, bins[0] : bins[-1]], np.array(bins[:-1]) - bins[0], axis=1)
        levels[first:last] = decibels(bands * 2 / (n_fft * float(hann @ hann)))
    return levels


def noise_floor(
    levels: np.ndarray, missing: np.ndarray, voiced: np.ndarray, settings: ActivitySettings
) -> np.ndarray:
    """Level ``(T, B)`` in dB of the steady noise in every band: the quietest of the neighbouring
    seconds.

    Gaps (``missing (T,)``) say nothing about it, nor do loud ``voiced (T,)`` rows; quiet ones may
    be mains hum.
    """
    loudest = levels.max(axis=1)
    ignore = missing | (voiced & (loudest > np.percentile(loudest[~missing], [5, 95]).mean()))
    per_block = int(1 / HOP_S)
    total = len(levels)
    lows = np.full((-(-total // per_block), levels.shape[1]), np.inf, np.float32)
    for i in range(len(lows)):
        rows = slice(i * per_block, (i + 1) * per_block)
        kept = levels[rows][~ignore[rows]]
        if len(kept) >= per_block // 4:
            lows[i] = np.percentile(kept, 10, axis=0)
    if not np.isfinite(lows).any():
        lows[:] = np.percentile(levels[~missing], 10, axis=0)
    reach = int(settings.floor_reach_s * per_block * HOP_S)
    from scipy.ndimage import minimum_filter1d

    lows = minimum_filter1d(lows, 2 * reach + 1, axis=0, mode="nearest")
    lows = np.where(np.isfinite(lows), lows, lows[np.isfinite(lows).all(1)].min(0))
    middles = (np.arange(len(lows)) + 0.5) * per_block
    columns = [np.interp(np.arange(total), middles, np.asarray(low, float)) for low in lows.T]
    floor: np.ndarray = np.stack(columns, axis=1).astype(np.float32)
    loud = np.percentile(levels[~missing], 95, axis=0).max()
    return np.maximum(floor + _PERCENTILE_BIAS_DB, loud - settings.range_db)


def find_speech(
    sound: Sound, levels: np.ndarray, voiced: np.ndarray, detector: str, settings: ActivitySettings
) -> np.ndarray:
    """Rows ``(T,)`` in which somebody speaks, from :func:`band_levels` and the voiced rows of the
    pitch tracker.
    """
    missing = gap_rows(sound, len(levels))
    # Smoothed before the bands are ranked: the highest of eight noisy numbers is high also where
    # nobody speaks.
    from scipy.ndimage import uniform_filter1d

    rise = uniform_filter1d(levels, 3, axis=0) - noise_floor(levels, missing, voiced, settings)
    rise = np.sort(rise, axis=1)[:, -3:].mean(1)
    active = (
        _reach_out(_hysteresis(rise, settings.enter_db, settings.leave_db), rise, settings)
        & ~missing
    )
    if detector == "silero":
        active = _agree(active, _silero_speech(sound, len(levels), settings), settings)
    active = _voiced_only(active, voiced, settings)
    for a, b in runs(~active):
        if a > 0 and b < len(active) and b - a < settings.fill_s / HOP_S and not missing[a:b].any():
            active[a:b] = True
    return active


def _hysteresis(values: np.ndarray, enter: float, leave: float) -> np.ndarray:
    out = np.zeros(len(values), bool)
    for a, b in runs(values >= leave):
        out[a:b] = values[a:b].max() >= enter
    return out


def _reach_out(active: np.ndarray, rise: np.ndarray, settings: ActivitySettings) -> np.ndarray:
    """``active`` with its edges moved out over rows that still rise a little."""
    out = active.copy()
    for _ in range(round(settings.edge_s / HOP_S)):
        beside = np.zeros_like(out)
        beside[1:] |= out[:-1]
        beside[:-1] |= out[1:]
        out |= beside & (rise >= settings.edge_db)
    return out


def _voiced_only(active: np.ndarray, voiced: np.ndarray, settings: ActivitySettings) -> np.ndarray:
    """Active stretches with a voiced part, and those that stand close to one."""
    spans = runs(active)
    has_voice = [
        (voiced[a:b].sum() * HOP_S) >= settings.min_speech_s / 2
        and (b - a) * HOP_S >= settings.min_speech_s
        for a, b in spans
    ]
    out = np.zeros(len(active), bool)
    reach = settings.unvoiced_reach_s / HOP_S
    for i, (a, b) in enumerate(spans):
        before = i > 0 and has_voice[i - 1] and a - spans[i - 1][1] <= reach
        after = i + 1 < len(spans) and has_voice[i + 1] and spans[i + 1][0] - b <= reach
        out[a:b] = has_voice[i] or before or after
    return out


# --- silero
# ----------------------------------------------------------------------------------------------------------


def _silero_file() -> Path | None:
    """The network that lies in faster-whisper's wheel, found without importing it; None when it
    cannot be run.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted((Path(spec.origin).parent / "assets").glob("silero_vad*.onnx"))), None)


def detector_files(vad: str) -> tuple[Path, ...]:
    """The files of the networks that a detector reads; :class:`VoiceSettings` says which ones
    there are.
    """
    silero = None if vad == "energy" else _silero_file()
    return () if silero is None else (silero,)


def _silero_session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        str(_silero_file()), options, providers=["CPUExecutionProvider"]
    )


def _silero_speech(sound: Sound, total: int, settings: ActivitySettings) -> np.ndarray:
    """Rows ``(total,)`` that silero holds for speech. Its state runs on from block to block."""
    session = _silero_session()
    state = {name: np.zeros((1, 1, 128), np.float32) for name in "hc"}
    tail = np.zeros(_SILERO_CONTEXT, np.float32)
    n_chunks = -(-len(sound.values) // _SILERO_CHUNK)
    probability = np.empty(n_chunks, np.float32)
    for first in range(0, n_chunks, 1000):
        last = min(n_chunks, first + 1000)
        piece = np.zeros((last - first) * _SILERO_CHUNK, np.float32)
        given = sound.values[first * _SILERO_CHUNK : last * _SILERO_CHUNK]
        piece[: len(given)] = given
        chunks = piece.reshape(-1, _SILERO_CHUNK)
        before = np.vstack([tail[None], chunks[:-1, -_SILERO_CONTEXT:]])
        out, state["h"], state["c"] = session.run(
            None, {"input": np.hstack([before, chunks]), **state}
        )
        probability[first:last] = np.asarray(out).reshape(-1)
        tail = chunks[-1, -_SILERO_CONTEXT:]
    speech = _hysteresis(probability, settings.silero_enter, settings.silero_leave)
    rows = ((np.arange(total) + 0.5) * HOP_S * _SILERO_HZ).astype(int) // _SILERO_CHUNK
    return speech[np.minimum(rows, n_chunks - 1)]


def _agree(active: np.ndarray, coarse: np.ndarray, settings: ActivitySettings) -> np.ndarray:
    """Silero says in which stretches there is speech, the energy where in them (and just beyond) it
    begins and ends.
    """
    reach = round(settings.silero_edge_s / HOP_S)
    wide = np.zeros_like(coarse)
    for a, b in runs(coarse):
        wide[max(0, a - reach) : b + reach] = True
    return wide & active

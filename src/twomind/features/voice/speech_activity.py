"""When somebody speaks: by the energy over an adaptive noise floor, or (extra ``speech``) with
silero's veto.

Measured on espeak sentences with known gaps, two voices: every pause found from a silent room to
white or pink noise 10 dB under the speech, edges within 25 ms in quiet, 50 ms at 30 dB, 100 ms at
10 dB (soft ends of words drown). Silero's own edges were up to 210 ms off at 5 dB, and it does not
hold the built-in synthetic voice for speech; so it is a veto, by wish. Both take other people's voices
for speech.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from twomind.core import weights
from twomind.core.errors import BadInput, MissingExtra
from twomind.sound.remembered import LastSeconds, local
from twomind.sound.rows import (
    HOP_S,
    Levels,
    Rows,
    Sound,
    blocks,
    decibels,
    gap_rows,
    n_rows,
    windows,
)
from twomind.sound.runs import runs

_EDGES_HZ = (100, 300, 600, 1000, 1500, 2200, 3200, 4600, 7000)
_WINDOW_S = 0.025
_ROWS_PER_S = int(1 / HOP_S)
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
        MissingWeights: silero is to be used, and its file is damaged.
    """
    detector = _chosen(wish, sample_rate_hz)
    path = _silero_file() if detector == "silero" else None
    if path is not None:
        state = path.stat()
        _refuse_damaged(path, state.st_size, state.st_mtime_ns)
    return detector


@lru_cache(maxsize=4)
def _refuse_damaged(path: Path, size: int, changed_ns: int) -> None:
    """Refuse a damaged network, once in a process for each state of its file: a live session asks
    every second.
    """
    weights.refuse_damaged("silero-vad")


def _chosen(wish: str, sample_rate_hz: int) -> str:
    if wish not in ("auto", "energy", "silero"):
        raise BadInput(f"voice activity: expected vad 'auto', 'energy' or 'silero', got {wish!r}")
    if wish == "energy":
        return wish
    has_silero = _silero_file() is not None
    if wish == "auto":
        can_run = has_silero and sample_rate_hz == _SILERO_HZ
        return "silero" if can_run else "energy"
    if not has_silero:
        raise MissingExtra("speech", "voice activity detection by silero")
    if sample_rate_hz != _SILERO_HZ:
        raise BadInput(
            f"voice activity by silero: expected sound at {_SILERO_HZ} Hz, got {sample_rate_hz} Hz"
        )
    return wish


def band_levels(sound: Sound) -> Levels:
    """Level ``(T, B)`` float32 in dBFS of the bands between 100 Hz and 7 kHz (less where the sample
    rate is low).
    """
    total = n_rows(sound)
    n_bands = len(_edges_hz(sound.sample_rate_hz)) - 1
    levels = np.empty((total, n_bands), np.float32)
    for first, last in blocks(total):
        levels[first:last] = _levels_of(sound, first, last)
    return levels


def _edges_hz(rate_hz: int) -> list[int]:
    """Edges of the bands that there are at a sample rate."""
    return [hz for hz in _EDGES_HZ if hz < 0.47 * rate_hz]


@local
def _levels_of(sound: Sound, first: int, last: int) -> Levels:
    """As :func:`band_levels`, of some rows."""
    rate = sound.sample_rate_hz
    length = int(_WINDOW_S * rate)
    n_fft = 1 << int(np.ceil(np.log2(length)))
    hann = np.hanning(length + 2)[1:-1]
    energy_of_window = float(hann @ hann)
    bins = [int(np.ceil(hz * n_fft / rate)) for hz in _edges_hz(rate)]
    starts = np.array(bins[:-1]) - bins[0]
    frames = windows(sound, first, last, length)
    means = frames.mean(1, keepdims=True)
    spectrum = np.fft.rfft((frames - means) * hann, n_fft)
    power = np.abs(spectrum) ** 2
    inside = power[:, bins[0] : bins[-1]]
    bands = np.add.reduceat(inside, starts, axis=1)
    mean_square = bands * 2 / (n_fft * energy_of_window)
    return decibels(mean_square)


def noise_floor(levels: Levels, missing: Rows, voiced: Rows, settings: ActivitySettings) -> Levels:
    """Level ``(T, B)`` in dB of the steady noise in every band: the quietest of the neighbouring
    seconds.

    Args:
        levels: band levels ``(T, B)`` in dBFS.
        missing: rows ``(T,)`` of gaps, which say nothing about the noise.
        voiced: rows ``(T,)``; of these the loud ones are left out, quiet ones may be mains hum.
        settings: how far away the quietest second may be.
    """
    total = len(levels)
    heard = levels[~missing]
    loudest = levels.max(axis=1)
    between = np.percentile(loudest[~missing], [5, 95]).mean()
    ignore = missing | (voiced & (loudest > between))
    lows = _lows(levels, ignore)
    if not np.isfinite(lows).any():
        lows[:] = np.percentile(heard, 10, axis=0)
    reach = int(settings.floor_reach_s * _ROWS_PER_S * HOP_S)
    from scipy.ndimage import minimum_filter1d

    lows = minimum_filter1d(lows, 2 * reach + 1, axis=0, mode="nearest")
    known = np.isfinite(lows).all(1)
    least = lows[known].min(0)
    lows = np.where(np.isfinite(lows), lows, least)
    middles = (np.arange(len(lows)) + 0.5) * _ROWS_PER_S
    rows = np.arange(total)
    columns = []
    for low in lows.T:
        band = np.asarray(low, float)
        columns.append(np.interp(rows, middles, band))
    floor: Levels = np.stack(columns, axis=1).astype(np.float32)
    loud = np.percentile(heard, 95, axis=0).max()
    return np.maximum(floor + _PERCENTILE_BIAS_DB, loud - settings.range_db)


def _lows(levels: Levels, ignore: Rows) -> Levels:
    """10th percentile ``(seconds, B)`` of every second; infinite where too few rows count."""
    n_seconds = -(-len(levels) // _ROWS_PER_S)
    lows = np.full((n_seconds, levels.shape[1]), np.inf, np.float32)
    for i in range(n_seconds):
        rows = slice(i * _ROWS_PER_S, (i + 1) * _ROWS_PER_S)
        kept = levels[rows][~ignore[rows]]
        if len(kept) >= _ROWS_PER_S // 4:
            lows[i] = np.percentile(kept, 10, axis=0)
    return lows


def find_speech(
    sound: Sound, levels: Levels, voiced: Rows, detector: str, settings: ActivitySettings
) -> Rows:
    """Rows ``(T,)`` in which somebody speaks.

    Args:
        sound: the waveform.
        levels: its :func:`band_levels` ``(T, B)``.
        voiced: the voiced rows ``(T,)`` of the pitch tracker.
        detector: ``energy`` or ``silero``.
        settings: what counts as speech.
    """
    missing = gap_rows(sound, len(levels))
    # Smoothed before the bands are ranked: the highest of eight noisy numbers is high also where
    # nobody speaks.
    from scipy.ndimage import uniform_filter1d

    smooth = uniform_filter1d(levels, 3, axis=0)
    rises = smooth - noise_floor(levels, missing, voiced, settings)
    ranked = np.sort(rises, axis=1)
    rise = ranked[:, -3:].mean(1)
    certain = _hysteresis(rise, settings.enter_db, settings.leave_db)
    active = _reach_out(certain, rise, settings) & ~missing
    if detector == "silero":
        coarse = _silero_speech(sound, len(levels), settings)
        active = _agree(active, coarse, settings)
    active = _voiced_only(active, voiced, settings)
    _fill(active, missing, settings)
    return active


def _fill(active: Rows, missing: Rows, settings: ActivitySettings) -> None:
    """Close short interruptions of speech, in place; a gap of the recording is none."""
    longest = settings.fill_s / HOP_S
    for a, b in runs(~active):
        between = a > 0 and b < len(active)
        if between and b - a < longest and not missing[a:b].any():
            active[a:b] = True


def _hysteresis(values: np.ndarray, enter: float, leave: float) -> np.ndarray:
    out = np.zeros(len(values), bool)
    for a, b in runs(values >= leave):
        highest = values[a:b].max()
        out[a:b] = highest >= enter
    return out


def _reach_out(active: Rows, rise: Rows, settings: ActivitySettings) -> Rows:
    """``active`` with its edges moved out over rows that still rise a little."""
    out = active.copy()
    for _ in range(round(settings.edge_s / HOP_S)):
        beside = np.zeros_like(out)
        beside[1:] |= out[:-1]
        beside[:-1] |= out[1:]
        out |= beside & (rise >= settings.edge_db)
    return out


def _voiced_only(active: Rows, voiced: Rows, settings: ActivitySettings) -> Rows:
    """Active stretches with a voiced part, and those that stand close to one."""
    spans = runs(active)
    has_voice = []
    for a, b in spans:
        voiced_s = voiced[a:b].sum() * HOP_S
        lasts_s = (b - a) * HOP_S
        mostly = voiced_s >= settings.min_speech_s / 2
        has_voice.append(bool(mostly) and lasts_s >= settings.min_speech_s)
    out = np.zeros(len(active), bool)
    reach = settings.unvoiced_reach_s / HOP_S
    for i, (a, b) in enumerate(spans):
        out[a:b] = has_voice[i] or _near_voice(i, spans, has_voice, reach)
    return out


def _near_voice(i: int, spans: list[tuple[int, int]], has_voice: list[bool], reach: float) -> bool:
    """Does a stretch with a voiced part stand close to stretch ``i``?"""
    first, last = spans[i]
    if i > 0 and has_voice[i - 1]:
        _, before = spans[i - 1]
        if first - before <= reach:
            return True
    if i + 1 < len(spans) and has_voice[i + 1]:
        after, _ = spans[i + 1]
        return after - last <= reach
    return False


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
    assets = Path(spec.origin).parent / "assets"
    networks = sorted(assets.glob("silero_vad*.onnx"))
    return networks[0] if networks else None


def detector_files(vad: str) -> tuple[Path, ...]:
    """The files of the networks that a detector reads; :class:`VoiceSettings` says which ones
    there are.
    """
    silero = None if vad == "energy" else _silero_file()
    return () if silero is None else (silero,)


@lru_cache(maxsize=1)
def _silero_session(path: str) -> Any:
    """The network, opened once in a process; its state is the caller's."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _silero_chunks(sound: Sound, first: int, last: int) -> np.ndarray:
    """Chunks ``(last - first, _SILERO_CHUNK)`` of the samples, zeros beyond the end."""
    piece = np.zeros((last - first) * _SILERO_CHUNK, np.float32)
    given = sound.values[first * _SILERO_CHUNK : last * _SILERO_CHUNK]
    piece[: len(given)] = given
    return piece.reshape(-1, _SILERO_CHUNK)


def _silero_speech(sound: Sound, total: int, settings: ActivitySettings) -> Rows:
    """Rows ``(total,)`` that silero holds for speech."""
    first = 0
    known = None
    if isinstance(sound, LastSeconds):
        running = sound.memory.going_on(_Silero)
        known = running.over(sound)
        first = sound.first
    probability = _silero_probability(sound) if known is None else known
    speech = _hysteresis(probability, settings.silero_enter, settings.silero_leave)
    middles_s = (np.arange(total) + 0.5) * HOP_S
    samples = (middles_s * _SILERO_HZ).astype(int) + first % _SILERO_CHUNK
    return speech[np.minimum(samples // _SILERO_CHUNK, len(speech) - 1)]


class _Silero:
    """Silero on a sound that is coming in: each chunk is looked at once, with the state after the one
    before. Chunks begin at whole multiples since the beginning of the sound.
    """

    def __init__(self) -> None:
        self._next = -1
        self._restart(0)

    def _restart(self, chunk: int) -> None:
        """Begin anew with a chunk, as at the beginning of a sound."""
        self._next = chunk
        self._known: dict[int, float] = {}
        self._state = {name: np.zeros((1, 1, 128), np.float32) for name in "hc"}
        self._tail = np.zeros(_SILERO_CONTEXT, np.float32)

    def go_on(self, sound: LastSeconds) -> None:
        """Look at the chunks that are new."""
        oldest = sound.first - len(sound.before)
        first = -(-oldest // _SILERO_CHUNK)
        last = (sound.first + len(sound.values)) // _SILERO_CHUNK
        if self._next < first:
            self._restart(first)
        if self._next >= last:
            return
        kept = np.concatenate([sound.before, sound.values])
        session = _silero_session(str(_silero_file()))
        for chunk in range(self._next, last):
            at = chunk * _SILERO_CHUNK - oldest
            samples = kept[at : at + _SILERO_CHUNK]
            given = {"input": np.concatenate([self._tail, samples])[None], **self._state}
            out, self._state["h"], self._state["c"] = session.run(None, given)
            self._known[chunk] = float(np.asarray(out).reshape(-1)[0])
            self._tail = samples[-_SILERO_CONTEXT:]
        self._next = last
        self._known = {chunk: said for chunk, said in self._known.items() if chunk >= first}

    def over(self, sound: LastSeconds) -> np.ndarray | None:
        """Probability of speech in each chunk of the last seconds that is whole, the first of which
        may begin before them; None where there is none.
        """
        self.go_on(sound)
        first = sound.first // _SILERO_CHUNK
        last = (sound.first + len(sound.values)) // _SILERO_CHUNK
        known = [self._known[chunk] for chunk in range(first, last) if chunk in self._known]
        return np.array(known, np.float32) if len(known) == last - first > 0 else None


def _silero_probability(sound: Sound) -> np.ndarray:
    """Probability of speech in each chunk. The state runs on from block to block."""
    session = _silero_session(str(_silero_file()))
    state = {name: np.zeros((1, 1, 128), np.float32) for name in "hc"}
    tail = np.zeros(_SILERO_CONTEXT, np.float32)
    n_chunks = -(-len(sound.values) // _SILERO_CHUNK)
    probability = np.empty(n_chunks, np.float32)
    for first in range(0, n_chunks, 1000):
        last = min(n_chunks, first + 1000)
        chunks = _silero_chunks(sound, first, last)
        ends = chunks[:, -_SILERO_CONTEXT:]
        before = np.vstack([tail[None], ends[:-1]])
        given = {"input": np.hstack([before, chunks]), **state}
        out, state["h"], state["c"] = session.run(None, given)
        probability[first:last] = np.asarray(out).reshape(-1)
        tail = ends[-1]
    return probability


def _agree(active: Rows, coarse: Rows, settings: ActivitySettings) -> Rows:
    """Silero says in which stretches there is speech, the energy where in them (and just beyond) it
    begins and ends.
    """
    reach = round(settings.silero_edge_s / HOP_S)
    wide = np.zeros_like(coarse)
    for a, b in runs(coarse):
        wide[max(0, a - reach) : b + reach] = True
    return wide & active

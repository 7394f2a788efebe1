"""Voice: speech activity, pauses, pitch, energy and speech rate on a 10-ms clock. numpy and scipy
only.

Accuracy: ``tests/features/test_voice.py``; speed: ``benchmarks/voice.py``. Not measured: real
voices in real rooms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twomind.features.voice.pitch import PitchSettings, track_pitch
from twomind.features.voice.speech_activity import (
    ActivitySettings,
    band_levels,
    choose_detector,
    find_speech,
    noise_floor,
)
from twomind.features.voice.speech_rate import SyllableSettings, find_syllables
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
from twomind.types import Track

NAMES = ("speech", "pitch", "energy", "syllable")
UNITS = ("0/1", "Hz", "dBFS", "0/1")
REASONS = ("", "gap in the recording", "no speech level: silent", "no speech level: too quiet")

#: What the summary measures: name → unit and meaning. A measure that could not be taken is nan, and
#: ``summary["not_measured"]`` says why.
SUMMARY = {
    "speech_s": "s of speech",
    "speech_share": "share of the sound that is speech",
    "first_speech_s": "s on the recording's clock at which speech begins",
    "last_speech_s": "s on the recording's clock at which speech ends",
    "latency_s": "s of sound before speech begins",
    "trailing_s": "s of sound after speech ends",
    "n_pauses": "silences between speech of at least min_pause_s",
    "pause_total_s": "s in pauses",
    "pause_mean_s": "s, mean length of a pause",
    "pause_longest_s": "s, longest pause",
    "pauses_per_min": "pauses per minute from the first to the last speech",
    "pitch_median_hz": "Hz, median over voiced speech",
    "pitch_sd_st": "semitones, standard deviation of pitch",
    "pitch_range_st": "semitones from the 5th to the 95th percentile of pitch",
    "energy_median_dbfs": "dBFS, median over speech",
    "energy_sd_db": "dB, standard deviation over speech",
    "voiced_share": "share of speech that is voiced",
    "n_syllables": "syllable nuclei",
    "speech_rate_per_s": "syllables per second from the first to the last speech, pauses included",
    "articulation_rate_per_s": "syllables per second of speech, pauses left out",
    "noise_floor_dbfs": "dBFS, steady noise between 100 Hz and 7 kHz",
    "snr_db": "dB, level of speech over the noise floor",
    "clipped_share": "share of the samples of speech at full scale",
}


@dataclass(frozen=True)
class VoiceSettings:
    """How the voice is measured."""

    #: Voice activity: "energy" (the same on every machine), "silero" (with the extra speech), or
    #: "auto" (silero where it is installed). Silero only vetoes what is no speech; the edges are
    #: the energy's in both.
    vad: str = "energy"
    #: Shortest silence between speech that is a pause, in seconds.
    min_pause_s: float = 0.25
    #: Below this level of its loud parts, in dBFS, a recording is too quiet to measure.
    min_level_dbfs: float = -65.0
    #: Below this level of speech over noise, in dB, pauses and rates are not measured.
    min_snr_db: float = 0.0
    #: Below this, in dB, pitch variability is not measured, and pause edges carry a remark.
    noisy_db: float = 12.0
    #: A sample is clipped from this share of full scale on.
    clip_level: float = 0.98
    #: Above this share of clipped samples in speech, energy is not measured.
    max_clipped: float = 0.005
    #: Voiced speech in seconds that pitch measures need.
    min_voiced_s: float = 0.2
    #: Speech in seconds that rates need.
    min_rate_s: float = 1.0
    #: Settings of the parts.
    activity: ActivitySettings = field(default_factory=ActivitySettings)
    pitch: PitchSettings = field(default_factory=PitchSettings)
    syllables: SyllableSettings = field(default_factory=SyllableSettings)


@dataclass(frozen=True)
class VoiceResult:
    """``track`` has one row per 10 ms with the columns :data:`NAMES`; ``pauses`` are spans in
    seconds.

    A row covers the 10 ms from its time on. ``energy`` is the RMS of 25 ms, full scale = 0 dBFS.
    ``summary`` has the measures of :data:`SUMMARY`, ``vad`` (which detector ran), ``status``,
    ``reason``, ``not_measured`` and ``remarks``.
    """

    track: Track
    pauses: tuple[tuple[float, float], ...]
    summary: dict[str, Any]


def describe_voice(waveform: Sound, settings: VoiceSettings | None = None) -> VoiceResult:
    """Measure the voice of a waveform (:class:`twomind.media.stream.Waveform`; its samples may be a
    memory map).

    Works in blocks of fixed position, so memory does not grow with the samples and the result does
    not depend on how they arrived. Without sound, in silence or far too quiet, every number is nan
    and the reason is given.

    Raises:
        BadInput, MissingExtra: see :func:`twomind.features.voice.speech_activity.choose_detector`.
    """
    settings = settings or VoiceSettings()
    detector = choose_detector(settings.vad, waveform.sample_rate_hz)
    total = n_rows(waveform)
    if not total:
        return _nothing(waveform, 0, "no sound", detector)
    energy, clipped = _energy(waveform, settings)
    missing = gap_rows(waveform, total)
    loud = float(np.percentile(energy[~missing], 95)) if not missing.all() else -120.0
    if loud < settings.min_level_dbfs:
        reason = "silent" if loud <= -100 else f"too quiet: its loud parts reach {loud:.0f} dBFS"
        return _nothing(
            waveform, total, "the sound is " + reason, detector, 2 if loud <= -100 else 3
        )

    pitch_hz, _ = track_pitch(waveform, settings.pitch)
    levels = band_levels(waveform)
    voiced = np.isfinite(pitch_hz)
    speech = find_speech(waveform, levels, voiced, detector, settings.activity)
    pitch_hz[~speech] = np.nan
    syllables = find_syllables(levels, speech, np.isfinite(pitch_hz), settings.syllables)
    energy[clipped > 0.05] = np.nan
    values = np.stack([speech, pitch_hz, energy, syllables], 1).astype(np.float32)
    times_s = waveform.start_s + np.arange(total) * HOP_S
    code = missing.astype(np.uint8)
    track = Track(values, times_s, ~missing, NAMES, UNITS, REASONS, code)

    pauses = _pauses(speech, missing, waveform.start_s, settings)
    floor = noise_floor(levels, missing, voiced, settings.activity)
    summary = _summary(track, pauses, clipped, levels, floor, settings)
    return VoiceResult(track, pauses, {"vad": detector, **summary})


def _nothing(sound: Sound, total: int, reason: str, detector: str, code: int = 0) -> VoiceResult:
    values = np.full((total, len(NAMES)), np.nan, np.float32)
    times_s = sound.start_s + np.arange(total) * HOP_S
    codes = np.where(gap_rows(sound, total), 1, code).astype(np.uint8)
    track = Track(values, times_s, np.zeros(total, bool), NAMES, UNITS, REASONS, codes)
    measures = dict.fromkeys(SUMMARY, math.nan)
    not_measured = dict.fromkeys(SUMMARY, reason)
    ends = {"status": "not_measured", "reason": reason, "not_measured": not_measured, "remarks": []}
    return VoiceResult(track, (), {"vad": detector, **measures, **ends})


def _energy(sound: Sound, settings: VoiceSettings) -> tuple[np.ndarray, np.ndarray]:
    """Level ``(T,)`` in dBFS and share of clipped samples ``(T,)`` of every row's 25 ms."""
    total = n_rows(sound)
    energy, clipped = np.empty(total, np.float32), np.empty(total, np.float32)
    for first, last in blocks(total):
        frames = windows(sound, first, last, int(0.025 * sound.sample_rate_hz))
        energy[first:last] = decibels(frames.var(1))
        clipped[first:last] = (np.abs(frames) >= settings.clip_level).mean(1)
    return energy, clipped


def _pauses(
    speech: np.ndarray, missing: np.ndarray, start_s: float, settings: VoiceSettings
) -> tuple[tuple[float, float], ...]:
    """Silences between speech. One that touches a gap of the recording may hide speech, and is
    none.
    """
    found = []
    for a, b in runs(~speech):
        between = a > 0 and b < len(speech) and not missing[a:b].any()
        if between and (b - a) * HOP_S >= settings.min_pause_s - 1e-9:
            found.append((start_s + a * HOP_S, start_s + b * HOP_S))
    return tuple(found)


def _summary(
    track: Track,
    pauses: tuple[tuple[float, float], ...],
    clipped: np.ndarray,
    levels: np.ndarray,
    floor: np.ndarray,
    settings: VoiceSettings,
) -> dict[str, Any]:
    out: dict[str, Any] = dict.fromkeys(SUMMARY, math.nan)
    why: dict[str, str] = {}
    remarks: list[str] = []
    speech = track.column("speech") == 1
    out["noise_floor_dbfs"] = _db_sum(floor[track.valid])
    if not track.valid.all():
        remarks.append(f"{(~track.valid).sum() * HOP_S:.2f} s of the sound are missing")
    if not speech.any():
        measures = {name: "no speech was found" for name in SUMMARY if name != "noise_floor_dbfs"}
        found_none = {"speech_s": 0.0, "speech_share": 0.0}
        for name in found_none:
            del measures[name]
        ends = {
            "status": "not_measured",
            "reason": "no speech was found",
            "not_measured": measures,
            "remarks": remarks,
        }
        return {**out, **found_none, **ends}

    first, last = int(np.flatnonzero(speech)[0]), int(np.flatnonzero(speech)[-1]) + 1
    spoken_s = float(speech.sum() * HOP_S)
    span_s = float(track.valid[first:last].sum() * HOP_S)
    lengths_s = [b - a for a, b in pauses]
    out |= {
        "speech_s": spoken_s,
        "speech_share": spoken_s / float(track.valid.sum() * HOP_S),
        "first_speech_s": float(track.times_s[first]),
        "last_speech_s": float(track.times_s[last - 1] + HOP_S),
        "latency_s": first * HOP_S,
        "trailing_s": (len(speech) - last) * HOP_S,
        "n_pauses": len(pauses),
        "pause_total_s": float(sum(lengths_s)),
        "pause_mean_s": float(np.mean(lengths_s)) if pauses else math.nan,
        "pause_longest_s": float(max(lengths_s)) if pauses else math.nan,
        "pauses_per_min": 60 * len(pauses) / span_s,
        "clipped_share": float(clipped[speech].mean()),
        "snr_db": _snr_db(levels[speech], floor[speech]),
    }
    if not pauses:
        why |= dict.fromkeys(("pause_mean_s", "pause_longest_s"), "there is no pause")
    out |= _pitch_measures(track.column("pitch")[speech], why, settings)
    out |= _energy_measures(track.column("energy")[speech], out["clipped_share"], why, settings)
    out |= _rates(int(np.nansum(track.column("syllable"))), spoken_s, span_s, why, settings)
    _judge_noise(out, why, remarks, settings)
    return {**out, "status": "ok", "reason": "", "not_measured": why, "remarks": remarks}


def _db_sum(levels: np.ndarray) -> float:
    """Mean over rows of the power of all bands, in dB."""
    return (
        float(decibels(np.mean(np.sum(10 ** (levels / 10), axis=1)))) if len(levels) else math.nan
    )


def _snr_db(levels: np.ndarray, floor: np.ndarray) -> float:
    """Level of speech alone (noise subtracted) over the noise floor."""
    signal, noise = 10 ** (_db_sum(levels) / 10), 10 ** (_db_sum(floor) / 10)
    return float(decibels(np.array(max(signal - noise, 1e-12) / noise)))


def _pitch_measures(
    pitch_hz: np.ndarray, why: dict[str, str], settings: VoiceSettings
) -> dict[str, float]:
    heard = pitch_hz[np.isfinite(pitch_hz)]
    out = {"voiced_share": len(heard) / len(pitch_hz)}
    names = ("pitch_median_hz", "pitch_sd_st", "pitch_range_st")
    if len(heard) * HOP_S < settings.min_voiced_s:
        why |= dict.fromkeys(names, f"less than {settings.min_voiced_s} s of voiced speech")
        return out
    median_hz = float(np.median(heard))
    semitones = 12 * np.log2(heard / median_hz)
    low, high = np.percentile(semitones, [5, 95])
    return out | dict(
        zip(names, (median_hz, float(semitones.std()), float(high - low)), strict=True)
    )


def _energy_measures(
    energy: np.ndarray, clipped_share: float, why: dict[str, str], settings: VoiceSettings
) -> dict[str, float]:
    names = ("energy_median_dbfs", "energy_sd_db")
    heard = energy[np.isfinite(energy)]
    if clipped_share > settings.max_clipped or not len(heard):
        why |= dict.fromkeys(names, f"clipped: {clipped_share:.1%} of the speech is at full scale")
        return {}
    return dict(zip(names, (float(np.median(heard)), float(heard.std())), strict=True))


def _rates(
    n: int, spoken_s: float, span_s: float, why: dict[str, str], settings: VoiceSettings
) -> dict[str, float]:
    names = ("speech_rate_per_s", "articulation_rate_per_s")
    if spoken_s < settings.min_rate_s:
        why |= dict.fromkeys(names, f"less than {settings.min_rate_s} s of speech")
        return {"n_syllables": n}
    return {"n_syllables": n} | dict(zip(names, (n / span_s, n / spoken_s), strict=True))


def _judge_noise(
    out: dict[str, Any], why: dict[str, str], remarks: list[str], settings: VoiceSettings
) -> None:
    snr_db = out["snr_db"]
    if snr_db < settings.min_snr_db:
        reason = f"too noisy: speech is {snr_db:.0f} dB over the noise"
        lost = [
            name
            for name in SUMMARY
            if name.startswith(("pause", "n_pauses", "speech_rate", "articulation", "n_syl"))
        ]
        out |= dict.fromkeys(lost, math.nan)
        why |= dict.fromkeys(lost, reason)
        remarks.append(reason)
    elif snr_db < settings.noisy_db:
        remarks.append(
            f"noisy ({snr_db:.0f} dB over the noise): edges of pauses are uncertain by about 0.1 s"
        )
    if snr_db < settings.noisy_db:
        spread = ("pitch_sd_st", "pitch_range_st")
        out |= dict.fromkeys(spread, math.nan)
        for name in spread:
            why.setdefault(
                name, f"too noisy: octave errors widen it ({snr_db:.0f} dB over the noise)"
            )

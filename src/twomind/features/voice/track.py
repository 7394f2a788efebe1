"""Voice: speech activity, pauses, pitch, energy and speech rate on a 10-ms clock. numpy and scipy
only.

Accuracy: ``tests/features/test_voice.py``; speed: ``benchmarks/voice.py``. Not measured: real
voices in real rooms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from twomind.features.voice.pauses import Spans, pause_measures, silences
from twomind.features.voice.speech_activity import (
    ActivitySettings,
    band_levels,
    choose_detector,
    find_speech,
    noise_floor,
)
from twomind.features.voice.speech_rate import SyllableSettings, find_syllables
from twomind.sound.pitch import PitchSettings, track_pitch
from twomind.sound.rows import (
    HOP_S,
    Levels,
    OnePerson,
    Rows,
    Sound,
    blocks,
    decibels,
    gap_rows,
    n_rows,
    rows_of,
    windows,
)
from twomind.sound.steady import SteadySettings, Stretch, steady_stretches
from twomind.types import Track

NAMES = ("speech", "pitch", "energy", "syllable")
UNITS = ("0/1", "Hz", "dBFS", "0/1")
REASONS = ("", "gap in the recording", "no speech level: silent", "no speech level: too quiet")
ANOTHER = "another person speaks"
#: Places of the reasons.
_GAP, _SILENT, _QUIET = range(1, len(REASONS))
#: Level in dBFS of a row in which nothing is heard of the person.
_UNHEARD_DBFS = -120.0

#: Measures by name, and why one could not be taken.
Measures = dict[str, Any]
Reasons = dict[str, str]

#: What the summary measures: name → unit and meaning. A measure that could not be taken is nan, and
#: ``summary["not_measured"]`` says why. Here all goes by the sound; where words have times that can
#: be trusted, those of pauses are told anew (:func:`twomind.features.voice.by_words.by_words`).
SUMMARY = {
    "speech_s": "s of speech",
    "speech_share": "share of the sound that is speech",
    "first_speech_s": "s on the recording's clock at which speech begins",
    "last_speech_s": "s on the recording's clock at which speech ends",
    "latency_s": "s of sound before speech begins, since another person last spoke",
    "trailing_s": "s of sound after speech ends, until another person speaks",
    "n_pauses": "silences of at least min_pause_s; between words or by the sound: see pauses_by",
    "pause_total_s": "s in pauses",
    "pause_mean_s": "s, mean length of a pause",
    "pause_longest_s": "s, longest pause",
    "pauses_per_min": "pauses per minute from the first to the last word, or speech",
    "pitch_median_hz": "Hz, median over voiced speech",
    "pitch_sd_st": "semitones, standard deviation of pitch",
    "pitch_range_st": "semitones from the 5th to the 95th percentile of pitch",
    "energy_median_dbfs": "dBFS, median over speech",
    "energy_sd_db": "dB, standard deviation over speech",
    "voiced_share": "share of speech that is voiced",
    "n_syllables": "syllable nuclei that are heard; soft speech has fewer than were said",
    "speech_rate_per_s": "syllables per second from the first to the last speech, by the sound",
    "articulation_rate_per_s": "syllables per second of speech that is heard, by the sound",
    "noise_floor_dbfs": "dBFS, steady noise between 100 Hz and 7 kHz",
    "snr_db": "dB, level of speech over the noise floor",
    "clipped_share": "share of the samples of speech at full scale",
}
#: Beginnings of the names of what noise over the speech makes unmeasurable.
_LOST_IN_NOISE = ("pause", "n_pauses", "speech_rate", "articulation", "n_syl")


def _loud_dbfs(energy: Rows, missing: Rows) -> float:
    """Level of the loud parts; that of silence where everything is missing."""
    if missing.all():
        return -120.0
    return float(np.percentile(energy[~missing], 95))


@dataclass(frozen=True)
class VoiceSettings:
    """How the voice is measured."""

    #: Voice activity: "silero" (with the extra speech), "energy" (always there; music, ring tones
    #: and blowing count as speech), or "auto" (silero where it is installed). Silero only vetoes
    #: what is not speech; the edges are the energy's in both.
    vad: str = "auto"
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
    #: A held voice whose second formant stands this far, in dB, where a front vowel has it, is a
    #: front vowel.
    front_db: float = 4.0
    #: Settings of the parts.
    activity: ActivitySettings = field(default_factory=ActivitySettings)
    pitch: PitchSettings = field(default_factory=PitchSettings)
    syllables: SyllableSettings = field(default_factory=SyllableSettings)
    steady: SteadySettings = field(default_factory=SteadySettings)


@dataclass(frozen=True)
class VoiceResult:
    """``track`` has one row per 10 ms with the columns :data:`NAMES`; ``pauses`` are spans in
    seconds, and so are ``held``: voiced sounds whose pitch and spectrum stand still. ``front`` are
    those of them that are a front vowel, as no English filled pause is.

    A row covers the 10 ms from its time on. ``energy`` is the RMS of 25 ms, full scale = 0 dBFS.
    ``summary`` has the measures of :data:`SUMMARY`, ``vad`` (which detector ran), ``status``,
    ``reason``, ``not_measured`` and ``remarks``.
    """

    track: Track
    pauses: Spans
    summary: Measures
    held: Spans = ()
    front: Spans = ()


def describe_voice(
    waveform: Sound, settings: VoiceSettings | None = None, others: Spans = ()
) -> VoiceResult:
    """Measure the voice of one person in a waveform.

    Works in blocks of fixed position, so memory does not grow with the samples and the result does
    not depend on how they arrived. Without sound, in silence or far too quiet, every number is nan
    and the reason is given.

    Args:
        waveform: a :class:`twomind.media.stream.Waveform`; its samples may be a memory map.
        settings: how it is measured.
        others: when other people speak, as (begin, end) in seconds on the recording's clock. These
            rows are not valid: their speech is neither the person's voice nor a pause, and a
            silence beside it is a change of turns.

    Returns:
        Rows, pauses and the summary.

    Raises:
        BadInput, MissingExtra: see :func:`twomind.features.voice.speech_activity.choose_detector`.
    """
    settings = settings or VoiceSettings()
    detector = choose_detector(settings.vad, waveform.sample_rate_hz)
    total = n_rows(waveform)
    if not total:
        return _nothing(waveform, 0, "no sound", detector)
    apart = rows_of(others, waveform, total)
    if apart.any():
        if apart.all():
            return _nobody(waveform, apart, detector)
        waveform = OnePerson.of(waveform, others)
    energy, clipped = _energy(waveform, settings)
    missing = gap_rows(waveform, total)
    loud = _loud_dbfs(energy, missing)
    if loud < settings.min_level_dbfs:
        if loud <= -100:
            return _nothing(waveform, total, "the sound is silent", detector, _SILENT)
        reason = f"the sound is too quiet: its loud parts reach {loud:.0f} dBFS"
        return _nothing(waveform, total, reason, detector, _QUIET)

    pitch_hz, _ = track_pitch(waveform, settings.pitch)
    levels = band_levels(waveform)
    pitch_hz[apart] = np.nan
    energy[apart] = np.nan
    levels[apart] = _UNHEARD_DBFS
    voiced = np.isfinite(pitch_hz)
    stretches = steady_stretches(waveform, settings.steady, pitch_hz)
    held = _spans(stretches)
    front = _spans([one for one in stretches if one.front_db >= settings.front_db])
    speech = find_speech(waveform, levels, voiced, detector, settings.activity)
    pitch_hz[~speech] = np.nan
    voiced_speech = np.isfinite(pitch_hz)
    syllables = find_syllables(levels, speech, voiced_speech, settings.syllables)
    energy[clipped > 0.05] = np.nan
    columns = np.stack([speech, pitch_hz, energy, syllables], 1)
    values = columns.astype(np.float32)
    times_s = _times_s(waveform, total)
    reasons, code = _coded(missing, apart)
    track = Track(values, times_s, ~missing, NAMES, UNITS, reasons, code)

    pauses = _pauses(speech, missing, waveform.start_s, settings)
    floor = noise_floor(levels, missing, voiced, settings.activity)
    summary = _summary(track, pauses, clipped, levels, floor, settings)
    if apart.any():
        _say_left_out(summary, speech, apart)
    return VoiceResult(track, pauses, {"vad": detector, **summary}, held, front)


def _spans(stretches: Sequence[Stretch]) -> Spans:
    return tuple((stretch.start_s, stretch.end_s) for stretch in stretches)


def _coded(missing: Rows, apart: Rows) -> tuple[tuple[str, ...], Rows]:
    """The reasons of a track, and which of them each row ``(T,)`` has."""
    code = np.where(missing, _GAP, 0).astype(np.uint8)
    if not apart.any():
        return REASONS, code
    code[apart] = len(REASONS)
    return (*REASONS, ANOTHER), code


def _nobody(sound: Sound, apart: Rows, detector: str) -> VoiceResult:
    """Other people speak from the first row to the last."""
    found = _nothing(sound, len(apart), "other people speak all the time", detector)
    reasons, code = _coded(apart, apart)
    track = replace(found.track, reasons=reasons, reason_code=code)
    return VoiceResult(track, found.pauses, found.summary)


def _say_left_out(summary: Measures, speech: Rows, apart: Rows) -> None:
    """What is said about the speech of others, and the silences that begin or end with it."""
    left_out_s = apart.sum() * HOP_S
    summary["remarks"].append(f"{left_out_s:.1f} s of other people's speech left out")
    if not speech.any():
        return
    spoken = np.flatnonzero(speech)
    first = int(spoken[0])
    last = int(spoken[-1]) + 1
    before = np.flatnonzero(apart[:first])
    after = np.flatnonzero(apart[last:])
    if len(before):
        summary["latency_s"] = float((first - int(before[-1]) - 1) * HOP_S)
    if len(after):
        summary["trailing_s"] = float(int(after[0]) * HOP_S)


def _times_s(sound: Sound, total: int) -> np.ndarray:
    return sound.start_s + np.arange(total) * HOP_S


def _nothing(sound: Sound, total: int, reason: str, detector: str, code: int = 0) -> VoiceResult:
    shape = (total, len(NAMES))
    values = np.full(shape, np.nan, np.float32)
    times_s = _times_s(sound, total)
    valid = np.zeros(total, bool)
    codes = np.where(gap_rows(sound, total), _GAP, code).astype(np.uint8)
    track = Track(values, times_s, valid, NAMES, UNITS, REASONS, codes)
    measures = dict.fromkeys(SUMMARY, math.nan)
    why = dict.fromkeys(SUMMARY, reason)
    summary = _closed(measures, "not_measured", reason, why, [])
    return VoiceResult(track, (), {"vad": detector, **summary})


def _energy(sound: Sound, settings: VoiceSettings) -> tuple[Rows, Rows]:
    """Level ``(T,)`` in dBFS and share of clipped samples ``(T,)`` of every row's 25 ms."""
    total = n_rows(sound)
    length = int(0.025 * sound.sample_rate_hz)
    peaks = _peaks(sound)
    energy = np.empty(total, np.float32)
    clipped = np.empty(total, np.float32)
    for first, last in blocks(total):
        frames = windows(sound, first, last, length)
        energy[first:last] = decibels(frames.var(1))
        loudest = np.abs(windows(peaks, first, last, length))
        at_full_scale = loudest >= settings.clip_level
        clipped[first:last] = at_full_scale.mean(1)
    return energy, clipped


def _peaks(sound: Sound) -> Sound:
    """The loudest channel of every sample: what is at full scale in one of several that were
    averaged is clipped, whatever the average is.
    """
    peaks = getattr(sound, "peaks", None)
    if peaks is None:
        return sound
    return _Plain(peaks, sound.sample_rate_hz, sound.start_s, sound.gaps)


@dataclass(frozen=True)
class _Plain:
    """A :class:`Sound`, and nothing besides."""

    values: np.ndarray
    sample_rate_hz: int
    start_s: float
    gaps: Sequence[tuple[float, float]]


def _pauses(speech: Rows, missing: Rows, start_s: float, settings: VoiceSettings) -> Spans:
    return silences(speech, missing, start_s, settings.min_pause_s)


def _summary(
    track: Track,
    pauses: Spans,
    clipped: Rows,
    levels: Levels,
    floor: Levels,
    settings: VoiceSettings,
) -> Measures:
    out: Measures = dict.fromkeys(SUMMARY, math.nan)
    why: Reasons = {}
    remarks: list[str] = []
    speech = track.column("speech") == 1
    out["noise_floor_dbfs"] = _db_sum(floor[track.valid])
    assert track.reason_code is not None
    missing = track.reason_code == _GAP
    if missing.any():
        missing_s = missing.sum() * HOP_S
        remarks.append(f"{missing_s:.2f} s of the sound are missing")
    if not speech.any():
        return _without_speech(out, remarks)

    spoken = np.flatnonzero(speech)
    first = int(spoken[0])
    last = int(spoken[-1]) + 1
    spoken_s = float(speech.sum() * HOP_S)
    n_valid = track.valid[first:last].sum()
    span_s = float(n_valid * HOP_S)
    clipped_share = float(clipped[speech].mean())
    n_syllables = int(np.nansum(track.column("syllable")))
    out |= _extent(track, first, last, spoken_s)
    out |= pause_measures(pauses, span_s, why)
    out["clipped_share"] = clipped_share
    out["snr_db"] = _snr_db(levels[speech], floor[speech])
    pitch_hz = track.column("pitch")[speech]
    energy = track.column("energy")[speech]
    out |= _pitch_measures(pitch_hz, why, settings)
    out |= _energy_measures(energy, clipped_share, why, settings)
    out |= _rates(n_syllables, spoken_s, span_s, why, settings)
    _judge_noise(out, why, remarks, settings)
    return _closed(out, "ok", "", why, remarks)


def _closed(
    measures: Measures, status: str, reason: str, why: Reasons, remarks: list[str]
) -> Measures:
    """The measures, and after them what is to be said about them."""
    ends = {"status": status, "reason": reason, "not_measured": why, "remarks": remarks}
    return {**measures, **ends}


def _without_speech(measures: Measures, remarks: list[str]) -> Measures:
    reason = "no speech was found"
    measures |= {"speech_s": 0.0, "speech_share": 0.0}
    known = ("noise_floor_dbfs", "speech_s", "speech_share")
    why = {name: reason for name in SUMMARY if name not in known}
    return _closed(measures, "not_measured", reason, why, remarks)


def _extent(track: Track, first: int, last: int, spoken_s: float) -> Measures:
    """How much speech there is, and where the first and the last of it lie."""
    sound_s = float(track.valid.sum() * HOP_S)
    n_after = len(track) - last
    found: Measures = {"speech_s": spoken_s}
    found["speech_share"] = spoken_s / sound_s
    found["first_speech_s"] = float(track.times_s[first])
    last_row_s = track.times_s[last - 1]
    found["last_speech_s"] = float(last_row_s + HOP_S)
    found["latency_s"] = first * HOP_S
    found["trailing_s"] = n_after * HOP_S
    return found


def _db_sum(levels: Levels) -> float:
    """Mean over rows of the power of all bands, in dB."""
    if not len(levels):
        return math.nan
    power = 10 ** (levels / 10)
    of_all_bands = np.sum(power, axis=1)
    return float(decibels(np.mean(of_all_bands)))


def _snr_db(levels: Levels, floor: Levels) -> float:
    """Level of speech alone (noise subtracted) over the noise floor."""
    signal = 10 ** (_db_sum(levels) / 10)
    noise = 10 ** (_db_sum(floor) / 10)
    speech_alone = max(signal - noise, 1e-12)
    return float(decibels(np.array(speech_alone / noise)))


def _pitch_measures(pitch_hz: Rows, why: Reasons, settings: VoiceSettings) -> Measures:
    heard = pitch_hz[np.isfinite(pitch_hz)]
    out = {"voiced_share": len(heard) / len(pitch_hz)}
    if len(heard) * HOP_S < settings.min_voiced_s:
        reason = f"less than {settings.min_voiced_s} s of voiced speech"
        why |= dict.fromkeys(("pitch_median_hz", "pitch_sd_st", "pitch_range_st"), reason)
        return out
    median_hz = float(np.median(heard))
    semitones = 12 * np.log2(heard / median_hz)
    low, high = np.percentile(semitones, [5, 95])
    out["pitch_median_hz"] = median_hz
    out["pitch_sd_st"] = float(semitones.std())
    out["pitch_range_st"] = float(high - low)
    return out


def _energy_measures(
    energy: Rows, clipped_share: float, why: Reasons, settings: VoiceSettings
) -> Measures:
    heard = energy[np.isfinite(energy)]
    if clipped_share > settings.max_clipped or not len(heard):
        reason = f"clipped: {clipped_share:.1%} of the speech is at full scale"
        why |= dict.fromkeys(("energy_median_dbfs", "energy_sd_db"), reason)
        return {}
    median = float(np.median(heard))
    return {"energy_median_dbfs": median, "energy_sd_db": float(heard.std())}


def _rates(
    n: int, spoken_s: float, span_s: float, why: Reasons, settings: VoiceSettings
) -> Measures:
    out: Measures = {"n_syllables": n}
    if spoken_s < settings.min_rate_s:
        reason = f"less than {settings.min_rate_s} s of speech"
        why |= dict.fromkeys(("speech_rate_per_s", "articulation_rate_per_s"), reason)
        return out
    out["speech_rate_per_s"] = n / span_s
    out["articulation_rate_per_s"] = n / spoken_s
    return out


def _judge_noise(out: Measures, why: Reasons, remarks: list[str], settings: VoiceSettings) -> None:
    snr_db = out["snr_db"]
    if snr_db < settings.min_snr_db:
        reason = f"too noisy: speech is {snr_db:.0f} dB over the noise"
        lost = [name for name in SUMMARY if name.startswith(_LOST_IN_NOISE)]
        out |= dict.fromkeys(lost, math.nan)
        why |= dict.fromkeys(lost, reason)
        remarks.append(reason)
    elif snr_db < settings.noisy_db:
        remarks.append(
            f"noisy ({snr_db:.0f} dB over the noise): edges of pauses are uncertain by about 0.1 s"
        )
    if snr_db < settings.noisy_db:
        reason = f"too noisy: octave errors widen it ({snr_db:.0f} dB over the noise)"
        for name in ("pitch_sd_st", "pitch_range_st"):
            out[name] = math.nan
            why.setdefault(name, reason)

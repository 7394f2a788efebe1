"""Voice measures against signals whose pitch, pauses, syllables and levels are known because they
are made here.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from twomind.core.errors import BadInput, MissingExtra
from twomind.features.voice import track
from twomind.features.voice.speech_activity import choose_detector
from twomind.features.voice.track import (
    ANOTHER,
    NAMES,
    REASONS,
    SUMMARY,
    VoiceResult,
    VoiceSettings,
)
from twomind.sound import rows as speech_rows
from twomind.sound.pitch import PitchSettings, track_pitch
from twomind.sound.rows import HOP_S

RATE_HZ = 16000


def describe_voice(
    waveform: Sound, settings: VoiceSettings | None = None, others: track.Spans = ()
) -> VoiceResult:
    """By level and pitch unless told: silero does not take the sounds that are made here for
    voices.
    """
    settings = settings or VoiceSettings()
    if settings.vad == "auto":
        settings = dataclasses.replace(settings, vad="energy")
    return track.describe_voice(waveform, settings, others)


@dataclasses.dataclass(frozen=True)
class Sound:
    values: np.ndarray
    sample_rate_hz: int = RATE_HZ
    start_s: float = 0.0
    gaps: tuple[tuple[float, float], ...] = ()


def _sound(values: np.ndarray, **kwargs: object) -> Sound:
    return Sound(np.asarray(values, np.float32), **kwargs)  # type: ignore[arg-type]


def _tone(pitch_hz: np.ndarray, tilt: float = 1.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """A harmonic tone that follows ``pitch_hz (n,)``; harmonic k has amplitude ``k ** -tilt``."""
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    tone = np.zeros(len(pitch_hz))
    for k in range(1, 25):
        tone += np.where(k * pitch_hz < 0.4 * rate_hz, k**-tilt, 0.0) * np.sin(k * phase)
    return tone / tone.std()


def _at_snr(signal: np.ndarray, snr_db: float, seed: int = 0, level: float = 0.05) -> np.ndarray:
    """Signal of RMS ``level`` where it sounds, plus white noise."""
    rms = signal[np.abs(signal) > 0].std()
    noise = np.random.default_rng(seed).normal(0, level * 10 ** (-snr_db / 20), len(signal))
    return signal / rms * level + noise


#: (start_s, end_s, syllables) of speech-like stretches; silences .3, .5, 1.2 and 2 s between them.
STRETCHES = ((0.8, 2.05, 5), (2.35, 3.35, 4), (3.85, 5.35, 6), (6.55, 7.55, 4), (9.55, 10.3, 3))
DURATION_S = 11.0
PAUSES = tuple((a[1], b[0]) for a, b in pairwise(STRETCHES))


def _speech(duration_s: float = DURATION_S, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Stretches of syllables of 250 ms: a vowel with falling pitch that swells and fades, 12 dB
    dips between them.
    """
    t = np.arange(int(duration_s * rate_hz)) / rate_hz
    voice = _tone(140 * 2 ** (-0.3 * (t % 2.5) / 2.5), rate_hz=rate_hz)
    envelope = np.zeros(len(t))
    for start_s, end_s, n in STRETCHES:
        inside = (t >= start_s) & (t < end_s)
        phase = (t[inside] - start_s) / (end_s - start_s) * n
        edges = np.clip(np.minimum(t[inside] - start_s, end_s - t[inside]) / 0.01, 0, 1)
        envelope[inside] = (0.25 + 0.75 * np.sin(np.pi * phase) ** 2) * edges
    return voice * envelope


def _errors_s(
    found: tuple[tuple[float, float], ...], true: tuple[tuple[float, float], ...]
) -> list[float]:
    """Largest edge error of each true pause; a missing or extra pause fails."""
    assert len(found) == len(true), f"found {found}, true {true}"
    return [max(abs(a - c), abs(b - d)) for (a, b), (c, d) in zip(found, true, strict=True)]


# --- pitch


@pytest.mark.parametrize("snr_db", [30, 10])
@pytest.mark.parametrize(
    "contour",
    [
        pytest.param(lambda t: np.full(len(t), 70.0), id="70 Hz"),
        pytest.param(lambda t: np.full(len(t), 120.0), id="120 Hz"),
        pytest.param(lambda t: np.full(len(t), 450.0), id="450 Hz"),
        pytest.param(lambda t: 80 * 2 ** (2 * t / t[-1]), id="glide over two octaves"),
        pytest.param(
            lambda t: 180 * 2 ** (0.5 * np.sin(2 * np.pi * t)),
            id="sweeping an octave in half a second",
        ),
    ],
)
def test_pitch_of_harmonic_tones(contour, snr_db: int) -> None:  # type: ignore[no-untyped-def]
    t = np.arange(4 * RATE_HZ) / RATE_HZ
    true_hz = contour(t)
    found, periodic = track_pitch(_sound(_at_snr(_tone(true_hz), snr_db)))
    middles = (np.arange(len(found)) + 0.5) * HOP_S
    error = np.abs(found / np.interp(middles, t, true_hz) - 1)
    assert np.isfinite(found).mean() > 0.98
    assert np.nanmedian(error) < 0.01
    assert (error[np.isfinite(found)] > 0.05).mean() < 0.01
    assert periodic.min() > 0.5


def test_no_pitch_in_noise_hum_or_silence() -> None:
    rng = np.random.default_rng(1)
    t = np.arange(5 * RATE_HZ) / RATE_HZ
    for values in (
        0.1 * rng.normal(size=len(t)),
        np.zeros(len(t)),
        0.2 * np.sin(2 * np.pi * 50 * t),
    ):
        found, _ = track_pitch(_sound(values + 1e-4 * rng.normal(size=len(t))))
        assert np.isfinite(found).mean() < 0.01


def test_pitch_range_is_a_setting() -> None:
    tone = _tone(np.full(RATE_HZ, 300.0))
    found, _ = track_pitch(_sound(0.1 * tone), PitchSettings(ceiling_hz=250))
    assert np.nanmax(np.nan_to_num(found)) <= 251


# --- speech activity and pauses


@pytest.mark.parametrize("snr_db", [60, 30, 20, 10])
def test_pauses_within_50_ms(snr_db: int) -> None:
    result = describe_voice(_sound(_at_snr(_speech(), snr_db)))
    assert max(_errors_s(result.pauses, PAUSES)) <= 0.05
    assert result.summary["vad"] == "energy"
    assert result.summary["latency_s"] == pytest.approx(0.8, abs=0.05)
    assert result.summary["trailing_s"] == pytest.approx(0.7, abs=0.05)
    assert result.summary["pause_longest_s"] == pytest.approx(2.0, abs=0.08)


def _hum(t: np.ndarray) -> np.ndarray:
    return 0.03 * np.sin(2 * np.pi * 50 * t) + 0.01 * np.sin(2 * np.pi * 150 * t)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda x, t: x + _hum(t), id="50 Hz hum"),
        pytest.param(lambda x, t: x + 0.3, id="DC offset"),
        pytest.param(lambda x, t: np.clip(15 * x, -1, 1), id="clipping"),
        pytest.param(lambda x, t: x * 0.01, id="40 dB quieter"),
    ],
)
def test_pauses_in_spoilt_sound(spoil) -> None:  # type: ignore[no-untyped-def]
    x = _at_snr(_speech(), 50)
    clean = describe_voice(_sound(x))
    spoilt = describe_voice(_sound(spoil(x, np.arange(len(x)) / RATE_HZ)))
    assert max(_errors_s(spoilt.pauses, PAUSES)) <= 0.05
    assert spoilt.summary["pitch_median_hz"] == pytest.approx(
        clean.summary["pitch_median_hz"], rel=0.01
    )


def test_pauses_while_the_noise_doubles() -> None:
    x = _at_snr(_speech(), 50)
    rise = np.linspace(0.004, 0.008, len(x))  # 22 to 16 dB under the speech
    result = describe_voice(_sound(x + rise * np.random.default_rng(2).normal(size=len(x))))
    assert max(_errors_s(result.pauses, PAUSES)) <= 0.08


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
def test_other_sample_rates(rate_hz: int) -> None:
    result = describe_voice(_sound(_at_snr(_speech(rate_hz=rate_hz), 40), sample_rate_hz=rate_hz))
    assert max(_errors_s(result.pauses, PAUSES)) <= 0.05
    assert len(result.track) == round(DURATION_S / HOP_S)
    assert result.summary["pitch_median_hz"] == pytest.approx(122, rel=0.02)


def test_breath_and_click_in_a_pause_are_not_speech() -> None:
    x = _at_snr(_speech(), 50)
    rng = np.random.default_rng(3)
    breath = slice(int(8.0 * RATE_HZ), int(8.6 * RATE_HZ))
    x[breath] += (
        0.01 * rng.normal(size=breath.stop - breath.start) * np.hanning(breath.stop - breath.start)
    )
    click = slice(int(6.0 * RATE_HZ), int(6.01 * RATE_HZ))
    x[click] += 0.2 * rng.normal(size=click.stop - click.start)
    assert max(_errors_s(describe_voice(_sound(x)).pauses, PAUSES)) <= 0.05


def test_clock_starts_where_the_sound_starts() -> None:
    result = describe_voice(_sound(_at_snr(_speech(), 40), start_s=2.43))
    shifted = tuple((a + 2.43, b + 2.43) for a, b in PAUSES)
    assert max(_errors_s(result.pauses, shifted)) <= 0.05
    assert result.track.times_s[0] == 2.43
    assert result.track.times_s[1] - 2.43 == pytest.approx(HOP_S)
    assert result.summary["first_speech_s"] == pytest.approx(3.23, abs=0.05)
    assert result.summary["latency_s"] == pytest.approx(0.8, abs=0.05)


def test_shortest_pause_is_a_setting() -> None:
    sound = _sound(_at_snr(_speech(), 40))
    assert len(describe_voice(sound, VoiceSettings(min_pause_s=0.4)).pauses) == 3
    assert len(describe_voice(sound, VoiceSettings(min_pause_s=1.0)).pauses) == 2


def test_a_gap_in_the_recording_is_neither_pause_nor_silence() -> None:
    x = _at_snr(_speech(), 40)
    gap = (8.0, 8.9)  # inside the pause of 2 s
    x[int(8.0 * RATE_HZ) : int(8.9 * RATE_HZ)] = 0.0
    result = describe_voice(_sound(x, start_s=1.0, gaps=((gap[0] + 1, gap[1] + 1),)))
    assert max(_errors_s(result.pauses, tuple((a + 1, b + 1) for a, b in PAUSES[:3]))) <= 0.05
    missing = ~result.track.valid
    assert np.flatnonzero(missing).tolist() == list(range(800, 890))
    assert result.track.reason_code is not None
    assert {result.track.reasons[k] for k in result.track.reason_code[missing]} == {
        "gap in the recording"
    }
    assert np.isnan(result.track.column("energy")[missing]).all()
    assert any("0.90 s of the sound are missing" in r for r in result.summary["remarks"])
    whole = describe_voice(_sound(_at_snr(_speech(), 40)))
    assert result.summary["speech_s"] == pytest.approx(whole.summary["speech_s"], abs=0.03)


# --- rates, energy


def test_syllables_and_rates() -> None:
    s = describe_voice(_sound(_at_snr(_speech(), 40))).summary
    n, spoken_s, span_s = 22, sum(b - a for a, b, _ in STRETCHES), 9.5
    assert s["n_syllables"] == n
    assert s["articulation_rate_per_s"] == pytest.approx(n / spoken_s, rel=0.05)
    assert s["speech_rate_per_s"] == pytest.approx(n / span_s, rel=0.02)
    assert s["speech_s"] == pytest.approx(spoken_s, abs=0.2)
    assert s["voiced_share"] > 0.9


def test_levels_are_dbfs_and_variability_is_measured() -> None:
    t = np.arange(4 * RATE_HZ) / RATE_HZ
    sounds = (t >= 0.5) & (t < 3.5)
    steady = describe_voice(_sound(0.1 * _tone(np.full(len(t), 150.0)) * sounds))
    assert steady.summary["energy_median_dbfs"] == pytest.approx(-20, abs=0.3)
    assert steady.summary["energy_sd_db"] < 0.5
    assert steady.summary["pitch_sd_st"] < 0.1
    lively = describe_voice(_sound(0.1 * _tone(150 * 2 ** (0.25 * np.sin(2 * np.pi * t))) * sounds))
    assert lively.summary["pitch_sd_st"] == pytest.approx(3 / math.sqrt(2), rel=0.05)
    assert lively.summary["pitch_range_st"] == pytest.approx(6, rel=0.1)
    swelling = describe_voice(
        _sound(
            0.1 * _tone(np.full(len(t), 150.0)) * 10 ** (3 * np.sin(2 * np.pi * t) / 20) * sounds
        )
    )
    assert swelling.summary["energy_sd_db"] == pytest.approx(3 / math.sqrt(2), rel=0.1)


def test_noise_shows_in_the_quality() -> None:
    quiet, noisy = (describe_voice(_sound(_at_snr(_speech(), snr))).summary for snr in (40, 5))
    assert quiet["snr_db"] == pytest.approx(40, abs=4)
    assert noisy["snr_db"] == pytest.approx(5, abs=3)
    assert not quiet["remarks"]
    assert any("noisy" in r for r in noisy["remarks"])
    assert math.isnan(noisy["pitch_range_st"])
    assert "octave" in noisy["not_measured"]["pitch_range_st"]


def test_clipped_speech_has_no_energy_but_a_pitch() -> None:
    s = describe_voice(_sound(np.clip(30 * _at_snr(_speech(), 50), -1, 1))).summary
    assert s["clipped_share"] > 0.1
    assert math.isnan(s["energy_median_dbfs"])
    assert "clipped" in s["not_measured"]["energy_sd_db"]
    assert s["pitch_median_hz"] == pytest.approx(122, rel=0.02)


# --- nothing to measure


def _assert_no_number(result: VoiceResult, allowed: tuple[str, ...] = ()) -> None:
    for name in SUMMARY:
        if name in allowed:
            continue
        assert math.isnan(result.summary[name]), name
        assert result.summary["not_measured"][name]
    assert result.summary["status"] == "not_measured"
    assert result.summary["reason"]
    assert result.pauses == ()


def test_no_sound() -> None:
    result = describe_voice(Sound(np.empty(0, np.float32), start_s=math.nan))
    assert len(result.track) == 0
    assert result.summary["reason"] == "no sound"
    _assert_no_number(result)


@pytest.mark.parametrize(("level", "reason"), [(0.0, "silent"), (1e-4, "too quiet")])
def test_silence_has_reasons_and_no_numbers(level: float, reason: str) -> None:
    result = describe_voice(_sound(level * np.random.default_rng(0).normal(size=3 * RATE_HZ)))
    assert not result.track.valid.any()
    assert np.isnan(result.track.values).all()
    assert result.track.reason_code is not None
    assert reason in result.track.reasons[result.track.reason_code[0]]
    assert reason in result.summary["reason"]
    _assert_no_number(result)


def test_noise_is_measured_and_is_no_speech() -> None:
    result = describe_voice(_sound(0.05 * np.random.default_rng(0).normal(size=5 * RATE_HZ)))
    assert result.track.valid.all()
    assert not result.track.column("speech").any()
    assert np.isnan(result.track.column("pitch")).all()
    assert result.summary["speech_s"] == 0
    _assert_no_number(result, allowed=("speech_s", "speech_share", "noise_floor_dbfs"))
    assert result.summary["noise_floor_dbfs"] == pytest.approx(-26.7, abs=1)


def test_one_short_word_has_no_rate() -> None:
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    word = _tone(np.full(len(t), 150.0)) * ((t > 0.5) & (t < 0.9))
    s = describe_voice(_sound(_at_snr(word, 40))).summary
    assert s["status"] == "ok"
    assert math.isnan(s["speech_rate_per_s"])
    assert "less than" in s["not_measured"]["speech_rate_per_s"]
    assert (s["n_pauses"], s["pause_total_s"]) == (0, 0)
    assert math.isnan(s["pause_mean_s"])


def test_everything_not_a_number_is_explained() -> None:
    for values in (_at_snr(_speech(), 40), _at_snr(_speech(), 3), np.clip(30 * _speech(), -1, 1)):
        s = describe_voice(_sound(values)).summary
        assert {k for k in SUMMARY if math.isnan(s[k])} == set(s["not_measured"])


# --- one result, whatever the way


def test_result_does_not_depend_on_blocks_in_memory_or_on_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.tile(_at_snr(_speech(), 20), 5).astype(np.float32)
    in_memory = describe_voice(_sound(x))
    file = np.memmap(tmp_path / "x", np.float32, "w+", shape=x.shape)
    file[:] = x
    mapped = describe_voice(Sound(file))
    np.testing.assert_array_equal(in_memory.track.values, mapped.track.values)
    assert in_memory.pauses == mapped.pauses
    # Energy, speech and syllables do not know of blocks at all; pitch settles block by block with
    # context.
    monkeypatch.setattr(speech_rows, "BLOCK_ROWS", 700)
    other = describe_voice(_sound(x))
    for name in ("energy", "speech", "syllable"):
        np.testing.assert_allclose(
            in_memory.track.column(name), other.track.column(name), atol=1e-4
        )
    np.testing.assert_allclose(
        in_memory.track.column("pitch"), other.track.column("pitch"), rtol=1e-3
    )


def test_table_has_named_columns_with_units() -> None:
    track = describe_voice(_sound(_at_snr(_speech(), 40))).track
    assert track.names == NAMES == ("speech", "pitch", "energy", "syllable")
    assert track.units == ("0/1", "Hz", "dBFS", "0/1")
    assert set(np.unique(track.column("speech"))) == {0.0, 1.0}
    assert not (track.column("syllable") > track.column("speech")).any()
    assert np.isnan(track.column("pitch")[track.column("speech") == 0]).all()


# --- which detector


def test_detector_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="silero"):
        choose_detector("webrtc", RATE_HZ)
    assert choose_detector("energy", 44100) == "energy"
    monkeypatch.setattr("twomind.features.voice.speech_activity._silero_file", lambda: None)
    assert choose_detector("auto", RATE_HZ) == "energy"
    with pytest.raises(MissingExtra, match=r"twomind\[speech\]"):
        choose_detector("silero", RATE_HZ)


def _espeak(text: str) -> np.ndarray:
    """Speech at 16 kHz trimmed to what is audible (36 dB under its peak)."""
    from scipy.signal import resample_poly

    done = subprocess.run(
        ["espeak-ng", "-s", "160", "-z", "--stdout", text], capture_output=True, check=True
    )
    raw = np.frombuffer(done.stdout[44 : len(done.stdout) // 2 * 2], "<i2") / 32768
    values = resample_poly(raw, 320, 441)
    loud = np.flatnonzero(np.abs(values) > np.abs(values).max() * 10 ** (-36 / 20))
    return values[loud[0] : loud[-1] + 1]


#: Our own sentences, with their syllables.
SENTENCES = (
    ("I would like to start running again in the morning", 13),
    ("My sister asked me twice already", 9),
    ("Perhaps after the summer things get easier", 11),
    ("Then it rained and I stayed at home", 9),
    ("We always say next week", 6),
    ("That is all I can say about it", 9),
)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs the program espeak-ng")
@pytest.mark.parametrize(
    ("vad", "snr_db", "within_s"), [("energy", 45, 0.05), ("energy", 10, 0.1), ("silero", 45, 0.05)]
)
def test_pauses_and_syllables_of_a_speaking_program(vad: str, snr_db: int, within_s: float) -> None:
    if vad == "silero":
        pytest.importorskip("faster_whisper", reason="needs the extra speech")
    gaps_s = (0.3, 0.45, 0.7, 1.1, 1.8)
    parts, true, at = [np.zeros(RATE_HZ // 2)], [], RATE_HZ // 2
    for i, (sentence, _) in enumerate(SENTENCES):
        parts.append(_espeak(sentence))
        at += len(parts[-1])
        gap = int(gaps_s[i] * RATE_HZ) if i < len(gaps_s) else RATE_HZ // 2
        if i < len(gaps_s):
            true.append((at / RATE_HZ, (at + gap) / RATE_HZ))
        parts.append(np.zeros(gap))
        at += gap
    result = describe_voice(_sound(_at_snr(np.concatenate(parts), snr_db)), VoiceSettings(vad=vad))
    assert result.summary["vad"] == vad
    assert max(_errors_s(result.pauses, tuple(true))) <= within_s
    n = sum(count for _, count in SENTENCES)
    assert result.summary["n_syllables"] == pytest.approx(n, rel=0.15)


# --- other people in the recording

#: When another person speaks: before this one begins, in their pause of 2 s, and after them.
TURNS = ((0.0, 0.55), (7.75, 9.35), (10.5, 10.95))


def _another(duration_s: float = DURATION_S) -> np.ndarray:
    """A higher and louder voice in :data:`TURNS`."""
    t = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    voice = _tone(240 * 2 ** (0.2 * np.sin(2 * np.pi * 1.3 * t)))
    syllables = 0.3 + 0.7 * np.sin(2 * np.pi * 2.5 * t) ** 2
    spoken = np.zeros(len(t))
    for start_s, end_s in TURNS:
        spoken[(t >= start_s + 0.03) & (t < end_s - 0.03)] = 1.0
    return 0.12 * voice * syllables * spoken


@pytest.mark.parametrize("start_s", [0.0, 2.5])
def test_what_others_say_is_neither_voice_nor_pause(start_s: float) -> None:
    own = _at_snr(_speech(), 40)
    turns = tuple((a + start_s, b + start_s) for a, b in TURNS)
    alone = describe_voice(_sound(own, start_s=start_s)).summary
    mixed = describe_voice(_sound(own + _another(), start_s=start_s))
    apart = describe_voice(_sound(own + _another(), start_s=start_s), others=turns)
    found = apart.summary
    assert mixed.summary["speech_s"] > alone["speech_s"] + 2, "the other voice is heard as speech"
    own_measures = ("speech_s", "n_syllables", "pitch_median_hz", "pitch_sd_st", "voiced_share")
    for name in (*own_measures, "energy_median_dbfs", "energy_sd_db", "articulation_rate_per_s"):
        assert found[name] == pytest.approx(alone[name], rel=0.03), name
    for name in ("first_speech_s", "last_speech_s"):
        assert found[name] == pytest.approx(alone[name], abs=0.05), name
    own_pauses_s = [end_s - begin_s for begin_s, end_s in PAUSES[:3]]
    assert found["pause_mean_s"] == pytest.approx(np.mean(own_pauses_s), abs=0.05)
    # The silences beside the other's turn in the middle are changes of turns.
    assert found["n_pauses"] == 3
    assert found["latency_s"] == pytest.approx(STRETCHES[0][0] - TURNS[0][1], abs=0.05)
    assert found["trailing_s"] == pytest.approx(TURNS[2][0] - STRETCHES[-1][1], abs=0.05)
    left_out_s = sum(b - a for a, b in TURNS)
    assert found["speech_share"] == pytest.approx(
        alone["speech_s"] / (DURATION_S - left_out_s), rel=0.03
    )
    assert f"{left_out_s:.1f} s of other people's speech left out" in str(found["remarks"])
    assert "missing" not in str(found["remarks"]), "the sound itself is there"


def test_rows_in_which_another_speaks_are_not_valid_and_say_so() -> None:
    sound = _sound(_at_snr(_speech(), 40) + _another())
    track = describe_voice(sound, others=TURNS).track
    assert track.reason_code is not None
    middles_s = track.times_s + HOP_S / 2
    inside = np.zeros(len(track), bool)
    for start_s, end_s in TURNS:
        inside |= (middles_s > start_s) & (middles_s < end_s)
    assert np.array_equal(~track.valid, inside)
    reasons = {track.reasons[code] for code in track.reason_code[inside]}
    assert reasons == {ANOTHER}
    assert np.isnan(track.values[inside][:, NAMES.index("energy")]).all(), (
        "not their loudness either"
    )


def test_a_gap_of_the_recording_stays_one_beside_other_people() -> None:
    sound = _sound(_at_snr(_speech(), 40) + _another(), gaps=((5.5, 6.0),))
    found = describe_voice(sound, others=TURNS)
    assert found.track.reason_code is not None
    assert set(found.track.reason_code[550:600]) == {1}
    assert "0.50 s of the sound are missing" in found.summary["remarks"]


def test_nobody_else_changes_no_byte() -> None:
    sound = _sound(_at_snr(_speech(), 20))
    plain = describe_voice(sound)
    same = describe_voice(sound, others=())
    beyond = describe_voice(sound, others=((DURATION_S + 1, DURATION_S + 2),))
    for found in (same, beyond):
        assert found.track.values.tobytes() == plain.track.values.tobytes()
        assert found.track.reasons == plain.track.reasons == REASONS
        assert str(found.summary) == str(plain.summary)


def test_others_who_speak_all_the_time_leave_nothing_to_measure() -> None:
    found = describe_voice(_sound(_another()), others=((0.0, DURATION_S),))
    assert found.summary["reason"] == "other people speak all the time"
    assert not found.track.valid.any()
    assert found.track.reason_code is not None
    assert {found.track.reasons[code] for code in found.track.reason_code} == {ANOTHER}
    assert all(math.isnan(found.summary[name]) for name in SUMMARY)

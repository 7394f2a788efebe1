"""Pitch, rows of sound, voice activity, syllables and the summary of a voice against slow references."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features.test_reference_cues import nan, ref

from twomind.features.voice import speech_activity, speech_rate
from twomind.features.voice import track as voice
from twomind.features.voice.track import NAMES, UNITS, VoiceSettings
from twomind.sound import pitch
from twomind.sound import rows as speech_rows
from twomind.sound.runs import runs
from twomind.types import Track

QUICK = settings(deadline=None, derandomize=True, max_examples=40)


# --- pitch
# ----------------------------------------------------------------------------------------------------------

FREQ = st.sampled_from([nan, 100.0, 200.0, 210.0, 400.0])


@QUICK
@given(st.integers(1, 5), st.data())
def test_the_best_path_is_the_best_of_all_paths(n: int, data: Any) -> None:
    freqs = [[nan, *data.draw(st.lists(FREQ, min_size=2, max_size=2))] for _ in range(n)]
    amounts = st.integers(-4, 8).map(lambda k: k / 8)
    scores = [data.draw(st.lists(amounts, min_size=3, max_size=3)) for _ in range(n)]
    s = pitch.PitchSettings()
    path = pitch._best_path(np.array(freqs), np.array(scores), s)
    found = ref.path_score(path.tolist(), freqs, scores, 0.5, 0.2)
    assert found == pytest.approx(ref.best_path(freqs, scores, 0.5, 0.2))


def test_an_octave_up_for_one_row_costs_more_than_a_weaker_candidate() -> None:
    """Jump and back cost .5 each: a candidate an octave off must be better by more than 1."""
    freqs = np.array([[nan, 100.0, 200.0]] * 3)
    for extra, expected in ((0.99, [1, 1, 1]), (1.01, [1, 2, 1])):
        scores = np.array([[0.0, 2.0, 0.0], [0.0, 1.0, 1.0 + extra], [0.0, 2.0, 0.0]])
        assert pitch._best_path(freqs, scores, pitch.PitchSettings()).tolist() == expected


def test_the_score_of_a_candidate() -> None:
    """Strength, and .02 for every octave over the floor; unvoiced is worth the voicing threshold,
    more in silence.
    """
    s = pitch.PitchSettings()
    freqs = np.array([[nan, 65.0, 130.0, nan]] * 4)
    strengths = np.array([[0.0, 0.9, 0.8, -np.inf]] * 4)
    level = np.array([0.0, 0.0, 0.0, -40.0])
    found = pitch._scores(freqs, strengths, level, s)
    loud = ref.percentile(level.tolist(), 90)
    assert found[0] == pytest.approx([0.45, 0.9, 0.82, -1e3])
    assert found[3, 0] == pytest.approx(0.45 + min(max((loud - 35 + 40) / 10, 0), 1))
    silent = pitch._scores(freqs, strengths, np.array([0.0, 0.0, 0.0, -101.0]), s)
    assert silent[3, 0] == pytest.approx(0.45 + 1 + 1)
    assert pitch._scores(freqs, strengths, np.full(4, -100.0), s)[0, 0] == pytest.approx(0.45)


def sound(values: np.ndarray, rate: int = 16000, start_s: float = 0.0, gaps: Any = ()) -> Any:
    return SimpleNamespace(
        values=values.astype(np.float32), sample_rate_hz=rate, start_s=start_s, gaps=gaps
    )


@pytest.mark.parametrize("hz", [80.0, 110.0, 220.0, 440.0])
def test_the_pitch_of_a_buzz_is_its_own_and_no_octave_of_it(hz: float) -> None:
    t = np.arange(8000) / 16000
    buzz = sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 6)) * 0.1
    found, periodic = pitch.track_pitch(sound(buzz))
    middle = slice(10, 40)
    assert len(found) == 50
    assert np.median(found[middle]) == pytest.approx(hz, rel=0.003)
    assert np.nanmax(np.abs(np.log2(found[middle] / hz))) < 0.05
    assert periodic[middle].min() > 0.9
    assert (periodic <= 1).all()


def test_no_candidate_is_stronger_than_wholly_periodic() -> None:
    """A peak between two lags is interpolated and may come out above 1; it is folded back, as
    Boersma (1993) does.
    """
    t = np.arange(8000) / 16000
    for hz in (430.0, 470.0, 490.0):
        freqs, strengths, level = pitch._candidates(
            sound(0.5 * np.sin(2 * np.pi * hz * t)), 10, 40, pitch.PitchSettings()
        )
        assert strengths.max() <= 1
        assert strengths[:, 1:].max(axis=1).min() > 0.99
        assert np.nanmin(np.abs(freqs - hz), axis=1).max() < 1
        # The mean square over the window, whose own mean square is 3/8: -9 - 4.3 dB.
        assert level == pytest.approx(np.full(30, 10 * math.log10(0.125 * 0.375)), abs=0.1)


# --- rows of sound
# --------------------------------------------------------------------------------------------------


@QUICK
@given(st.lists(st.booleans(), max_size=30))
def test_runs_of_true(flags: list[bool]) -> None:
    assert runs(np.array(flags, bool)) == ref.spans(flags)


def test_rows_of_a_sound_and_where_its_windows_lie() -> None:
    assert speech_rows.HOP_S == 0.01
    for n, rows_ in ((0, 0), (79, 0), (80, 1), (160, 1), (239, 1), (240, 2), (1600, 10)):
        assert speech_rows.n_rows(sound(np.zeros(n))) == rows_, n
    ramp = sound(np.arange(1600.0))
    found = speech_rows.windows(ramp, 0, 10, 4)
    # Row k covers the samples 160 k … 160 k + 159; its middle is 160 k + 80, and the window lies
    # around it.
    assert found[0].tolist() == [78, 79, 80, 81]
    assert found[9].tolist() == [1518, 1519, 1520, 1521]
    wide = speech_rows.windows(ramp, 0, 1, 400)
    assert wide[0, :120].tolist() == [0] * 120, "zeros before the beginning"
    assert wide[0, 120:].tolist() == list(range(280))
    last = speech_rows.windows(ramp, 9, 10, 400)
    assert last[0, -120:].tolist() == [0] * 120
    assert last[0, 0] == 1320
    filtered = speech_rows.windows(ramp, 3, 5, 4, lambda x: x[::-1][::-1] + 1, margin=7)
    assert filtered[0].tolist() == [559, 560, 561, 562]
    assert list(speech_rows.blocks(4001)) == [(0, 2000), (2000, 4000), (4000, 4001)]
    assert list(speech_rows.blocks(0)) == []


def test_rows_that_overlap_a_gap() -> None:
    holed = sound(np.zeros(3200), start_s=1.0, gaps=((1.02, 1.05), (1.101, 1.109), (1.15, 1.15)))
    assert np.flatnonzero(speech_rows.gap_rows(holed, 20)).tolist() == [2, 3, 4, 10]
    before = sound(np.zeros(3200), start_s=1.0, gaps=((0.5, 1.005),))
    assert np.flatnonzero(speech_rows.gap_rows(before, 20)).tolist() == [0]


def test_decibels() -> None:
    found = speech_rows.decibels(np.array([1.0, 0.1, 0.01, 1e-12, 0.0]))
    assert found == pytest.approx([0, -10, -20, -120, -120])


# --- voice activity and syllables
# -----------------------------------------------------------------------------------

ACTIVITY = speech_activity.ActivitySettings()


@QUICK
@given(st.lists(st.sampled_from([0.0, 4.0, 5.0, 7.0, 8.0, 9.0]), max_size=20))
def test_speech_enters_high_and_lasts_low(values: list[float]) -> None:
    found = speech_activity._hysteresis(np.array(values), 8.0, 5.0)
    expected = [False] * len(values)
    for a, b in ref.spans([v >= 5.0 for v in values]):
        if any(v >= 8.0 for v in values[a:b]):
            expected[a:b] = [True] * (b - a)
    assert found.tolist() == expected


@QUICK
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([2.9, 3.0, 5.0])), min_size=1, max_size=25)
)
def test_edges_of_speech_reach_out_fifty_milliseconds(table: list[tuple[bool, float]]) -> None:
    active, rise = [a for a, _ in table], [r for _, r in table]
    found = speech_activity._reach_out(np.array(active), np.array(rise), ACTIVITY)
    for i in range(len(table)):
        reached = active[i]
        for j in range(max(0, i - 5), min(len(table), i + 6)):
            between = range(min(i, j), max(i, j) + 1)
            path = all(rise[k] >= 3.0 or active[k] for k in between)
            # Every step is onto a row that rises; where it starts need not.
            reached = reached or (active[j] and path and rise[i] >= 3.0)
        assert found[i] == reached


def test_sound_without_voice_counts_only_beside_voiced_speech() -> None:
    def kept(
        spans: list[tuple[int, int]], voiced: list[tuple[int, int]], n: int = 120
    ) -> list[tuple[int, int]]:
        masks = []
        for given_spans in (spans, voiced):
            mask = np.zeros(n, bool)
            for a, b in given_spans:
                mask[a:b] = True
            masks.append(mask)
        return ref.spans(speech_activity._voiced_only(masks[0], masks[1], ACTIVITY).tolist())

    assert kept([(10, 30)], [(12, 15)]) == [(10, 30)], "half of the shortest stretch voiced: 30 ms"
    assert kept([(10, 30)], [(12, 14)]) == []
    assert kept([(10, 16)], [(10, 16)]) == [(10, 16)], "60 ms is speech"
    assert kept([(10, 15)], [(10, 15)]) == []
    assert kept([(10, 30), (39, 50)], [(10, 30)]) == [(10, 30), (39, 50)], (
        "90 ms away belongs to it"
    )
    assert kept([(10, 30), (40, 50)], [(10, 30)]) == [(10, 30)]
    assert kept([(10, 20), (29, 50)], [(29, 50)]) == [(10, 20), (29, 50)]
    assert kept([(10, 20), (30, 50)], [(30, 50)]) == [(30, 50)]
    assert kept([(10, 30), (35, 40), (45, 50)], [(10, 30)]) == [(10, 30), (35, 40)], (
        "only beside a voiced one itself"
    )


def test_silero_vetoes_and_the_energy_has_the_edges() -> None:
    coarse, active = np.zeros(60, bool), np.zeros(60, bool)
    coarse[20:30] = True
    active[5:55] = True
    found = speech_activity._agree(active, coarse, ACTIVITY)
    assert ref.spans(found.tolist()) == [(10, 40)], "100 ms beyond on both sides"


def test_the_noise_floor_is_the_tenth_percentile_of_the_quietest_second_and_2_db() -> None:
    """Twelve seconds of one band: 0 … 99 in each second, shifted up by 10 dB per second."""
    one = np.arange(100.0) * 0.1
    levels = np.concatenate([one + 10 * k for k in range(12)])[:, None].astype(np.float32) - 60
    none = np.zeros(1200, bool)
    found = speech_activity.noise_floor(levels, none, none, ACTIVITY)
    low = ref.percentile(one.tolist(), 10) - 60
    # Second k sees the quietest of the seconds k - 4 … k + 4.
    expected = [low + 10 * max(k - 4, 0) + 2 for k in range(12)]
    loud = ref.percentile(levels[:, 0].tolist(), 95)
    middles = [50 + 100 * k for k in range(12)]
    assert found[middles, 0] == pytest.approx([max(e, loud - 53) for e in expected], abs=0.02)
    assert found[100, 0] == pytest.approx(max(expected[0], loud - 53), abs=0.02)


def test_loud_voiced_rows_and_gaps_say_nothing_about_the_noise() -> None:
    levels = np.full((200, 1), -50.0, np.float32)
    levels[100:] = -20.0
    voiced, missing = np.zeros(200, bool), np.zeros(200, bool)
    voiced[100:] = True
    found = speech_activity.noise_floor(levels, missing, voiced, ACTIVITY)
    assert found == pytest.approx(np.full((200, 1), -48.0))
    levels[:30] = -120.0
    missing[:30] = True
    assert speech_activity.noise_floor(levels, missing, voiced, ACTIVITY).min() == pytest.approx(
        -48.0
    )


def test_syllables_are_voiced_peaks_with_dips_between() -> None:
    t = np.arange(200) * 0.01
    wave = -30 + 10 * np.cos(2 * np.pi * 5 * (t - 0.1))  # peaks at .1, .3, .5 … s
    levels = np.full((200, 8), -120.0, np.float32)
    levels[:, 3] = wave
    on = np.ones(200, bool)
    found = np.flatnonzero(speech_rate.find_syllables(levels, on, on)) * 0.01
    assert found == pytest.approx(np.arange(0.1, 2.0, 0.2), abs=0.011)
    assert not speech_rate.find_syllables(levels, ~on, on).any()
    assert not speech_rate.find_syllables(levels, on, ~on).any()
    half = on.copy()
    half[100:] = False
    assert np.flatnonzero(speech_rate.find_syllables(levels, half, on)).max() < 100
    assert np.flatnonzero(speech_rate.find_syllables(levels, on, half)).max() < 100
    outside = np.full((200, 8), -120.0, np.float32)
    outside[:, 0] = outside[:, 6] = outside[:, 7] = wave
    assert not speech_rate.find_syllables(outside, on, on).any(), (
        "hum under 300 Hz and hiss over 3.2 kHz"
    )
    for depth, n in ((1.0, 0), (3.0, 10)):
        levels[:, 3] = -30 + depth / 2 * np.cos(2 * np.pi * 5 * (t - 0.1))
        flat = len(np.flatnonzero(speech_rate.find_syllables(levels, on, on)[5:195]))
        assert flat == n, "a dip of 1.5 dB makes two of one"
    quiet = wave.copy()
    quiet[100:] -= 26
    levels[:, 3] = quiet
    assert np.flatnonzero(speech_rate.find_syllables(levels, on, on)).max() < 100, (
        "25 dB under the loudest"
    )
    quiet[100:] += 3
    levels[:, 3] = quiet
    assert np.flatnonzero(speech_rate.find_syllables(levels, on, on)).max() > 150


def test_band_levels_of_a_tone() -> None:
    """A tone of amplitude .5 has the power .125: -9 dBFS, in its own band."""
    t = np.arange(16000) / 16000
    levels = speech_activity.band_levels(sound(0.5 * np.sin(2 * np.pi * 800 * t)))
    assert levels.shape == (100, 8)
    assert levels[50, 2] == pytest.approx(10 * math.log10(0.125), abs=0.1)
    assert np.delete(levels[50], 2).max() < -40
    narrow = speech_activity.band_levels(sound(np.zeros(8000), 8000))
    assert narrow.shape == (100, 6), "at 8 kHz the bands end at 3.2 kHz"


# --- the summary of a voice
# -----------------------------------------------------------------------------------------


@QUICK
@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([False, False, False, True])),
        min_size=1,
        max_size=40,
    )
)
def test_pauses_are_their_definition(table: list[tuple[bool, bool]]) -> None:
    speech, missing = [s for s, _ in table], [m for _, m in table]
    s = VoiceSettings(min_pause_s=0.03)
    found = voice._pauses(np.array(speech), np.array(missing), 2.0, s)
    assert np.allclose(np.ravel(found), np.ravel(ref.pauses(speech, missing, 2.0, 0.03)))


def test_a_pause_lasts_a_quarter_of_a_second_or_more() -> None:
    speech = np.ones(200, bool)
    speech[50:75] = False
    speech[100:124] = False
    found = voice._pauses(speech, np.zeros(200, bool), 0.0, VoiceSettings())
    assert found == ((pytest.approx(0.5), pytest.approx(0.75)),)


def test_figures_of_a_voice_are_counts_of_rows() -> None:
    n = 500
    speech = np.zeros(n)
    speech[100:200] = speech[260:400] = 1
    hz = np.full(n, nan)
    hz[100:150] = 100.0
    hz[260:300] = 200.0
    hz[300:310] = 150.0
    energy = np.where(speech > 0, -20.0, -60.0)
    energy[100:120] = -30.0
    syllable = np.zeros(n)
    syllable[[110, 130, 270, 290, 310, 390]] = 1
    valid = np.ones(n, bool)
    valid[450:] = False
    reasons, code = voice._coded(~valid, np.zeros(n, bool))
    columns = np.stack([speech, hz, energy, syllable], 1)
    track = Track(columns, 3.0 + np.arange(n) * 0.01, valid, NAMES, UNITS, reasons, code)
    levels = np.full((n, 2), -30.0)
    floor = np.full((n, 2), -50.0)
    clipped = np.where(speech > 0, 0.004, 0.5)
    pauses = ((5.0, 5.6),)
    out = voice._summary(track, pauses, clipped, levels, floor, VoiceSettings())
    expected = {
        "speech_s": 2.4,
        "speech_share": 2.4 / 4.5,
        "first_speech_s": 4.0,
        "last_speech_s": 7.0,
        "latency_s": 1.0,
        "trailing_s": 1.0,
        "n_pauses": 1,
        "pause_total_s": 0.6,
        "pause_mean_s": 0.6,
        "pause_longest_s": 0.6,
        "pauses_per_min": 60 / 3.0,
        "clipped_share": 0.004,
        "voiced_share": 100 / 240,
        "pitch_median_hz": 125.0,
        "n_syllables": 6,
        "speech_rate_per_s": 6 / 3.0,
        "articulation_rate_per_s": 6 / 2.4,
        "energy_median_dbfs": -20.0,
        "noise_floor_dbfs": -50 + 10 * math.log10(2),
        "snr_db": 10 * math.log10((10**-3 - 10**-5) / 10**-5),
    }
    for name, value in expected.items():
        assert out[name] == pytest.approx(value, rel=1e-5), name
    tones = [12 * math.log2(v / 125.0) for v in [100.0] * 50 + [200.0] * 40 + [150.0] * 10]
    mean = sum(tones) / 100
    assert out["pitch_sd_st"] == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in tones) / 100))
    assert out["pitch_range_st"] == pytest.approx(
        ref.percentile(tones, 95) - ref.percentile(tones, 5)
    )
    levels_db = [-30.0] * 20 + [-20.0] * 220
    mean = sum(levels_db) / 240
    assert out["energy_sd_db"] == pytest.approx(
        math.sqrt(sum((v - mean) ** 2 for v in levels_db) / 240)
    )
    assert out["remarks"] == ["0.50 s of the sound are missing"]
    assert out["status"] == "ok"


def test_figures_of_a_voice_that_need_enough_of_it() -> None:
    s = VoiceSettings()
    why: dict[str, str] = {}
    hz = np.full(100, nan)
    hz[:20] = 120.0
    assert voice._pitch_measures(hz, why, s)["pitch_median_hz"] == pytest.approx(120.0), (
        ".2 s voiced is enough"
    )
    assert why == {}
    hz[0] = nan
    assert set(voice._pitch_measures(hz, why, s)) == {"voiced_share"}
    assert set(why) == {"pitch_median_hz", "pitch_sd_st", "pitch_range_st"}
    why = {}
    assert voice._rates(5, 1.0, 2.0, why, s) == {
        "n_syllables": 5,
        "speech_rate_per_s": 2.5,
        "articulation_rate_per_s": 5.0,
    }
    assert voice._rates(5, 0.99, 2.0, why, s) == {"n_syllables": 5}
    assert set(why) == {"speech_rate_per_s", "articulation_rate_per_s"}
    why = {}
    assert voice._energy_measures(np.array([-20.0, -10.0, nan]), 0.005, why, s) == {
        "energy_median_dbfs": -15.0,
        "energy_sd_db": 5.0,
    }
    assert voice._energy_measures(np.array([-20.0]), 0.0051, why, s) == {}
    assert voice._energy_measures(np.array([nan]), 0.0, {}, s) == {}


@pytest.mark.parametrize(
    ("snr_db", "lost", "spread_lost", "n_remarks"),
    [(-0.1, True, True, 1), (0.0, False, True, 1), (11.9, False, True, 1), (12.0, False, False, 0)],
)
def test_noise_forbids_pauses_below_0_db_and_pitch_spread_below_12(
    snr_db: float, lost: bool, spread_lost: bool, n_remarks: int
) -> None:
    out = {**dict.fromkeys(voice.SUMMARY, 1.0), "snr_db": snr_db}
    why: dict[str, str] = {}
    remarks: list[str] = []
    voice._judge_noise(out, why, remarks, VoiceSettings())
    forbidden = {k for k, v in out.items() if math.isnan(v)}
    rates = {"n_pauses", "pause_total_s", "pause_mean_s", "pause_longest_s", "pauses_per_min"}
    rates |= {"n_syllables", "speech_rate_per_s", "articulation_rate_per_s"}
    spread = {"pitch_sd_st", "pitch_range_st"}
    assert forbidden == (rates if lost else set()) | (spread if spread_lost else set())
    assert set(why) == forbidden
    assert len(remarks) == n_remarks


def test_energy_is_the_level_of_25_ms_and_clipping_a_share_of_it() -> None:
    t = np.arange(3200) / 16000
    wave = 0.5 * np.sin(2 * np.pi * 400 * t)
    wave[1600:] = np.where(np.arange(1600) % 2 == 0, 0.98, -0.98)
    energy, clipped = voice._energy(sound(wave), VoiceSettings())
    assert energy.shape == (20,)
    assert energy[5] == pytest.approx(10 * math.log10(0.125), abs=0.01)
    assert energy[15] == pytest.approx(10 * math.log10(0.98**2), abs=0.01)
    assert clipped[5] == 0
    assert clipped[15] in (0.0, 1.0)  # float32 of .98 may lie on either side of it
    wave[1600:] *= 0.99
    assert voice._energy(sound(wave), VoiceSettings())[1][15] == 0
    wave[1600:] *= 1.05
    assert voice._energy(sound(wave), VoiceSettings())[1][15] == 1

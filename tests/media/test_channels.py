"""Channels are judged before they are mixed to one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twomind.features.voice.track import VoiceResult, VoiceSettings, describe_voice
from twomind.media.audio import AudioSpool, Samples, Waveform
from twomind.media.channels import judge_channels, plain_mean
from twomind.media.stream import stream

RATE = 16000
STEREO = ("FL", "FR")
FILM = ("FL", "FR", "FC", "LFE", "BL", "BR")


def talk(seed: int, level: float = 0.2, seconds: float = 6.0) -> np.ndarray:
    """Noise in syllables, with rests: as loud and quiet as somebody who speaks."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    syllables = np.maximum(0.0, np.sin(2 * np.pi * (1.3 + 0.1 * seed) * t + seed)) ** 2
    sound: np.ndarray = level * syllables * rng.normal(0, 0.3, len(t))
    return sound.astype(np.float32)


def steady(seed: int, level: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, level, 6 * RATE).astype(np.float32)


def mixed(names: tuple[str, ...], *channels: np.ndarray) -> Waveform:
    """What a spool makes of these channels, pushed in pieces."""
    apart = np.stack(channels, axis=1)
    spool = AudioSpool(RATE)
    for at in range(0, len(apart), 7000):
        piece = apart[at : at + 7000]
        spool.push(Samples(at / RATE, plain_mean(piece, names), piece, names))
    return spool.waveform()


def test_two_identical_channels_are_one() -> None:
    voice = talk(1)
    found = mixed(STEREO, voice, voice)
    np.testing.assert_array_equal(found.values, voice)
    assert found.remark == ""


def test_a_loud_sound_in_both_channels_does_not_clip() -> None:
    voice = talk(1)
    voice *= 0.95 / np.abs(voice).max()
    found = mixed(STEREO, voice, voice)
    assert np.abs(found.values).max() == pytest.approx(0.95)
    assert found.peaks is not None
    assert found.peaks.max() == pytest.approx(0.95)


@pytest.mark.parametrize("shift", [1.0, 0.8])
def test_one_of_two_channels_that_cancel_is_used(shift: float) -> None:
    voice = talk(1)
    found = mixed(STEREO, voice * shift, -voice)
    np.testing.assert_array_equal(np.abs(found.values), np.abs(voice))
    assert "cancel" in found.remark


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_plug_that_turns_over_halfway_cancels_too(share: float) -> None:
    voice = talk(1)
    other = voice.copy()
    other[int(share * len(voice)) :] *= -1
    found = mixed(STEREO, other, voice)
    np.testing.assert_array_equal(np.abs(found.values), np.abs(voice))
    assert "cancel" in found.remark


@pytest.mark.parametrize("which", [0, 1])
def test_a_silent_channel_does_not_halve_the_level(which: int) -> None:
    voice = talk(1)
    channels = [voice * 1e-4, voice * 1e-4]
    channels[which] = voice
    found = mixed(STEREO, *channels)
    np.testing.assert_array_equal(found.values, voice)
    assert "silent" in found.remark
    assert ("right" if which == 0 else "left") in found.remark


def test_a_channel_of_steady_noise_is_left_out() -> None:
    voice = talk(1)
    found = mixed(STEREO, voice, steady(2, 0.02))
    np.testing.assert_array_equal(found.values, voice)
    assert "noise" in found.remark


def test_noise_in_all_channels_stays() -> None:
    found = mixed(STEREO, steady(1, 0.02), steady(2, 0.02))
    assert found.values.std() == pytest.approx(0.02 / np.sqrt(2), rel=0.05)


def test_the_centre_of_a_film_has_the_speech() -> None:
    voice, music = talk(1), talk(2, 0.4)
    low = talk(3, 0.9)
    found = mixed(FILM, music, talk(4, 0.4), voice, low, talk(5), talk(6))
    np.testing.assert_array_equal(found.values, voice)
    assert "centre" in found.remark
    quiet = mixed(FILM, voice, voice, voice * 1e-3, low, voice * 1e-5, voice * 1e-5)
    np.testing.assert_array_equal(quiet.values, voice)


def test_two_people_on_two_channels_are_both_heard_and_it_is_said() -> None:
    left, right = talk(1), talk(2)
    found = mixed(STEREO, left, right)
    np.testing.assert_allclose(found.values, (left + right) / 2, atol=1e-7)
    assert "different sound" in found.remark


def delayed(sound: np.ndarray, ms: float) -> np.ndarray:
    n = round(ms * RATE / 1000)
    late = np.concatenate([np.zeros(n), sound[: len(sound) - n]])
    return late.astype(np.float32)


@pytest.mark.parametrize("ms", [1.0, 5.0, 19.0])
def test_one_of_two_microphones_that_stand_apart_is_used(ms: float) -> None:
    """Their average is a comb filter, which has another pitch."""
    voice = talk(1)
    found = mixed(STEREO, voice, 0.8 * delayed(voice, ms))
    np.testing.assert_array_equal(found.values, voice)
    assert f"right left out: it holds the sound of another one, {ms:.1f} ms apart" in found.remark
    turned = mixed(STEREO, -0.8 * delayed(voice, ms), voice)
    np.testing.assert_array_equal(turned.values, voice)


def test_of_two_microphones_that_stand_apart_the_unclipped_one_is_used() -> None:
    voice = talk(1)
    voice *= 0.9 / np.abs(voice).max()
    clipped = np.clip(3 * delayed(voice, 5.0), -1, 1)
    found = mixed(STEREO, clipped, voice)
    np.testing.assert_array_equal(found.values, voice)


def test_channels_of_one_microphone_pair_stay_averaged() -> None:
    """With noise of their own; and a third of a millisecond apart, as on a telephone."""
    voice = talk(1)
    noisy = voice + steady(2, 0.02), voice + steady(3, 0.02)
    for left, right in (noisy, (voice, delayed(voice, 0.3))):
        found = mixed(STEREO, left, right)
        np.testing.assert_allclose(found.values, (left + right) / 2, atol=1e-7)
        assert "apart" not in found.remark


def test_two_people_who_hear_each_other_later_are_both_heard() -> None:
    """Each one's microphone has the other one 3 ms later."""
    one, other = talk(1), talk(2)
    turn = np.arange(len(one)) < len(one) // 2
    first, second = one * turn, other * ~turn
    left = first + 0.3 * delayed(second, 3.0)
    right = second + 0.3 * delayed(first, 3.0)
    found = mixed(STEREO, left, right)
    np.testing.assert_allclose(found.values, (left + right) / 2, atol=1e-7)
    assert "different sound" in found.remark


def out(sound: np.ndarray, begin_s: float, end_s: float) -> np.ndarray:
    """The sound with a time in which its channel is out."""
    found = sound.copy()
    found[int(begin_s * RATE) : int(end_s * RATE)] = 0
    return found


@pytest.mark.parametrize("late_ms", [0.0, 5.0])
@pytest.mark.parametrize(("begin_s", "end_s"), [(0, 6), (6, 9)])
def test_a_channel_that_is_out_for_a_time_is_left_out(
    begin_s: float, end_s: float, late_ms: float
) -> None:
    """Their average is half as loud there."""
    voice = talk(1, seconds=16.0)
    found = mixed(STEREO, 1.2 * out(delayed(voice, late_ms), begin_s, end_s), voice)
    np.testing.assert_array_equal(found.values, voice)
    assert (
        found.remark == "sound channel left left out: out for seconds in which another one goes on"
    )


def test_channels_that_are_out_at_different_times_are_averaged_and_it_is_said() -> None:
    voice = talk(1)
    left, right = out(voice, 0, 2), out(voice, 4, 6)
    found = mixed(STEREO, left, right)
    np.testing.assert_allclose(found.values, (left + right) / 2, atol=1e-7)
    assert "out at different times" in found.remark


def test_a_channel_of_another_person_is_not_out() -> None:
    """One who says nothing for a time, through a gate."""
    one, other = talk(1), out(talk(2), 2, 4)
    found = mixed(STEREO, one, other)
    np.testing.assert_allclose(found.values, (one + other) / 2, atol=1e-7)
    assert "different sound" in found.remark


def test_of_silence_it_is_not_said_that_it_differs() -> None:
    left, right = steady(1, 3e-5), steady(2, 3e-5)
    found = mixed(STEREO, left, right)
    np.testing.assert_allclose(found.values, (left + right) / 2, atol=1e-9)
    assert found.remark == ""


def test_clipping_is_told_by_the_channel_that_clips() -> None:
    """The average of a clipped and another channel is not at full scale, and is clipped."""
    voice = talk(1)
    voice *= 6.0 / np.abs(voice).max()
    clipped = np.clip(voice, -1, 1)
    found = mixed(STEREO, clipped, talk(2, 0.05))
    assert np.abs(found.values).max() < 0.98
    assert found.peaks is not None
    assert (found.peaks >= 0.98).mean() == pytest.approx((np.abs(clipped) >= 0.98).mean())
    level = describe_voice(found, VoiceSettings(vad="energy")).track.column("energy")
    loud = describe_voice(mixed(STEREO, talk(1), talk(2, 0.05)), VoiceSettings(vad="energy"))
    assert np.isnan(level).sum() > 10, "rows that are clipped in one channel have no level"
    assert not np.isnan(loud.track.column("energy")).any()


def test_an_unclipped_channel_of_the_same_sound_is_preferred() -> None:
    voice = talk(1)
    voice *= 0.9 / np.abs(voice).max()
    clipped = np.clip(voice * 3, -1, 1)
    found = mixed(STEREO, clipped, voice)
    np.testing.assert_array_equal(found.values, voice)
    assert "clipped" in found.remark


@pytest.mark.parametrize("gain_db", [20, 30])
def test_a_channel_that_is_badly_clipped_still_holds_the_same_sound(gain_db: float) -> None:
    voice = talk(1)
    voice *= 0.9 / np.abs(voice).max()
    clipped = np.clip(voice * 10 ** (gain_db / 20), -1, 1)
    found = mixed(STEREO, clipped, voice)
    np.testing.assert_array_equal(found.values, voice)
    assert "clipped" in found.remark
    other = mixed(STEREO, clipped, talk(2))
    assert "different sound" in other.remark, "somebody else is not left for it"


def test_a_later_run_of_one_channel_is_laid_in_both() -> None:
    voice = talk(1)
    spool = AudioSpool(RATE)
    both = np.stack([voice, voice], axis=1)
    spool.push(Samples(0.0, voice, both, STEREO))
    spool.push(Samples(len(voice) / RATE + 1.0, voice))
    found = spool.waveform()
    assert len(found.values) == 2 * len(voice) + RATE
    np.testing.assert_array_equal(found.values[-len(voice) :], voice)
    assert len(found.gaps) == 1


def test_what_cancels_behind_the_last_whole_second_counts() -> None:
    """Of an answer of 2.9 s, the last 0.9 s."""
    voice = talk(1, seconds=2.9)
    other = voice.copy()
    other[2 * RATE :] *= -1
    found = mixed(STEREO, other, voice)
    assert "cancel" in found.remark


def test_the_judgement_does_not_depend_on_how_long_the_sound_is() -> None:
    short = np.zeros((10, 2), np.float32)
    assert judge_channels(short, RATE, STEREO).used == (0, 1)


# ---- the kept cases


def heard(path: Path) -> tuple[Waveform, VoiceResult]:
    spool = AudioSpool()
    for item in stream(path, video=False):
        assert isinstance(item, Samples)
        spool.push(item)
    sound = spool.waveform()
    return sound, describe_voice(sound, VoiceSettings(vad="energy"))


def test_antiphase(shared: Path) -> None:
    folder = shared / "cases" / "antiphase-stereo"
    _, mono = heard(folder / "sp.wav")
    for name in ("stereo.wav", "antiphase.wav"):
        _, found = heard(folder / name)
        assert found.summary["speech_s"] == mono.summary["speech_s"]
        level = found.summary["energy_median_dbfs"]
        assert level == pytest.approx(mono.summary["energy_median_dbfs"], abs=0.02)


@pytest.mark.parametrize("kind", ["loud", "limited"])
def test_dual_mono(kind: str, shared: Path) -> None:
    folder = shared / "cases" / "dual-mono-level"
    one, mono = heard(folder / f"{kind}_mono.wav")
    two, dual = heard(folder / f"{kind}_dual_mono.wav")
    np.testing.assert_array_equal(one.values, two.values)
    assert np.abs(two.values).max() < 0.96
    assert dual.summary == mono.summary
    assert dual.summary["clipped_share"] == 0

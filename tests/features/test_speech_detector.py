"""Silero, where it is installed, tells speech from music, tones and wind; the simple detector does
not, and the page says which one it was.
"""

from __future__ import annotations

import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from twomind.core.store import Store
from twomind.features.describe import Description, Settings, describe
from twomind.features.voice import speech_activity
from twomind.features.voice.track import VoiceSettings
from twomind.media.recording import open_recording
from twomind.reporting.report_text import _voice_line

RATE = 16000
FILM = Path(__file__).parent.parent / "fixtures" / "v0_1" / "media" / "clip-talking.mp4"

needs_silero = pytest.mark.skipif(
    speech_activity._silero_file() is None, reason="needs the extra speech"
)


def harmonics(pitch_hz: np.ndarray, n: int = 8) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE
    return np.asarray(sum(np.sin(k * phase) / k for k in range(1, n)))


def sounds() -> dict[str, np.ndarray]:
    """Sounds of a room that nobody says; ten seconds each."""
    t = np.arange(10 * RATE) / RATE
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, len(t))
    soft = np.convolve(noise, np.ones(20) / 20, "same")
    ring = np.sin(2 * np.pi * 440 * t) + np.sin(2 * np.pi * 480 * t)
    chord = sum(harmonics(np.full(len(t), hz)) for hz in (220.0, 277.2, 329.6))
    return {
        "hum": harmonics(np.full(len(t), 50.0)),
        "telephone": ring * (t % 6 < 2),
        "ring-back tone": np.sin(2 * np.pi * 425 * t) * (t % 5 < 1),
        "chords": chord * np.exp(-(t % 1.0) * 3),
        "siren": harmonics(600 + 300 * np.sin(np.pi * t)),
        "bursts of noise": noise * (t % 1.0 < 0.3),
        "applause": noise * np.exp(-(t % 0.13) * 20),
        "breathing": soft * np.maximum(0, np.sin(2 * np.pi * t / 3)) ** 2,
    }


def written(path: Path, values: np.ndarray) -> Path:
    loud = 0.3 * values / np.abs(values).max()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((loud * 32767).astype("<i2").tobytes())
    return path


def voice_of(path: Path, store: Path, vad: str = "auto") -> Description:
    settings = Settings(voice=VoiceSettings(vad=vad))
    return describe(open_recording(path), ("voice",), store=Store(store), settings=settings)


@needs_silero
@pytest.mark.parametrize("name", sorted(sounds()))
def test_what_nobody_says_is_no_speech(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", sounds()[name])
    found = voice_of(path, tmp_path / "store")
    assert found.voice["vad"] == "silero"
    assert found.voice["speech_s"] == 0


@needs_silero
@pytest.mark.parametrize("name", ["piano.wav", "blow.wav"])
def test_kept_sounds_are_no_speech(name: str, shared: Path, tmp_path: Path) -> None:
    found = voice_of(shared / "cases" / "nonspeech-sound" / name, tmp_path)
    assert found.voice["speech_s"] == 0


@needs_silero
def test_a_synthetic_voice_stays_speech(shared: Path, tmp_path: Path) -> None:
    found = voice_of(shared / "cases" / "antiphase-stereo" / "sp.wav", tmp_path)
    assert found.voice["vad"] == "silero"
    assert found.voice["speech_s"] == pytest.approx(7.35, abs=0.1)


def test_films_of_synthetic_people_keep_the_detector_that_hears_them(tmp_path: Path) -> None:
    film = shutil.copy(FILM, tmp_path / "drawn.mp4")
    found = voice_of(Path(film), tmp_path / "store")
    assert found.recording.drawn
    assert found.voice["vad"] == "energy"
    assert found.voice["speech_s"] > 1


@needs_silero
def test_the_detector_can_be_chosen_and_is_part_of_the_key(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", sounds()["chords"])
    by_level = voice_of(path, tmp_path / "store", "energy")
    assert by_level.voice["vad"] == "energy"
    assert by_level.voice["speech_s"] > 1
    by_wish = voice_of(path, tmp_path / "store", "silero")
    assert by_wish.voice["speech_s"] == 0
    assert by_wish.entries != by_level.entries
    assert voice_of(path, tmp_path / "store").entries == by_wish.entries


def test_without_silero_the_simple_one_is_used_under_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.wav", sounds()["hum"])
    first = voice_of(path, tmp_path / "store")
    monkeypatch.setattr(speech_activity, "_silero_file", lambda: None)
    second = voice_of(path, tmp_path / "store")
    assert second.voice["vad"] == "energy"
    if first.voice["vad"] == "silero":
        assert first.entries != second.entries


def test_the_page_says_how_speech_was_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", sounds()["chords"])
    found = voice_of(path, tmp_path / "store", "energy")
    track = found.features.tracks["voice"]
    assert "music" in _voice_line(track, "", {"vad": "energy"})["text"]
    assert "Silero" in _voice_line(track, "", {"vad": "silero"})["text"]

"""Silero, where it is installed, tells speech from music, tones and wind; the simple detector does
not, and the page says which one it was.
"""

from __future__ import annotations

import json
import shutil
import wave
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import twomind
from twomind.core import weights
from twomind.core.errors import BadInput, MissingWeights, Unsealed
from twomind.core.seals import KEY
from twomind.core.store import Store
from twomind.features.describe import Description, Settings, describe
from twomind.features.one_pass import NOT_ASKED
from twomind.features.profile import (
    Neutral,
    Profile,
    Visit,
    read_profile,
    write_profile,
)
from twomind.features.voice import speech_activity
from twomind.features.voice.track import VoiceSettings
from twomind.media.recording import open_recording
from twomind.models.base import BaseModel
from twomind.pipeline.answer import heard_by
from twomind.reporting.messages import ENGLISH
from twomind.reporting.report_text import _voice_line
from twomind.transcripts.align import NOT_AS_LEARNT, SWITCHED_OFF, AlignSettings
from twomind.transcripts.speech import SpeechSettings
from twomind.types import AMBIVALENCE, Features, Prediction, Status, Timing

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


@needs_silero
def test_a_flipped_byte_of_the_detector_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = speech_activity._silero_file()
    assert network is not None
    assets = tmp_path / "faster_whisper" / "assets"
    assets.mkdir(parents=True)
    flipped = bytearray(network.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    (assets / network.name).write_bytes(flipped)
    monkeypatch.setattr(weights, "_package_root", lambda package: assets.parent)
    speech_activity._refuse_damaged.cache_clear()
    path = written(tmp_path / "a.wav", sounds()["chords"])
    for vad in ("auto", "silero"):
        with pytest.raises(MissingWeights, match="silero-vad") as error:
            voice_of(path, tmp_path / "store", vad)
        assert error.value.exit_code == 5
    assert voice_of(path, tmp_path / "store", "energy").voice["vad"] == "energy"
    assert not list((tmp_path / "store").rglob("*silero*"))


# --- what was measured with one detector is not held against another


def rest(value: float, detector: str) -> Profile:
    """A person at rest, as enrolled with a detector."""
    stats = {"face": {"AU04": Neutral(0.0, 0.1, 20, 2.0)}}
    stats["voice"] = {name: Neutral(value, 0.1, 20, 2.0) for name in ("pitch", "pauses_per_min")}
    visit = Visit(detector * 8, "2026-01-01", stats, True, speech_detector=detector)
    return Profile("ana", (visit,))


def test_a_profile_keeps_its_detector_and_an_old_one_had_the_simple_one(tmp_path: Path) -> None:
    path = write_profile(rest(1.0, "silero"), tmp_path / "p.json")
    assert read_profile(path).visits[0].speech_detector == "silero"
    plain = json.loads(path.read_text())
    del plain[KEY]  # files of 0.1 carry no checksum
    del plain["visits"][0]["speech_detector"]
    path.write_text(json.dumps(plain))
    with pytest.warns(Unsealed):
        old = read_profile(path)
    assert old.visits[0].speech_detector == "energy"


def test_a_voice_is_compared_with_visits_of_its_own_detector_alone(tmp_path: Path) -> None:
    path = Path(shutil.copy(FILM, tmp_path / "drawn.mp4"))
    recording = open_recording(path)
    store = Store(tmp_path / "store")
    both = rest(1.0, "silero").merged(rest(5.0, "energy"))
    found = describe(recording, ("voice",), store=store, profile=both)
    assert found.features.speech_detector == "energy"
    assert found.relative["voice"]["pauses_per_min"]["neutral"] == 5.0
    assert "1 visit" in found.voice_neutral
    told = [text for text in found.voice["remarks"] if "not compared" in text]
    assert "detector silero, this recording with energy" in told[0]
    found = describe(recording, ("voice",), store=store, profile=rest(1.0, "silero"))
    assert "voice" not in found.relative
    assert "voice_relative" not in found.features.tracks
    found = describe(recording, ("voice",), store=store, profile=rest(5.0, "energy"))
    assert not [text for text in found.voice["remarks"] if "not compared" in text]


class Heard(BaseModel):
    """A model that learnt from voices of one detector."""

    task = AMBIVALENCE
    card: ClassVar[dict[str, object]] = {"name": "heard"}
    inputs = ("voice",)
    speech_detector = "energy"

    def predict(self, x: Features) -> Prediction:
        self.refuse(x)
        return Prediction(x.span_s, np.array([0.5, 0.5]))


def test_a_model_is_given_voices_of_its_own_detector(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", sounds()["hum"])
    assert heard_by(Heard(), Settings()).voice.vad == "energy"
    assert heard_by(None, Settings()) == Settings()
    with pytest.raises(BadInput, match=r"describe\.voice\.vad=energy"):
        heard_by(Heard(), Settings(voice=VoiceSettings(vad="silero")))
    other = replace(voice_of(path, tmp_path / "store").features, speech_detector="silero")
    with pytest.raises(BadInput, match="learnt from voices"):
        Heard().predict(other)
    assert twomind.predict(path, Heard(), store=tmp_path / "store").status is Status.OK


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
    assert "music" in _voice_line(ENGLISH, track, "", {"vad": "energy"})["text"]
    assert "Silero" in _voice_line(ENGLISH, track, "", {"vad": "silero"})["text"]


class Read(Heard):
    """A model that learnt from words at certain times."""

    inputs = ("words",)
    speech_detector = ""

    def __init__(self, times: str) -> None:
        self.times = times

    @property
    def word_times(self) -> str:
        return self.times


def test_a_model_is_given_words_at_such_times_as_it_learnt_from() -> None:
    assert heard_by(Read("as they came"), Settings()).speech.align.use is False
    assert heard_by(Read("aligned"), Settings()).speech.align.use is True
    assert heard_by(Read(""), Settings()) == Settings()
    off = replace(Settings().speech, align=AlignSettings(use=False))
    with pytest.raises(BadInput, match=r"align\.use=true"):
        heard_by(Read("aligned"), Settings(speech=off))


@pytest.mark.parametrize(
    ("times", "installed", "told"),
    [("as they came", True, SWITCHED_OFF), ("aligned", False, NOT_AS_LEARNT)],
)
def test_words_that_are_not_aligned_are_told(
    times: str, installed: bool, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twomind.features.one_pass.can_align", lambda: installed)
    path = written(tmp_path / "a.wav", sounds()["hum"])
    path.with_suffix(".txt").write_text("I want to stop but I do not know how")
    settings = heard_by(Read(times), Settings())
    found = describe(
        open_recording(path), ("words",), store=Store(tmp_path / "s"), settings=settings
    )
    assert found.recording.words_remarks.count(told) == 1
    assert NOT_ASKED not in found.recording.words_remarks
    assert all(word.timing is not Timing.ALIGNED for word in found.recording.words or ())


def test_a_speech_model_that_is_passed_over_for_a_transcript_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", sounds()["hum"])
    path.with_suffix(".txt").write_text("I want to stop but I do not know how")
    settings = Settings(speech_model="any", speech=SpeechSettings(align=AlignSettings(use=False)))
    found = describe(
        open_recording(path), ("words",), store=Store(tmp_path / "s"), settings=settings
    )
    assert found.recording.words_remarks.count(NOT_ASKED) == 1

"""How much faster than real time the voice is measured, part by part, and how exact the pauses are
in noise.

python -m benchmarks.voice

Speeds are seconds of sound per second of processor time, all in one run on one thread; ``of_all``
is a part's share.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from twomind.core.errors import TwomindError
from twomind.features.voice.speech_activity import (
    ActivitySettings,
    band_levels,
    choose_detector,
    find_speech,
)
from twomind.features.voice.speech_rate import find_syllables
from twomind.features.voice.track import VoiceSettings, describe_voice
from twomind.sound.pitch import track_pitch
from twomind_synth import script, voice, world

from .record import save

RATE_HZ = 16000


@dataclass(frozen=True)
class Sound:
    values: np.ndarray
    sample_rate_hz: int = RATE_HZ
    start_s: float = 0.0
    gaps: tuple[tuple[float, float], ...] = ()


def _answer(person: int, question: int) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Sound at 16 kHz of one drawn answer, and its pauses."""
    factors = world.person_factors(5, person)
    answer = script.write_answer(world.World(), factors, question)
    spoken = voice.speak(answer.tokens, factors, np.random.default_rng(person))
    sound = resample_poly(spoken.values, RATE_HZ // 8000, voice.SAMPLE_RATE_HZ // 8000).astype(
        np.float32
    )
    return sound, [p for p in spoken.pauses if p[1] - p[0] >= 0.3]


def _cpu_s(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def speeds(sound: Sound) -> dict[str, dict[str, float]]:
    """Per part: seconds of sound per processor second, and share of the whole."""
    settings = ActivitySettings()
    took: dict[str, float] = {}
    took["all"], _ = _cpu_s(lambda: describe_voice(sound))
    took["pitch"], (pitch_hz, _) = _cpu_s(lambda: track_pitch(sound))
    voiced = np.isfinite(pitch_hz)
    took["band levels"], levels = _cpu_s(lambda: band_levels(sound))
    took["speech, energy"], speech = _cpu_s(
        lambda: find_speech(sound, levels, voiced, "energy", settings)
    )
    try:
        choose_detector("silero", RATE_HZ)
        took["speech, silero"], _ = _cpu_s(
            lambda: find_speech(sound, levels, voiced, "silero", settings)
        )
    except TwomindError as error:
        print(f"silero: {error}")
    took["syllables"], _ = _cpu_s(lambda: find_syllables(levels, speech, voiced))
    length_s = len(sound.values) / RATE_HZ
    return {
        part: {"x_real_time": round(length_s / s), "of_all": round(s / took["all"], 3)}
        for part, s in took.items()
    }


def pause_errors(
    answers: list[tuple[np.ndarray, list[tuple[float, float]]]], vad: str
) -> dict[str, dict[str, float]]:
    """Per level of speech over white noise: pauses found, share within 50 ms, median and worst edge
    error.
    """
    out = {}
    for snr_db in (60, 30, 20, 10, 5):
        errors, n = [], 0
        for seed, (sound, true) in enumerate(answers):
            level = sound[np.abs(sound) > 0.01].std()
            noise = np.random.default_rng(seed).normal(0, level * 10 ** (-snr_db / 20), len(sound))
            found = describe_voice(
                Sound((sound + noise).astype(np.float32)), VoiceSettings(vad=vad)
            ).pauses
            n += len(true)
            for a, b in true:
                near = [max(abs(a - c), abs(b - d)) for c, d in found if min(b, d) > max(a, c)]
                errors += [min(near)] if near else []
        e = np.array(errors)
        out[f"{snr_db} dB"] = {
            "pauses": n,
            "found": round(len(e) / n, 3),
            "within_50_ms": round(float((e <= 0.05).sum()) / n, 3),
            "median_s": round(float(np.median(e)), 3),
            "worst_s": round(float(e.max()), 3),
        }
    return out


def _anonymous_mb() -> float:
    """Memory of this process without the pages of mapped files, which the system may take back at
    any time.
    """
    status = Path("/proc/self/status").read_text()
    return (
        next(float(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
        / 1024
    )


def memory_mb(minutes: int, sound: np.ndarray) -> float:
    """Largest growth of the memory while ``minutes`` of sound in a memory map are measured."""
    n = minutes * 60 * RATE_HZ
    with tempfile.TemporaryDirectory() as folder:
        values = np.memmap(Path(folder) / "sound", np.float32, "w+", shape=n)
        for i in range(0, n, len(sound)):
            values[i : i + len(sound)] = sound[: n - i]
        values.flush()
        mapped = np.memmap(Path(folder) / "sound", np.float32, "r", shape=n)
        before, highest, done = _anonymous_mb(), 0.0, threading.Event()

        def watch() -> None:
            nonlocal highest
            while not done.wait(0.01):
                highest = max(highest, _anonymous_mb())

        watcher = threading.Thread(target=watch)
        watcher.start()
        describe_voice(Sound(mapped))
        done.set()
        watcher.join()
        return round(highest - before, 1)


def main() -> None:
    answers = [_answer(person, question) for person in range(4) for question in (4, 7)]
    joined = np.concatenate([sound for sound, _ in answers])
    ten_minutes = Sound(np.tile(joined, -(-600 * RATE_HZ // len(joined)))[: 600 * RATE_HZ])
    numbers: dict[str, Any] = {"voice": voice.resolve_engine("auto"), "speed": speeds(ten_minutes)}
    numbers["pause_errors_energy"] = pause_errors(answers, "energy")
    numbers["memory_growth_mb"] = {f"{m} min": memory_mb(m, joined) for m in (5, 60)}
    save("voice", numbers)


if __name__ == "__main__":
    main()

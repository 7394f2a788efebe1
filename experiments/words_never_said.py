"""How often is a transcript told that belongs to another recording? On real read and free speech.

``python -m experiments.words_never_said SHARED``

The limit (``describe.speech.align.least_fit``) was set on the two recordings of free speech; how far
their own words lie above it is printed first. The three read recordings judge it: with their own
words, and with the first words of twelve other texts, as many as their own, each as it is and with
white noise. No setting is changed between.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from scipy import signal

from benchmarks.align import RATE_HZ, RECORDINGS, decoded
from twomind.transcripts import align
from twomind.types import Timing, Word

Change = Callable[[np.ndarray], np.ndarray]

#: Signal to noise, in decibels, of the sounds that judge; None as they are.
NOISES_DB = (None, 20.0, 10.0, 5.0)
N_OTHERS = 12
PIECE_S = 5.0


def noisy(sound: np.ndarray, snr_db: float | None) -> np.ndarray:
    if snr_db is None:
        return sound
    noise = np.random.default_rng(0).normal(0, 1, len(sound))
    level = np.sqrt(np.mean(sound**2) / 10 ** (snr_db / 10))
    return (sound + level * noise).astype(np.float32)


def telephone(sound: np.ndarray) -> np.ndarray:
    band = signal.butter(6, (300, 3400), "bandpass", fs=RATE_HZ, output="sos")
    return signal.sosfilt(band, sound).astype(np.float32)


def echoing(sound: np.ndarray) -> np.ndarray:
    late = np.random.default_rng(1).normal(0, 1, RATE_HZ // 2)
    late *= np.exp(-np.arange(len(late)) / (0.1 * RATE_HZ))
    late[0] = 10.0
    return signal.fftconvolve(sound, late / np.abs(late).sum() * 3)[: len(sound)].astype(np.float32)


def at_rate(factor: float) -> Change:
    """Faster and higher, or slower and lower."""
    return lambda sound: signal.resample_poly(sound, 100, round(100 * factor)).astype(np.float32)


CHANGES: dict[str, Change] = {
    "as it is": lambda sound: sound,
    "20 dB of noise": lambda sound: noisy(sound, 20.0),
    "10 dB of noise": lambda sound: noisy(sound, 10.0),
    "5 dB of noise": lambda sound: noisy(sound, 5.0),
    "clipped": lambda sound: np.clip(
        sound, *(np.quantile(np.abs(sound), 0.97) * np.array([-1, 1]))
    ),
    "telephone": telephone,
    "echoing": echoing,
    "8 percent faster and higher": at_rate(1.08),
    "8 percent slower and lower": at_rate(1 / 1.08),
}


def spread(text: list[str], end_s: float) -> list[Word]:
    """Words without times of their own, as a plain text gives them."""
    step_s = end_s / len(text)
    return [
        Word(word, k * step_s, (k + 1) * step_s, timing=Timing.SPREAD_ALL)
        for k, word in enumerate(text)
    ]


def fits(sound: np.ndarray, text: list[str]) -> Iterator[float]:
    """How well each piece of a transcript fits, where enough words of it have a path."""
    words = spread(text, len(sound) / RATE_HZ)
    seen: list[Any] = []

    def remember(path: Any, *more: Any) -> bool:
        seen.append(path)
        return False

    with mock.patch.object(align, "_was_not_said", remember):
        align.align(sound, 0.0, words)
    least = align.AlignSettings().fewest_fit
    yield from (path.fit for path in seen if len(path.times) >= least)


def is_taken(sound: np.ndarray, text: list[str]) -> bool:
    words = spread(text, len(sound) / RATE_HZ)
    found = align.align(sound, 0.0, words)
    return all(word.timing is Timing.ALIGNED for word in found.words)


def pieces(folder: Path, name: str) -> Iterator[tuple[np.ndarray, list[str]]]:
    """Stretches of some seconds, cut between words, and what is said in them."""
    from twomind.evaluation.grids import read_grid

    sound = decoded(folder / f"{name}.wav")
    rows = [row for row in read_grid(folder / f"{name}.TextGrid")["words"] if row.text]
    while rows:
        last = next(
            (k for k, row in enumerate(rows) if row.end_s > rows[0].start_s + PIECE_S), None
        )
        now, rows = (rows, []) if last is None else (rows[:last], rows[last:])
        begin, end = round(now[0].start_s * RATE_HZ), round(now[-1].end_s * RATE_HZ)
        yield sound[begin:end], [row.text for row in now]


def others(shared: Path, own: Path) -> list[list[str]]:
    """Texts of other recordings: free speech, the other read ones, and answers of BAH."""
    speech = shared / "data" / "speech"
    files = [speech / f"{name}.lab" for name in RECORDINGS]
    files += [path for path in sorted((speech / "librivox").glob("*.txt")) if path != own]
    texts = [path.read_text().split() for path in files]
    answers = (shared / "data" / "bah_v1" / "train.txt").read_text().splitlines()
    spoken = [line.split(",", 2)[2].split() for line in answers]
    texts += [words for words in spoken if len(words) >= 30]
    return texts[:N_OTHERS]


def main(shared: str) -> None:
    folder = Path(shared) / "data" / "speech"
    cut = [piece for name in RECORDINGS for piece in pieces(folder, name)]
    limit = align.AlignSettings().least_fit
    own: list[float] = []
    for name, change in CHANGES.items():
        found = [fit for sound, text in cut for fit in fits(change(sound), text)]
        own += found
        print(
            f"own words, {name}: {len(found)} of {len(cut)} pieces, worst {min(found):.4f}",
            flush=True,
        )
    below = sum(fit < limit for fit in own)
    print(f"own words: {len(own)} alignments, {below} below {limit}", flush=True)
    for snr_db in NOISES_DB:
        kept, taken, n = 0, 0, 0
        for path in sorted((folder / "librivox").glob("*.wav")):
            sound = noisy(decoded(path), snr_db)
            text = path.with_suffix(".txt").read_text().split()
            kept += is_taken(sound, text)
            for other in others(Path(shared), path.with_suffix(".txt")):
                taken += is_taken(sound, other[: len(text)])
                n += 1
        how = "as they are" if snr_db is None else f"{snr_db:.0f} dB"
        print(
            f"judged, {how}: own words taken {kept} of 3, others taken {taken} of {n}", flush=True
        )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""How much faster than real time words are aligned with the sound, alone.

python -m benchmarks.align SHARED

``SHARED`` holds ``data/speech``. One process, one thread; speeds are seconds of sound per second of
processor time, all in one run. ``narrow`` is the search that nearly every piece needs; ``wide`` is
the second try, for pieces in which no path was found.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from twomind.evaluation.grids import read_grid
from twomind.media.stream import AudioSpool, Samples, stream
from twomind.transcripts.align import AlignSettings, align
from twomind.types import Timing, Word

from .record import save

RECORDINGS = ("acoustic_corpus", "cold_corpus")
_TIMES = 3
RATE_HZ = 16000


def decoded(path: Path) -> np.ndarray:
    """Samples ``(n,)`` float mono at 16 kHz."""
    spool = AudioSpool()
    for item in stream(path, video=False, audio=True):
        if isinstance(item, Samples):
            spool.push(item)
    waveform = spool.waveform()
    assert waveform is not None
    assert waveform.sample_rate_hz == RATE_HZ
    return np.array(waveform.values)


def _words(grid: Path) -> list[Word]:
    """The words of a TextGrid, with times as a recogniser gives them."""
    rows = [one for one in read_grid(grid)["words"] if one.text]
    return [Word(one.text, one.start_s, one.end_s, timing=Timing.RECOGNISED) for one in rows]


def _x_real_time(sound: np.ndarray, words: list[Word], settings: AlignSettings) -> float:
    """The best of a few: what else runs on the machine only makes it slower."""
    took = []
    for _ in range(_TIMES):
        start = time.process_time()
        align(sound, 0.0, words, settings=settings)
        took.append(time.process_time() - start)
    return round(len(sound) / RATE_HZ / min(took), 1)


def main(shared: str) -> None:
    folder = Path(shared) / "data" / "speech"
    narrow = AlignSettings()
    wide = replace(narrow, beam=narrow.wide_beam, word_beam=narrow.wide_word_beam)
    numbers: dict[str, Any] = {}
    for name in RECORDINGS:
        sound = decoded(folder / f"{name}.wav")
        words = _words(folder / f"{name}.TextGrid")
        numbers[name] = {
            "seconds": round(len(sound) / RATE_HZ, 1),
            "words": len(words),
            "x_real_time_narrow": _x_real_time(sound, words, narrow),
            "x_real_time_wide": _x_real_time(sound, words, wide),
        }
    save("align", numbers)


if __name__ == "__main__":
    main(*sys.argv[1:])

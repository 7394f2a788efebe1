"""How much worse are word times where no word is in the aligner's dictionary, and all are told by
their letters? On real recordings with TextGrids.

``python -m experiments.letters_only SHARED``
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.align import RECORDINGS, decoded
from twomind.evaluation.grids import read_grid
from twomind.transcripts import align
from twomind.transcripts.pronounce import ways_to_say
from twomind.types import Timing, Word


def by_letters(token: str, look_up: Callable[[str], str | None]) -> tuple[str, ...]:
    """As :func:`ways_to_say` says a word that the dictionary does not have."""
    return ways_to_say(token, lambda word: None)


def errors_ms(folder: Path) -> np.ndarray:
    """How far begins and ends of aligned words lie from those of the grids."""
    errors = []
    for name in RECORDINGS:
        rows = [one for one in read_grid(folder / f"{name}.TextGrid")["words"] if one.text]
        words = [Word(one.text, one.start_s, one.end_s, timing=Timing.RECOGNISED) for one in rows]
        found = align.align(decoded(folder / f"{name}.wav"), 0.0, words)
        for word, aligned in zip(words, found.words, strict=True):
            errors += [word.start_s - aligned.start_s, word.end_s - aligned.end_s]
    return np.abs(errors) * 1000


def main(shared: str) -> None:
    """Both, side by side."""
    folder = Path(shared) / "data" / "speech"
    known = errors_ms(folder)
    with mock.patch.object(align, "ways_to_say", by_letters):
        guessed = errors_ms(folder)
    for name, ms in (("dictionary", known), ("letters alone", guessed)):
        within = (ms <= 50).mean()
        print(f"{name}: {len(ms) // 2} words, median {np.median(ms):.0f} ms, {within:.2f} in 50 ms")


if __name__ == "__main__":
    main(*sys.argv[1:])

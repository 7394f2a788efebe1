"""Sound that the words do not cover: filled pauses that are heard, and speech without words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from twomind.features.voice.track import VoiceResult
from twomind.sound.rows import HOP_S, Rows
from twomind.sound.runs import runs
from twomind.transcripts.heard import is_filler
from twomind.types import Cue, Timing, Word

FILLED_PAUSE = "filled pause (heard)"
WITHOUT_WORDS = "speech without words"
KINDS = {
    FILLED_PAUSE: "Filled pause that is heard: a voice is held between words (BAH language cue: "
    "filler)",
    WITHOUT_WORDS: "Speech without words: somebody speaks, and the recogniser wrote nothing there",
}
#: Times that say when a word was spoken, so that what lies between words can be told.
_EXACT = (Timing.ALIGNED, Timing.GIVEN, Timing.RECOGNISED)


@dataclass(frozen=True)
class UnwordedSettings:
    """What counts as sound that the words do not cover."""

    #: Shortest part of a held voice that no word covers, in seconds.
    min_filled_s: float = 0.15
    #: Words reach this much farther than their times say, in seconds, when speech without words is
    #: looked for; shortest stretch of it.
    reach_s: float = 0.2
    min_speech_s: float = 0.5


def filled_pauses(
    voice: VoiceResult, words: Sequence[Word], settings: UnwordedSettings
) -> Iterator[Cue]:
    """Held voices that no word covers, but for a filler, whose spelling is told.

    Args:
        voice: With its held sounds.
        words: Of the answer, in order; without exact times nothing is found.
        settings: How long a filled pause must be.
    """
    if not _are_exact(words):
        return
    content = [word for word in words if not is_filler(word.text)]
    fillers = [word for word in words if is_filler(word.text)]
    for held in voice.held:
        for start_s, end_s in _uncovered(held, content):
            lasts_s = end_s - start_s
            if lasts_s < settings.min_filled_s - 1e-9:
                continue
            spelt = [word.text for word in fillers if _overlap_s(word, start_s, end_s) > 0]
            told = f"written {spelt[0]!r}" if spelt else "no word was written for it"
            yield Cue(FILLED_PAUSE, "voice", start_s, end_s, lasts_s, "s", told)


def without_words(
    voice: VoiceResult, words: Sequence[Word], settings: UnwordedSettings
) -> Iterator[Cue]:
    """Speech that is heard where no word was written.

    Args:
        voice: With its rows of speech.
        words: Of the answer, in order, none of them only spread over time.
        settings: How long such a stretch must be.
    """
    track = voice.track
    if not len(track) or (words and not _are_exact(words)):
        return
    speech = (track.column("speech") == 1) & track.valid
    open_rows = speech & ~_near_words(track.times_s, words, settings.reach_s)
    for first, last in runs(open_rows):
        lasts_s = (last - first) * HOP_S
        if lasts_s >= settings.min_speech_s - 1e-9:
            start_s = float(track.times_s[first])
            told = f"{lasts_s:.1f} s of speech"
            yield Cue(WITHOUT_WORDS, "voice", start_s, start_s + lasts_s, lasts_s, "s", told)


def _are_exact(words: Sequence[Word]) -> bool:
    return bool(words) and all(word.timing in _EXACT for word in words)


def _near_words(times_s: Rows, words: Sequence[Word], reach_s: float) -> Rows:
    near = np.zeros(len(times_s), bool)
    for word in words:
        edges_s = [word.start_s - reach_s, word.end_s + reach_s]
        first, last = np.searchsorted(times_s, edges_s)
        near[first:last] = True
    return near


def _overlap_s(word: Word, start_s: float, end_s: float) -> float:
    return min(word.end_s, end_s) - max(word.start_s, start_s)


def _uncovered(span: tuple[float, float], words: Sequence[Word]) -> Iterator[tuple[float, float]]:
    """The parts of a span of seconds that no word covers."""
    at_s, end_s = span
    for word in words:
        if word.end_s <= at_s or word.start_s >= end_s:
            continue
        if word.start_s > at_s:
            yield at_s, word.start_s
        at_s = max(at_s, word.end_s)
    if at_s < end_s:
        yield at_s, end_s

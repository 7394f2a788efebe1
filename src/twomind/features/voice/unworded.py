"""Sound that the words do not cover: filled pauses that are heard, and speech without words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from twomind.features.voice.track import VoiceResult
from twomind.sound.rows import HOP_S, Rows
from twomind.sound.runs import runs
from twomind.transcripts.heard import is_filler
from twomind.transcripts.pronounce import spoken_parts
from twomind.types import Cue, Timing, Track, Word

FILLED_PAUSE = "filled pause (heard)"
WITHOUT_WORDS = "speech without words"
#: Under this name the summary of a voice has the seconds of all speech without words.
ERASED = "speech_without_words_s"
KINDS = {
    FILLED_PAUSE: "Filled pause that is heard: a voice is held between words (BAH language cue: "
    "filler)",
    WITHOUT_WORDS: "Speech without words: somebody speaks, and the recogniser wrote nothing there",
}
#: Times that say when a word was spoken, so that what lies between words can be told.
_EXACT = (Timing.ALIGNED, Timing.GIVEN, Timing.RECOGNISED)
#: Words of grammar with one vowel, which a filled pause is easily taken for.
_SHORT_NAMES = (
    "a am an and are as at but by for from he her him i in is it me of on or she so than that the "
    "them then they this to was we were with"
)
_SHORT_WORDS = frozenset(_SHORT_NAMES.split())
#: How far the edges of words and of held voices may be off, in seconds.
_EDGE_S = 0.05


@dataclass(frozen=True)
class UnwordedSettings:
    """What counts as sound that the words do not cover."""

    #: Shortest part of a held voice that no word covers, in seconds: where a filler was written, and
    #: where nothing was.
    min_filled_s: float = 0.15
    min_unwritten_s: float = 0.3
    #: How far it may lie under the speech of the words, in dB: what is softer is somebody else's.
    range_db: float = 12.0
    #: The same where the voice was held in the word before it already, which may be drawn out.
    min_drawn_s: float = 0.25
    #: The same where no word lies within this reach, in seconds: notes of laughter are short.
    alone_s: float = 1.0
    min_alone_s: float = 0.25
    #: A short word of grammar ("and", "the", "them") beside a pause of this length, in seconds, of
    #: which this share lies in a voice that is held for this long, in seconds, is a filled pause.
    min_pause_s: float = 0.1
    min_short_share: float = 0.6
    min_short_s: float = 0.25
    #: Words reach this much farther than their times say, in seconds, when speech without words is
    #: looked for; shortest stretch of it.
    reach_s: float = 0.2
    min_speech_s: float = 0.5


def filled_pauses(
    voice: VoiceResult, words: Sequence[Word], settings: UnwordedSettings
) -> Iterator[Cue]:
    """Held voices that no word covers, but for a filler, whose spelling is told. A front vowel that
    is held is a word drawn out, unless a filler is written for it.

    Args:
        voice: With its held sounds.
        words: Of the answer, in order; without exact times nothing is found.
        settings: How long a filled pause must be.
    """
    if not _are_exact(words):
        return
    fillers = [word for word in words if is_filler(word.text)]
    spoken = [word for word in words if not is_filler(word.text)]
    edges = [(word.start_s, word.end_s) for word in spoken]
    softest_dbfs = _level_dbfs(voice.track, edges) - settings.range_db
    for held in voice.held:
        taken = _taken_for_a_word(held, spoken, settings)
        covering = list(spoken)
        if taken is not None:
            covering.remove(taken)
        for start_s, end_s in _long_enough(held, covering, settings):
            spelt = _first_within(fillers, start_s, end_s)
            unwritten = spelt is None and taken is None
            if held in voice.front and spelt is None:
                continue
            if unwritten and end_s - start_s < settings.min_unwritten_s - 1e-9:
                continue
            if _level_dbfs(voice.track, [(start_s, end_s)]) < softest_dbfs:
                continue
            told = _how_written(spelt, taken)
            yield Cue(FILLED_PAUSE, "voice", start_s, end_s, end_s - start_s, "s", told)


def _level_dbfs(track: Track, spans: Sequence[tuple[float, float]]) -> float:
    """Mean level of the voiced rows in spans of seconds; of all rows in them where none is voiced.
    Nan where nothing is known.
    """
    inside = np.zeros(len(track), bool)
    for start_s, end_s in spans:
        first, last = np.searchsorted(track.times_s, [start_s - HOP_S / 2, end_s - HOP_S / 2])
        inside[first:last] = True
    energy = track.column("energy").astype(float)
    inside &= np.isfinite(energy)
    voiced = inside & np.isfinite(track.column("pitch"))
    rows = voiced if voiced.any() else inside
    if not rows.any():
        return np.nan
    power = 10 ** (energy[rows] / 10)
    return float(10 * np.log10(power.mean()))


def _long_enough(
    held: tuple[float, float], words: Sequence[Word], settings: UnwordedSettings
) -> Iterator[tuple[float, float]]:
    """The parts of a held voice that no word covers and that last as long as a filled pause."""
    for start_s, end_s in uncovered(held, words):
        drawn = any(_is_drawn_out(word, held, start_s) for word in words)
        reach = (start_s - settings.alone_s, end_s + settings.alone_s)
        least_s = settings.min_drawn_s if drawn else settings.min_filled_s
        if words and _first_within(words, *reach) is None:
            least_s = settings.min_alone_s
        if end_s - start_s >= least_s - 1e-9:
            yield start_s, end_s


def _first_within(words: Sequence[Word], start_s: float, end_s: float) -> Word | None:
    """The first word that has a part of a span."""
    for word in words:
        if _overlap_s(word, start_s, end_s) > 0:
            return word
    return None


def _how_written(spelt: Word | None, taken: Word | None) -> str:
    """What stands in the transcript for a filled pause: its filler, else a word it was taken for."""
    if spelt is not None:
        return f"written {spelt.text!r}"
    if taken is not None:
        return f"written {taken.text!r}, and held as no such word is"
    return "no word was written for it"


def _taken_for_a_word(
    held: tuple[float, float], words: Sequence[Word], settings: UnwordedSettings
) -> Word | None:
    """The short word of grammar for which a filled pause was taken: it stands beside a pause, and
    most of it is one held voice that no other word has a part in.
    """
    if held[1] - held[0] < settings.min_short_s:
        return None
    touched = [k for k, word in enumerate(words) if _overlap_s(word, *held) > _EDGE_S]
    if len(touched) != 1:
        return None
    k = touched[0]
    word = words[k]
    is_short = bool(_SHORT_WORDS.intersection(spoken_parts(word.text)))
    least_s = settings.min_short_share * (word.end_s - word.start_s)
    if not is_short or _overlap_s(word, *held) < least_s:
        return None
    before_s = after_s = np.inf
    if k > 0:
        before_s = word.start_s - words[k - 1].end_s
    if k + 1 < len(words):
        after_s = words[k + 1].start_s - word.end_s
    longest_s = max(before_s, after_s)
    return word if longest_s >= settings.min_pause_s else None


def _is_drawn_out(word: Word, held: tuple[float, float], start_s: float) -> bool:
    """Whether a part of a held voice goes on from the word before it."""
    return word.end_s == start_s and _overlap_s(word, *held) >= _EDGE_S


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


def uncovered(span: tuple[float, float], words: Sequence[Word]) -> Iterator[tuple[float, float]]:
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

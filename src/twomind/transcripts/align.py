"""Word times from the sound itself: a transcript is aligned with it by PocketSphinx (the extra
``align``; its English model lies in its wheel).

The sound is cut at pauses into pieces, and every piece is aligned with the words that were said in
it. Between two words there may be silence, noise, or a filled pause that nobody wrote down, so that
the words beside it keep their own length. A word may be doubtful: then the sound decides whether it
is there.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from twomind.core.errors import BadInput, MissingExtra
from twomind.core.plural import sentence
from twomind.sound.rows import HOP_S, Rows, decibels
from twomind.sound.runs import runs
from twomind.transcripts.heard import is_filler
from twomind.transcripts.language import is_measured
from twomind.transcripts.pronounce import ways_to_say
from twomind.transcripts.words import Words, finish
from twomind.types import Timing, Word

SAMPLE_RATE_HZ = 16000
_FRAME_S = 0.01
#: Phones of filled pauses that may stand between any two words.
_FILLED = {"filled_uh": "AH", "filled_um": "AH M", "filled_er": "ER", "filled_mm": "M"}
_SPREAD = (Timing.SPREAD_CUE, Timing.SPREAD_ALL)
#: What a model's card says of the times of the words that it learnt from.
HEARD, CAME = "aligned", "as they came"
#: Said where words that could be aligned are not.
NOT_AS_LEARNT = (
    "the words keep the times they came with, and the model learnt from words at the times at which "
    "they are heard: install the extra align"
)
SWITCHED_OFF = "the words keep the times they came with: alignment is switched off"


@dataclass(frozen=True)
class AlignSettings:
    """How words are aligned, and whether."""

    #: Put words at the times at which they are heard, where that can be done.
    use: bool = True
    #: The model learnt from words at such times: that these are not is said.
    expected: bool = False
    #: Beams of the search, and those of the second try where no path is found.
    beam: float = 1e-100
    word_beam: float = 1e-80
    wide_beam: float = 1e-250
    wide_word_beam: float = 1e-200
    #: Chance that a filled pause stands between two words.
    filled_pause: float = 0.02
    #: Chance that a doubtful word was said.
    doubtful: float = 0.5
    #: Shortest silence at which the sound is cut, and the shortest piece worth cutting, seconds.
    min_silence_s: float = 0.3
    min_piece_s: float = 10.0
    #: How far the times that words came with may be off at a cut, seconds.
    slack_s: float = 0.15
    #: A word of a subtitle is heard at most this far from its share of the subtitle, seconds.
    far_s: float = 4.0
    #: A time of its own is doubted for a word shorter, or longer, than this, seconds.
    min_word_s: float = 0.015
    max_word_s: float = 3.0
    #: Share of such words from which a transcript's own times are given up.
    implausible: float = 0.1
    #: Words of a transcript that fit worse than this were not said in the sound: mean of the decoder's
    #: log score over the frames of the words. Below all pieces of two recordings with their own words,
    #: noisy, coded, clipped, or in a higher or lower voice.
    least_fit: float = -0.005
    #: Fewer words tell no fit.
    fewest_fit: int = 5


@dataclass(frozen=True)
class Aligned:
    """What came of aligning.

    ``words`` are in the order in which they were given, without the doubtful ones that were not
    heard; ``kept`` are their places among the words that were given. ``remarks`` says where times
    stay as they came.
    """

    words: tuple[Word, ...]
    kept: tuple[int, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Piece:
    """A stretch of sound (samples) and the words ``first`` to ``last - 1`` said in it."""

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True)
class _Path:
    """Times in seconds within a piece of its words by their place, and how well they fit the sound; nan
    where none was heard.
    """

    times: dict[int, tuple[float, float]] = field(default_factory=dict)
    fit: float = math.nan


@dataclass
class _Found:
    """Times in seconds of the words by their place, and pieces that could not be aligned."""

    times: dict[int, tuple[float, float]] = field(default_factory=dict)
    failed: list[_Piece] = field(default_factory=list)


def can_align() -> bool:
    """Whether the extra ``align`` is installed."""
    try:
        _pocketsphinx()
    except MissingExtra:
        return False
    return True


def why_not(words: Sequence[Word], language: str | None) -> str:
    """Why these words cannot or need not be aligned; empty where they should be.

    Args:
        words: With the times they came with.
        language: Code of their language; None where it is not known.
    """
    if not words:
        return "there are no words"
    if not is_measured(language):
        return f"only English can be aligned, and the language is {language}"
    if all(word.timing is Timing.GIVEN for word in words) and not implausible_times(words):
        return "the transcript's own word times are plausible"
    return ""


def implausible_times(words: Sequence[Word], settings: AlignSettings | None = None) -> bool:
    """Whether the times that words came with can hardly be theirs.

    They are not where a tenth of the words has no length, or lasts longer than a word does, or
    starts before the word before it.

    Args:
        words: In order of their start.
        settings: What is too short and too long.
    """
    settings = settings or AlignSettings()
    odd = 0
    for word in words:
        length_s = word.end_s - word.start_s
        odd += not settings.min_word_s < length_s <= settings.max_word_s
    for before, after in pairwise(words):
        odd += after.start_s <= before.start_s
    return odd > settings.implausible * len(words)


def align(
    values: np.ndarray,
    start_s: float,
    words: Sequence[Word],
    doubtful: frozenset[int] = frozenset(),
    settings: AlignSettings | None = None,
) -> Aligned:
    """Words with the times at which they are heard.

    Args:
        values: Sound ``(n,)``, float mono at 16 kHz.
        start_s: Time of its first sample on the recording's clock.
        words: In order; their times say roughly where they are.
        doubtful: Places of words that may not have been said.
        settings: How to align.

    Returns:
        The words; those of a piece that could not be aligned keep their times, with a remark.

    Raises:
        MissingExtra: PocketSphinx is not installed.
    """
    settings = settings or AlignSettings()
    _pocketsphinx()
    samples = np.ascontiguousarray(values, np.float32)
    sound = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    found = _Found()
    # It hears itself into a voice; of the recording before it must know nothing.
    _decoder(settings.beam, settings.word_beam).reinit_feat()
    for piece in _pieces(samples, start_s, words, settings):
        _align_piece(sound, words, doubtful, piece, found, settings)
        if _is_elsewhere(piece, words, found, start_s, settings):
            for k in range(piece.first, piece.last):
                found.times.pop(k, None)
            found.failed.append(piece)
    return _result(words, doubtful, found, start_s)


def _is_elsewhere(
    piece: _Piece,
    words: Sequence[Word],
    found: _Found,
    start_s: float,
    settings: AlignSettings,
) -> bool:
    """Whether a word of a subtitle was heard far from where the subtitle stands: then the words are
    not those of this sound.
    """
    for k in range(piece.first, piece.last):
        span = found.times.get(k)
        if span is None or words[k].timing is not Timing.SPREAD_CUE:
            continue
        told_s = (words[k].start_s + words[k].end_s) / 2
        heard_s = start_s + (span[0] + span[1]) / 2
        if abs(heard_s - told_s) > settings.far_s:
            return True
    return False


def _result(
    words: Sequence[Word], doubtful: frozenset[int], found: _Found, start_s: float
) -> Aligned:
    out: list[Word] = []
    kept: list[int] = []
    lost = {k for piece in found.failed for k in range(piece.first, piece.last)}
    for k, word in enumerate(words):
        span = found.times.get(k)
        if span is not None:
            begin_s, end_s = start_s + span[0], start_s + span[1]
            out.append(replace(word, start_s=begin_s, end_s=end_s, timing=Timing.ALIGNED))
        elif k in doubtful:
            continue
        elif k in lost:
            out.append(word)
        else:
            out.append(_unsaid(word, out[-1].end_s if out else start_s))
        kept.append(k)
    remarks = [_failure(words, piece, start_s) for piece in found.failed]
    return Aligned(tuple(_in_order(out)), tuple(kept), tuple(remarks))


def _unsaid(word: Word, at_s: float) -> Word:
    """A word that nobody can pronounce, put without length behind the one before it."""
    return replace(word, start_s=at_s, end_s=at_s, timing=Timing.SPREAD_CUE)


def _failure(words: Sequence[Word], piece: _Piece, start_s: float) -> str:
    first_s = start_s + piece.start / SAMPLE_RATE_HZ
    last_s = start_s + piece.stop / SAMPLE_RATE_HZ
    n = piece.last - piece.first
    return sentence(
        "{n} word[|s] between {first} and {last} s could not be aligned with the sound; [it keeps|they "
        "keep] the times [it|they] came with",
        n,
        first=f"{first_s:.1f}",
        last=f"{last_s:.1f}",
    )


def _in_order(words: list[Word]) -> list[Word]:
    """Words none of which starts before the one before it (times of two kinds may disagree)."""
    out: list[Word] = []
    for word in words:
        floor_s = out[-1].start_s if out else word.start_s
        start_s = max(word.start_s, floor_s)
        out.append(replace(word, start_s=start_s, end_s=max(word.end_s, start_s)))
    return out


# --- pieces


def _pieces(
    samples: np.ndarray, start_s: float, words: Sequence[Word], settings: AlignSettings
) -> list[_Piece]:
    """The sound cut in silences that lie between the times of two words."""
    total = len(samples)
    if all(word.timing is Timing.SPREAD_ALL for word in words):
        return [_Piece(0, total, 0, len(words))]
    pieces = []
    at, first = 0, 0
    for begin_s, end_s in _silences(samples, settings):
        middle = int((begin_s + end_s) / 2 * SAMPLE_RATE_HZ)
        if middle - at < settings.min_piece_s * SAMPLE_RATE_HZ:
            continue
        cut = _words_before(words, start_s + begin_s, start_s + end_s, settings)
        if cut is None or cut <= first:
            continue
        pieces.append(_Piece(at, middle, first, cut))
        at, first = middle, cut
    if first < len(words):
        pieces.append(_Piece(at, total, first, len(words)))
    return pieces


def _words_before(
    words: Sequence[Word], begin_s: float, end_s: float, settings: AlignSettings
) -> int | None:
    """How many words lie before a silence; None where their times do not tell, as they do not
    where a word is said to be in the silence.
    """
    before = 0
    for k, word in enumerate(words):
        middle_s = (word.start_s + word.end_s) / 2
        if middle_s >= end_s:
            break
        if middle_s > begin_s:
            return None
        before = k + 1
    if before and words[before - 1].end_s > end_s + settings.slack_s:
        return None
    if before < len(words) and words[before].start_s < begin_s - settings.slack_s:
        return None
    inside_cue = 0 < before < len(words) and _one_cue(words[before - 1], words[before])
    return None if inside_cue else before


def _one_cue(before: Word, after: Word) -> bool:
    """Whether two words share a subtitle's time evenly, which says nothing about a pause between
    them.
    """
    spread = before.timing in _SPREAD and after.timing in _SPREAD
    return spread and after.start_s - before.end_s < 1e-6


def _silences(samples: np.ndarray, settings: AlignSettings) -> list[tuple[float, float]]:
    """Silences in seconds of the sound's own clock: levels near the floor, well under the loud."""
    level = _levels(samples)
    if not len(level):
        return []
    floor_db, loud_db = np.percentile(level, [10, 95])
    quiet = level < floor_db + 0.3 * (loud_db - floor_db)
    found = []
    for first, last in runs(quiet):
        if (last - first) * HOP_S >= settings.min_silence_s:
            found.append((first * HOP_S, last * HOP_S))
    return found


def _levels(samples: np.ndarray) -> Rows:
    """Level in dBFS of every 10 ms ``(T,)``."""
    hop = int(HOP_S * SAMPLE_RATE_HZ)
    n = len(samples) // hop
    rows = samples[: n * hop].reshape(n, hop)
    return decibels(rows.var(1))


# --- one piece


def _align_piece(
    sound: np.ndarray,
    words: Sequence[Word],
    doubtful: frozenset[int],
    piece: _Piece,
    found: _Found,
    settings: AlignSettings,
) -> None:
    narrow = _decoder(settings.beam, settings.word_beam)
    path = _path(narrow, sound, words, doubtful, piece, settings)
    if path is None:
        wide = _decoder(settings.wide_beam, settings.wide_word_beam)
        wide.reinit_feat()
        path = _path(wide, sound, words, doubtful, piece, settings)
    if path is None or _was_not_said(path, words[piece.first : piece.last], doubtful, settings):
        found.failed.append(piece)
        return
    offset_s = piece.start / SAMPLE_RATE_HZ
    for k in range(piece.first, piece.last):
        span = path.times.get(k)
        if span is not None:
            found.times[k] = (offset_s + span[0], offset_s + span[1])


def _was_not_said(
    path: _Path, words: Sequence[Word], doubtful: frozenset[int], settings: AlignSettings
) -> bool:
    """Whether a transcript's words fit the sound as words do that are not said in it. A path is found
    for them all the same.
    """
    is_transcript = not doubtful and all(word.timing is not Timing.RECOGNISED for word in words)
    return (
        is_transcript and len(path.times) >= settings.fewest_fit and path.fit < settings.least_fit
    )


def _path(
    decoder: Any,
    sound: np.ndarray,
    words: Sequence[Word],
    doubtful: frozenset[int],
    piece: _Piece,
    settings: AlignSettings,
) -> _Path | None:
    """Where the piece's words are heard; None where no path was found.

    A word that nobody can pronounce is not in the path, nor is a doubtful one that was not heard.
    """
    names: dict[str, int] = {}
    grammar = _Grammar()
    before_is_filler = False
    for k in range(piece.first, piece.last):
        ways = _ways_to_say(words[k].text, decoder)
        if not ways:
            continue
        now_is_filler = is_filler(words[k].text)
        unwritten = not (before_is_filler or now_is_filler)
        grammar.between_words(settings.filled_pause if unwritten else 0.0)
        before_is_filler = now_is_filler
        said = [_named(decoder, k - piece.first, phones) for phones in ways]
        names |= dict.fromkeys(said, k)
        grammar.word(said, settings.doubtful if k in doubtful else 1.0)
    if not names:
        return _Path()
    grammar.between_words(0.0 if before_is_filler else settings.filled_pause)
    decoder.add_fsg("words", decoder.create_fsg("words", 0, grammar.last, grammar.arcs()))
    decoder.activate_search("words")
    decoder.start_utt()
    decoder.process_raw(sound[piece.start : piece.stop].tobytes(), full_utt=True)
    decoder.end_utt()
    times = _times(decoder, names, doubtful)
    return None if times is None else _Path(times, _fit(decoder, names))


def _fit(decoder: Any, names: dict[str, int]) -> float:
    """Mean of the log score over the frames of the words; nan where none was heard."""
    total = 0.0
    n_frames = 0
    for segment in decoder.seg():
        if segment.word in names and segment.ascore > 0:
            total += math.log(segment.ascore)
            n_frames += segment.end_frame - segment.start_frame + 1
    return total / n_frames if n_frames else math.nan


@dataclass
class _Grammar:
    """States in a row from 0 to ``last``: what may be heard between two of them, with its chance,
    and which steps may be silent.
    """

    last: int = 0
    heard: list[tuple[int, int, float, str]] = field(default_factory=list)
    silent: dict[int, float] = field(default_factory=dict)

    def between_words(self, filled_pause: float) -> None:
        """From the end of a word to the next one: straight on, or through a filled pause."""
        self.silent[self.last] = 1 - filled_pause
        if filled_pause > 0:
            share = filled_pause / len(_FILLED)
            self.heard += [(self.last, self.last + 1, share, name) for name in _FILLED]
        self.last += 1

    def word(self, ways: Sequence[str], chance: float) -> None:
        """A word, said in one of several ways, or left out where it was not said for sure."""
        share = chance / len(ways)
        self.heard += [(self.last, self.last + 1, share, name) for name in ways]
        if chance < 1:
            self.silent[self.last] = 1 - chance
        self.last += 1

    def arcs(self) -> list[tuple[Any, ...]]:
        """All steps. The decoder takes one silent step at a time, so rows of them are steps too."""
        out: list[tuple[Any, ...]] = list(self.heard)
        for first in self.silent:
            at, chance = first, 1.0
            while at in self.silent:
                chance *= self.silent[at]
                at += 1
                out.append((first, at, chance))
        return out


def _ways_to_say(text: str, decoder: Any) -> tuple[str, ...]:
    """Phones of a word; a filled pause may sound like any other, however it is written."""
    if is_filler(text):
        return tuple(_FILLED.values())
    return ways_to_say(text, decoder.lookup_word)


def _times(
    decoder: Any, names: dict[str, int], doubtful: frozenset[int]
) -> dict[int, tuple[float, float]] | None:
    segments = decoder.seg()
    if segments is None:
        return None
    times = {}
    for segment in segments:
        k = names.get(segment.word)
        if k is not None:
            times[k] = (segment.start_frame * _FRAME_S, (segment.end_frame + 1) * _FRAME_S)
    whole = all(k in times or k in doubtful for k in names.values())
    return times if whole else None


def _named(decoder: Any, place: int, phones: str) -> str:
    """The name under which a word of this place and pronunciation stands in the dictionary."""
    name = f"w{place}_{phones.replace(' ', '_')}"
    if decoder.lookup_word(name) is None:
        decoder.add_word(name, phones, False)
    return name


@functools.lru_cache(maxsize=2)
def _decoder(beam: float, word_beam: float) -> Any:
    decoder = _pocketsphinx().Decoder(
        lm=None,
        samprate=SAMPLE_RATE_HZ,
        beam=beam,
        pbeam=beam,
        wbeam=word_beam,
        # Its second pass, over a lattice, leaves out words of the grammar.
        bestpath=False,
        loglevel="FATAL",
    )
    for name, phones in _FILLED.items():
        decoder.add_word(name, phones, False)
    return decoder


def _pocketsphinx() -> Any:
    try:
        import pocketsphinx
    except ImportError as error:
        raise MissingExtra("align", "aligning words with the sound") from error
    return pocketsphinx


def align_words(
    values: np.ndarray,
    sample_rate_hz: int,
    start_s: float,
    given: Words,
    settings: AlignSettings | None = None,
) -> Words:
    """A transcript with the times at which its words are heard.

    Other people's speech is silenced before. Words that have plausible times of their own, and
    words that cannot be aligned, keep the times they came with; the remarks say so.

    Args:
        values: Sound ``(n,)``, float mono at 16 kHz.
        sample_rate_hz: Its rate, 16000.
        start_s: Time of its first sample on the recording's clock.
        given: The transcript.
        settings: How to align.

    Raises:
        MissingExtra: PocketSphinx is not installed.
        BadInput: another sample rate.
    """
    if sample_rate_hz != SAMPLE_RATE_HZ:
        raise BadInput(f"alignment: expected sound at {SAMPLE_RATE_HZ} Hz, got {sample_rate_hz} Hz")
    if why_not(given.words, given.language):
        return given
    samples = np.array(values, np.float32)
    for other in given.others:
        edges = [round((at_s - start_s) * sample_rate_hz) for at_s in (other.start_s, other.end_s)]
        first, last = np.clip(edges, 0, len(samples))
        samples[first:last] = 0.0
    found = align(samples, start_s, given.words, settings=settings)
    n = sum(word.timing is Timing.ALIGNED for word in found.words)
    put = "{n} of {all} words [was put where it is|were put where they are] heard"
    remarks = [sentence(put, n, all=len(given.words))]
    made = finish(found.words, given.source, [*given.problems, *remarks, *found.remarks], None)
    return replace(given, words=made.words, timing=made.timing, problems=made.problems)

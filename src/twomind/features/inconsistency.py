"""Inconsistency cues: two things at one time that do not go together. Each quotes both, with their
times, so that a reader judges it; it is never ambivalence itself, and no score reads it.

What must be true is asked first: words with times of their own, a face or a voice that was measured
there, and both halves at one time. What the coders of BAH mark as cross-modal inconsistency is
wider.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from twomind.features.words.cues import WORD_KINDS, find_all
from twomind.features.words.text import Occurrence, tokens
from twomind.types import Cue, Timing, Word

FACE, VOICE, WITHIN = "face_against_words", "voice_against_words", "within_words"
KINDS = {
    FACE: "Face against words: a smile while something negative is said, or a frown while something "
    "positive is",
    VOICE: "Voice against words: a wish, a motive or something positive is said after a long pause, "
    "a held filler or in slow speech",
    WITHIN: "Within words: one sentence wants or likes, and the other side of its 'but' does not",
}
#: The modality under which these cues stand.
ACROSS = "across"

#: What a face says, and the words that it does not go with.
_FACES = {"smile": ("negative", "no_motivation"), "brow_lower": ("positive",)}
#: What a voice does, and the words that it does not go with.
_HESITANT = ("long_pause", "slow_speech", "filled pause (heard)")
_WILLING = ("positive", "desire", "motivation")
#: The two sides within words.
_FOR = ("positive", "desire", "motivation")
_AGAINST = ("negative", "no_motivation")


@dataclass(frozen=True)
class InconsistencySettings:
    """When two cues are one inconsistency."""

    #: Face and words must overlap for this long (seconds), and for this share of the words.
    overlap_s: float = 0.2
    overlap_share: float = 0.5
    #: Words must follow a pause or a held filler within this many seconds.
    after_s: float = 0.3
    #: Words that a slow stretch must cover, as a share of them.
    slow_share: float = 0.8
    #: The two sides of a sentence lie at most so many words from its 'but', on either side.
    side_words: int = 12


def inconsistencies(
    cues: Iterable[Cue],
    words: tuple[Word, ...],
    settings: InconsistencySettings | None = None,
) -> tuple[Cue, ...]:
    """All inconsistency cues of an answer.

    Args:
        cues: of face, voice and words.
        words: of the answer, with times.
        settings: when two cues are one inconsistency.
    """
    s = settings or InconsistencySettings()
    ordered = sorted(cues, key=lambda cue: (cue.start_s, cue.end_s, cue.kind))
    said = [cue for cue in ordered if cue.modality == "words"]
    found = list(_within_words(words, s))
    if has_own_times(words):
        found += _face_against_words(ordered, said, s)
        found += _voice_against_words(ordered, said, s)
    return tuple(found)


def has_own_times(words: Iterable[Word]) -> bool:
    """Whether each word has its own time; one that is spread over a subtitle or the recording has
    none that could be held against a face or a voice.
    """
    spread = (Timing.SPREAD_CUE, Timing.SPREAD_ALL)
    return all(word.timing not in spread for word in words)


def _pair(kind: str, one: Cue, other: Cue, told: str = "") -> Cue:
    """One cue of two, that quotes both."""
    start_s = min(one.start_s, other.start_s)
    end_s = max(one.end_s, other.end_s)
    detail = f"{_quoted(one)} against {_quoted(other)}{told}"
    return Cue(kind, ACROSS, start_s, end_s, detail=detail)


def _quoted(cue: Cue) -> str:
    times = f"{cue.start_s:.1f}-{cue.end_s:.1f} s"
    name = cue.kind.replace("_", " ")
    if cue.modality == "words":
        return f"{name} “{cue.detail}” ({times})"
    return f"{name} ({times})"


def _overlap_s(a: Cue, b: Cue) -> float:
    return min(a.end_s, b.end_s) - max(a.start_s, b.start_s)


def _face_against_words(
    cues: Sequence[Cue], said: Sequence[Cue], s: InconsistencySettings
) -> Iterator[Cue]:
    for face in cues:
        opposite = _FACES.get(face.kind, ())
        for word in said:
            if face.modality != "face" or word.kind not in opposite:
                continue
            word_s = word.end_s - word.start_s
            least_s = max(s.overlap_s, s.overlap_share * word_s)
            if _overlap_s(face, word) >= least_s:
                yield _pair(FACE, face, word)


def _voice_against_words(
    cues: Sequence[Cue], said: Sequence[Cue], s: InconsistencySettings
) -> Iterator[Cue]:
    """Each willing word against the last hesitant thing of the voice before or around it."""
    voices = [cue for cue in cues if cue.kind in _HESITANT]
    for word in said:
        if word.kind not in _WILLING:
            continue
        fitting = [voice for voice in voices if _is_hesitant(voice, word, s)]
        if fitting:
            yield _pair(VOICE, fitting[-1], word)


def _is_hesitant(voice: Cue, word: Cue, s: InconsistencySettings) -> bool:
    if voice.kind == "slow_speech":
        lasts_s = max(word.end_s - word.start_s, 1e-6)
        return _overlap_s(voice, word) / lasts_s >= s.slow_share
    gap_s = word.start_s - voice.end_s
    return -0.1 <= gap_s <= s.after_s


def _within_words(words: tuple[Word, ...], s: InconsistencySettings) -> Iterator[Cue]:
    """What is wanted and what is not, on two sides of one contrast ("I want to, but I hate it")."""
    texts = [word.text for word in words]
    hits = [hit for hit in find_all(texts) if hit.category in WORD_KINDS]
    sentence_of = _sentences(words)
    for contrast in hits:
        if contrast.category != "contrast":
            continue
        near = [hit for hit in hits if _is_near(hit, contrast, sentence_of, s)]
        before = {_side_of(hit): hit for hit in near if hit.first < contrast.first}
        after = {_side_of(hit): hit for hit in reversed(near) if hit.first > contrast.last}
        for one, other in (("for", "against"), ("against", "for")):
            if one in before and other in after:
                told = f", on two sides of “{contrast.text}”"
                first = _cue(before[one], words)
                second = _cue(after[other], words)
                yield _pair(WITHIN, first, second, told)


def _side_of(hit: Occurrence) -> str:
    if hit.category in _FOR:
        return "for"
    return "against" if hit.category in _AGAINST else ""


def _is_near(
    hit: Occurrence, contrast: Occurrence, sentence_of: Sequence[int], s: InconsistencySettings
) -> bool:
    """Is a hit in the sentence of a contrast, or in the one before where that opens its own?"""
    if abs(hit.first - contrast.first) > s.side_words:
        return False
    at = contrast.first
    apart = sentence_of[at] - sentence_of[hit.first]
    opens = at == 0 or sentence_of[at - 1] != sentence_of[at]
    return apart == 0 or (apart == 1 and opens)


def _cue(hit: Occurrence, words: tuple[Word, ...]) -> Cue:
    first, last = words[hit.first], words[hit.last]
    end_s = max(first.end_s, last.end_s)
    return Cue(hit.category, "words", first.start_s, end_s, detail=hit.text)


def _sentences(words: tuple[Word, ...]) -> list[int]:
    """The number of the sentence of each word."""
    ends = {token.word for token in tokens([word.text for word in words]) if token.ends_sentence}
    found = []
    number = 0
    for place in range(len(words)):
        found.append(number)
        number += place in ends
    return found

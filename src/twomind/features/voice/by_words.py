"""Pauses, and by what they are told: by the times of the words, or by the sound alone.

The sound alone takes soft speech for silence. The times of the words alone take a sound that nobody
wrote for silence. Where words have times that can be trusted, a pause is a silence of both: between
two of the person's words, no word stands and nobody is heard. Else it goes by the sound alone.
:func:`by_words` is the one place where that is decided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twomind.features.voice.pauses import Spans, pause_measures, silences
from twomind.sound.rows import HOP_S, Rows
from twomind.transcripts.align import AlignSettings, implausible_times
from twomind.types import Timing, Track, Word

WORDS, SOUND = "words", "sound"
#: Names in the summary of a voice: by what its pauses are told, why not by words, the same measures
#: by the sound alone, begin and end of the answer by its words, and what goes by these.
PAUSES_BY = "pauses_by"
NOT_BY_WORDS = "pauses_by_reason"
BY_SOUND = "by_sound"
FIRST_WORD, LAST_WORD = "first_word_s", "last_word_s"
SPEAKING = "speaking_s"
WORD_RATE = "words_per_speaking_min"
#: Measures of pauses, of which ``by_sound`` keeps those of the sound alone.
OF_PAUSES = ("n_pauses", "pause_total_s", "pause_mean_s", "pause_longest_s", "pauses_per_min")
_TRUSTED = (Timing.GIVEN, Timing.ALIGNED)
_SPREAD_OUT = "the words' own times run through silences that are heard"
#: A word that is heard for this long, in seconds, was said there, and not in the silence beside it.
_HEARD_S = 0.05


def speaking_rows(track: Track, words: Sequence[Word]) -> Rows:
    """Which rows ``(T,)`` of a voice are speech: somebody is heard, or a word stands."""
    speaks = (track.column("speech") == 1) & track.valid
    for first, last in _rows_of(track, words):
        speaks[first:last] = True
    return speaks & track.valid


def pauses_between(track: Track, words: Sequence[Word], min_pause_s: float) -> Spans:
    """Silences of both, the sound and the words, from the first word to the last.

    Args:
        track: The voice, a row per 10 ms.
        words: With times that can be trusted.
        min_pause_s: Shortest pause, in seconds.
    """
    first, last = _extent(track, words)
    if last <= first:
        return ()
    speaks = speaking_rows(track, words)[first:last]
    missing = ~track.valid[first:last]
    start_s = float(track.times_s[first])
    # Words that reach into what is missing leave a silence at an end, which is no pause.
    return silences(speaks, missing, start_s, min_pause_s)


def why_by_sound(track: Track, words: Sequence[Word], min_pause_s: float) -> str:
    """Why the times of the words cannot tell the pauses; empty where they can.

    Args:
        track: The voice, a row per 10 ms.
        words: Of the person, in order.
        min_pause_s: Shortest pause, in seconds.
    """
    if not words:
        return "there are no words"
    placed = [word for word in words if word.end_s > word.start_s]
    trusted = [word for word in placed if word.timing in _TRUSTED]
    least = (1 - AlignSettings().implausible) * len(placed)
    if not trusted or len(trusted) < least:
        return "the words' times are neither their own nor aligned with the sound"
    given = [word for word in trusted if word.timing is Timing.GIVEN]
    if given and implausible_times(given):
        return "the words' own times are implausible"
    if _run_through(track, given, min_pause_s):
        return _SPREAD_OUT
    first, last = _extent(track, trusted)
    return "" if last > first else "the words lie outside the sound"


def trusted_words(words: Sequence[Word]) -> list[Word]:
    """The words whose times tell where they were said: their own, or aligned."""
    return [word for word in words if word.timing in _TRUSTED and word.end_s > word.start_s]


def by_words(
    track: Track, summary: Mapping[str, Any], words: Sequence[Word] | None, min_pause_s: float
) -> tuple[Spans | None, dict[str, Any]]:
    """The pauses by the times of the words where these can tell, and the summary that says so.

    What counts nuclei of syllables is a measure of the sound and stays; ``by_sound`` keeps the
    measures of pauses by the sound alone, to hold against recordings without such words.

    Args:
        track: The voice, a row per 10 ms.
        summary: Its measures; those of pauses by the sound.
        words: Of the person, in order; None where they are not known.
        min_pause_s: Shortest pause, in seconds.

    Returns:
        The pauses, None where they go by the sound; and the whole summary.
    """
    if summary["status"] != "ok" or not _known(summary.get("n_pauses")):
        return None, {**summary, PAUSES_BY: "", NOT_BY_WORDS: ""}
    why = why_by_sound(track, words or (), min_pause_s)
    if why:
        return None, {**summary, PAUSES_BY: SOUND, NOT_BY_WORDS: why}
    told = trusted_words(words or ())
    pauses = pauses_between(track, told, min_pause_s)
    first, last = _extent(track, told)
    span_s = float(track.valid[first:last].sum() * HOP_S)
    reasons = dict(summary["not_measured"])
    for name in OF_PAUSES:
        reasons.pop(name, None)
    measures: dict[str, Any] = dict.fromkeys(OF_PAUSES, math.nan)
    measures |= pause_measures(pauses, span_s, reasons)
    speaking_s = span_s - measures["pause_total_s"]
    found = {**summary, **measures, "not_measured": reasons}
    found |= {PAUSES_BY: WORDS, NOT_BY_WORDS: ""}
    found[FIRST_WORD] = float(track.times_s[first])
    found[LAST_WORD] = float(track.times_s[last - 1] + HOP_S)
    found[SPEAKING] = speaking_s
    found[WORD_RATE] = 60 * len(words or ()) / speaking_s
    found[BY_SOUND] = {name: summary[name] for name in OF_PAUSES}
    return pauses, found


def of_the_sound(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The measures of a voice by the sound alone, which hold for clips with and without words."""
    return {**summary, **summary.get(BY_SOUND, {})}


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _rows_of(track: Track, words: Sequence[Word]) -> list[tuple[int, int]]:
    """First row and row after the last of each word, by where the middle of a row lies."""
    if not len(track) or not words:
        return []
    edges_s = np.array([[word.start_s, word.end_s] for word in words])
    rows = np.searchsorted(track.times_s, edges_s - HOP_S / 2)
    return [(int(first), int(last)) for first, last in rows]


def _extent(track: Track, words: Sequence[Word]) -> tuple[int, int]:
    """First row and row after the last of all words, of what is valid."""
    edges = _rows_of(track, words)
    if not edges:
        return 0, 0
    first = min(edge[0] for edge in edges)
    last = max(edge[1] for edge in edges)
    known = np.flatnonzero(track.valid[first:last])
    if not len(known):
        return 0, 0
    return first + int(known[0]), first + int(known[-1]) + 1


def _run_through(track: Track, words: Sequence[Word], min_pause_s: float) -> bool:
    """Whether words that are heard go on through most of the silences, as those of recognisers do
    that give all the time to some word. A word that is not heard at all was said softly.
    """
    speech = (track.column("speech") == 1) & track.valid
    held = silences(speech, ~track.valid, float(track.times_s[0]), min_pause_s)
    heard = []
    for word, (first, last) in zip(words, _rows_of(track, words), strict=True):
        if speech[first:last].sum() * HOP_S >= _HEARD_S:
            heard.append(word)
    n_through = 0
    for begin_s, end_s in held:
        n_through += any(_in_span_s(word, begin_s, end_s) >= min_pause_s for word in heard)
    return n_through > len(held) / 2


def _in_span_s(word: Word, begin_s: float, end_s: float) -> float:
    return min(word.end_s, end_s) - max(word.start_s, begin_s)

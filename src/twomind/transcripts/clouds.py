"""The dumps of speech services: Amazon Transcribe, Deepgram, Google, Azure, Rev, Speechmatics and
YouTube. Each names its keys in its own way; all become words with times and speakers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from twomind.transcripts.items import (
    as_dict,
    as_list,
    between_neighbours,
    confidence_of,
    get,
    language_of,
    opening,
    seconds,
    span_s,
    speaker_of,
)
from twomind.transcripts.spans import Parsed, Span

#: Azure counts time in ticks of 100 ns.
_TICKS_PER_S = 10_000_000


def from_cloud(data: dict[str, Any], kind: str) -> Parsed | None:
    """The transcript of a speech service; None where the keys are of none that is known.

    Args:
        data: What the file holds.
        kind: ``JSON`` or ``YAML``, for a reader.

    Raises:
        BadInput: a time is none.
    """
    results: Any = data.get("results")
    if isinstance(get(results, "items"), list):
        return _parsed("Amazon Transcribe", kind, _amazon(results), _language(results))
    if isinstance(get(results, "channels"), list):
        return _parsed("Deepgram", kind, _deepgram(results), _language(data))
    first = as_dict(results[0]) if isinstance(results, list) and results else {}
    if "alternatives" in first and "type" in first:
        return _parsed("Speechmatics", kind, map(_typed, results), _language(data))
    if "alternatives" in first:
        return _parsed("Google", kind, _google(results), _language(first))
    if isinstance(data.get("recognizedPhrases"), list):
        return _parsed("Azure", kind, _azure(data["recognizedPhrases"]), None)
    if isinstance(data.get("monologues"), list):
        return _parsed("Rev", kind, _rev(data["monologues"]), _language(data))
    events = data.get("events")
    if isinstance(events, list) and any("segs" in as_dict(event) for event in events):
        return _parsed("YouTube", kind, _youtube(events), None)
    return None


def _parsed(service: str, kind: str, items: Iterator[Span] | Any, language: str | None) -> Parsed:
    """Words of a service; punctuation stands with the word before it."""
    spans: list[Span] = []
    for item in items:
        if not item.text:
            continue
        if spans and _is_punctuation(item.text):
            spans[-1] = replace(spans[-1], text=spans[-1].text + item.text)
            continue
        spans.append(item)
    known = between_neighbours(opening(spans))
    return Parsed(tuple(known), f"{service} {kind}", language)


def _language(data: Any) -> str | None:
    return language_of(get(data, "language_code", "language", "languageCode"))


def _is_punctuation(text: str) -> bool:
    return len(text) < 4 and all(c in ".,;:!?…" for c in text)


def _word(item: Any, text: Any, speaker: str = "") -> Span:
    """A word of an item that has times."""
    item = as_dict(item)
    said = str(text or "").strip()
    start_s, end_s = span_s(item, f"word {said[:40]!r}")
    return Span(said, start_s, end_s, confidence_of(item), speaker=speaker_of(item) or speaker)


def _typed(item: Any) -> Span:
    """A word or a mark of punctuation with the best of its alternatives."""
    alternatives = as_list(get(item, "alternatives"))
    best = as_dict(alternatives[0]) if alternatives else {}
    said = _word(item, best.get("content"), speaker_of(best))
    return replace(said, confidence=confidence_of(best))


def _amazon(results: dict[str, Any]) -> Iterator[Span]:
    by_start: dict[str, str] = {}
    for segment in as_list(get(results.get("speaker_labels"), "segments")):
        for item in as_list(get(segment, "items")):
            by_start[str(get(item, "start_time"))] = speaker_of(item) or speaker_of(segment)
    for item in results["items"]:
        said = _typed(item)
        speaker = said.speaker or by_start.get(str(get(item, "start_time")), "")
        yield replace(said, speaker=speaker)


def _deepgram(results: dict[str, Any]) -> Iterator[Span]:
    channels = as_list(results["channels"])
    for k, channel in enumerate(channels):
        alternatives = as_list(get(channel, "alternatives"))
        best = as_dict(alternatives[0]) if alternatives else {}
        name = f"channel {k}" if len(channels) > 1 else ""
        for item in as_list(best.get("words")):
            yield _word(item, get(item, "punctuated_word", "word"), name)


def _google(results: list[Any]) -> Iterator[Span]:
    """With speakers told apart, the last result repeats all words."""
    by_result: list[list[Any]] = []
    for result in results:
        alternatives = as_list(get(result, "alternatives"))
        best = as_dict(alternatives[0]) if alternatives else {}
        words = as_list(best.get("words"))
        by_result.append(words or [{"word": best.get("transcript")}])
    repeated = any(speaker_of(word) for word in by_result[-1])
    for words in by_result[-1:] if repeated else by_result:
        for item in words:
            yield _word(item, get(item, "word"))


def _azure(phrases: list[Any]) -> Iterator[Span]:
    for phrase in phrases:
        best = as_list(get(phrase, "nBest"))
        shown = get(best[0], "display", "lexical") if best else ""
        start_s = _ticks_s(get(phrase, "offsetInTicks"))
        end_s = start_s + _ticks_s(get(phrase, "durationInTicks"))
        yield Span(str(shown or "").strip(), start_s, end_s, speaker=speaker_of(phrase))


def _ticks_s(value: Any) -> float:
    return seconds(value, "phrase") / _TICKS_PER_S


def _rev(monologues: list[Any]) -> Iterator[Span]:
    for monologue in monologues:
        speaker = speaker_of(monologue)
        for element in as_list(get(monologue, "elements")):
            yield _word(element, get(element, "value"), speaker)


def _youtube(events: list[Any]) -> Iterator[Span]:
    """Words begin so many milliseconds after their event; the last ends with it."""
    for event in events:
        begin_s = seconds(get(event, "tStartMs"), "event") / 1000
        end_s = begin_s + seconds(get(event, "dDurationMs"), "event") / 1000
        words = as_list(get(event, "segs"))
        for k, word in enumerate(words):
            offset_ms = get(word, "tOffsetMs") or 0
            last_s = end_s if k + 1 == len(words) else math.nan
            text = str(get(word, "utf8") or "").strip()
            start_s = begin_s + seconds(offset_ms, "word") / 1000
            yield Span(text, start_s, last_s)

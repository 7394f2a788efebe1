"""One word or segment of a JSON or YAML dump: its text, times, speaker and confidence, by whatever
keys the program that wrote it uses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from twomind.core.errors import BadInput, quoted
from twomind.transcripts.cues import clock_s
from twomind.transcripts.spans import Span

_TEXT = ("text", "word")
_START = ("start", "start_time", "startTime", "startOffset", "ts", "begin")
_END = ("end", "end_time", "endTime", "endOffset", "end_ts")
_SPEAKER = ("speaker", "speaker_label", "speaker_id", "speakerId", "speakerTag", "speaker_tag")
_CONFIDENCE = ("probability", "score", "confidence", "conf")
#: Times as Google writes them: ``1.200s``.
_WITH_UNIT = re.compile(r"(\d+(?:\.\d+)?)s")
_SENTENCE_ENDS = (".", "?", "!", "…")


def get(item: Any, *keys: str) -> Any:
    """The first of the keys that the item has."""
    if not isinstance(item, dict):
        return None
    for key in keys:
        if item.get(key) is not None:
            return item[key]
    return None


def as_object(item: Any, where: str) -> dict[str, Any]:
    """The item, which must have keys."""
    if not isinstance(item, dict):
        raise BadInput(
            f"{where}: expected an object with text and times, got {type(item).__name__}"
        )
    return item


def as_dict(value: Any) -> dict[str, Any]:
    """The value where it has keys, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value where it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text_of(item: dict[str, Any], where: str) -> str:
    """The text of an item; empty where it has none."""
    text = get(item, *_TEXT)
    if text is None:
        return ""
    if not isinstance(text, str | int | float):
        raise BadInput(f"{where}: expected text, got {type(text).__name__}")
    return str(text)


def seconds(value: Any, where: str) -> float:
    """A time; nan for None."""
    if value is None:
        return math.nan
    try:
        number = float(value) if not isinstance(value, bool) else math.inf
    except (TypeError, ValueError, OverflowError):
        number = _written_s(value)
    if math.isinf(number):
        raise BadInput(f"{where}: expected a time in seconds, got {quoted(value)}")
    return number


def _written_s(value: Any) -> float:
    """A time that is written with its unit or as on a clock; infinite where it is none."""
    if not isinstance(value, str) or len(value) > 40:
        return math.inf
    with_unit = _WITH_UNIT.fullmatch(value.strip())
    if with_unit:
        return float(with_unit[1])
    return clock_s(value.strip())


def span_s(item: dict[str, Any], where: str) -> tuple[float, float]:
    """When an item starts and ends; nan where it does not say."""
    return seconds(get(item, *_START), where), seconds(get(item, *_END), where)


def speaker_of(item: Any) -> str:
    """Who says it; empty where the item does not say."""
    value = get(item, *_SPEAKER)
    if isinstance(value, dict):
        value = get(value, "name", "label", "id")
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    name = str(value).strip()
    return f"speaker {name}" if name.isdigit() else name


def confidence_of(item: dict[str, Any]) -> float:
    """In [0, 1]; nan where there is none, or where it is no probability (some programs write
    log-probabilities).
    """
    try:
        number = float(get(item, *_CONFIDENCE))
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if 0.0 <= number <= 1.0 else math.nan


def language_of(value: Any) -> str | None:
    """As given, in lower case; the names that Whisper spells out for the languages of BAH become
    their codes.
    """
    if not isinstance(value, str) or not value:
        return None
    return {"english": "en", "french": "fr"}.get(value.lower(), value.lower())


def word(item: Any, index: int) -> Span:
    """One item of a list of words."""
    where = f"word {index + 1}"
    item = as_object(item, where)
    start_s, end_s = span_s(item, where)
    text = text_of(item, where).strip()
    return Span(text, start_s, end_s, confidence_of(item), speaker=speaker_of(item))


def words(items: Iterable[Any]) -> tuple[Span, ...]:
    """A list of words."""
    spans = [word(item, i) for i, item in enumerate(items)]
    return tuple(opening(spans))


def opening(spans: Iterable[Span]) -> list[Span]:
    """Spans that may be single words: one opens a line where a sentence begins."""
    out: list[Span] = []
    before = ""
    for span in spans:
        single = bool(before) and " " not in before and " " not in span.text
        opens = not single or before.endswith(_SENTENCE_ENDS)
        out.append(replace(span, opens=opens))
        before = span.text or before
    return out


def between_neighbours(spans: Iterable[Span]) -> list[Span]:
    """Spans in which one without a speaker, between two of one speaker, is theirs."""
    out = list(spans)
    known = [k for k, span in enumerate(out) if span.speaker]
    for left, right in pairwise(known):
        if out[left].speaker != out[right].speaker:
            continue
        for k in range(left + 1, right):
            out[k] = replace(out[k], speaker=out[left].speaker)
    return out

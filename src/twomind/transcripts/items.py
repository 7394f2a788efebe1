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
from twomind.transcripts.pieces import blanks_tell, may_continue, plainly
from twomind.transcripts.spans import Span

_TEXT = ("text", "word")
_START = (
    "start", "start_time", "startTime", "startOffset", "ts", "begin", "begin_time", "from", "offset",
    "start_s", "t0", "starttime", "time",
)  # fmt: skip
_END = ("end", "end_time", "endTime", "endOffset", "end_ts", "stop", "to", "end_s", "t1", "endtime")
#: Keys whose name tells the unit.
_START_MS = ("start_ms", "startMs", "start_milliseconds", "begin_ms", "offset_ms")
_END_MS = ("end_ms", "endMs", "end_milliseconds")
_LENGTH = ("duration", "dur", "duration_s")
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
    """A time in seconds from any value; nan for None."""
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
    start_s = seconds(get(item, *_START), where)
    end_s = seconds(get(item, *_END), where)
    if math.isnan(start_s):
        start_s = seconds(get(item, *_START_MS), where) / 1000
        end_s = seconds(get(item, *_END_MS), where) / 1000
    if math.isnan(end_s):
        end_s = start_s + seconds(get(item, *_LENGTH), where)
    return start_s, end_s


def speaker_of(item: Any) -> str:
    """Who says it; empty where the item does not say."""
    value = get(item, *_SPEAKER)
    if isinstance(value, dict):
        value = get(value, "name", "label", "id")
    if isinstance(value, list):
        value = " and ".join(str(name) for name in value if isinstance(name, str | int))
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    name = str(value).strip()
    return f"speaker {name}" if name.isdigit() else name


def confidence_of(item: dict[str, Any]) -> float:
    """In [0, 1]; nan where there is none, or where it is not a probability (some programs write
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


def words(items: Iterable[Any]) -> tuple[Span, ...]:
    """A list of words; pieces of words are joined where the blanks before them tell which they are."""
    objects = [as_object(item, f"word {k + 1}") for k, item in enumerate(items)]
    texts = plainly([text_of(item, f"word {k + 1}") for k, item in enumerate(objects)])
    told = blanks_tell(texts)
    spans: list[Span] = []
    for k, (item, text) in enumerate(zip(objects, texts, strict=True)):
        start_s, end_s = span_s(item, f"word {k + 1}")
        said = text.strip()
        span = Span(said, start_s, end_s, confidence_of(item), speaker=speaker_of(item))
        continues = told and bool(spans) and not text[:1].isspace()
        if continues and not texts[k - 1][-1:].isspace() and may_continue(spans[-1].text, said):
            spans[-1] = _with_rest(spans[-1], span)
        else:
            spans.append(span)
    return tuple(opening(spans))


def _with_rest(span: Span, rest: Span) -> Span:
    """A word with its next piece; as sure as the less sure of the two."""
    end_s = span.end_s if math.isnan(rest.end_s) else rest.end_s
    confidence = min(span.confidence, rest.confidence)
    return replace(span, text=span.text + rest.text, end_s=end_s, confidence=confidence)


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

"""Transcript formats, each translated at this edge into one thing: spans of text with what times
they carry.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

from twomind.core.errors import BadInput
from twomind.core.yaml_files import load_yaml

#: Whisper looks at speech through windows of this length.
WHISPER_WINDOW_S = 30.0
EXPECTED = (
    "SubRip (.srt), WebVTT (.vtt), Whisper JSON (.json), Whisper YAML as in BAH (.yml) or "
    "plain text (.txt)"
)


@dataclass(frozen=True)
class Span:
    """Text with the time it was given: a subtitle, a chunk or a single word. nan where no time was
    given.
    """

    text: str
    start_s: float = math.nan
    end_s: float = math.nan
    confidence: float = math.nan
    spread: bool = False  # its times were filled in from its neighbours


@dataclass(frozen=True)
class Parsed:
    """One transcript as its format tells it."""

    spans: tuple[Span, ...]
    kind: str
    language: str | None = None
    problems: tuple[str, ...] = ()


def parse(text: str, suffix: str) -> Parsed:
    """Recognise the format by what the text looks like (names may lie), helped by ``suffix`` where
    looks do not decide.

    Raises:
        BadInput: the text is not what its suffix promises.
    """
    looks = text.lstrip()
    if looks.startswith("WEBVTT") or suffix == ".vtt":
        return _subtitles(text, "WebVTT")
    if suffix == ".srt" or (
        suffix not in (".json", ".yml", ".yaml") and len(_TIMING.findall(text)) > 0
    ):
        return _subtitles(text, "SubRip")
    if suffix == ".json" or (
        suffix not in (".yml", ".yaml", ".txt") and looks.startswith(("{", "["))
    ):
        return _from_data(_load_json(text), "JSON")
    if suffix in (".yml", ".yaml"):
        return _from_data(_load_yaml(text), "YAML")
    if suffix in ("", ".txt", ".text", ".md"):
        return Parsed((Span(text),) if text.strip() else (), "plain text")
    raise BadInput(f"expected a transcript as {EXPECTED}, got a file named *{suffix}")


# --- subtitles
# -------------------------------------------------------------------------------------------------------
# Own reader: pysubs2 1.8 hands WebVTT notes, styles and the next cue's identifier to the cue
# before, and drops a last line that is only a number ("... I am / 42"). Here every spoken word must
# survive, and nothing that was not spoken.

_STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"^[ \t]*{_STAMP}[ \t]*-->[ \t]*{_STAMP}", re.MULTILINE)
_INLINE_STAMP = re.compile(rf"<{_STAMP}>")
_TAG = re.compile(r"</?[a-zA-Z][^>]*>|\{\\[^}]*\}")
_VOICE = re.compile(r"<v(?:\.[^ \t>]*)?[ \t]+([^>]+)>")


def _stamp_s(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return (
        int(hours or 0) * 3600
        + int(minutes) * 60
        + int(seconds)
        + int(fraction) / 10 ** len(fraction)
    )


def _cues(text: str, kind: str) -> Iterator[tuple[float, float, list[str]]]:
    """Start, end and text lines of every cue."""
    lines = text.splitlines()
    at = [i for i, line in enumerate(lines) if _TIMING.match(line)]
    for i, following in pairwise([*at, len(lines)]):
        body = lines[i + 1 : following]
        if kind == "WebVTT":
            # A blank line ends a WebVTT cue; what follows is an identifier, a note or a style.
            blank = next((k for k, line in enumerate(body) if not line), len(body))
            body = body[:blank]
        elif following < len(lines) and body and body[-1].strip().isdigit():
            body = body[:-1]  # the number of the next cue
        match = _TIMING.match(lines[i])
        assert match
        yield (
            _stamp_s(*match.groups()[:4]),
            _stamp_s(*match.groups()[4:]),
            [line for line in body if line.strip()],
        )


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub("", text)).strip()


def _subtitles(text: str, kind: str) -> Parsed:
    cues = list(_cues(text, kind))
    if not cues and text.strip() and not (kind == "WebVTT" and text.lstrip().startswith("WEBVTT")):
        raise BadInput(
            f"expected {kind} subtitles, whose cues have a line like 00:00:01.000 --> "
            "00:00:02.000; "
            "found none"
        )
    problems = []
    voices = {name.strip() for _, _, lines in cues for name in _VOICE.findall("\n".join(lines))}
    if len(voices) > 1:
        problems.append(
            f"the subtitles name {len(voices)} speakers; the words of all are taken as this "
            "person's"
        )
    if any(_INLINE_STAMP.search(line) for _, _, lines in cues for line in lines):
        cues, n_dropped = _without_roll_up(cues)
        if n_dropped:
            problems.append(
                f"{n_dropped} lines that only repeat the line above (rolling captions) were left "
                "out"
            )
    return Parsed(
        tuple(span for cue in cues for span in _cue_spans(*cue)), kind, None, tuple(problems)
    )


def _without_roll_up(
    cues: list[tuple[float, float, list[str]]],
) -> tuple[list[tuple[float, float, list[str]]], int]:
    """Rolling captions show each line again, without word stamps, above the next one; keep its
    first showing.
    """
    kept, n_dropped, last = [], 0, ""
    for start_s, end_s, lines in cues:
        fresh = []
        for line in lines:
            if not _INLINE_STAMP.search(line) and _plain(line) == last:
                n_dropped += 1
                continue
            fresh.append(line)
            last = _plain(_INLINE_STAMP.sub("", line))
        kept.append((start_s, end_s, fresh))
    return kept, n_dropped


def _cue_spans(start_s: float, end_s: float, lines: list[str]) -> Iterator[Span]:
    text = "\n".join(lines)
    stamps = [_stamp_s(*m.groups()) for m in _INLINE_STAMP.finditer(text)]
    parts = [_plain(part) for part in _INLINE_STAMP.sub("\0", text).split("\0")]
    edges = [start_s, *stamps, end_s]
    for part, left_s, right_s in zip(parts, edges[:-1], edges[1:], strict=True):
        if part:
            yield Span(part, left_s, right_s)


# --- JSON and YAML
# ---------------------------------------------------------------------------------------------------


def _load_json(text: str) -> Any:
    if not text.strip():
        return []
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(f"expected Whisper JSON, but it is not JSON: {error}") from error


def _load_yaml(text: str) -> Any:
    try:
        return load_yaml(text) or []
    except ValueError as error:
        raise BadInput(
            f"expected a Whisper transcript as YAML (text, chunks), but it cannot be read: {error}"
        ) from error


def _from_data(data: Any, kind: str) -> Parsed:
    """Any of the dumps that Whisper programs write. The keys say which one it is."""
    if isinstance(data, list):
        data = {"segments": data} if not _are_words(data) else {"words": data}
    if not isinstance(data, dict):
        raise BadInput(
            f"expected {kind} with 'segments', 'chunks', 'words' or 'text', got "
            f"{type(data).__name__}"
        )
    text = data.get("text")
    language = _language(data.get("language"))
    loose = data.get("words") or data.get("word_segments") or []
    if isinstance(data.get("chunks"), list):
        return _from_chunks(data["chunks"], kind, language, text)
    if isinstance(data.get("transcription"), list):
        spans = tuple(_whisper_cpp(segment, i) for i, segment in enumerate(data["transcription"]))
        return Parsed(spans, f"whisper.cpp {kind}", _language(_get(data.get("result"), "language")))
    if isinstance(data.get("segments"), list):
        segments = [_object(s, f"segment {i + 1}") for i, s in enumerate(data["segments"])]
        if loose and not any(s.get("words") for s in segments):
            return Parsed(
                tuple(_word(w, i) for i, w in enumerate(loose)), f"Whisper {kind}", language
            )
        problems: list[str] = []
        spans = tuple(span for i, s in enumerate(segments) for span in _segment(s, i, problems))
        return Parsed(spans, f"Whisper {kind}", language, tuple(problems))
    if isinstance(loose, list) and loose:
        return Parsed(tuple(_word(w, i) for i, w in enumerate(loose)), f"Whisper {kind}", language)
    if isinstance(text, str):
        return Parsed((Span(text),) if text.strip() else (), f"{kind} without times", language)
    if "words" in data or "word_segments" in data:
        return Parsed((), f"Whisper {kind}", language)
    raise BadInput(
        f"expected {kind} with 'segments', 'chunks', 'words' or 'text', got the keys "
        f"{sorted(map(str, data))[:8]}"
    )


def _are_words(items: list[Any]) -> bool:
    return bool(items) and isinstance(items[0], dict) and "word" in items[0]


def _get(item: Any, *keys: str) -> Any:
    """The first of the keys that the item has."""
    return (
        next((item[key] for key in keys if item.get(key) is not None), None)
        if isinstance(item, dict)
        else None
    )


def _object(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise BadInput(
            f"{where}: expected an object with text and times, got {type(item).__name__}"
        )
    return item


def _text(item: dict[str, Any], where: str) -> str:
    text = _get(item, "text", "word")
    if text is None:
        return ""
    if not isinstance(text, str | int | float):
        raise BadInput(f"{where}: expected text, got {type(text).__name__}")
    return str(text)


def _seconds(value: Any, where: str) -> float:
    """nan for None."""
    if value is None:
        return math.nan
    try:
        seconds = float(value) if not isinstance(value, bool) else math.inf
    except (TypeError, ValueError):
        seconds = math.inf
    if math.isinf(seconds):
        raise BadInput(f"{where}: expected a time in seconds, got {value!r}")
    return seconds


def _confidence(value: Any) -> float:
    """nan where there is none, or where it is no probability (some programs write
    log-probabilities).
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.nan
    return number if 0.0 <= number <= 1.0 else math.nan


def _language(value: Any) -> str | None:
    """As given, in lower case; the names that Whisper spells out for the languages of BAH become
    their codes.
    """
    if not isinstance(value, str) or not value:
        return None
    return {"english": "en", "french": "fr"}.get(value.lower(), value.lower())


def _word(item: Any, index: int) -> Span:
    where = f"word {index + 1}"
    item = _object(item, where)
    start_s, end_s = _seconds(item.get("start"), where), _seconds(item.get("end"), where)
    confidence = _confidence(_get(item, "probability", "score", "confidence"))
    return Span(_text(item, where).strip(), start_s, end_s, confidence)


def _whisper_cpp(item: Any, index: int) -> Span:
    where = f"segment {index + 1}"
    item = _object(item, where)
    offsets = item.get("offsets") or {}
    start_ms, end_ms = _seconds(_get(offsets, "from"), where), _seconds(_get(offsets, "to"), where)
    return Span(_text(item, where).strip(), start_ms / 1000, end_ms / 1000)


def _segment(item: dict[str, Any], index: int, problems: list[str]) -> list[Span]:
    """One segment: its words where it has them, with any word of its text that the word list lacks
    put back.
    """
    where = f"segment {index + 1}"
    start_s, end_s = _seconds(item.get("start"), where), _seconds(item.get("end"), where)
    text = _text(item, where).strip()
    timed = [_word(w, i) for i, w in enumerate(item.get("words") or ())]
    timed = [w for w in timed if w.text]
    if not timed:
        return [Span(text, start_s, end_s)] if text else []
    complete = _put_back(timed, text)
    if len(complete) > len(timed):
        problems.append(
            f"{where}: {len(complete) - len(timed)} of its words carried no time of their own"
        )
    return fill(complete, start_s, end_s)


def _letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


def _put_back(timed: list[Span], text: str) -> list[Span]:
    """``timed`` plus, at their places and without a time, the words of ``text`` that it lacks."""
    if not text or _letters(text) == _letters("".join(w.text for w in timed)):
        return timed
    spoken = text.split()
    matcher = SequenceMatcher(
        None, [_letters(w.text) for w in timed], [_letters(w) for w in spoken], autojunk=False
    )
    complete: list[Span] = []
    for what, a0, a1, b0, b1 in matcher.get_opcodes():
        complete += timed[a0:a1]
        if what == "insert":
            complete += [Span(w) for w in spoken[b0:b1]]
        elif what == "replace" and b1 - b0 > a1 - a0:
            # Cannot be told apart word by word: trust the text, give it the time of what it
            # replaces.
            complete[len(complete) - (a1 - a0) :] = [
                Span(" ".join(spoken[b0:b1]), timed[a0].start_s, timed[a1 - 1].end_s)
            ]
    return complete


def _from_chunks(chunks: list[Any], kind: str, language: str | None, text: Any) -> Parsed:
    """``chunks[].timestamp``: pairs of seconds, the last end may be None, and they may start again
    in each window.
    """
    spans = []
    for i, item in enumerate(chunks):
        where = f"chunk {i + 1}"
        item = _object(item, where)
        language = language or _language(item.get("language"))
        pair = item.get("timestamp")
        if pair is None:
            pair = (None, None)
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise BadInput(f"{where}: expected timestamp [start, end], got {pair!r}")
        spans.append(
            Span(_text(item, where).strip(), _seconds(pair[0], where), _seconds(pair[1], where))
        )
    problems = []
    spans, n_windows = unwrap_windows(spans)
    if n_windows > 1:
        problems.append(
            f"times start again in each of {n_windows} Whisper windows; they were added up"
        )
    if not spans and isinstance(text, str) and text.strip():
        return Parsed((Span(text),), f"{kind} without times", language)
    return Parsed(tuple(s for s in spans if s.text), f"Whisper {kind}", language, tuple(problems))


def unwrap_windows(spans: list[Span]) -> tuple[list[Span], int]:
    """Times that start again in each 30-s window of Whisper, put on one clock; and the number of
    windows.

    The next window starts where the last span of this one ended (Whisper moves its window there),
    or one whole window later when that span has no end. Times beyond 30 s show that the file is on
    one clock already: it is left as it is.
    """
    known = [t for s in spans for t in (s.start_s, s.end_s) if not math.isnan(t)]
    if not known or max(known) > WHISPER_WINDOW_S + 0.5:
        return spans, 1
    out: list[Span] = []
    offset_s, n_windows, start_s, end_s = 0.0, 1, -math.inf, 0.0
    for span in spans:
        # Far back, or back at zero, is a new window; a little back is only the rounding of two
        # neighbours.
        far_back = span.start_s < start_s - 0.5 or span.start_s < end_s - 1.0
        if far_back or (span.start_s == 0.0 and end_s > 0.0):
            offset_s += end_s
            n_windows += 1
        if not math.isnan(span.start_s):
            start_s = span.start_s
            end_s = span.end_s if not math.isnan(span.end_s) else WHISPER_WINDOW_S
        out.append(replace(span, start_s=span.start_s + offset_s, end_s=span.end_s + offset_s))
    return out, n_windows


# --- times that were not given
# ---------------------------------------------------------------------------------------

#: Only for a last word or chunk whose end nobody knows; the typical length of a word in speech.
WORD_S = 0.35


def _n_words(span: Span) -> int:
    return max(1, len(span.text.split()))


def fill(spans: list[Span], lo_s: float, hi_s: float) -> list[Span]:
    """Give spans without a time the room between their neighbours, shared by number of words.

    ``lo_s`` and ``hi_s`` bound the first and the last; nan when not known. All times are finite
    afterwards.
    """

    def next_start_s(i: int) -> float:
        return next((s.start_s for s in spans[i:] if not math.isnan(s.start_s)), math.nan)

    out: list[Span] = []
    left_s = lo_s if not math.isnan(lo_s) else 0.0
    i = 0
    while i < len(spans):
        span = spans[i]
        if not math.isnan(span.start_s):
            end_s = span.end_s
            if math.isnan(end_s):
                after = [t for t in (next_start_s(i + 1), hi_s) if t > span.start_s]
                end_s = after[0] if after else span.start_s + WORD_S * _n_words(span)
                span = replace(span, end_s=end_s, spread=True)
            out.append(span)
            left_s = max(left_s, end_s)
            i += 1
            continue
        n = (
            next((k for k in range(i, len(spans)) if not math.isnan(spans[k].start_s)), len(spans))
            - i
        )
        gap = spans[i : i + n]
        total = sum(map(_n_words, gap))
        right = [t for t in (next_start_s(i), hi_s) if not math.isnan(t)]
        right_s = max(left_s, right[0] if right else left_s + WORD_S * total)
        for span in gap:
            end_s = left_s + (right_s - left_s) * _n_words(span) / total
            out.append(replace(span, start_s=left_s, end_s=end_s, spread=True))
            left_s, total = end_s, total - _n_words(span)
        i += n
    return out

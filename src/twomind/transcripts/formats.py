"""Transcript formats, each translated at this edge into one thing: spans of text with what times
they carry.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

from twomind.core.errors import BadInput, quoted, shortened
from twomind.core.yaml_files import load_yaml
from twomind.types.same import same_values

#: More hours than any recording has; a time beyond it is no time.
_MOST_HOURS = 9999
#: Pairs of equal words beyond which the words of a text are not looked for in a list of words:
#: the work grows with the pairs, and only a text that says the same again and again has so many.
_MOST_PAIRS = 200_000
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

    __eq__ = same_values


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
    parsed = _parse(text, suffix)
    texts = [span.text for span in parsed.spans]
    if not all(map(_is_whole, [*texts, parsed.language or ""])):
        raise BadInput("expected text, got halves of characters (lone surrogates) in it")
    return parsed


def _is_whole(text: str) -> bool:
    """Whether a text can be written to a file: JSON can escape half a character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _parse(text: str, suffix: str) -> Parsed:
    """The spans as they stand in the file."""
    looks = text.lstrip()
    data_suffixes = (".json", ".yml", ".yaml")
    if looks.startswith("WEBVTT") or suffix == ".vtt":
        return _subtitles(text, "WebVTT")
    if suffix == ".srt" or (suffix not in data_suffixes and _TIMING.search(text)):
        return _subtitles(text, "SubRip")
    looks_like_json = looks.startswith(("{", "["))
    if suffix == ".json" or (suffix not in (".yml", ".yaml", ".txt") and looks_like_json):
        return _from_data(_load_json(text), "JSON")
    if suffix in (".yml", ".yaml"):
        return _from_data(_load_yaml(text), "YAML")
    if suffix in ("", ".txt", ".text", ".md"):
        return Parsed(_one_span(text), "plain text")
    raise BadInput(f"expected a transcript as {EXPECTED}, got a file named *{suffix}")


def _one_span(text: str) -> tuple[Span, ...]:
    """All text without a time; none where there is none."""
    return (Span(text),) if text.strip() else ()


# --- subtitles
# -------------------------------------------------------------------------------------------------------
# Own reader: pysubs2 1.8 hands WebVTT notes, styles and the next cue's identifier to the cue
# before, and drops a last line that is only a number ("... I am / 42"). Here every spoken word must
# survive, and nothing that was not spoken.

_STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"^[ \t]*{_STAMP}[ \t]*-->[ \t]*{_STAMP}", re.MULTILINE)
_INLINE_STAMP = re.compile(rf"<{_STAMP}>")
# A tag ends before the next one begins, so that none is looked for through the whole text.
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}")
_VOICE = re.compile(r"<v(?:\.[^ \t<>]*)?[ \t]+([^<>]+)>")
_OPEN_VOICE = re.compile(r"<v[ \t][^<>]*(?:<|$)")


def _stamp_s(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    n_hours = hours or "0"
    if len(n_hours) > len(str(_MOST_HOURS)):
        raise BadInput(f"expected a time of at most {_MOST_HOURS} hours, got {quoted(n_hours)}")
    return (
        int(n_hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction) / 10 ** len(fraction)
    )


@dataclass(frozen=True)
class _Cue:
    """Lines of text that are shown together."""

    start_s: float
    end_s: float
    lines: list[str]


def _cues(text: str, kind: str) -> Iterator[_Cue]:
    lines = text.splitlines()
    at = [i for i, line in enumerate(lines) if _TIMING.match(line)]
    for i, following in pairwise([*at, len(lines)]):
        body = lines[i + 1 : following]
        if kind == "WebVTT":
            body = _until_blank(body)
        elif following < len(lines) and body and body[-1].strip().isdigit():
            body = body[:-1]  # the number of the next cue
        match = _TIMING.match(lines[i])
        assert match
        stamps = match.groups()
        start_s = _stamp_s(*stamps[:4])
        end_s = _stamp_s(*stamps[4:])
        yield _Cue(start_s, end_s, [line for line in body if line.strip()])


def _until_blank(body: list[str]) -> list[str]:
    """A blank line ends a WebVTT cue; what follows is an identifier, a note or a style."""
    for k, line in enumerate(body):
        if not line:
            return body[:k]
    return body


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub("", text)).strip()


def _subtitles(text: str, kind: str) -> Parsed:
    cues = list(_cues(text, kind))
    may_be_empty = kind == "WebVTT" and text.lstrip().startswith("WEBVTT")
    if not cues and text.strip() and not may_be_empty:
        raise BadInput(
            f"expected {kind} subtitles, whose cues have a line like 00:00:01.000 --> "
            "00:00:02.000; "
            "found none"
        )
    problems = []
    n_speakers = len(_speakers(cues))
    if n_speakers > 1:
        problems.append(
            f"the subtitles name {n_speakers} speakers; the words of all are taken as this person's"
        )
    if any(_INLINE_STAMP.search(line) for cue in cues for line in cue.lines):
        cues, n_dropped = _without_roll_up(cues)
        if n_dropped:
            problems.append(
                f"{n_dropped} lines that only repeat the line above (rolling captions) were left "
                "out"
            )
    spans: list[Span] = []
    for cue in cues:
        spans += _cue_spans(cue)
    return Parsed(tuple(spans), kind, None, tuple(problems))


def _speakers(cues: list[_Cue]) -> set[str]:
    found: set[str] = set()
    for cue in cues:
        text = "\n".join(cue.lines)
        if _OPEN_VOICE.search(text):
            raise BadInput("a cue opens a tag that names a speaker (<v NAME>) and does not end it")
        names = _VOICE.findall(text)
        found.update(name.strip() for name in names)
    return found


def _without_roll_up(cues: list[_Cue]) -> tuple[list[_Cue], int]:
    """Rolling captions show each line again, without word stamps, above the next one; keep its
    first showing.
    """
    kept = []
    n_dropped = 0
    last = ""
    for cue in cues:
        fresh = []
        for line in cue.lines:
            if not _INLINE_STAMP.search(line) and _plain(line) == last:
                n_dropped += 1
                continue
            fresh.append(line)
            last = _plain(_INLINE_STAMP.sub("", line))
        kept.append(replace(cue, lines=fresh))
    return kept, n_dropped


def _cue_spans(cue: _Cue) -> Iterator[Span]:
    text = "\n".join(cue.lines)
    stamps = [_stamp_s(*m.groups()) for m in _INLINE_STAMP.finditer(text)]
    parts = _INLINE_STAMP.sub("\0", text).split("\0")
    edges = [cue.start_s, *stamps, cue.end_s]
    for part, (left_s, right_s) in zip(parts, pairwise(edges), strict=True):
        spoken = _plain(part)
        if spoken:
            yield Span(spoken, left_s, right_s)


# --- JSON and YAML
# ---------------------------------------------------------------------------------------------------


def _load_json(text: str) -> Any:
    if not text.strip():
        return []
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(f"expected Whisper JSON, but it is not JSON: {error}") from error
    except RecursionError as error:
        raise BadInput("expected Whisper JSON, but it is nested too deeply") from error


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
        name = "words" if _are_words(data) else "segments"
        data = {name: data}
    if not isinstance(data, dict):
        raise BadInput(
            f"expected {kind} with 'segments', 'chunks', 'words' or 'text', got "
            f"{type(data).__name__}"
        )
    for name, read in _DUMPS:
        if isinstance(data.get(name), list):
            return read(data, kind)
    return _from_words_or_text(data, kind)


def _loose_words(data: dict[str, Any]) -> Any:
    """Words that stand in no segment."""
    return data.get("words") or data.get("word_segments") or []


def _from_words_or_text(data: dict[str, Any], kind: str) -> Parsed:
    language = _language(data.get("language"))
    loose = _loose_words(data)
    text = data.get("text")
    if isinstance(loose, list) and loose:
        return Parsed(_words(loose), f"Whisper {kind}", language)
    if isinstance(text, str):
        return Parsed(_one_span(text), f"{kind} without times", language)
    if "words" in data or "word_segments" in data:
        return Parsed((), f"Whisper {kind}", language)
    names = sorted(map(str, data))[:8]
    raise BadInput(
        f"expected {kind} with 'segments', 'chunks', 'words' or 'text', got the keys {shortened(names)}"
    )


def _from_whisper_cpp(data: dict[str, Any], kind: str) -> Parsed:
    spans = tuple(_whisper_cpp(segment, i) for i, segment in enumerate(data["transcription"]))
    language = _language(_get(data.get("result"), "language"))
    return Parsed(spans, f"whisper.cpp {kind}", language)


def _from_segments(data: dict[str, Any], kind: str) -> Parsed:
    language = _language(data.get("language"))
    loose = _loose_words(data)
    segments = [_object(s, f"segment {i + 1}") for i, s in enumerate(data["segments"])]
    if loose and not any(s.get("words") for s in segments):
        return Parsed(_words(loose), f"Whisper {kind}", language)
    problems: list[str] = []
    spans: list[Span] = []
    for i, segment in enumerate(segments):
        spans += _segment(segment, i, problems)
    return Parsed(tuple(spans), f"Whisper {kind}", language, tuple(problems))


def _are_words(items: list[Any]) -> bool:
    return bool(items) and isinstance(items[0], dict) and "word" in items[0]


def _get(item: Any, *keys: str) -> Any:
    """The first of the keys that the item has."""
    if not isinstance(item, dict):
        return None
    for key in keys:
        if item.get(key) is not None:
            return item[key]
    return None


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
    except (TypeError, ValueError, OverflowError):
        seconds = math.inf
    if math.isinf(seconds):
        raise BadInput(f"{where}: expected a time in seconds, got {quoted(value)}")
    return seconds


def _confidence(value: Any) -> float:
    """nan where there is none, or where it is no probability (some programs write
    log-probabilities).
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return number if 0.0 <= number <= 1.0 else math.nan


def _language(value: Any) -> str | None:
    """As given, in lower case; the names that Whisper spells out for the languages of BAH become
    their codes.
    """
    if not isinstance(value, str) or not value:
        return None
    return {"english": "en", "french": "fr"}.get(value.lower(), value.lower())


def _words(items: Iterable[Any]) -> tuple[Span, ...]:
    return tuple(_word(item, i) for i, item in enumerate(items))


def _word(item: Any, index: int) -> Span:
    where = f"word {index + 1}"
    item = _object(item, where)
    start_s = _seconds(item.get("start"), where)
    end_s = _seconds(item.get("end"), where)
    confidence = _confidence(_get(item, "probability", "score", "confidence"))
    text = _text(item, where).strip()
    return Span(text, start_s, end_s, confidence)


def _whisper_cpp(item: Any, index: int) -> Span:
    where = f"segment {index + 1}"
    item = _object(item, where)
    offsets = item.get("offsets") or {}
    start_ms = _seconds(_get(offsets, "from"), where)
    end_ms = _seconds(_get(offsets, "to"), where)
    text = _text(item, where).strip()
    return Span(text, start_ms / 1000, end_ms / 1000)


def _segment(item: dict[str, Any], index: int, problems: list[str]) -> list[Span]:
    """One segment: its words where it has them, with any word of its text that the word list lacks
    put back.
    """
    where = f"segment {index + 1}"
    start_s = _seconds(item.get("start"), where)
    end_s = _seconds(item.get("end"), where)
    text = _text(item, where).strip()
    timed = [word for word in _words(item.get("words") or ()) if word.text]
    if not timed:
        return [Span(text, start_s, end_s)] if text else []
    try:
        complete = _put_back(timed, text)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error
    n_put_back = len(complete) - len(timed)
    if n_put_back > 0:
        problems.append(f"{where}: {n_put_back} of its words carried no time of their own")
    return fill(complete, start_s, end_s)


def _letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


def _put_back(timed: list[Span], text: str) -> list[Span]:
    """``timed`` plus, at their places and without a time, the words of ``text`` that it lacks.

    Raises:
        BadInput: the words repeat so often that no place is more likely than another.
    """
    if not text or _letters(text) == _letters("".join(w.text for w in timed)):
        return timed
    spoken = text.split()
    letters_timed = [_letters(word.text) for word in timed]
    letters_spoken = [_letters(word) for word in spoken]
    if _n_pairs(letters_timed, letters_spoken) > _MOST_PAIRS:
        raise BadInput(
            f"its text has {len(spoken)} words and its list of words {len(timed)}; they repeat "
            "too often to see which are missing"
        )
    matcher = SequenceMatcher(None, letters_timed, letters_spoken, autojunk=False)
    complete: list[Span] = []
    for what, a0, a1, b0, b1 in matcher.get_opcodes():
        if what == "replace" and b1 - b0 > a1 - a0:
            # Cannot be told apart word by word: trust the text, give it the time of what it
            # replaces.
            together = " ".join(spoken[b0:b1])
            complete.append(Span(together, timed[a0].start_s, timed[a1 - 1].end_s))
            continue
        complete += timed[a0:a1]
        if what == "insert":
            complete += [Span(word) for word in spoken[b0:b1]]
    return complete


def _n_pairs(left: list[str], right: list[str]) -> int:
    """How many pairs of equal words two texts have."""
    n_left = Counter(left)
    n_right = Counter(right)
    return sum(n * n_right[word] for word, n in n_left.items())


def _from_chunks(data: dict[str, Any], kind: str) -> Parsed:
    """``chunks[].timestamp``: pairs of seconds, the last end may be None, and they may start again
    in each window.
    """
    language = _language(data.get("language"))
    spans = []
    for i, item in enumerate(data["chunks"]):
        where = f"chunk {i + 1}"
        item = _object(item, where)
        language = language or _language(item.get("language"))
        spans.append(_chunk(item, where))
    problems = []
    spans, n_windows = unwrap_windows(spans)
    if n_windows > 1:
        problems.append(
            f"times start again in each of {n_windows} Whisper windows; they were added up"
        )
    text = data.get("text")
    if not spans and isinstance(text, str) and text.strip():
        return Parsed(_one_span(text), f"{kind} without times", language)
    spoken = tuple(span for span in spans if span.text)
    return Parsed(spoken, f"Whisper {kind}", language, tuple(problems))


def _chunk(item: dict[str, Any], where: str) -> Span:
    pair = item.get("timestamp")
    if pair is None:
        pair = (None, None)
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise BadInput(f"{where}: expected timestamp [start, end], got {quoted(pair)}")
    text = _text(item, where).strip()
    start_s = _seconds(pair[0], where)
    end_s = _seconds(pair[1], where)
    return Span(text, start_s, end_s)


#: The key whose list tells one dump from another, in the order in which they are looked for.
_DUMPS = (
    ("chunks", _from_chunks),
    ("transcription", _from_whisper_cpp),
    ("segments", _from_segments),
)


def unwrap_windows(spans: list[Span]) -> tuple[list[Span], int]:
    """Times that start again in each 30-s window of Whisper, put on one clock; and the number of
    windows.

    The next window starts where the last span of this one ended (Whisper moves its window there),
    or one whole window later when that span has no end. Times beyond 30 s show that the file is on
    one clock already: it is left as it is.
    """
    times = [t for span in spans for t in (span.start_s, span.end_s)]
    known = [t for t in times if not math.isnan(t)]
    if not known or max(known) > WHISPER_WINDOW_S + 0.5:
        return spans, 1
    out: list[Span] = []
    offset_s = 0.0
    n_windows = 1
    start_s, end_s = -math.inf, 0.0
    for span in spans:
        # Far back, or back at zero, is a new window; a little back is only the rounding of two
        # neighbours.
        far_back = span.start_s < start_s - 0.5 or span.start_s < end_s - 1.0
        at_zero = span.start_s == 0.0 and end_s > 0.0
        if far_back or at_zero:
            offset_s += end_s
            n_windows += 1
        if not math.isnan(span.start_s):
            start_s = span.start_s
            end_s = WHISPER_WINDOW_S if math.isnan(span.end_s) else span.end_s
        moved = replace(span, start_s=span.start_s + offset_s, end_s=span.end_s + offset_s)
        out.append(moved)
    return out, n_windows


# --- times that were not given
# ---------------------------------------------------------------------------------------

#: Only for a last word or chunk whose end nobody knows; the typical length of a word in speech.
WORD_S = 0.35


def _n_words(span: Span) -> int:
    return max(1, len(span.text.split()))


def fill(spans: list[Span], lo_s: float, hi_s: float) -> list[Span]:
    """Give spans without a time the room between their neighbours, shared by number of words.

    All times are finite afterwards.

    Args:
        spans: In the order in which they were spoken.
        lo_s: When the first may begin at the earliest; nan when not known.
        hi_s: When the last ends at the latest; nan when not known.
    """
    out: list[Span] = []
    left_s = 0.0 if math.isnan(lo_s) else lo_s
    i = 0
    while i < len(spans):
        if math.isnan(spans[i].start_s):
            n = _n_untimed(spans[i:])
            right_s = _first_of(_next_start_s(spans[i:]), hi_s)
            shared = _shared(spans[i : i + n], left_s, right_s)
            out += shared
            left_s = shared[-1].end_s
            i += n
            continue
        span = spans[i]
        if math.isnan(span.end_s):
            end_s = _end_s(span, _next_start_s(spans[i + 1 :]), hi_s)
            span = replace(span, end_s=end_s, spread=True)
        out.append(span)
        left_s = max(left_s, span.end_s)
        i += 1
    return out


def _next_start_s(spans: list[Span]) -> float:
    """Start of the first span that has one; nan where none has."""
    for span in spans:
        if not math.isnan(span.start_s):
            return span.start_s
    return math.nan


def _n_untimed(spans: list[Span]) -> int:
    """How many spans without a time stand before the first that has one."""
    for n, span in enumerate(spans):
        if not math.isnan(span.start_s):
            return n
    return len(spans)


def _first_of(time_s: float, other_s: float) -> float:
    """``time_s``, or where it is not known the other."""
    return other_s if math.isnan(time_s) else time_s


def _end_s(span: Span, next_start_s: float, hi_s: float) -> float:
    """When a span ends that has a start alone: at the next one, or at the end, or after a usual
    length.
    """
    for time_s in (next_start_s, hi_s):
        if time_s > span.start_s:
            return time_s
    return span.start_s + WORD_S * _n_words(span)


def _shared(gap: list[Span], left_s: float, right_s: float) -> list[Span]:
    """Spans without a time, laid between two times by their number of words."""
    total = sum(map(_n_words, gap))
    if math.isnan(right_s):
        right_s = left_s + WORD_S * total
    right_s = max(left_s, right_s)
    out = []
    for span in gap:
        end_s = left_s + (right_s - left_s) * _n_words(span) / total
        out.append(replace(span, start_s=left_s, end_s=end_s, spread=True))
        left_s = end_s
        total -= _n_words(span)
    return out

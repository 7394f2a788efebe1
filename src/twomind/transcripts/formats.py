"""Transcript formats, each translated at this edge into one thing: spans of text with what times
they carry.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any

from twomind.core.errors import BadInput, quoted, shortened
from twomind.core.yaml_files import load_yaml
from twomind.transcripts.cues import has_timing
from twomind.transcripts.spans import Parsed, Span, fill
from twomind.transcripts.subtitles import subtitles

#: Pairs of equal words beyond which the words of a text are not looked for in a list of words:
#: the work grows with the pairs, and only a text that says the same again and again has so many.
_MOST_PAIRS = 200_000
#: Whisper looks at speech through windows of this length.
WHISPER_WINDOW_S = 30.0
EXPECTED = (
    "SubRip (.srt), WebVTT (.vtt), Whisper JSON (.json), Whisper YAML as in BAH (.yml) or "
    "plain text (.txt)"
)


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
        return subtitles(text, "WebVTT")
    if suffix == ".srt" or (suffix not in data_suffixes and has_timing(text)):
        return subtitles(text, "SubRip")
    looks_like_json = looks.startswith(("{", "["))
    if suffix == ".json" or (suffix not in (".yml", ".yaml", ".txt") and looks_like_json):
        return _from_data(_load_json(text), "JSON")
    if suffix in (".yml", ".yaml"):
        return _from_data(_load_yaml(text), "YAML")
    if suffix in ("", ".txt", ".text", ".md"):
        return Parsed(_one_span(text), "plain text")
    raise BadInput(f"expected a transcript as {EXPECTED}, got a file named *{suffix}")


#: What programs that write transcripts put into one, beside text with times.
_TRANSCRIPT_KEYS = {
    "text",
    "language",
    "language_probability",
    "duration",
    "task",
    "segments",
    "chunks",
    "words",
    "word_segments",
    "transcription",
    "result",
    "systeminfo",
    "model",
    "params",
    "usage",
}


def doubt(text: str, suffix: str) -> str:
    """Why JSON or YAML may be something else than a transcript; empty where it is one.

    Text with times is a transcript. Text without is one where nothing stands beside it that a
    transcript has not: it may be a question, or a description.
    """
    try:
        if suffix == ".json":
            data, kind = _load_json(text), "JSON"
        else:
            data, kind = _load_yaml(text), "YAML"
        parsed = _from_data(data, kind)
    except BadInput as error:
        return str(error)
    if any(span.text and not math.isnan(span.start_s) for span in parsed.spans):
        return ""
    if not isinstance(data, dict):
        return "no text with times in it"
    others = sorted(str(key) for key in data if key not in _TRANSCRIPT_KEYS)
    if others:
        return f"no text with times in it, and keys that no transcript has: {others[:8]}"
    return ""


def _one_span(text: str) -> tuple[Span, ...]:
    """All text without a time; none where there is none."""
    return (Span(text),) if text.strip() else ()


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
    """Any of the dumps that Whisper programs write, and those of others that look like them."""
    parsed = _from_dump(data, kind)
    milliseconds = parsed.kind.startswith("whisper.cpp")
    return replace(parsed, unit_known=milliseconds)


def _from_dump(data: Any, kind: str) -> Parsed:
    """The keys say which dump it is."""
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
    pieces = [_object(item, f"segment {i + 1}") for i, item in enumerate(data["transcription"])]
    spans = _joined(pieces)
    language = _language(_get(data.get("result"), "language"))
    return Parsed(tuple(spans), f"whisper.cpp {kind}", language)


def _joined(pieces: list[dict[str, Any]]) -> list[Span]:
    """Spans of whisper.cpp's pieces. One without a leading blank continues the word before it,
    unless hardly any piece has one: then the blanks were taken away, and every piece stands alone.
    """
    texts = [_text(piece, f"segment {i + 1}") for i, piece in enumerate(pieces)]
    n_blank = sum(text[:1].isspace() for text in texts)
    blanks_tell = 3 * n_blank >= len(texts)
    spans: list[Span] = []
    for i, (piece, text) in enumerate(zip(pieces, texts, strict=True)):
        span = _whisper_cpp(piece, text, i)
        continues = bool(spans) and not text[:1].isspace() and not texts[i - 1][-1:].isspace()
        if blanks_tell and continues and _may_continue(spans[-1].text, span.text):
            whole = spans[-1].text + span.text
            spans[-1] = replace(spans[-1], text=whole, end_s=span.end_s)
        else:
            spans.append(span)
    return spans


def _may_continue(before: str, text: str) -> bool:
    """Whether a piece can be the rest of a word: not after the end of a sentence, unless it is
    punctuation, and no bracket or note of a sound.
    """
    if not before or not text or text[0] in "[(♪":
        return False
    return before[-1] not in ".?!])♪" or not text[0].isalpha()


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


def _whisper_cpp(item: dict[str, Any], text: str, index: int) -> Span:
    where = f"segment {index + 1}"
    offsets = item.get("offsets") or {}
    start_ms = _seconds(_get(offsets, "from"), where)
    end_ms = _seconds(_get(offsets, "to"), where)
    return Span(text.strip(), start_ms / 1000, end_ms / 1000)


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
    return Parsed(spoken, f"Whisper {kind}", language, tuple(problems), estimated=n_windows > 1)


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

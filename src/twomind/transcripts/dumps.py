"""The dumps of Whisper programs, as JSON or YAML, and those of others that look like them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any

from twomind.core.errors import BadInput, quoted, shortened
from twomind.transcripts.clouds import from_cloud
from twomind.transcripts.items import (
    as_dict,
    as_list,
    as_object,
    between_neighbours,
    get,
    language_of,
    opening,
    seconds,
    span_s,
    speaker_of,
    text_of,
    words,
)
from twomind.transcripts.pieces import blanks_tell, may_continue, plainly
from twomind.transcripts.spans import Parsed, Span, fill, one_span

#: Pairs of equal words beyond which the words of a text are not looked for in a list of words:
#: the work grows with the pairs, and only a text that says the same again and again has so many.
_MOST_PAIRS = 200_000
#: Whisper looks at speech through windows of this length.
WHISPER_WINDOW_S = 30.0
_LANGUAGE = ("language", "language_code", "detected_language")
#: Segments under other names than Whisper's; each item is one.
_LIKE_SEGMENTS = ("utterances", "sentences", "paragraphs")


def from_dump(data: Any, kind: str) -> Parsed:
    """A transcript of the kind that the keys tell.

    Args:
        data: What a JSON or YAML file holds.
        kind: ``JSON`` or ``YAML``, for a reader.

    Raises:
        BadInput: no key tells a transcript, or an item is not as the others of its kind.
    """
    if isinstance(data, list):
        data = {_name_of_list(data): data}
    if not isinstance(data, dict):
        raise BadInput(
            f"expected {kind} with 'segments', 'chunks', 'words' or 'text', got "
            f"{type(data).__name__}"
        )
    from_service = from_cloud(data, kind)
    if from_service is not None:
        return from_service
    with_names = as_list(data.get("speakers"))
    if with_names and all("timestamp" in as_dict(item) for item in with_names):
        data = {**data, "chunks": with_names}  # chunks once more, with who says them
    for name, read in _DUMPS:
        if isinstance(data.get(name), list):
            return _or_text(read(data, kind), data, kind)
    return _from_words_or_text(data, kind)


def _or_text(parsed: Parsed, data: dict[str, Any], kind: str) -> Parsed:
    """What was read of a list; the text beside the list where nothing stands in it."""
    text = data.get("text")
    if any(span.text.strip() for span in parsed.spans) or not isinstance(text, str):
        return parsed
    if not text.strip():
        return parsed
    return replace(parsed, spans=one_span(text), kind=f"{kind} without times")


def _name_of_list(items: list[Any]) -> str:
    """The key under which a bare list would stand."""
    first = as_dict(items[0]) if items else {}
    if "word" in first:
        return "words"
    if isinstance(first.get("result"), list):
        return "result"
    if "offsets" in first:
        return "transcription"
    return "segments"


def _loose_words(data: dict[str, Any]) -> list[Any]:
    """Words that stand in no segment."""
    return as_list(data.get("words")) or as_list(data.get("word_segments"))


def _from_words_or_text(data: dict[str, Any], kind: str) -> Parsed:
    language = language_of(get(data, *_LANGUAGE))
    loose = _loose_words(data)
    text = data.get("text") or data.get("transcript")
    if loose:
        spans = between_neighbours(words(loose))
        return Parsed(tuple(spans), f"Whisper {kind}", language)
    for name in _LIKE_SEGMENTS:
        if as_list(data.get(name)):
            return _from_segments({**data, "segments": data[name]}, kind)
    if isinstance(text, str):
        return Parsed(one_span(text), f"{kind} without times", language)
    if "words" in data or "word_segments" in data:
        return Parsed((), f"Whisper {kind}", language)
    names = sorted(map(str, data))[:8]
    raise BadInput(
        f"expected {kind} with 'segments', 'chunks', 'words' or 'text', got the keys "
        f"{shortened(names)}"
    )


def _from_vosk(data: dict[str, Any], kind: str) -> Parsed:
    """``result``: words with times; one such object, or one for each utterance."""
    results = data["result"]
    if results and "result" not in as_dict(results[0]) and "text" not in as_dict(results[0]):
        results = [data]
    segments = []
    for i, item in enumerate(results):
        item = as_object(item, f"result {i + 1}")
        segments.append({"text": item.get("text"), "words": item.get("result")})
    parsed = _from_segments({**data, "segments": segments, "words": None}, kind)
    return replace(parsed, kind=f"Vosk {kind}")


def _from_whisper_cpp(data: dict[str, Any], kind: str) -> Parsed:
    pieces = [as_object(item, f"segment {i + 1}") for i, item in enumerate(data["transcription"])]
    spans = _joined(pieces)
    language = language_of(get(data.get("result"), "language"))
    return Parsed(tuple(spans), f"whisper.cpp {kind}", language)


def _joined(pieces: list[dict[str, Any]]) -> list[Span]:
    """Spans of whisper.cpp's pieces. One without a leading blank continues the word before it,
    unless hardly any piece has one: then the blanks were taken away, and every piece stands alone.
    """
    texts = [_piece(piece, f"segment {i + 1}") for i, piece in enumerate(pieces)]
    texts = plainly(texts)
    told = blanks_tell(texts)
    spans: list[Span] = []
    for i, (piece, text) in enumerate(zip(pieces, texts, strict=True)):
        span = _whisper_cpp(piece, text, i)
        continues = bool(spans) and not text[:1].isspace() and not texts[i - 1][-1:].isspace()
        if told and continues and may_continue(spans[-1].text, span.text):
            whole = spans[-1].text + span.text
            spans[-1] = replace(spans[-1], text=whole, end_s=span.end_s)
        else:
            spans.append(span)
    return opening(spans)


def _piece(item: dict[str, Any], where: str) -> str:
    """A piece's text, with the mark that another speaker follows."""
    text = text_of(item, where)
    return f"{text} [SPEAKER_TURN]" if item.get("speaker_turn_next") is True else text


def _from_segments(data: dict[str, Any], kind: str) -> Parsed:
    language = language_of(get(data, *_LANGUAGE))
    segments = [as_object(s, f"segment {i + 1}") for i, s in enumerate(data["segments"])]
    loose = _loose_words(data)
    if loose and not any(s.get("words") for s in segments):
        timed = _with_speakers_of(words(loose), segments)
        return Parsed(tuple(timed), f"Whisper {kind}", language)
    problems: list[str] = []
    spans: list[Span] = []
    for i, segment in enumerate(segments):
        spans += _segment(segment, i, problems)
    return Parsed(tuple(spans), f"Whisper {kind}", language, tuple(problems))


def _with_speakers_of(timed: Sequence[Span], segments: list[dict[str, Any]]) -> list[Span]:
    """Words that name no speaker, with that of the segment in whose time their middle lies."""
    named = [(*span_s(s, "segment"), speaker_of(s)) for s in segments if speaker_of(s)]
    out: list[Span] = []
    for span in timed:
        middle_s = (span.start_s + span.end_s) / 2
        around = [name for start_s, end_s, name in named if start_s <= middle_s <= end_s]
        speaker = span.speaker or (around[0] if around else "")
        out.append(replace(span, speaker=speaker))
    return between_neighbours(out)


def _whisper_cpp(item: dict[str, Any], text: str, index: int) -> Span:
    where = f"segment {index + 1}"
    offsets = item.get("offsets") or {}
    start_ms = seconds(get(offsets, "from"), where)
    end_ms = seconds(get(offsets, "to"), where)
    start_s, end_s = start_ms / 1000, end_ms / 1000
    if not offsets:
        start_s, end_s = span_s(_stamps_of(item), where)
    return Span(text.strip(), start_s, end_s, speaker=speaker_of(item))


def _stamps_of(item: dict[str, Any]) -> dict[str, Any]:
    """The times of a piece as they are written on a clock."""
    stamps = item.get("timestamps")
    return {"start": get(stamps, "from"), "end": get(stamps, "to")}


def _segment(item: dict[str, Any], index: int, problems: list[str]) -> list[Span]:
    """One segment: its words where it has them, with any word of its text that the word list lacks
    put back.
    """
    where = f"segment {index + 1}"
    start_s, end_s = span_s(item, where)
    speaker = speaker_of(item)
    text = text_of(item, where).strip()
    timed = [word for word in words(item.get("words") or ()) if word.text]
    if not timed:
        return [Span(text, start_s, end_s, speaker=speaker)] if text else []
    try:
        complete = _put_back(timed, text)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error
    n_put_back = len(complete) - len(timed)
    if n_put_back > 0:
        problems.append(f"{where}: {n_put_back} of its words carried no time of their own")
    named = [replace(span, speaker=span.speaker or speaker) for span in complete]
    lines = [replace(span, opens=k == 0) for k, span in enumerate(between_neighbours(named))]
    return fill(lines, start_s, end_s)


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
            first = timed[a0]
            end_s = timed[a1 - 1].end_s
            complete.append(Span(together, first.start_s, end_s, speaker=first.speaker))
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
    language = language_of(get(data, *_LANGUAGE))
    spans = []
    for i, item in enumerate(data["chunks"]):
        where = f"chunk {i + 1}"
        item = as_object(item, where)
        language = language or language_of(item.get("language"))
        spans.append(_chunk(item, where))
    problems = []
    spans, n_windows = unwrap_windows(spans)
    if n_windows > 1:
        problems.append(
            f"times start again in each of {n_windows} Whisper windows; they were added up"
        )
    spoken = tuple(opening(span for span in spans if span.text))
    return Parsed(spoken, f"Whisper {kind}", language, tuple(problems), estimated=n_windows > 1)


def _chunk(item: dict[str, Any], where: str) -> Span:
    pair = item.get("timestamp")
    if pair is None:
        pair = (None, None)
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise BadInput(f"{where}: expected timestamp [start, end], got {quoted(pair)}")
    text = text_of(item, where).strip()
    start_s = seconds(pair[0], where)
    end_s = seconds(pair[1], where)
    return Span(text, start_s, end_s, speaker=speaker_of(item))


#: The key whose list tells one dump from another, in the order in which they are looked for.
_DUMPS = (
    ("chunks", _from_chunks),
    ("transcription", _from_whisper_cpp),
    ("segments", _from_segments),
    ("result", _from_vosk),
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

"""Words on the recording's clock, from a transcript file of any usual format. Every word is kept,
as it was written.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from twomind.core.errors import BadInput
from twomind.transcripts.formats import EXPECTED, Parsed, Span, fill, parse
from twomind.types import Timing, Word

#: From the most to the least exact; a transcript is as exact as its least exact word.
_EXACTNESS = (Timing.RECOGNISED, Timing.GIVEN, Timing.SPREAD_CUE, Timing.SPREAD_ALL)
#: A word may end this long after the recording (rounding, encoder padding) before it is worth a
#: remark.
_SLACK_S = 0.1
#: Symbols that are spoken, so they stand as words of their own.
_SPOKEN_SYMBOLS = set("&%@+=#$€£")
_ANNOTATION = re.compile(r"[\[(][^\])]*[^\W\d_][^\])]*[\])]|♪")


@dataclass(frozen=True)
class Words:
    """What a transcript says: words in order of their start, where they came from, and what was odd
    about it.

    ``timing`` is that of the least exact word. No words means that the transcript is known and
    empty.
    """

    words: tuple[Word, ...]
    source: str
    timing: Timing = Timing.GIVEN
    problems: tuple[str, ...] = ()
    language: str | None = None


def read_words(path: Path | str, duration_s: float | None = None) -> Words:
    """Read a transcript: SubRip, WebVTT, Whisper JSON or YAML, or plain text.

    ``duration_s`` of the recording bounds the times and lets plain text be spread over it. Plain
    text without it gets no extent at all: every word stands at 0 s with length 0, flagged as such,
    because any other time would be invented. A word shares its subtitle's time evenly with the
    others in it, unless the file carries a time for that very word.

    Raises:
        BadInput: no such file, not text, or not what its name promises.
    """
    path = Path(path)
    text, problems = _read_text(path)
    try:
        parsed = parse(text, path.suffix.lower())
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error
    known = (
        duration_s
        if duration_s is not None and math.isfinite(duration_s) and duration_s > 0
        else math.nan
    )
    words, more = _words_of(parsed, known)
    if not text.strip():
        more = ["the file is empty: no words"]
    return finish(
        words, f"{parsed.kind} ({path.name})", [*problems, *parsed.problems, *more], parsed.language
    )


def words_of_text(text: str, source: str, duration_s: float | None = None) -> Words:
    """Words of a transcript that is at hand as plain text: no times, as :func:`read_words` treats a
    text file.
    """
    known = (
        duration_s
        if duration_s is not None and math.isfinite(duration_s) and duration_s > 0
        else math.nan
    )
    words, problems = _words_of(
        parse(text, ".txt") if text.strip() else Parsed((), "plain text"), known
    )
    return finish(words, source, problems, None)


def finish(
    words: Iterable[Word], source: str, problems: Iterable[str], language: str | None
) -> Words:
    """Put words in order of their start and remark on what is odd about their times."""
    words, problems = list(words), list(problems)
    ordered = sorted(words, key=lambda w: w.start_s)
    if ordered != words:
        problems.append("some words came before earlier ones; they were put in order of time")
    n_over = sum(b.start_s < a.end_s - 0.02 for a, b in pairwise(ordered))
    if n_over:
        problems.append(f"{n_over} of {len(ordered)} words start before the word before them ends")
    timing = max((w.timing for w in ordered), key=_EXACTNESS.index, default=Timing.GIVEN)
    return Words(tuple(ordered), source, timing, tuple(problems), language)


def _read_text(path: Path) -> tuple[str, list[str]]:
    """Text in UTF-8, UTF-16 with its mark, or else Windows-1252 (which covers Latin-1's
    letters).
    """
    if not path.is_file():
        raise BadInput(
            f"{path}: expected a transcript file, there is "
            f"{'a folder' if path.is_dir() else 'none'} of that name"
        )
    raw = path.read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return raw.decode("utf-16"), []
        except UnicodeDecodeError as error:
            raise BadInput(
                f"{path}: expected a transcript as {EXPECTED}; it starts as UTF-16 but is not: "
                f"{error}"
            ) from error
    if b"\0" in raw:
        raise BadInput(f"{path}: expected a transcript as {EXPECTED}, got a binary file")
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace"), [
            "the file is not UTF-8; it was read as Windows-1252 (Latin-1)"
        ]


def _words_of(parsed: Parsed, duration_s: float) -> tuple[list[Word], list[str]]:
    spans, problems = list(parsed.spans), []
    if spans and all(math.isnan(s.start_s) for s in spans):
        end_s = 0.0 if math.isnan(duration_s) else duration_s
        spans = [Span(" ".join(s.text for s in spans), 0.0, end_s)]
        spread = True
        problems.append(
            "no times: the words are spread evenly over the recording, which says nothing about "
            "when they were spoken"
            if end_s
            else "no times and no duration: all words stand at 0 s, which says nothing about when "
            "they were spoken"
        )
    else:
        spread = False
        if spans and math.isnan(spans[-1].end_s) and not math.isnan(spans[-1].start_s):
            how = "estimated" if math.isnan(duration_s) else "taken as the end of the recording"
            problems.append(f"the last chunk has no end; it was {how}")
        spans = fill(spans, math.nan, duration_s)
    spans, remarks = _bounded(spans, duration_s)
    n_sounds = sum(len(_ANNOTATION.findall(s.text)) for s in spans)
    if n_sounds:
        remarks.append(
            f"{n_sounds} annotations such as [laughs] or (inaudible) are kept among the words"
        )
    words: list[Word] = []
    for span in spans:
        _append(words, span, Timing.SPREAD_ALL if spread else Timing.GIVEN)
    return words, problems + remarks


def _bounded(spans: list[Span], duration_s: float) -> tuple[list[Span], list[str]]:
    """Spans inside the recording, none ending before it starts."""
    problems = []
    hi_s = math.inf if math.isnan(duration_s) else duration_s
    n_backward = sum(s.end_s < s.start_s for s in spans)
    if n_backward:
        problems.append(
            f"{n_backward} of {len(spans)} times end before they start; they were given no length"
        )
    n_early = sum(s.start_s < 0 for s in spans)
    if n_early:
        problems.append(
            f"{n_early} of {len(spans)} times are before the recording starts; they were moved to "
            "0 "
            "s"
        )
    late_s = max((s.end_s for s in spans), default=0.0) - hi_s
    if late_s > _SLACK_S:
        n_late = sum(s.end_s > hi_s + _SLACK_S for s in spans)
        problems.append(
            f"{n_late} of {len(spans)} times reach up to {late_s:.1f} s beyond the end of the "
            f"recording ({hi_s:.1f} s) "
            "and were cut there; check that transcript and recording belong together"
        )
    out = []
    for span in spans:
        start_s = min(max(span.start_s, 0.0), hi_s)
        out.append(replace(span, start_s=start_s, end_s=min(max(span.end_s, start_s), hi_s)))
    return out, problems


def _append(words: list[Word], span: Span, timing: Timing) -> None:
    """Add the words of one span, sharing its time evenly. Punctuation on its own belongs to the
    word beside it.
    """
    tokens: list[str] = []
    opening = ""
    for token in span.text.split():
        if _is_spoken(token):
            tokens.append(opening + token)
            opening = ""
        elif tokens:
            tokens[-1] += token
        else:
            opening += token
    if opening and words:
        words[-1] = replace(words[-1], text=words[-1].text + opening)
    if timing is Timing.GIVEN and (span.spread or len(tokens) > 1):
        timing = Timing.SPREAD_CUE
    step_s = (span.end_s - span.start_s) / max(1, len(tokens))
    for k, token in enumerate(tokens):
        start_s = span.start_s + k * step_s
        end_s = (
            span.end_s if k + 1 == len(tokens) else max(start_s, span.start_s + (k + 1) * step_s)
        )
        words.append(Word(token, start_s, end_s, span.confidence, timing))


def _is_spoken(token: str) -> bool:
    return any(c in _SPOKEN_SYMBOLS or unicodedata.category(c)[0] in "LNM" for c in token)

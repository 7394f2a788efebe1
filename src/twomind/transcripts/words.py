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

from twomind.core.errors import UNREADABLE, BadInput, shortened
from twomind.transcripts.formats import EXPECTED, doubt, parse
from twomind.transcripts.spans import Parsed, Span, fill
from twomind.transcripts.units import in_seconds
from twomind.types import Recording, Segment, Timing, Word

#: From the most to the least exact; a transcript is as exact as its least exact word.
_EXACTNESS = (
    Timing.ALIGNED,
    Timing.RECOGNISED,
    Timing.GIVEN,
    Timing.SPREAD_CUE,
    Timing.SPREAD_ALL,
)
#: A word may end this long after the recording (rounding, encoder padding) before it is worth a
#: remark.
_SLACK_S = 0.1
#: Symbols that are spoken, so they stand as words of their own.
_SPOKEN_SYMBOLS = set("&%@+=#$€£")
_BRACKETED = re.compile(r"[\[(][^\[(\])]*[\])]|♪")
_LETTER_OR_NOTE = re.compile(r"[^\W\d_]|♪")


@dataclass(frozen=True)
class Words:
    """What a transcript says: words in order of their start, where they came from, and what was odd
    about it.

    ``timing`` is that of the least exact word. No words means that the transcript is known and
    empty, unless ``not_measured`` says why they cannot be told. ``marks`` are the transcriber's
    notes ([noise], (2.3)), which are not speech; ``others`` says when other people speak (label:
    their name); ``speaker`` is the name under which this person stands in the transcript.
    """

    words: tuple[Word, ...]
    source: str
    timing: Timing = Timing.GIVEN
    problems: tuple[str, ...] = ()
    language: str | None = None
    marks: tuple[Word, ...] = ()
    others: tuple[Segment, ...] = ()
    speaker: str = ""
    not_measured: str = ""

    def of(self, recording: Recording, source: str) -> Recording:
        """The recording with these words.

        Args:
            recording: Whose words they are.
            source: What they were read from, for a reader.
        """
        known = None if self.not_measured else self.words
        return replace(
            recording,
            words=known,
            words_reason=self.not_measured,
            words_source=source,
            words_remarks=self.problems,
            marks=self.marks,
            others=self.others,
            language=self.language,
        )


def read_words(
    path: Path | str, duration_s: float | None = None, speaker: str | None = None
) -> Words:
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
        words, more = _words_of(parsed, _known(duration_s))
    except (BadInput, *UNREADABLE) as error:
        raise BadInput(f"{path}: {shortened(error)}") from error
    if not text.strip():
        more = ["the file is empty: no words"]
    source = f"{parsed.kind} ({path.name})"
    return finish(words, source, [*problems, *parsed.problems, *more], parsed.language)


def why_no_transcript(path: Path) -> str:
    """Why a file that only has a recording's name is no transcript of it; empty where it may be.

    JSON and YAML hold anything, so they must prove what they are; the other names promise it.
    """
    suffix = path.suffix.lower()
    if suffix not in (".json", ".yml", ".yaml"):
        return ""
    try:
        text, _problems = _read_text(path)
    except BadInput as error:
        return str(error).removeprefix(f"{path}: ")
    return doubt(text, suffix)


def words_of_text(text: str, source: str, duration_s: float | None = None) -> Words:
    """Words of a transcript that is at hand as plain text: no times, as :func:`read_words` treats a
    text file.
    """
    parsed = parse(text, ".txt") if text.strip() else Parsed((), "plain text")
    words, problems = _words_of(parsed, _known(duration_s))
    return finish(words, source, problems, None)


def _known(duration_s: float | None) -> float:
    """A duration in seconds; nan where it is none."""
    if duration_s is None or not math.isfinite(duration_s) or duration_s <= 0:
        return math.nan
    return duration_s


def finish(
    words: Iterable[Word], source: str, problems: Iterable[str], language: str | None
) -> Words:
    """Put words in order of their start and remark on what is odd about their times.

    Args:
        words: In the order in which they were given.
        source: What they were read from.
        problems: What is known to be odd already.
        language: Code of the language; None where it is not known.
    """
    given = list(words)
    ordered = sorted(given, key=lambda word: word.start_s)
    remarks = list(problems)
    if ordered != given:
        remarks.append("some words came before earlier ones; they were put in order of time")
    n_over = 0
    for before, after in pairwise(ordered):
        n_over += after.start_s < before.end_s - 0.02
    if n_over:
        remarks.append(f"{n_over} of {len(ordered)} words start before the word before them ends")
    timings = [word.timing for word in ordered]
    timing = max(timings, key=_EXACTNESS.index, default=Timing.GIVEN)
    return Words(tuple(ordered), source, timing, tuple(remarks), language)


def _read_text(path: Path) -> tuple[str, list[str]]:
    """Text in UTF-8, UTF-16 with its mark, or else Windows-1252 (which covers Latin-1's
    letters).
    """
    if not path.is_file():
        there = "a folder" if path.is_dir() else "none"
        raise BadInput(f"{path}: expected a transcript file, there is {there} of that name")
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
        text = raw.decode("cp1252", errors="replace")
        return text, ["the file is not UTF-8; it was read as Windows-1252 (Latin-1)"]


def _words_of(parsed: Parsed, duration_s: float) -> tuple[list[Word], list[str]]:
    """Words of what a format told, and remarks; ``duration_s`` is nan where it is not known."""
    spans = list(parsed.spans)
    remarks_on_unit: list[str] = []
    if not parsed.unit_known:
        spans, remarks_on_unit = in_seconds(spans, duration_s)
    spread = bool(spans) and all(math.isnan(span.start_s) for span in spans)
    if spread:
        spans, problems = _all_spread(spans, duration_s)
    else:
        spans, problems = _timed(spans, duration_s)
    spans, remarks = _bounded(spans, duration_s)
    n_sounds = sum(_n_annotations(span.text) for span in spans)
    if n_sounds:
        remarks.append(
            f"{n_sounds} annotations such as [laughs] or (inaudible) are kept among the words"
        )
    timing = Timing.SPREAD_ALL if spread else Timing.GIVEN
    words: list[Word] = []
    for span in spans:
        _append(words, span, timing)
    return words, remarks_on_unit + problems + remarks


def _n_annotations(text: str) -> int:
    """How many sounds are noted in a text: notes of music, and brackets that hold a letter."""
    found = _BRACKETED.findall(text)
    return sum(_LETTER_OR_NOTE.search(one) is not None for one in found)


def _all_spread(spans: list[Span], duration_s: float) -> tuple[list[Span], list[str]]:
    """Spans none of which has a time, as one over the whole recording."""
    text = " ".join(span.text for span in spans)
    if math.isnan(duration_s):
        problem = (
            "no times and no duration: all words stand at 0 s, which says nothing about when "
            "they were spoken"
        )
        return [Span(text, 0.0, 0.0)], [problem]
    problem = (
        "no times: the words are spread evenly over the recording, which says nothing about "
        "when they were spoken"
    )
    return [Span(text, 0.0, duration_s)], [problem]


def _timed(spans: list[Span], duration_s: float) -> tuple[list[Span], list[str]]:
    """Spans some of which have a time; the others get theirs from their neighbours."""
    problems = []
    if spans and math.isnan(spans[-1].end_s) and not math.isnan(spans[-1].start_s):
        how = "estimated" if math.isnan(duration_s) else "taken as the end of the recording"
        problems.append(f"the last chunk has no end; it was {how}")
    return fill(spans, math.nan, duration_s), problems


def _bounded(spans: list[Span], duration_s: float) -> tuple[list[Span], list[str]]:
    """Spans inside the recording, none ending before it starts."""
    problems = []
    n = len(spans)
    hi_s = math.inf if math.isnan(duration_s) else duration_s
    n_backward = sum(span.end_s < span.start_s for span in spans)
    if n_backward:
        problems.append(
            f"{n_backward} of {n} times end before they start; they were given no length"
        )
    n_early = sum(span.start_s < 0 for span in spans)
    if n_early:
        problems.append(
            f"{n_early} of {n} times are before the recording starts; they were moved to 0 s"
        )
    last_s = max((span.end_s for span in spans), default=0.0)
    late_s = last_s - hi_s
    if late_s > _SLACK_S:
        n_late = sum(span.end_s > hi_s + _SLACK_S for span in spans)
        problems.append(
            f"{n_late} of {n} times reach up to {late_s:.1f} s beyond the end of the "
            f"recording ({hi_s:.1f} s) "
            "and were cut there; check that transcript and recording belong together"
        )
    out = []
    for span in spans:
        start_s = min(max(span.start_s, 0.0), hi_s)
        end_s = min(max(span.end_s, start_s), hi_s)
        out.append(replace(span, start_s=start_s, end_s=end_s))
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
    n = len(tokens)
    step_s = (span.end_s - span.start_s) / max(1, n)
    for k, token in enumerate(tokens):
        start_s = span.start_s + k * step_s
        if k + 1 == n:
            end_s = span.end_s
        else:
            end_s = max(start_s, span.start_s + (k + 1) * step_s)
        words.append(Word(token, start_s, end_s, span.confidence, timing))


def _is_spoken(token: str) -> bool:
    return any(c in _SPOKEN_SYMBOLS or unicodedata.category(c)[0] in "LNM" for c in token)

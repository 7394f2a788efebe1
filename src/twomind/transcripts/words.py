"""Words on the recording's clock, from a transcript file of any usual format. Every word is kept,
as it was written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from twomind.core.errors import UNREADABLE, BadInput, MissingExtra, shortened
from twomind.core.files import bytes_of
from twomind.core.plural import sentence
from twomind.transcripts.formats import EXPECTED, doubt, parse
from twomind.transcripts.language import spoken_language
from twomind.transcripts.marks import apart
from twomind.transcripts.plausible import fit
from twomind.transcripts.spans import Parsed, Span, fill, n_words
from twomind.transcripts.speakers import choose, with_speakers
from twomind.transcripts.tokens import continues, tokens_of
from twomind.transcripts.units import in_seconds
from twomind.transcripts.word_files import is_word_file, text_of_word_file
from twomind.types import Recording, Segment, Timing, Word

#: A subtitle that another one overlaps keeps at least so much for each of its words.
_LEAST_WORD_S = 0.1
#: From the most to the least exact; a transcript is as exact as its least exact word.
_EXACTNESS = (
    Timing.ALIGNED,
    Timing.RECOGNISED,
    Timing.GIVEN,
    Timing.SPREAD_CUE,
    Timing.SPREAD_ALL,
)


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
        """The recording with these words, or with why they are not measured.

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
    """Read a transcript of any format: what one person says in it.

    Where several people speak and ``speaker`` is None, the words are not measured, and the reason
    lists the names.

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
        parsed = parse(text, path.suffix.lower(), _known(duration_s))
        said = _said_by(parsed, path.name, duration_s, speaker)
    except (BadInput, *UNREADABLE) as error:
        raise BadInput(f"{path}: {shortened(error)}") from error
    if not text.strip():
        return replace(said, problems=(*problems, "the file is empty: no words"))
    return replace(said, problems=(*problems, *said.problems))


def _said_by(parsed: Parsed, name: str, duration_s: float | None, speaker: str | None) -> Words:
    """What one person says in a transcript of this name."""
    known_s = _known(duration_s)
    choice = choose(with_speakers(parsed), speaker, known_s)
    said = _words_of(choice.parsed, known_s)
    source = f"{parsed.kind} ({name})" if name else parsed.kind
    told = _told(said, source, choice.parsed.problems)
    return replace(
        told,
        speaker=choice.speaker,
        others=choice.others,
        not_measured=choice.not_measured or told.not_measured,
    )


def why_no_transcript(path: Path) -> str:
    """Why a file that only has a recording's name is not a transcript of it; empty where it may be.

    JSON, YAML and Word files hold anything, so they must prove what they are; the other names
    promise it.
    """
    suffix = path.suffix.lower()
    if suffix not in (".json", ".yml", ".yaml", ".docx"):
        return ""
    try:
        text, _problems = _read_text(path)
    except (BadInput, MissingExtra) as error:
        return str(error).removeprefix(f"{path}: ")
    if suffix != ".docx":
        return doubt(text, suffix)
    spans = with_speakers(parse(text, suffix)).spans
    if any(span.speaker or not math.isnan(span.start_s) for span in spans):
        return ""
    return "a Word file without times and without names of speakers (name it to have it read)"


def words_of_text(
    text: str, source: str, duration_s: float | None = None, speaker: str | None = None
) -> Words:
    """Words of a transcript that is at hand as plain text, as :func:`read_words` treats a text
    file.

    Args:
        text: The transcript.
        source: What it was taken from, for a reader.
        duration_s: Length of the recording.
        speaker: The person's name in it, ``longest`` for whoever says most; None where only one
            person speaks.

    Returns:
        The words with times, and what was odd about the text.

    Raises:
        BadInput: nobody of that name speaks in it.

    Example:
        >>> from twomind.transcripts.words import words_of_text
        >>> [word.text for word in words_of_text("Um, maybe.", "typed", 2.0).words]
        ['Um,', 'maybe.']
    """
    parsed = parse(text, ".txt", _known(duration_s)) if text.strip() else Parsed((), "plain text")
    said = _said_by(parsed, "", duration_s, speaker)
    return replace(said, source=source)


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
        said = "{n} of {all} words [starts|start] before the word before [it|them] ends"
        remarks.append(sentence(said, n_over, all=len(ordered)))
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
    raw = bytes_of(path)
    if is_word_file(raw, path.suffix.lower()):
        try:
            return text_of_word_file(raw), []
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from error
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


@dataclass
class _Said:
    """What the last stage of reading made of a transcript."""

    words: list[Word]
    marks: list[Word]
    problems: list[str] = field(default_factory=list)
    language: str | None = None
    not_measured: str = ""


def _told(said: _Said, source: str, problems: Iterable[str]) -> Words:
    """All that a transcript says, its words in order of time."""
    words = finish(said.words, source, [*problems, *said.problems], said.language)
    marks = tuple(sorted(said.marks, key=lambda mark: mark.start_s))
    return replace(words, marks=marks, not_measured=said.not_measured)


def _words_of(parsed: Parsed, duration_s: float) -> _Said:
    """Words and marks of what a format told; ``duration_s`` is nan where it is not known."""
    spans = list(parsed.spans)
    problems: list[str] = []
    if not parsed.unit_known:
        spans, problems = in_seconds(spans, duration_s)
    spread = bool(spans) and all(math.isnan(span.start_s) for span in spans)
    place = _all_spread if spread else _timed
    spans, remarks = place(spans, duration_s)
    problems += remarks
    spans, remarks = _mended(spans)
    problems += remarks
    found = apart(spans, parsed.kind)
    timing = Timing.SPREAD_ALL if spread else Timing.GIVEN
    speech, remarks = _one_after_another(found.speech)
    problems += remarks
    judged = fit(speech, duration_s, parsed.estimated)
    words: list[Word] = []
    for span in judged.spans:
        _append(words, span, timing)
    problems += [*judged.problems, *found.problems]
    language, remark = spoken_language(parsed.language, [span.text for span in found.speech])
    if remark:
        problems.append(remark)
    marks = _marks(found.marks, timing, duration_s)
    return _Said(words, marks, problems, language, judged.not_measured)


def _one_after_another(spans: Sequence[Span]) -> tuple[list[Span], list[str]]:
    """Subtitles of which none goes on when the next begins: their words would stand between each
    other's, because where a word lies inside a subtitle is not known.
    """
    out = list(spans)
    n_over = 0
    for k, (span, after) in enumerate(pairwise(spans)):
        room_s = after.start_s - span.start_s
        n = n_words(span)
        if n > 1 and _LEAST_WORD_S * n <= room_s < span.end_s - span.start_s:
            out[k] = replace(span, end_s=after.start_s)
            n_over += after.start_s < span.end_s - 0.02
    if not n_over:
        return out, []
    return out, [
        sentence(
            "{n} of {all} subtitles [starts|start] before the one before [it|them] ends; it was taken "
            "to end there",
            n_over,
            all=len(spans),
        )
    ]


def _marks(spans: Iterable[Span], timing: Timing, duration_s: float) -> list[Word]:
    """Marks as they are shown; those that begin after the end are of no use here."""
    marks = []
    for span in spans:
        if span.start_s > duration_s:
            continue
        end_s = span.end_s if math.isnan(duration_s) else min(span.end_s, duration_s)
        own = Timing.SPREAD_CUE if timing is Timing.GIVEN and span.spread else timing
        text = " ".join(span.text.split())
        marks.append(Word(text, max(0.0, span.start_s), max(0.0, end_s), span.confidence, own))
    return marks


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


def _mended(spans: Sequence[Span]) -> tuple[list[Span], list[str]]:
    """Spans none of which ends before it starts, or starts a little before the recording."""
    problems = []
    n = len(spans)
    n_backward = sum(span.end_s < span.start_s for span in spans)
    if n_backward:
        problems.append(
            sentence(
                "{n} of {all} times [ends before it starts; it was|end before they start; they were] "
                "given no length",
                n_backward,
                all=n,
            )
        )
    n_early = sum(span.start_s < 0 < span.end_s for span in spans)
    if n_early:
        problems.append(
            sentence(
                "{n} of {all} times [starts|start] before the recording does; [it was|they were] moved "
                "to 0 s",
                n_early,
                all=n,
            )
        )
    mended = []
    for span in spans:
        start_s = 0.0 if span.start_s < 0 < span.end_s else span.start_s
        mended.append(replace(span, start_s=start_s, end_s=max(start_s, span.end_s)))
    return mended, problems


def _append(words: list[Word], span: Span, timing: Timing) -> None:
    """Add the words of one span, sharing its time evenly. Punctuation on its own belongs to the
    word beside it, the rest of a word ("do", "n't") to its beginning.
    """
    tokens, opening = tokens_of(span.text)
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
        word = Word(token, start_s, end_s, span.confidence, timing)
        if k == 0 and words and continues(words[-1].text, token):
            words[-1] = _joined(words[-1], word)
        else:
            words.append(word)


def _joined(word: Word, rest: Word) -> Word:
    """A word with its rest; as sure as the less sure of the two."""
    timing = max(word.timing, rest.timing, key=_EXACTNESS.index)
    return Word(
        word.text + rest.text,
        min(word.start_s, rest.start_s),
        max(word.end_s, rest.end_s),
        min(word.confidence, rest.confidence),
        timing,
    )

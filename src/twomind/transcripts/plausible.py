"""Whether the times of a transcript can be those of this recording. What lies outside the recording
is never moved into it: a little of it is left out and said, much of it says that the transcript
belongs to another recording.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from twomind.core.errors import shortened
from twomind.core.plural import sentence
from twomind.transcripts.spans import Span, n_words
from twomind.transcripts.tokens import tokens_of
from twomind.types import Timing, Word

#: Rounding of time codes, and padding of encoders.
_ROUNDING_S = 0.1
#: A last subtitle may stay on screen as long after the end: a window of Whisper.
_STAYS_S = 30.0
#: The share of words outside the recording beyond which it is not theirs.
_MOST_OUTSIDE = 0.1
#: Nobody speaks faster over a whole answer (words a second); few words say nothing about it.
_FASTEST = 10.0
_FEWEST_WORDS = 5
#: What the times of a transcript may be short of: of single words, and of words that share a time.
_SHORT_OF_S = 0.1
_SHARED_SHORT_OF_S = 1.0
_SHARED_SHORT_OF_WORD_S = 0.04
#: Fast speech: a subtitle that would be faster in what is left of the recording was cut off.
_FAST = 5.0
#: Nobody draws half of ten words out as long.
_LONGEST_WORD_S = 5.0
_MANY_WORDS = 10


@dataclass(frozen=True)
class Fit:
    """What of each span is of this recording (None: nothing), and what was odd. ``not_measured``
    says why the words cannot be those of this recording; empty where they can.
    """

    inside: tuple[Span | None, ...]
    problems: tuple[str, ...] = ()
    not_measured: str = ""

    @property
    def spans(self) -> list[Span]:
        return [span for span in self.inside if span is not None]


def fit(spans: Sequence[Span], duration_s: float, estimated: bool = False) -> Fit:
    """Hold the times of a transcript against its recording.

    Args:
        spans: Of speech, with finite times.
        duration_s: Length of the recording in seconds; nan where it is not known.
        estimated: The times were put together here, so they say little about the recording's
            length.
    """
    why_not = _impossible_rate(spans)
    if why_not:
        return _refused(spans, why_not)
    if math.isnan(duration_s):
        return Fit(tuple(spans))
    if estimated:
        return _all_kept(spans, duration_s)
    return _in_recording(spans, duration_s)


def fit_words(words: Sequence[Word], duration_s: float) -> tuple[tuple[Word, ...], Fit]:
    """The same for words whose recording's length became known later.

    Args:
        words: In order of their start.
        duration_s: Length of the recording in seconds.

    Returns:
        The words of this recording, and the judgement.
    """
    runs = list(_runs(words))
    spans = [_span_of(run) for run in runs]
    judged = fit(spans, duration_s)
    kept: list[Word] = []
    for run, span, left in zip(runs, spans, judged.inside, strict=True):
        if left == span:
            kept += run
        elif left is not None:
            kept += _shared_again(run, left)
    return tuple(kept), judged


def _shared_again(run: Sequence[Word], left: Span) -> Iterator[Word]:
    """The words of a run that are left, in the time that is left."""
    n = min(len(run), n_words(left))
    step_s = (left.end_s - left.start_s) / n
    for k, word in enumerate(run[:n]):
        start_s = left.start_s + k * step_s
        yield replace(word, start_s=start_s, end_s=start_s + step_s)


def _refused(spans: Sequence[Span], why_not: str) -> Fit:
    return Fit((None,) * len(spans), (), why_not)


def _impossible_rate(spans: Sequence[Span]) -> str:
    """Why nobody can have spoken so fast, or so slowly."""
    n = sum(map(n_words, spans))
    if n < _FEWEST_WORDS:
        return ""
    length_s = _last_s(spans) - min(span.start_s for span in spans)
    given = [span for span in spans if n_words(span) == 1 and not span.spread]
    is_by_word = len(given) >= 0.9 * n
    shared_s = min(_SHARED_SHORT_OF_S, _SHARED_SHORT_OF_WORD_S * n)
    short_s = _SHORT_OF_S if is_by_word else shared_s
    if length_s > 0 and n > _FASTEST * (length_s + short_s):
        return (
            f"{n} words in {length_s:.2f} s cannot be spoken (more than {_FASTEST:.0f} a second): "
            "expected a transcript of this recording with times in seconds"
        )
    if not is_by_word or len(given) < _MANY_WORDS:
        return ""
    usual_s = median(span.end_s - span.start_s for span in given)
    if usual_s > _LONGEST_WORD_S:
        return (
            f"a word would last {usual_s:.1f} s (median of {len(given)}): expected times in seconds"
        )
    return ""


def _last_s(spans: Iterable[Span]) -> float:
    return max((span.end_s for span in spans), default=0.0)


def _all_kept(spans: Sequence[Span], duration_s: float) -> Fit:
    """Spans whose times are an estimate, brought into the recording."""
    late_s = _last_s(spans) - duration_s
    if late_s > _STAYS_S:
        return _refused(spans, _another(spans, duration_s, spans))
    bounded = tuple(_bounded(span, duration_s) for span in spans)
    if late_s <= _ROUNDING_S:
        return Fit(bounded)
    problem = (
        f"the times were put together from windows and reach {late_s:.1f} s beyond the end of the "
        f"recording ({duration_s:.1f} s); they are estimates"
    )
    return Fit(bounded, (problem,))


def _in_recording(spans: Sequence[Span], duration_s: float) -> Fit:
    kept: list[Span | None] = []
    outside: list[Span] = []
    overhang_s = 0.0
    for span in spans:
        inside, beyond = _parted(span, duration_s)
        if beyond is not None:
            outside.append(beyond)
        if beyond is None:
            overhang_s = max(overhang_s, span.end_s - duration_s)
        kept.append(None if inside is None else _bounded(inside, duration_s))
    n = sum(map(n_words, spans))
    n_outside = sum(map(n_words, outside))
    if n_outside > _MOST_OUTSIDE * n:
        return _refused(spans, _another(spans, duration_s, outside))
    problems = []
    if overhang_s > _ROUNDING_S:
        problems.append(
            f"the last times reach up to {overhang_s:.1f} s beyond the end of the recording "
            f"({duration_s:.1f} s), as of a subtitle that stays; they end with it"
        )
    if outside:
        said = shortened(" ".join(span.text for span in outside), 200)
        problems.append(
            sentence(
                "{n} of {all} words [lies|lie] beyond the end of the recording ({s} s) or before its "
                "start and [is|are] left out: {said}",
                n_outside,
                all=n,
                s=f"{duration_s:.1f}",
                said=said,
            )
        )
    return Fit(tuple(kept), tuple(problems))


def _another(spans: Sequence[Span], duration_s: float, outside: Iterable[Span]) -> str:
    """Why this is the transcript of another recording."""
    n = sum(map(n_words, spans))
    n_outside = sum(map(n_words, outside))
    first_s = min(span.start_s for span in spans)
    return sentence(
        "the transcript is not of this recording: its times go from {first} s to {last} s, and the "
        "recording is {s} s long, so {n} of {all} words [lies|lie] outside; give the transcript of "
        "this recording, with times in seconds from its start",
        n_outside,
        first=f"{first_s:.1f}",
        last=f"{_last_s(spans):.1f}",
        s=f"{duration_s:.1f}",
        all=n,
    )


def _bounded(span: Span, duration_s: float) -> Span:
    """A span without what rounding, or a subtitle that stays, puts outside."""
    start_s = min(max(span.start_s, 0.0), duration_s)
    end_s = min(max(span.end_s, start_s), duration_s)
    return replace(span, start_s=start_s, end_s=end_s)


def _parted(span: Span, duration_s: float) -> tuple[Span | None, Span | None]:
    """What of a span is inside the recording, and what is outside."""
    is_before = span.end_s < -_ROUNDING_S or (span.end_s <= 0 and span.start_s < -_ROUNDING_S)
    if is_before or span.start_s > duration_s + _ROUNDING_S:
        return None, span
    late_s = span.end_s - duration_s
    n = n_words(span)
    room_s = duration_s - max(0.0, span.start_s)
    if late_s <= _ROUNDING_S or n == 1:
        return span, None
    if late_s <= _STAYS_S and n <= _FAST * room_s:
        return span, None
    return _cut(span, duration_s)


def _cut(span: Span, duration_s: float) -> tuple[Span | None, Span | None]:
    """The words of a span that begin before the end, and the others, by their share of its time."""
    tokens, _ = tokens_of(span.text)
    if len(tokens) < 2:
        return span, None
    step_s = (span.end_s - span.start_s) / len(tokens)
    n_inside = max(1, math.ceil((duration_s - span.start_s) / step_s))
    if n_inside >= len(tokens):
        return span, None
    edge_s = span.start_s + n_inside * step_s
    inside = replace(span, text=" ".join(tokens[:n_inside]), end_s=edge_s)
    beyond = replace(span, text=" ".join(tokens[n_inside:]), start_s=edge_s)
    return inside, beyond


# --- words that share the time of one subtitle --------------------------------------------------


def _runs(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Words that share a time evenly, as those of one subtitle do; else single words."""
    run: list[Word] = []
    for word in words:
        if run and not _goes_on(run[-1], word):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _goes_on(before: Word, word: Word) -> bool:
    if not before.timing is word.timing is Timing.SPREAD_CUE:
        return False
    is_next = math.isclose(word.start_s, before.end_s, abs_tol=1e-6)
    length_s = before.end_s - before.start_s
    return is_next and math.isclose(word.end_s - word.start_s, length_s, abs_tol=1e-6)


def _span_of(run: Sequence[Word]) -> Span:
    text = " ".join(word.text for word in run)
    spread = run[0].timing is not Timing.GIVEN
    return Span(text, run[0].start_s, run[-1].end_s, spread=spread)

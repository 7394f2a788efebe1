"""What every transcript format is translated into: spans of text with what times they carry."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from twomind.types.same import same_values


@dataclass(frozen=True)
class Span:
    """Text with the time it was given: a subtitle, a chunk or a single word. nan where no time was
    given.

    ``speaker`` is who says it, as the file names them; empty where it does not say. ``opens`` is
    False for a word inside a line: no label of a speaker stands before it.
    """

    text: str
    start_s: float = math.nan
    end_s: float = math.nan
    confidence: float = math.nan
    spread: bool = False  # its times were filled in from its neighbours
    speaker: str = ""
    opens: bool = True

    __eq__ = same_values

    def saying(self, text: str, speaker: str | None = None) -> Span:
        """The span with another text, and speaker where one is given; the same one where nothing is
        other: long texts have many.
        """
        name = self.speaker if speaker is None else speaker
        if text == self.text and name == self.speaker:
            return self
        return replace(self, text=text, speaker=name)


@dataclass(frozen=True)
class Parsed:
    """One transcript as its format tells it.

    ``unit_known`` is False where the format does not say in which unit its times are;
    ``estimated`` is True where they were put together here. ``carries`` is True where the name of a
    speaker holds for what follows, until the next name. ``of_meeting`` is True where a program of
    meetings, in which several people speak, wrote it.
    """

    spans: tuple[Span, ...]
    kind: str
    language: str | None = None
    problems: tuple[str, ...] = ()
    unit_known: bool = True
    estimated: bool = False
    carries: bool = False
    of_meeting: bool = False


def one_span(text: str) -> tuple[Span, ...]:
    """All text without a time; none where there is none."""
    return (Span(text),) if text.strip() else ()


# --- times that were not given
# ---------------------------------------------------------------------------------------

#: Only for a last word or chunk whose end nobody knows; the typical length of a word in speech.
WORD_S = 0.35


def n_words(span: Span) -> int:
    """Words of a span, at least one."""
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
        span = spans[i]
        known = not math.isnan(span.start_s)
        if known and not math.isnan(span.end_s):
            out.append(span)
            left_s = max(left_s, span.end_s)
            i += 1
            continue
        following = _next_timed(spans, i + 1)
        next_s = spans[following].start_s if following < len(spans) else math.nan
        gap = spans[i:following]
        if known and len(gap) == 1:
            end_s = _end_s(span, next_s, hi_s)
            out.append(replace(span, end_s=end_s, spread=True))
        else:
            from_s = span.start_s if known else left_s
            out += _shared(gap, from_s, _first_of(next_s, hi_s))
        left_s = max(left_s, out[-1].end_s) if known else out[-1].end_s
        i = following
    return out


def _next_timed(spans: list[Span], first: int) -> int:
    """Index of the first span from here on that has a start; the number of spans where none has."""
    for k in range(first, len(spans)):
        if not math.isnan(spans[k].start_s):
            return k
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
    return span.start_s + WORD_S * n_words(span)


def share(spans: list[Span], start_s: float, end_s: float) -> list[Span]:
    """Spans that were given one time together, each with its part of it by number of words.

    Args:
        spans: What stands between the two times, in order.
        start_s: When the first begins; nan where not known.
        end_s: When the last ends; nan where not known, and then only the first has a time.
    """
    if len(spans) < 2 or math.isnan(start_s) or math.isnan(end_s):
        first = [replace(span, start_s=start_s, end_s=end_s) for span in spans[:1]]
        return first + [replace(span, start_s=math.nan, end_s=math.nan) for span in spans[1:]]
    return _shared(spans, start_s, end_s)


def _shared(gap: list[Span], left_s: float, right_s: float) -> list[Span]:
    """Spans without a time, laid between two times by their number of words."""
    total = sum(map(n_words, gap))
    if math.isnan(right_s):
        right_s = left_s + WORD_S * total
    right_s = max(left_s, right_s)
    out = []
    for span in gap:
        end_s = left_s + (right_s - left_s) * n_words(span) / total
        out.append(replace(span, start_s=left_s, end_s=end_s, spread=True))
        left_s = end_s
        total -= n_words(span)
    return out

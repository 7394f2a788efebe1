"""The unit of times whose format does not tell it: seconds, or milliseconds where only these can be
meant.
"""

from __future__ import annotations

import math
from dataclasses import replace

from twomind.core.errors import BadInput
from twomind.transcripts.spans import Span, n_words

#: No word lasts as long; Whisper may give a word a whole window of 30 s.
LONGEST_WORD_S = 60.0
#: No speaker takes as long for a word on average, pauses inside a span counted.
_SLOWEST_WORD_S = 3.0
#: No speaker needs less for a word on average.
_FASTEST_WORD_S = 0.02
#: Times may reach this far beyond the recording (rounding, padding) and still belong to it.
_SLACK_S = 1.0
#: So many spans of impossible length are believed even where they fit into a long recording.
_N_SURE = 3


def in_seconds(spans: list[Span], duration_s: float) -> tuple[list[Span], list[str]]:
    """Spans with their times in seconds, and a remark where they were in milliseconds.

    Args:
        spans: With times that are seconds unless the words would be impossibly long.
        duration_s: Length of the recording; nan where it is not known.

    Raises:
        BadInput: the times fit this recording neither as seconds nor as milliseconds.
    """
    timed = [span for span in spans if span.end_s > span.start_s]
    if not timed:
        return spans, []
    total = sum(span.end_s - span.start_s for span in timed)
    word_length = total / sum(map(n_words, timed))
    last = max(span.end_s for span in timed)
    fits = last <= duration_s + _SLACK_S
    lies_beyond = last > duration_s + _SLACK_S
    as_seconds = word_length <= LONGEST_WORD_S or (fits and len(timed) < _N_SURE)
    if as_seconds and not lies_beyond:
        return spans, []
    if _are_milliseconds(timed, duration_s):
        why = "lie beyond the recording" if as_seconds else "give words of impossible length"
        remark = f"the times are milliseconds (as seconds they {why}); converted"
        return [_from_ms(span) for span in spans], [remark]
    if as_seconds or fits:
        return spans, []
    length = "unknown length" if math.isnan(duration_s) else f"{duration_s:.1f} s"
    raise BadInput(
        f"expected times in seconds: words would last {word_length:.0f} s on average, up to "
        f"{last:.0f} s; taken as milliseconds they do not fit this recording ({length}) either"
    )


def _are_milliseconds(timed: list[Span], duration_s: float) -> bool:
    """Whether whole numbers give speech inside the recording when they are taken as ms."""
    last_s = max(span.end_s for span in timed) / 1000
    total_s = sum(span.end_s - span.start_s for span in timed) / 1000
    word_length_s = total_s / sum(map(n_words, timed))
    is_speech = _FASTEST_WORD_S <= word_length_s <= _SLOWEST_WORD_S
    return _are_whole(timed) and is_speech and not last_s > duration_s + _SLACK_S


def _are_whole(spans: list[Span]) -> bool:
    """Programs that write milliseconds write whole ones."""
    return all(span.start_s.is_integer() and span.end_s.is_integer() for span in spans)


def _from_ms(span: Span) -> Span:
    return replace(span, start_s=span.start_s / 1000, end_s=span.end_s / 1000)

"""Times as people and programs write them into text: ``[00:01:02]``, ``#00:01:02-3#``, ``0:03``,
``00:03 - 00:09``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from twomind.transcripts.cues import clock_s

_CLOCK = r"(?:\d{1,3}:)?\d{1,3}:[0-5]?\d(?:[.,]\d{1,6})?"
#: After a time: tenths (``-3``), frames (``:12``), or the half of the day.
_AFTER_TIME = r"(?:-\d\b|[:;]\d\d\b)?(?:\s?[AaPp]\.?[Mm]\.?)?"
_BETWEEN = r"\s*(?:-{1,2}>|→|[-–—]|,|\bto\b)\s*"
_RANGE = rf"({_CLOCK})({_AFTER_TIME})(?:({_BETWEEN})({_CLOCK})({_AFTER_TIME}))?"
#: In brackets that hold a time and nothing else: never speech.
MARKED = re.compile(rf"[\[{{<#]\s*{_RANGE}\s*[\]}}>#]")
#: A time that stands free, or in the brackets of speech.
_AT_START = re.compile(rf"\(?{_RANGE}\)?:?(?=\s|$)")
_AT_END = re.compile(rf"(?:^|(?<=\s))[(|•·–—-]?\s*{_RANGE}\s*\)?:?$")
_AFTER_TEXT = re.compile(rf"(?:(?<=\s)[|•·–—-]?\s*|\s*(?=\())\(?{_RANGE}\)?(:?)(?=\s|$)")
#: What stands between a time and the text after it.
_SEPARATOR = re.compile(r"\s*(?:[|•·]|[-–—:](?=\s))?\s*")
#: No time with all that may stand beside it is longer.
_MOST_CHARACTERS = 60
#: The first minute: whoever says a time of the day names a later one.
_EARLY_S = 60.0
_HOUR_S = 3600.0
#: One of so many times may step back, by so much.
_FEW_OF = 10
STEP_BACK_S = 60.0
_SLACK_S = 1.0


@dataclass(frozen=True)
class Stamp:
    """A time in a text, in seconds; ``end_s`` is nan where it gives a start alone.

    ``sure`` is False where it may be speech (``9:30``); ``exact`` where it tells hours or parts of
    seconds, as nobody says a time of the day; ``of_day`` where the half of the day stands with it.
    """

    start_s: float
    end_s: float = math.nan
    sure: bool = True
    exact: bool = True
    of_day: bool = False


def stamp_of(match: re.Match[str], sure: bool) -> Stamp:
    """What a match of one of the patterns here says."""
    start_s = _seconds(match[1], match[2])
    end_s = _seconds(match[4], match[5]) if match[4] else math.nan
    arrow = bool(match[3]) and (">" in match[3] or "→" in match[3])
    exact = match[1].count(":") > 1 or "." in match[1] or "," in match[1] or bool(match[4])
    of_day = "m" in match[2].casefold()
    return Stamp(start_s, end_s, sure or arrow, exact, of_day)


def _seconds(clock: str, more: str) -> float:
    tenths = int(more[1]) / 10 if more.startswith("-") else 0.0
    return clock_s(clock) + tenths


def at_start(line: str) -> tuple[Stamp, str] | None:
    """A free time at the start of a line, and the rest; None where there is none."""
    match = _AT_START.match(line)
    if match is None:
        return None
    rest = _SEPARATOR.sub("", line[match.end() :], count=1)
    return stamp_of(match, sure=False), rest.strip()


def at_end(line: str) -> tuple[str, Stamp] | None:
    """What stands before a free time that ends a line, and the time; None where none does."""
    tail = line[-_MOST_CHARACTERS:]
    match = _AT_END.search(tail)
    if match is None:
        return None
    before = line[: len(line) - len(tail)] + tail[: match.start()]
    return before.strip(), stamp_of(match, sure=False)


def after_text(line: str) -> tuple[str, Stamp, str, bool] | None:
    """The first free time after the start of a line: what stands before it, the time, the rest,
    and whether a colon follows it.
    """
    match = _AFTER_TEXT.search(line[: 2 * _MOST_CHARACTERS])
    if match is None or not match.start():
        return None
    before = line[: match.start()].strip()
    return before, stamp_of(match, sure=False), line[match.end() :].strip(), bool(match[6])


def are_times(stamps: Sequence[Stamp], duration_s: float, opens: bool) -> bool:
    """Whether free times are those of a recording, not times of the day that somebody says.

    Args:
        stamps: In the order of the text.
        duration_s: Length of the recording; nan where it is not known.
        opens: Whether the text begins with the first of them, or with a name before it.
    """
    starts = [stamp.start_s for stamp in stamps]
    if not starts or not _rise(starts):
        return False
    if any(stamp.exact for stamp in stamps):
        return opens or len(stamps) > 1
    early = starts[0] < _EARLY_S or starts[-1] <= duration_s + _SLACK_S
    return early and (len(stamps) > 1 or opens)


def _rise(starts: Sequence[float]) -> bool:
    """Whether times rise; where they are many, a few may step back a little, as those of people who
    speak at once.
    """
    back = [before - after for before, after in pairwise(starts) if after < before]
    return len(back) <= len(starts) // _FEW_OF and max(back, default=0.0) <= STEP_BACK_S


def are_of_day(stamps: Sequence[Stamp], duration_s: float) -> bool:
    """Whether times are those of a clock on the wall, which do not say when in the recording."""
    if any(stamp.of_day for stamp in stamps):
        return True
    first_s = min((stamp.start_s for stamp in stamps), default=0.0)
    return first_s > duration_s + _SLACK_S and first_s >= _HOUR_S

"""Times that are written as seconds (``[0.00s -> 2.50s] text``, ``0.00 2.50 text``), put as a clock
shows them, so that one reader reads all times between lines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

#: Seconds with their unit or with decimals: whole numbers alone may be anything.
_SECONDS = r"(\d{1,5}[.,]\d{1,6}(?:\s?s(?:ec)?)?|\d{1,5}\s?s(?:ec)?)"
_BETWEEN = r"\s*(?:-{0,2}>|→|[-–—]|,|;|\bto\b)\s*"
#: Two in brackets that a transcriber's pause never has.
_RANGE = re.compile(rf"[\[{{(<]\s*{_SECONDS}{_BETWEEN}{_SECONDS}\s*[\]}})>]")
#: At the start of a line, with or without brackets.
_AT_START = re.compile(
    rf"\s*+(?:(?P<bracket>[\[{{<])\s*+)?{_SECONDS}(?:(?:{_BETWEEN}|\s++){_SECONDS})?"
    r"(?:\s*+[\]}>])?(?:\s*+[:|])?(?=\s|$)"
)
#: Nobody says more words a second on line after line.
_FASTEST = 8.0
_SLACK_S = 1.0


def as_clock(text: str, duration_s: float) -> str:
    """The text, with its seconds as ``[h:mm:ss.ffffff]`` where they are times.

    They are where two of them stand in brackets; or where every line begins with one or two, they
    rise, and what is said between them can be said in that time. Numbers in speech, and the pauses
    of a transcriber, do not.

    Args:
        text: The whole text.
        duration_s: Length of the recording; nan where it is not known.
    """
    text = _RANGE.sub(lambda found: _stamp(_number(found[1]), _number(found[2])), text)
    lines = text.split("\n")
    at = [k for k, line in enumerate(lines) if line.strip()]
    found = [_AT_START.match(lines[k]) for k in at]
    starts = [match for match in found if match is not None]
    if not starts or len(starts) < len(found):
        return text
    told = [_told(match, lines[k][match.end() :]) for k, match in zip(at, starts, strict=True)]
    if not _are_times(told, _fewest(starts), duration_s):
        return text
    for k, (start_s, end_s, rest) in zip(at, told, strict=True):
        lines[k] = f"{_stamp(start_s, end_s)}{rest}"
    return "\n".join(lines)


def _told(match: re.Match[str], rest: str) -> tuple[float, float, str]:
    """Start, end (nan where there is none) and what follows."""
    end_s = _number(match[3]) if match[3] else math.nan
    return _number(match[2]), end_s, rest


def _number(written: str) -> float:
    return float(written.rstrip("sec ").replace(",", "."))


def _stamp(start_s: float, end_s: float) -> str:
    last = "" if math.isnan(end_s) else f" --> {_clock(end_s)}"
    return f"[{_clock(start_s)}{last}]"


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(time_s, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{seconds:09.6f}"


def _fewest(starts: Sequence[re.Match[str]]) -> int:
    """How many lines must begin so: fewer where brackets or a second number set a time off."""
    set_off = all(match["bracket"] or match[3] for match in starts)
    is_zero = _number(starts[0][2]) == 0
    return (2 if set_off else 3) - (1 if is_zero else 0)


def _are_times(told: Sequence[tuple[float, float, str]], fewest: int, duration_s: float) -> bool:
    """Whether the numbers at the starts of all lines are times of the recording."""
    if len(told) < fewest:
        return False
    if any(end_s < start_s for start_s, end_s, _ in told):
        return False
    for (start_s, _, rest), (next_s, _, _) in pairwise(told):
        room_s = next_s - start_s
        if room_s < 0 or len(rest.split()) > _FASTEST * (room_s + _SLACK_S):
            return False
    return not told[-1][0] > duration_s + _SLACK_S

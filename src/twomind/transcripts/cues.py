"""Cues of subtitle files (SubRip, WebVTT): lines of text that are shown together."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

from twomind.core.errors import BadInput, quoted
from twomind.transcripts.marks import is_note_tag

# Own reader: pysubs2 1.8 hands WebVTT notes, styles and the next cue's identifier to the cue
# before, and drops a last line that is only a number ("... I am / 42"). Here every spoken word must
# survive, and nothing that was not spoken.

_STAMP = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"^[ \t]*{_STAMP}[ \t]*-->[ \t]*{_STAMP}(?!\w)", re.MULTILINE)
#: Where a cue's times are expected: numbers with signs between them, and nothing that is said.
_IN_PLACE = re.compile(
    r"[\[(]?\s*(\d{1,3}(?:\s?[:.,;'’]\s?\d{1,4}){1,3})"
    r"(?:[^\w]{0,8}(?:to|bis|until)?[^\w]{0,8}(\d{1,3}(?:\s?[:.,;'’]\s?\d{1,4}){1,3}))?\s*s?\s*[\])]?"
)
#: A time code that was mistyped: three or four numbers, whatever stands between them.
_LOOSE_STAMP = re.compile(r"\d{1,3}(?: ?[:.,;] ?\d{1,3}){2,3}")
_ARROW = re.compile(r"(?:[-=–—] ?){1,4}>|→")
_TWO_STAMPS = re.compile(
    rf"({_LOOSE_STAMP.pattern})[ \t]*[-–—]{{0,3}}[ \t]*(?<!\d)({_LOOSE_STAMP.pattern})"
)
INLINE_STAMP = re.compile(rf"<{_STAMP}>")
# A tag ends before the next one begins, so that none is looked for through the whole text.
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}")
#: The end of a line, as SubStation writes it and its converters leave it.
_LINE_END = re.compile(r"\\[Nn]")
#: Tags that say how a text looks, or in which language or voice it is.
_FORMATTING_TAG = re.compile(
    r"</?(?:i|b|u|s|em|strong|small|big|tt|font|c|v|lang|ruby|rt|br|p|span|div|body|x?html|sync)"
    r"(?=[\s.>/])[^<>]*>",
    re.IGNORECASE,
)
#: A part of a time code that lost its zeros, as older exports of Teams write it: ``0:1:2.70``.
_UNPADDED = re.compile(r"(?<!\d)\d:\d{1,2}:\d{1,2}\.(\d{1,3})(?!\d)")
_ONE_DIGIT = re.compile(r":\d[:.]")
#: So many digits tell milliseconds.
_MILLISECONDS = 3
#: Where and how a cue is shown: ``align:start``, ``X1:40``.
_SETTING = re.compile(r"[A-Za-z]\w*:\S+")
#: Above a cue's times, as Webex writes it: ``3 "Jane Doe" (3330436864)``; nobody where it is empty.
_WHO = re.compile(r'\d{1,7} "([^"]{0,120})"(?: \(\d{1,20}\))?')
_NOBODY = "Unknown Speaker"
#: Blocks of a WebVTT file that are no cues begin with these.
_NO_CUE = ("NOTE", "STYLE", "REGION")
#: More hours than any recording has; a time beyond it is not a time.
_MOST_HOURS = 9999


def stamp_s(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    """Seconds of a time code's fields."""
    n_hours = hours or "0"
    if len(n_hours) > len(str(_MOST_HOURS)):
        raise BadInput(f"expected a time of at most {_MOST_HOURS} hours, got {quoted(n_hours)}")
    return (
        int(n_hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction) / 10 ** len(fraction)
    )


def clock_s(text: str) -> float:
    """Seconds of a time as a clock shows it (``1:02``, ``00:01:02.5``); infinite where it is none."""
    match = re.fullmatch(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2})(?:[.,](\d{1,9}))?", text)
    if match is None:
        return math.inf
    return stamp_s(match[1], match[2], match[3], match[4] or "0")


@dataclass(frozen=True)
class Cue:
    """Lines of text that are shown together. A time is nan where it cannot be read.

    ``mistyped`` is the line that gives the times, where it is not written as its format asks.
    ``unplaced`` are lines after the cue that belong to none.
    """

    start_s: float
    end_s: float
    lines: list[str]
    mistyped: str = ""
    unplaced: tuple[str, ...] = ()


def has_timing(text: str) -> bool:
    """Whether some line of the text gives a cue's time."""
    return bool(_TIMING.search(text))


def cues_of(text: str, kind: str) -> Iterator[Cue]:
    """The cues of a file.

    Args:
        text: The file's text.
        kind: ``SubRip`` or ``WebVTT``; they end a cue in different ways.
    """
    lines = _with_milliseconds(text.splitlines())
    times_at = _times_at(lines)
    first = min(times_at, default=0)
    before = [line for line in lines[:first] if line.strip() and not line.strip().isdigit()]
    is_numbered = any(line.strip().isdigit() for line in lines[:first])
    if before and kind != "WebVTT":
        yield Cue(math.nan, math.nan, before)
    for i, following in pairwise([*times_at, len(lines)]):
        body = lines[i + 1 : following]
        unplaced: tuple[str, ...] = ()
        if kind == "WebVTT":
            body = _from_text(body, following < len(lines))
            shown_until = len(_until_blank(body))
            unplaced = _unplaced(body[shown_until:], following < len(lines))
            body = body[:shown_until]
        elif following < len(lines):
            body = _without_next_number(body, is_numbered)
        start_s, end_s = times_at[i]
        mistyped = "" if _TIMING.match(lines[i]) else lines[i].strip()
        beside = _beside(lines[i])
        shown = [line for line in [beside, *body] if line.strip()]
        shown = _voiced(lines[max(0, i - 1)], shown)
        yield Cue(start_s, end_s, shown, mistyped, unplaced)


def _without_next_number(body: list[str], is_numbered: bool) -> list[str]:
    """A SubRip cue's lines without the number of the next one; in a file that has numbers, whatever
    blank lines are below it.
    """
    filled = [k for k, line in enumerate(body) if line.strip()]
    if not filled or not body[filled[-1]].strip().isdigit():
        return body
    last = filled[-1]
    is_above = last + 1 == len(body)  # right above the times
    stands_alone = len(filled) > 1 and filled[-2] + 1 < last
    return body[:last] if is_above or (is_numbered and stands_alone) else body


def _with_milliseconds(lines: list[str]) -> list[str]:
    """The lines with parts of seconds in full, where their zeros are left out: beside ``0:0:8.970``,
    ``0:0:9.20`` is 20 ms after 9 s. Decimals that are cut short end in no zero.
    """
    timings = [line for line in lines if _TIMING.match(line)]
    fractions = {found for line in timings for found in _UNPADDED.findall(line)}
    short = {fraction for fraction in fractions if len(fraction) < _MILLISECONDS}
    cut_off = all(fraction.endswith("0") for fraction in short) and short != fractions
    if not cut_off or not any(map(_ONE_DIGIT.search, timings)):
        return lines
    return [_UNPADDED.sub(_padded, line) if _TIMING.match(line) else line for line in lines]


def _padded(code: re.Match[str]) -> str:
    """A time code whose milliseconds have three digits."""
    fraction = code[1]
    return code[0].removesuffix(fraction) + fraction.zfill(_MILLISECONDS)


def _voiced(above: str, shown: list[str]) -> list[str]:
    """A cue's lines in the voice of whom the line above its times names."""
    found = _WHO.fullmatch(above.strip())
    if found is None or not shown:
        return shown
    name = html.escape(found[1].strip() or _NOBODY, quote=False)
    return [f"<v {name}>{shown[0]}", *shown[1:]]


def _times_at(lines: list[str]) -> dict[int, tuple[float, float]]:
    """Index of each line that gives a cue's times → start and end."""
    found: dict[int, tuple[float, float]] = {}
    for i, line in enumerate(lines):
        times = _times_of(line)
        if times is None and _is_place_of_times(lines, i):
            times = _times_in_place(line)
        if times is not None:
            found[i] = times
    return found


def _is_place_of_times(lines: list[str], i: int) -> bool:
    """Whether a cue's times belong here: below a number that stands by itself."""
    numbered = i > 0 and lines[i - 1].strip().isdigit()
    return numbered and (i == 1 or not lines[i - 2].strip())


def _times_in_place(line: str) -> tuple[float, float] | None:
    """Start and end of a line on which times are expected, nan for what it does not give; None
    where something is said on it.
    """
    match = _IN_PLACE.fullmatch(html.unescape(line).strip())
    if match is None:
        return None
    return _place_s(match[1]), _place_s(match[2])


def _place_s(code: str | None) -> float:
    if code is None:
        return math.nan
    fields = re.split(r"\s?[:.,;'’]\s?", code)
    if len(fields) == 2 and ":" not in code:
        return float(".".join(fields))  # seconds with decimals
    return _loose_s(re.sub("['’]", ".", code))


def _times_of(line: str) -> tuple[float, float] | None:
    """Start and end that a line gives, nan where one cannot be read; None for any other line."""
    match = _TIMING.match(line)
    if match:
        stamps = match.groups()
        return stamp_s(*stamps[:4]), stamp_s(*stamps[4:])
    codes = _mistyped_codes(line.strip())
    if codes is None:
        return None
    left, right = codes
    return _loose_s(left), _loose_s(right)


def _beside(line: str) -> str:
    """Text that stands on the line of the times; settings of a cue (``align:start``) are none."""
    match = _TIMING.match(line)
    rest = line[match.end() :] if match else ""
    if all(_SETTING.fullmatch(word) for word in rest.split()):
        return ""
    return rest


def _mistyped_codes(line: str) -> tuple[str, str] | None:
    """The two time codes of a line that should be a timing: codes alone, or an arrow with a time
    code on one side and something of one word with digits on the other.
    """
    two = _TWO_STAMPS.fullmatch(line)
    if two and all(":" in code for code in two.groups()):
        return two[1], two[2]
    arrow = _ARROW.search(line)
    if arrow is None:
        return None
    left = line[: arrow.start()].strip()
    right = line[arrow.end() :].strip()
    stamp = _LOOSE_STAMP.match(right)
    if stamp:
        return (left, stamp[0]) if _LOOSE_STAMP.fullmatch(left) or _is_code(left) else None
    right = right.split()[0] if right else ""
    return (left, right) if _LOOSE_STAMP.fullmatch(left) and _is_code(right) else None


def _is_code(text: str) -> bool:
    """Whether this may stand for a time code: nothing, or one word with digits."""
    return not text or (len(text.split()) == 1 and any(c.isdigit() for c in text))


def _loose_s(code: str) -> float:
    """Seconds of a time code that may be mistyped; nan where it is none."""
    exact = re.fullmatch(_STAMP, code)
    if exact:
        return stamp_s(*exact.groups())
    if not _LOOSE_STAMP.fullmatch(code):
        return math.nan
    fields = re.split("[:.,;]", code.replace(" ", ""))
    if len(fields) == 3 and len(fields[-1]) < 3:
        fields.append("0")  # hours, minutes, seconds
    elif len(fields) == 3:
        fields.insert(0, "0")
    return stamp_s(*fields)


def _from_text(body: list[str], more: bool) -> list[str]:
    """A cue's lines from its first text on. An editor that takes blanks from the ends of lines
    leaves one empty that held a blank, and so would end a cue before its text.

    Args:
        body: From the line below the cue's times up to the next one's times.
        more: Whether there is a next one.
    """
    n_blank = next((k for k, line in enumerate(body) if line), 0)
    block = _until_blank(body[n_blank:])
    names_next = more and n_blank + len(block) == len(body)
    if not n_blank or names_next or block[0].startswith(_NO_CUE):
        return body
    return body[n_blank:]


def _until_blank(body: list[str]) -> list[str]:
    """A blank line ends a WebVTT cue; what follows is an identifier, a note or a style."""
    for k, line in enumerate(body):
        if not line:
            return body[:k]
    return body


def _unplaced(after: list[str], more: bool) -> tuple[str, ...]:
    """Lines after a WebVTT cue that are no note, no style, and not the name of the next cue.

    Args:
        after: From the blank line that ends the cue up to the next one's times.
        more: Whether there is a next one.
    """
    found: list[str] = []
    for is_text, block in groupby(after, key=bool):
        lines = list(block)
        if is_text and not lines[0].startswith(_NO_CUE):
            found += lines
    named = more and bool(found) and found[-1] == after[-1]
    return tuple(found[:-1] if named else found)


def plain(text: str) -> str:
    """What is shown of a cue's text: no tags but those that are notes (``<laugh>``), no escapes."""
    last = max(text.rfind(">"), text.rfind("}"))
    tagged, rest = text[: last + 1], text[last + 1 :]  # a search for ends that never come is slow
    shown = _TAG.sub(_without_tag, tagged) + rest
    return html.unescape(_LINE_END.sub("\n", shown)).strip()


def _without_tag(found: re.Match[str]) -> str:
    return found[0] if _is_note(found[0]) else ""


def _is_note(tag: str) -> bool:
    is_tag_of_text = tag.startswith("{") or _FORMATTING_TAG.fullmatch(tag) is not None
    return not is_tag_of_text and is_note_tag(tag)


def unknown_tags(text: str) -> list[str]:
    """Tags of a cue's text that are neither known nor notes; they are not shown."""
    tags = _TAG.findall(text)
    named = [tag for tag in tags if tag.startswith("<") and not _FORMATTING_TAG.fullmatch(tag)]
    return [tag for tag in named if not is_note_tag(tag)]

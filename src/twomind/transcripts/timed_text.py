"""Text with times and names between its lines, as Otter, Teams, Zoom, Rev, NVivo, f4 and
Whisper's console write it → spans with times and speakers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from twomind.transcripts.clock_marks import (
    MARKED,
    STEP_BACK_S,
    Stamp,
    after_text,
    are_of_day,
    are_times,
    at_end,
    at_start,
    stamp_of,
)
from twomind.transcripts.labels import is_name_alone, same_name
from twomind.transcripts.marks import is_known_note
from twomind.transcripts.roles import is_role
from twomind.transcripts.second_marks import as_clock
from twomind.transcripts.spans import Parsed, Span

#: Teams, copied from its page: ``0 minutes 3 seconds0:03``.
_TOLD_TWICE = re.compile(r"^(?:\d+ hours? )?(?:\d+ minutes? )?\d+ seconds? ?(?=\d+:)")
#: A heading that holds a time alone, and the anchor that it may have: ``### **0:02:36** {#0:02:36}``.
_HEADING = re.compile(r"[#*_]{1,8}\s{0,4}\*{0,4}(?=\d[\d:.]{0,20}\*{0,4}\s{0,4}(?:$|\{#))")
_ANCHOR = re.compile(r"\*{0,4}\s{0,4}(?:\{#[^{}\s]{0,60}\})?$")
#: ``[Jane - Lab 2] 13:32:28`` and, with several blanks, ``Jane (Lab 2)  0:34``, above what is said.
_HEAD = re.compile(r"(?:\[([^\[\]]{1,60})\]\s{0,8}|(\S.{0,59}?)[ \t]{2,8})\d{1,3}:\d\d(?::\d\d)?")
#: ``From Jane Doe to Everyone:``, as chats are kept.
_FROM = re.compile(r"From\s+(\S.{0,60}?)(?:\s+to\s+\S.{0,60}?)?\s*:(?=\s|$)\s*", re.IGNORECASE)


@dataclass
class _Line:
    """A line cut into times and text; ``name`` is who it says speaks from its first time on."""

    pieces: list[Stamp | str]
    name: str = ""

    @property
    def text(self) -> str:
        """The only piece, where it is text; else empty."""
        only = self.pieces[0] if len(self.pieces) == 1 else ""
        return only if isinstance(only, str) else ""

    @property
    def is_time(self) -> bool:
        """Whether there is a time and nothing else."""
        return len(self.pieces) == 1 and isinstance(self.pieces[0], Stamp) and not self.name


@dataclass
class _Block:
    """What is said from one time on."""

    start_s: float = math.nan
    end_s: float = math.nan
    name: str = ""
    lines: list[str] = field(default_factory=list)


def timed_text(text: str, duration_s: float) -> Parsed | None:
    """The spans of a text with times between its lines; None where no time is written there.

    Args:
        text: The whole text.
        duration_s: Length of the recording; nan where it is not known.
    """
    text = as_clock(text, duration_s)
    written = [_TOLD_TWICE.sub("", _plain_line(line), count=1) for line in text.split("\n")]
    heads = _set_off(written)
    free = _free_times_count(written, duration_s, heads)
    lines = [_line(line, free, heads) for line in written]
    stamps = [piece for line in lines for piece in line.pieces if isinstance(piece, Stamp)]
    if not stamps:
        return None
    _name_lines_of_time(lines)
    _name_headers(lines)
    if _close(lines):
        blocks = _closed_blocks(lines)
    else:
        blocks = _opened_blocks(lines)
    problems: tuple[str, ...] = ()
    if are_of_day(stamps, duration_s):
        blocks = [_Block(name=block.name, lines=block.lines) for block in blocks]
        problems = (
            "the times in the text are times of the day, which do not say when in the recording; "
            "they were not used",
        )
    elif _without_steps_back(blocks):
        problems = (
            "some times in the text step back a little; what stands there was given a time "
            "between its neighbours",
        )
    spans = [_span(block) for block in blocks]
    said = tuple(span for span in spans if span.text)
    return Parsed(said, "text with times", None, problems, carries=True)


def _without_steps_back(blocks: Sequence[_Block]) -> bool:
    """Take away times that step a little back of what the same person said before, so that words
    stay in the order in which they are written; and whether there were any.
    """
    found = []
    for before, block in pairwise(blocks):
        step_s = before.start_s - block.start_s
        if 0 < step_s <= STEP_BACK_S and same_name(before.name) == same_name(block.name):
            found.append(block)
    for block in found:
        block.start_s = math.nan
    return bool(found)


def _span(block: _Block) -> Span:
    text = "\n".join(block.lines).strip("\n")
    return Span(text if text.strip() else "", block.start_s, block.end_s, speaker=block.name)


# --- lines
# ---------------------------------------------------------------------------------------------------


def _plain_line(line: str) -> str:
    """A line without blanks around it; a time that is a heading, without the signs of one."""
    text = line.strip()
    heading = _HEADING.match(text)
    return _ANCHOR.sub("", text[heading.end() :], count=1) if heading else text


def _set_off(lines: Sequence[str]) -> frozenset[str]:
    """What brackets or blanks set off from a time, on several lines, each with text below: who
    speaks, whatever it looks like; what a transcriber notes is none.
    """
    found = []
    for line, below in pairwise(lines):
        head = _HEAD.fullmatch(line)
        name = (head[1] or head[2]).strip() if head else ""
        if name and below and not is_known_note(name):
            found.append(name)
    return frozenset(found) if len(found) > 1 else frozenset()


def _free_times_count(lines: Sequence[str], duration_s: float, heads: frozenset[str]) -> bool:
    """Whether the free times at the edges of lines are times of the recording."""
    if heads:
        return True
    free: list[Stamp] = []
    opens = False
    seen = False
    for line in lines:
        if not line:
            continue
        starting = at_start(line)
        named = _after_name(line)
        ending = at_end(line)
        if starting is not None:
            stamp, rest = starting
            free.append(stamp)
            opens = opens or not seen or (stamp.exact and not rest)
        elif named is not None:
            free.append(named[1])
            opens = True
        elif ending is not None and _is_header(ending[0], heads):
            free.append(ending[1])
            opens = True
        seen = True
    if any(stamp.sure for stamp in free):
        return True
    return are_times(free, duration_s, opens)


def _after_name(line: str) -> tuple[str, Stamp, str] | None:
    """The name that starts a line, a free time after it, and the rest (``Speaker 1: 00:03 text``);
    None where a line is not written so.
    """
    found = after_text(line)
    if found is None:
        return None
    before, stamp, rest, colon = found
    name = _bare_name(before)
    if is_role(name) or ((colon or before.endswith(":")) and is_name_alone(name)):
        return name, stamp, rest
    return None


def _is_header(before: str, heads: frozenset[str]) -> bool:
    """Whether what stands before a time that ends a line is a name."""
    name = before.rstrip(":,-–—|•· ").strip("[]").strip()
    return name in heads or is_name_alone(name)


def _line(line: str, free: bool, heads: frozenset[str]) -> _Line:
    """A line with its times: those in brackets, and free ones at its edges where ``free``."""
    if free and not MARKED.match(line):
        starting = at_start(line)
        ending = at_end(line)
        if starting is not None:
            stamp, rest = starting
            return _Line([stamp, *_cut(rest)])
        if ending is not None and _is_header(ending[0], heads):
            return _Line([ending[1]], _bare_name(ending[0]))
    return _with_name(_cut(line), free, colon=_has_colon(line))


def _has_colon(line: str) -> bool:
    """Whether a colon follows the first time in brackets, as after a name (``P1 [00:03]: ...``)."""
    first = MARKED.search(line)
    return first is not None and line[first.end() :].lstrip().startswith(":")


def _cut(text: str) -> list[Stamp | str]:
    """Text cut at the times in brackets."""
    pieces: list[Stamp | str] = []
    begin = 0
    for match in MARKED.finditer(text):
        before = _without_colon(text[begin : match.start()], pieces)
        if before:
            pieces.append(before)
        pieces.append(stamp_of(match, sure=True))
        begin = match.end()
    rest = _without_colon(text[begin:], pieces)
    if rest:
        pieces.append(rest)
    return pieces


def _without_colon(text: str, pieces: list[Stamp | str]) -> str:
    """What follows the pieces of a line, without the colon that may stand behind a time."""
    said = text.strip()
    if pieces and isinstance(pieces[-1], Stamp) and said.startswith(":"):
        return said[1:].strip()
    return said


def _with_name(pieces: list[Stamp | str], free: bool, colon: bool) -> _Line:
    """A line whose first text, before its first time, may be a name.

    Args:
        pieces: Of the line.
        free: Whether times without brackets are times.
        colon: Whether one follows the first time in brackets.
    """
    first = pieces[0] if pieces else ""
    if not isinstance(first, str):
        return _Line(pieces)
    if len(pieces) > 1:
        name = _bare_name(first)
        header = len(pieces) == 2 and is_name_alone(name)
        is_set_off = colon or first.endswith(":")
        if header or is_role(name) or (is_set_off and is_name_alone(name)):
            return _Line(pieces[1:], name)
        return _Line(pieces)
    named = _after_name(first) if free else None
    if named is not None:
        name, stamp, rest = named
        return _Line([stamp, *_cut(rest)], name)
    return _Line(pieces)


def _bare_name(text: str) -> str:
    return text.rstrip(":,-–—|•· ").strip("[]*_ ")


# --- names that stand by themselves
# ---------------------------------------------------------------------------------------------------


def _name_lines_of_time(lines: list[_Line]) -> None:
    """Names on the line before each time that stands alone, or on the line after it."""
    times = [k for k, line in enumerate(lines) if line.is_time]
    for before in (True, False):
        places = [_beside(lines, k, before) for k in times]
        if not places or any(place is None for place in places):
            continue
        found = [place for place in places if place is not None]
        names = [lines[place].text for place in found]
        if _are_names(names, before) and _leave_text(lines, times, before):
            for k, place in zip(times, found, strict=True):
                lines[k].name = _bare_name(lines[place].text)
                lines[place].pieces = []
            return


def _beside(lines: Sequence[_Line], k: int, before: bool) -> int | None:
    """The next line with text above or below, where no time stands between."""
    step = -1 if before else 1
    at = k + step
    while 0 <= at < len(lines) and not lines[at].pieces:
        at += step
    if 0 <= at < len(lines) and lines[at].text:
        return at
    return None


def _are_names(names: Sequence[str], before: bool) -> bool:
    """Whether the lines beside times are names: all look like one, and are roles, or come again."""
    bare = [_bare_name(name) for name in names]
    if not all(is_name_alone(name) for name in bare):
        return False
    if any(map(is_role, bare)) or max(Counter(map(same_name, bare)).values()) > 1:
        return True
    return before and len(bare) < 3


def _leave_text(lines: Sequence[_Line], times: Sequence[int], before: bool) -> bool:
    """Whether each time still has text of its own when the names are taken away."""
    edges = [*times, len(lines)]
    for k, following in zip(times, edges[1:], strict=True):
        n_text = sum(bool(line.text) for line in lines[k + 1 : following])
        last = following == len(lines)
        n_names = 0 if before and last else 1
        if n_text <= n_names - (1 if last and not before else 0):
            return False
    return True


def _name_headers(lines: list[_Line]) -> None:
    """Names alone after a time on its line (``[00:00:03] Jane Doe``), with text on the next; and
    names in lines of a chat.
    """
    found = []
    for line, after in pairwise(lines):
        rest = _after_time(line)
        if rest and after.text and is_name_alone(rest):
            found.append((line, rest))
    counts = Counter(same_name(name) for _, name in found)
    if any(is_role(name) for _, name in found) or max(counts.values(), default=0) > 1:
        for line, name in found:
            line.name = name
            line.pieces = line.pieces[:1]
    for line in lines:
        rest = _after_time(line)
        chat = _FROM.match(rest)
        if chat:
            line.name = chat[1]
            line.pieces = [line.pieces[0], rest[chat.end() :]]


def _after_time(line: _Line) -> str:
    """The text of a line that has a time and then text; else empty."""
    if len(line.pieces) != 2 or not isinstance(line.pieces[0], Stamp):
        return ""
    rest = line.pieces[1]
    return rest if isinstance(rest, str) else ""


# --- blocks
# ---------------------------------------------------------------------------------------------------


def _close(lines: Iterable[_Line]) -> bool:
    """Whether times stand after what is said: text comes first, and a time last."""
    pieces = [piece for line in lines for piece in line.pieces]
    named = any(line.name for line in lines)
    alone = any(line.is_time for line in lines)
    texts_first = bool(pieces) and isinstance(pieces[0], str) and isinstance(pieces[-1], Stamp)
    return texts_first and not named and not alone


def _closed_blocks(lines: Iterable[_Line]) -> list[_Block]:
    """Each time ends what stands before it, which begins at the time before."""
    blocks = []
    block = _Block()
    for line in lines:
        for piece in line.pieces:
            if isinstance(piece, str):
                block.lines.append(piece)
                continue
            block.end_s = piece.start_s
            blocks.append(block)
            block = _Block(start_s=piece.start_s)
    if blocks and math.isnan(blocks[0].start_s):
        blocks[0].start_s = 0.0
    return blocks


def _opened_blocks(lines: Iterable[_Line]) -> list[_Block]:
    """Each time begins what stands after it; one that ends a line ends what it stands after."""
    block = _Block()
    blocks = [block]
    for line in lines:
        if line.name and not any(isinstance(piece, Stamp) for piece in line.pieces):
            block = _Block(name=line.name)
            blocks.append(block)
        name = line.name
        for k, piece in enumerate(line.pieces):
            if isinstance(piece, str):
                block.lines.append(piece)
                continue
            last = k + 1 == len(line.pieces)
            if last and k and math.isnan(block.end_s):
                block.end_s = max(piece.start_s, block.start_s)
            block = _Block(piece.start_s, piece.end_s, name)
            blocks.append(block)
            name = ""
        if not line.pieces:
            block.lines.append("")
    return blocks

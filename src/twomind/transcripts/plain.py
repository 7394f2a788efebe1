"""Plain text: a table, text with times between its lines, or text alone."""

from __future__ import annotations

import re
from dataclasses import replace

from twomind.core.plural import sentence
from twomind.transcripts.items import language_of
from twomind.transcripts.spans import Parsed, one_span
from twomind.transcripts.tables import table
from twomind.transcripts.timed_text import timed_text

#: Lines that programs write about a transcript, and what is read out for a picture on a page.
_OF_A_PROGRAM = re.compile(
    r"Page \d{1,4}(?: (?:of|/) \d{1,4})?|-{1,3} ?\d{1,4} ?-{1,3}|"
    r"Detecting language using up to the first .*|Detected language: .*|"
    r"whisper_\w+: .*|main: processing .*|system_info: .*"
)
#: Such lines of programs that write what several people say.
_OF_A_MEETING = re.compile(
    r"Transcribed by https?://\S*|.{1,60} (?:started|stopped) transcription|user avatar|"
    r"(?:Meeting|Transcription) ended after \d+:\d\d:\d\d\W*|"
    r"This editable transcript was computer generated and might contain errors\..*"
)
#: Headings of Otter and of Google Meet, each with one line below it.
_HEADINGS = ("SUMMARY KEYWORDS", "SPEAKERS", "KEYWORDS", "Attendees")
#: The part of a document of Google Meet that is the transcript; notes about it stand above.
_BEGINS = "📖 Transcript"
#: Signs by which a line stands out.
_SIGNS = "#*_ \t"
_NUMBERED = re.compile(r"\s*(\d{1,5})[.):]?(?:\s+|$)")
_FEWEST_NUMBERED = 3
_LANGUAGE = re.compile(r"^[ \t]*Detected language: (\w+)", re.MULTILINE)


def plain_text(text: str, duration_s: float) -> Parsed:
    """The spans of a text file, whatever stands between its lines.

    Args:
        text: The whole text.
        duration_s: Length of the recording; nan where it is not known.
    """
    spoken, n_left_out = _without_programs(text)
    spoken, numbered = _without_numbers(spoken)
    parsed = table(spoken, duration_s) or timed_text(spoken, duration_s)
    if parsed is None:
        parsed = Parsed(one_span(spoken), "plain text")
    language = _LANGUAGE.search(text)
    problems = list(parsed.problems)
    if numbered:
        problems.append("the numbers of the lines were left out")
    if n_left_out:
        problems.append(
            sentence(
                "{n} line[|s] that a program wrote about the transcript [was|were] left out",
                n_left_out,
            )
        )
    known = language_of(language[1]) if language else parsed.language
    told = [line.strip(_SIGNS) for line in text.splitlines()] if n_left_out else []
    of_meeting = any(map(_OF_A_MEETING.fullmatch, told))
    return replace(parsed, problems=tuple(problems), language=known, of_meeting=of_meeting)


def _without_numbers(text: str) -> tuple[str, bool]:
    """The text without the numbers of its lines, where every line has the next one."""
    lines = [line for line in text.splitlines() if line.strip()]
    found = [_NUMBERED.match(line) for line in lines]
    numbers = [int(match[1]) for match in found if match is not None]
    first = numbers[0] if numbers else 0
    running = list(range(first, first + len(lines)))
    if len(lines) < _FEWEST_NUMBERED or first > 1 or numbers != running:
        return text, False
    return "\n".join(_NUMBERED.sub("", line, count=1) for line in lines), True


def _without_programs(text: str) -> tuple[str, int]:
    """The text without what programs write about it, and how many lines that were."""
    kept: list[str] = []
    n_left_out = 0
    below_heading = False
    for line in text.splitlines():
        said = line.strip(_SIGNS)
        if said == _BEGINS:
            n_left_out += 1 + sum(bool(above.strip()) for above in kept)
            kept = []
            continue
        heading = said in _HEADINGS or (below_heading and bool(said))
        if heading or _OF_A_PROGRAM.fullmatch(said) or _OF_A_MEETING.fullmatch(said):
            below_heading = said in _HEADINGS
            n_left_out += 1
            continue
        kept.append(line)
    return (text, 0) if not n_left_out else ("\n".join(kept), n_left_out)

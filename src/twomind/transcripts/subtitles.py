"""Subtitles (SubRip, WebVTT) → spans of text with their times."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from twomind.core.errors import BadInput
from twomind.core.plural import sentence
from twomind.transcripts.cues import INLINE_STAMP, Cue, cues_of, plain, stamp_s, unknown_tags
from twomind.transcripts.highlights import grown, highlighted, runs_of_one_text, runs_that_grow
from twomind.transcripts.items import language_of
from twomind.transcripts.painted import voiced_by_colour
from twomind.transcripts.spans import Parsed, Span, share

_VOICE = re.compile(r"<v(?:\.[^ \t<>]*)?[ \t]+([^<>]+)>|</v>")
_LANGUAGE = re.compile(r"^Language:\s*([A-Za-z-]{2,20})\s*$", re.MULTILINE)
#: Above each cue of Teams: the number of a meeting, and of what is said in it.
_OF_TEAMS = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/\d+-\d+\s*$", re.MULTILINE)
_OPEN_VOICE = re.compile(r"<v[ \t][^<>]*(?:<|$)")


def subtitles(text: str, kind: str) -> Parsed:
    """The spans of a subtitle file, and what is odd about it.

    Raises:
        BadInput: there is text, and no cue.
    """
    cues = list(cues_of(text, kind))
    may_be_empty = kind == "WebVTT" and text.lstrip().startswith("WEBVTT")
    if not cues and text.strip() and not may_be_empty:
        raise BadInput(
            f"expected {kind} subtitles, whose cues have a line like 00:00:01.000 --> "
            "00:00:02.000; "
            "found none"
        )
    problems = _remarks(cues)
    cues = voiced_by_colour(cues)
    stamped = any(INLINE_STAMP.search(line) for cue in cues for line in cue.lines)
    if stamped or _rolls(cues):
        cues, n_dropped = _without_roll_up(cues)
        if n_dropped:
            problems.append(
                sentence(
                    "{n} line[|s] that only [repeats|repeat] the line above (rolling captions) "
                    "[was|were] left out",
                    n_dropped,
                )
            )
    cues, n_grown = _without_growth(cues)
    if n_grown:
        problems.append(
            sentence(
                "{n} cue[|s] [shows|show] the words of the cue before and more; each word was taken "
                "once, at the time of the cue that adds it",
                n_grown,
            )
        )
    spans: list[Span] = []
    n_repeats = 0
    for run in runs_of_one_text(cues):
        utterance = highlighted(run)
        if utterance:
            spans += utterance
            n_repeats += len(run) - 1
            continue
        for shown in run:
            spans += _cue_spans(shown.cue)
    if n_repeats:
        problems.append(
            sentence(
                "{n} cue[|s] only [moves|move] a highlight over the text of the cue before (karaoke "
                "captions); each text was taken once, its words at the times of their highlights",
                n_repeats,
            )
        )
    parsed = Parsed(tuple(spans), kind, _declared(text, kind), tuple(problems), carries=True)
    return replace(parsed, of_meeting=_OF_TEAMS.search(text) is not None)


def _declared(text: str, kind: str) -> str | None:
    """The language that the head of a WebVTT file gives; None where it gives none."""
    head = text.lstrip().split("\n\n", 1)[0]
    found = _LANGUAGE.search(head) if kind == "WebVTT" and head.startswith("WEBVTT") else None
    return language_of(found[1]) if found else None


def _remarks(cues: list[Cue]) -> list[str]:
    """What is odd about the cues as they are written."""
    problems = []
    mistyped = [cue.mistyped for cue in cues if cue.mistyped]
    if mistyped:
        problems.append(
            sentence(
                "{n} line[|s] that should give a cue's time [is|are] not written as such (first: "
                "{first}); [it was read as it seems|they were read as they seem] to be meant, and what "
                "is not a time was taken from the cues around",
                len(mistyped),
                first=repr(mistyped[0][:40]),
            )
        )
    unplaced = [line for cue in cues for line in cue.unplaced]
    if unplaced:
        problems.append(
            sentence(
                "{n} line[|s] [stands|stand] in no cue and [was|were] left out (first: {first}); a "
                "blank line ends a cue",
                len(unplaced),
                first=repr(unplaced[0][:40]),
            )
        )
    unknown = [tag for cue in cues for line in cue.lines for tag in unknown_tags(line)]
    if unknown:
        problems.append(
            sentence(
                "{n} tag[|s] [is neither known nor a note|are neither known nor notes] and [was|were] "
                "left out (first: {first})",
                len(unknown),
                first=repr(unknown[0][:40]),
            )
        )
    for cue in cues:
        if _OPEN_VOICE.search("\n".join(cue.lines)):
            raise BadInput("a cue opens a tag that names a speaker (<v NAME>) and does not end it")
    return problems


def _without_growth(cues: list[Cue]) -> tuple[list[Cue], int]:
    """Captions that are built up word by word, each with what is new; and how many those are."""
    if any(INLINE_STAMP.search(line) for cue in cues for line in cue.lines):
        return cues, 0
    out: list[Cue] = []
    n_grown = 0
    for run in runs_that_grow(cues):
        new = grown(run)
        n_grown += sum(a is not b for a, b in zip(run, new, strict=True))
        out += new
    return out, n_grown


def _rolls(cues: list[Cue]) -> bool:
    """Whether most cues show the last line of the one before again, above a new one."""
    n_again = 0
    n_new = 0
    for before, cue in pairwise(cues):
        if before.lines and cue.lines and plain(before.lines[-1]) == plain(cue.lines[0]):
            n_again += 1
            n_new += len(cue.lines) > 1
    n = len(cues) - 1
    return n > 1 and n_new > 1 and 3 * n_again >= 2 * n and 3 * n_new >= n


def _without_roll_up(cues: list[Cue]) -> tuple[list[Cue], int]:
    """Rolling captions show each line again, without word stamps, above the next one; keep its
    first showing.
    """
    kept = []
    n_dropped = 0
    last = ""
    for cue in cues:
        fresh = []
        for line in cue.lines:
            if not INLINE_STAMP.search(line) and plain(line) == last:
                n_dropped += 1
                continue
            fresh.append(line)
            last = plain(INLINE_STAMP.sub("", line))
        kept.append(replace(cue, lines=fresh))
    return kept, n_dropped


def _cue_spans(cue: Cue) -> Iterator[Span]:
    text = "\n".join(cue.lines)
    stamps = [stamp_s(*m.groups()) for m in INLINE_STAMP.finditer(text)]
    parts = INLINE_STAMP.sub("\0", text).split("\0")
    edges = [cue.start_s, *stamps, cue.end_s]
    speaker = ""
    opens = True
    for part, (left_s, right_s) in zip(parts, pairwise(edges), strict=True):
        said, speaker = _voices(part, speaker)
        spans = [replace(span, opens=opens) for span in said]
        if len(spans) == 1:
            yield replace(spans[0], start_s=left_s, end_s=right_s)
        else:
            yield from share(spans, left_s, right_s)
        opens = opens and not spans


def _voices(text: str, speaker: str) -> tuple[list[Span], str]:
    """A text cut where another voice begins (``<v NAME>``), and whose voice is open at its end."""
    spans: list[Span] = []
    begin = 0
    for tag in [*_VOICE.finditer(text), None]:
        end = tag.start() if tag else len(text)
        spoken = plain(text[begin:end])
        if spoken:
            spans.append(Span(spoken, speaker=speaker))
        if tag is not None:
            begin = tag.end()
            speaker = html.unescape(tag[1] or "").strip()
    return spans, speaker

"""Karaoke captions: one text is shown cue after cue while a tag moves over its words. Each text is
one utterance, and the cue that marks a word tells when that word was spoken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from twomind.transcripts.cues import INLINE_STAMP, Cue, plain
from twomind.transcripts.spans import Span, fill

_NAMES = r"(?:font|u|c|b|i|em|strong|span|mark|s)"
#: Also Aegisub's: a colour or a style that is switched on, and off or back.
_OPENING = re.compile(rf"<{_NAMES}\b[^>]*>|\{{\\[^{{}}]*(?:&H\w+&?|[1-9])\}}", re.IGNORECASE)
_CLOSING = re.compile(rf"</{_NAMES}>|\{{\\(?:r\w*|[1-4]?c|[biu]0?|1?c&HFFFFFF&)\}}", re.IGNORECASE)
#: Stand for the tags while the text is cut into words.
_OPEN, _CLOSE = "\1", "\2"
#: A word, with punctuation on its own before it.
_TOKEN = re.compile(r"(?:[^\w\s]+\s+)*\S+")


@dataclass(frozen=True)
class Shown:
    """A cue as words, and which of them a tag marks (by index, in order)."""

    cue: Cue
    words: tuple[str, ...]
    marked: tuple[int, ...]


def runs_of_one_text(cues: Iterable[Cue]) -> Iterator[list[Shown]]:
    """Consecutive cues that show the same words while no highlight goes back."""
    run: list[Shown] = []
    furthest = -1
    for cue in cues:
        shown = _shown(cue)
        same = bool(run) and bool(shown.words) and shown.words == run[-1].words
        goes_back = bool(shown.marked) and shown.marked[-1] < furthest
        if run and (goes_back or not same):
            yield run
            run = []
            furthest = -1
        run.append(shown)
        furthest = max(furthest, *shown.marked, -1)
    if run:
        yield run


def highlighted(run: list[Shown]) -> list[Span]:
    """The words of a run with the times of their highlights; nothing where no highlight moves
    through it. Words that no cue marks lie between their neighbours.
    """
    positions = {shown.marked[-1] for shown in run if shown.marked}
    if len(positions) < 2:
        return []
    words = run[0].words
    spans: list[Span] = []
    n_done = 0
    for shown in run:
        fresh = [k for k in shown.marked if k >= n_done]
        if fresh:
            spans += _unmarked(words[n_done : fresh[0]])
            n_done = fresh[-1] + 1
            text = " ".join(words[fresh[0] : n_done])
            spans.append(Span(text, shown.cue.start_s, shown.cue.end_s))
        elif shown.marked:  # a further part of the word
            spans[-1] = replace(spans[-1], end_s=shown.cue.end_s)
    spans += _unmarked(words[n_done:])
    spans[1:] = [replace(span, opens=False) for span in spans[1:]]
    return fill(spans, run[0].cue.start_s, run[-1].cue.end_s)


def _unmarked(words: tuple[str, ...]) -> list[Span]:
    return [Span(" ".join(words))] if words else []


def _shown(cue: Cue) -> Shown:
    text = "\n".join(cue.lines)
    if INLINE_STAMP.search(text):
        return Shown(cue, (), ())  # its words have times of their own
    if _CLOSING.search(text):
        text = _CLOSING.sub(_CLOSE, text)
        text = _OPENING.sub(_OPEN, text)
    tokens = _TOKEN.findall(plain(text))
    words = tuple(token.replace(_OPEN, "").replace(_CLOSE, "") for token in tokens)
    return Shown(cue, words, tuple(_marked(tokens)))


def _marked(tokens: Iterable[str]) -> Iterator[int]:
    """Which tokens have a character between the tags."""
    inside = False
    for k, token in enumerate(tokens):
        found = False
        for char in token:
            if char in (_OPEN, _CLOSE):
                inside = char == _OPEN
            else:
                found = found or inside
        if found:
            yield k

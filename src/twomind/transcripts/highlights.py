"""Karaoke captions: one text is shown cue after cue while a tag moves over its words. Each text is
one utterance, and the cue that marks a word tells when that word was spoken.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from twomind.transcripts.cues import INLINE_STAMP, Cue, plain
from twomind.transcripts.spans import Span, fill

_NAMES = r"(?:font|u|c|b|i|em|strong|span|mark|s)"
#: Also Aegisub's: a colour or a style that is switched on, and off or back.
_OPENING = re.compile(rf"<{_NAMES}\b[^>]*>|\{{\\[^{{}}]*(?:&H\w+&?|[1-9])\}}", re.IGNORECASE)
_CLOSING = re.compile(rf"</{_NAMES}>|\{{\\(?:r\w*|[1-4]?c|[biu]0?|1?c&HFFFFFF&)\}}", re.IGNORECASE)
#: So many cues in a row do not grow by chance; the next begins so soon after the one before.
_FEWEST_GROWING = 3
_MOST_GAP_S = 1.0
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

    @property
    def letters(self) -> tuple[str, ...]:
        """The words whatever sets one of them off: capitals, stars, brackets."""
        return tuple("".join(c for c in word.casefold() if c.isalnum()) for word in self.words)


def runs_of_one_text(cues: Iterable[Cue]) -> Iterator[list[Shown]]:
    """Consecutive cues that show the same words while no highlight goes back."""
    run: list[Shown] = []
    furthest = -1
    for cue in cues:
        shown = _shown(cue)
        same = bool(run) and bool(shown.words) and shown.letters == run[-1].letters
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
    words = _usual(run)
    if not any(shown.marked for shown in run):
        run = [replace(shown, marked=_set_off(shown, words)) for shown in run]
    positions = [shown.marked[-1] for shown in run if shown.marked]
    if len(set(positions)) < 2 or positions != sorted(positions):
        return []
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


def _usual(run: list[Shown]) -> tuple[str, ...]:
    """Each word as most cues of a run write it."""
    ways = zip(*(shown.words for shown in run), strict=True)
    return tuple(Counter(way).most_common(1)[0][0] for way in ways)


def _set_off(shown: Shown, usual: tuple[str, ...]) -> tuple[int, ...]:
    """Which word a cue writes in another way than the others do; none where it is not one."""
    words = zip(shown.words, usual, strict=True)
    others = tuple(k for k, (word, usual_one) in enumerate(words) if word != usual_one)
    return others if len(others) == 1 else ()


def runs_that_grow(cues: Iterable[Cue]) -> Iterator[list[Cue]]:
    """Consecutive cues each of which shows the words of the one before, and more."""
    run: list[Cue] = []
    words: list[str] = []
    for cue in cues:
        shown = plain("\n".join(cue.lines)).split()
        grows = bool(words) and len(shown) > len(words) and shown[: len(words)] == words
        follows = bool(run) and cue.start_s - run[-1].end_s <= _MOST_GAP_S
        if run and not (grows and follows):
            yield run
            run = []
        run.append(cue)
        words = shown
    if run:
        yield run


def grown(run: list[Cue]) -> list[Cue]:
    """The cues of a run that grows, each with its new words alone; as they are where two may follow
    each other by chance.
    """
    if len(run) < _FEWEST_GROWING:
        return run
    out = [run[0]]
    n_before = len(plain("\n".join(run[0].lines)).split())
    for cue in run[1:]:
        words = plain("\n".join(cue.lines)).split()
        out.append(replace(cue, lines=[" ".join(words[n_before:])]))
        n_before = len(words)
    return out


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

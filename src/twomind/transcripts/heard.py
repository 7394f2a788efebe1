"""What of a recogniser's text the sound carries. Recognisers invent: fillers that their prompt
showed them, words of no length, one word a hundred times. Nothing here listens; it is all about the
words.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from twomind.transcripts.pronounce import spoken_parts
from twomind.types import Word

_FILLER = re.compile(r"u+h*m+|u+h+|e+r+m*|h+m+|m+h*m+|e+h+|a+h+")
_LAUGH = re.compile(r"(h[aeo]+h?)+|(h[aeo]h)+")
_DRAWN_OUT = re.compile(r"([^\W\d])\1{3,}")
#: Words of the longest phrase that is looked for as a loop or a repeat.
_LONGEST_PHRASE = 4
#: Times in a row from which a phrase of words without length is a loop.
_LOOP = 4
_N_TOLD = 12
#: The same word stands at about the same time in two texts of one sound, seconds.
_SAME_TIME_S = 2.0


def is_filler(text: str) -> bool:
    """Whether a written word is a filled pause: um, uh, er, hmm, however long."""
    bare = _bare(text)
    return _FILLER.fullmatch(bare) is not None and bare not in ("ah", "eh")


def _bare(text: str) -> str:
    return re.sub(r"[^\w']", "", text.lower())


@dataclass(frozen=True)
class Loop:
    """A phrase that a recogniser wrote again and again, and where it began."""

    phrase: str
    times: int
    start_s: float


@dataclass(frozen=True)
class Sorted:
    """A recogniser's words, and what was taken out of them.

    ``laughs`` are notes of laughter that stood as words, ``short`` are words of no length.
    """

    words: tuple[Word, ...]
    laughs: tuple[Word, ...] = ()
    short: tuple[Word, ...] = ()
    loops: tuple[Loop, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was dropped of a text that stands, and where."""
        remarks = [
            f"a loop of the recogniser was cut: {loop.phrase!r} {loop.times} times from "
            f"{loop.start_s:.1f} s"
            for loop in self.loops
        ]
        if self.short:
            remarks.append(f"words of no length were dropped: {told(self.short)}")
        if self.laughs:
            remarks.append(f"laughter that was written as words is a mark: {told(self.laughs)}")
        return tuple(remarks)

    @property
    def remarks_on_prompted(self) -> tuple[str, ...]:
        """What was dropped of a text of which only fillers and repeats are used, and where."""
        remarks = [
            f"asked with a prompt, the recogniser wrote a loop, which was cut: {loop.phrase!r} "
            f"{loop.times} times from {loop.start_s:.1f} s"
            for loop in self.loops
        ]
        fillers = [word for word in self.short if is_filler(word.text)]
        if fillers:
            remarks.append(
                "asked with a prompt, the recogniser wrote fillers of no length, which were "
                f"dropped: {told(fillers)}"
            )
        return tuple(remarks)


def sort_out(words: Sequence[Word], min_word_s: float) -> Sorted:
    """Take out what no sound carries: laughter written as words, loops, words of no length.

    Args:
        words: As a recogniser wrote them.
        min_word_s: Words of up to this length, in seconds, were not said.
    """
    speech, laughs = _without_laughter([_unheld(word) for word in words])
    once, looped = _without_loops(speech, min_word_s)
    kept = [word for word in once if word.end_s - word.start_s > min_word_s]
    short = [word for word in once if word.end_s - word.start_s <= min_word_s]
    return Sorted(tuple(kept), tuple(laughs), tuple(short), tuple(looped))


def told(words: Sequence[Word]) -> str:
    """Words with their times, for a reader; of many, the first."""
    parts = [f"{word.text} ({word.start_s:.1f} s)" for word in words[:_N_TOLD]]
    more = len(words) - _N_TOLD
    rest = f", and {more} more" if more > 0 else ""
    return ", ".join(parts) + rest


def _unheld(word: Word) -> Word:
    """Without a letter held longer than three times: Whisper may write hundreds."""
    return replace(word, text=_DRAWN_OUT.sub(r"\1\1\1", word.text))


def _without_laughter(words: Sequence[Word]) -> tuple[list[Word], list[Word]]:
    """Speech, and a mark for every run of ha, ho, he."""
    speech: list[Word] = []
    laughs: list[Word] = []
    k = 0
    while k < len(words):
        last = k
        while last < len(words) and _LAUGH.fullmatch(_laugh_letters(words[last])):
            last += 1
        run = words[k:last]
        if len(run) >= 2 and not _is_pronoun(run):
            end_s = max(word.end_s for word in run)
            laughs.append(replace(run[0], text="[laughs]", end_s=end_s))
            k = last
        else:
            speech.append(words[k])
            k += 1
    return speech, laughs


def _laugh_letters(word: Word) -> str:
    return re.sub(r"[^\w]", "", word.text.lower())


def _is_pronoun(run: Sequence[Word]) -> bool:
    """Whether a run is somebody's "he": that is said twice by who hesitates."""
    return all(_laugh_letters(word) == "he" for word in run)


def _without_loops(words: Sequence[Word], min_word_s: float) -> tuple[list[Word], list[Loop]]:
    """Words with every loop cut to its first phrase, and what was cut. Of a loop of fillers nothing
    stays: a recogniser falls into one where somebody laughs or breathes, and a filler that was said
    is heard in the sound.

    A loop is a phrase four times in a row or more, some of it without any length.
    """
    out: list[Word] = []
    loops: list[Loop] = []
    k = 0
    while k < len(words):
        n, times = _repeated(words, k)
        run = words[k : k + n * times]
        empty = sum(word.end_s - word.start_s <= min_word_s for word in run)
        if times >= _LOOP and empty >= times / 3:
            phrase = " ".join(word.text for word in run[:n])
            loops.append(Loop(phrase, times, run[0].start_s))
            if not all(is_filler(word.text) for word in run):
                out.extend(run[:n])
            k += n * times
        else:
            out.append(words[k])
            k += 1
    return out, loops


def _repeated(words: Sequence[Word], first: int) -> tuple[int, int]:
    """Length of the phrase that starts here and how often it stands in a row; the most words."""
    best = (1, 1)
    for n in range(1, _LONGEST_PHRASE + 1):
        phrase = [_bare(word.text) for word in words[first : first + n]]
        times = 1
        at = first + n
        while len(phrase) == n and phrase == [_bare(w.text) for w in words[at : at + n]]:
            times += 1
            at += n
        if times > 1 and n * times > best[0] * best[1]:
            best = (n, times)
    return best


@dataclass(frozen=True)
class Candidates:
    """Words in order, and the places of those that may not have been said."""

    words: tuple[Word, ...]
    doubtful: frozenset[int]


def candidates(plain: Sequence[Word], styled: Sequence[Word]) -> Candidates:
    """What may have been said: the plain text, and the fillers and repeats of the styled one.

    Every filler is doubtful, and every second copy of a word or phrase.

    Args:
        plain: Words recognised without a prompt.
        styled: Words recognised with a prompt that shows fillers.
    """
    merged: list[Word] = []
    doubtful: set[int] = set()
    after_plain = after_styled = 0
    for k, n in [*_anchors(plain, styled), (len(plain), len(styled))]:
        ours = plain[after_plain:k]
        theirs = styled[after_styled:n]
        fillers = [word for word in theirs if is_filler(word.text)]
        added = fillers if ours else _wanted(theirs, merged, plain[k:])
        between = sorted([*ours, *added], key=lambda word: word.start_s) if ours else added
        doubtful.update(len(merged) + m for m, word in enumerate(between) if word in added)
        merged.extend(between)
        merged.extend(plain[k : k + 1])
        after_plain, after_styled = k + 1, n + 1
    for k, word in enumerate(merged):
        if is_filler(word.text):
            doubtful.add(k)
    doubtful |= _second_copies(merged)
    return Candidates(tuple(merged), frozenset(doubtful))


def _anchors(plain: Sequence[Word], styled: Sequence[Word]) -> list[tuple[int, int]]:
    """Places of the words that both texts have at about the same time; the most that keep order.

    They are the longest rising row of places in the styled text (Schensted 1961).
    """
    places: dict[str, list[int]] = {}
    for n, word in enumerate(styled):
        places.setdefault(_key(word), []).append(n)
    ends: list[int] = []
    rows: list[tuple[int, int, int]] = []
    last_row: list[int] = []
    for k, word in enumerate(plain):
        for n in reversed(places.get(_key(word), [])):
            if abs(styled[n].start_s - word.start_s) > _SAME_TIME_S:
                continue
            at = bisect_left(ends, n)
            before = last_row[at - 1] if at else -1
            rows.append((k, n, before))
            if at == len(ends):
                ends.append(n)
                last_row.append(len(rows) - 1)
            else:
                ends[at] = n
                last_row[at] = len(rows) - 1
    found: list[tuple[int, int]] = []
    row = last_row[-1] if last_row else -1
    while row >= 0:
        k, n, row = rows[row]
        found.append((k, n))
    return found[::-1]


def _key(word: Word) -> str:
    parts = spoken_parts(word.text)
    return " ".join(parts) or word.text


def _wanted(added: Sequence[Word], before: Sequence[Word], after: Sequence[Word]) -> list[Word]:
    """Of words that only the styled text has: fillers, and copies of what stands beside them."""
    content = [word for word in added if not is_filler(word.text)]
    keys = [_key(word) for word in content]
    n = len(keys)
    near_before = [_key(word) for word in before if not is_filler(word.text)][-n:]
    near_after = [_key(word) for word in after if not is_filler(word.text)][:n]
    is_copy = n <= _LONGEST_PHRASE and keys in (near_before, near_after)
    return list(added) if is_copy else [word for word in added if is_filler(word.text)]


def _second_copies(words: Sequence[Word]) -> set[int]:
    """Places of words in the second and later copies of a phrase that stands several times."""
    found: set[int] = set()
    k = 0
    while k < len(words):
        n, times = _repeated(words, k)
        found.update(range(k + n, k + n * times))
        k += n * times if times > 1 else 1
    return found

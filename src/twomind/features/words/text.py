"""Words → what they do, for models: one indicator column per lexicon category, and counts. What a
coder is shown is in :mod:`twomind.features.words.cues`.

Case, curly quotes and punctuation do not matter. Phrases are matched on the words without filler
sounds and without the second copy of a repeat, so a transcript that keeps every "um" and one that
drops them all give the same occurrences. Only repeats and restarts look at the ends of sentences.
English only: else every column but ``repeat`` is empty.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twomind.features.words.lexicon import Lexicon, lexicon, matches, repeats, restarts
from twomind.types import Track, Word

_QUOTES = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "“": '"', "”": '"', "‐": "-", "‑": "-"}
)
_SPLIT = re.compile(r"[\s—–…/]+|\.{2,}|--+")
_OUTER = re.compile(r"^[^\w%]+|[^\w%]+$")
_CUT = re.compile(r"\w(-|–|—)+[\"',.]*$")
_END = re.compile(r"[.!?…][\"')\]]*$")


@dataclass(frozen=True)
class Token:
    """One normalised token and the word ``(index)`` it came from."""

    text: str
    word: int
    ends_sentence: bool
    cut: bool


@dataclass(frozen=True)
class Occurrence:
    """A phrase of one category: the words it covers, first to last index inclusive, and
    its text.
    """

    category: str
    first: int
    last: int
    text: str


def tokens(texts: Sequence[str]) -> list[Token]:
    """Normalised tokens of spoken words; a word may hold none (a lone dash) or several
    ("kind of").
    """
    found = []
    for index, text in enumerate(texts):
        plain = text.translate(_QUOTES).lower().strip()
        pieces = [_OUTER.sub("", piece) for piece in _SPLIT.split(plain)]
        parts = [piece for piece in pieces if piece]
        is_cut = bool(_CUT.search(plain))
        ends = bool(_END.search(plain))
        for j, part in enumerate(parts):
            last = j == len(parts) - 1
            found.append(Token(part, index, ends and last, is_cut and last))
    return found


def _texts(some: list[Token]) -> list[str]:
    return [t.text for t in some]


def _covered(spans: list[tuple[int, int]]) -> set[int]:
    """Indices inside the ``(first, n)`` spans."""
    inside: set[int] = set()
    for first, n in spans:
        inside.update(range(first, first + n))
    return inside


#: A category's number and the tokens of one occurrence.
_Run = tuple[int, list[Token]]


def _runs(all_tokens: list[Token], known: Lexicon) -> list[_Run]:
    """``(category, tokens)`` of every occurrence, in order of its first word."""
    index = {c.name: k for k, c in enumerate(known.categories)}
    filler = index["filler"]
    found: list[_Run] = []

    hits = matches(_texts(all_tokens))
    filler_spans = [(first, n) for k, first, n in hits if k == filler]
    fillers = _covered(filler_spans)
    for i in sorted(fillers):
        found.append((filler, [all_tokens[i]]))

    heard = [t for i, t in enumerate(all_tokens) if i not in fillers]
    again = repeats(_texts(heard), [t.ends_sentence for t in heard])
    for first, n in again:
        run = heard[first : first + n]
        found.append((index["repeat"], run))

    copies = _covered(again)
    spoken = [t for i, t in enumerate(heard) if i not in copies]
    texts = _texts(spoken)
    for k, first, n in matches(texts):
        if k != filler:
            run = spoken[first : first + n]
            found.append((k, run))
    ends = [t.ends_sentence for t in spoken]
    cut = [t.cut for t in spoken]
    for first, n in restarts(texts, ends, cut):
        run = spoken[first : first + n]
        found.append((index["restart"], run))
    return sorted(found, key=_by_first_word)


def _by_first_word(run: _Run) -> tuple[int, int]:
    category, run_tokens = run
    return run_tokens[0].word, category


def find(texts: Sequence[str]) -> tuple[Occurrence, ...]:
    """Every occurrence of every category in the words, in order of its first word."""
    known = lexicon()
    found = []
    for k, run in _runs(tokens(texts), known):
        name = known.categories[k].name
        first = run[0].word
        last = run[-1].word
        phrase = " ".join(_texts(run))
        found.append(Occurrence(name, first, last, phrase))
    return tuple(found)


@dataclass(frozen=True)
class Counted:
    """What a model sees of one answer.

    ``n_words``: words without filler sounds and without the second copies of repeats; ``starts
    (n_given, K)``: how many occurrences of each category begin at each given word; ``is_counted
    (n_given,)``: the word counts into ``n_words``.
    """

    n_words: int
    starts: np.ndarray
    is_counted: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Occurrences per category, ``(K,)``."""
        return self.starts.sum(axis=0)


def count(texts: Sequence[str]) -> Counted:
    """Count every category in the words of one answer."""
    names = lexicon().names
    position = {name: k for k, name in enumerate(names)}
    starts = np.zeros((len(texts), len(names)))
    counted = np.zeros(len(texts), bool)
    counted[[t.word for t in tokens(texts)]] = True
    for hit in find(texts):
        starts[hit.first, position[hit.category]] += 1
        if hit.category in ("filler", "repeat"):
            counted[hit.first : hit.last + 1] = False
    n_words = int(counted.sum())
    return Counted(n_words, starts, counted)


def describe_words(words: tuple[Word, ...]) -> Track:
    """One row per word (time = its start), one column per category: 1 where the word belongs to an
    occurrence.
    """
    names = lexicon().names
    position = {name: k for k, name in enumerate(names)}
    shape = (len(words), len(names))
    values = np.zeros(shape, np.float32)
    for hit in find([w.text for w in words]):
        column = position[hit.category]
        values[hit.first : hit.last + 1, column] = 1
    times_s = np.array([w.start_s for w in words], float)
    valid = np.ones(len(words), bool)
    units = ("belongs (0/1)",) * len(names)
    return Track(values=values, times_s=times_s, valid=valid, names=names, units=units)

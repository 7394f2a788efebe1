"""The lexicon as data: categories of general English words and phrases, read from ``lexicon.toml``
beside this file.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

#: Verbatim speech doubles these on purpose ("very, very"); doubled, they are emphasis, not a
#: repeat.
EMPHATIC = frozenset(
    [
        "very",
        "really",
        "so",
        "much",
        "no",
        "yeah",
        "yes",
        "many",
        "too",
        "never",
        "long",
        "far",
        "way",
        "more",
        "bye",
        "okay",
        "ok",
    ]
)
#: Words after which the same pronoun again means that the sentence was begun anew ("I would I
#: think").
_AUXILIARIES = frozenset(
    [
        "am",
        "is",
        "was",
        "were",
        "would",
        "will",
        "have",
        "had",
        "can",
        "could",
        "should",
        "do",
        "did",
        "don't",
        "just",
        "might",
        "must",
    ]
)
_PRONOUNS = frozenset(["i", "it", "he", "she", "we", "they", "you"])


#: First token and number of tokens.
Span = tuple[int, int]
#: The patterns of a phrase.
Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Category:
    """One lexicon category. ``scored``: may be a feature of a model."""

    name: str
    meaning: str
    phrases: tuple[Phrase, ...]
    scored: bool = True
    computed: bool = False


@dataclass(frozen=True)
class Lexicon:
    """All categories in the order of the file, and a hash that names this version."""

    categories: tuple[Category, ...]
    sha256: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.categories)


@cache
def lexicon() -> Lexicon:
    """The lexicon that comes with the package."""
    text = Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8")
    entries = tomllib.loads(text)
    categories = tuple(_category(name, entry) for name, entry in entries.items())
    # Of the phrases, not of the file: a better comment does not make a trained model unusable.
    phrases = {}
    for category in categories:
        joined = [" ".join(words) for words in category.phrases]
        phrases[category.name] = sorted(joined)
    plain = json.dumps(phrases, sort_keys=True)
    sha256 = hashlib.sha256(plain.encode()).hexdigest()
    return Lexicon(categories, sha256)


def _category(name: str, entry: Mapping[str, Any]) -> Category:
    phrases = []
    for phrase in entry.get("phrases", ()):
        phrases.append(tuple(phrase.split()))
    return Category(
        name=name,
        meaning=entry["meaning"],
        phrases=tuple(phrases),
        scored=entry.get("scored", True),
        computed=entry.get("computed", False),
    )


@dataclass(frozen=True)
class _Index:
    """The lexicon, ready for matching.

    ``starts``: first pattern of a phrase → (category, phrase); ``wild``: the patterns that hold a
    ``*``, compiled.
    """

    starts: dict[str, list[tuple[int, Phrase]]]
    wild: dict[str, re.Pattern[str]]


@cache
def _index() -> _Index:
    """First pattern of a phrase → (category, phrase); and the compiled patterns that hold
    a ``*``.
    """
    index = _Index({}, {})
    for k, category in enumerate(lexicon().categories):
        for phrase in category.phrases:
            index.starts.setdefault(phrase[0], []).append((k, phrase))
            for token in phrase:
                if "*" in token:
                    index.wild[token] = _compiled(token)
    return index


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in pattern.split("*")]
    return re.compile(".*".join(parts))


@lru_cache(maxsize=50_000)
def patterns_of(token: str) -> frozenset[str]:
    """Every lexicon pattern that this normalised token fits, itself among them."""
    wild = _index().wild
    fitting = [pattern for pattern, regex in wild.items() if regex.fullmatch(token)]
    return frozenset([token, *fitting])


def matches(tokens: list[str]) -> list[tuple[int, int, int]]:
    """``(category, first token, number of tokens)``: the longest phrase per category and start, no
    overlaps.
    """
    fits = [patterns_of(t) for t in tokens]
    found: list[tuple[int, int, int]] = []
    busy_until: dict[int, int] = {}
    for i in range(len(fits)):
        longest = _longest_from(i, fits)
        for k, n in sorted(longest.items()):
            if i >= busy_until.get(k, 0):
                found.append((k, i, n))
                busy_until[k] = i + n
    return found


def _longest_from(i: int, fits: list[frozenset[str]]) -> dict[int, int]:
    """Category → length of its longest phrase that begins at token ``i``."""
    starts = _index().starts
    best: dict[int, int] = {}
    for pattern in fits[i]:
        for k, phrase in starts.get(pattern, ()):
            n = len(phrase)
            if n <= best.get(k, 0):
                continue
            if _goes_on(phrase, fits[i : i + n]):
                best[k] = n
    return best


def _goes_on(phrase: Phrase, fits: list[frozenset[str]]) -> bool:
    """Do the tokens fit the phrase from its second pattern on?"""
    if len(fits) < len(phrase):
        return False
    rest = zip(phrase[1:], fits[1:], strict=True)
    return all(pattern in fitting for pattern, fitting in rest)


def repeats(tokens: list[str], ends: list[bool]) -> list[Span]:
    """``(first token, n)`` of each second copy of one, two or three words said again at once inside
    one sentence.
    """
    found: list[Span] = []
    i = 1
    while i < len(tokens):
        n = _copied(i, tokens, ends)
        if n:
            found.append((i, n))
        i += max(n, 1)
    return found


def _copied(i: int, tokens: list[str], ends: list[bool]) -> int:
    """How many of the words before token ``i`` are said again from there on; 0 for none."""
    for n in (3, 2, 1):
        if i < n or i + n > len(tokens):
            continue
        first = i - n
        copy = tokens[i : i + n]
        if copy != tokens[first:i] or set(copy) <= EMPHATIC:
            continue
        inside = ends[first : i + n - 1]
        if not any(inside):
            return n
    return 0


def restarts(tokens: list[str], ends: list[bool], cut: list[bool]) -> list[Span]:
    """Sentences that are begun anew: cut words ("w-"), "I'm I", "I would I think".

    Args:
        tokens: normalised words.
        ends: the word ends a sentence.
        cut: the word was broken off.

    Returns:
        ``(first token, n)``, in order.
    """
    found = [(i, 1) for i, is_cut in enumerate(cut) if is_cut]
    for i in range(len(tokens) - 1):
        if not ends[i] and _same_pronoun(tokens[i], tokens[i + 1]):
            found.append((i, 2))
        elif _pronoun_again(tokens[i : i + 4]) and not any(ends[i : i + 2]):
            found.append((i, 3))
    return sorted(set(found))


def _base(token: str) -> str:
    """The word before its apostrophe."""
    return token.split("'")[0]


def _same_pronoun(a: str, b: str) -> bool:
    """ "I'm I", but not "I I", which is a repeat."""
    if a == b:
        return False
    pronoun = _base(a)
    return pronoun in _PRONOUNS and _base(b) == pronoun


def _pronoun_again(four: list[str]) -> bool:
    """ "I would I think", but not "I would I would", which is a repeat."""
    if len(four) < 4:
        return False
    pronoun, auxiliary, again, verb = four
    if pronoun not in _PRONOUNS or auxiliary not in _AUXILIARIES:
        return False
    return _base(again) == pronoun and verb != auxiliary

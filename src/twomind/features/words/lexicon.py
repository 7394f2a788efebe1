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


@dataclass(frozen=True)
class Category:
    """One lexicon category. ``scored``: may be a feature of a model; ``cue``: its occurrences are
    cues for a coder.
    """

    name: str
    meaning: str
    phrases: tuple[tuple[str, ...], ...]
    scored: bool = True
    cue: bool = False
    computed: bool = False


@dataclass(frozen=True)
class Lexicon:
    """All categories in the order of the file, and a hash that names this version."""

    categories: tuple[Category, ...]
    sha256: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.categories)

    @property
    def by_name(self) -> Mapping[str, Category]:
        return {c.name: c for c in self.categories}


@cache
def lexicon() -> Lexicon:
    """The lexicon that comes with the package."""
    entries = tomllib.loads(Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8"))
    categories = tuple(
        Category(
            name=name,
            meaning=entry["meaning"],
            phrases=tuple(tuple(phrase.split()) for phrase in entry.get("phrases", ())),
            scored=entry.get("scored", True),
            cue=entry.get("cue", False),
            computed=entry.get("computed", False),
        )
        for name, entry in entries.items()
    )
    # Of the phrases, not of the file: a better comment does not make a trained model unusable.
    phrases = json.dumps(
        {c.name: sorted(" ".join(p) for p in c.phrases) for c in categories}, sort_keys=True
    )
    return Lexicon(categories, hashlib.sha256(phrases.encode()).hexdigest())


@cache
def _index() -> tuple[
    dict[str, list[tuple[int, tuple[str, ...]]]], tuple[tuple[str, re.Pattern[str]], ...]
]:
    """First pattern of a phrase → (category, phrase); and the compiled patterns that hold
    a ``*``.
    """
    starts: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
    wild: dict[str, re.Pattern[str]] = {}
    for k, category in enumerate(lexicon().categories):
        for phrase in category.phrases:
            starts.setdefault(phrase[0], []).append((k, phrase))
            for token in phrase:
                if "*" in token:
                    wild[token] = re.compile(
                        ".*".join(re.escape(part) for part in token.split("*"))
                    )
    return starts, tuple(wild.items())


@lru_cache(maxsize=50_000)
def patterns_of(token: str) -> frozenset[str]:
    """Every lexicon pattern that this normalised token fits, itself among them."""
    return frozenset(
        {token, *(pattern for pattern, regex in _index()[1] if regex.fullmatch(token))}
    )


def matches(tokens: list[str]) -> list[tuple[int, int, int]]:
    """``(category, first token, number of tokens)``: the longest phrase per category and start, no
    overlaps.
    """
    starts = _index()[0]
    fits = [patterns_of(t) for t in tokens]
    found: list[tuple[int, int, int]] = []
    busy_until: dict[int, int] = {}
    for i, here in enumerate(fits):
        best: dict[int, int] = {}
        for pattern in here:
            for k, phrase in starts.get(pattern, ()):
                n = len(phrase)
                if (
                    n > best.get(k, 0)
                    and i + n <= len(tokens)
                    and all(phrase[j] in fits[i + j] for j in range(1, n))
                ):
                    best[k] = n
        for k, n in sorted(best.items()):
            if i >= busy_until.get(k, 0):
                found.append((k, i, n))
                busy_until[k] = i + n
    return found


def repeats(tokens: list[str], ends: list[bool]) -> list[tuple[int, int]]:
    """``(first token, n)`` of each second copy of one, two or three words said again at once inside
    one sentence.
    """
    found: list[tuple[int, int]] = []
    i = 1
    while i < len(tokens):
        for n in (3, 2, 1):
            again = i >= n and i + n <= len(tokens) and tokens[i : i + n] == tokens[i - n : i]
            if (
                again
                and not any(ends[i - n : i + n - 1])
                and not set(tokens[i : i + n]) <= EMPHATIC
            ):
                found.append((i, n))
                i += n
                break
        else:
            i += 1
    return found


def restarts(tokens: list[str], ends: list[bool], cut: list[bool]) -> list[tuple[int, int]]:
    """``(first token, n)``: cut words ("w-"), "I'm I", "I would I think" inside one sentence."""
    found = [(i, 1) for i, is_cut in enumerate(cut) if is_cut]
    for i in range(len(tokens) - 1):
        a, b = tokens[i], tokens[i + 1]
        base = a.split("'")[0]
        if not ends[i] and a != b and base in _PRONOUNS and b.split("'")[0] == base:
            found.append((i, 2))
        elif (
            a in _PRONOUNS
            and i + 3 < len(tokens)
            and b in _AUXILIARIES
            and tokens[i + 2].split("'")[0] == a
            and tokens[i + 3] != b
            and not any(ends[i : i + 2])
        ):
            found.append((i, 3))
    return sorted(set(found))

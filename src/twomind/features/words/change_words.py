"""What one clause holds of the language of change: about seventy readable numbers.

Log counts of the word groups of ``change_groups.toml``, sixteen of them again within a negation, who
is spoken of, tenses, negations, what stands around "but", how the clause begins, its marks.
English only. What the numbers speak for is learnt (:mod:`twomind.training.change_talk`).
"""

from __future__ import annotations

import bisect
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from twomind.features.words.text import tokens
from twomind.transcripts.fillers import is_filler
from twomind.types.plain import Array

#: Words behind a negation that it turns round.
SCOPE = 5
_BUT = frozenset({"but", "however", "although", "though", "except"})
#: How a clause may begin → its first words.
_STARTS: Mapping[str, frozenset[str]] = {
    "yes": frozenset({"yes", "yeah", "yep", "yup", "yea", "sure", "okay", "ok", "right"}),
    "no": frozenset({"no", "nope", "nah", "not"}),
    "well": frozenset({"well", "so", "oh", "um", "uh", "hmm"}),
    "but": frozenset({"but", "and", "because", "cause", "cuz", "or"}),
    "i": frozenset({"i", "i'm", "i've", "i'd", "i'll", "im", "my"}),
}
#: Marks of the text that are counted → what they are called.
_MARKS = {"?": "question mark", "!": "exclamation mark", ",": "comma", "...": "dots"}
_WORD = re.compile(r"[^ ]+ ")


@dataclass(frozen=True)
class Group:
    """Words that are counted together. ``negated``: counted again within a negation."""

    name: str
    meaning: str
    negated: bool
    pattern: re.Pattern[str]


@dataclass(frozen=True)
class Groups:
    """All that is counted; ``sha256`` is that of the file."""

    version: int
    sha256: str
    groups: tuple[Group, ...]
    people: tuple[Group, ...]
    tense: tuple[Group, ...]
    negation: re.Pattern[str]

    @property
    def names(self) -> tuple[str, ...]:
        """What each of a clause's numbers is called."""
        turned = [f"not {group.name}" for group in self.groups if group.negated]
        counted = [*self.groups, *self.people, *self.tense]
        names = [group.name for group in counted]
        but = ("but", "place of but", "negation before but", "negation after but")
        starts = [f"starts with {name}" for name in _STARTS]
        return (*names, *turned, "negation", *but, *starts, *_MARKS.values())


def _pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    """Any of the phrases in words that a blank follows each, the longest first."""
    longest = sorted(phrases, key=_length, reverse=True)
    alternatives = [_phrase(phrase) for phrase in longest]
    return re.compile(rf"(?<= )(?:{'|'.join(alternatives)})")


def _length(phrase: str) -> tuple[int, int]:
    return len(phrase.split()), len(phrase)


def _phrase(phrase: str) -> str:
    words = [re.escape(word).replace(r"\*", "[^ ]*") for word in phrase.split()]
    return "".join(f"{word} " for word in words)


@cache
def groups() -> Groups:
    """The word groups that come with the package."""
    content = Path(__file__).with_name("change_groups.toml").read_bytes()
    told = tomllib.loads(content.decode("utf-8"))
    found = []
    for name, entry in told["groups"].items():
        pattern = _pattern(entry["phrases"])
        group = Group(name, entry["meaning"], entry["negated"], pattern)
        found.append(group)
    return Groups(
        version=told["version"],
        sha256=hashlib.sha256(content).hexdigest(),
        groups=tuple(found),
        people=_plain(told["people"], "speaks of: "),
        tense=_plain(told["tense"], "tense: "),
        negation=_pattern(told["negation"]),
    )


def _plain(told: Mapping[str, Sequence[str]], title: str) -> tuple[Group, ...]:
    found = []
    for name, words in told.items():
        pattern = _pattern(words)
        found.append(Group(title + name, name, False, pattern))
    return tuple(found)


@dataclass(frozen=True)
class _Clause:
    """A clause as the patterns read it, `` well i want to ``; ``begins``: where each word does."""

    words: tuple[str, ...]
    text: str
    begins: tuple[int, ...]
    ends: frozenset[int]

    @classmethod
    def of(cls, said: str) -> _Clause:
        all_tokens = tokens(said.split())
        heard = [token for token in all_tokens if not is_filler(token.text)]
        words = tuple(token.text for token in heard)
        with_blanks = [f"{word} " for word in words]
        text = " " + "".join(with_blanks)
        begins = tuple(match.start() for match in _WORD.finditer(text))
        ends = frozenset(i for i, token in enumerate(heard) if token.ends_sentence)
        return cls(words, text, begins, ends)

    def hits(self, pattern: re.Pattern[str]) -> list[int]:
        """The number of the word at which each hit begins."""
        found = pattern.finditer(self.text)
        return [bisect.bisect_left(self.begins, match.start()) for match in found]

    def turned(self, negations: Sequence[int]) -> frozenset[int]:
        """Words behind a negation, in its sentence and before a "but"."""
        found: set[int] = set()
        for at in negations:
            found.update(self._scope(at))
        return frozenset(found)

    def _scope(self, at: int) -> Iterator[int]:
        last = min(at + SCOPE, len(self.words) - 1)
        for i in range(at + 1, last + 1):
            if i - 1 in self.ends or self.words[i] in _BUT:
                return
            yield i


def n_words(said: str) -> int:
    """Words of a clause without filler sounds."""
    return len(_Clause.of(said).words)


def numbers(said: str) -> Array:
    """What a clause holds, ``(D,)``, in the order of ``groups().names``; counts as ``log(1 + n)``."""
    known = groups()
    clause = _Clause.of(said)
    negations = clause.hits(known.negation)
    turned = clause.turned(negations)
    found = []
    within = []
    for group in known.groups:
        hits = clause.hits(group.pattern)
        found.append(len(hits))
        if group.negated:
            n_turned = sum(hit in turned for hit in hits)
            within.append(n_turned)
    for plain in (*known.people, *known.tense):
        found.append(len(clause.hits(plain.pattern)))
    counts = np.array([*found, *within, len(negations)], float)
    logs = np.log1p(counts)
    others = [_but(clause, negations), _starts(clause), _marks(said)]
    return np.concatenate([logs, *others])


def _but(clause: _Clause, negations: Sequence[int]) -> Array:
    """How many "but", where the last stands, and the negations before and after it."""
    places = [i for i, word in enumerate(clause.words) if word in _BUT]
    if not places:
        return np.zeros(4)
    last = places[-1]
    before = sum(at < last for at in negations)
    after = len(negations) - before
    where = (last + 1) / len(clause.words)
    n_but, n_before, n_after = np.log1p([len(places), before, after])
    return np.array([n_but, where, n_before, n_after])


def _starts(clause: _Clause) -> Array:
    first = clause.words[0] if clause.words else ""
    is_it = [first in words for words in _STARTS.values()]
    return np.array(is_it, float)


def _marks(said: str) -> Array:
    plain = said.replace("…", "...")
    counts = [plain.count(mark) for mark in _MARKS]
    return np.log1p(np.array(counts, float))

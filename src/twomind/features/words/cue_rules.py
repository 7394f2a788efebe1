"""The cue lexicon as data: kinds of word cue and the rules that find them, read from
``cue_lexicon.toml`` beside this file, which explains its own words.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_Lists = Mapping[str, Sequence[str]]
#: Conditions that look at what stands where, and those that are on or off.
_PLACES = ("after", "not_after", "before", "not_before", "near", "not_near", "not_near_after")
_SWITCHES = ("not_negated", "not_third", "not_other", "not_alone")


@dataclass(frozen=True)
class Rule:
    """Phrases and what must stand around them. ``anywhere``: any of the phrases; ``places``: name of
    the condition → pattern of what may or may not stand there; ``switches``: the conditions that
    are on. Patterns are regular expressions for :func:`compiled`.
    """

    anywhere: str
    phrases: tuple[str, ...]
    places: Mapping[str, str]
    switches: frozenset[str]


@dataclass(frozen=True)
class Kind:
    """A kind of word cue. ``definition``: what a coder signs; ``shown``: it is good enough to be
    shown; ``exceptions``: repeats that are none; ``across_comma``: words that are repeats over a
    comma too.
    """

    name: str
    meaning: str
    definition: str
    shown: bool
    rules: tuple[Rule, ...]
    exceptions: frozenset[str]
    across_comma: frozenset[str]


@dataclass(frozen=True)
class CueLexicon:
    """All kinds in the order of the file; its version and its SHA-256; words that deny, that end a
    clause, that name the speaker, the listener and others.
    """

    version: int
    sha256: str
    kinds: tuple[Kind, ...]
    deny: str
    clause: frozenset[str]
    speaker: frozenset[str]
    listener: frozenset[str]
    others: frozenset[str]

    @property
    def shown(self) -> tuple[Kind, ...]:
        return tuple(kind for kind in self.kinds if kind.shown)


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A rule's pattern, compiled when it is first needed: most are needed only for a transcript."""
    return re.compile(pattern)


@cache
def cue_lexicon() -> CueLexicon:
    """The cue lexicon that comes with the package."""
    content = Path(__file__).with_name("cue_lexicon.toml").read_bytes()
    return parse(content)


def parse(content: bytes) -> CueLexicon:
    """A cue lexicon from the bytes of its file.

    Raises:
        ValueError: a rule has a condition or a list that does not exist, or no phrase.
    """
    told = tomllib.loads(content.decode("utf-8"))
    lists: _Lists = told["lists"]
    kinds = [_kind(name, entry, lists) for name, entry in told["kinds"].items()]
    return CueLexicon(
        version=told["version"],
        sha256=hashlib.sha256(content).hexdigest(),
        kinds=tuple(kinds),
        deny=_any_of(["@deny"], lists),
        clause=frozenset(lists["clause"]),
        speaker=frozenset(lists["self"]),
        listener=frozenset(lists["you"]),
        others=frozenset(lists["third"]),
    )


def _kind(name: str, entry: Mapping[str, Any], lists: _Lists) -> Kind:
    rules = []
    for number, told in enumerate(entry.get("rules", ()), 1):
        try:
            rules.append(_rule(told, lists))
        except ValueError as e:
            raise ValueError(f"cue lexicon: {name}, rule {number}: {e}") from e
    return Kind(
        name=name,
        meaning=entry["meaning"],
        definition=entry["definition"],
        shown=entry["shown"],
        rules=tuple(rules),
        exceptions=frozenset(entry.get("except", ())),
        across_comma=frozenset(entry.get("across_comma", ())),
    )


def _rule(told: Mapping[str, Any], lists: _Lists) -> Rule:
    unknown = set(told) - {"phrases", *_PLACES, *_SWITCHES}
    if unknown:
        raise ValueError(f"no condition is called {', '.join(sorted(unknown))}")
    if not told.get("phrases"):
        raise ValueError("expected phrases, there are none")
    places = {}
    for name in _PLACES:
        if name in told:
            places[name] = _any_of(told[name], lists, at_end=name.endswith("after") and _left(name))
    switches = frozenset(name for name in _SWITCHES if told.get(name))
    phrases = tuple(_any_of([phrase], lists) for phrase in told["phrases"])
    return Rule(_any_of(told["phrases"], lists), phrases, places, switches)


def longest(rule: Rule, text: str, start: int) -> int:
    """Where the longest of the rule's phrases that begin at ``start`` ends."""
    found = [compiled(phrase).match(text, start) for phrase in rule.phrases]
    return max(match.end() for match in found if match)


def _left(name: str) -> bool:
    """The condition looks at what stands directly before the phrase."""
    return name in ("after", "not_after")


def _any_of(patterns: Sequence[str], lists: _Lists, at_end: bool = False) -> str:
    """Any of the patterns, on tokens that a blank follows each.

    Args:
        patterns: words, ``wor*``, ``@list``, ``^``, ``$``, ``,``; ``?`` behind one: may be absent.
        lists: name → words.
        at_end: they end where the text ends.
    """
    alternatives = [_sequence(pattern, lists) for pattern in patterns]
    end = r"\Z" if at_end else ""
    return f"(?<= )(?:{'|'.join(alternatives)}){end}"


def _sequence(pattern: str, lists: _Lists) -> str:
    parts = []
    for element in pattern.split():
        token = _token(element.removesuffix("?"), lists)
        optional = "?" if element.endswith("?") else ""
        parts.append(f"(?:{token} ){optional}")
    return "".join(parts)


def _token(element: str, lists: _Lists) -> str:
    """One token as a regular expression."""
    if not element.startswith("@"):
        return _word(element)
    if element[1:] not in lists:
        raise ValueError(f"no list is called {element}")
    words = [_word(word) for word in lists[element[1:]]]
    return f"(?:{'|'.join(words)})"


@cache
def _word(text: str) -> str:
    parts = [re.escape(part) for part in text.split("*")]
    return "[^ ]*".join(parts)

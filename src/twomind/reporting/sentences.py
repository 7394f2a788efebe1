"""Finished English sentences of the library, found again in the file of messages and told in another
language.

The library writes reasons and remarks in English, with numbers in them, into results and tables. A
page gets them from there. So a sentence is found by the text that it was made of, and what was
filled in is read out of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from twomind.core.plural import FORMS, agreed
from twomind.core.typography import typeset
from twomind.reporting.message_file import messages

#: Sections that hold such sentences.
SECTIONS = ("said", "meaning", "card", "column")
#: What fills a place whose name is ``n``: forms of words go with it.
_NUMBER = r"\d[\d,.]*"
_PLACE = re.compile(r"\{(\w+)\}")
_PIECES = re.compile(r"(\{\w+\}|\[[^\[\]|{}]*\|[^\[\]|{}]*\])")
#: What joins sentences, and what joins them in French.
_JOINTS = {"; ": typeset(" ; ", "fr"), "+": "+"}


@dataclass(frozen=True)
class _Template:
    """A sentence with places, in all languages; ``n_letters`` of it are fixed."""

    pattern: re.Pattern[str]
    n_letters: int
    text: Mapping[str, str]


@cache
def _templates() -> tuple[dict[str, Mapping[str, str]], list[_Template]]:
    """Whole sentences by their English text; and those with places, the most exact first."""
    whole: dict[str, Mapping[str, str]] = {}
    open_: list[_Template] = []
    for section in SECTIONS:
        for text in messages()[section].values():
            english = text["en"]
            if _PLACE.search(english):
                open_.append(_template(text))
            else:
                whole[english] = text
    open_.sort(key=lambda template: -template.n_letters)
    return whole, open_


def _template(text: Mapping[str, str]) -> _Template:
    pattern = ""
    seen: set[str] = set()
    n_letters = 0
    for piece in _PIECES.split(text["en"]):
        place = _PLACE.fullmatch(piece)
        forms = FORMS.fullmatch(piece)
        if place:
            name = place[1]
            held = _NUMBER if name == "n" else ".+?"
            pattern += f"(?P={name})" if name in seen else f"(?P<{name}>{held})"
            seen.add(name)
        elif forms:
            one, many = map(re.escape, forms.groups())
            pattern += f"(?:{one}|{many})"
        else:
            pattern += re.escape(piece)
            n_letters += len(piece)
    return _Template(re.compile(pattern, re.DOTALL), n_letters, text)


@lru_cache(maxsize=4096)
def in_language(sentence: str, language: str, one_below: float) -> str | None:
    """A sentence of the library in another language; None where it is not known.

    Args:
        sentence: in English.
        language: of the answer.
        one_below: numbers below this one take the form of one.
    """
    whole, templates = _templates()
    if sentence in whole:
        return whole[sentence][language]
    for template in templates:
        match = template.pattern.fullmatch(sentence)
        if match:
            return _filled(template.text[language], match.groupdict(), language, one_below)
    return _parts(sentence, language, one_below)


def _filled(text: str, values: Mapping[str, str], language: str, one_below: float) -> str:
    """The text with what was filled in, each in the language where it is a sentence itself."""
    told = {}
    for name, value in values.items():
        inner = in_language(value, language, one_below)
        told[name] = value if inner is None else inner
    number = _number(values.get("n", ""))
    if number is not None:
        text = agreed(text, number, one_below)
    return text.format(**told)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _parts(sentence: str, language: str, one_below: float) -> str | None:
    """Sentences that were joined, where every one of them is known."""
    for joint, told in _JOINTS.items():
        at = sentence.find(joint)
        while at > 0:
            first = in_language(sentence[:at], language, one_below)
            rest = in_language(sentence[at + len(joint) :], language, one_below)
            if first is not None and rest is not None:
                return f"{first}{told}{rest}"
            at = sentence.find(joint, at + 1)
    return None


__all__ = ["SECTIONS", "in_language"]

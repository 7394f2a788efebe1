"""The language of a transcript: as it says, or as its function words and its script tell. Words are
measured in English alone: the lexicon, the fillers and the models of words know no other language.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: A language that is not English and not one of those that are known here.
OTHER = "mis"
#: Fewer words tell no language, unless their script does.
_FEWEST_WORDS = 6
#: So many function words of a language must be said, and so many different ones.
_FEWEST_HITS = 3
#: Their share of all words, and how many times as many as English ones there must be.
_LEAST_SHARE = 0.15
_TIMES_ENGLISH = 2.0
#: Speech in English has three function words in ten words or more; far fewer is not English.
_ENGLISH_SHARE = 0.25
_NO_ENGLISH = 0.05
_WORDS_FOR_OTHER = 40
#: Share of letters of a script that tells the language, and how many there must be.
_SCRIPT_SHARE = 0.5
_FEWEST_LETTERS = 4

_ENGLISH = frozenset(["en", "eng", "english", "und", "unknown", "auto", ""])
_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
#: Beginning of a letter's Unicode name → the language that is written so.
_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh",
    "HANGUL": "ko",
    "CYRILLIC": "ru",
    "ARABIC": "ar",
    "HEBREW": "he",
    "GREEK": "el",
    "THAI": "th",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "GURMUKHI": "pa",
    "GUJARATI": "gu",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "ETHIOPIC": "am",
    "KHMER": "km",
    "LAO": "lo",
    "MYANMAR": "my",
    "TIBETAN": "bo",
}
#: Languages that share a script; their function words tell which one it is.
_SHARING = {"ru": ("ru", "uk", "bg", "sr"), "ar": ("ar", "fa", "ur")}


@dataclass(frozen=True)
class _Language:
    """A language's name and its function words."""

    name: str
    words: frozenset[str]


def is_measured(language: str | None) -> bool:
    """Whether words of this language are measured.

    Args:
        language: A code (``en``, ``en-US``, ``eng``), a name (``english``), or None: not known.
    """
    return language is None or base_code(language) in _ENGLISH


def only_english(language: str | None) -> str:
    """Why words of another language are not measured."""
    if language == OTHER:
        return "the words are in a language that is not English; they are measured in English only"
    return f"the words are in another language ({language}); they are measured in English only"


def base_code(language: str) -> str:
    """Without the region: ``en-US`` is ``en``."""
    return language.lower().replace("_", "-").split("-")[0].strip()


def spoken_language(declared: str | None, texts: Sequence[str]) -> tuple[str | None, str]:
    """The language of words, and a remark where they are not in the one that was declared.

    A declaration of another language than English is believed. English that was declared, or
    nothing, is believed unless the words are clearly of another language.

    Args:
        declared: What the transcript says; None where it says nothing.
        texts: The words, without marks.

    Returns:
        A code, or what was declared; None where the language is not known, and where nothing was
        declared and the words look English.
    """
    found = recognised_language(texts)
    if not is_measured(declared):
        if found == "en":
            return (
                declared,
                f"the transcript says its language is {declared}; its words look English",
            )
        return declared, ""
    if found in (None, "en"):
        return declared, ""
    name = name_of(found)
    if declared is None:
        return found, f"no language is given; the words are recognised as {name} ({found})"
    return found, (
        f"the transcript says its language is {declared}; its words are recognised as {name} ({found})"
    )


def recognised_language(texts: Iterable[str]) -> str | None:
    """The language that words are in, by their script and their function words.

    Args:
        texts: The words; punctuation does not matter.

    Returns:
        Its code; ``mis`` for one that is not known here and not English; None where the words are
        too few or do not tell.
    """
    text = " ".join(texts)
    words = [word.replace("’", "'") for word in _WORD.findall(text.lower())]
    script = _of_script(text)
    if script is not None:
        rivals = _SHARING.get(script, ())
        hits = _hits(words, rivals)
        return max(rivals, key=lambda code: hits[code], default=script)
    if len(words) < _FEWEST_WORDS:
        return None
    return _of_function_words(words)


def _of_script(text: str) -> str | None:
    """The language of the script that most letters are of; None for Latin letters."""
    found: Counter[str] = Counter()
    n_letters = 0
    for char in text:
        if not char.isalpha():
            continue
        n_letters += 1
        if ord(char) > 0x02FF:
            name = unicodedata.name(char, "").split(" ")[0]
            found[_SCRIPTS.get(name, "")] += 1
    found.pop("", None)
    if "ja" in found:  # kana tell Japanese from Chinese
        found["ja"] += found.pop("zh", 0)
    if not found:
        return None
    code, n = found.most_common(1)[0]
    is_clear = n >= _FEWEST_LETTERS and n >= _SCRIPT_SHARE * n_letters
    return code if is_clear else None


def _of_function_words(words: Sequence[str]) -> str | None:
    """The language whose function words stand clearly before those of English."""
    n = len(words)
    known = _known()
    english = known["en"].words
    others = [code for code in known if code != "en"]
    hits = _hits(words, others)
    best = max(others, key=lambda code: hits[code])
    own = known[best].words
    # A word that both have tells neither.
    own_alone = [word for word in words if word in own and word not in english]
    n_english_alone = sum(word in english and word not in own for word in words)
    enough = len(own_alone) >= max(_FEWEST_HITS, _LEAST_SHARE * n)
    several = len(set(own_alone)) >= _FEWEST_HITS
    if enough and several and len(own_alone) >= _TIMES_ENGLISH * n_english_alone:
        return best
    n_english = sum(word in english for word in words)
    if n_english >= max(_FEWEST_HITS, _ENGLISH_SHARE * n):
        return "en"
    n_kinds = len(set(words))
    if n >= _WORDS_FOR_OTHER and n_english <= _NO_ENGLISH * n and 2 * n_kinds >= _WORDS_FOR_OTHER:
        return OTHER
    return None


def _hits(words: Iterable[str], codes: Iterable[str]) -> Counter[str]:
    """How many of the words are function words of each language."""
    counts = Counter(words)
    known = _known()
    hits: Counter[str] = Counter()
    for code in codes:
        own = known[code].words
        hits[code] = sum(n for word, n in counts.items() if word in own)
    return hits


def name_of(code: str | None) -> str:
    """The English name of a language, where it is known here."""
    known = _known().get(code or "")
    if known is not None:
        return known.name
    return "a language that is not English" if code == OTHER else f"the language {code}"


@cache
def _known() -> dict[str, _Language]:
    """Function words by language."""
    text = Path(__file__).with_name("languages.toml").read_text(encoding="utf-8")
    found = {}
    for code, entry in tomllib.loads(text).items():
        found[code] = _Language(entry["name"], frozenset(entry["words"].split()))
    return found

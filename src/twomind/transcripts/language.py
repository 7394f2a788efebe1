"""The language of a transcript. Words are measured in English alone: the lexicon, the fillers and
the models of words know no other language.
"""

from __future__ import annotations


def is_measured(language: str | None) -> bool:
    """Whether words of this language are measured.

    Args:
        language: A code (``en``, ``en-US``, ``eng``), a name (``english``), or None: not known.
    """
    return language is None or _code(language) in ("en", "eng", "english", "und", "")


def only_english(language: str | None) -> str:
    """Why words of another language are not measured."""
    return f"the words are in another language ({language}); they are measured in English only"


def _code(language: str) -> str:
    """Without the region: ``en-US`` is ``en``."""
    return language.lower().replace("_", "-").split("-")[0].strip()

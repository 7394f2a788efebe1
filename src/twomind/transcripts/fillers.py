"""Filler sounds ("um", "uhhh", "erm") and back-channels ("mm-hm", "uh-huh") by how they are written,
however long the writer drew them out.
"""

from __future__ import annotations

import re

from twomind.transcripts.language import base_code
from twomind.transcripts.tokens import NAMELESS_FILLER

_QUOTES = str.maketrans({"’": "'", "ʼ": "'", "‐": "-", "‑": "-"})
#: Around a word: all but letters, digits and an apostrophe before it ("'em" is no "em").
_OUTER = re.compile(r"^[^\w']+|[\W_]+$")
_MOST_CHARACTERS = 500
#: What programs write for a filler whose sound they do not tell.
_CODES = frozenset([NAMELESS_FILLER, "%hesitation", "%hes", "<hes>", "<fil>"])

_HUMS = r"h+m+|mm+|m+h+"
#: Roots of one language each, drawn out at will.
_ROOTS = {
    "en": rf"u+h+m*|u+m+|u+r+m+|e+r+m*|e+h+m*|e+mm+|a+h+m*|h+u+h+|e+u+h+|{_HUMS}",
    "de": rf"ä+h*m*|ä+h+|ö+h+m*|e+h+m+|e+mm+|u+h+m*|{_HUMS}",
    "fr": rf"e+u+h+|h+e+u+|e+uhm+|{_HUMS}",
    "es": rf"e+h+m*|e+mm+|{_HUMS}",
    "it": rf"e+h+m+|e+hm*|{_HUMS}",
    "pt": rf"e+h+m*|é+h+|h+ã+|{_HUMS}",
    "nl": rf"e+h+m*|u+h+m*|{_HUMS}",
    "sv": rf"ö+h+m*|e+h+m*|ä+h+m*|{_HUMS}",
    "da": rf"ø+h+m*|ø+h*m+|{_HUMS}",
    "no": rf"ø+h+m*|e+h+m*|{_HUMS}",
}
_OF_LANGUAGE = {code: re.compile(root) for code, root in _ROOTS.items()}
_OF_ANY = re.compile(_HUMS)
_BACKCHANNEL = re.compile(
    r"m+-?h+-?h?m+|m+h+m+|m+-?h+u+h+|u+h+-?h+u+h+|a+-?h+a+h*|h+m+-?m+-?h+m+|m+-m+h+m+|m+h+-h+m+|m+-m+"
)


def is_filler(token: str, language: str | None = None) -> bool:
    """Whether a word is a filler sound.

    Case, punctuation and brackets around it do not matter. ``[*]`` is a filler whose sound is not
    told.

    Args:
        token: One word as the transcript has it ("Ummm,", "[uh]").
        language: Its code or name; None is English. "ähm" is a filler in German, "er" is none.
    """
    if token.strip(".,;:!?").lower() in _CODES:
        return True
    roots = _OF_LANGUAGE.get(base_code(language or "en"), _OF_ANY)
    return bool(roots.fullmatch(_bare(token))) and not is_backchannel(token)


def is_backchannel(token: str) -> bool:
    """Whether a word is a sound by which a listener says to go on, yes or no: "mm-hm", "uh-huh", "mm-mm".

    Args:
        token: One word as the transcript has it.
    """
    return bool(_BACKCHANNEL.fullmatch(_bare(token)))


def _bare(token: str) -> str:
    """A word in lower case without what stands around it; empty where it is too long for a sound."""
    if len(token) > _MOST_CHARACTERS:
        return ""
    return _OUTER.sub("", token.translate(_QUOTES).lower())

"""Spaces at which a line may not break, as each language sets them."""

from __future__ import annotations

import re

#: Joins a number and its sign, and stands before a colon and inside guillemets.
NO_BREAK = "\N{NO-BREAK SPACE}"
#: Stands before the other double marks.
_NARROW = "\N{NARROW NO-BREAK SPACE}"
#: What follows a mark that ends a piece of text; in an address or in code a letter follows.
_ENDS = r"(?![\w/=-])"
_BEFORE_NARROW = re.compile(rf"(?<!\s) (?=[;!?]+{_ENDS})")
_BEFORE = re.compile(rf"(?<!\s) (?=:{_ENDS})|(?<=[\d}}]) (?=%)|(?<!\s) (?=»)|(?<=«) ")


def typeset(text: str, language: str) -> str:
    """A text with the no-break spaces of its language: in French before ``: ; ! ? % »`` and after
    ``«``. In other languages it stays as it is.

    Args:
        text: as it was written, with ordinary spaces.
        language: its code.
    """
    if language != "fr":
        return text
    return _BEFORE.sub(NO_BREAK, _BEFORE_NARROW.sub(_NARROW, text))


__all__ = ["NO_BREAK", "typeset"]

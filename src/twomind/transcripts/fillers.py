"""Sounds of hesitation and of listening, known by their shape."""

from __future__ import annotations

import re

_FILLER = re.compile(r"u+h*m+|u+h+|e+r+m*|e+u+h+|u+r+m+|h+m+", re.IGNORECASE)
_BACKCHANNEL = re.compile(r"m+-?h+m+|u+h+-?h+u+h+|m+-?m+|a+h+a+|mm+", re.IGNORECASE)


def is_filler(token: str, language: str | None = "en") -> bool:
    """Whether a token is a filler sound: um, uhh, erm, hmm. Not a listener's sound (mm-hm)."""
    return _FILLER.fullmatch(token) is not None


def is_backchannel(token: str) -> bool:
    """Whether a token is a listener's sound: mm-hm, uh-huh."""
    return _BACKCHANNEL.fullmatch(token) is not None

"""For what the live service may be used: every session and job declares its purpose, and a policy
lets it begin or says why not.

The rule that comes with the service refuses recognition of emotions at work and in education, as
Article 5(1)(f) of Regulation (EU) 2024/1689 does. A purpose that is declared falsely is not found
out by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from twomind.core.errors import BadInput

KINDS = ("research", "care", "own_use", "demonstration", "work", "education", "other")
_REFUSED = {
    "work": "at work (hiring, appraisal, monitoring of employees)",
    "education": "in education (teaching, exams, admission)",
}
#: Words of a description that tell of work or education, whatever kind was declared.
_TELLING = {
    "work": r"employe|hiring|recruit|applicant|job interview|candidate|workplace|staff|apprais",
    "education": r"school|student|pupil|exam|classroom|teach|universit|admission|proctor",
}


@dataclass(frozen=True)
class Purpose:
    """What a session or job is for.

    Args:
        kind: One of :data:`KINDS`.
        text: In a sentence. It is not kept and not logged.
    """

    kind: str
    text: str


#: Says why a purpose is refused; nothing where it is not.
Policy = Callable[[Purpose], str]


def default(purpose: Purpose) -> str:
    """Refuse work and education, and a purpose that was not declared."""
    if purpose.kind not in KINDS:
        return f"declare what this is for: a kind of {', '.join(KINDS)}, and a sentence"
    if len(purpose.text.strip()) < 10:
        return "declare in a sentence what this is for"
    kind = purpose.kind
    # Research on people who study or work is no decision about them.
    if kind not in ("research", *_REFUSED):
        for told, pattern in _TELLING.items():
            if re.search(pattern, purpose.text.lower()):
                kind = told
    if kind not in _REFUSED:
        return ""
    return (
        f"recognising emotions {_REFUSED[kind]} is refused here: it is prohibited in the European "
        "Union (Regulation 2024/1689, Article 5(1)(f)) and no model here was shown to be fit for it. "
        "Whoever runs this server for a medical or safety reason sets a policy of their own"
    )


def policy_of(name: str) -> Policy:
    """The policy that a settings file names as ``module:function``; the default for nothing.

    Raises:
        BadInput: There is none of this name.
    """
    if not name:
        return default
    module, _, function = name.partition(":")
    try:
        found: Policy = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadInput(f"policy {name!r}: expected module:function, got {error}") from error
    return found

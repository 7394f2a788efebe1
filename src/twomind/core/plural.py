"""Sentences that agree with a number: the one place that knows singular and plural."""

from __future__ import annotations

import re

#: ``[one|many]`` in a text.
FORMS = re.compile(r"\[([^\[\]|{}]*)\|([^\[\]|{}]*)\]")


def agreed(text: str, n: float, one_below: float = 0) -> str:
    """``{n} word[|s] [is|are] left out`` with the forms that go with a number; places such as
    ``{n}`` stay.

    Args:
        text: with ``[one|many]`` where the two differ.
        n: The number that it speaks of.
        one_below: Numbers below this one take the form of one too (French: 2).
    """
    number = 1 if n == 1 or abs(n) < one_below else 2
    return FORMS.sub(lambda found: found[number], text)


def sentence(text: str, n: int, /, **values: object) -> str:
    """A sentence about a number, in English.

    Args:
        text: with ``[one|many]`` where the two differ, and places: ``{n}``, and those of ``values``.
        n: The number.
        values: What is filled in; it is not read for forms.

    Example:
        >>> from twomind.core.plural import sentence
        >>> sentence("{n} word[|s] [is|are] left out: {said}", 1, said="[um|uh]")
        '1 word is left out: [um|uh]'
    """
    return agreed(text, n).format(n=n, **values)


__all__ = ["FORMS", "agreed", "sentence"]

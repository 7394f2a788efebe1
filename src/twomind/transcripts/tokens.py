"""Text → spoken words, each as it is written. Punctuation on its own belongs to the word beside it,
and what a tokeniser took apart ("do n't", "gon na") is one word again.
"""

from __future__ import annotations

import re
import unicodedata

#: Stands for a filler whose sound the transcript does not tell.
NAMELESS_FILLER = "[*]"
#: Symbols that are spoken, so they stand as words of their own.
_SPOKEN_SYMBOLS = frozenset("&%@+=#$€£")
_QUOTES = str.maketrans({"’": "'", "ʼ": "'", "´": "'", "`": "'"})
_OUTER = re.compile(r"^[^\w']+|[^\w']+$")
#: No word is longer, and no rest of one with what stands around it.
_MOST_CHARACTERS = 60
#: What stands after a word that it belongs to.
_CLITIC = re.compile(r"'(?:m|s|re|ve|ll|d)")
_ENDS_IN_APOSTROPHE = re.compile(r"[a-z]+'")
_REST_OF_CLITIC = frozenset(["m", "s", "re", "ve", "ll", "d", "t"])
#: Before "n't".
_NEGATED = frozenset(
    [
        "do",
        "does",
        "did",
        "is",
        "are",
        "was",
        "were",
        "has",
        "have",
        "had",
        "ca",
        "could",
        "wo",
        "would",
        "should",
        "sha",
        "might",
        "must",
        "may",
        "need",
        "ai",
        "dare",
        "ought",
    ]
)
#: The words that tokenisers cut in two.
_CUT = frozenset(
    [
        ("gon", "na"),
        ("wan", "na"),
        ("got", "ta"),
        ("gim", "me"),
        ("lem", "me"),
        ("d'", "ye"),
        ("'t", "is"),
        ("'t", "was"),
        ("dun", "no"),
    ]
)


def tokens_of(text: str) -> tuple[list[str], str]:
    """The words of a text, and punctuation that stands before any word where there is none."""
    tokens: list[str] = []
    opening = ""
    for token in text.split():
        if not is_spoken(token):
            if tokens:
                tokens[-1] += token
            else:
                opening += token
        elif tokens and continues(tokens[-1], token):
            tokens[-1] += token
        else:
            tokens.append(opening + token)
            opening = ""
    return tokens, opening


def is_spoken(token: str) -> bool:
    """Whether a token is more than punctuation."""
    if NAMELESS_FILLER in token:
        return True
    return any(c in _SPOKEN_SYMBOLS or unicodedata.category(c)[0] in "LNM" for c in token)


def continues(before: str, token: str) -> bool:
    """Whether a token is the rest of the word before it ("do n't", "it 's", "gon na")."""
    if max(len(before), len(token)) > _MOST_CHARACTERS:
        return False  # no word, and it would be looked through again for each rest
    left = before.translate(_QUOTES).lower()
    right = _OUTER.sub("", token.translate(_QUOTES).lower())
    left = left.lstrip('"([{-')
    if (left, right) in _CUT:
        return True
    if right == "n't":
        return left.lstrip("'") in _NEGATED
    if right == "'t":
        return left.endswith("n") and left[:-1] in _NEGATED
    if right in _REST_OF_CLITIC:
        # "don ' t": the apostrophe went to the word before.
        return bool(_ENDS_IN_APOSTROPHE.fullmatch(left)) and _was_alone(left, right)
    return bool(_CLITIC.fullmatch(right)) and left[-1:].isalpha()


def _was_alone(left: str, right: str) -> bool:
    """Whether an apostrophe at a word's end begins a clitic; "the dogs' d" is none."""
    stem = left[:-1]
    if right == "t":
        return stem.endswith("n") and stem[:-1] in _NEGATED
    return not stem.endswith("s")

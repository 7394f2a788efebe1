"""Pieces of words, as tokenisers of models cut them: which piece continues the word before it."""

from __future__ import annotations

from collections.abc import Sequence

#: Signs for a blank before a piece (SentencePiece, byte-level BPE).
_BLANKS = ("\u2581", "\u0120")
#: Before the rest of a word (WordPiece), and after a piece that is not a whole word (BPE).
_WORD_GOES_ON = "##"
_NOT_WHOLE = "@@"


def plainly(texts: Sequence[str]) -> list[str]:
    """The pieces with a blank before each that begins a word, where any sign tells it.

    Args:
        texts: As a program wrote them, in order.
    """
    if any(text.startswith(_WORD_GOES_ON) and text[2:3].isalnum() for text in texts):
        return [
            text[2:] if text.startswith(_WORD_GOES_ON) else f" {text.lstrip()}" for text in texts
        ]
    if any(text.endswith(_NOT_WHOLE) and text[:1].isalnum() for text in texts):
        before = ["", *texts]
        open_before = [text.endswith(_NOT_WHOLE) for text in before]
        return [
            text.removesuffix(_NOT_WHOLE)
            if is_open
            else f" {text.lstrip().removesuffix(_NOT_WHOLE)}"
            for text, is_open in zip(texts, open_before, strict=False)
        ]
    return [f" {text[1:]}" if text.startswith(_BLANKS) else text for text in texts]


def blanks_tell(texts: Sequence[str]) -> bool:
    """Whether a blank before a piece tells where a word begins; where hardly any has one, they were
    taken away.
    """
    n_blank = sum(text[:1].isspace() for text in texts)
    return bool(n_blank) and 3 * n_blank >= len(texts)


def may_continue(before: str, text: str) -> bool:
    """Whether a piece can be the rest of a word: not after the end of a sentence, unless it is
    punctuation, and no bracket or note of a sound.
    """
    if not before or not text or text[0] in "[(♪":
        return False
    return before[-1] not in ".?!])♪" or not text[0].isalpha()

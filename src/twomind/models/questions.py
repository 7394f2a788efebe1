"""Which question was answered: a number, a response type, the text of a known prompt, an own
prompt, or unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from twomind.core.errors import BadInput, quoted

#: The seven questions of BAH: number → (intended response, theme in our words; the official wording
#: is not published).
BAH_QUESTIONS: dict[str, tuple[str, str]] = {
    "1": ("neutral", "what you do after waking up"),
    "2": ("positive", "an activity that gives you joy, why"),
    "3": ("negative", "a chore you dislike, why"),
    "4": ("ambivalent", "you like it but would like to stop / don't do it but would like to"),
    "5": ("willing", "something you are nearly always ready to do"),
    "6": ("resistant", "something others do that you would refuse"),
    "7": ("hesitant", "something you could do but have not, undecided"),
}


def plain(text: str) -> str:
    """Lower case, letters and digits only, single blanks: how prompts are compared."""
    without_apostrophes = re.sub("['’]", "", text.lower())
    words = re.findall(r"[a-z0-9]+", without_apostrophes)
    return " ".join(words)


#: "7", "Q7", "question 7", and as tables write it: "7.0"; without what may stand around it.
_NUMBER = re.compile(r"(?:(?:q|question)[\s_.:#-]*|#)?([+-]?\d+(?:[.,]\d+)?)")
_AROUND = " \t\n()[].:;?!"


def is_number(question: str | int | None) -> bool:
    """Whether a question is named by a number: "7", "Q7", "question 7"."""
    return question is not None and _number(str(question)) != ""


def _number(question: str) -> str:
    """The number that names a question, without zeros that say nothing; empty where none does."""
    found = _NUMBER.fullmatch(question.strip(_AROUND).lower())
    if found is None:
        return ""
    number = float(found[1].replace(",", "."))
    return f"{number:.0f}" if number.is_integer() else str(number)


def refuse_unknown(question: str | int | None, of_model: Iterable[str] = ()) -> None:
    """Refuse the number of a question that neither BAH nor the model has; any text is allowed.

    Args:
        question: what was asked; None: not known.
        of_model: the questions that the model knows.

    Raises:
        BadInput: there is no such question; the message lists those that exist.
    """
    known = tuple(dict.fromkeys([*BAH_QUESTIONS, *of_model]))
    if not is_number(question):
        return
    if resolve(question, known) or resolve(question, tuple(BAH_QUESTIONS)):
        return
    listed = []
    for name in known:
        response, _ = BAH_QUESTIONS.get(name, ("", ""))
        listed.append(f"{name} ({response})" if response else name)
    raise BadInput(
        f"there is no question {quoted(question)}; expected one of {', '.join(listed)}, or the "
        "text of another prompt"
    )


def resolve(question: str | int | None, known: tuple[str, ...]) -> str | None:
    """The model's own name of the question, or None when it is unknown or the user's own.

    ``known`` are the questions of a model. "7", "Q7", "question 7", "hesitant" and the theme's text
    all mean BAH's seventh; any other text must equal one of ``known`` but for case and punctuation.

    >>> resolve("Hesitant", tuple("1234567")), resolve("What did you eat?", tuple("1234567"))
    ('7', None)
    """
    if question is None or not str(question).strip():
        return None
    number = _number(str(question))
    asked = number or plain(str(question))
    for name in known:
        if asked == (_number(name) or plain(name)):
            return name
    if set(known) <= set(BAH_QUESTIONS):
        for name, (response, theme) in BAH_QUESTIONS.items():
            if name in known and asked in (plain(response), plain(theme)):
                return name
    return None

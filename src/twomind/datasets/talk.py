"""Conversations whose turns were coded as change, sustain or neutral talk: what a reader gives.

:mod:`twomind.datasets.talk_files` reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from twomind.core.errors import BadInput, quoted

CHANGE, SUSTAIN, NEUTRAL = "change", "sustain", "neutral"
#: The order is a contract.
CLASSES = (CHANGE, SUSTAIN, NEUTRAL)
#: What code books call the classes, in lower case.
_CALLED = {
    **dict.fromkeys(("change", "c", "ct", "change talk", "+"), CHANGE),
    **dict.fromkeys(("sustain", "s", "st", "sustain talk", "counter", "-"), SUSTAIN),
    **dict.fromkeys(("neutral", "n", "fn", "follow/neutral", "0"), NEUTRAL),
}


@dataclass(frozen=True)
class Turn:
    """What a person said in one turn. ``group``: whom or what a fold keeps together (a person, a
    video); ``place``: where in the conversation it stands, 0 at its beginning and 1 at its end;
    ``labels``: coder → class.
    """

    conversation: str
    group: str
    place: float
    text: str
    labels: Mapping[str, str]

    @property
    def label(self) -> str:
        """What most coders said; of equally many, the first of :data:`CLASSES`."""
        votes = Counter(self.labels.values())
        return max(CLASSES, key=lambda name: votes[name])


@dataclass(frozen=True)
class Talk:
    """Coded turns in order. ``outcome``: group → a rating of the person some time after, where the
    data set has one; ``outcome_name`` says what it is. ``labelled_by``: who gave the labels.
    """

    name: str
    turns: tuple[Turn, ...]
    labelled_by: str
    licence: str = "not stated"
    population: str = "not stated"
    unit: str = "a turn"
    outcome: Mapping[str, float] = field(default_factory=dict)
    outcome_name: str = ""
    problems: tuple[str, ...] = ()


def class_of(label: str, own: Mapping[str, str] | None = None) -> str | None:
    """The class that a code stands for; None where it stands for none.

    Args:
        label: as the coder wrote it.
        own: codes of another code book → class; they go before the known ones.
    """
    plain = " ".join(label.strip().lower().split())
    for called in (own or {}, _CALLED):
        if plain in called:
            return called[plain]
    return None


def codebook(pairs: Sequence[str]) -> dict[str, str]:
    """Codes → classes from texts like ``CT=change``.

    Raises:
        BadInput: a text is none.
    """
    found = {}
    for pair in pairs:
        code, sign, name = pair.partition("=")
        if not sign or name.strip().lower() not in CLASSES:
            raise BadInput(
                f"label {quoted(pair)}: expected CODE=CLASS with a class of {', '.join(CLASSES)}"
            )
        found[" ".join(code.lower().split())] = name.strip().lower()
    return found


def places(orders: Iterable[float]) -> dict[float, float]:
    """Order of a turn → its place in the conversation, from 0 to 1."""
    known = sorted(set(orders))
    last = max(len(known) - 1, 1)
    return {order: i / last for i, order in enumerate(known)}

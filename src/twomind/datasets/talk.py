"""Conversations whose turns were coded as change, sustain or neutral talk: what a reader gives.

:mod:`twomind.datasets.talk_files` reads them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Protocol

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
    ``labels``: coder → class; ``before``: what somebody else (the counsellor) said right before it,
    empty where nobody did or it is not known.
    """

    conversation: str
    group: str
    place: float
    text: str
    labels: Mapping[str, str]
    before: str = ""

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


class TalkSet(Protocol):
    """What a data set of coded conversations fulfils: a plug-in of the group ``talk``, a module of
    :mod:`twomind.datasets.talks` with ``PLUGIN`` or an entry point ``twomind.talk``.

    Two sets that fit the same folder are an error, so ``fits`` must look at what only its own
    layout has. A reader lists what it cannot read in ``Talk.problems``, and reads on.
    """

    #: The name under which it is registered, its licence, and what ``fits`` looks for, in words.
    name: ClassVar[str]
    licence: ClassVar[str]
    looks_for: ClassVar[str]

    @staticmethod
    def fits(path: Path) -> bool:
        """Whether a folder or a file has this layout; False for any other."""
        ...

    @staticmethod
    def read(path: Path) -> Talk:
        """The coded turns of the person.

        Raises:
            BadInput: a file cannot be read at all.
        """
        ...

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        """Write a tiny folder in the real layout, for tests, and return ``root``: three people or
        more, all of :data:`CLASSES`, the same files for the same seed.
        """
        ...


@dataclass(frozen=True)
class MadeUp:
    """A turn that nobody said."""

    conversation: str
    order: int
    speaker: str
    text: str
    label: str


_MADE_UP = {
    CHANGE: ("I want to stop for my health", "I will try again tomorrow"),
    SUSTAIN: ("it helps me relax", "I can't do without it"),
    NEUTRAL: ("we met on a Tuesday", "the bus was late"),
}


def made_up(seed: int = 0, n_people: int = 3) -> Iterator[MadeUp]:
    """Conversations for fakes: a counsellor and a client take turns, and the client's go through
    all classes.

    Args:
        seed: With which class the first person begins.
        n_people: How many conversations.
    """
    for k in range(n_people):
        for order in range(6):
            label = CLASSES[(seed + k + order) % len(CLASSES)]
            text = _MADE_UP[label][order % 2]
            yield MadeUp(f"p{k + 1}", 2 * order, "counsellor", "tell me more", "")
            yield MadeUp(f"p{k + 1}", 2 * order + 1, "client", text, label)


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


def said_before(said: Iterable[tuple[float, str, str]]) -> dict[tuple[float, str], str]:
    """What somebody else said right before each turn.

    Args:
        said: order, speaker and text of every turn of one conversation, in any sequence; of a turn
            that comes more than once, as where several coders coded it, the first counts.

    Returns:
        (order, speaker) → the text of the turn before; empty where that is the speaker's own.
    """
    known: dict[tuple[float, str], str] = {}
    for order, speaker, text in said:
        known.setdefault((order, speaker), text)
    turns = sorted(known)
    found = dict.fromkeys(turns, "")
    for last, turn in pairwise(turns):
        if last[1] != turn[1]:
            found[turn] = known[last]
    return found


def places(orders: Iterable[float]) -> dict[float, float]:
    """Order of a turn → its place in the conversation, from 0 to 1."""
    known = sorted(set(orders))
    last = max(len(known) - 1, 1)
    return {order: i / last for i, order in enumerate(known)}

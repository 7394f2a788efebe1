"""Adaptation to a person: what a method may be handed, its state, and its shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Flag, auto
from typing import Protocol, TypeAlias

from twomind.types.features import Example, Features
from twomind.types.plain import Array, Foreign
from twomind.types.prediction import Prediction


class Access(Flag):
    """What a method may be handed about a person or the source before the stream begins. Labels
    only where named.

    Example:
        >>> from twomind.types import Access
        >>> (Access.SUMMARY | Access.NEUTRAL).words()
        'summary+neutral'
    """

    NOTHING = 0
    SOURCE = auto()  # labelled windows of source people
    SUMMARY = auto()  # statistics or prototypes that left the source site; no source window
    TARGET = auto()  # unlabelled windows of the target person
    NEUTRAL = auto()  # windows of a clip in which the target person is known to be neutral
    FEW = auto()  # k windows of the target person that a coder has labelled

    def words(self) -> str:
        """``nothing``, or the names joined with ``+``, for tables."""
        return "+".join(str(flag.name).lower() for flag in Access if flag in self) or "nothing"


@dataclass(frozen=True)
class Given:
    """What the protocol hands a method before the stream; None means not handed over.

    Only ``source`` and ``few`` carry labels.

    Args:
        seed: of methods that draw random numbers.
        source: labelled windows of source people.
        summary: statistics of the source people: name to array.
        target: unlabelled windows of the person.
        neutral: windows of a clip in which the person is neutral.
        few: windows of the person that a coder has labelled.

    Example:
        >>> from twomind.types import Access, Features, Given
        >>> calm = Features("n1", "anna", {}, (0.0, 3.0))
        >>> given = Given(seed=1, neutral=(calm,), target=(calm,))
        >>> given.only(Access.NEUTRAL).access.words()
        'neutral'
    """

    seed: int = 0
    source: tuple[Example, ...] | None = None
    summary: Mapping[str, Array] | None = None
    target: tuple[Features, ...] | None = None
    neutral: tuple[Features, ...] | None = None
    few: tuple[Example, ...] | None = None

    @property
    def access(self) -> Access:
        """Which kinds of data are there."""
        found = Access.NOTHING
        for flag in Access:
            if getattr(self, str(flag.name).lower()) is not None:
                found |= flag
        return found

    def only(self, needs: Access) -> Given:
        """The kinds of data that a method declared, and no others.

        Raises:
            ValueError: something that the method needs is not there.
        """
        missing = needs & ~self.access
        if missing:
            raise ValueError(
                f"the method needs {needs.words()}, but the protocol does not hand over "
                f"{missing.words()}"
            )
        drop = {str(flag.name).lower(): None for flag in Access if flag not in needs}
        return replace(self, **drop)  # type: ignore[arg-type]


#: What a method remembers of one person: nested dicts, lists and plain values, with numpy arrays or
#: torch tensors as leaves. It is a value: a step returns a new one and leaves the old one as it
#: was.
State: TypeAlias = Mapping[str, Foreign]


class Adapter(Protocol):
    """The one interface of everything that adapts: configuration in frozen dataclass fields, memory
    in ``State``. A method says of its ``model`` what it needs of one.

    Example:
        >>> from twomind.adaptation import load_method
        >>> load_method("t3a").needs.words()
        'nothing'
    """

    @property
    def needs(self) -> Access: ...

    def begin(self, model: Foreign, given: Given) -> State:
        """Once, before the stream; ``given`` holds exactly what ``needs`` names."""
        ...

    def step(self, model: Foreign, state: State, x: Features) -> tuple[Prediction, State]:
        """One window: its prediction (with logits), and the state after it. Causal; mutates
        nothing.
        """
        ...

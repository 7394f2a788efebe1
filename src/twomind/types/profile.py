"""What a person is like when neutral: one measure at rest, and one enrolled clip. Profiles merge
them (features).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: No measure lies further from zero, no clip is longer and no table has more rows.
LARGEST = 1e9


@dataclass(frozen=True)
class Neutral:
    """One measure at rest: ``centre`` (median; of a rate, its mean), ``spread`` (median absolute
    deviation, nan where a clip gives one number), ``n`` rows, ``seconds`` that they cover."""

    centre: float
    spread: float
    n: int
    seconds: float

    def __post_init__(self) -> None:
        _check_number("centre", self.centre, least=-LARGEST, unknown=True)
        _check_number("spread", self.spread, unknown=True)
        _check_number("seconds", self.seconds)
        _check_number("n", self.n)
        if not isinstance(self.n, int):
            raise ValueError(f"n: expected a whole number of rows, got {self.n!r}")


def _check_number(name: str, value: object, least: float = 0.0, unknown: bool = False) -> None:
    """Refuse what is not a number between ``least`` and :data:`LARGEST`; nan passes where the value
    may be ``unknown``.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if unknown and isinstance(value, float) and math.isnan(value):
        return
    if not is_number or not least <= value <= LARGEST:  # type: ignore[operator]
        told = f"{value!r:.40}"
        raise ValueError(f"{name}: expected a number from {least:g} to {LARGEST:g}, got {told}")


#: measure → what it is like when neutral
Neutrals = Mapping[str, Neutral]


@dataclass(frozen=True)
class Visit:
    """One enrolled clip. ``stats`` maps ``face``, ``voice``, ``words`` to measures.

    ``content`` is the clip's SHA-256, ``entries`` the store's (kind, key) made from it. ``spoken``:
    the person talks in it. ``doubts`` are the reasons for which the check would have refused it,
    where it was forced. ``speech_detector`` is the one by which speech was told from silence; empty
    where that is not known. ``face_backend`` is the one that found the face.
    """

    content: str
    made: str
    stats: Mapping[str, Neutrals]
    spoken: bool = False
    doubts: tuple[str, ...] = ()
    entries: tuple[tuple[str, str], ...] = ()
    drawn: bool = False
    speech_detector: str = ""
    face_backend: str = ""

    @property
    def id(self) -> str:
        return self.content[:12]

    def seconds(self, modality: str) -> float:
        """Seconds of the best covered measure; 0 where the modality was not measured."""
        return max((n.seconds for n in self.stats.get(modality, {}).values()), default=0.0)

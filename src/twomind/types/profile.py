"""What a person is like when neutral: one measure at rest, and one enrolled clip. Profiles merge
them (features).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Neutral:
    """One measure at rest: ``centre`` (median; of a rate, its mean), ``spread`` (median absolute
    deviation, nan where a clip gives one number), ``n`` rows, ``seconds`` that they cover."""

    centre: float
    spread: float
    n: int
    seconds: float


#: measure → what it is like when neutral
Neutrals = Mapping[str, Neutral]


@dataclass(frozen=True)
class Visit:
    """One enrolled clip. ``stats`` maps ``face``, ``voice``, ``words`` to measures.

    ``content`` is the clip's SHA-256, ``entries`` the store's (kind, key) made from it. ``spoken``:
    the person talks in it. ``doubts`` are the reasons for which the check would have refused it,
    where it was forced.
    """

    content: str
    made: str
    stats: Mapping[str, Neutrals]
    spoken: bool = False
    doubts: tuple[str, ...] = ()
    entries: tuple[tuple[str, str], ...] = ()
    drawn: bool = False

    @property
    def id(self) -> str:
        return self.content[:12]

    def seconds(self, modality: str) -> float:
        """Seconds of the best covered measure; 0 where the modality was not measured."""
        return max((n.seconds for n in self.stats.get(modality, {}).values()), default=0.0)

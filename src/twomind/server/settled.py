"""The coding of a recording that counts: the value by which coding, releases and prevalence know of each other."""

from __future__ import annotations

from dataclasses import dataclass

from twomind.annotations import Annotations


@dataclass(frozen=True)
class Settled:
    """The coding of a recording that counts, and how it came about.

    Args:
        how: ``adjudicated``, ``one coder``, or ``open``: several coded it, and they are not settled.
        annotations: None where it is open.
    """

    how: str
    annotations: Annotations | None

"""Synthetic data sets without films, where a distribution brings them (plug-in group
``synthetic``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from twomind.core import registry
from twomind.core.errors import MissingExtra

if TYPE_CHECKING:
    from twomind.types import Features
    from twomind.types.plain import Foreign

LAYOUTS = ("bah", "biovid", "stressid")
#: Negative controls that are settings of the synthetic world.
CONTROLS = ("none", "people-alike", "no-conflict", "nothing-shows")


class Studies(Protocol):
    """What such a plug-in offers."""

    def dataset(
        self, layout: str, people: int, seed: int, visits: int, knobs: tuple[str, ...], control: str
    ) -> Foreign:
        """A data set as ``evaluation`` takes it, with ``features(recording)``; its name says what
        differs from the defaults."""
        ...

    def hop_s(self, dataset: Foreign, length_s: float | None, n_faces: int) -> float:
        """Seconds between ``n_faces`` faces over a window of ``length_s``, or over a usual clip."""
        ...

    def rows(
        self, dataset: Foreign, visits: int, encoder: str, hop_s: float, store: Path
    ) -> Callable[[str], Features]:
        """recording id → frame embeddings of its faces, kept in ``store``; picklable."""
        ...


def studies() -> Studies:
    """The plug-in that is installed.

    Raises:
        MissingExtra: none is.
    """
    names = registry.names("synthetic")
    if not names:
        raise MissingExtra("synth", "a synthetic data set")
    found: Studies = registry.load("synthetic", names[0])
    return found

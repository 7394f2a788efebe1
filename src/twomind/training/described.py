"""The recogniser on what ``describe`` measures, fitted per fold on its source people alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from twomind.core.errors import BadInput
from twomind.training import clip_au_folds
from twomind.training.readable import OF_ONE_FILE, unread
from twomind.types import Example, Features, Fold, Task

if TYPE_CHECKING:
    from twomind.models.embedding import EmbeddingRecogniser


class Cutting(Protocol):
    """How a recording becomes windows (``twomind.evaluation.windows.Windows``)."""

    def cut(self, x: Features) -> list[Features]: ...


class WindowLabels(Protocol):
    """Labels of windows (``twomind.evaluation.windows.Labels``)."""

    @property
    def task(self) -> Task: ...

    @property
    def windows(self) -> Cutting: ...

    def examples(
        self, recordings: Iterable[str], cut: Callable[[str], Iterable[Features]]
    ) -> tuple[Example, ...]: ...


#: Tracks that the recogniser on measures can read.
FACES = ("face", "face_relative")


@dataclass(frozen=True)
class DescribedSettings:
    """How the recogniser on measures is made."""

    face: str = "face"  # the track: "face" (raw) or "face_relative"

    def __post_init__(self) -> None:
        if self.face not in FACES:
            raise BadInput(f"face {self.face!r}: expected face or face_relative")


@dataclass(frozen=True)
class Described:
    """recording id → Features, measured once and kept in the store; picklable, for worker
    processes. One that cannot be read has no tracks, and notes that say why.
    """

    root: Path
    name: str | None
    store: Path

    def __call__(self, recording: str) -> Features:
        from twomind.core.store import Store
        from twomind.features.describe import describe

        _, recordings = clip_au_folds.opened(self.root, self.name)
        one = recordings.get(recording)
        if one is None:
            raise BadInput(f"{self.root}: no recording {recording!r}")
        try:
            return describe(one, store=Store(self.store)).features
        except OF_ONE_FILE as error:
            return unread(one, str(error), ("face", "voice", "words"))


def fitted(
    labels: WindowLabels, reading: Callable[[str], Features], face: str, fold: Fold
) -> EmbeddingRecogniser:
    """The described recogniser of one fold: fitted on its source people alone, the same each time
    it is asked for.

    Args:
        labels: Labels of windows, with the task and how recordings are cut.
        reading: Recording id → its features.
        face: The track that is read, ``face`` or ``face_relative``.
        fold: Its training and validation people are learnt from.

    Returns:
        The recogniser.

    Raises:
        BadInput: fewer than two classes, or nothing was measured.
    """
    from twomind.models.described import fit_described

    def windows_of(recording: str) -> list[Features]:
        return labels.windows.cut(reading(recording))

    examples = labels.examples((*fold.train, *fold.val), windows_of)
    return fit_described(examples, labels.task, face=face)

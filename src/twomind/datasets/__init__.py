"""Data sets in their own folder layouts, behind one contract. Nothing is copied, renamed or
repaired.

>>> from twomind.datasets import open_dataset                 # doctest: +SKIP
>>> data = open_dataset("BAH_DB_public_access")                       # doctest: +SKIP
>>> fold = data.folds("official")[0]                                  # doctest: +SKIP

A data set is one module here with ``PLUGIN``, a class that takes the root folder and fulfils
:class:`Dataset`; others declare the entry point ``twomind.datasets``. ``label`` and
``frame_labels`` are for training and ``score`` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from twomind.core import registry
from twomind.core.errors import BadInput
from twomind.datasets.checking import Finding, Report, study
from twomind.datasets.frames import FrameFolder
from twomind.datasets.protocols import Take
from twomind.types import Fold, Progress, Recording, Task

__all__ = ["Dataset", "Finding", "Report", "dataset_names", "load_dataset", "open_dataset"]


class Dataset(Protocol):
    """What every data set fulfils."""

    name: ClassVar[str]
    #: Licence in one sentence, and how to get the data.
    licence: ClassVar[str]
    access: ClassVar[str]
    #: The questions that it has answers for. The order of the classes is a contract.
    tasks: ClassVar[tuple[Task, ...]]
    #: Protocols that :meth:`folds` knows; ``targets-N`` and ``people-K`` stand for any number.
    protocols: ClassVar[tuple[str, ...]]
    #: What :meth:`fits` looks for, in words.
    looks_for: ClassVar[str]

    root: Path

    @classmethod
    def fits(cls, root: Path) -> bool:
        """Whether the folder has this data set's layout."""
        ...

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        """Write a tiny folder in the real format, for tests; its people are marked as drawn."""
        ...

    def recordings(self) -> tuple[Recording, ...]:
        """Every recording that the data set lists, also one whose film is absent; ordered by
        person.
        """
        ...

    def label(self, task_name: str, recording_id: str) -> int | None:
        """Class index of a recording; None when the data set does not say."""
        ...

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        """``(T,)`` class index at the asked times; -1 where the data set does not say."""
        ...

    def people(self) -> Mapping[str, Mapping[str, str]]:
        """What is known of each person: sex, age, ethnicity, language, consent_publication ... as
        far as there.
        """
        ...

    def may_be_shown(self, subject: str) -> bool:
        """Whether a picture of this person may appear in a report. False unless it is known that it
        may.
        """
        ...

    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        """The data set's own annotation of a recording as parsed (cues, certainty ...), or None."""
        ...

    def frame_folder(self, recording_id: str) -> FrameFolder | None:
        """The folder of face crops of a recording, or None."""
        ...

    def takes(self) -> tuple[Take, ...]:
        """What the protocols know of the recordings that they use; no label is among it."""
        ...

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        """The folds of a protocol, checked: no person, clip or twin of a clip is on both sides."""
        ...

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        """What is missing, extra or corrupted. ``deep`` opens every film and looks into every
        picture.
        """
        ...


def dataset_names() -> list[str]:
    """Names of all data sets, built-in or installed."""
    return registry.names("datasets")


def load_dataset(name: str) -> type[Dataset]:
    """The class of a data set.

    Raises:
        BadInput: there is none of that name; the message lists what there is.
    """
    found: type[Dataset] = registry.load("datasets", name)
    return found


def open_dataset(root: Path | str, name: str | None = None) -> Dataset:
    """The data set that lies in a folder; without ``name``, by its layout (or the layout that
    ``study.json`` names).

    Raises: BadInput: no such folder; it fits no layout, or several (the message says what was
        looked for).
    """
    root = Path(root)
    if not root.is_dir():
        raise BadInput(
            f"{root}: expected a data set's folder, there is "
            f"{'a file' if root.exists() else 'nothing'}"
        )
    if name is None and study(root).get("layout") in dataset_names():
        name = str(study(root)["layout"])
    if name is not None:
        return load_dataset(name)(root)  # type: ignore[call-arg]
    classes = {n: load_dataset(n) for n in dataset_names()}
    fitting = [n for n, c in classes.items() if c.fits(root)]
    if len(fitting) > 1:
        raise BadInput(
            f"{root}: fits the layouts of {', '.join(fitting)}; say which with --name (name=...)"
        )
    if not fitting:
        looked = "; ".join(f"{n}: {c.looks_for}" for n, c in classes.items())
        raise BadInput(f"{root}: no known data set lies here. Looked for: {looked}")
    return classes[fitting[0]](root)  # type: ignore[call-arg]

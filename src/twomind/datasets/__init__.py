"""Data sets in their own folder layouts, behind one contract. Nothing is copied, renamed or
repaired.

A data set is one module here with ``PLUGIN``, a class that takes the root folder and fulfils
:class:`Dataset`; others declare the entry point ``twomind.datasets``. The name of the module, or of
the entry point, is the data set's name. :class:`twomind.datasets.base.Folder` has a default for
everything that may be left out, and :mod:`twomind.datasets.check` says whether the contract is
kept.
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
    """What every data set fulfils: a class that is called with the root folder.

    **What it must offer.** ``name``, ``licence``, ``access``, ``looks_for``, ``tasks`` and
    ``protocols`` say what it is without a folder. ``fits`` recognises a folder, and the class,
    called with it, opens it and raises ``BadInput`` where ``fits`` does not hold. ``recordings``,
    ``people`` and ``takes`` say what is in it; ``label`` and ``frame_labels`` what is known to be
    true; ``folds`` divides it; ``check`` looks for damage; ``fake`` writes a tiny folder on which
    all of this is tried. An open data set reads, writes nothing into its folder, and says the same
    each time.

    **What may be left out.** A subclass of :class:`twomind.datasets.base.Folder` inherits
    ``frame_labels`` (the recording's label throughout), ``may_be_shown`` (a stated yes, or a drawn
    person who did not say no), ``annotation_entry`` and ``frame_folder`` (none), ``folds``,
    ``check`` (films that are absent or damaged) and ``targets`` (none).

    **Identity.** A recording's ``id`` is unique in the data set and the same on every machine; a
    ``subject`` is one person under one name, in all visits. Folds, labels, stores and results
    refer to these two texts.

    **Units.** Times are seconds on the recording's own clock, which begins at 0; a class is its
    index in ``Task.classes``; spans are ``(start_s, end_s)`` with the end left out.

    **Labels are kept apart.** Only ``label`` and ``frame_labels`` tell a class, and only training
    and scoring ask them. ``recordings`` may carry the coders' ``segments`` (training and scoring
    read them; ``describe`` does not copy them into ``Features``). ``takes`` has no label, and who
    is in which fold does not depend on the classes, other than whether there is a label at all.

    **How absence is said.** Nothing is guessed. A recording that is listed and has no film is
    still among ``recordings``; its ``media`` is where the film should be, its ``duration_s`` nan.
    ``words`` None means not known, and ``words_reason`` says why; ``()`` means that nothing was
    said. An unknown class is None from ``label`` and -1 from ``frame_labels``. A person of whom
    nothing is known has an empty mapping. A recording that the data set does not have has no
    label, no entry and no folder; a task or protocol that it does not have raises ``BadInput``.

    **Synthetic people.** A folder that says so (:func:`twomind.datasets.checking.is_drawn`) gives
    recordings with ``drawn=True``, and so does a film that says so of itself
    (:func:`twomind.datasets.checking.film_header`); so does every ``fake``.

    **Consent.** Before a film gets into a report, the files ``people.csv``, ``participants.csv``
    and ``meta_data.yml`` of the folders around it are looked at
    (:mod:`twomind.datasets.consent`), without opening the data set. A data set that states consent
    elsewhere is opened where the file has people, person, participant, subject, meta or consent in
    its name.
    """

    #: The name under which it is registered.
    name: ClassVar[str]
    #: Licence in one sentence, and how to get the data.
    licence: ClassVar[str]
    access: ClassVar[str]
    #: The questions that it has answers for, at least one; the first is the default. The order of
    #: the classes is a contract. An open data set may have others than its class, where its folder
    #: names the question.
    tasks: tuple[Task, ...]
    #: Protocols that :meth:`folds` knows, by their names in ``protocols.PROTOCOLS``; ``targets-N``
    #: and ``people-K`` stand for any number. Not every folder must allow each of them.
    protocols: ClassVar[tuple[str, ...]]
    #: Published target people, for the protocols that name them; empty where nothing is published.
    targets: ClassVar[tuple[str, ...]]
    #: What :meth:`fits` looks for, in words.
    looks_for: ClassVar[str]

    #: The folder.
    root: Path

    def __init__(self, root: Path) -> None:
        """Open a folder. Reads nothing that :meth:`fits` need not read.

        Raises:
            BadInput: the folder has not this data set's layout.
        """
        ...

    @classmethod
    def fits(cls, root: Path) -> bool:
        """Whether the folder has this data set's layout.

        Quick, and False for any other folder, an empty one included: without a name, all data sets
        are asked, and two that fit one folder are an error.
        """
        ...

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        """Write a tiny folder in the real format, for tests, and return ``root``.

        At least three people who do not exist, marked as drawn (``fakes.mark_drawn``); two classes
        of each task; films of a few frames. The same seed writes the same files.
        """
        ...

    def recordings(self) -> tuple[Recording, ...]:
        """Every recording that the data set lists, also one whose film is absent; ordered by
        person.
        """
        ...

    def label(self, task_name: str, recording_id: str) -> int | None:
        """Class index of a recording; None when the data set does not say.

        Raises:
            BadInput: the data set has no such task.
        """
        ...

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        """``(T,)`` int64 class index at the asked times; -1 where the data set does not say.

        Args:
            task_name: name of one of ``tasks``.
            recording_id: id of a recording.
            times_s: ``(T,)`` seconds on the recording's clock, in any order.

        Raises:
            BadInput: the data set has no such task.
        """
        ...

    def people(self) -> Mapping[str, Mapping[str, str]]:
        """What is known of each person who has a recording: sex, age (years, as text), ethnicity,
        language, consent_publication (yes, no, unknown) ... as far as there.
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
        """The folder of face crops of a recording with the clock of their numbers, or None."""
        ...

    def takes(self) -> tuple[Take, ...]:
        """What the protocols know of the recordings that they use; no label is among it.

        A recording may be left out (one without a label, a level that no protocol compares).
        """
        ...

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        """The folds of a protocol, checked: no person, clip or twin of a clip is on both sides.

        The same protocol, seed and folder give the same folds in every process.

        Raises:
            BadInput: the data set has no such protocol, or its recordings do not allow it.
        """
        ...

    def check(self, deep: bool = False, progress: Progress | None = None) -> Report:
        """What is missing, extra or corrupted. ``deep`` opens every film and looks into every
        picture. Raises for no damage that it can list; tells ``progress`` how far it has come.
        """
        ...


def dataset_names() -> list[str]:
    """Names of all data sets, built-in or installed."""
    return registry.names("datasets")


def load_dataset(name: str) -> type[Dataset]:
    """The class of a data set.

    Args:
        name: of the plug-in.

    Raises:
        BadInput: there is none of that name; the message lists what there is.

    Example:
        >>> from twomind.datasets import load_dataset
        >>> load_dataset("own").looks_for
        'recordings.csv with the columns path and subject'
    """
    found: type[Dataset] = registry.load("datasets", name)
    return found


def open_dataset(root: Path | str, name: str | None = None) -> Dataset:
    """The data set that lies in a folder; without ``name``, by its layout (or the layout that
    ``study.json`` names).

    Args:
        root: the folder.
        name: name of the data set, where the folder does not say.

    Returns:
        The open data set: see :class:`Dataset`.

    Raises:
        BadInput: no such folder; it fits no layout, or several (the message says what was looked
            for).

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset, open_dataset
        >>> with TemporaryDirectory() as folder:
        ...     data = open_dataset(load_dataset("own").fake(Path(folder) / "fake"))
        ...     data.name, sorted(data.people())
        ('own', ['ada', 'bo', 'cy', 'di'])
    """
    root = Path(root)
    if not root.is_dir():
        there = "a file" if root.exists() else "nothing"
        raise BadInput(f"{root}: expected a data set's folder, there is {there}")
    stated = study(root).get("layout")
    if name is None and stated in dataset_names():
        name = str(stated)
    if name is not None:
        return load_dataset(name)(root)
    classes = {known: load_dataset(known) for known in dataset_names()}
    fitting = [known for known, dataset in classes.items() if dataset.fits(root)]
    if len(fitting) > 1:
        raise BadInput(
            f"{root}: fits the layouts of {', '.join(fitting)}; say which with --name (name=...)"
        )
    if not fitting:
        looked = "; ".join(f"{known}: {c.looks_for}" for known, c in classes.items())
        raise BadInput(f"{root}: no known data set lies here. Looked for: {looked}")
    return classes[fitting[0]](root)

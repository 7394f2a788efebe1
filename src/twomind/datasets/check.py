"""The public contract of every data set, as plain functions that raise ``AssertionError`` with what
broke.

``check_all(dataset)`` runs them on a folder that the data set's own ``fake`` writes; a third
party's data set passes the same ones:

>>> from twomind.datasets import load_dataset
>>> from twomind.datasets.check import check_all
>>> check_all(load_dataset("own"))
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from twomind.core.errors import BadInput
from twomind.datasets import Dataset, Report, leaks
from twomind.datasets.checking import is_drawn
from twomind.datasets.consent import refused
from twomind.datasets.fakes import unmark_drawn
from twomind.datasets.protocols import Take, rules
from twomind.types import Fold, Task

#: Ids, people, tasks and protocols of this name are in no data set.
NOBODY = "no such name"


def _refuses(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except BadInput:
        return
    raise AssertionError(f"{what}: expected BadInput")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def check_it_says_what_it_is(dataset: type[Dataset], root: Path) -> None:
    """Name, licence, access and layout in words; tasks with classes; protocols that there are.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_it_says_what_it_is
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_it_says_what_it_is(own, own.fake(Path(folder) / "fake"))
    """
    for attribute in ("name", "licence", "access", "looks_for"):
        assert _is_text(getattr(dataset, attribute, None)), f"expected a text as {attribute}"
    tasks = dataset.tasks
    assert tasks, "expected at least one task"
    for task in tasks:
        assert isinstance(task, Task), f"expected a Task, got {task!r}"
    assert len({task.name for task in tasks}) == len(tasks), "a task is there twice"
    assert dataset.protocols, "expected at least one protocol"
    for protocol in dataset.protocols:
        rules(protocol)
    assert isinstance(getattr(dataset, "targets", None), tuple), (
        "expected a tuple of people as targets"
    )


def check_only_its_own_layout_fits(dataset: type[Dataset], root: Path) -> None:
    """The fake folder fits; an empty one, and none at all, do not and are refused.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_only_its_own_layout_fits
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_only_its_own_layout_fits(own, own.fake(Path(folder) / "fake"))
    """
    assert dataset.fits(root), "the data set's own fake folder does not fit"
    with tempfile.TemporaryDirectory() as folder:
        for other in (Path(folder), Path(folder) / "absent"):
            assert not dataset.fits(other), f"{other.name}: a folder without the layout fits"
            _refuses(partial(dataset, other), "a folder without the layout")


def check_fakes_are_drawn(dataset: type[Dataset], root: Path) -> None:
    """The folder says that its people are synthetic, and so does every recording.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_fakes_are_drawn
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_fakes_are_drawn(own, own.fake(Path(folder) / "fake"))
    """
    assert is_drawn(root), "the fake folder is not marked as drawn"
    for recording in dataset(root).recordings():
        assert recording.drawn, f"{recording.id}: expected drawn=True"


def check_recordings(dataset: type[Dataset], root: Path) -> None:
    """Unique ids, each with a person and a film or folder; the same when opened again.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_recordings
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_recordings(own, own.fake(Path(folder) / "fake"))
    """
    recordings = dataset(root).recordings()
    assert isinstance(recordings, tuple), "expected a tuple of recordings"
    assert recordings, "expected recordings"
    ids = [recording.id for recording in recordings]
    assert len(set(ids)) == len(ids), "an id is there twice"
    again = [recording.id for recording in dataset(root).recordings()]
    assert ids == again, "opened again, the folder has other recordings"
    for recording in recordings:
        assert _is_text(recording.subject), f"{recording.id}: expected a subject"
        assert recording.media.exists(), f"{recording.id}: the fake folder has no {recording.media}"
        if recording.words is None:
            assert recording.words_reason, f"{recording.id}: no words, and no reason"


def check_order_of_recordings(dataset: type[Dataset], root: Path) -> None:
    """One person after the other, three at least.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_order_of_recordings
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_order_of_recordings(own, own.fake(Path(folder) / "fake"))
    """
    subjects = [recording.subject for recording in dataset(root).recordings()]
    n_people = len(set(subjects))
    assert n_people >= 3, "expected at least three people in the fake folder"
    n_changes = sum(a != b for a, b in pairwise(subjects))
    assert n_changes + 1 == n_people, "recordings are not ordered by person"


def check_labels(dataset: type[Dataset], root: Path) -> None:
    """Class indices or None; two classes at least; nothing of a stranger, an unknown task
    refused.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_labels
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_labels(own, own.fake(Path(folder) / "fake"))
    """
    data = dataset(root)
    for task in data.tasks:
        labels = {data.label(task.name, recording.id) for recording in data.recordings()}
        known = labels - {None}
        assert known <= set(range(len(task.classes))), f"{task.name}: no class index: {known}"
        assert len(known) >= 2, f"{task.name}: expected two classes in the fake folder"
        assert data.label(task.name, NOBODY) is None, "a recording that is not there has a label"
    first = data.recordings()[0].id
    _refuses(lambda: data.label(NOBODY, first), "label of an unknown task")


def check_frame_labels(dataset: type[Dataset], root: Path) -> None:
    """One class index or -1 for each time, whatever their number and order; -1 for a stranger.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_frame_labels
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_frame_labels(own, own.fake(Path(folder) / "fake"))
    """
    data = dataset(root)
    times_s = np.array([0.0, 0.45, 0.05, 0.2])
    for task in data.tasks:
        allowed = {-1, *range(len(task.classes))}
        for recording in data.recordings():
            labels = data.frame_labels(task.name, recording.id, times_s)
            assert labels.shape == (4,), f"{recording.id}: expected (4,), got {labels.shape}"
            assert labels.dtype == np.int64, f"{recording.id}: expected int64, got {labels.dtype}"
            assert set(labels.tolist()) <= allowed, f"{recording.id}: no class index: {labels}"
            one = [int(data.frame_labels(task.name, recording.id, t[None])[0]) for t in times_s]
            assert labels.tolist() == one, f"{recording.id}: asked one by one, labels differ"
            assert data.frame_labels(task.name, recording.id, times_s[:0]).shape == (0,)
        stranger = data.frame_labels(task.name, NOBODY, times_s)
        assert stranger.tolist() == [-1] * 4, "a recording that is not there has frame labels"
    first = data.recordings()[0].id
    _refuses(lambda: data.frame_labels(NOBODY, first, times_s), "frame labels of an unknown task")


def check_people(dataset: type[Dataset], root: Path) -> None:
    """Everybody who has a recording and nobody else; what is known is text.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_people
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_people(own, own.fake(Path(folder) / "fake"))
    """
    data = dataset(root)
    people = data.people()
    subjects = {recording.subject for recording in data.recordings()}
    assert set(people) == subjects, "people are not those of the recordings"
    for subject, known in people.items():
        for key, value in known.items():
            assert isinstance(value, str), f"{subject}: expected a text as {key}, got {value!r}"


def check_consent(dataset: type[Dataset], root: Path) -> None:
    """A stated answer other than yes is a no, in the data set and beside its films; without the
    mark of synthetic people, nobody is shown but by a stated yes.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_consent
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_consent(own, own.fake(Path(folder) / "fake"))
    """
    data = dataset(root)
    people = data.people()
    for recording in data.recordings():
        subject = recording.subject
        stated = people[subject].get("consent_publication", "").strip().lower()
        shown = data.may_be_shown(subject)
        assert isinstance(shown, bool), f"{subject}: expected True or False, got {shown!r}"
        if stated == "no":
            assert not shown, f"{subject} refused, and may be shown"
            assert refused(recording.media, NOBODY), (
                f"{recording.id}: {subject} refused, and nothing around the film says so"
            )
    with _copy_of(root) as copy:
        real = dataset(unmark_drawn(copy))
        people = real.people()
        for recording in real.recordings():
            subject = recording.subject
            stated = people[subject].get("consent_publication", "").strip().lower()
            if not recording.drawn and stated != "yes":
                assert not real.may_be_shown(subject), f"{subject}: shown without a stated yes"


def check_a_stranger_has_nothing(dataset: type[Dataset], root: Path) -> None:
    """A recording that is not there has no entry and no folder of pictures.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_a_stranger_has_nothing
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_a_stranger_has_nothing(own, own.fake(Path(folder) / "fake"))
    """
    data = dataset(root)
    assert data.annotation_entry(NOBODY) is None, "expected no entry of a recording not there"
    assert data.frame_folder(NOBODY) is None, "expected no pictures of a recording not there"


def check_frame_folders(dataset: type[Dataset], root: Path) -> None:
    """Where a recording has a folder of pictures, they have times in order.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_frame_folders
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_frame_folders(own, own.fake(Path(folder) / "fake"))
    """
    data = dataset(root)
    for recording in data.recordings():
        folder = data.frame_folder(recording.id)
        if folder is None:
            continue
        times_s = folder.clock.seconds([number for number, _ in folder.files])
        assert len(times_s), f"{recording.id}: its folder of pictures has none"
        assert (np.diff(times_s) > 0).all(), f"{recording.id}: times of pictures are not in order"


def check_takes(dataset: type[Dataset], root: Path) -> None:
    """Each is of one recording, of the same person, and only once.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_takes
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_takes(own, own.fake(Path(folder) / "fake"))
    """
    data = dataset(root)
    subjects = {recording.id: recording.subject for recording in data.recordings()}
    takes = data.takes()
    for take in takes:
        assert isinstance(take, Take), f"expected a Take, got {take!r}"
        assert subjects.get(take.id) == take.subject, f"{take.id}: no such recording of its person"
    assert len({take.id for take in takes}) == len(takes), "a recording is in two takes"


def _asked(protocol: str) -> str:
    """A protocol with the smallest number that makes sense."""
    return {"targets-N": "targets-1", "people-K": "people-2"}.get(protocol, protocol)


def _folds(data: Dataset) -> Iterator[tuple[str, tuple[Fold, ...]]]:
    """The folds of every protocol that the folder allows."""
    for protocol in data.protocols:
        asked = _asked(protocol)
        try:
            folds = data.folds(asked, seed=2)
        except BadInput:
            continue
        yield asked, folds


def check_folds(dataset: type[Dataset], root: Path) -> None:
    """At least one protocol can be made on the fake folder; people are apart; a seed repeats;
    others are refused.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_folds
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_folds(own, own.fake(Path(folder) / "fake"))
    """
    data = dataset(root)
    recordings = {recording.id: recording for recording in data.recordings()}
    made = dict(_folds(data))
    assert made, "none of the protocols can be made on the fake folder"
    for protocol, folds in made.items():
        assert folds, f"{protocol}: no fold"
        for fold in folds:
            leaks.check_fold(fold, recordings)
        again = dataset(root).folds(protocol, seed=2)
        assert folds == again, f"{protocol}: the same seed gives other folds"
    _refuses(lambda: data.folds(NOBODY), "an unknown protocol")


def check_folds_look_at_no_class(dataset: type[Dataset], root: Path) -> None:
    """With every class exchanged for the next, the folds are the same.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_folds_look_at_no_class
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_folds_look_at_no_class(own, own.fake(Path(folder) / "fake"))
    """
    data = dataset(root)
    classes = {task.name: len(task.classes) for task in data.tasks}

    def exchanged(_: Dataset, task_name: str, recording_id: str) -> int | None:
        label = data.label(task_name, recording_id)
        return None if label is None else (label + 1) % classes[task_name]

    other = type("Exchanged", (dataset,), {"label": exchanged})(root)
    assert dict(_folds(data)) == dict(_folds(other)), "the folds depend on the classes"


def _check_is_clean(report: Report) -> None:
    for kind in ("missing", "extra", "corrupted", "conflicts"):
        found = getattr(report, kind)
        assert not found, f"a whole folder, and {kind}: {found[0].path}: {found[0].reason}"


def check_a_whole_folder_is_whole(dataset: type[Dataset], root: Path) -> None:
    """A check of the fake folder finds nothing, counts right, and tells how far it has come.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_a_whole_folder_is_whole
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_a_whole_folder_is_whole(own, own.fake(Path(folder) / "fake"))
    """
    data = dataset(root)
    told: list[tuple[str, float, float]] = []
    for deep in (False, True):
        report = data.check(deep=deep, progress=lambda *said: told.append(said))
        _check_is_clean(report)
        assert report.name == data.name, f"the report is of {report.name}"
        assert report.deep == deep, "the report does not say how deep it looked"
        assert report.n_recordings == len(data.recordings()), "recordings are miscounted"
        assert report.n_people == len(data.people()), "people are miscounted"
    assert told, "the check told no progress"
    assert told[-1][1] == told[-1][2] > 0, "the check did not tell that it has come to the end"


def check_damage_is_listed(dataset: type[Dataset], root: Path) -> None:
    """A film (or folder) that is gone is missing, one that was emptied is corrupted, and one that
    no list names is extra.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_damage_is_listed
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_damage_is_listed(own, own.fake(Path(folder) / "fake"))
    """
    with _copy_of(root) as copy:
        media = dataset(copy).recordings()[1].media
        if media.is_dir():
            shutil.rmtree(media)
        else:
            media.unlink()
        report = dataset(copy).check()
        assert report.missing, f"{media.name} is gone, and nothing is missing"
        assert not report.complete, "a folder with a missing film is complete"
    with _copy_of(root) as copy:
        media = dataset(copy).recordings()[0].media
        victim = min(media.iterdir()) if media.is_dir() else media
        victim.write_bytes(b"")
        (media.parent / "stranger.mp4").write_bytes(b"no list names this")
        report = dataset(copy).check(deep=True)
        assert report.extra, "a film that no list names was added, and nothing is extra"
        assert report.corrupted, f"{victim.name} is empty, and nothing is corrupted"


def check_nothing_is_written(dataset: type[Dataset], root: Path) -> None:
    """Reading, dividing and checking leave the folder as it was.

    Args:
        dataset: its class, not an open folder.
        root: the folder that ``dataset.fake`` wrote; it is left as it was.

    Raises:
        AssertionError: it does not; the message says how.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_nothing_is_written
        >>> own = load_dataset("own")
        >>> with TemporaryDirectory() as folder:
        ...     check_nothing_is_written(own, own.fake(Path(folder) / "fake"))
    """
    before = _state(root)
    data = dataset(root)
    dict(_folds(data))
    data.check(deep=True)
    assert _state(root) == before, "the data set's folder was written to"


def _state(root: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for path in root.rglob("*"):
        stat = path.stat()
        found[path.relative_to(root).as_posix()] = (stat.st_size, stat.st_mtime_ns)
    return found


class _copy_of:
    """A copy of a folder that may be damaged; gone at the end."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Path:
        return Path(shutil.copytree(self._root, Path(self._folder.name) / "copy"))

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


CHECKS = tuple(f for name, f in list(globals().items()) if name.startswith("check_"))


def check_all(dataset: type[Dataset]) -> None:
    """Every check, on a folder that the data set's ``fake`` writes.

    Args:
        dataset: its class, not an open folder.

    Raises:
        AssertionError: the data set breaks the contract; the message says how.

    Example:
        >>> from twomind.datasets import load_dataset
        >>> from twomind.datasets.check import check_all
        >>> check_all(load_dataset("own"))
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "fake"
        root = dataset.fake(asked, seed=1)
        assert root == asked, f"fake: expected the folder that it wrote, {asked}, got {root}"
        for check in CHECKS:
            check(dataset, root)

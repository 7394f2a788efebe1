"""Every registered data set keeps the public contract on its own fake folder, and the checks see
what they are there for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twomind.core.errors import BadInput
from twomind.datasets import Report, check, dataset_names, load_dataset
from twomind.datasets.own import Own
from twomind.datasets.protocols import Take
from twomind.types import Fold, Recording

NAMES = dataset_names()


@pytest.fixture(scope="module")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in made:
            made[name] = load_dataset(name).fake(tmp_path_factory.mktemp(name), seed=1)
        return made[name]

    return of


@pytest.mark.parametrize("checked", check.CHECKS, ids=lambda checked: checked.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_every_registered_data_set_keeps_the_contract(
    name: str, checked: Callable[..., None], fakes: Callable[[str], Path]
) -> None:
    checked(load_dataset(name), fakes(name))


def test_a_data_set_is_registered_under_its_own_name() -> None:
    assert {name: load_dataset(name).name for name in NAMES} == dict(zip(NAMES, NAMES, strict=True))


# --- data sets that break it
# ----------------------------------------------------------------------------------------------------


class NoLicence(Own):
    licence = ""


class UnknownProtocol(Own):
    protocols = ("leave-one-person-out", "by-the-weather")


class FitsEverything(Own):
    @classmethod
    def fits(cls, root: Path) -> bool:
        return True


class NotDrawn(Own):
    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        Own.fake(root, seed)
        (root / "study.json").unlink()
        return root


class Unordered(Own):
    def recordings(self) -> tuple[Recording, ...]:
        found = super().recordings()
        return (*found[::2], *found[1::2])


class SameIds(Own):
    def recordings(self) -> tuple[Recording, ...]:
        found = super().recordings()
        return (*found, found[-1])


class LabelsOfStrangers(Own):
    def label(self, task_name: str, recording_id: str) -> int | None:
        super().label(task_name, recording_id)
        return super().label(task_name, recording_id) or 0


class AnyTask(Own):
    def label(self, task_name: str, recording_id: str) -> int | None:
        return super().label(self.tasks[0].name, recording_id)


class NamesOfClasses(Own):
    def label(self, task_name: str, recording_id: str) -> Any:
        label = super().label(task_name, recording_id)
        return None if label is None else self.tasks[0].classes[label]


class FloatFrames(Own):
    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        return super().frame_labels(task_name, recording_id, times_s).astype(float)


class SortedFrames(Own):
    """Takes the times for ascending ones."""

    def frame_labels(self, task_name: str, recording_id: str, times_s: np.ndarray) -> np.ndarray:
        return super().frame_labels(task_name, recording_id, np.sort(times_s))


class OnePersonMore(Own):
    def people(self) -> Mapping[str, Mapping[str, str]]:
        return {**super().people(), "stranger": {}}


class AgesAsNumbers(Own):
    def people(self) -> Mapping[str, Mapping[str, Any]]:
        return {person: {**known, "age": 30} for person, known in super().people().items()}


class ShowsEverybody(Own):
    def may_be_shown(self, subject: str) -> bool:
        return True


class HidesConsent(Own):
    """States who refused in a file in which nobody would look for it."""

    @staticmethod
    def fake(root: Path, seed: int = 0) -> Path:
        Own.fake(root, seed)
        shutil.move(root / "people.csv", root / "table7.csv")
        return root

    def people(self) -> Mapping[str, Mapping[str, str]]:
        found = {person: dict(known) for person, known in super().people().items()}
        found["bo"]["consent_publication"] = "no"
        return found


class ShowsWithoutConsent(Own):
    """Follows a stated no, and takes silence for a yes."""

    def may_be_shown(self, subject: str) -> bool:
        return self.people()[subject].get("consent_publication") != "no"


class EntryOfAnybody(Own):
    def annotation_entry(self, recording_id: str) -> Mapping[str, Any] | None:
        return super().annotation_entry(recording_id) or {}


class TakesOfOthers(Own):
    def takes(self) -> tuple[Take, ...]:
        return (*super().takes(), Take("ada answer 9", "ada"))


class OtherFoldsEachTime(Own):
    n = 0

    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        OtherFoldsEachTime.n += 1
        return super().folds(protocol, seed + OtherFoldsEachTime.n)


class FoldsOfNothing(Own):
    def folds(self, protocol: str, seed: int = 0) -> tuple[Fold, ...]:
        raise BadInput("there is not enough of anything")


class NeutralByLabel(Own):
    """Who is handed over as neutral is decided by the answer."""

    def takes(self) -> tuple[Take, ...]:
        found = []
        for take in super().takes():
            neutral = self.label(self.tasks[0].name, take.id) == 0
            found.append(Take(take.id, take.subject, take.question, neutral, order=take.order))
        return tuple(found)


class Careless(Own):
    """Finds everything whole."""

    def check(self, deep: bool = False, progress: Any = None) -> Report:
        if progress:
            progress("looking", 1, 1)
        return Report(self.name, self.root, len(self.rows), len(self.people()), deep=deep)


class Silent(Own):
    def check(self, deep: bool = False, progress: Any = None) -> Report:
        return super().check(deep)


class Strict(Own):
    """Takes a whole folder for a damaged one."""

    def check(self, deep: bool = False, progress: Any = None) -> Report:
        (self.root / "stranger.mp4").write_bytes(b"x")
        report = super().check(deep, progress)
        (self.root / "stranger.mp4").unlink()
        return report


class Writes(Own):
    def check(self, deep: bool = False, progress: Any = None) -> Report:
        (self.root / "seen.txt").write_text("yes")
        return super().check(deep, progress)


class OneTaskTwice(Own):
    tasks = (Own.tasks[0], Own.tasks[0])


BROKEN = {
    NoLicence: ("check_it_says_what_it_is", "licence"),
    UnknownProtocol: ("check_it_says_what_it_is", "by-the-weather"),
    OneTaskTwice: ("check_it_says_what_it_is", "twice"),
    FitsEverything: ("check_only_its_own_layout_fits", "fits"),
    NotDrawn: ("check_fakes_are_drawn", "drawn"),
    Unordered: ("check_order_of_recordings", "ordered by person"),
    SameIds: ("check_recordings", "an id is there twice"),
    LabelsOfStrangers: ("check_labels", "not there has a label"),
    NamesOfClasses: ("check_labels", "no class index"),
    AnyTask: ("check_labels", "unknown task"),
    FloatFrames: ("check_frame_labels", "int64"),
    SortedFrames: ("check_frame_labels", "one by one"),
    OnePersonMore: ("check_people", "not those of the recordings"),
    AgesAsNumbers: ("check_people", "expected a text as age"),
    ShowsEverybody: ("check_consent", "bo refused, and may be shown"),
    HidesConsent: ("check_consent", "nothing around the film says so"),
    ShowsWithoutConsent: ("check_consent", "without a stated yes"),
    EntryOfAnybody: ("check_a_stranger_has_nothing", "no entry"),
    TakesOfOthers: ("check_takes", "ada answer 9"),
    OtherFoldsEachTime: ("check_folds", "other folds"),
    FoldsOfNothing: ("check_folds", "none of the protocols"),
    NeutralByLabel: ("check_folds_look_at_no_class", "depend on the classes"),
    Silent: ("check_a_whole_folder_is_whole", "no progress"),
    Strict: ("check_a_whole_folder_is_whole", "stranger.mp4"),
    Careless: ("check_damage_is_listed", "nothing is missing"),
    Writes: ("check_nothing_is_written", "written to"),
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_data_set_is_seen(broken: type[Own], tmp_path: Path) -> None:
    name, message = BROKEN[broken]
    checked = getattr(check, name)
    root = broken.fake(tmp_path / "fake", seed=1)
    with pytest.raises((AssertionError, BadInput), match=message):
        checked(broken, root)


def test_every_check_sees_something() -> None:
    unseen = {checked.__name__ for checked in check.CHECKS} - {name for name, _ in BROKEN.values()}
    assert unseen == {"check_frame_folders"}


def test_check_all_runs_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[type] = []
    monkeypatch.setattr(check, "CHECKS", (lambda dataset, root: run.append(dataset),) * 3)
    check.check_all(Own)  # type: ignore[arg-type]
    assert run == [Own] * 3

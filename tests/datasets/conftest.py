"""Fake folders of the data sets, which their tests read and damage copies of."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from twomind.datasets import load_dataset


class Fakes(dict[str, Path]):
    """The fake folder of each data set, made when it is asked for first."""

    def __init__(self, new_folder: Callable[[str], Path]) -> None:
        super().__init__()
        self._new_folder = new_folder

    def __missing__(self, name: str) -> Path:
        self[name] = load_dataset(name).fake(self._new_folder(name), seed=1)
        return self[name]


@pytest.fixture(scope="session")
def fakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return Fakes(tmp_path_factory.mktemp)


@pytest.fixture
def copy(fakes: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a fake folder that a test may damage."""

    def make(name: str) -> Path:
        return Path(shutil.copytree(fakes[name], tmp_path / name))

    return make

"""What lies below a folder is read once; a change by anybody, in whatever way, is seen."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from twomind.core.below import Below


def age(folder: Path) -> None:
    """Let everything there have been changed some time ago."""
    before = time.time() - 60
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (before, before))


class Reader:
    """Reads a file, and counts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.memory = folder.parent / "index" / "one.json"
        self.read: list[str] = []

    def __call__(self, path: Path) -> str:
        self.read.append(path.name)
        return path.read_text()

    def look(self) -> dict[str, str]:
        """Facts by path; ``read`` names the files that were read for it."""
        self.read.clear()
        below = Below(self.folder, self.memory, self, (".txt",)).look()
        found = below.files(lambda name: name.endswith(".txt"))
        return {str(one.path.relative_to(self.folder)): one.fact for one in found}


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    for number in range(4):
        folder = tmp_path / "root" / f"p{number}" / "states"
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text(f"a{number}")
        (folder / "b.bin").write_text("other")
    age(tmp_path / "root")
    return Reader(tmp_path / "root")


def test_only_what_changed_is_read_again(reader: Reader) -> None:
    first = reader.look()
    assert first == {f"p{n}/states/a.txt": f"a{n}" for n in range(4)}
    assert len(reader.read) == 4
    assert reader.look() == first
    assert reader.read == []
    # Another file, one that is gone, one in a folder that is new, one that was renamed.
    (reader.folder / "p0" / "states" / "new.txt").write_text("new")
    (reader.folder / "p1" / "states" / "a.txt").unlink()
    (reader.folder / "p9").mkdir()
    (reader.folder / "p9" / "c.txt").write_text("c9")
    (reader.folder / "p2").rename(reader.folder / "q2")
    shutil.rmtree(reader.folder / "p3")
    assert reader.look() == {
        "p0/states/a.txt": "a0",
        "p0/states/new.txt": "new",
        "p9/c.txt": "c9",
        "q2/states/a.txt": "a2",
    }
    assert sorted(reader.read) == ["a.txt", "c.txt", "new.txt"]


def test_a_file_that_was_written_over_is_read_whatever_its_time_says(reader: Reader) -> None:
    reader.look()
    path = reader.folder / "p0" / "states" / "a.txt"
    path.write_text("A0")  # in place, and of the same length
    age(reader.folder)
    assert reader.look()["p0/states/a.txt"] == "A0"


def test_what_changed_only_now_is_read_again(reader: Reader) -> None:
    path = reader.folder / "p0" / "states" / "a.txt"
    path.write_text("A0")
    reader.look()
    assert reader.look()["p0/states/a.txt"] == "A0"
    assert reader.read == ["a.txt"]


@pytest.mark.parametrize("harm", ["", "{", "[]", '{"version": 0}', '{"version": 1, "root": 3}'])
def test_without_a_memory_all_is_read_and_it_is_made_anew(reader: Reader, harm: str) -> None:
    first = reader.look()
    reader.memory.write_text(harm)
    assert reader.look() == first
    assert len(reader.read) == 4
    reader.look()
    assert reader.read == []


def test_of_a_folder_that_is_gone_nothing_is_remembered(reader: Reader) -> None:
    reader.look()
    assert reader.memory.exists()
    shutil.rmtree(reader.folder)
    assert reader.look() == {}
    assert not reader.memory.exists()

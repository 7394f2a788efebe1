"""What counts as another measure: code that runs, libraries, weights; and what does not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from twomind.core import source_mark as marks
from twomind.core.kept_marks import kept_marks
from twomind.core.source_mark import source_mark, weights_mark

#: A package whose measure uses `maths` by another name, `late` in a function, and `typed` nowhere.
FILES = {
    "__init__.py": "from .begun import STARTED\n\ndef rarely():\n    from . import rare\n",
    "begun.py": "STARTED = 1\n",
    "rare.py": "RARE = 1\n",
    "measure.py": '''"""Measures."""
from __future__ import annotations

from typing import TYPE_CHECKING

import madeup_library
import measured.maths as m

if TYPE_CHECKING:
    from measured import typed


def measure(x: typed.Number) -> float:
    """Twice."""
    from .below import late

    return m.twice(x) + late.ONE


def unused(x):
    return x
''',
    "maths.py": "def twice(x):\n    return 2 * x\n",
    "typed.py": "Number = float\n",
    "stranger.py": "VALUE = 1\n",
    "below/__init__.py": "",
    "below/late.py": "import importlib\n\nONE = 1\nimportlib.import_module('measured.named')\n",
    "named.py": "NAMED = 1\n",
}


def as_in_a_new_process() -> None:
    for cached in (marks._source_mark, marks._module, marks._file, marks._folder, kept_marks):
        cached.cache_clear()


class Packages:
    """Gives the mark of a package's measure; each time, its files lie in a new folder. What was
    found in them is kept for the next time, as it is of the library's own.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder, self._patch, self._n = folder, patch, 0

    def mark(
        self, changed: Mapping[str, str] | None = None, entry: str = "measured.measure"
    ) -> str:
        self._n += 1
        for name, text in {**FILES, **(changed or {})}.items():
            path = self._folder / str(self._n) / "measured" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        as_in_a_new_process()
        with self._patch.context() as patch:
            patch.syspath_prepend(self._folder / str(self._n))
            return source_mark(entry)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    with monkeypatch.context() as patch:
        patch.setenv("TWOMIND_STORE", str(tmp_path / "cache"))
        patch.setattr(marks, "_PACKAGE", "measured")
        yield Packages(tmp_path, monkeypatch)
    as_in_a_new_process()
    marks._version.cache_clear()


def edited(name: str, *edits: tuple[str, str]) -> dict[str, str]:
    """One file with texts replaced."""
    text = FILES[name]
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return {name: text}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"maths.py": "# A comment.\n\n\ndef twice(x):  # and another\n    return 2 * x\n"},
        {"maths.py": 'def twice(x):\n    """What it does."""\n    return (2\n        * x)\n'},
        {"begun.py": 'STARTED = 1\n"""What it says."""\n'},
        edited("measure.py", ('"""Measures."""', ""), ('"""Twice."""', '"""Two times."""')),
        edited(
            "measure.py", ("from measured import typed", "from measured import typed, stranger")
        ),
        {"typed.py": "Number = int\n"},
        {"stranger.py": "VALUE = 2\n"},
        {"rare.py": "RARE = 2\n"},
        {"begun.py": "STARTED = 1\n__version__ = '2'\n"},
        {"unknown.py": "NEW = 1\n"},
    ],
)
def test_what_changes_no_value_keeps_the_mark(packages: Packages, changed: dict[str, str]) -> None:
    assert packages.mark() == packages.mark(changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"maths.py": "def twice(x):\n    return 3 * x\n"},
        {"maths.py": "def twice(x):\n    return 2.0 * x\n"},
        {"maths.py": "def twice(x, y=2):\n    return 2 * x\n"},
        {"begun.py": "STARTED = 2\n"},
        {"below/late.py": FILES["below/late.py"].replace("ONE = 1", "ONE = 2")},
        {"below/__init__.py": "import sys\n"},
        {"named.py": "NAMED = 2\n"},
        edited("measure.py", ("return x", "return -x")),
        edited("measure.py", ("if TYPE_CHECKING:", "if True:")),
        edited("measure.py", ("madeup_library", "another_library")),
    ],
)
def test_what_can_change_a_value_changes_the_mark(
    packages: Packages, changed: dict[str, str]
) -> None:
    assert packages.mark() != packages.mark(changed)


def test_a_package_s_functions_count_where_one_of_them_is_asked_for(packages: Packages) -> None:
    asking = edited("measure.py", ("import measured.maths as m", "from measured import rarely"))
    assert packages.mark(asking) != packages.mark({**asking, "rare.py": "RARE = 2\n"})


def test_another_version_of_a_library_is_another_measure(
    packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mark(installed: str) -> str:
        marks._version.cache_clear()
        with monkeypatch.context() as patch:
            versions = {"madeup_library": installed, "stranger_library": installed}
            patch.setattr(marks, "version", versions.__getitem__)
            return packages.mark()

    assert mark("1.0") == mark("1.0") != mark("1.1")


def test_the_distribution_is_named_where_it_is_called_otherwise() -> None:
    assert marks._version("yaml").startswith("PyYAML ")
    assert marks._version("numpy").startswith("numpy ")
    assert marks._version("no_such_library") == "absent"


def test_one_function_of_a_module_can_be_named(packages: Packages) -> None:
    entry = "measured.measure:measure"
    same = edited("measure.py", ("return x", "return -x"))
    other = edited("measure.py", ("+ late.ONE", "- late.ONE"))
    assert packages.mark(entry=entry) == packages.mark(same, entry) != packages.mark(other, entry)


def test_what_is_not_there_as_a_file_is_an_error(packages: Packages) -> None:
    for entry in ("measured.absent", "measured.measure:absent", "no_such_package.measure"):
        with pytest.raises(ModuleNotFoundError, match=r"absent|no_such_package"):
            packages.mark(entry=entry)
    assert not marks.has_source("no_such_package.measure")


def test_every_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    tree = marks._tree
    monkeypatch.setattr(marks, "_tree", lambda module: read.append(module) or tree(module))
    monkeypatch.setenv("TWOMIND_STORE", str(tmp_path))
    as_in_a_new_process()
    for _ in range(2):
        source_mark("twomind.features.face.reader")
        first = source_mark("twomind.features.voice.track")
    assert "twomind.types.features" in read
    assert len(read) == len(set(read))
    # The next process reads none of them, unless what was kept is damaged or of other code.
    n_read = len(read)
    as_in_a_new_process()
    assert source_mark("twomind.features.voice.track") == first
    assert len(read) == n_read
    kept = tmp_path / "marks.json"
    for text in (kept.read_text().replace('"maker": "', '"maker": "x'), "[1]", "{", ""):
        kept.write_text(text)
        as_in_a_new_process()
        assert source_mark("twomind.features.voice.track") == first
        assert len(read) > n_read
        n_read = len(read)
    as_in_a_new_process()


def test_the_folder_of_the_store_is_private_where_marks_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies there later is measures of people."""
    folder = tmp_path / "cache" / "twomind"
    monkeypatch.setenv("TWOMIND_STORE", str(folder))
    as_in_a_new_process()
    source_mark("twomind.core.spool")
    as_in_a_new_process()
    assert (folder / "marks.json").is_file()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_where_nothing_can_be_kept_marks_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOMIND_STORE", str(tmp_path))
    as_in_a_new_process()
    first = source_mark("twomind.core.spool")
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("TWOMIND_STORE", str(tmp_path / "a file"))
    as_in_a_new_process()
    assert source_mark("twomind.core.spool") == first
    as_in_a_new_process()


def test_weights_are_their_content(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"one")
    b.write_bytes(b"one")
    first = weights_mark((a,))
    assert first == weights_mark((b,)) != weights_mark((a, b))
    a.write_bytes(b"two")
    os.utime(a, ns=(1, 1))
    assert weights_mark((a,)) != first
    assert weights_mark(()) != first


@pytest.mark.parametrize("name", ["values.toml", "values.csv"])
def test_a_table_beside_a_module_counts_with_what_it_holds(packages: Packages, name: str) -> None:
    reads = {"maths.py": FILES["maths.py"] + f"\nTABLE = {name!r}\n"}
    before = packages.mark({**reads, name: "one = 1\n"})
    assert packages.mark({**reads, name: "one = 2\n"}) != before
    assert packages.mark({**reads, name: "one = 1\n", "other.toml": "one = 2\n"}) == before
    assert packages.mark(reads) != before


def test_a_comment_in_a_table_does_not_count(packages: Packages) -> None:
    reads = {"maths.py": FILES["maths.py"] + "\nTABLE = 'values.toml'\n"}
    before = packages.mark({**reads, "values.toml": "one = 1\n"})
    assert packages.mark({**reads, "values.toml": "# The first.\none = 1\n"}) == before

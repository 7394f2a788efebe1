"""The Python interface: what is public stays so until somebody decides otherwise, and is found."""

from __future__ import annotations

import difflib
import subprocess
import sys

import pytest

import twomind as tm

pytest.importorskip("griffe")
import public_names


def test_no_public_name_changes_by_accident() -> None:
    """Where one is meant to: ``python -m tests.public_names``, and a line in CHANGELOG.md."""
    before = public_names.KEPT.read_text(encoding="utf-8").splitlines()
    changed = list(difflib.unified_diff(before, public_names.lines(), "before", "now", "", "", 0))
    assert not changed, "\n".join(changed)


@pytest.mark.parametrize("name", tm.__all__)
def test_every_name_of_the_package_is_there_and_listed(name: str) -> None:
    assert getattr(tm, name) is not None
    assert name in dir(tm)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'guess'"):
        _ = tm.guess


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, twomind; print(sorted({'numpy', 'torch', 'av', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

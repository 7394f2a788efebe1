"""Files without a name, on the disk or in memory."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from twomind.core import scratch
from twomind.core.errors import BadInput
from twomind.core.spool import Spool

linux = pytest.mark.skipif(not scratch.can_be_in_memory(), reason="this system has no memfd")


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Temporary files cannot be made on the disk."""
    absent = tmp_path / "absent"
    monkeypatch.setattr(tempfile, "tempdir", str(absent))
    return absent


@linux
def test_in_memory_nothing_touches_the_disk(no_disk: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scratch.scratch_file("x")
    with scratch.in_memory():
        spool = Spool((2,))
        spool.append(np.ones((3, 2)))
        assert spool.read().tolist() == [[1, 1]] * 3
        spool.close()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(scratch.scratch_file, "x").result().close()
    with pytest.raises(FileNotFoundError):
        scratch.scratch_file("x")


@linux
def test_a_file_in_memory_has_a_path_of_this_process() -> None:
    with scratch.memory_file("film") as file:
        file.write(b"abc")
        file.flush()
        assert scratch.path_of(file).read_bytes() == b"abc"


def test_another_system_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with pytest.raises(BadInput, match="memfd_create"), scratch.in_memory():
        pass
    scratch.scratch_file("x").close()

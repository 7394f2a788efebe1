"""What tests of experiments share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own cache, or its results into the folder of real ones."""
    monkeypatch.setenv("TWOMIND_STORE", str(tmp_path_factory.mktemp("store")))
    monkeypatch.setattr("experiments.record.OUT", tmp_path_factory.mktemp("out"))

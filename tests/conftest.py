"""What tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent

# Neither of hypothesis's own limits on time: a busy machine trips them. The same examples in every run.
settings.register_profile("twomind", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("twomind")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The team's folder of golden numbers and public data; a stranger's clone has none, and the test is skipped."""
    folder = Path(os.environ.get("TWOMIND_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"needs the folder {folder} (set TWOMIND_SHARED)")
    return folder


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own cache, and none runs a CLIP in whatever is fastest on the machine."""
    monkeypatch.setenv("TWOMIND_STORE", str(tmp_path_factory.mktemp("store")))
    monkeypatch.setenv("TWOMIND_CLIP_RUNTIME", "torch")

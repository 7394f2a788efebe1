"""A laboratory's key, and a bundle under it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bundle_world import (
    made_up,
)
from twomind.core.lab_key import lab_key
from twomind.evaluation.bundle import write_bundle


@pytest.fixture
def key(tmp_path: Path) -> Any:
    return lab_key(tmp_path / "keys" / "laboratory.key")


@pytest.fixture
def tar(tmp_path: Path, key: Any) -> Path:
    write_bundle([made_up()], tmp_path / "b.tar", key, tables={"table": {"82711": [0.5]}})
    return tmp_path / "b.tar"

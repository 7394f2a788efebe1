"""A study and its server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra 'server'")
pytest.importorskip("httpx", reason="starlette's test client needs it")

from server_world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "study")


@pytest.fixture
def make_world(tmp_path: Path) -> Callable[..., World]:
    def make(name: str = "other", **more: Any) -> World:
        return World(tmp_path / name, **more)

    return make

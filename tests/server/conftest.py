"""A study and its server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra 'server'")
pytest.importorskip("httpx2", reason="starlette's test client needs it")

from argon2 import PasswordHasher

from server_world import World
from twomind.server import access


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing is meant to be slow; not here."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(access, "_HASHER", quick)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "study")


@pytest.fixture
def make_world(tmp_path: Path) -> Callable[..., World]:
    def make(name: str = "other", **more: Any) -> World:
        return World(tmp_path / name, **more)

    return make

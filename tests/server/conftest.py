"""A study and its server."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra 'server'")
pytest.importorskip("httpx2", reason="starlette's test client needs it")

from argon2 import PasswordHasher

import postgres_tools
import server_world
from server_world import World
from twomind.server import access

#: Every write is flushed to the disk, which a folder in memory does at once.
_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session", autouse=True)
def _database() -> Iterator[None]:
    """With TWOMIND_TEST_POSTGRESQL=1 every study of these tests has a PostgreSQL database of its own."""
    if os.environ.get("TWOMIND_TEST_POSTGRESQL") != "1":
        yield
        return
    with postgres_tools.running() as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_world, "fresh_database", lambda: postgres_tools.fresh(server))
        yield


@pytest.fixture(scope="module", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Hashing is meant to be slow; not here."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access, "_HASHER", quick)
        patch.setattr(access, "_NOBODY", quick.hash("nobody"))
        yield


def _folder() -> Iterator[Path]:
    near = str(_MEMORY) if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="twomind-", dir=near) as folder:
        yield Path(folder)


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """A folder of this test's own, in memory where there is room."""
    yield from _folder()


@pytest.fixture(scope="module")
def module_path() -> Iterator[Path]:
    """A folder of this file of tests."""
    yield from _folder()


@pytest.fixture
def world(quick_path: Path) -> World:
    return World(quick_path / "study")


@pytest.fixture
def make_world(quick_path: Path) -> Callable[..., World]:
    def make(name: str = "other", **more: Any) -> World:
        return World(quick_path / name, **more)

    return make

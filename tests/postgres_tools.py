"""A PostgreSQL of the tests' own, reached by a socket only."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from patience import HANG_S

_BIN = Path("/usr/lib/postgresql/15/bin")
#: Nothing here has to outlive a power cut, and a study that a test leaves open keeps its connections.
_SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=500", "shared_buffers=32MB")


@contextmanager
def running() -> Iterator[str]:
    """The address of a server that runs until the block ends. Without PostgreSQL 15 the test is skipped."""
    pytest.importorskip("psycopg", reason="needs the extra 'postgres'")
    if not _BIN.is_dir():
        pytest.skip("needs PostgreSQL 15")
    # A socket's path may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="tmpg", dir="/tmp"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "d"
    initdb = [*as_user, str(_BIN / "initdb"), "-D", str(data), "-U", "study", "-A", "trust", "-N"]
    subprocess.run([*initdb, "--locale=C", "-E", "UTF8"], check=True, capture_output=True)
    command = [*as_user, str(_BIN / "postgres"), "-D", str(data), "-k", str(folder), "-h", ""]
    for setting in _SETTINGS:
        command += ["-c", setting]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(_address(folder, "postgres"))
        yield str(folder)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def fresh(folder: str) -> str:
    """The address of a new, empty database on the server of this folder."""
    import psycopg

    name = f"t{secrets.token_hex(8)}"
    with psycopg.connect(_address(folder, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return _address(folder, name)


def _address(folder: object, name: str) -> str:
    return f"postgresql://study@/{name}?host={folder}"


def _wait_for(address: str) -> None:
    import psycopg

    deadline = time.monotonic() + HANG_S
    while True:
        try:
            psycopg.connect(address).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)

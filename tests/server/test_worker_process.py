"""The worker as a process of its own: started when there is work, killed, and started again."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from patience import until
from server_films import pieces, webm
from server_world import World
from twomind.core import scratch
from twomind.server import worker
from twomind.server.tables import Recording

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not scratch.can_be_in_memory(), reason="needs files in memory"),
]


def recorded(world: World) -> str:
    guest = world.person()
    guest.agree()
    return guest.record("q1", pieces(webm()))


def row_of(world: World, recording: str) -> Recording:
    with world.place.database.reading() as reading:
        return reading.get_one(Recording, recording)


def test_work_goes_on_after_the_process_was_killed(world: World) -> None:
    recording = recorded(world)
    with worker.Keeper(world.place) as keeper:
        until(lambda: row_of(world, recording).tries == 1, "the worker has begun")
        assert keeper._process is not None
        keeper._process.kill()
        until(lambda: row_of(world, recording).measured is not None, "it is measured after all")
    assert row_of(world, recording).tries == 0


def test_a_server_that_stops_costs_no_try(world: World) -> None:
    recording = recorded(world)
    with worker.Keeper(world.place):
        until(lambda: row_of(world, recording).tries == 1, "the worker has begun")
    row = row_of(world, recording)
    assert row.measured is not None or row.tries == 0


def test_the_process_ends_with_its_server(world: World) -> None:
    recorded(world)
    process = worker._started(world.folder)
    assert process.stdin is not None
    time.sleep(1)
    process.stdin.close()
    until(lambda: process.poll() is not None, "the worker is gone")


def _can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-f", "true"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not _can_trace(), reason="strace is absent, or may not trace here")
def test_the_kernel_sees_no_file_that_is_written_in_clear(
    world: World, tmp_path: Path, make_world: Callable[..., World]
) -> None:
    """Every file that the process writes to is sealed, the database, a lock, or what is kept of our own
    source files, which has nothing of people.
    """
    recording = recorded(world)
    trace = tmp_path / "trace"
    calls = "openat,open,creat,memfd_create"
    command = ["strace", "-f", "-y", "-e", f"trace={calls}", "-o", str(trace)]
    command += [sys.executable, "-B", "-m", "twomind.server.worker", str(world.folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        until(lambda: row_of(world, recording).measured is not None, "it is measured")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    lines = trace.read_text(errors="replace").splitlines()
    assert any("memfd_create" in line for line in lines)
    written = [line for line in lines if re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE", line)]
    # The last three: how Python looks for libraries and for a folder of temporary files. A temporary
    # file of ours has no name, and is none of them.
    looking = r"/tmp/(tmp\w{8}|cc\w+\.[\w.]+|\w{8})\""
    ours = r"\.sealed\.\w+\.part|study\.db(-wal|-shm)?\"|worker\.lock|/dev/|/proc/self/|/memfd:"
    allowed = rf"{looking}|{ours}|/\.marks\.json\.\w+\.part\""
    strange = [line for line in written if not re.search(allowed, line) and "ENOENT" not in line]
    assert strange == [], "\n".join(strange)

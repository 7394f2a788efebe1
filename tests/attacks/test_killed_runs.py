"""Runs that are killed, interrupted or share a folder give the same bytes as one that was left
alone; none of them calls anybody.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attacks.crafted import answer, snapshot
from patience import HANG_S
from twomind.core.files import LOCK

pytestmark = pytest.mark.slow

N_FILES = 50
N_KILLS = 20
#: What a run says of itself: when, and which process.
_OWN = ("ledger.jsonl", LOCK)


def command(films: Path, out: Path, store: Path) -> list[str]:
    base = [sys.executable, "-m", "twomind.cli.main", "predict", str(films), "--question", "7"]
    return [*base, "--out", str(out), "--store", str(store), "--workers", "2", "--offline"]


def run(films: Path, out: Path, store: Path) -> None:
    done = subprocess.run(
        command(films, out, store), capture_output=True, text=True, timeout=HANG_S
    )
    assert done.returncode == 0, done.stderr


def begin(films: Path, out: Path, store: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(films, out, store),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def results(out: Path) -> dict[str, bytes]:
    """What a run made; of the table, not whether this run or an earlier one made it. The settings
    name the folder, which is another for each run here.
    """
    found = snapshot(out)
    for name in (*_OWN, "settings.toml"):
        found.pop(name, None)
    found["answers.csv"] = found["answers.csv"].replace(b",already done,", b",done,")
    return found


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for n in range(N_FILES):
        answer(folder / f"a{n:02d}.wav", n)
    return folder


@pytest.fixture(scope="module")
def undisturbed(films: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(films, folder / "out", folder / "store")
    found = results(folder / "out")
    assert len(found) > N_FILES * 7
    return found


def test_a_batch_killed_at_random_moments_ends_with_the_same_bytes(
    films: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out, store = tmp_path / "out", tmp_path / "store"
    draw = random.Random(1)
    n_killed = 0
    for _ in range(N_KILLS):
        process = begin(films, out, store)
        _wait_for(process, n_done=draw.randrange(4))
        time.sleep(draw.uniform(0.0, 0.3))
        process.kill()
        process.communicate()
        n_killed += process.returncode == -signal.SIGKILL
    assert n_killed > N_KILLS // 2
    run(films, out, store)
    assert results(out) == undisturbed
    assert not list(out.rglob("*.part"))


def _wait_for(process: subprocess.Popen[str], n_done: int) -> None:
    """Until so many answers were made, or the run has ended."""
    assert process.stdout is not None
    for line in process.stdout:
        n_done -= line.rstrip().endswith(": done")
        if n_done <= 0:
            return


def test_two_runs_in_one_folder_end_with_the_same_bytes(
    films: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out, store = tmp_path / "out", tmp_path / "store"
    both = [begin(films, out, store) for _ in range(2)]
    said = [process.communicate(timeout=HANG_S)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("waiting until it has ended" in text for text in said) == 1
    assert results(out) == undisturbed


@pytest.mark.parametrize("gap_s", [0.0, 0.1])
def test_ctrl_c_twice_prints_no_traceback(gap_s: float, films: Path, tmp_path: Path) -> None:
    for number in range(2):
        process = begin(films, tmp_path / f"out{number}", tmp_path / "store")
        assert process.stdout is not None
        first = process.stdout.readline()
        assert "a" in first  # the first answer is done: the run is in its middle
        time.sleep(0.2 * number)
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(gap_s)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=HANG_S)[0]
        assert "Traceback" not in said, said
        assert "leaked" not in said, said
        assert process.returncode in (130, -signal.SIGINT)


def test_no_run_opens_a_connection(films: Path, tmp_path: Path) -> None:
    """As the system saw it where ``strace`` is there; else as Python did."""
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(films.iterdir())[:4]:
        shutil.copy(path, few)
    wanted = command(few, tmp_path / "out", tmp_path / "store")
    if shutil.which("strace") is None:
        _guarded(wanted)
        return
    log = tmp_path / "calls"
    traced = ["strace", "-f", "-qq", "-e", "trace=connect,sendto", "-o", str(log), *wanted]
    done = subprocess.run(traced, capture_output=True, text=True, timeout=HANG_S)
    if "ptrace" in done.stderr:
        _guarded(wanted)
        return
    assert done.returncode == 0, done.stderr
    assert "AF_INET" not in log.read_text()


_GUARD = """
import runpy, socket, sys
def refuse(*_, **__):
    raise SystemExit("a connection was opened")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
sys.argv = sys.argv[1:]
runpy.run_module("twomind.cli.main", run_name="__main__")
"""


def _guarded(wanted: list[str]) -> None:
    alone = ["1" if word == "2" else word for word in wanted]
    code = [sys.executable, "-c", _GUARD, "twomind", *alone[3:]]
    done = subprocess.run(code, capture_output=True, text=True, timeout=HANG_S)
    assert done.returncode == 0, done.stderr

"""One bad item never stops the rest, in one process or in several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from patience import HANG_S, until
from twomind.core import engine
from twomind.core.errors import BadInput


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Work that worker processes can import."""
    (tmp_path / "chores.py").write_text(
        "import os, signal\n"
        "from twomind.core.errors import BadInput\n"
        "def chore(x):\n"
        "    if x == 'bad': raise BadInput('expected a number')\n"
        "    if x == 'defect': raise RuntimeError('oops')\n"
        "    if x == 'crash': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return x * 2\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import chores

    return chores.chore


@pytest.mark.parametrize("workers", [1, 2])
def test_failures_are_outcomes(work, workers) -> None:
    got = {o.item: o for o in engine.run(work, [1, "bad", 2, "defect", 3], workers)}
    assert {k: o.result for k, o in got.items() if o.ok} == {1: 2, 2: 4, 3: 6}
    assert (got["bad"].error_kind, got["bad"].exit_code) == ("bad_input", BadInput.exit_code)
    assert got["defect"].error_kind == "defect"
    assert "oops" in got["defect"].trace


def test_a_worker_that_dies_costs_only_its_own_item(work) -> None:
    got = {o.item: o for o in engine.run(work, [1, 2, "crash", 3, 4, 5], 2)}
    assert got.pop("crash").error_kind == "crash"
    assert {k: o.result for k, o in got.items()} == {1: 2, 2: 4, 3: 6, 4: 8, 5: 10}


def test_one_worker_keeps_the_order() -> None:
    assert [o.result for o in engine.run(str, range(5), 1)] == ["0", "1", "2", "3", "4"]


def test_never_more_workers_than_items() -> None:
    assert engine.n_workers(8, 3) == 3
    assert engine.n_workers(0, 100) >= 1
    assert engine.n_workers(5, 0) == 1


def test_signals_are_not_swallowed() -> None:
    def interrupt(_: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    # A shell that starts tests in the background has them ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(engine.run(interrupt, [1], 1))
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_a_parent_that_was_killed(tmp_path, by) -> None:
    """Else every killed run leaves processes of some 200 MB that wait for the next item
    for ever.
    """
    (tmp_path / "parent.py").write_text(
        "import os, pathlib, time\n"
        "from twomind.core import engine\n"
        "def sleep(path):\n"
        "    pathlib.Path(path).write_text(str(os.getpid()))\n"
        f"    time.sleep({HANG_S})\n"
        "if __name__ == '__main__':\n"
        f"    list(engine.run(sleep, [{str(tmp_path / 'a')!r}, {str(tmp_path / 'b')!r}], 2))\n"
    )
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")])
    files = [tmp_path / "a", tmp_path / "b"]
    until(lambda: all(f.is_file() and f.read_text() for f in files), "both workers have begun")
    workers = [int(f.read_text()) for f in files]
    parent.send_signal(by)
    parent.wait(HANG_S)
    until(lambda: not any(map(_runs, workers)), "the workers have ended")


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
def test_workers_share_the_cores_unless_the_user_says_otherwise(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asking.py").write_text(
        "import os\ndef threads(_): return os.environ['OMP_NUM_THREADS']\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from asking import threads

    monkeypatch.setattr(engine, "_n_cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [one.result for one in engine.run(threads, [1, 2], workers=2)] == ["3", "3"]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert [one.result for one in engine.run(threads, [1, 2], workers=2)] == ["5", "5"]

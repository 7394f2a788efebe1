"""A process that has imported what is slow to import, and forks itself for every run of pytest that
it is asked for.

``python mutation_server.py numpy torch …``. It reads one order a line, as JSON: ``arguments`` of
pytest, the ``folder`` to run in, the ``environment`` to add, the file ``log`` for what is printed,
and ``seconds`` it may take. It answers each with a line: the exit status, or ``null`` where it took
too long. Nothing of the library under test is imported here, so each run meets the library as it
then is. On SIGTERM, and at the end of its orders, all of it ends.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from contextlib import suppress

import pytest

running: int | None = None


def main(names: list[str]) -> None:
    global running
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    for line in sys.stdin:
        order = json.loads(line)
        running = os.fork()
        if running == 0:
            _child(order)
        with suppress(OSError):
            os.setpgid(running, running)
        print(json.dumps(_wait(running, order["seconds"])), flush=True)
        running = None


def _child(order: dict) -> None:
    with suppress(OSError):
        os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = 3
    try:
        out = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for have, want in ((nothing, 0), (out, 1), (out, 2)):
            os.dup2(have, want)
        os.chdir(order["folder"])
        os.environ.update(order["environment"])
        # As `python -m pytest` in that folder has it, not as this file does.
        sys.path[:1] = [order["folder"], *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        code = int(pytest.main(order["arguments"]))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _wait(child: int, seconds: float) -> int | None:
    """Its exit status (negative: the signal that ended it), or None. What it has started ends with
    it.

    Only time in which this process could look counts: one that was stopped with the child has not
    waited.
    """
    waited, pause = 0.0, 0.01
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _kill(child)
            return os.waitstatus_to_exitcode(status)
        if waited > seconds:
            _kill(child)
            os.waitpid(child, 0)
            return None
        time.sleep(pause)
        waited += pause
        pause = min(pause * 1.5, 0.2)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _end(*_: object) -> None:
    if running:
        _kill(running)
    os._exit(143)


if __name__ == "__main__":
    main(sys.argv[1:])

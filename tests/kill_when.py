"""A command that is killed in the middle of its work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable


def kill_when(command: list[str], there: Callable[[], bool]) -> None:
    """Start a command and kill it as soon as something is there.

    Raises:
        AssertionError: It came to its end before.
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 240
    while started.poll() is None and time.monotonic() < until:
        if there():
            started.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    started.wait(timeout=60)
    assert started.returncode == -signal.SIGKILL

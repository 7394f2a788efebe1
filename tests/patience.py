"""How long tests wait before they call something hung: one number, so large that a busy machine
does not reach it.

A test says what must become true, never how quickly. Nothing here is a limit on speed: without this
guard a test run that hangs would hang for ever.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

#: Seconds after which something that was waited for counts as hung; TWOMIND_TEST_HANG_S sets it.
HANG_S = float(os.environ.get("TWOMIND_TEST_HANG_S", "3600"))


def until(true: Callable[[], object], what: str = "", pause_s: float = 0.05) -> None:
    """Wait until ``true()`` is so."""
    end = time.monotonic() + HANG_S
    while not true():
        assert time.monotonic() < end, f"not so after {HANG_S:.0f} s: {what or true}"
        time.sleep(pause_s)

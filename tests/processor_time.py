"""A limit on the time of the processor, which a busy machine does not use up."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TooLong(Exception):
    """The block was still working when its time was up."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Ends the block when this process has worked for that long, inside a pattern too.

    Raises:
        TooLong: the time is up.
    """

    def late(signum: int, frame: FrameType | None) -> None:
        raise TooLong(f"more than {seconds:g} s of the processor")

    # What other tests left in this process is looked through at each collection: no work of the
    # block.
    gc.freeze()
    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        gc.unfreeze()

"""Ctrl-C: the first is told, a second ends the process with nothing more said."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, NoReturn

from twomind.cli.ending import INTERRUPTED, INTERRUPTED_MESSAGE, tell_and_end

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

#: Seconds that giving back may take before the process ends without it.
_PATIENCE_S = 0.5


@contextmanager
def second_interrupt_ends() -> Iterator[None]:
    """Within it, Ctrl-C raises :class:`KeyboardInterrupt` once; the next ends the process, which
    may be tidying up.
    """
    before = signal.getsignal(signal.SIGINT)
    hook = sys.unraisablehook
    try:
        signal.signal(signal.SIGINT, _first)
    except ValueError:  # not the main thread, which alone is interrupted
        yield
        return
    sys.unraisablehook = _unraisable
    try:
        yield
    finally:
        sys.unraisablehook = hook
        if signal.getsignal(signal.SIGINT) is _first:
            signal.signal(signal.SIGINT, before)


def _first(*_: object) -> None:
    signal.signal(signal.SIGINT, _next)
    raise KeyboardInterrupt


def _next(*_: object) -> None:
    _give_back_semaphores()
    os._exit(INTERRUPTED)


def _give_back_semaphores() -> None:
    """Those of processes of workers, which the end of the program would give back; otherwise Python
    tells people of objects that leaked. In a thread: what was interrupted may hold a lock of theirs.
    """
    if "multiprocessing.synchronize" not in sys.modules:
        return
    giving = Thread(target=_unlink_semaphores, daemon=True)
    giving.start()
    giving.join(_PATIENCE_S)


def _unlink_semaphores() -> None:
    from multiprocessing import synchronize, util

    # Parts of Python without a promise; without them people are told of the objects.
    cleanup = getattr(synchronize.SemLock, "_cleanup", None)
    for finalizer in list(getattr(util, "_finalizer_registry", {}).values()):
        if cleanup is not None and getattr(finalizer, "_callback", None) is cleanup:
            finalizer()


def _unraisable(args: UnraisableHookArgs) -> None:
    """Python drops an interrupt that falls into a callback of its own; here it ends the process."""
    if issubclass(args.exc_type, KeyboardInterrupt):
        _give_back_semaphores()
        tell_and_end()
    sys.__unraisablehook__(args)


def stop_at_once() -> NoReturn:
    """Leave after Ctrl-C."""
    sys.stderr.write(INTERRUPTED_MESSAGE)
    sys.exit(INTERRUPTED)

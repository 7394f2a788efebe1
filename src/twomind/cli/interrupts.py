"""Ctrl-C: the first is told, a second ends the process with nothing more said."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

#: Exit code after Ctrl-C.
INTERRUPTED = 130
_TOLD = "twomind: interrupted; what was finished is kept. Run the same command again to go on.\n"


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
    os._exit(INTERRUPTED)


def _unraisable(args: UnraisableHookArgs) -> None:
    """Python drops an interrupt that falls into a callback of its own; here it ends the process."""
    if issubclass(args.exc_type, KeyboardInterrupt):
        tell_and_end()
    sys.__unraisablehook__(args)


def tell_and_end(*_: object) -> NoReturn:
    """Say what there is to say and end the process, with nothing tidied up: as a handler of a
    signal, or where none can be waited for.
    """
    sys.stderr.write(_TOLD)
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def stop_at_once() -> NoReturn:
    """Leave after Ctrl-C."""
    sys.stderr.write(_TOLD)
    sys.exit(INTERRUPTED)

"""Ctrl-C: the first is told, a second ends the process with nothing more said."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from twomind.cli.ending import INTERRUPTED, INTERRUPTED_MESSAGE, tell_and_end

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


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


def stop_at_once() -> NoReturn:
    """Leave after Ctrl-C."""
    sys.stderr.write(INTERRUPTED_MESSAGE)
    sys.exit(INTERRUPTED)

"""Ctrl-C: the first is told, a second ends the process with nothing more said."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

#: Exit code after Ctrl-C.
INTERRUPTED = 130


@contextmanager
def second_interrupt_ends() -> Iterator[None]:
    """Within it, Ctrl-C raises :class:`KeyboardInterrupt` once; the next ends the process, which
    may be tidying up.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, _first)
    except ValueError:  # not the main thread, which alone is interrupted
        yield
        return
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _first:
            signal.signal(signal.SIGINT, before)


def _first(*_: object) -> None:
    signal.signal(signal.SIGINT, _next)
    raise KeyboardInterrupt


def _next(*_: object) -> None:
    os._exit(INTERRUPTED)


def stop_at_once() -> NoReturn:
    """Leave after Ctrl-C."""
    import click

    text = "twomind: interrupted; what was finished is kept. Run the same command again to go on."
    click.echo(text, err=True)
    sys.exit(INTERRUPTED)

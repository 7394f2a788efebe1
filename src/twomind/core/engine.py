"""Map work over recordings, people or folds, in this process or over several. One bad item never
stops the rest.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from twomind.core.errors import TwomindError, of_system

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: a result, or the failure's class (``kind`` of an error)
    and message.
    """

    item: Item
    result: Result | None = None
    error: str = ""
    error_kind: str = ""
    exit_code: int = 0
    trace: str = ""

    @property
    def ok(self) -> bool:
        return not self.error_kind


def attempt(work: Callable[[Item], Result], item: Item) -> Outcome[Item, Result]:
    """The work on one item; what it raises becomes part of the outcome."""
    try:
        return Outcome(item, work(item))
    except TwomindError as error:
        return Outcome(item, error=str(error), error_kind=error.kind, exit_code=error.exit_code)
    except (OSError, MemoryError) as error:
        told, trace = of_system(error), traceback.format_exc()
        return Outcome(
            item, error=str(told), error_kind=told.kind, exit_code=told.exit_code, trace=trace
        )
    except Exception as error:
        # A defect in one item's work must not lose the other items; its trace goes to the ledger.
        message = f"{type(error).__name__}: {error}"
        return Outcome(
            item, error=message, error_kind="defect", exit_code=1, trace=traceback.format_exc()
        )


class Elsewhere(Protocol):
    """Where work is done in place of processes of this machine (:mod:`twomind.core.cluster`)."""

    def n_workers(self, asked: int, n_items: int) -> int:
        """How many items are worked at once."""
        ...

    def run(
        self, work: Callable[[Item], Result], items: Iterable[Item], workers: int
    ) -> Iterator[Outcome[Item, Result]]:
        """Do the work on every item, with the outcomes of :func:`run`."""
        ...


_ELSEWHERE: ContextVar[Elsewhere | None] = ContextVar("twomind_elsewhere", default=None)


@contextlib.contextmanager
def at(place: Elsewhere) -> Iterator[None]:
    """Let :func:`run` work there for as long as the block runs."""
    token = _ELSEWHERE.set(place)
    try:
        yield
    finally:
        _ELSEWHERE.reset(token)


def is_elsewhere() -> bool:
    """Whether work is done on other machines."""
    return _ELSEWHERE.get() is not None


def n_workers(asked: int, n_items: int) -> int:
    """How many processes to use: ``asked``, or for 0 one per core; never more than there
    are items.
    """
    elsewhere = _ELSEWHERE.get()
    if elsewhere is not None:
        return elsewhere.n_workers(asked, n_items)
    return max(1, min(asked or _n_cores(), n_items))


def _n_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


#: What libraries read, when they are imported, to know how many threads they may use.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _begin_worker(threads: int) -> None:
    """A worker takes its share of the cores: several that each take all of them wait for each other.
    Where the user has said how many threads, that holds.
    """
    for name in _THREADS:
        os.environ.setdefault(name, str(threads))
    _end_with_parent()


def _end_with_parent() -> None:
    """A worker whose parent was killed would finish its item and then wait for the next one for
    ever. Ctrl-C is the parent's: it ends its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)  # what is written is written atomically; nobody is left to take a result

    threading.Thread(target=watch, name="twomind-parent", daemon=True).start()


def _pool(workers: int) -> ProcessPoolExecutor:
    # Spawned, not forked: media and tracking libraries hold threads that a fork would break.
    spawn = multiprocessing.get_context("spawn")
    threads = max(1, _n_cores() // workers)
    return ProcessPoolExecutor(
        workers, mp_context=spawn, initializer=_begin_worker, initargs=(threads,)
    )


@contextlib.contextmanager
def _ended_at_once(pool: ProcessPoolExecutor) -> Iterator[ProcessPoolExecutor]:
    """A pool whose workers are ended when the work is given up: what they write is written
    atomically, and waiting for them would take as long as their items.
    """
    with pool:
        try:
            yield pool
        except BaseException:
            for process in list((pool._processes or {}).values()):
                process.kill()
            raise


def run(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int = 1
) -> Iterator[Outcome[Item, Result]]:
    """Yield one :class:`Outcome` per item, as each is done (in order with one worker).

    With ``workers`` > 1, ``work`` must be a module-level function (or a partial of one). When a
    worker process dies (out of memory, a crash in native code), the items that were in flight are
    tried again one at a time, so that only the culprit is reported as failed.
    """
    elsewhere = _ELSEWHERE.get()
    if elsewhere is not None:
        yield from elsewhere.run(work, items, workers)
        return
    waiting = deque(items)
    if workers <= 1:
        for item in waiting:
            yield attempt(work, item)
        return
    suspects: list[Item] = []
    while waiting:
        yield from _run_pool(work, waiting, workers, suspects)
    for item in suspects:
        with _ended_at_once(_pool(1)) as pool:
            try:
                yield pool.submit(attempt, work, item).result()
            except BrokenProcessPool:
                message = "the worker process died (out of memory, or a crash in native code)"
                yield Outcome(item, error=message, error_kind="crash", exit_code=1)


def _run_pool(
    work: Callable[[Item], Result], waiting: deque[Item], workers: int, suspects: list[Item]
) -> Iterator[Outcome[Item, Result]]:
    """Consume ``waiting`` until all are done or a worker dies; then the items in flight are moved
    to ``suspects``.
    """
    with _ended_at_once(_pool(workers)) as pool:
        running: dict[Future[Outcome[Item, Result]], Item] = {}
        alive = True
        while running or (alive and waiting):
            while alive and waiting and len(running) < workers:
                try:
                    running[pool.submit(attempt, work, waiting[0])] = waiting[0]
                    waiting.popleft()
                except BrokenProcessPool:
                    alive = False
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                item = running.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    alive = False
                    suspects.append(item)
                else:
                    yield outcome
